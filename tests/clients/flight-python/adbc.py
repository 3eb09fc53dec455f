"""What the ADBC driver for Flight SQL does against a running server; see `cargo xtask flight-clients`."""

import os
import threading
import warnings

import adbc_driver_flightsql
import adbc_driver_flightsql.dbapi as flight
import adbc_driver_manager
import pyarrow

ADDRESS = os.environ["FLIGHT_ADDRESS"]
USER, PASSWORD = os.environ["FLIGHT_USER"], os.environ["FLIGHT_PASSWORD"]
with open(os.environ["FLIGHT_CA"], encoding="ascii") as file:
    CA = file.read()
ENDLESS = (
    "SELECT sum(a.value * b.value) FROM generate_series(1, 10000000) a,"
    " generate_series(1, 10000000) b"
)
OPTIONS = adbc_driver_flightsql.DatabaseOptions


def connect(user=USER, password=PASSWORD, ca=CA):
    options = {"username": user, "password": password}
    if ca:
        options[OPTIONS.TLS_ROOT_CERTS.value] = ca
    with warnings.catch_warnings():
        # There are no transactions: it says so, and goes on.
        warnings.simplefilter("ignore")
        return flight.connect(f"grpc+tls://{ADDRESS}", db_kwargs=options)


def said(text):
    print(f"ok {text}", flush=True)


def refused(call, *words):
    try:
        call()
    except adbc_driver_manager.Error as error:
        for word in words:
            assert word in str(error), str(error)
        return
    raise AssertionError("it was not refused")


db = connect()
info = db.adbc_get_info()
assert info["vendor_name"] == "Ledgerline", info
said(f"connected over TLS with name and password: {info['vendor_name']} {info['vendor_version']}")


def one(sql, parameters=None):
    with db.cursor() as cursor:
        cursor.execute(sql, parameters)
        return cursor.fetchone()


refused(lambda: connect(password="wrong").cursor().execute("SELECT 1"), "password is wrong")
refused(lambda: connect(user="nobody").cursor().execute("SELECT 1"), "password is wrong")
refused(lambda: connect(ca=None).cursor().execute("SELECT 1"), "certificate")
said("a wrong password, an unknown user and an unknown certificate are refused")

values = one(
    "SELECT 1::bigint, 0.5::double precision, 'ä', true, NULL,"
    " timestamp with time zone '2026-11-29 21:00:00.123456+00'"
)
assert values[:5] == (1, 0.5, "ä", True, None), values
assert values[5].isoformat() == "2026-11-29T21:00:00.123456+00:00", values
said("values of every type of our columns")

with db.cursor() as cursor:
    cursor.execute("SELECT value, repeat('x', 200) AS text FROM generate_series(1, 100000) ORDER BY 1")
    table = cursor.fetch_arrow_table()
assert table.num_rows == 100_000 and table["value"][99_999].as_py() == 100_000
assert table.schema.field("text").type == pyarrow.string()
said("100,000 rows of 200 characters, in order")

sql = "SELECT count(*) FROM event_log WHERE event_type = $1 AND position >= $2"
before = one(sql, ("access.query_run", 0))[0]
assert before > 0 and one(sql, ("no.such_type", 0))[0] == 0
with db.cursor() as cursor:
    cursor.adbc_prepare(sql)
    for kind in ("access.query_run", "access.denied"):
        cursor.execute(sql, (kind, 1))
        assert cursor.fetchone()[0] > 0, kind
said("prepared statements with parameters; every query is an event, also the refusals")

tree = db.adbc_get_objects(depth="all", catalog_filter="ledgerline", db_schema_filter="public").read_all()
[catalog] = tree.to_pylist()
[schema] = catalog["catalog_db_schemas"]
tables = {table["table_name"]: table for table in schema["db_schema_tables"]}
assert tables["queue_leg"]["table_type"] == "TABLE" and tables["csr"]["table_type"] == "VIEW"
columns = [column["column_name"] for column in tables["queue_leg"]["table_columns"]]
assert "queue_duration_ms" in columns, columns
said(f"catalog: {len(tables)} tables and views, {len(columns)} columns of queue_leg")

schema = db.adbc_get_table_schema("queue_leg")
assert schema.field("queue_duration_ms").type == pyarrow.int64(), schema
assert set(db.adbc_get_table_types()) == {"TABLE", "VIEW", "SYSTEM TABLE", "SYSTEM VIEW"}
with db.cursor() as cursor:
    told = cursor.adbc_execute_schema("SELECT leg_id, queue_duration_ms FROM queue_leg")
    cursor.execute("SELECT leg_id, queue_duration_ms FROM queue_leg")
    assert cursor.fetch_arrow_table().schema == told
said("columns of a table, table types, columns of a query before it runs")

for sql, words in [
    ("SELECT * FROM nowhere", ["nowhere"]),
    ("DROP TABLE queue_leg", ["not allowed"]),
    ("SELEC 1", ["syntax error"]),
]:
    refused(lambda: db.cursor().execute(sql), *words)
said("errors say what is wrong")

with db.cursor() as cursor:
    failed = []

    def run():
        try:
            cursor.execute(ENDLESS)
            cursor.fetchall()
        except adbc_driver_manager.Error as error:
            failed.append(str(error))

    thread = threading.Thread(target=run)
    thread.start()
    while thread.is_alive():
        cursor.adbc_cancel()
        thread.join(0.05)
assert "ancel" in failed[0], failed
while one("SELECT count(*) FROM access_log WHERE door = 'flight_sql' AND outcome = 'cancelled'")[0] == 0:
    pass
said("a running query is cancelled, and stopped at the server")
db.close()
