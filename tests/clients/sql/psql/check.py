"""psql: the backslash commands, \\copy, \\gdesc, FETCH_COUNT, Ctrl-C."""

import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
from steps import BIG, CA, DATABASE, HOST, LEGS, PORT, USER, check, finish, step

TARGET = f"host={HOST} port={PORT} user={USER} dbname={DATABASE} sslmode=verify-full sslrootcert={CA}"


def psql(*commands, more=(), script=None):
    arguments = ["psql", "-XAt", "-v", "ON_ERROR_STOP=1", *more]
    for command in commands:
        arguments += ["-c", command]
    done = subprocess.run([*arguments, TARGET], capture_output=True, text=True, timeout=120, input=script)
    if done.returncode:
        raise AssertionError(f"{commands}: {done.stderr}")
    return done.stdout


@step("connect with TLS and SCRAM")
def _():
    return subprocess.run(["psql", "--version"], capture_output=True, text=True).stdout.strip()


@step("rows of a table")
def _():
    check(psql("select count(*) from queue_leg").strip(), str(LEGS))


@step("backslash commands")
def _():
    commands = (
        "d d+ dt dt+ dv dv+ di ds dE dm dn dn+ df df+ da dT dT+ dC dD dO dL du du+ dg dp z db dx dy drds "
        "dRp dRs dconfig des det deu dew dF dFd dFp dFt dA dAc dAf dAo dAp do dc dl l l+ conninfo encoding"
    ).split()
    for command in commands:
        psql(f"\\{command}")
    for command in ["d queue_leg", "d+ queue_leg", "d *", "df cc_*", "dT+ text", "sf+ cc_bin", "do+ =", "dp queue*"]:
        psql(f"\\{command}")
    assert "queue_duration_ms|bigint" in psql("\\d queue_leg")
    return f"{len(commands) + 8} of them"


@step("\\gdesc, \\gset, \\crosstabview")
def _():
    told = psql(script="select leg_id, queue_duration_ms from queue_leg \\gdesc\n")
    check(told, "leg_id|text\nqueue_duration_ms|bigint\n")
    told = psql(script="select 1 as one \\gset\n\\echo :one\nselect 'a' as r, 'b' as c, 1 as v \\crosstabview\n")
    check(told, "1\na|1\n")


@step("\\copy to a file")
def _():
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder, "legs.csv")
        psql(f"\\copy (select leg_id, queue_duration_ms from queue_leg) to '{file}' csv header")
        check(len(file.read_text().splitlines()), LEGS + 1)
        psql(f"\\copy queue_leg to '{file}' binary")
        assert file.read_bytes().startswith(b"PGCOPY\n\xff\r\n\0")


@step("100,000 rows")
def _():
    check(psql(BIG).count("\n"), 100_000)


@step("100,000 rows by FETCH_COUNT, a cursor")
def _():
    check(psql(BIG, more=["-v", "FETCH_COUNT=1000"]).count("\n"), 100_000)


@step("Ctrl-C")
def _():
    endless = "select count(*) from generate_series(1, 1000000) a, generate_series(1, 1000000) b"
    script = f"\\echo begun\n{endless};\nselect 'after it';\n"
    child = subprocess.Popen(
        ["psql", "-XAt", TARGET], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )
    child.stdin.write(script)
    child.stdin.flush()
    check(child.stdout.readline(), "begun\n")
    time.sleep(1)
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=30)
    assert "cancel" in err, err
    assert "after it" not in out, "a script goes on after Ctrl-C"


finish()
