//! Real clients of the PostgreSQL wire, unmodified, against our own server: `cargo xtask clients`.
//!
//! Each is installed from its registry at the version its list says, outside the workspace, and runs one
//! script of steps over TLS ([`tests/clients/sql`]). A step says one line; one that fails does not stop those
//! after it, and fails the verb.

mod center;
mod goldens;
mod install;
mod slt;

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use crate::run::{option, root, say, step};
use center::Center;
use install::Installed;

pub(crate) use goldens::goldens;
pub(crate) use slt::sqllogictest;

/// A client, its script, and what runs it.
struct Client {
    name: &'static str,
    script: &'static str,
    runner: Runner,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Runner {
    /// The drivers' virtual environment.
    Python,
    /// dbt has one of its own.
    Dbt,
    /// Superset too: it wants an old SQLAlchemy.
    Superset,
    /// DuckDB too: its extension is of one version of it.
    DuckDb,
    Jshell,
    Node,
}

const fn client(name: &'static str, script: &'static str, runner: Runner) -> Client {
    Client { name, script, runner }
}

const CLIENTS: [Client; 14] = [
    client("psql", "psql/check.py", Runner::Python),
    client("pgcli", "pgcli/check.py", Runner::Python),
    client("jdbc", "jdbc/check.jsh", Runner::Jshell),
    client("odbc", "odbc/check.py", Runner::Python),
    client("psycopg", "psycopg/check.py", Runner::Python),
    client("asyncpg", "asyncpg/check.py", Runner::Python),
    client("pg8000", "pg8000/check.py", Runner::Python),
    client("sqlalchemy", "sqlalchemy/check.py", Runner::Python),
    client("adbc", "adbc/check.py", Runner::Python),
    client("duckdb", "duckdb/check.py", Runner::DuckDb),
    client("node-pg", "node/pg.mjs", Runner::Node),
    client("node-postgres", "node/postgres.mjs", Runner::Node),
    client("dbt", "dbt/check.py", Runner::Dbt),
    client("superset", "superset/check.py", Runner::Superset),
];

/// Installs and runs them: all, or the one behind `--only`.
pub(crate) fn clients(arguments: &[String]) -> Result<(), String> {
    let only = option(arguments, "--only");
    let chosen: Vec<&Client> =
        CLIENTS.iter().filter(|client| only.is_none_or(|only| only == client.name)).collect();
    if chosen.is_empty() {
        let names = CLIENTS.map(|client| client.name).join(", ");
        return Err(format!("--only takes one of {names}"));
    }
    let binary = binary(arguments)?;
    let installed = install::install(&chosen)?;
    let center = Center::open(&binary, &installed.folder)?;
    let record = arguments.iter().any(|argument| argument == "--record");
    let mut failed = Vec::new();
    for client in chosen {
        say(&format!("── {}", client.name));
        let outcome = run(client, &center, &installed, record);
        if let Err(error) = outcome {
            say(&format!("   {error}"));
            failed.push(client.name);
        }
    }
    center.close()?;
    if failed.is_empty() {
        say("── every client did everything");
        return Ok(());
    }
    Err(format!("not everything was done by: {}", failed.join(", ")))
}

fn binary(arguments: &[String]) -> Result<PathBuf, String> {
    if let Some(binary) = option(arguments, "--binary") {
        return Ok(PathBuf::from(binary));
    }
    // As the tests build it, so that dependencies are built once.
    step(
        "cargo",
        &["build", "--workspace", "--bins", "--tests", "--features", crate::verbs::FEATURES],
    )?;
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    Ok(target.join("debug/ledgerline"))
}

/// Where the scripts are.
fn sources() -> PathBuf {
    root().join("tests/clients/sql")
}

/// Runs the steps of one client.
fn run(
    client: &Client,
    center: &Center,
    installed: &Installed,
    record: bool,
) -> Result<(), String> {
    let mut recorder = record.then(|| Recorder::start(client, center, installed)).transpose()?;
    let port = recorder.as_ref().map_or(center.port, |recorder| recorder.port);
    let mut command = installed.command(client.runner, client.script)?;
    center.tell(&mut command, port);
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = command.spawn().map_err(|error| format!("cannot be started: {error}"))?;
    if let Some(output) = child.stdout.take() {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            say(&format!("   {line}"));
        }
    }
    let status = child.wait().map_err(|error| error.to_string())?;
    if let Some(recorder) = recorder.take() {
        recorder.stop()?;
    }
    if status.success() { Ok(()) } else { Err(format!("ended with {status}")) }
}

/// The proxy that writes down what a client and the server say.
struct Recorder {
    child: Child,
    port: u16,
}

impl Recorder {
    fn start(client: &Client, center: &Center, installed: &Installed) -> Result<Self, String> {
        let file = sources().join("transcripts").join(format!("{}.jsonl", client.name));
        let mut command = installed.command(Runner::Python, "record.py")?;
        command.arg(center.port.to_string()).arg(&center.certificate).arg(&center.key).arg(file);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("record.py cannot be started: {error}"))?;
        let mut line = String::new();
        if let Some(output) = child.stdout.take() {
            // What is missing is said below.
            let _ = BufReader::new(output).read_line(&mut line);
        }
        match line.trim().parse() {
            Ok(port) => Ok(Self { child, port }),
            Err(_) => Err(format!("record.py did not say its port: {:?}", child.wait())),
        }
    }

    /// It writes its file when its input ends.
    fn stop(mut self) -> Result<(), String> {
        drop(self.child.stdin.take());
        let status = self.child.wait().map_err(|error| format!("record.py: {error}"))?;
        if status.success() { Ok(()) } else { Err(format!("record.py: {status}")) }
    }
}

/// Whether a file is there; with its name when it is not.
fn needed(file: &Path) -> Result<(), String> {
    if file.exists() { Ok(()) } else { Err(format!("{} is missing", file.display())) }
}
