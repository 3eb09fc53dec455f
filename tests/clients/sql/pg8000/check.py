"""pg8000, a driver written in Python alone: text parameters of declared types."""

import os
import ssl
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
import pg8000
import pg8000.dbapi
import pg8000.native
from steps import BIG, CA, DATABASE, HOST, INSTANT, LEGS, PASSWORD, PORT, TYPES, USER
from steps import check, finish, literal_of, step, typed_select, untyped_nulls

WHERE = dict(
    user=USER, host=HOST, port=PORT, password=PASSWORD, database=DATABASE,
    ssl_context=ssl.create_default_context(cafile=CA),
)
conn = pg8000.native.Connection(**WHERE)


@step("connect with TLS and SCRAM")
def _():
    return f"pg8000 {pg8000.__version__}"


@step("rows of a table")
def _():
    check(conn.run("select count(*) from queue_leg"), [[LEGS]])


@step("every type")
def _():
    for found, (kind, _, expected) in zip(conn.run(typed_select())[0], TYPES):
        check(found, expected, kind)


@step("parameters of every type")
def _():
    for kind, _, value in TYPES:
        check(conn.run(f"select {literal_of(kind, ':it')}", it=value), [[value]], kind)


@step("NULL of every type")
def _():
    check(conn.run(untyped_nulls()), [[None] * len(TYPES)])
    for kind, _, _ in TYPES:
        check(conn.run(f"select {literal_of(kind, ':it')}", it=None), [[None]], kind)


@step("parameters without a cast")
def _():
    sql = "select count(*) from queue_leg where outcome = :o and queue_duration_ms > :d and entered_time < :t"
    found = conn.run(sql, o="answered", d=5000, t=INSTANT)
    literal = conn.run(
        "select count(*) from queue_leg where outcome = 'answered' and queue_duration_ms > 5000 "
        "and entered_time < timestamptz '2026-03-29 01:30:00.123456+00'"
    )
    check(found, literal)


@step("a prepared statement, run ten times")
def _():
    statement = conn.prepare("select cast(:n as integer) + 1")
    for number in range(10):
        check(statement.run(n=number), [[number + 1]])
    statement.close()


@step("100,000 rows")
def _():
    check(len(conn.run(BIG)), 100_000)


@step("transactions of the DB-API")
def _():
    other = pg8000.dbapi.connect(**WHERE)
    cursor = other.cursor()
    cursor.execute("select count(*) from queue_leg where outcome = %s", ("answered",))
    cursor.fetchone()
    other.rollback()
    cursor.execute("select 1")
    check(tuple(cursor.fetchone()), (1,))
    other.commit()
    other.close()


@step("COPY TO STDOUT")
def _():
    import io

    sink = io.BytesIO()
    conn.run("copy (select leg_id from queue_leg) to stdout with (format csv)", stream=sink)
    check(sink.getvalue().count(b"\n"), LEGS)


@step("an error leaves the connection usable")
def _():
    try:
        conn.run("select nonsense from queue_leg")
        raise AssertionError("a column that does not exist was found")
    except pg8000.exceptions.DatabaseError as error:
        check(error.args[0]["C"], "42703")
    check(conn.run("select 1"), [[1]])


conn.close()
finish()
