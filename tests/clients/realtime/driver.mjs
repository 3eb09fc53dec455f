// Starts the small center, stands between it and its clients so that connections can be cut, and lets every client
// follow it: CENTER=program [CHROMIUM=program] node driver.mjs
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer as createHttp } from "node:http";
import { connect, createServer as createTcp } from "node:net";
import { tmpdir } from "node:os";
import { join, normalize } from "node:path";
import { createInterface } from "node:readline";
import * as realtime from "@ledgerline/realtime";
import { browse } from "./browser.mjs";
import { follow } from "./follow.mjs";
import { subscriptions } from "./graphql.mjs";
import { raw } from "./raw.mjs";

const PATIENCE_MS = 90_000;
const TYPES = { html: "text/html", mjs: "text/javascript", js: "text/javascript" };

/** A center of its own for every client: all of them begin at the beginning. */
async function start() {
  const child = spawn(process.env.CENTER, { stdio: ["pipe", "pipe", "inherit"] });
  const [url, secure] = await new Promise((resolve, reject) => {
    const lines = createInterface({ input: child.stdout });
    lines.once("line", (line) => resolve(line.split(" ")));
    child.once("error", reject);
    child.once("exit", (code) => reject(new Error(`the center ended: ${code}`)));
  });
  const get = async (path, options) => {
    const answer = await fetch(`${url}/center/${path}`, options);
    if (!answer.ok) {
      throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
    }
    return answer;
  };
  return {
    url,
    secure,
    token: async () => (await get("token")).text(),
    step: async (count) => (await (await get(`step?count=${count}`, { method: "POST" })).json()).position,
    rows: async (dataset, position) => (await get(`rows?dataset=${dataset}&position=${position}`)).json(),
    events: async (after) => (await get(`events?after=${after}`)).json(),
    stop: () => child.stdin.end(),
  };
}

const listening = (server) => new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(server.address().port)));

/** A way to the center on which connections can be cut in the middle of anything. */
async function between(center) {
  const { hostname, port } = new URL(center.url);
  const open = new Set();
  const server = createTcp((client) => {
    const upstream = connect(Number(port), hostname);
    for (const [one, other] of [[client, upstream], [upstream, client]]) {
      open.add(one);
      one.pipe(other);
      one.on("error", () => other.destroy());
      one.on("close", () => {
        open.delete(one);
        other.destroy();
      });
    }
  });
  const url = `http://127.0.0.1:${await listening(server)}`;
  return { url, cut: () => open.forEach((socket) => socket.resetAndDestroy()), server };
}

/** What a page may ask: its own files, and `/do/`. */
async function site(center, way) {
  const server = createHttp(async (request, response) => {
    const { pathname, searchParams } = new URL(request.url, "http://driver");
    const json = (value) => response.setHeader("content-type", "application/json").end(JSON.stringify(value));
    try {
      switch (pathname) {
        case "/do/where":
          return json(way.url);
        case "/do/token":
          return json({ token: await center.token() });
        case "/do/step":
          return json({ position: await center.step(searchParams.get("count")) });
        case "/do/rows":
          return json(await center.rows(searchParams.get("dataset"), searchParams.get("position")));
        case "/do/events":
          return json(await center.events(searchParams.get("after")));
        case "/do/cut":
          way.cut();
          return json(null);
        default: {
          const file = normalize(pathname).slice(1);
          const type = TYPES[file.split(".").pop()] ?? "application/octet-stream";
          response.setHeader("content-type", type).end(readFileSync(file));
        }
      }
    } catch (error) {
      response.writeHead(500).end(String(error));
    }
  });
  return { origin: `http://127.0.0.1:${await listening(server)}`, server };
}

async function with_center(name, use) {
  const began = Date.now();
  const center = await start();
  const way = await between(center);
  const page = await site(center, way);
  let timer;
  try {
    const late = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new Error(`nothing for ${PATIENCE_MS} ms`)), PATIENCE_MS);
    });
    const done = await Promise.race([use(center, way, page), late]);
    console.log(`   ${name}: ${JSON.stringify(done)} in ${Date.now() - began} ms`);
  } catch (error) {
    throw new Error(`${name}: ${error.stack ?? error}`);
  } finally {
    clearTimeout(timer);
    center.stop();
    way.cut();
    way.server.close();
    page.server.closeAllConnections();
    page.server.close();
  }
}

if (typeof WebSocket === "undefined") {
  throw new Error("no WebSocket: Node 22 or later, or node --experimental-websocket");
}
await with_center("curl and a plain WebSocket", (center) => raw(center));
await with_center("graphql-ws", (center, way) => subscriptions(center, way));
await with_center("the TypeScript client in Node", (_center, _way, page) => follow(realtime, page.origin));

/** What a page in a Chromium of its own comes to. */
async function chromium(url) {
  const profile = mkdtempSync(join(tmpdir(), "ledgerline-chromium-"));
  try {
    const { done, error } = await browse(process.env.CHROMIUM, profile, url);
    if (error !== undefined) {
      throw new Error(error);
    }
    return done;
  } finally {
    await remove(profile);
  }
}

/** A browser that was ended goes on writing for a moment; what it leaves is no reason to fail. */
async function remove(folder) {
  for (let tries = 0; tries < 40; tries += 1) {
    try {
      rmSync(folder, { recursive: true, force: true });
      return;
    } catch {
      await new Promise((done) => setTimeout(done, 250));
    }
  }
  console.warn(`   ${folder} could not be removed`);
}

if (process.env.CHROMIUM) {
  await with_center("the TypeScript client in Chromium", (_center, _way, page) => chromium(`${page.origin}/page.html`));
  await with_center("streams over HTTP/2 in Chromium", (center) => chromium(`${center.secure}/streams.html`));
}
process.exit(0);
