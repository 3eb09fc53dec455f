"""psycopg 3: parameters in text and in binary, server-side cursors, COPY, cancel, pipelines."""

import os
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
import psycopg
from steps import BIG, CA, DATABASE, HOST, INSTANT, LEGS, PASSWORD, PORT, TYPES, USER
from steps import check, finish, literal_of, step, typed_select, untyped_nulls

WHERE = dict(
    host=HOST, port=PORT, user=USER, password=PASSWORD, dbname=DATABASE,
    sslmode="verify-full", sslrootcert=CA,
)
conn = psycopg.connect(**WHERE, autocommit=True)


@step("connect with TLS and SCRAM")
def _():
    assert conn.pgconn.ssl_in_use
    return f"psycopg {psycopg.__version__}, server {conn.info.server_version}"


@step("rows of a table")
def _():
    check(conn.execute("select count(*) from queue_leg").fetchone(), (LEGS,))


@step("every type in text")
def _():
    row = conn.execute(typed_select()).fetchone()
    for found, (kind, _, expected) in zip(row, TYPES):
        check(found, expected, kind)


@step("every type in binary")
def _():
    with conn.cursor(binary=True) as cursor:
        row = cursor.execute(typed_select()).fetchone()
    for found, (kind, _, expected) in zip(row, TYPES):
        check(found, expected, kind)


@step("parameters of every type, text and binary, typed and untyped")
def _():
    for kind, _, value in TYPES:
        for mark in ("%s", "%t", "%b"):
            row = conn.execute(f"select {literal_of(kind, mark)}", [value]).fetchone()
            check(row[0], value, f"{kind} as {mark}")


@step("NULL of every type")
def _():
    check(conn.execute(untyped_nulls()).fetchone(), (None,) * len(TYPES))
    for kind, _, _ in TYPES:
        check(conn.execute(f"select {literal_of(kind, '%s')}", [None]).fetchone(), (None,), kind)


@step("parameters without a cast")
def _():
    sql = "select count(*) from queue_leg where outcome = %s and queue_duration_ms > %s and entered_time < %s"
    found = conn.execute(sql, ["answered", 5000, INSTANT]).fetchone()
    literal = conn.execute(
        "select count(*) from queue_leg where outcome = 'answered' and queue_duration_ms > 5000 "
        "and entered_time < timestamptz '2026-03-29 01:30:00.123456+00'"
    ).fetchone()
    check(found, literal)
    row = conn.execute("select count(*) from queue_leg where outcome = any(%s)", [["answered", "abandoned"]])
    inside = conn.execute("select count(*) from queue_leg where outcome in ('answered', 'abandoned')")
    check(row.fetchone(), inside.fetchone(), "any(array)")
    row = conn.execute("select count(*) from queue_leg limit %s offset %s", [1, 0])
    check(row.fetchone(), (LEGS,), "limit")


@step("a prepared statement, run ten times")
def _():
    for number in range(10):
        row = conn.execute("select %s::int + 1", [number], prepare=True).fetchone()
        check(row, (number + 1,))


@step("100,000 rows")
def _():
    rows = conn.execute(BIG).fetchall()
    check(len(rows), 100_000)
    check(sum(row[0] for row in rows), 100 * 500_500)


@step("100,000 rows in binary, streamed")
def _():
    with conn.cursor(binary=True) as cursor:
        check(sum(1 for _ in cursor.stream(BIG)), 100_000)


@step("a server-side cursor in a transaction")
def _():
    with psycopg.connect(**WHERE) as other, other.cursor(name="portal") as cursor:
        cursor.execute(BIG)
        rows = cursor.fetchmany(1000)
        rows += cursor.fetchall()
        check(len(rows), 100_000)


@step("COPY TO STDOUT, text and binary")
def _():
    with conn.cursor() as cursor:
        with cursor.copy("copy (select leg_id, queue_duration_ms from queue_leg) to stdout") as copy:
            check(sum(1 for _ in copy.rows()), LEGS)
        with cursor.copy("copy (select leg_id, queue_duration_ms from queue_leg) to stdout (format binary)") as copy:
            copy.set_types(["text", "int8"])
            check(sum(1 for _ in copy.rows()), LEGS)


@step("a pipeline")
def _():
    with conn.pipeline():
        cursors = [conn.execute("select %s::bigint", [number]) for number in range(5)]
        check([cursor.fetchone()[0] for cursor in cursors], [0, 1, 2, 3, 4])


@step("an error leaves the connection usable, and a transaction rolls back")
def _():
    try:
        conn.execute("select nonsense from queue_leg")
        raise AssertionError("a column that does not exist was found")
    except psycopg.errors.UndefinedColumn:
        pass
    check(conn.execute("select 1").fetchone(), (1,))
    with psycopg.connect(**WHERE) as other:
        other.execute("select 1")
        other.rollback()
        check(other.info.transaction_status, psycopg.pq.TransactionStatus.IDLE)


@step("types by name, as adapters register them")
def _():
    from psycopg.types import TypeInfo

    check(TypeInfo.fetch(conn, "int8").oid, 20)
    check(TypeInfo.fetch(conn, "hstore"), None)


@step("cancel")
def _():
    timer = threading.Timer(0.5, conn.cancel_safe)
    timer.start()
    try:
        conn.execute("select count(*) from generate_series(1, 1000000) a, generate_series(1, 1000000) b")
        raise AssertionError("it was not cancelled")
    except psycopg.errors.QueryCanceled:
        pass
    timer.join()
    check(conn.execute("select 1").fetchone(), (1,))


finish()
