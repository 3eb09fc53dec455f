"""The tables in an S3-compatible store, asked by a Ballista cluster and by DuckDB; both against Ledgerline's own answers.

check.py LEDGERLINE BALLISTA_BIN CLIENT WORK: programs, and a folder of its own.
"""

import csv
import io
import json
import os
import pathlib
import random
import shutil
import socket
import subprocess
import sys
import time
import urllib.request

import duckdb
from moto.server import ThreadedMotoServer

LEDGERLINE, BALLISTA, CLIENT, WORK = sys.argv[1:5]
WORK = pathlib.Path(WORK)
# So many that rows are in files of several commits: one comes every 50,000 events.
CALLS = 30_000
MAPPING = """
name = "calls"
[file]
delimiter = ";"
key = ["id"]
[time]
format = "%s"
[wait]
start = "queued"
end = "left"
[service]
start = "answered"
end = "ended"
[outcome]
column = "how"
answered = ["yes"]
hung_up = ["no"]
[agent]
column = "agent"
[queues]
column = "queue"
unknown = "create"
"""
QUESTIONS = {
    "legs by queue": "select queue_name, count(*) as legs, sum(queue_duration_ms) as waited, max(queue_duration_ms) as longest "
    "from queue_leg group by queue_name order by queue_name",
    "handled by agent": "select agent_name, count(*) as handled, sum(connected_duration_ms) as talked "
    "from queue_leg where outcome = 'answered' group by agent_name order by agent_name",
    "sessions and their legs": "select s.state, count(*) as sessions, sum(l.queue_duration_ms) as waited "
    "from customer_session s join queue_leg l on l.interaction_id = s.interaction_id "
    "group by s.state order by s.state",
    "steps": "select event_name, count(*) as steps from customer_activity group by event_name order by event_name",
    "nobody is monitored": "select count(*) as monitored from monitor_session",
}


def run(*command, **more):
    done = subprocess.run(command, capture_output=True, text=True, **more)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}: {done.stderr[-4000:]}")
    return done.stdout


def calls():
    """A centre of forty queues over a few weeks."""
    dice = random.Random(20261130)
    lines = ["id;queued;left;answered;ended;how;agent;queue"]
    for number in range(CALLS):
        queued = 1_700_000_000 + number * 60
        left = queued + dice.randrange(0, 240)
        answered = dice.random() < 0.8
        times = f"{left};{left + dice.randrange(20, 900)};yes" if answered else ";;no"
        lines.append(f"{number};{queued};{left};{times};agent{dice.randrange(200)};queue{dice.randrange(40)}")
    return "\n".join(lines) + "\n"


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def wait_for(port, child):
    for _ in range(600):
        if child.poll() is not None:
            sys.exit(f"{child.args[0]} ended with {child.returncode}")
        with socket.socket() as tried:
            if tried.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    sys.exit(f"{child.args[0]} does not listen")


def rows(text):
    """The rows of CSV without the header."""
    return [tuple(row) for row in csv.reader(io.StringIO(text))][1:]


shutil.rmtree(WORK, ignore_errors=True)
WORK.mkdir(parents=True)
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
host, port = server.get_host_and_port()
urllib.request.urlopen(urllib.request.Request(f"http://{host}:{port}/lake", method="PUT")).read()
os.environ.update(
    AWS_ENDPOINT=f"http://{host}:{port}", AWS_ALLOW_HTTP="true", AWS_REGION="us-east-1",
    AWS_ACCESS_KEY_ID="nobody", AWS_SECRET_ACCESS_KEY="nothing",
)
children = []
try:
    (WORK / "mapping.toml").write_text(MAPPING)
    (WORK / "calls.csv").write_text(calls())
    data = str(WORK / "data")
    run(LEDGERLINE, "import", "call-records", "--mapping", WORK / "mapping.toml", "--data", data, WORK / "calls.csv")
    print(run(LEDGERLINE, "tables", "publish", "--data", data, "--to", "s3://lake/ledgerline").strip())
    expected = {
        name: rows(run(LEDGERLINE, "sql", "--data", data, "--format", "csv", question))
        for name, question in QUESTIONS.items()
    }

    lake = duckdb.connect()
    extension = pathlib.Path(duckdb.__file__).parent.parent / "duckdb_extension_httpfs"
    lake.load_extension(str(next(extension.rglob("*.duckdb_extension"))))
    lake.execute(
        f"create secret (type s3, key_id 'nobody', secret 'nothing', region 'us-east-1', "
        f"endpoint '{host}:{port}', use_ssl false, url_style 'path')"
    )
    listed = lake.execute("select file from glob('s3://lake/ledgerline/orgs/*/tables/current.json')").fetchall()
    root = listed[0][0].removesuffix("current.json")

    def stored(name):
        with urllib.request.urlopen(f"http://{host}:{port}/{root.removeprefix('s3://')}{name}") as answer:
            return answer.read().decode()

    publication = json.loads(stored("current.json"))
    files = sum(len(table["files"]) for table in publication["tables"].values())
    print(f"position {publication['position']}: {len(publication['tables'])} tables in {files} objects")
    lake.execute(stored("current.duckdb.sql"))
    (WORK / "current.datafusion.sql").write_text(stored("current.datafusion.sql"))

    scheduler = free_port()
    children.append(subprocess.Popen(
        [f"{BALLISTA}/ballista-scheduler", "--bind-host", "127.0.0.1", "--bind-port", str(scheduler),
         "--external-host", "127.0.0.1", "--log-dir", WORK / "scheduler"],
        stdout=subprocess.DEVNULL, stderr=(WORK / "scheduler.err").open("w")))
    wait_for(scheduler, children[-1])
    for number in (1, 2):
        ports = free_port(), free_port(), free_port()
        children.append(subprocess.Popen(
            [f"{BALLISTA}/ballista-executor", "--scheduler-host", "127.0.0.1", "--scheduler-port", str(scheduler),
             "--bind-host", "127.0.0.1", "--external-host", "127.0.0.1", "--bind-port", str(ports[0]),
             "--bind-grpc-port", str(ports[1]), "--bind-health-port", str(ports[2]), "--vcores", "1",
             "--work-dir", WORK / f"executor{number}", "--log-dir", WORK / f"executor{number}.log"],
            stdout=subprocess.DEVNULL, stderr=(WORK / f"executor{number}.err").open("w")))
        wait_for(ports[0], children[-1])

    answers = run(CLIENT, f"df://127.0.0.1:{scheduler}", WORK / "current.datafusion.sql", *QUESTIONS.values(), timeout=600)
    ballista = dict(zip(QUESTIONS, (rows(text) for text in answers.split("\n\n")), strict=False))
    wrong = 0
    for name, question in QUESTIONS.items():
        by_duckdb = [tuple("" if it is None else str(it) for it in row) for row in lake.execute(question).fetchall()]
        for engine, found in (("DuckDB", by_duckdb), ("Ballista", ballista.get(name))):
            same = found == expected[name]
            wrong += not same
            print(f"{'ok' if same else 'DIFFERS'}  {engine}: {name} ({len(expected[name])} rows)")
            if not same:
                print(f"    expected {expected[name][:3]} …, found {(found or [])[:3]} …")
    worked = [number for number in (1, 2) if any((WORK / f"executor{number}").rglob("*.arrow"))]
    print(f"executors that shuffled something: {worked}")
    if not worked:
        sys.exit("no executor did anything")
    sys.exit(1 if wrong else 0)
finally:
    for child in reversed(children):
        child.terminate()
    for child in children:
        child.wait()
    server.stop()
