"""The twelve questions to another engine, over the same Parquet files.

    peers.py ENGINE --data DIR --answers DIR [--rounds N] [--clients N] [--memory-mb N]

ENGINE is duckdb or chdb. Two threads, one process, answers as Arrow. What the engine is asked is in
queries/NAME.ENGINE.sql; the first answer to each goes to NAME.ENGINE.csv, the times to ENGINE.json.
"""

import argparse
import json
import pathlib
import random
import resource
import threading
import time

NAMES = [f"q{number:02}" for number in range(1, 13)]
QUERIES = pathlib.Path(__file__).parent / "queries"
TABLES = ["leg", "agent_team"]


class DuckDb:
    """One database in memory; every asker has a cursor of its own."""

    def __init__(self, data, memory_mb):
        import duckdb

        self.version = duckdb.__version__
        # What does not fit goes to files, as much of it as with the product, and not into the present folder.
        self.connection = duckdb.connect(
            config={
                "threads": 2,
                "memory_limit": f"{memory_mb}MB",
                "temp_directory": str(data.parent / "duckdb-temporary"),
                "max_temp_directory_size": "10GB",
            }
        )
        self.connection.execute("SET TimeZone = 'UTC'")
        for table in TABLES:
            files = data / table / "*.parquet"
            self.connection.execute(
                f"CREATE VIEW {table} AS SELECT * FROM read_parquet('{files}')"
            )

    def asker(self):
        cursor = self.connection.cursor()
        cursor.execute("SET TimeZone = 'UTC'")
        return lambda sql: cursor.execute(sql).to_arrow_table()


class ChDb:
    """One session; it answers one question at a time, so there is no run with several askers."""

    def __init__(self, data, memory_mb):
        import chdb
        from chdb import session

        self.version = chdb.__version__
        self.session = session.Session()
        self.settings = f"SETTINGS max_threads = 2, max_memory_usage = {memory_mb << 20}"
        for table in TABLES:
            files = data / table / "*.parquet"
            self.session.query(
                f"CREATE VIEW {table} AS SELECT * FROM file('{files}', 'Parquet')"
            )

    def asker(self):
        import pyarrow

        def ask(sql):
            answer = self.session.query(f"{sql} {self.settings}", "ArrowStream")
            return pyarrow.ipc.open_stream(answer.bytes()).read_all()

        return ask


def csv(table, path):
    """Writes an answer so that every engine's cells can be compared: text, numbers, instants."""
    import pyarrow as pa
    import pyarrow.csv as arrow_csv

    columns = []
    for column in table.columns:
        if pa.types.is_dictionary(column.type):
            column = column.cast(column.type.value_type)
        if pa.types.is_binary(column.type):
            column = column.cast(pa.string())
        if pa.types.is_timestamp(column.type):
            column = column.cast(pa.timestamp("us"))
        columns.append(column)
    table = pa.table(columns, names=[f"c{index}" for index in range(len(columns))])
    arrow_csv.write_csv(table, path)


def peak_bytes():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def cpu_s():
    return time.process_time()


def mixed(engine, texts, clients):
    latencies, failures = [], []

    def run(client):
        own = list(texts)
        random.Random(client).shuffle(own)
        ask = engine.asker()
        try:
            for sql in own:
                began = time.perf_counter()
                ask(sql)
                latencies.append(time.perf_counter() - began)
        except Exception as error:
            failures.append(error)

    began = time.perf_counter()
    threads = [threading.Thread(target=run, args=(client,)) for client in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    return {
        "clients": clients,
        "seconds": time.perf_counter() - began,
        "latencies_s": latencies,
        "peak_bytes": peak_bytes(),
    }


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("engine", choices=["duckdb", "chdb"])
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--answers", type=pathlib.Path, required=True)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--memory-mb", type=int, default=8192)
    options = parser.parse_args()
    data = options.data.resolve()
    about = json.loads((data / "about.json").read_text())
    engine = {"duckdb": DuckDb, "chdb": ChDb}[options.engine](data, options.memory_mb)
    ask = engine.asker()
    texts, questions = [], {}
    for name in NAMES:
        sql = (QUERIES / f"{name}.{options.engine}.sql").read_text()
        sql = sql.replace("{{interaction}}", about["interaction"]).strip()
        texts.append(sql)
        wall, cpu = [], []
        for turn in range(options.rounds):
            began, used = time.perf_counter(), cpu_s()
            answer = ask(sql)
            wall.append(time.perf_counter() - began)
            cpu.append(cpu_s() - used)
            if turn == 0:
                csv(answer, options.answers / f"{name}.{options.engine}.csv")
        questions[name] = {"wall_s": wall, "cpu_s": cpu, "rows": answer.num_rows}
        print(f"{options.engine} {name} {min(wall):.3f} s", flush=True)
    run = {
        "engine": options.engine,
        "version": engine.version,
        "questions": questions,
        "peak_bytes": peak_bytes(),
    }
    if options.clients and options.engine != "chdb":
        run["mixed"] = mixed(engine, texts, options.clients)
    (options.answers / f"{options.engine}.json").write_text(json.dumps(run, indent=1))


if __name__ == "__main__":
    main()
