"""Starts a PostgreSQL of this machine, asks it the questions, and writes its answers to answers.jsonl."""

import glob
import json
import os
import pathlib
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile

import psycopg

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE))
from questions import questions

programs = pathlib.Path(sorted(glob.glob("/usr/lib/postgresql/*/bin"))[-1])
folder = tempfile.mkdtemp(prefix="postgresql-")
# PostgreSQL refuses to run as root.
user = []
if os.getuid() == 0:
    shutil.chown(folder, "postgres")
    user = ["runuser", "-u", "postgres", "--"]
    pwd.getpwnam("postgres")


def run(*command):
    done = subprocess.run([*user, *map(str, command)], capture_output=True, text=True, cwd="/")
    if done.returncode:
        sys.exit(f"{command[0]}: {done.stdout}{done.stderr}")


with socket.create_server(("localhost", 0)) as free:
    port = free.getsockname()[1]
data = os.path.join(folder, "data")
run(programs / "initdb", "-D", data, "-A", "trust", "-U", "ann", "-E", "UTF8", "--locale=C")
options = f"-p {port} -k {folder} -c listen_addresses=localhost -c timezone=UTC -c datestyle=ISO"
run(programs / "pg_ctl", "-D", data, "-o", options, "-l", os.path.join(folder, "log"), "-w", "start")
try:
    with psycopg.connect(host="localhost", port=port, user="ann", dbname="postgres", autocommit=True) as conn:
        version = conn.execute("show server_version").fetchone()[0]
        with open(HERE / "answers.jsonl", "w", encoding="utf-8") as file:
            for asked in questions():
                result = conn.pgconn.exec_(asked["postgresql"].encode())
                told = dict(asked, rows=[], error=None)
                if result.status == psycopg.pq.ExecStatus.TUPLES_OK:
                    for row in range(result.ntuples):
                        values = [result.get_value(row, at) for at in range(result.nfields)]
                        told["rows"].append([None if it is None else it.decode() for it in values])
                else:
                    told["error"] = result.error_field(psycopg.pq.DiagnosticField.SQLSTATE).decode()
                file.write(json.dumps(told, ensure_ascii=False) + "\n")
    print(f"PostgreSQL {version}: {sum(1 for _ in questions())} answers")
finally:
    run(programs / "pg_ctl", "-D", data, "-m", "immediate", "stop")
    shutil.rmtree(folder, ignore_errors=True)
