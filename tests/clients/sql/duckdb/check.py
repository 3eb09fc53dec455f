"""DuckDB, which reads PostgreSQL's tables by COPY in binary, where its extension can be had."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
import duckdb
from steps import CA, DATABASE, HOST, LEGS, PASSWORD, PORT, USER, check, finish, step

db = duckdb.connect()
try:
    db.execute("install postgres")
    db.execute("load postgres")
except duckdb.Error as error:
    text = " ".join(str(error).split())[:150]
    print(f"skip DuckDB {duckdb.__version__}: its postgres extension cannot be installed here: {text}")
    sys.exit(0)


@step("attach")
def _():
    db.execute(
        f"attach 'host={HOST} port={PORT} user={USER} password={PASSWORD} dbname={DATABASE} "
        f"sslmode=verify-full sslrootcert={CA}' as pg (type postgres, read_only)"
    )


@step("tables")
def _():
    names = [row[0] for row in db.execute("select table_name from duckdb_tables() where database_name = 'pg'").fetchall()]
    assert "queue_leg" in names, names


@step("rows")
def _():
    check(db.execute("select count(*) from pg.queue_leg").fetchone(), (LEGS,))


finish()
