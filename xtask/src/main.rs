//! Developer commands: `cargo xtask help`.

mod deny;
mod disk;
mod event_store_bench;
mod flight_clients;
mod fluvio_suite;
mod kurrent_clients;
mod packages;
mod python;
mod realtime_clients;
mod run;
mod s3;
mod scale_bench;
mod scale_out;
mod sql_clients;
mod verbs;
mod webhook_clients;

use std::process::ExitCode;

const HELP: &str = "\
cargo xtask <verb>

  test       everything CI runs: system packages, formatting, lints, schemas, licences, all tests
  check      formatting and lints only
  schemas    write the published documents (schemas/json/, realtime/asyncapi.json) and client types anew
  deny       licences, bans and sources of all dependencies (--advisories: also known advisories)
  crash      simulated power cuts and failing disks: cargo xtask crash [--count N] [--seed N]
  kill       the kill -9 loop: cargo xtask kill [--rounds N]
  agree      live counters, intervals and legs count alike under kills, and answers stay the same:
             cargo xtask agree [--minutes N]
  subscribers
             a hundred subscribers cut off and a server killed at random, two thousand events a second:
             cargo xtask subscribers [--minutes N] [--seed N]
  kill-tables
             the kill -9 loop over tables alone: cargo xtask kill-tables [--rounds N] [--seed N]
  bench      the benchmarks; prints the tables of docs/benchmarks.md:
             cargo xtask bench [--only event_store|routing|import|fold|analyzer|visible|realtime|scale]
             [-- OPTIONS]
             scale runs only when it is named: 20 million queue legs beside DuckDB and chDB
             (OPTIONS: --rows N --rounds N --clients N --memory-mb N); visible takes
             --rate N --seconds N --askers N; realtime --subscribers N --hz N --rate N --seconds N
             --slow N --dataset queue_live|events --naive true
  kurrent-clients
             the official KurrentDB clients (Rust, Node, Python) against the built server;
             installs them: cargo xtask kurrent-clients [--only rust|node|python] [--binary FILE]
  flight-clients
             clients of Arrow Flight SQL (ADBC, pyarrow) against the built server; installs them:
             cargo xtask flight-clients [--only adbc|pyarrow] [--binary FILE]
  webhook-clients
             the official Standard Webhooks libraries (Python, Node) verify what is sent; installs them:
             cargo xtask webhook-clients [--only python|node]
  realtime-clients
             clients of real time (TypeScript in Node and Chromium, graphql-ws, curl, a plain WebSocket) against
             its doors; installs them: cargo xtask realtime-clients [--binary FILE]
  fluvio-suite
             the Fluvio carrier against a real SC and SPU, started from a fluvio-run program:
             cargo xtask fluvio-suite --fluvio-run FILE (or LEDGERLINE_FLUVIO_RUN); writes
             docs/fluvio-evidence.md. With --serve it only keeps a cluster until the end of the input
  clients    real PostgreSQL clients (psql, JDBC, ODBC, Python, Node, dbt, Superset) against the built server;
             installs them: cargo xtask clients [--only NAME] [--binary FILE] [--record]
  sqllogictest
             DataFusion's test files for PostgreSQL compatibility through our wire:
             cargo xtask sqllogictest --data aggregate_test_100.csv [--binary FILE]
  postgresql-goldens
             asks a real PostgreSQL, which it starts, what our answers are compared with; writes
             tests/clients/sql/goldens/answers.jsonl
  scale-out  a Ballista cluster and DuckDB over tables published to an S3-compatible store, against our
             own answers; installs them: cargo xtask scale-out [--binary FILE, built with the feature s3]
  s3         archive, backup and restore against an S3-compatible server, which it installs
  demo-check the demo of the README, 60 seconds at 120 calls a minute
";

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let verb = arguments.next().unwrap_or_default();
    let rest: Vec<String> = arguments.collect();
    let outcome = match verb.as_str() {
        "test" => verbs::test(),
        "check" => verbs::check(),
        "schemas" => verbs::schemas(),
        "deny" => deny::deny(&rest),
        "crash" => verbs::crash(&rest),
        "agree" => verbs::agree(&rest),
        "subscribers" => verbs::subscribers(&rest),
        "kill" => verbs::kill(&rest),
        "kill-tables" => verbs::kill_tables(&rest),
        "bench" => verbs::bench(&rest),
        "kurrent-clients" => kurrent_clients::kurrent_clients(&rest),
        "flight-clients" => flight_clients::flight_clients(&rest),
        "webhook-clients" => webhook_clients::webhook_clients(&rest),
        "realtime-clients" => realtime_clients::realtime_clients(&rest),
        "fluvio-suite" => fluvio_suite::fluvio_suite(&rest),
        "s3" => s3::s3(),
        "scale-out" => scale_out::scale_out(&rest),
        "clients" => sql_clients::clients(&rest),
        "sqllogictest" => sql_clients::sqllogictest(&rest),
        "postgresql-goldens" => sql_clients::goldens(),
        "demo-check" => verbs::demo_check(),
        "help" | "--help" | "-h" => {
            run::say(HELP);
            Ok(())
        }
        other => Err(format!("unknown verb {other:?}\n\n{HELP}")),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            run::complain(&message);
            ExitCode::FAILURE
        }
    }
}
