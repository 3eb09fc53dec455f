//! A real Fluvio under the carrier: `cargo xtask fluvio-suite`.
//!
//! Fluvio's server is in no registry. Built from its source (docs/fluvio.md), its program is named with
//! `--fluvio-run FILE` or `LEDGERLINE_FLUVIO_RUN`; without one the verb says so and does nothing. With `--serve`
//! a cluster is started and kept, for trying things by hand, until the end of the input.

use std::path::PathBuf;

use crate::run::{command, option, root, say, step_with};

/// Names the program when the option does not.
const PROGRAM: &str = "LEDGERLINE_FLUVIO_RUN";

/// Starts a cluster, runs the suite on it and writes the evidence, or keeps it.
pub(crate) fn fluvio_suite(arguments: &[String]) -> Result<(), String> {
    let named = option(arguments, "--fluvio-run").map(PathBuf::from);
    let program = named.or_else(|| std::env::var_os(PROGRAM).map(PathBuf::from));
    let Some(program) = program.filter(|it| !it.as_os_str().is_empty()) else {
        say(&format!(
            "── skipped: no Fluvio server. Build one (docs/fluvio.md) and name its program with \
             --fluvio-run FILE or {PROGRAM}"
        ));
        return Ok(());
    };
    if !program.is_file() {
        return Err(format!("{} is not a program", program.display()));
    }
    let evidence = match option(arguments, "--evidence") {
        _ if arguments.iter().any(|it| it == "--serve") => None,
        Some(file) => Some(PathBuf::from(file)),
        None => Some(root().join("docs/fluvio-evidence.md")),
    };
    let program = std::path::absolute(&program).map_err(|error| error.to_string())?;
    let list = ["run", "--release", "-p", "ledgerline-event-store", "--features", "fluvio"];
    let mut run = command("cargo", &list);
    run.args(["--example", "fluvio_suite", "--"]).arg(&program).args(&evidence);
    run.stdin(std::process::Stdio::inherit());
    // The client gives up on a lost peer after 60 s otherwise.
    run.env("FLV_SOCKET_WAIT", "3");
    step_with(run, "the Fluvio suite")
}
