// A receiver of webhooks that verifies them with the official JavaScript library of Standard Webhooks.
//
// Prints its URL, refuses the first attempt at each event (500), and what does not verify (400). Ends when its standard
// input does; exit code 0 when everything verified with both keys, in the order of each interaction, and something came.

import { createServer } from "node:http";
import { Webhook } from "standardwebhooks";

const key = (letter) => new Webhook("whsec_" + Buffer.alloc(32, letter).toString("base64"));
const keys = [key("a"), key("b")];
const other = key("c");

const seen = new Set();
const taken = [];
const faults = [];

function verifies(webhook, body, headers) {
  try {
    webhook.verify(body, headers);
    return true;
  } catch {
    return false;
  }
}

function verify(body, headers) {
  if (!keys.every((it) => verifies(it, body, headers))) return "does not verify";
  if (verifies(other, body, headers)) return "another key verified";
  if (verifies(keys[0], body.replace('"1.0"', '"1.1"'), headers)) return "another body verified";
  return undefined;
}

function answer(body, headers) {
  const fault = verify(body, headers);
  if (fault) {
    faults.push(fault);
    return 400;
  }
  const id = headers["webhook-id"];
  if (!seen.has(id)) {
    seen.add(id);
    return 500;
  }
  const event = JSON.parse(body);
  taken.push([event.subject, Number(event.position)]);
  return 204;
}

const server = createServer((request, response) => {
  const chunks = [];
  request.on("data", (chunk) => chunks.push(chunk));
  request.on("end", () => {
    response.writeHead(answer(Buffer.concat(chunks).toString("utf8"), request.headers));
    response.end();
  });
});

server.listen(0, "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}/hook`));

process.stdin.resume();
process.stdin.on("end", () => {
  const last = new Map();
  const ordered = taken.every(([subject, position]) => {
    const isAfter = position > (last.get(subject) ?? 0);
    last.set(subject, position);
    return isAfter;
  });
  console.log(`node: ${taken.length} taken, ${faults.length} faults ${faults.slice(0, 3)}, in order: ${ordered}`);
  process.exit(taken.length > 0 && ordered && faults.length === 0 ? 0 : 1);
});
