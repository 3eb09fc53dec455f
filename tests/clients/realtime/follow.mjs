// The client in TypeScript followed through everything it promises, the same in Node and in a browser. `origin` is the
// driver: it moves the center, says what is true, and cuts connections.

import { same, text } from "./same.mjs";

const DATASETS = [
  "queue_live",
  "agent_live",
  "team_live",
  "site_live",
  "interaction_live",
  "interval_current",
  "entry_point_live",
  "flow_live",
];

function check(holds, what) {
  if (!holds) {
    throw new Error(what);
  }
}

/** Drops one message for which `isMeant` says so, once armed: what a bad proxy could do. */
function lossy() {
  const Real = globalThis.WebSocket;
  let isMeant;
  globalThis.WebSocket = class extends Real {
    set onmessage(listener) {
      super.onmessage = (message) => {
        if (isMeant?.(JSON.parse(message.data))) {
          isMeant = undefined;
          return;
        }
        listener(message);
      };
    }
  };
  return {
    drop: (which) => {
      isMeant = which;
    },
    isArmed: () => isMeant !== undefined,
    restore: () => {
      globalThis.WebSocket = Real;
    },
  };
}

export async function follow({ Client, RealtimeError, isEvent }, origin) {
  const ask = async (path) => {
    const answer = await fetch(`${origin}/do/${path}`);
    check(answer.ok, `${path}: ${answer.status}`);
    return answer.json();
  };
  const step = async (count) => (await ask(`step?count=${count}`)).position;
  const url = await ask("where");
  const loss = lossy();
  const states = [];
  const client = new Client({
    url,
    token: async () => (await ask("token")).token,
    waitMaxMs: 500,
    onState: (state) => states.push(state),
  });

  /** Compares a dataset with the truth at the position it is at. */
  const compare = async (rows, dataset, position) => {
    await rows.reached(position);
    const at = rows.position;
    const sorted = [...rows.rows].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, row]) => row);
    same(sorted, await ask(`rows?dataset=${dataset}&position=${at}`), `${dataset} at ${at}`);
    return sorted.length;
  };

  const followed = DATASETS.map((dataset) => [dataset, client.rows(dataset, { maxHz: 50 })]);
  const queues = followed[0][1];
  const named = client.rows("queue_live", {
    columns: ["in_queue_now"],
    filter: { in_queue_now: { gte: 1 } },
    maxHz: 50,
  });
  // A loop that keeps rows of its own from the changes it is given.
  const looped = new Map();
  let resets = 0;
  const loop = (async () => {
    for await (const change of queues) {
      if (change.isReset) {
        looped.clear();
        resets += 1;
      }
      for (const [key, row] of change.upserts) {
        looped.set(key, row);
      }
      for (const key of change.deletes) {
        check(looped.delete(key), `${key} was never there`);
      }
    }
  })();
  // A loop that is so slow that the server is asked to stop.
  const log = client.events({ after: 3, waitingMax: 4 });
  const events = [];
  const reading = (async () => {
    for await (const event of log) {
      events.push(event);
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  })();

  let rowsSeen = 0;
  for (let round = 0; round < 6; round += 1) {
    let position = await step(9);
    if (round % 2 === 1) {
      await ask("cut");
      position = await step(4);
    }
    for (const [dataset, rows] of followed) {
      rowsSeen += await compare(rows, dataset, position);
    }
    const waiting = await ask(`rows?dataset=queue_live&position=${position}`);
    await named.reached(position);
    same(
      [...named.rows.values()].map((row) => text(row)).sort(),
      waiting
        .filter((row) => row.in_queue_now >= 1)
        .map(({ queue_id, in_queue_now }) => text({ queue_id, in_queue_now }))
        .sort(),
      "chosen columns of filtered rows",
    );
  }
  check(rowsSeen > 50, `only ${rowsSeen} rows were compared`);
  check(states.filter((state) => state === "open").length >= 4, `never cut: ${states}`);
  check(resets === 1, `${resets} snapshots: connections that were cut did not go on where they were`);

  // A frame that is lost is noticed by the next one, and the rows are read anew.
  loss.drop((frame) => frame.type === "delta" && "upserts" in frame && frame.upserts.some((row) => "queue_name" in row && "wrapup_now" in row));
  let position = await step(1);
  while (loss.isArmed()) {
    position = await step(2);
    await new Promise((resolve) => setTimeout(resolve, 30));
  }
  position = await step(8);
  await compare(queues, "queue_live", position);
  // Changes may still be on their way to the loop: it is given them in the next turn.
  await new Promise((resolve) => setTimeout(resolve));
  check(resets === 2, `a gap passed unnoticed: ${resets} snapshots`);
  same(
    [...looped].sort(([a], [b]) => (a < b ? -1 : 1)),
    [...queues.rows].sort(([a], [b]) => (a < b ? -1 : 1)),
    "rows kept from changes",
  );

  const truth = await ask("events?after=3");
  while (events.length < truth.length) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  same(events, truth, "events");
  const entered = events.filter((event) => isEvent(event, "queue.entered"));
  check(entered.length > 5 && entered.every((event) => event.data.leg_no === 1), "events have payloads");

  // What trying again would not help is an error, and nothing else ends by it.
  const refused = client.rows("queue_live", { columns: ["no_such_column"] });
  const why = await refused.reached().catch((error) => error);
  check(why instanceof RealtimeError && why.code === "bad_request", `refused: ${why}`);
  check(why.message.includes("no_such_column"), why.message);
  const stranger = new Client({ url, token: "nonsense" });
  const unknown = await stranger.rows("queue_live").reached().catch((error) => error);
  check(unknown instanceof RealtimeError && unknown.code === "unauthorized", `unknown: ${unknown}`);
  await compare(queues, "queue_live", await step(3));

  client.close();
  await Promise.all([loop, reading]);
  check(client.state === "closed", client.state);
  loss.restore();
  return { rowsSeen, events: events.length, positions: queues.position };
}
