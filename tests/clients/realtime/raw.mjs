// Clients without a library: curl for server-sent events, a plain WebSocket for frames as docs/realtime.md has them.
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { same } from "./same.mjs";

/** Rows by key, fed with frames; throws on a gap. */
class Replica {
  rows = new Map();
  key = [];
  position = 0;
  isWhole = false;
  token = undefined;
  begun = 0;

  take(frame) {
    const keyOf = (row) => JSON.stringify(this.key.map((name) => row[name]));
    switch (frame.type) {
      case "snapshot_begin":
        this.begun += 1;
        [this.rows, this.key, this.isWhole] = [new Map(), frame.key, false];
        break;
      case "rows":
        frame.rows.forEach((row) => this.rows.set(keyOf(row), row));
        break;
      case "snapshot_end":
      case "progress":
        [this.position, this.isWhole] = [frame.position, true];
        break;
      case "delta":
        if (frame.from !== this.position) {
          throw new Error(`gap: ${frame.from} after ${this.position}`);
        }
        frame.upserts.forEach((row) => this.rows.set(keyOf(row), row));
        frame.deletes.forEach((row) => this.rows.delete(keyOf(row)));
        this.position = frame.to;
        break;
    }
    this.token = frame.token ?? this.token;
  }

  sorted() {
    return [...this.rows].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, row]) => row);
  }
}

/** Frames of a curl that reads server-sent events, until the replica has a position. */
async function curl(center, token, replica, until) {
  const resume = replica.token === undefined ? [] : ["-H", `last-event-id: ${replica.token}`];
  const url = `${center.url}/v1/realtime/sse?dataset=interaction_live&max_hz=50`;
  const child = spawn("curl", ["-sN", "--fail-with-body", "-H", `authorization: Bearer ${token}`, ...resume, url]);
  const before = replica.begun;
  let event = {};
  for await (const line of createInterface({ input: child.stdout })) {
    if (line !== "") {
      const [, name, value] = /^(\w*): ?(.*)$/.exec(line) ?? [];
      event[name] = value;
      continue;
    }
    if (event.data !== undefined) {
      const frame = JSON.parse(event.data);
      same([event.event, event.id], [frame.type, frame.token], "name and id of an event");
      replica.take(frame);
    }
    event = {};
    if (replica.isWhole && replica.position >= until) {
      child.kill();
      return replica.begun - before;
    }
  }
  throw new Error("curl ended");
}

export async function raw(center, cut) {
  const token = await center.token();
  const replica = new Replica();
  let position = await center.step(12);
  let snapshots = await curl(center, token, replica, position);
  same(snapshots, 1, "snapshots of the first curl");
  position = await center.step(20);
  snapshots = await curl(center, token, replica, position);
  same(snapshots, 0, "snapshots of a curl that resumes");
  same(replica.sorted(), await center.rows("interaction_live", replica.position), "rows by curl");

  // One socket, live rows and events side by side.
  const agents = new Replica();
  const events = [];
  const socket = new WebSocket(`${center.url.replace("http", "ws")}/v1/realtime?access_token=${token}`);
  const frames = [];
  let wake = () => {};
  socket.onmessage = ({ data }) => {
    frames.push(JSON.parse(data));
    wake();
  };
  const next = async () => {
    while (frames.length === 0) {
      await new Promise((resolve) => {
        wake = resolve;
      });
    }
    return frames.shift();
  };
  const ready = await next();
  same(ready.type, "ready", "first frame");
  socket.send(JSON.stringify({ type: "subscribe", id: "a", dataset: "agent_live", max_hz: 50 }));
  socket.send(JSON.stringify({ type: "subscribe", id: "e", dataset: "events", after: 0, filter: { type: ["queue."] } }));
  position = await center.step(10);
  let reached = 0;
  while (!agents.isWhole || agents.position < position || reached < position) {
    const frame = await next();
    if (frame.id === "a") {
      agents.take(frame);
    } else if (frame.type === "events") {
      events.push(...frame.events);
      reached = frame.to;
    } else if (frame.type === "progress") {
      reached = frame.position;
    } else {
      throw new Error(JSON.stringify(frame));
    }
  }
  same(agents.sorted(), await center.rows("agent_live", agents.position), "rows by a plain socket");
  const truth = (await center.events(0)).filter((event) => event.type.startsWith("queue."));
  same(events, truth, "events by a plain socket");
  socket.close();
  return { position, events: events.length };
}
