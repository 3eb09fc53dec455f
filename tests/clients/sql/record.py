"""Stands between a client and the server and writes down what they say: python record.py PORT CERTIFICATE KEY FILE.

Both sides speak TLS; the certificate and its key are the server's own, so the client sees no difference. Prints
its port; ends with its input and then writes FILE, one statement a line, in the order they were sent:

  connection   number of the connection, from 0
  protocol     simple or extended
  sql          the statement
  types        object ids of parameters as the client declares them; 0 is none
  values       of parameters: {"text": …}, {"binary": hex} or null
  formats      of the answer's columns as the client wants them: 0 is text, 1 binary
  limit        most rows of one answer; 0 is all
  parameters   object ids of parameters as the server tells them, where the client asked
  columns      name and object id of the type, where the statement has rows
  rows         how many there were, and
  hash         of them, in any order; null where another run has others
  tag          what the server said at the end, without counts
  error        the SQLSTATE, where it failed

A statement that a connection repeats is written once, unless it is about the connection itself and others came in
between; of those that differ in their numbers only, three are. What cancels and what was cancelled is not written:
it names a connection of its time.
"""

import hashlib
import json
import re
import socket
import ssl
import struct
import sys
import threading
from collections import deque

PORT, CERTIFICATE, KEY, FILE = int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4]
CODES = {"ssl": 80877103, "gss": 80877104, "cancel": 80877102}
# What has a meaning by its place among the others.
IN_ORDER = re.compile(r"\s*(begin|start|commit|rollback|end|declare|fetch|close|savepoint|release|set|reset|discard)\b", re.I)

# What tells the time, the connection, the version, or what was asked before.
OF_ITS_TIME = re.compile(
    r"now\s*\(|current_timestamp|clock_timestamp|current_date|backend_pid|current_position|version\s*\(|server_version"
    r"|pg_\w*size|reltuples|random\s*\(|explain\b|event_log|access_log|\bage\s*\(|recorded_(time|at)", re.I)
# Of these not even the count of rows is the same.
CHANGING = re.compile(r"pg_stat_activity|pg_stat_\w+|event_log|access_log", re.I)
CANCELS = re.compile(r"pg_(cancel|terminate)_backend|pg_sleep", re.I)
ALIKE_MAX = 3
KEPT = ("connection", "rows", "hash")

server_tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
server_tls.load_cert_chain(CERTIFICATE, KEY)
client_tls = ssl.create_default_context(cafile=CERTIFICATE)
entries, shapes, lock = [], {}, threading.Lock()


def exactly(sock, count):
    data = b""
    while len(data) < count:
        piece = sock.recv(count - len(data))
        if not piece:
            raise EOFError
        data += piece
    return data


def upstream():
    sock = socket.create_connection(("localhost", PORT))
    sock.sendall(struct.pack("!ii", 8, CODES["ssl"]))
    if exactly(sock, 1) != b"S":
        raise EOFError
    return client_tls.wrap_socket(sock, server_hostname="localhost")


def text(data, at):
    end = data.index(b"\0", at)
    return data[at:end].decode(), end + 1


class Connection:
    """What is known of a connection: statements, portals, and which answers are due."""

    def __init__(self, number):
        self.number, self.statements, self.portals = number, {}, {}
        self.due, self.seen, self.last, self.lock = deque(), set(), None, threading.Lock()

    def entry(self, protocol, sql, types=(), values=(), formats=(), limit=0):
        made = dict(connection=self.number, protocol=protocol, sql=sql, types=list(types), values=list(values),
                    formats=list(formats), limit=limit, parameters=[], columns=[], rows=0, hash=0, tag=None, error=None)
        key = (protocol, sql, tuple(types), tuple(value is None for value in values), tuple(formats))
        again = key == self.last
        self.last = key
        if key not in self.seen and not IN_ORDER.match(sql):
            self.seen.add(key)
            alike = (key[0], re.sub(r"[0-9]+", "0", sql), *key[2:])
            with lock:
                shapes[alike] = shapes.get(alike, 0) + 1
                if shapes[alike] <= ALIKE_MAX:
                    entries.append(made)
        elif IN_ORDER.match(sql) and not again:
            with lock:
                entries.append(made)
        return made

    def from_client(self, kind, body):
        with self.lock:
            if kind == b"Q":
                self.due.append(("query", self.entry("simple", text(body, 0)[0])))
            elif kind == b"P":
                name, at = text(body, 0)
                sql, at = text(body, at)
                count = struct.unpack_from("!h", body, at)[0]
                self.statements[name] = dict(sql=sql, types=struct.unpack_from(f"!{count}I", body, at + 2), columns=[],
                                             parameters=[])
                # A statement that cannot be prepared is never run.
                self.due.append(("parse", dict(statement=name)))
            elif kind == b"B":
                portal, at = text(body, 0)
                name, at = text(body, at)
                count = struct.unpack_from("!h", body, at)[0]
                formats = struct.unpack_from(f"!{count}h", body, at + 2)
                at += 2 + 2 * count
                count = struct.unpack_from("!h", body, at)[0]
                at += 2
                values = []
                for place in range(count):
                    length = struct.unpack_from("!i", body, at)[0]
                    at += 4
                    form = formats[place] if len(formats) > 1 else formats[0] if formats else 0
                    if length < 0:
                        values.append(None)
                        continue
                    data, at = body[at:at + length], at + length
                    values.append({"binary": data.hex()} if form else {"text": data.decode()})
                count = struct.unpack_from("!h", body, at)[0]
                wanted = struct.unpack_from(f"!{count}h", body, at + 2)
                self.portals[portal] = (name, values, wanted)
                self.due.append(("bind", None))
            elif kind == b"D":
                name = text(body, 1)[0]
                if body[:1] == b"P":
                    name = self.portals.get(name, ("", [], ()))[0]
                self.due.append(("describe", self.statements.get(name)))
            elif kind == b"E":
                portal, at = text(body, 0)
                name, values, wanted = self.portals.get(portal, ("", [], ()))
                known = self.statements.get(name, dict(sql="", types=(), columns=[], parameters=[]))
                if known["sql"].strip():
                    limit = struct.unpack_from("!i", body, at)[0]
                    made = self.entry("extended", known["sql"], known["types"], values, wanted, limit)
                    # Filled in when the server has described the statement, now or later.
                    made["told"] = known
                else:
                    made = dict(rows=0, hash=0)
                self.due.append(("execute", made))
            elif kind == b"C":
                self.due.append(("close", None))
            elif kind == b"S":
                self.due.append(("sync", None))

    def from_server(self, kind, body):
        with self.lock:
            what, subject = self.due[0] if self.due else ("", None)
            if kind == b"T":
                columns, at = [], 2
                for _ in range(struct.unpack_from("!h", body)[0]):
                    name, at = text(body, at)
                    columns.append([name, struct.unpack_from("!IhI", body, at)[2]])
                    at += 18
                if subject is not None:
                    # A simple query may have several answers: the first is kept.
                    if what != "query" or not subject["columns"]:
                        subject["columns"] = columns
                if what == "describe":
                    self.due.popleft()
            elif kind == b"t" and what == "describe":
                if subject is not None:
                    count = struct.unpack_from("!h", body)[0]
                    subject["parameters"] = list(struct.unpack_from(f"!{count}I", body, 2))
            elif kind == b"n" and what == "describe" or kind in b"123" and what in ("parse", "bind", "close"):
                self.due.popleft()
            elif kind in (b"D", b"d") and subject is not None:
                subject["rows"] += 1
                subject["hash"] += int.from_bytes(hashlib.sha256(body).digest()[:8], "big")
            elif kind in (b"C", b"I", b"s"):
                if subject is not None:
                    subject["tag"] = re.sub(r"[ 0-9]+$", "", text(body, 0)[0]) if kind == b"C" else ""
                if what == "execute":
                    self.due.popleft()
            elif kind == b"E":
                fields = dict((part[:1], part[1:]) for part in body.decode().split("\0"))
                if subject is not None and what in ("query", "execute"):
                    subject["error"] = fields.get("C")
                elif what in ("parse", "describe", "bind"):
                    name = subject.get("statement") if what == "parse" else None
                    sql = self.statements.get(name, {}).get("sql", "") if name is not None else ""
                    if sql:
                        self.entry("extended", sql)["error"] = fields.get("C")
                while self.due and self.due[0][0] not in ("sync", "query"):
                    self.due.popleft()
            elif kind == b"Z" and what in ("sync", "query"):
                self.due.popleft()


def pump(source, sink, told):
    try:
        while True:
            head = exactly(source, 5)
            body = exactly(source, struct.unpack("!i", head[1:])[0] - 4)
            told(head[:1], body)
            sink.sendall(head + body)
    except (EOFError, OSError):
        pass
    finally:
        for sock in (source, sink):
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


numbers = iter(range(1 << 30))


def serve(sock):
    try:
        while True:
            head = exactly(sock, 8)
            length, code = struct.unpack("!ii", head)
            if code == CODES["ssl"]:
                sock.sendall(b"S")
                sock = server_tls.wrap_socket(sock, server_side=True)
            elif code == CODES["gss"]:
                sock.sendall(b"N")
            else:
                break
        rest = exactly(sock, length - 8)
        server = upstream()
        server.sendall(head + rest)
        if code == CODES["cancel"]:
            # The client waits for a clean end.
            server.close()
            if isinstance(sock, ssl.SSLSocket):
                sock.unwrap()
            sock.close()
            return
        with lock:
            connection = Connection(next(numbers))
        threading.Thread(target=pump, args=(server, sock, connection.from_server), daemon=True).start()
        pump(sock, server, connection.from_client)
    except (EOFError, OSError):
        sock.close()


listener = socket.create_server(("localhost", 0))


def accept():
    while True:
        sock, _ = listener.accept()
        threading.Thread(target=serve, args=(sock,), daemon=True).start()


threading.Thread(target=accept, daemon=True).start()
print(listener.getsockname()[1], flush=True)
sys.stdin.read()

def kept(entry):
    """What can be asked again, with what its answer is there."""
    sql, told = entry["sql"], entry.pop("told", None)
    if told is not None:
        entry["columns"], entry["parameters"] = told["columns"], told["parameters"]
        # Described was the cursor, when it was there.
        if re.match(r"\s*declare\b", sql, re.I):
            entry["columns"] = []
    # One that the server never finished was cut off by the client.
    unfinished = entry["tag"] is None and entry["error"] is None
    if unfinished or CANCELS.search(sql) or entry["error"] == "57014":
        return False
    # A part of an answer is any part.
    part = entry["limit"] > 0 or entry["error"] or re.match(r"\s*fetch\b", sql, re.I)
    entry["hash"] = None if part or OF_ITS_TIME.search(sql) else f"{entry['hash'] % 2**64:016x}"
    if entry["error"] or CHANGING.search(sql):
        entry["rows"] = None
    return True


def without_empty_transactions(entries):
    """Those whose statements were all written before are left out, and what is then said twice."""
    written = []
    for entry in entries:
        last = next((it for it in reversed(written) if it["connection"] == entry["connection"]), None)
        if last is not None and last["tag"] == "BEGIN" and entry["tag"] in ("COMMIT", "ROLLBACK"):
            written.remove(last)
        elif last is None or last["sql"] != entry["sql"] or not IN_ORDER.match(entry["sql"]):
            written.append(entry)
    return written


with lock, open(FILE, "w", encoding="utf-8") as file:
    for entry in without_empty_transactions([entry for entry in entries if kept(entry)]):
        # What is empty goes without saying; `rows` and `hash` are null where they are unknown.
        entry = {name: it for name, it in entry.items() if it not in (None, [], 0) or name in KEPT}
        file.write(json.dumps(entry, ensure_ascii=False, separators=(",", ":")) + "\n")
