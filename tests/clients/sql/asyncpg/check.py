"""asyncpg: everything in binary, prepared statements, cursors, records of COPY, pools."""

import asyncio
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
import ssl

import asyncpg
from steps import BIG, CA, DATABASE, HOST, INSTANT, LEGS, PASSWORD, PORT, TYPES, USER
from steps import check, finish, literal_of, step, typed_select, untyped_nulls

WHERE = dict(
    host=HOST, port=PORT, user=USER, password=PASSWORD, database=DATABASE,
    ssl=ssl.create_default_context(cafile=CA),
)
loop = asyncio.new_event_loop()
run = loop.run_until_complete
conn = run(asyncpg.connect(**WHERE))


@step("connect with TLS and SCRAM")
def _():
    return f"asyncpg {asyncpg.__version__}, server {conn.get_server_version()}"


@step("rows of a table")
def _():
    check(run(conn.fetchval("select count(*) from queue_leg")), LEGS)


@step("every type")
def _():
    row = run(conn.fetchrow(typed_select()))
    for found, (kind, _, expected) in zip(row, TYPES):
        check(found, expected, kind)


@step("parameters of every type")
def _():
    for kind, _, value in TYPES:
        check(run(conn.fetchval(f"select {literal_of(kind, '$1')}", value)), value, kind)


@step("NULL of every type")
def _():
    check(tuple(run(conn.fetchrow(untyped_nulls()))), (None,) * len(TYPES))
    for kind, _, _ in TYPES:
        check(run(conn.fetchval(f"select {literal_of(kind, '$1')}", None)), None, kind)


@step("parameters without a cast")
def _():
    sql = "select count(*) from queue_leg where outcome = $1 and queue_duration_ms > $2 and entered_time < $3"
    found = run(conn.fetchval(sql, "answered", 5000, INSTANT))
    literal = run(conn.fetchval(
        "select count(*) from queue_leg where outcome = 'answered' and queue_duration_ms > 5000 "
        "and entered_time < timestamptz '2026-03-29 01:30:00.123456+00'"
    ))
    check(found, literal)
    found = run(conn.fetchval("select count(*) from queue_leg where outcome = any($1)", ["answered"]))
    literal = run(conn.fetchval("select count(*) from queue_leg where outcome = 'answered'"))
    check(found, literal, "any(array)")


@step("a prepared statement tells its parameters and columns")
def _():
    statement = run(conn.prepare("select leg_id, queue_duration_ms from queue_leg where queue_duration_ms > $1 limit $2"))
    check([it.type.name for it in statement.get_attributes()], ["text", "int8"])
    check([it.name for it in statement.get_parameters()], ["int8", "int8"])


@step("100,000 rows")
def _():
    check(len(run(conn.fetch(BIG))), 100_000)


@step("a cursor in a transaction")
def _():
    async def count():
        async with conn.transaction(isolation="repeatable_read", readonly=True):
            return sum([1 async for _ in conn.cursor(BIG, prefetch=5000)])

    check(run(count()), 100_000)


@step("COPY TO STDOUT")
def _():
    class Sink:
        lines = 0

        async def write(self, data):
            self.lines += data.count(b"\n")

    sink = Sink()

    async def write(data):
        await sink.write(data)

    said = run(conn.copy_from_query("select leg_id from queue_leg", output=write))
    check((said, sink.lines), (f"COPY {LEGS}", LEGS))


@step("a pool gives connections back clean")
def _():
    async def use():
        async with asyncpg.create_pool(**WHERE, min_size=1, max_size=2) as pool:
            first = await pool.fetchval("select 1")
            return first + await pool.fetchval("select 1")

    check(run(use()), 2)


@step("cancel by time-out")
def _():
    try:
        run(conn.fetchval("select count(*) from generate_series(1, 1000000) a, generate_series(1, 1000000) b", timeout=0.5))
        raise AssertionError("it was not cancelled")
    except asyncio.TimeoutError:
        pass
    check(run(conn.fetchval("select 1")), 1)


run(conn.close())
finish()
