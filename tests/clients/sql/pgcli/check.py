"""pgcli: its catalog queries for completion, and a query."""

import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
from steps import DATABASE, HOST, LEGS, PASSWORD, PORT, USER, finish, step

os.environ["PGSSLMODE"] = "verify-full"

# pgcli's own interpreter and package are Debian's; the script asks it for everything that it completes.
METADATA = """
import sys
from pgcli.pgexecute import PGExecute
from pgcli import __version__
database, user, password, host, port = sys.argv[1:]
execute = PGExecute(database, user, password, host, port)
tables, views = list(execute.tables()), list(execute.views())
columns = list(execute.table_columns()) + list(execute.view_columns())
assert ("public", "queue_leg") in tables, tables
assert any(it[:3] == ("public", "queue_leg", "leg_id") for it in columns)
functions = list(execute.functions())
print(f"pgcli {__version__}: {len(list(execute.schemata()))} schemas, {len(tables)} tables, {len(views)} views, "
      f"{len(columns)} columns, {len(functions)} functions, {len(list(execute.datatypes()))} types, "
      f"{len(list(execute.databases()))} database, {len(list(execute.foreignkeys()))} foreign keys")
"""


@step("what it completes")
def _():
    done = subprocess.run(
        ["/usr/bin/python3", "-c", METADATA, DATABASE, USER, PASSWORD, HOST, str(PORT)],
        capture_output=True, text=True, timeout=60,
    )
    assert done.returncode == 0, done.stderr[-600:]
    return done.stdout.strip()


@step("a query")
def _():
    home = tempfile.mkdtemp()
    done = subprocess.run(
        ["pgcli", "--no-password", "--less-chatty", "-h", HOST, "-p", str(PORT), "-u", USER, DATABASE], text=True, capture_output=True, timeout=60,
        input="select count(*) as legs from queue_leg;\n\\d queue_leg\n\\dt\n\\q\n",
        env=dict(os.environ, HOME=home, XDG_CONFIG_HOME=home, PAGER="cat"),
    )
    assert str(LEGS) in done.stdout and "queue_duration_ms" in done.stdout, done.stdout + done.stderr
    assert done.returncode == 0, done.stderr


finish()
