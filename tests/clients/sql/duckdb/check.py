"""DuckDB's PostgreSQL scanner: it reads catalogs of its own, tables by COPY in binary, and filters at the server."""

import os
import pathlib
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
import duckdb
import duckdb_extension_postgres_scanner as extension
from steps import CA, DATABASE, HOST, LEGS, PASSWORD, PORT, TYPES, USER
from steps import check, finish, step, typed_select

db = duckdb.connect()
# The extension comes with its package: nothing is downloaded.
file = next(pathlib.Path(extension.__file__).parent.rglob("*.duckdb_extension"))
db.execute(f"load '{file}'")
db.execute("set timezone = 'UTC'")


@step("attach with TLS and SCRAM")
def _():
    db.execute(
        f"attach 'host={HOST} port={PORT} user={USER} password={PASSWORD} dbname={DATABASE} "
        f"sslmode=verify-full sslrootcert={CA}' as pg (type postgres, read_only)"
    )
    return f"DuckDB {duckdb.__version__}"


def rows(sql):
    return db.execute(sql).fetchall()


def pushed(sql):
    return rows("select * from postgres_query('pg', '" + sql.replace("'", "''") + "')")


@step("tables, views, columns")
def _():
    tables = [row[0] for row in rows("select table_name from duckdb_tables() where database_name = 'pg'")]
    views = [row[0] for row in rows("select view_name from duckdb_views() where database_name = 'pg'")]
    assert "queue_leg" in tables, tables
    columns = dict(rows("select column_name, data_type from duckdb_columns() where database_name = 'pg' "
                        "and table_name = 'queue_leg'"))
    check(columns["queue_duration_ms"], "BIGINT")
    check(columns["entered_time"], "TIMESTAMP WITH TIME ZONE")
    return f"{len(tables)} tables, {len(views)} views, {len(columns)} columns of queue_leg"


@step("rows of a table")
def _():
    check(rows("select count(*), count(distinct leg_id) from pg.queue_leg"), [(LEGS, LEGS)])


@step("every table and view is read")
def _():
    names = [row[0] for row in rows("select table_name from duckdb_tables() where database_name = 'pg' "
                                    "and schema_name = 'public'")]
    # Questions are events: these two grow while they are read.
    names = [name for name in names if name not in ("event_log", "access_log")]
    for name in names:
        check(len(rows(f'select * from pg."{name}"')), pushed(f'select count(*) from "{name}"')[0][0], name)
    return f"{len(names)} of them"


@step("a filter, a projection and a limit")
def _():
    local = rows("select count(*), min(entered_time) from pg.queue_leg where outcome = 'answered' "
                 "and queue_duration_ms > 5000 and entered_time >= timestamptz '2026-01-01 12:00:00+00'")
    theirs = pushed("select count(*), min(entered_time) from queue_leg where outcome = 'answered' "
                    "and queue_duration_ms > 5000 and entered_time >= timestamptz '2026-01-01 12:00:00+00'")
    check(local, theirs)
    check(len(rows("select leg_id from pg.queue_leg where queue_name in ('sales', 'care') limit 10")), 10)


@step("a join of two of its tables, computed by DuckDB")
def _():
    found = rows("select l.queue_name, count(*) from pg.queue_leg l join pg.queue_live q using (queue_id) "
                 "group by 1 order by 1")
    # It makes a derived table of the query, which has no order.
    check(found, sorted(pushed("select l.queue_name, count(*) from queue_leg l join queue_live q using (queue_id) "
                               "group by 1")))
    check(sum(count for _, count in found), LEGS)


@step("a query of the server's own, with every type and NULL of each")
def _():
    for found, (kind, _, expected) in zip(pushed(typed_select())[0], TYPES):
        check(found, expected, kind)
    nulls = ", ".join(f"cast(null as {kind}) as c{at}" for at, (kind, _, _) in enumerate(TYPES))
    check(pushed(f"select {nulls}"), [(None,) * len(TYPES)])


@step("100,000 rows")
def _():
    found = pushed("select n as number, l.leg_id, l.entered_time from (select * from queue_leg order by leg_id "
                   "limit 100) l cross join generate_series(1, 1000) as g(n)")
    check(len(found), 100_000)


finish()
