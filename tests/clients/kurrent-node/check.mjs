// What the official Node client does against a running server; see `cargo xtask kurrent-clients`.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { createInterface } from "node:readline";
import {
  AccessDeniedError,
  BACKWARDS,
  END,
  FORWARDS,
  KurrentDBClient,
  NO_STREAM,
  PARK,
  START,
  StreamNotFoundError,
  WrongExpectedVersionError,
  binaryEvent,
  eventTypeFilter,
  jsonEvent,
  persistentSubscriptionToStreamSettingsFromDefaults,
  streamNameFilter,
} from "@kurrent/kurrentdb-client";

const { KURRENT_ADDRESS, KURRENT_USER, KURRENT_PASSWORD, KURRENT_CA } = process.env;
const STREAM = `external-node-${randomUUID()}`;
const ca = encodeURIComponent(KURRENT_CA);
const connect = (password) =>
  KurrentDBClient.connectionString`kurrentdb://${KURRENT_USER}:${password}@${KURRENT_ADDRESS}?tls=true&tlsCaFile=${ca}`;
const db = connect(KURRENT_PASSWORD);
const said = (text) => console.log(`ok ${text}`);
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

const restart = async () => {
  console.log("restart");
  assert.equal((await lines.next()).value, "restarted");
};
const event = (number) =>
  jsonEvent({
    id: randomUUID(),
    type: number % 2 ? "OrderPlaced" : "OrderShipped",
    data: { number },
    metadata: { from: "node" },
  });
const collect = async (stream, count = Infinity) => {
  const found = [];
  for await (const resolved of stream) {
    found.push(resolved.event);
    if (found.length >= count) break;
  }
  return found;
};
const ids = (events) => events.map((it) => it.id);

const first = [0, 1, 2, 3, 4].map(event);
const raw = binaryEvent({ id: randomUUID(), type: "Picture", data: Buffer.from([0, 159, 255]) });
first.push(raw);
await db.appendToStream(STREAM, first.slice(0, 1), { streamState: NO_STREAM });
await db.appendToStream(STREAM, first.slice(1), { streamState: 0n });
await db.appendToStream(STREAM, first.slice(1), { streamState: 0n });
said("appended one event and a batch, twice");

await assert.rejects(
  db.appendToStream(STREAM, [event(9)], { streamState: 2n }),
  WrongExpectedVersionError,
);
await assert.rejects(db.appendToStream("interaction-1", [event(9)]), AccessDeniedError);
await assert.rejects(db.deleteStream(STREAM), AccessDeniedError);
await assert.rejects(db.tombstoneStream(STREAM), AccessDeniedError);
await assert.rejects(collect(db.readStream(`${STREAM}-none`)), StreamNotFoundError);
await assert.rejects(collect(connect("wrong").readStream(STREAM)));
said("wrong version, read-only stream, deletion, missing stream and wrong password were refused");

const forward = await collect(db.readStream(STREAM, { direction: FORWARDS, fromRevision: START }));
assert.deepEqual(ids(forward), ids(first));
assert.deepEqual(forward[0].data, { number: 0 });
assert.deepEqual(forward[0].metadata, { from: "node" });
assert.deepEqual([...forward[5].data], [0, 159, 255]);
const backward = await collect(
  db.readStream(STREAM, { direction: BACKWARDS, fromRevision: END, maxCount: 2 }),
);
assert.deepEqual(backward.map((it) => it.revision), [5n, 4n]);
said("read the stream forward and backward");

const everything = await collect(db.readAll({ direction: FORWARDS, fromPosition: START }));
const ours = everything.filter((it) => it.streamId === STREAM);
assert.deepEqual(ids(ours), ids(first));
const placed = await collect(
  db.readAll({ filter: eventTypeFilter({ prefixes: ["OrderPlaced"] }), maxCount: 1000 }),
);
assert.ok(placed.length >= 2 && placed.every((it) => it.type === "OrderPlaced"));
const named = await collect(db.readAll({ filter: streamNameFilter({ regex: `^${STREAM}$` }) }));
assert.deepEqual(ids(named), ids(first));
const newest = await collect(
  db.readAll({ direction: BACKWARDS, fromPosition: END, maxCount: 1 }),
);
assert.equal(newest.length, 1);
said("read everything, forward, backward and filtered by type and stream");

const filter = streamNameFilter({ prefixes: [STREAM], checkpointInterval: 1 });
const subscription = db.subscribeToAll({ fromPosition: START, filter });
const source = subscription[Symbol.asyncIterator]();
const seen = [];
while (seen.length < 6) seen.push((await source.next()).value.event);
assert.deepEqual(ids(seen), ids(first));
const live = event(6);
await db.appendToStream(STREAM, [live], { streamState: 5n });
assert.equal((await source.next()).value.event.id, live.id);
said("a subscription caught up and went live");

await restart();
await assert.rejects(source.next(), "a subscription must not end well");
const retried = async (call) => {
  // The first call after a restart may still meet the old connection.
  for (let left = 20; ; left -= 1) {
    try {
      return await call();
    } catch (error) {
      if (left === 0) throw error;
    }
  }
};
const later = event(7);
await retried(() => db.appendToStream(STREAM, [later], { streamState: 6n }));
const resumed = db.subscribeToAll({ fromPosition: seen.at(-1).position, filter });
assert.deepEqual(ids(await collect(resumed, 2)), [live.id, later.id]);
const ofStream = db.subscribeToStream(STREAM, { fromRevision: 6n });
assert.deepEqual(ids(await collect(ofStream, 1)), [later.id]);
said("resumed both subscriptions after a restart of the server");

const settings = persistentSubscriptionToStreamSettingsFromDefaults({ startFrom: START });
await db.createPersistentSubscriptionToStream(STREAM, "node", settings);
const expected = [...ids(first), live.id, later.id];
const info = () => db.getPersistentSubscriptionToStreamInfo(STREAM, "node");
const until = async (so) => {
  for (let left = 10_000; left > 0; left -= 1) {
    if (so((await info()).stats)) return;
  }
  assert.fail("it did not come about");
};
const consume = async (count, parked) => {
  const consumer = db.subscribeToPersistentSubscriptionToStream(STREAM, "node");
  const got = [];
  const deliveries = consumer[Symbol.asyncIterator]();
  while (got.length < count) {
    const resolved = (await deliveries.next()).value;
    got.push(resolved.event.id);
    if (resolved.event.id === parked) {
      await consumer.nack(PARK, "cannot", resolved);
    } else {
      await consumer.ack(resolved);
    }
  }
  // Acknowledgements are not answered; one that is on its way when the call is cancelled may be lost.
  await until((it) => Number(it.totalInFlightMessages) === 0);
  await consumer.unsubscribe();
  return got;
};
assert.deepEqual(await consume(8, expected[2]), expected);
await until((it) => Number(it.parkedMessageCount) === 1);
await db.replayParkedMessagesToStream(STREAM, "node");
assert.deepEqual(await consume(1), [expected[2]]);
const listed = await db.listAllPersistentSubscriptions();
assert.ok(listed.some((it) => it.groupName === "node"));
await db.deletePersistentSubscriptionToStream(STREAM, "node");
await assert.rejects(info());
said("a persistent subscription delivered, parked, replayed and was removed");

const card = `${STREAM}-card`;
const note = { note: "card 4111 1111 1111 1111", number: 7 };
await db.appendToStream(card, [jsonEvent({ type: "Noted", data: note })]);
const [kept] = await collect(db.readStream(card));
assert.ok(!kept.data.note.includes("1111") && kept.data.number === 7);
said("a card number in a text was not stored");

const access = { direction: BACKWARDS, fromRevision: END, maxCount: 2 };
const reads = await collect(db.readStream(`access-${KURRENT_USER}`, access));
assert.equal(reads[1].type, "access.log_read");
assert.deepEqual([reads[1].data.stream, reads[1].data.kind], [card, "read"]);
said("every read is an event");
console.log("done");
await db.dispose();
process.exit(0);
