// A page in headless Chromium, driven over its debugging protocol.
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";

/** Opens a page and gives what its `window.outcome` comes to. */
export async function browse(program, profile, url) {
  const chromium = spawn(program, [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    // The center makes its certificate anew at every start.
    "--ignore-certificate-errors",
    "--remote-debugging-port=0",
    `--user-data-dir=${profile}`,
    "about:blank",
  ], { stdio: ["ignore", "ignore", "pipe"] });
  const ended = new Promise((resolve) => chromium.once("exit", resolve));
  try {
    const socket = new WebSocket(await debuggerOf(chromium));
    const answers = new Map();
    socket.onmessage = ({ data }) => {
      const { id, result, error } = JSON.parse(data);
      answers.get(id)?.(error ? { error } : result);
    };
    await new Promise((resolve, reject) => {
      socket.onopen = resolve;
      socket.onerror = reject;
    });
    let ids = 0;
    const call = (method, params, sessionId) =>
      new Promise((resolve, reject) => {
        ids += 1;
        answers.set(ids, (answer) => (answer.error ? reject(new Error(`${method}: ${answer.error.message}`)) : resolve(answer)));
        socket.send(JSON.stringify({ id: ids, method, params, sessionId }));
      });
    const { targetId } = await call("Target.createTarget", { url: "about:blank" });
    const { sessionId } = await call("Target.attachToTarget", { targetId, flatten: true });
    await call("Page.navigate", { url }, sessionId);
    const expression = "window.outcome ?? new Promise((resolve) => setTimeout(resolve, 50))";
    while (true) {
      const answer = await call("Runtime.evaluate", { expression, awaitPromise: true, returnByValue: true }, sessionId).catch((error) => {
        // The page is being exchanged for the one that was asked for.
        if (/context|navigated/i.test(error.message)) {
          return { result: {} };
        }
        throw error;
      });
      const outcome = answer.result.value;
      if (outcome !== undefined) {
        return outcome;
      }
    }
  } finally {
    chromium.kill();
    await ended;
  }
}

async function debuggerOf(chromium) {
  const said = [];
  for await (const line of createInterface({ input: chromium.stderr })) {
    const found = /DevTools listening on (\S+)/.exec(line);
    if (found) {
      chromium.stderr.resume();
      return found[1];
    }
    said.push(line);
  }
  throw new Error(`chromium ended: ${said.join("\n")}`);
}
