// postgres (postgres.js): describes every statement, prepares it, pipelines.
import { readFileSync } from 'node:fs';
import postgres from 'postgres';
import { BIG, ENDLESS, INSTANT, LEGS, finish, nulls, same, step, tls, typedSelect, where } from './steps.mjs';

const file = new URL('./node_modules/postgres/package.json', import.meta.url);
const version = JSON.parse(readFileSync(file)).version;
const sql = postgres({ ...where, ssl: tls, max: 2 });

await step('connect with TLS and SCRAM', async () =>
  `postgres ${version}, ${(await sql`select version()`)[0].version}`);
await step('rows of a table', async () =>
  same((await sql`select count(*) from queue_leg`)[0].count, String(LEGS)));
await step('every type', async () => {
  const row = Object.values((await sql.unsafe(typedSelect))[0]);
  same(row, ['grüße', true, 32767, -2147483648, '9223372036854775807', 1.5, 2.25, '123456.789',
    new Date('2026-02-28'), new Date('2026-03-29T01:30:00.123'), INSTANT, Buffer.from([0, 255]),
    ['a', 'NULL', 'c']]); // This driver reads NULL in an array as a text.
});
await step('parameters', async () => {
  const [row] = await sql`select ${'grüße'}::text as a, ${5}::int as b, ${true}::boolean as c,
    ${INSTANT}::timestamptz as d, ${2.25}::float8 as e, ${Buffer.from([0, 255])}::bytea as f`;
  same({ ...row }, { a: 'grüße', b: 5, c: true, d: INSTANT, e: 2.25, f: Buffer.from([0, 255]) });
  const [found] = await sql`select count(*) from queue_leg
    where outcome = ${'answered'} and queue_duration_ms > ${5000} and entered_time < ${INSTANT}`;
  const [literal] = await sql`select count(*) from queue_leg where outcome = 'answered'
    and queue_duration_ms > 5000 and entered_time < timestamptz '2026-03-29 01:30:00.123+00'`;
  same(found.count, literal.count);
  const [listed] = await sql`select count(*) from queue_leg where outcome in ${sql(['answered', 'open'])}`;
  const [plain] = await sql`select count(*) from queue_leg where outcome in ('answered', 'open')`;
  same(listed.count, plain.count);
});
await step('NULL of every type', async () =>
  same(Object.values((await sql.unsafe(nulls))[0]).every((value) => value === null), true));
await step('100,000 rows', async () => same((await sql.unsafe(BIG)).length, 100000));
await step('100,000 rows by a cursor', async () => {
  let count = 0;
  await sql.unsafe(BIG).cursor(5000, (rows) => { count += rows.length; });
  same(count, 100000);
});
await step('a transaction', async () =>
  same(await sql.begin('read only', async (tx) => (await tx`select 1 as one`)[0].one), 1));
await step('COPY TO STDOUT as a stream', async () => {
  let lines = 0;
  for await (const chunk of await sql`copy (select leg_id from queue_leg) to stdout`.readable())
    lines += chunk.toString().split('\n').length - 1;
  same(lines, LEGS);
});
await step('cancel', async () => {
  const query = sql.unsafe(ENDLESS);
  setTimeout(() => query.cancel(), 500);
  same(await query.then(() => 'it was not cancelled', (error) => error.code), '57014');
});
await sql.end();
finish();
