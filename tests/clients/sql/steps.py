"""Steps of a client's check: one line each, and an exit code that tells whether all of them passed."""

import datetime
import os
import sys
import traceback
from decimal import Decimal

HOST = os.environ["PGHOST"]
PORT = int(os.environ["PGPORT"])
USER = os.environ["PGUSER"]
PASSWORD = os.environ["PGPASSWORD"]
DATABASE = os.environ["PGDATABASE"]
CA = os.environ["PGSSLROOTCERT"]
# Rows of queue_leg, counted from the imported file.
LEGS = int(os.environ["LEGS"])

UTC = datetime.timezone.utc
INSTANT = datetime.datetime(2026, 3, 29, 1, 30, 0, 123456, tzinfo=UTC)
LOCAL = datetime.datetime(2026, 3, 29, 1, 30, 0, 123456)

# SQL type, a value of it as SQL, and what a Python driver makes of it.
TYPES = [
    ("text", "'grüße'", "grüße"),
    ("boolean", "true", True),
    ("smallint", "32767", 32767),
    ("integer", "-2147483648", -2147483648),
    ("bigint", "9223372036854775807", 9223372036854775807),
    ("real", "1.5", 1.5),
    ("double precision", "2.25", 2.25),
    ("numeric(20,3)", "123456.789", Decimal("123456.789")),
    ("date", "'2026-02-28'", datetime.date(2026, 2, 28)),
    ("timestamp", "'2026-03-29 01:30:00.123456'", LOCAL),
    ("timestamptz", "'2026-03-29 01:30:00.123456+00'", INSTANT),
    ("time", "'12:34:56'", datetime.time(12, 34, 56)),
    ("bytea", "'\\x00ff'", b"\x00\xff"),
    ("text[]", "array['a', null, 'c']", ["a", None, "c"]),
    ("bigint[]", "array[1, 2]", [1, 2]),
]

# 100,000 rows with every type that a column of ours has.
BIG = (
    "select n as number, l.leg_id, l.queue_duration_ms, l.entered_time, n % 2 = 0 as even "
    "from (select * from queue_leg order by leg_id limit 100) l "
    "cross join generate_series(1, 1000) as g(n)"
)

_failed = 0


def literal_of(kind, text):
    return f"cast({text} as {kind})"


def typed_select():
    return "select " + ", ".join(
        f"{literal_of(kind, text)} as c{at}" for at, (kind, text, _) in enumerate(TYPES)
    )


def untyped_nulls():
    return "select " + ", ".join(f"cast(null as {kind})" for kind, _, _ in TYPES)


def same(found, expected):
    if isinstance(found, memoryview):
        found = bytes(found)
    return found == expected and (found is None) == (expected is None)


def check(found, expected, what=""):
    if not same(found, expected):
        raise AssertionError(f"{what}: found {found!r}, expected {expected!r}")


def step(name):
    """Runs the function under it at once; a failure does not stop the steps after it."""

    def run(body):
        global _failed
        try:
            said = body()
            print(f"ok   {name}" + (f": {said}" if said else ""), flush=True)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is told
            _failed += 1
            text = " ".join(str(error).split())[:600]
            print(f"FAIL {name}: {type(error).__name__}: {text}", flush=True)
            if os.environ.get("TRACE"):
                traceback.print_exc()
        return body

    return run


def finish():
    sys.exit(1 if _failed else 0)
