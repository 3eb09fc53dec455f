#!/usr/bin/env python3
"""Verifies an evidence bundle with hashlib and openssl. Run it in the bundle's folder."""

import argparse
import base64
import datetime
import hashlib
import json
import os
import struct
import subprocess
import sys
import tempfile
import uuid

ACTORS = ["agent", "customer", "supervisor", "admin", "flow", "router", "timer", "integration",
          "importer", "analyst", "system"]
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)


class Refused(Exception):
    pass


def check(condition, what):
    if not condition:
        raise Refused(what)


def read(name):
    with open(name, encoding="utf-8", newline="") as file:
        return file.read()


def decode(text):
    return base64.b64decode(text, validate=True)


def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def node(left, right):
    return sha256(b"\x01", left, right)


class Key:
    """A C2SP verifier key."""

    def __init__(self, vkey):
        self.name, key_id, key = vkey.strip().split("+", 2)
        key = decode(key)
        check(len(key) == 33 and key[0] == 1, "vkey: not an Ed25519 key")
        self.key_id = sha256(self.name.encode(), b"\n", key)[:4]
        check(self.key_id.hex() == key_id, "vkey: its id is not that of its name and key")
        der = bytes.fromhex("302a300506032b6570032100") + key[1:]
        self.pem = ("-----BEGIN PUBLIC KEY-----\n" + base64.b64encode(der).decode()
                    + "\n-----END PUBLIC KEY-----\n")

    def open(self, note, what):
        """The text of a signed note."""
        text, gap, signatures = note.rpartition("\n\n")
        check(gap and signatures.endswith("\n"), what + ": not a signed note")
        text += "\n"
        for line in signatures[:-1].split("\n"):
            dash, name, signature = line.split(" ")
            check(dash == "\u2014", what + ": a signature has no dash")
            signature = decode(signature)
            if name == self.name and signature[:4] == self.key_id:
                check(self.signed(text.encode(), signature[4:]), what + ": the signature does not fit")
                return text
        raise Refused(what + ": not signed by " + self.name)

    def signed(self, text, signature):
        with tempfile.TemporaryDirectory() as folder:
            names = {}
            for name, content in (("key", self.pem.encode()), ("text", text), ("sig", signature)):
                names[name] = os.path.join(folder, name)
                with open(names[name], "wb") as file:
                    file.write(content)
            return subprocess.run(
                ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", names["key"], "-rawin",
                 "-in", names["text"], "-sigfile", names["sig"]],
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0

    def checkpoint(self, note, what):
        """Size and root of a checkpoint."""
        lines = self.open(note, what)[:-1].split("\n")
        check(len(lines) >= 3 and lines[0] == self.name, what + ": it is about another log")
        root = decode(lines[2])
        check(lines[1].isdigit() and len(root) == 32, what + ": not a checkpoint")
        return int(lines[1]), root


def root_by_inclusion(leaf_hash, index, size, path):
    check(0 <= index < size, "a proof's index is beyond the tree")
    at, last, root = index, size - 1, leaf_hash
    for sibling in path:
        check(last > 0, "a proof is too long")
        if at & 1 or at == last:
            root = node(sibling, root)
            while at and not at & 1:
                at, last = at >> 1, last >> 1
        else:
            root = node(root, sibling)
        at, last = at >> 1, last >> 1
    check(last == 0, "a proof is too short")
    return root


def is_beginning(old, old_root, new, new_root, path):
    if old == new:
        return not path and old_root == new_root
    if old == 0:
        return not path and old_root == sha256()
    if old > new:
        return False
    at, last = old - 1, new - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    if old & (old - 1) == 0:
        path = [old_root] + path
    if not path:
        return False
    from_old = from_new = path[0]
    for sibling in path[1:]:
        if last == 0:
            return False
        if at & 1 or at == last:
            from_old, from_new = node(sibling, from_old), node(sibling, from_new)
            while at and not at & 1:
                at, last = at >> 1, last >> 1
        else:
            from_new = node(from_new, sibling)
        at, last = at >> 1, last >> 1
    return last == 0 and from_old == old_root and from_new == new_root


class Leaf:
    """The fields of a leaf, taken from its front."""

    def __init__(self, data):
        self.data = data

    def take(self, count):
        check(len(self.data) >= count, "a leaf is too short")
        head, self.data = self.data[:count], self.data[count:]
        return head

    def number(self, count, signed=False):
        return int.from_bytes(self.take(count), "big", signed=signed)

    def uuid(self):
        return str(uuid.UUID(bytes=self.take(16)))

    def text(self):
        return self.take(self.number(2)).decode()


def micros(text):
    return (datetime.datetime.fromisoformat(text.replace("Z", "+00:00")) - EPOCH) \
        // datetime.timedelta(microseconds=1)


def says_the_same(leaf_bytes, event, payload):
    """Whether leaf, readable event and payload agree, field by field."""
    leaf = Leaf(leaf_bytes)
    check(leaf.take(4) == b"LLE1", "a leaf has another form")
    fields = {"org_id": leaf.uuid(), "position": leaf.number(8), "version": leaf.number(8)}
    times = {"time": leaf.number(8, True), "recorded_at": leaf.number(8, True)}
    fields["config_position"] = leaf.number(8)
    fields["id"], fields["command_id"], fields["correlation_id"] = leaf.uuid(), leaf.uuid(), leaf.uuid()
    kind, flags = ACTORS[leaf.number(1) - 1], leaf.number(1)
    fields["causation_id"] = leaf.uuid() if flags & 1 else None
    fields["data_subject_id"] = leaf.uuid() if flags & 4 else None
    fields["stream"], fields["type"] = leaf.text(), leaf.text()
    fields["actor"] = {"type": kind, "id": leaf.text()}
    fields["traceparent"] = leaf.text() if flags & 2 else None
    check(leaf.number(4) == len(payload), "the payload has another length than its leaf says")
    check(leaf.take(32) == sha256(payload), "the payload is not the one its leaf says")
    check(not leaf.data, "a leaf is too long")
    for name, value in fields.items():
        check(event[name] == value, "%s is %r in the leaf and %r in the event"
              % (name, value, event[name]))
    for name, value in times.items():
        check(micros(event[name]) == value, name + " differs between leaf and event")
    return fields


def unpack(data, at=0):
    """One MessagePack value and where it ends."""
    first = data[at]
    at += 1

    def sized(bytes_of_size):
        return int.from_bytes(data[at:at + bytes_of_size], "big"), at + bytes_of_size

    def text(count, begin, decoded):
        check(begin + count <= len(data), "the payload is cut off")
        piece = data[begin:begin + count]
        return (piece.decode() if decoded else piece), begin + count

    def many(count, begin):
        values = []
        for _ in range(count):
            value, begin = unpack(data, begin)
            values.append(value)
        return values, begin

    def pairs(count, begin):
        values, begin = many(2 * count, begin)
        return list(zip(values[::2], values[1::2])), begin

    if first < 0x80 or first >= 0xe0:
        return (first if first < 0x80 else first - 256), at
    if first < 0x90:
        return Map.of(pairs(first & 0x0f, at))
    if first < 0xa0:
        return many(first & 0x0f, at)
    if first < 0xc0:
        return text(first & 0x1f, at, True)
    if first in (0xc0, 0xc2, 0xc3):
        return {0xc0: None, 0xc2: False, 0xc3: True}[first], at
    if first in (0xc4, 0xc5, 0xc6):
        return text(*sized(1 << (first - 0xc4)), False)
    if first in (0xca, 0xcb):
        form, count = (">f", 4) if first == 0xca else (">d", 8)
        return struct.unpack_from(form, data, at)[0], at + count
    if 0xcc <= first <= 0xcf:
        return sized(1 << (first - 0xcc))
    if 0xd0 <= first <= 0xd3:
        count = 1 << (first - 0xd0)
        return int.from_bytes(data[at:at + count], "big", signed=True), at + count
    if first in (0xd9, 0xda, 0xdb):
        return text(*sized(1 << (first - 0xd9)), True)
    if first in (0xdc, 0xdd):
        return many(*sized(2 << (first - 0xdc)))
    if first in (0xde, 0xdf):
        return Map.of(pairs(*sized(2 << (first - 0xde))))
    raise Refused("the payload has a MessagePack form that Ledgerline does not write")


class Map(list):
    """The pairs of a MessagePack map."""

    @classmethod
    def of(cls, found):
        return cls(found[0]), found[1]


def shows(packed, shown):
    """Whether JSON shows what MessagePack packs: ids are 16 bytes there and text here, bytes are base64
    here, times are microseconds there and text here, documents are JSON text there. What is absent there
    may be empty here."""
    if isinstance(packed, Map):
        if not isinstance(shown, dict):
            return False
        named = {}
        for key, value in packed:
            named[str(uuid.UUID(bytes=key)) if isinstance(key, bytes) else str(key)] = value
        return all(name in shown and shows(value, shown[name]) for name, value in named.items()) \
            and all(name in named or not value for name, value in shown.items())
    if isinstance(packed, list):
        return isinstance(shown, list) and len(packed) == len(shown) \
            and all(shows(*pair) for pair in zip(packed, shown))
    if isinstance(packed, bytes):
        return isinstance(shown, str) and (base64.b64encode(packed).decode() == shown or
                                           len(packed) == 16 and str(uuid.UUID(bytes=packed)) == shown)
    if type(packed) is int and isinstance(shown, str):
        return micros(shown) == packed
    if type(packed) is str and packed != shown:
        return same_json(packed, shown)
    return type(packed) is type(shown) and packed == shown


def same_json(text, shown):
    """Whether a document, which is packed as its JSON text, is what is shown."""
    try:
        return json.dumps(json.loads(text), sort_keys=True) == json.dumps(shown, sort_keys=True)
    except ValueError:
        return False


def readable(payload, event):
    """Whether the readable part of an event is the payload."""
    if "data" in event:
        packed, end = unpack(payload)
        check(end == len(payload) and shows(packed, event["data"]),
              "its data is not what the payload says")
    else:
        check(decode(event["data_base64"]) == payload, "its data is not the payload")


def verify_event(line, size, root, checkpoint):
    leaf_bytes, payload = decode(line["leaf"]), decode(line["payload"])
    fields = says_the_same(leaf_bytes, line["event"], payload)
    check(fields["position"] == line["position"] and fields["version"] == line["version"],
          "position or version of the line is not that of the leaf")
    readable(payload, line["event"])
    leaf_hash = sha256(b"\x00", leaf_bytes)
    check(leaf_hash == decode(line["leaf_hash"]), "the leaf hash is not that of the leaf")
    head, gap, note = read("proofs/%d.tlog-proof" % fields["position"]).partition("\n\n")
    head = head.split("\n")
    check(gap and len(head) >= 3 and head[0] == "c2sp.org/tlog-proof@v1", "the proof has another form")
    check(note == checkpoint, "the proof is for another checkpoint")
    check(head[1] == "extra " + line["leaf"], "the proof is for another leaf")
    check(head[2] == "index %d" % (fields["position"] - 1), "the proof is for another index")
    path = [decode(hash_line) for hash_line in head[3:]]
    check(root_by_inclusion(leaf_hash, fields["position"] - 1, size, path) == root,
          "the proof does not lead to the root of the checkpoint")
    return fields["stream"], fields["version"], leaf_hash


def verify(arguments):
    key = Key(read("vkey"))
    if arguments.vkey:
        check(arguments.vkey.strip() == read("vkey").strip(), "vkey: not the key you trust")
    check(key.pem.split() == read("public-key.pem").split(), "public-key.pem: not the key of vkey")
    note = read("checkpoint")
    size, root = key.checkpoint(note, "checkpoint")
    print("checkpoint of %s: %d events, root %s" % (key.name, size, base64.b64encode(root).decode()))
    statement = key.open(read("stream-statement"), "stream-statement")[:-1].split("\n")
    check(statement[:2] == ["ledgerline/stream-statement@v1", key.name] and len(statement) == 6
          and statement[3] == str(size), "stream-statement: it is about something else")
    chain, count = bytes(32), 0
    with open("events.jsonl", encoding="utf-8") as lines:
        for line in map(json.loads, lines):
            try:
                stream, version, leaf_hash = verify_event(line, size, root, note)
                check(stream == statement[2], "it is of another stream")
                check(version == count, "its version is %d, not %d" % (version, count))
                chain, count = sha256(b"\x02", chain, leaf_hash), count + 1
                check(chain == decode(line["chain"]), "its chain value does not follow")
            except (Refused, ValueError, KeyError, IndexError, OSError) as error:
                raise Refused("event at position %s: %s" % (line.get("position"), error))
    check(statement[4] == str(count), "%d events here, %s in the statement" % (count, statement[4]))
    check(decode(statement[5]) == chain, "stream-statement: another chain value")
    print("%d events of %s: leaves, proofs and chain fit" % (count, statement[2]))
    if arguments.older:
        old_size, old_root = key.checkpoint(read(arguments.older), arguments.older)
        head, _, new_note = read(arguments.consistency).partition("\n\n")
        head = head.split("\n")
        check(head[:2] == ["ledgerline/consistency-proof@v1", "old %d" % old_size],
              arguments.consistency + ": it does not begin at the older checkpoint")
        new_size, new_root = key.checkpoint(new_note, arguments.consistency)
        check((new_size, new_root) == (size, root),
              arguments.consistency + ": it does not lead to the checkpoint of this bundle")
        check(is_beginning(old_size, old_root, size, root, [decode(line) for line in head[2:]]),
              "the older checkpoint is of another history")
        print("the checkpoint of size %d is of the same history" % old_size)
    print("VERIFIED")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--vkey", help="the verifier key you trust")
    parser.add_argument("--older", help="a checkpoint you received at another time")
    parser.add_argument("--consistency", help="a consistency proof from it to this bundle's checkpoint")
    arguments = parser.parse_args()
    if bool(arguments.older) != bool(arguments.consistency):
        parser.error("--older and --consistency go together")
    try:
        verify(arguments)
    except (Refused, ValueError, KeyError, IndexError, OSError) as error:
        print("NOT VERIFIED: %s" % error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
