"""Stands between a client and the server and writes down what they say: python record.py PORT CERTIFICATE KEY FILE.

Both sides speak TLS; the certificate and its key are the server's own, so the client sees no difference. Prints
its port; ends with its input and then writes FILE, one statement a line, in the order they were sent:

  connection   number of the connection, from 0
  protocol     simple or extended
  sql          the statement
  types        object ids of parameters as the client declares them; 0 is none
  values       of parameters: {"text": …}, {"binary": hex} or null
  columns      name and object id of the type, where the statement has rows
  rows         whether there were any
  tag          what the server said at the end, without counts
  error        the SQLSTATE, where it failed

A statement that a connection repeats is written once, unless it is about the connection itself and others came in
between.
"""

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

server_tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
server_tls.load_cert_chain(CERTIFICATE, KEY)
client_tls = ssl.create_default_context(cafile=CERTIFICATE)
entries, lock = [], threading.Lock()


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

    def entry(self, protocol, sql, types=(), values=()):
        made = dict(connection=self.number, protocol=protocol, sql=sql, types=list(types), values=list(values),
                    columns=[], rows=False, tag=None, error=None)
        key = (protocol, sql, tuple(types), tuple(value is None for value in values))
        again = key == self.last
        self.last = key
        if key not in self.seen or IN_ORDER.match(sql) and not again:
            self.seen.add(key)
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
                self.statements[name] = dict(sql=sql, types=struct.unpack_from(f"!{count}I", body, at + 2), columns=[])
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
                self.portals[portal] = (name, values)
                self.due.append(("bind", None))
            elif kind == b"D":
                name = text(body, 1)[0]
                if body[:1] == b"P":
                    name = self.portals.get(name, ("", []))[0]
                self.due.append(("describe", self.statements.get(name)))
            elif kind == b"E":
                name, values = self.portals.get(text(body, 0)[0], ("", []))
                known = self.statements.get(name, dict(sql="", types=(), columns=[]))
                if known["sql"].strip():
                    made = self.entry("extended", known["sql"], known["types"], values)
                    made["columns"] = known["columns"]
                else:
                    made = {}
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
            elif kind == b"n" and what == "describe" or kind in b"123" and what in ("parse", "bind", "close"):
                self.due.popleft()
            elif kind in (b"D", b"d") and subject is not None:
                subject["rows"] = True
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
with lock, open(FILE, "w", encoding="utf-8") as file:
    # One that the server never finished was cut off by the client.
    for entry in entries:
        if entry["tag"] is not None or entry["error"] is not None:
            file.write(json.dumps(entry, ensure_ascii=False) + "\n")
