"""SQLAlchemy 2: reflection of all tables, then a query over what was reflected, with three drivers."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
import sqlalchemy as sa
from steps import CA, DATABASE, HOST, INSTANT, LEGS, PASSWORD, PORT, USER, check, finish, step


def url(driver, query):
    return sa.URL.create(f"postgresql+{driver}", USER, PASSWORD, HOST, PORT, DATABASE, query)


secure = {"sslmode": "verify-full", "sslrootcert": CA}
engine = sa.create_engine(url("psycopg", secure))


@step("connect")
def _():
    with engine.connect() as conn:
        check(conn.scalar(sa.text("select count(*) from queue_leg")), LEGS)
        conn.rollback()
    return f"SQLAlchemy {sa.__version__}, dialect {engine.dialect.server_version_info}"


inspector = sa.inspect(engine)


@step("schemas, tables and views")
def _():
    assert "public" in inspector.get_schema_names()
    assert "queue_leg" in inspector.get_table_names()
    views = inspector.get_view_names()
    for view in views:
        assert inspector.get_view_definition(view), view
    assert inspector.has_table("queue_leg") and not inspector.has_table("nowhere")
    inspector.get_materialized_view_names(), inspector.get_sequence_names()
    return f"{len(inspector.get_table_names())} tables, {len(views)} views"


@step("columns with types, NULLs and comments")
def _():
    columns = {column["name"]: column for column in inspector.get_columns("queue_leg")}
    assert isinstance(columns["leg_id"]["type"], sa.TEXT) and not columns["leg_id"]["nullable"]
    assert isinstance(columns["queue_duration_ms"]["type"], sa.BIGINT)
    assert columns["queue_duration_ms"]["nullable"]
    assert columns["entered_time"]["type"].timezone
    inspector.get_table_comment("queue_leg")
    return f"{len(columns)} columns"


@step("keys, indexes, constraints")
def _():
    key = inspector.get_pk_constraint("queue_leg")
    inspector.get_indexes("queue_leg")
    inspector.get_foreign_keys("queue_leg")
    inspector.get_unique_constraints("queue_leg")
    inspector.get_check_constraints("queue_leg")
    inspector.get_table_options("queue_leg")
    inspector.get_enums()
    inspector.get_domains()
    return f"primary key {key['constrained_columns']}"


metadata = sa.MetaData()


@step("reflection of everything at once")
def _():
    metadata.reflect(engine, views=True)
    assert "queue_leg" in metadata.tables
    return f"{len(metadata.tables)} tables and views"


@step("a query over a reflected table, with parameters")
def _():
    leg = metadata.tables["queue_leg"]
    count = sa.func.count().label("legs")
    query = (
        sa.select(leg.c.queue_name, count, sa.func.avg(leg.c.queue_duration_ms))
        .where(leg.c.outcome.in_(["answered", "abandoned"]), leg.c.entered_time < INSTANT)
        .group_by(leg.c.queue_name).order_by(count.desc()).limit(10).offset(0)
    )
    with engine.connect() as conn:
        rows = conn.execute(query).all()
        literal = conn.exec_driver_sql(
            "select count(*) from queue_leg where outcome in ('answered', 'abandoned') "
            "and entered_time < timestamptz '2026-03-29 01:30:00.123456+00'"
        ).scalar()
    check(sum(row.legs for row in rows), literal)


@step("the same with pg8000")
def _():
    import ssl

    context = ssl.create_default_context(cafile=CA)
    other = sa.create_engine(url("pg8000", {}), connect_args={"ssl_context": context})
    check(sorted(sa.inspect(other).get_table_names()), sorted(inspector.get_table_names()))
    leg = sa.Table("queue_leg", sa.MetaData(), autoload_with=other)
    with other.connect() as conn:
        check(conn.scalar(sa.select(sa.func.count()).select_from(leg)), LEGS)


@step("the same with asyncpg")
def _():
    import asyncio
    import ssl

    from sqlalchemy.ext.asyncio import create_async_engine

    context = ssl.create_default_context(cafile=CA)

    async def run():
        other = create_async_engine(url("asyncpg", {}), connect_args={"ssl": context})
        async with other.connect() as conn:
            names = await conn.run_sync(lambda sync: sa.inspect(sync).get_table_names())
            count = await conn.scalar(sa.text("select count(*) from queue_leg where outcome <> :o"), {"o": ""})
        await other.dispose()
        return sorted(names), count

    check(asyncio.run(run()), (sorted(inspector.get_table_names()), LEGS))


finish()
