"""The tables in an S3-compatible store, asked by a Ballista cluster and by DuckDB; both against Ledgerline's own answers.

check.py LEDGERLINE PROGRAMS WORK: the product, the folder of Ballista's programs and of the client, a folder of its own.
"""

import contextlib
import csv
import io
import json
import logging
import os
import pathlib
import random
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import duckdb
import duckdb_extension_httpfs as httpfs
from moto.server import ThreadedMotoServer

LEDGERLINE, PROGRAMS, WORK = (pathlib.Path(it).absolute() for it in sys.argv[1:4])
# So many that rows are in files of several commits: one comes every 50,000 events.
CALLS = 30_000
EXECUTORS = 2
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
# In words that all three understand. Without ORDER BY: in an unoptimized executor an assertion of the engine fails at every
# sort (docs/publishing.md), and the rows are sorted here.
QUESTIONS = {
    "every leg": "select interaction_id, leg_no, queue_name, agent_name, outcome, queue_duration_ms, connected_duration_ms "
    "from queue_leg",
    "legs by queue": "select queue_name, count(*) as legs, sum(queue_duration_ms) as waited, max(queue_duration_ms) as longest "
    "from queue_leg group by queue_name",
    "legs by day": "select cast(entered_time as date) as day, outcome, count(*) as legs from queue_leg "
    "group by cast(entered_time as date), outcome",
    "handled by agent": "select agent_name, count(*) as handled, sum(connected_duration_ms) as talked "
    "from queue_leg where outcome = 'answered' group by agent_name",
    "agents of each queue": "select queue_name, count(distinct agent_name) as agents from queue_leg "
    "group by queue_name",
    "sessions and their legs": "select s.state, l.queue_name, count(*) as sessions, sum(l.queue_duration_ms) as waited "
    "from customer_session s join queue_leg l on l.interaction_id = s.interaction_id "
    "group by s.state, l.queue_name",
    "steps": "select event_name, count(*) as steps from customer_activity group by event_name",
    "nobody is monitored": "select count(*) as monitored from monitor_session",
}


def run(*command, **more):
    done = subprocess.run(command, capture_output=True, text=True, **more)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command[:3]))}: {done.stderr[-4000:]}")
    return done.stdout


def calls():
    """A centre of forty queues over three weeks."""
    dice = random.Random(20261130)
    lines = ["id;queued;left;answered;ended;how;agent;queue"]
    for number in range(CALLS):
        queued = 1_700_000_000 + number * 60
        left = queued + dice.randrange(0, 240)
        answered = dice.random() < 0.8
        times = f"{left};{left + dice.randrange(20, 900)};yes" if answered else ";;no"
        agent = f"agent{dice.randrange(200)}" if answered else ""
        lines.append(f"{number};{queued};{left};{times};{agent};queue{dice.randrange(40)}")
    return "\n".join(lines) + "\n"


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def wait_for(child, is_ready):
    """Until it is; an end of the child is said with what it wrote."""
    until = time.monotonic() + 60
    while not is_ready():
        if child.poll() is not None or time.monotonic() > until:
            said = "ended" if child.poll() is not None else "is not ready"
            sys.exit(f"{pathlib.Path(child.args[0]).name} {said}: {pathlib.Path(child.log).read_text()[-4000:]}")
        time.sleep(0.1)


def listens(port):
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", port)) == 0


def answers(url):
    try:
        with urllib.request.urlopen(url, timeout=5):
            return True
    except OSError:
        return False


def rows(text):
    """The rows of CSV without the header, sorted."""
    return sorted([tuple(row) for row in csv.reader(io.StringIO(text))][1:])


@contextlib.contextmanager
def store():
    """A store with one bucket; the environment says where it is, to every program that is started from here."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    urllib.request.urlopen(urllib.request.Request(f"http://{host}:{port}/lake", method="PUT")).read()
    os.environ.update(
        AWS_ENDPOINT=f"http://{host}:{port}", AWS_ALLOW_HTTP="true", AWS_REGION="us-east-1",
        AWS_ACCESS_KEY_ID="nobody", AWS_SECRET_ACCESS_KEY="nothing",
    )
    try:
        yield f"{host}:{port}"
    finally:
        server.stop()


def start(name, *options):
    log = WORK / f"{name}.log"
    program = [PROGRAMS / f"ballista-{name.rstrip('0123456789')}", *map(str, options)]
    with log.open("w") as output:
        child = subprocess.Popen(program, stdout=output, stderr=output)
    child.log = log
    return child


@contextlib.contextmanager
def cluster():
    """A scheduler and executors of one core each; gives the scheduler's port."""
    here = ("--bind-host", "127.0.0.1", "--external-host", "127.0.0.1")
    port = free_port()
    children = [start("scheduler", *here, "--bind-port", port, "--task-distribution", "round-robin")]
    try:
        wait_for(children[0], lambda: listens(port))
        for number in range(1, EXECUTORS + 1):
            work, health = WORK / f"executor{number}", free_port()
            work.mkdir()
            child = start(
                f"executor{number}", *here, "--bind-port", free_port(), "--bind-grpc-port", free_port(),
                "--bind-health-port", health, "--scheduler-host", "127.0.0.1", "--scheduler-port", port,
                "--vcores", 1, "--work-dir", work,
            )
            children.append(child)
            # Ready is who has reached the scheduler.
            wait_for(child, lambda: answers(f"http://127.0.0.1:{health}/readyz"))
        yield port
    finally:
        for child in reversed(children):
            child.terminate()
            try:
                child.wait(timeout=20)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()


def duckdb_over(endpoint):
    """A session that reads the store, as docs/publishing.md shows; the extension comes with its package."""
    lake = duckdb.connect()
    lake.load_extension(str(next(pathlib.Path(httpfs.__file__).parent.rglob("*.duckdb_extension"))))
    lake.execute("set TimeZone = 'UTC'")
    lake.execute(
        "create secret (type s3, key_id 'nobody', secret 'nothing', region 'us-east-1', "
        f"endpoint '{endpoint}', use_ssl false, url_style 'path')"
    )
    return lake


def main():
    shutil.rmtree(WORK, ignore_errors=True)
    WORK.mkdir(parents=True)
    data = WORK / "data"
    (WORK / "mapping.toml").write_text(MAPPING)
    (WORK / "calls.csv").write_text(calls())
    run(LEDGERLINE, "import", "call-records", "--mapping", WORK / "mapping.toml", "--data", data, WORK / "calls.csv")
    wrong = []
    with store() as endpoint, cluster() as scheduler:
        print(run(LEDGERLINE, "tables", "publish", "--data", data, "--to", "s3://lake/ledgerline").strip())
        expected = {
            name: rows(run(LEDGERLINE, "sql", "--data", data, "--format", "csv", question))
            for name, question in QUESTIONS.items()
        }

        lake = duckdb_over(endpoint)
        (found,), = lake.execute("select file from glob('s3://lake/ledgerline/orgs/*/tables/current.json')").fetchall()
        folder = found.removesuffix("current.json")
        stored = {
            name: lake.execute("select content from read_text(?)", [folder + name]).fetchone()[0]
            for name in ("current.json", "current.duckdb.sql", "current.datafusion.sql")
        }
        publication = json.loads(stored["current.json"])
        files = sum(len(table["files"]) for table in publication["tables"].values())
        print(f"position {publication['position']}: {len(publication['tables'])} tables in {files} objects")
        lake.execute(stored["current.duckdb.sql"])
        by_duckdb = {
            name: sorted(tuple("" if it is None else str(it) for it in row) for row in lake.execute(question).fetchall())
            for name, question in QUESTIONS.items()
        }

        statements = WORK / "current.datafusion.sql"
        statements.write_text(stored["current.datafusion.sql"])
        address = f"df://127.0.0.1:{scheduler}"
        text = run(PROGRAMS / "ballista-check", address, statements, *QUESTIONS.values(), timeout=900)
        by_ballista = dict(zip(QUESTIONS, map(rows, text.removesuffix("\n\n").split("\n\n")), strict=True))

        for name, right in expected.items():
            for engine, its in ((f"DuckDB {duckdb.__version__}", by_duckdb), ("Ballista", by_ballista)):
                if its[name] == right and right:
                    print(f"ok       {engine}: {name} ({len(right)} rows)")
                    continue
                wrong.append(f"{engine}: {name}")
                pairs = zip(its[name], right)
                differs = next((pair for pair in pairs if pair[0] != pair[1]), "the number of rows")
                print(f"DIFFERS  {engine}: {name}, {len(its[name])} rows for {len(right)}: {differs}")
        for number in range(1, EXECUTORS + 1):
            shuffled = sum(1 for file in (WORK / f"executor{number}").rglob("*") if file.is_file())
            print(f"executor {number}: {shuffled} files for others to read")
            if not shuffled:
                wrong.append(f"executor {number} did nothing")
    if wrong:
        sys.exit(f"{len(wrong)} differ: {', '.join(wrong)}")


main()
