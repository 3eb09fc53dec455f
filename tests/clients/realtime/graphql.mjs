// The client `graphql-ws`, as it is published, on the GraphQL door: rows over a connection that is cut, and events.
import { createClient } from "graphql-ws";
import { same } from "./same.mjs";

const COLUMNS = "agent_id state since position: valid_from_position";

export async function subscriptions(center, way) {
  const client = createClient({
    url: `${way.url.replace("http", "ws")}/v1/realtime/graphql`,
    connectionParams: async () => ({ authorization: `Bearer ${await center.token()}` }),
    retryAttempts: 20,
    retryWait: () => new Promise((resolve) => setTimeout(resolve, 50)),
    shouldRetry: () => true,
  });
  const rows = new Map();
  let position = await center.step(20);
  let [resets, cuts] = [0, 0];
  const query = `subscription { agent_live(max_hz: 50) {
    is_reset is_whole from position upserts { ${COLUMNS} } deletes { agent_id } } }`;
  let before;
  for await (const { data, errors } of client.iterate({ query })) {
    same(errors, undefined, "errors");
    const change = data.agent_live;
    if (change.is_reset) {
      rows.clear();
      resets += 1;
    } else if (change.from !== null) {
      same(change.from, before, "a change begins where the one before ended");
    }
    before = change.position;
    change.upserts.forEach((row) => rows.set(row.agent_id, row));
    change.deletes.forEach((row) => rows.delete(row.agent_id));
    if (!change.is_whole || change.position < position) {
      continue;
    }
    const truth = (await center.rows("agent_live", change.position)).map((row) => ({
      agent_id: row.agent_id,
      state: row.state,
      since: row.since,
      position: row.valid_from_position,
    }));
    same([...rows.values()].sort((a, b) => (a.agent_id < b.agent_id ? -1 : 1)), truth, "rows by GraphQL");
    if (cuts === 2) {
      break;
    }
    cuts += 1;
    way.cut();
    position = await center.step(12);
  }
  same(resets, 3, "beginnings: one, and one after every cut");

  const events = [];
  for await (const { data } of client.iterate({ query: "subscription { events(after: 0) { position events } }" })) {
    events.push(...data.events.events);
    if (data.events.position >= position) {
      break;
    }
  }
  same(events, await center.events(0), "events by GraphQL");
  await client.dispose();
  return { cuts, events: events.length };
}
