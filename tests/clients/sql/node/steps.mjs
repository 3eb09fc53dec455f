// Steps of a client's check: one line each, and an exit code that tells whether all of them passed.
import { deepStrictEqual } from 'node:assert';
import { readFileSync } from 'node:fs';

const env = process.env;
export const where = {
  host: env.PGHOST, port: Number(env.PGPORT), user: env.PGUSER, password: env.PGPASSWORD,
  database: env.PGDATABASE,
};
export const tls = { ca: readFileSync(env.PGSSLROOTCERT, 'utf8') };
// Rows of queue_leg, counted from the imported file.
export const LEGS = Number(env.LEGS);

export const INSTANT = new Date('2026-03-29T01:30:00.123Z');
// SQL type, a value of it as SQL.
export const TYPES = [
  ['text', "'grüße'"], ['boolean', 'true'], ['smallint', '32767'], ['integer', '-2147483648'],
  ['bigint', '9223372036854775807'], ['real', '1.5'], ['double precision', '2.25'],
  ['numeric(20,3)', '123456.789'], ['date', "'2026-02-28'"],
  ['timestamp', "'2026-03-29 01:30:00.123'"], ['timestamptz', "'2026-03-29 01:30:00.123+00'"],
  ['bytea', "'\\x00ff'"], ['text[]', "array['a', null, 'c']"],
];
export const literal = (kind, text) => `cast(${text} as ${kind})`;
export const typedSelect =
  'select ' + TYPES.map(([kind, text], at) => `${literal(kind, text)} as c${at}`).join(', ');
export const nulls = 'select ' + TYPES.map(([kind], at) => `cast(null as ${kind}) as c${at}`).join(', ');
export const BIG =
  'select n as number, l.leg_id, l.queue_duration_ms, l.entered_time, n % 2 = 0 as even ' +
  'from (select * from queue_leg order by leg_id limit 100) l cross join generate_series(1, 1000) as g(n)';
export const ENDLESS =
  'select count(*) from generate_series(1, 1000000) a, generate_series(1, 1000000) b';

export const same = (found, expected, what) => deepStrictEqual(found, expected, what);

let failed = 0;
export async function step(name, body) {
  try {
    const said = await body();
    console.log(`ok   ${name}${said ? `: ${said}` : ''}`);
  } catch (error) {
    failed += 1;
    console.log(`FAIL ${name}: ${String(error.message).replace(/\s+/g, ' ').slice(0, 600)}`);
  }
}
export const finish = () => process.exit(failed ? 1 : 0);
