"""ADBC's PostgreSQL driver: Arrow out of COPY in binary, catalogs as Arrow."""

import os
import sys
from urllib.parse import quote

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
import adbc_driver_postgresql
import adbc_driver_postgresql.dbapi as adbc
import pyarrow as pa
from steps import BIG, CA, DATABASE, HOST, INSTANT, LEGS, PASSWORD, PORT, TYPES, USER
from steps import check, finish, step, typed_select, untyped_nulls

conn = adbc.connect(
    f"postgresql://{USER}:{PASSWORD}@{HOST}:{PORT}/{DATABASE}"
    f"?sslmode=verify-full&sslrootcert={quote(CA)}",
    autocommit=True,
)


def arrow(sql, parameters=None):
    with conn.cursor() as cursor:
        cursor.execute(sql, parameters)
        return cursor.fetch_arrow_table()


@step("connect with TLS and SCRAM")
def _():
    info = conn.adbc_get_info()
    return f"ADBC {info['driver_version']}, server {info['vendor_version']}"


@step("rows of a table as Arrow")
def _():
    table = arrow("select * from queue_leg")
    check(table.num_rows, LEGS)
    check(table.schema.field("queue_duration_ms").type, pa.int64())
    check(table.schema.field("entered_time").type, pa.timestamp("us", tz="UTC"))
    check(arrow("select count(queue_duration_ms) from queue_leg")[0][0].as_py(),
          table.num_rows - table["queue_duration_ms"].null_count)


@step("every type")
def _():
    row = arrow(typed_select())
    for column, (kind, _, expected) in zip(row.columns, TYPES):
        found = column[0].as_py()
        # The driver gives numerics as text.
        check(str(found) if kind.startswith("numeric") else found,
              str(expected) if kind.startswith("numeric") else expected, kind)


@step("NULL of every type")
def _():
    row = arrow(untyped_nulls())
    check([column[0].as_py() for column in row.columns], [None] * len(TYPES))


@step("parameters")
def _():
    sql = "select count(*) from queue_leg where outcome = $1 and queue_duration_ms > $2 and entered_time < $3"
    found = arrow(sql, ("answered", 5000, INSTANT))[0][0].as_py()
    literal = arrow(
        "select count(*) from queue_leg where outcome = 'answered' and queue_duration_ms > 5000 "
        "and entered_time < timestamptz '2026-03-29 01:30:00.123456+00'"
    )[0][0].as_py()
    check(found, literal)


@step("100,000 rows")
def _():
    table = arrow(BIG)
    check(table.num_rows, 100_000)
    check(sum(table["number"].to_pylist()), 100 * 500_500)


@step("schema of a query without running it")
def _():
    with conn.cursor() as cursor:
        names = cursor.adbc_execute_schema("select leg_id, queue_duration_ms from queue_leg").names
    check(names, ["leg_id", "queue_duration_ms"])


@step("catalogs, schemas, tables, columns as Arrow")
def _():
    objects = conn.adbc_get_objects(depth="all", db_schema_filter="public").read_all().to_pylist()
    tables = {
        table["table_name"]: table
        for catalog in objects
        for schema in catalog["catalog_db_schemas"] or []
        for table in schema["db_schema_tables"] or []
    }
    columns = [column["column_name"] for column in tables["queue_leg"]["table_columns"]]
    assert "leg_id" in columns, columns
    check(conn.adbc_get_table_schema("queue_leg").field("queue_duration_ms").type, pa.int64())
    return f"{len(tables)} tables, kinds {conn.adbc_get_table_types()}"


conn.close()
finish()
