"""psqlODBC through unixODBC's isql: catalog functions, queries, Unicode, and 100,000 rows."""

import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
from steps import BIG, CA, DATABASE, HOST, LEGS, PASSWORD, PORT, USER, check, finish, step

folder = tempfile.mkdtemp()
# Options as psqlODBC's manual names them; UseDeclareFetch reads by a cursor, UseServerSidePrepare prepares.
for name, more in [("plain", ""), ("fetch", "UseDeclareFetch=1\nFetch=1000\n")]:
    with open(os.path.join(folder, "odbc.ini"), "a") as file:
        file.write(
            f"[{name}]\nDriver=PostgreSQL Unicode\nServername={HOST}\nPort={PORT}\nDatabase={DATABASE}\n"
            f"Username={USER}\nPassword={PASSWORD}\nSSLmode=verify-full\npqopt=sslrootcert={CA}\n{more}\n"
        )


def isql(*lines, dsn="plain"):
    environment = dict(os.environ, ODBCINI=os.path.join(folder, "odbc.ini"))
    done = subprocess.run(
        ["isql", dsn, "-b", "-d|", "-v"], input="\n".join(lines) + "\n", text=True,
        capture_output=True, env=environment, timeout=120,
    )
    text = done.stdout + done.stderr
    if "ERROR" in text or "ISQL" in text:
        raise AssertionError(text)
    return done.stdout.strip().splitlines()


@step("connect with TLS and SCRAM")
def _():
    version = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", "odbc-postgresql"], capture_output=True, text=True)
    check(isql("select 1")[-1], "1")
    return f"psqlODBC {version.stdout}"


@step("rows of a table")
def _():
    check(isql("select count(*) from queue_leg")[-1], str(LEGS))


@step("SQLTables")
def _():
    assert any("|queue_leg|TABLE" in line for line in isql("help"))


@step("SQLColumns")
def _():
    lines = isql("help queue_leg")
    assert any("|queue_duration_ms|-5|int8|" in line for line in lines), lines
    assert any("|entered_time|" in line and "|timestamptz|" in line for line in lines), lines


@step("every type")
def _():
    line = isql(
        "select cast('grüße' as text), true, 32767::smallint, (-5)::int, 9223372036854775807, 1.5::real, "
        "2.25::float8, 123456.789::numeric(20,3), date '2026-02-28', timestamp '2026-03-29 01:30:00.123456', "
        "timestamptz '2026-03-29 01:30:00.123456+00', cast(null as bigint)"
    )[-1]
    check(line.rstrip("|"), "grüße|1|32767|-5|9223372036854775807|1.5|2.25|123456.789|2026-02-28|"
          "2026-03-29 01:30:00.123456|2026-03-29 01:30:00.123456")


@step("100,000 rows")
def _():
    check(len(isql(BIG)), 100_000)


@step("100,000 rows by a cursor")
def _():
    check(len(isql(BIG, dsn="fetch")), 100_000)


finish()
