//! Queue legs by the tens of millions, beside DuckDB and chDB: `cargo xtask bench --only scale [-- OPTIONS]`.
//!
//! The tables are made once and kept in the target folder. The peers come from PyPI; what cannot be installed is
//! left out of the table, with a line that says so.

use std::path::Path;
use std::process::Command;

use crate::run::{option, root, say, step_with};

const PEERS: [&str; 2] = ["duckdb", "chdb"];

/// Makes the tables, asks every engine in turn, compares the answers and prints the table.
pub(crate) fn run(target: &Path, arguments: &[String]) -> Result<(), String> {
    let rows = option(arguments, "--rows").unwrap_or("20000000");
    let rounds = option(arguments, "--rounds").unwrap_or("10");
    let clients = option(arguments, "--clients").unwrap_or("8");
    let memory = option(arguments, "--memory-mb").unwrap_or("8192");
    let folder = target.join("bench-scale");
    let data = folder.join(format!("legs-{rows}"));
    let answers = folder.join(format!("answers-{rows}"));
    std::fs::create_dir_all(&answers).map_err(|error| format!("{}: {error}", answers.display()))?;
    let scale = |verb: &str, more: &[&str]| {
        let mut run = Command::new(target.join("release/scale"));
        run.arg(verb).arg("--data").arg(&data).args(more);
        run
    };
    let asked = ["--rounds", rounds, "--clients", clients, "--memory-mb", memory];
    step_with(scale("generate", &["--rows", rows]), "scale generate")?;
    let mut ask = scale("ask", &asked);
    ask.arg("--answers").arg(&answers);
    step_with(ask, "scale ask")?;
    let python = crate::python::environment(
        &folder.join("venv"),
        &root().join("bench/analyzer/requirements.txt"),
    );
    match python {
        Err(reason) => say(&format!("── without DuckDB and chDB: {reason}")),
        Ok(python) => {
            for peer in PEERS {
                let mut run = Command::new(&python);
                run.arg(root().join("bench/analyzer/peers.py")).arg(peer);
                run.arg("--data").arg(&data).arg("--answers").arg(&answers).args(asked);
                if let Err(reason) = step_with(run, peer) {
                    say(&format!("── without {peer}: {reason}"));
                }
            }
        }
    }
    let mut report = scale("report", &[]);
    report.arg("--answers").arg(&answers);
    step_with(report, "scale report")
}
