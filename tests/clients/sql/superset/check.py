"""Apache Superset without its web pages: its engine spec, its model of a database, a chart's query, cancel."""

import contextlib
import os
import sys
import tempfile
import threading

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
from steps import CA, DATABASE, HOST, LEGS, PASSWORD, PORT, USER, check, finish, step

folder = tempfile.mkdtemp()
os.environ["SUPERSET_HOME"] = folder
config = os.path.join(folder, "superset_config.py")
with open(config, "w") as file:
    file.write(
        "SECRET_KEY = 'only for this check'\nPREVENT_UNSAFE_DB_CONNECTIONS = False\n"
        # Superset keeps a log in a database of its own, which there is none of here.
        "from superset.utils.log import AbstractEventLogger\n"
        "class Silent(AbstractEventLogger):\n    def log(self, *args, **kwargs):\n        pass\n"
        "EVENT_LOGGER = Silent()\n"
        "FILTER_STATE_CACHE_CONFIG = EXPLORE_FORM_DATA_CACHE_CONFIG = {'CACHE_TYPE': 'NullCache'}\n"
    )
os.environ["SUPERSET_CONFIG_PATH"] = config
os.environ.pop("PGSSLROOTCERT", None)
import logging

logging.disable(logging.WARNING)
from superset.app import create_app

app = create_app()
context = app.app_context()
context.push()

from superset.models.core import Database
from superset.sql.parse import Table

database = Database(
    database_name="center",
    sqlalchemy_uri=f"postgresql+psycopg2://{USER}:{PASSWORD}@{HOST}:{PORT}/{DATABASE}"
    f"?sslmode=verify-full&sslrootcert={CA}",
)
database.set_sqlalchemy_uri(database.sqlalchemy_uri)
database.password = PASSWORD
spec = database.db_engine_spec
leg = Table("queue_leg", "public")


@step("connect, as its form tests it")
def _():
    with database.get_raw_connection() as conn:
        assert spec.get_dbapi_cursor(conn) if hasattr(spec, "get_dbapi_cursor") else conn.cursor()
    with database.get_sqla_engine() as engine:
        with contextlib.closing(engine.raw_connection()) as conn:
            assert engine.dialect.do_ping(conn)
    import importlib.metadata

    return f"Superset {importlib.metadata.version('apache-superset')}, {spec.engine_name}"


@step("schemas, tables, views")
def _():
    schemas = database.get_all_schema_names()
    assert "public" in schemas, schemas
    tables = database.get_all_table_names_in_schema(None, "public")
    assert any(name[0] == "queue_leg" for name in tables), tables
    views = database.get_all_view_names_in_schema(None, "public")
    assert any(name[0] == "csr" for name in views), views
    return f"{len(tables)} tables, {len(views)} views"


@step("columns, keys, comment of a table")
def _():
    columns = {column["column_name"]: column for column in database.get_columns(leg)}
    check(str(columns["queue_duration_ms"]["type"]), "BIGINT")
    assert columns["entered_time"]["is_dttm"] if "is_dttm" in columns["entered_time"] else True
    database.get_pk_constraint(leg), database.get_indexes(leg), database.get_foreign_keys(leg)
    assert database.get_table_comment(leg)
    return f"{len(columns)} columns"


@step("a preview of a table")
def _():
    sql = database.select_star(leg, limit=100, show_cols=True)
    check(len(database.get_df(sql, schema="public")), 100)


@step("a chart's query: a time grain, a group, a metric")
def _():
    grain = spec.get_time_grain_expressions()["PT1H"].replace("{col}", "entered_time")
    frame = database.get_df(
        f"select {grain} as hour, queue_name, count(*) as legs, avg(queue_duration_ms) as wait_ms "
        "from public.queue_leg where entered_time >= '2026-01-01 00:00:00.000000' group by 1, 2 "
        "order by legs desc limit 10000",
        schema="public",
    )
    check(int(frame["legs"].sum()), LEGS)
    return f"{len(frame)} points"


@step("every time grain")
def _():
    grains = {name: it for name, it in spec.get_time_grain_expressions().items() if it}
    for name, grain in grains.items():
        sql = f"select {grain.replace('{col}', 'entered_time')} as t, count(*) from queue_leg group by 1"
        try:
            database.get_df(sql, schema="public")
        except Exception as error:
            raise AssertionError(f"{name}: {error}") from error
    return f"{len(grains)} of them"


@step("the cost of a query (EXPLAIN)")
def _():
    with database.get_raw_connection() as conn:
        cursor = conn.cursor()
        cursor.execute("EXPLAIN select * from queue_leg")
        assert cursor.fetchall()


@step("cancel of a running query")
def _():
    outcome = []
    with database.get_raw_connection() as conn:
        cursor = conn.cursor()
        name = spec.get_cancel_query_id(cursor, None)

        def run():
            try:
                cursor.execute("select count(*) from generate_series(1, 1000000) a, generate_series(1, 1000000) b")
                outcome.append("it was not cancelled")
            except Exception as error:
                outcome.append(type(error).__name__)

        thread = threading.Thread(target=run)
        thread.start()
        import time

        time.sleep(1)
        with database.get_raw_connection() as other:
            assert spec.cancel_query(other.cursor(), None, name)
        thread.join(30)
    assert outcome and outcome[0] != "it was not cancelled", outcome
    return outcome[0]


finish()
