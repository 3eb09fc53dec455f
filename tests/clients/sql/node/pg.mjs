// pg: simple and extended protocol, cursors, cancel.
import { createRequire } from 'node:module';
import pg from 'pg';
import Cursor from 'pg-cursor';
import {
  BIG, ENDLESS, INSTANT, LEGS, TYPES, finish, literal, nulls, same, step, tls, typedSelect, where,
} from './steps.mjs';

const version = createRequire(import.meta.url)('pg/package.json').version;
const client = new pg.Client({ ...where, ssl: tls });
await client.connect();
const values = [
  'grüße', true, 32767, -2147483648, '9223372036854775807', 1.5, 2.25, '123456.789',
  new Date(2026, 1, 28), new Date('2026-03-29T01:30:00.123'), INSTANT, Buffer.from([0, 255]),
  ['a', null, 'c'],
];
const scalar = async (text, params) => Object.values((await client.query(text, params)).rows[0])[0];

await step('connect with TLS and SCRAM', async () => `pg ${version}, ${await scalar('select version()')}`);
await step('rows of a table', async () => same(await scalar('select count(*) from queue_leg'), String(LEGS)));
await step('every type', async () =>
  same(Object.values((await client.query(typedSelect)).rows[0]), values));
await step('parameters of every type', async () => {
  for (const [at, [kind]] of TYPES.entries())
    same(await scalar(`select ${literal(kind, '$1')}`, [values[at]]), values[at], kind);
});
await step('NULL of every type', async () => {
  same(Object.values((await client.query(nulls)).rows[0]), values.map(() => null));
  for (const [kind] of TYPES) same(await scalar(`select ${literal(kind, '$1')}`, [null]), null, kind);
});
await step('parameters without a cast', async () => {
  const found = await scalar(
    'select count(*) from queue_leg where outcome = $1 and queue_duration_ms > $2 and entered_time < $3',
    ['answered', 5000, INSTANT]);
  same(found, await scalar(
    "select count(*) from queue_leg where outcome = 'answered' and queue_duration_ms > 5000 " +
    "and entered_time < timestamptz '2026-03-29 01:30:00.123+00'"));
  same(await scalar('select count(*) from queue_leg where outcome = any($1)', [['answered', 'open']]),
    await scalar("select count(*) from queue_leg where outcome in ('answered', 'open')"));
});
await step('a named prepared statement, run ten times', async () => {
  for (let n = 0; n < 10; n += 1)
    same((await client.query({ name: 'next', text: 'select $1::int as next', values: [n] })).rows, [{ next: n }]);
});
await step('100,000 rows', async () => same((await client.query(BIG)).rows.length, 100000));
await step('100,000 rows by a cursor', async () => {
  const cursor = client.query(new Cursor(BIG));
  let count = 0;
  for (let rows = await cursor.read(7000); rows.length; rows = await cursor.read(7000)) count += rows.length;
  same(count, 100000);
});
await step('several statements at once', async () => {
  const results = await client.query('begin; select 1 as one; commit');
  same(results.map((result) => result.command), ['BEGIN', 'SELECT', 'COMMIT']);
});
await step('cancel', async () => {
  const running = client.query(ENDLESS).then(() => 'it was not cancelled', (error) => error.code);
  const other = new pg.Client({ ...where, ssl: tls });
  await new Promise((resolve) => setTimeout(resolve, 500));
  await other.connect();
  await other.query('select pg_cancel_backend($1)', [client.processID]);
  same(await running, '57014');
  await other.end();
  same(await scalar('select 1'), 1);
});
await client.end();
finish();
