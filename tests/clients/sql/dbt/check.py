"""dbt-postgres as far as a read-only database lets it: debug, sources with tests, the catalog of docs."""

import json
import os
import pathlib
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
from steps import CA, DATABASE, HOST, LEGS, PASSWORD, PORT, USER, check, finish, step

folder = pathlib.Path(tempfile.mkdtemp())
(folder / "models").mkdir()
(folder / "dbt_project.yml").write_text(
    "name: center\nversion: '1.0'\nconfig-version: 2\nprofile: center\nmodel-paths: [models]\n"
)
(folder / "profiles.yml").write_text(
    f"""center:
  target: read
  outputs:
    read:
      type: postgres
      host: {HOST}
      port: {PORT}
      user: {USER}
      password: "{PASSWORD}"
      dbname: {DATABASE}
      schema: public
      threads: 2
      sslmode: verify-full
      sslrootcert: {CA}
"""
)
(folder / "models" / "sources.yml").write_text(
    """version: 2
sources:
  - name: center
    schema: public
    tables:
      - name: queue_leg
        columns:
          - name: leg_id
            data_tests: [unique, not_null]
          - name: outcome
            data_tests:
              - accepted_values:
                  arguments: {values: [answered, abandoned, other, open]}
          - name: queue_id
            data_tests:
              - relationships:
                  arguments: {to: "source('center', 'queue_live')", field: queue_id}
      - name: queue_live
"""
)
(folder / "models" / "waits.sql").write_text(
    "{{ config(materialized='ephemeral') }}\n"
    "select queue_name, count(*) as legs, avg(queue_duration_ms) as wait_ms\n"
    "from {{ source('center', 'queue_leg') }} group by 1\n"
)


def dbt(*arguments):
    program = os.path.join(os.path.dirname(sys.executable), "dbt")
    done = subprocess.run(
        [program, *arguments, "--project-dir", str(folder), "--profiles-dir", str(folder)],
        capture_output=True, text=True, timeout=240, cwd=folder,
        env=dict(os.environ, DBT_SEND_ANONYMOUS_USAGE_STATS="false", NO_COLOR="1"),
    )
    if done.returncode:
        raise AssertionError((done.stdout + done.stderr)[-1500:])
    return done.stdout


@step("dbt debug")
def _():
    text = dbt("debug")
    assert "All checks passed" in text, text
    return next((line.strip("- ") for line in text.splitlines() if "plugin" in line or "adapter version" in line), "")


@step("dbt show: a query over a source")
def _():
    text = dbt("show", "--inline", "select count(*) as legs from {{ source('center', 'queue_leg') }}")
    assert str(LEGS) in text, text
    dbt("show", "--select", "waits")


@step("dbt test: unique, not_null, accepted_values, relationships of a source")
def _():
    text = dbt("test", "--select", "source:center")
    assert "PASS=4" in text, text


@step("dbt docs generate: the catalog")
def _():
    dbt("docs", "generate")
    catalog = json.loads((folder / "target" / "catalog.json").read_text())
    check(catalog["errors"], None)
    columns = catalog["sources"]["source.center.center.queue_leg"]["columns"]
    check(columns["queue_duration_ms"]["type"], "bigint")
    assert columns["queue_duration_ms"]["comment"]
    return f"{len(columns)} columns of queue_leg"


finish()
