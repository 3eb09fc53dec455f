"""What pyarrow's Flight client does against a running server; see `cargo xtask flight-clients`.

It knows Flight and not Flight SQL, so the commands are written here, byte by byte.
"""

import json
import os
import threading

import pyarrow
from pyarrow import flight

ADDRESS = os.environ["FLIGHT_ADDRESS"]
USER, PASSWORD = os.environ["FLIGHT_USER"], os.environ["FLIGHT_PASSWORD"]
with open(os.environ["FLIGHT_CA"], "rb") as file:
    CA = file.read()
ENDLESS = (
    "SELECT sum(a.value * b.value) FROM generate_series(1, 10000000) a,"
    " generate_series(1, 10000000) b"
)


def said(text):
    print(f"ok {text}", flush=True)


def refused(kind, call, *words):
    try:
        call()
    except kind as error:
        for word in words:
            assert word in str(error), str(error)
        return
    raise AssertionError(f"{kind.__name__} was expected")


def field(number, content):
    """A length-delimited field of a protobuf message."""
    length, size = b"", len(content)
    while size > 0x7F:
        length, size = length + bytes([size & 0x7F | 0x80]), size >> 7
    return bytes([number << 3 | 2]) + length + bytes([size]) + content


def command(name, content=b""):
    url = b"type.googleapis.com/arrow.flight.protocol.sql." + name
    return flight.FlightDescriptor.for_command(field(1, url) + field(2, content))


def query(sql):
    return command(b"CommandStatementQuery", field(1, sql.encode()))


class Seen(flight.ClientMiddlewareFactory):
    """Keeps the headers of the last answer."""

    headers = {}

    def start_call(self, info):
        return Keeping()


class Keeping(flight.ClientMiddleware):
    def received_headers(self, headers):
        Seen.headers.update(headers)


client = flight.FlightClient(f"grpc+tls://{ADDRESS}", tls_root_certs=CA, middleware=[Seen()])
refused(flight.FlightUnauthenticatedError, lambda: client.get_flight_info(query("SELECT 1")), "missing")
refused(
    flight.FlightUnauthenticatedError,
    lambda: client.authenticate_basic_token(USER, "wrong"),
    "password is wrong",
)
token = client.authenticate_basic_token(USER, PASSWORD)
options = flight.FlightCallOptions(headers=[token])
said("handshake over TLS; a wrong password and none are refused")

count = "SELECT count(*) FROM event_log"


def ask(sql):
    info = client.get_flight_info(query(sql), options)
    rows = client.do_get(info.endpoints[0].ticket, options).read_all()
    assert rows.schema == info.schema
    return rows


promised = client.get_flight_info(query(count), options)
position = json.loads(promised.app_metadata)["as_of_position"]
for _ in range(10):
    ask("SELECT 1")
rows = client.do_get(promised.endpoints[0].ticket, options).read_all()
assert rows.column(0)[0].as_py() == position, (rows, position)
assert Seen.headers["ledgerline-position"] == [str(position)], Seen.headers
assert ask(count).column(0)[0].as_py() >= position + 10
said(f"rows of position {position}, as promised, after the log moved")

told = client.get_schema(query("SELECT leg_id, queue_duration_ms FROM queue_leg"), options).schema
assert told.field(1).type == pyarrow.int64(), told
described = client.get_flight_info(command(b"CommandGetTables"), options)
tables = client.do_get(described.endpoints[0].ticket, options).read_all()
assert "queue_leg" in tables["table_name"].to_pylist()
said(f"columns before a query runs, {tables.num_rows} tables")

info = client.get_flight_info(query("SELECT 1"), options)
forged = bytearray(info.endpoints[0].ticket.ticket)
forged[-1] ^= 1
refused(
    pyarrow.ArrowInvalid,
    lambda: client.do_get(flight.Ticket(bytes(forged)), options).read_all(),
    "not issued by this server",
)
said("a forged ticket is refused")

info = client.get_flight_info(query(ENDLESS), options)
failed = []


def run():
    try:
        client.do_get(info.endpoints[0].ticket, options).read_all()
    except flight.FlightCancelledError as error:
        failed.append(str(error))


thread = threading.Thread(target=run)
thread.start()
cancel = flight.Action("CancelFlightInfo", field(1, info.serialize()))
[result] = list(client.do_action(cancel, options))
assert result.body.to_pybytes() == b"\x08\x01", "CANCELLED"
thread.join()
assert failed, "the query was not cancelled"
said("CancelFlightInfo stops a running query")

names = {action.type for action in client.list_actions(options)}
assert "CloseSession" in names, names
[result] = list(client.do_action(flight.Action("CloseSession", b""), options))
assert result.body.to_pybytes() == b"\x08\x01", "CLOSED"
refused(
    flight.FlightUnauthenticatedError,
    lambda: client.get_flight_info(query("SELECT 1"), options),
    "session has ended",
)
said("CloseSession ends the session")
client.close()
