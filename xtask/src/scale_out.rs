//! The tables asked by other engines where they are stored: `cargo xtask scale-out`.
//!
//! A Ballista cluster (a scheduler, two executors) and DuckDB read what a server published to an S3-compatible store. The
//! programs of the cluster come from crates.io, the store (moto) and DuckDB from PyPI, all at fixed versions.

use std::path::PathBuf;
use std::process::Command;

use crate::run::{command, option, root, step, step_with};

/// The version of the scheduler and of the executors; that of the client is in its `Cargo.toml`.
const BALLISTA: &str = "55.0.0";

/// Installs them, publishes, asks, and compares every answer with the product's own.
pub(crate) fn scale_out(arguments: &[String]) -> Result<(), String> {
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    let binary = match option(arguments, "--binary") {
        Some(binary) => PathBuf::from(binary),
        None => {
            // As the tests build it, so that dependencies are built once.
            let features = crate::verbs::FEATURES;
            step("cargo", &["build", "--workspace", "--bins", "--tests", "--features", features])?;
            target.join("debug/ledgerline")
        }
    };
    let sources = root().join("tests/clients/ballista");
    let folder = target.join("scale-out");
    let build = folder.join("build");
    let manifest = sources.join("Cargo.toml");
    let client = ["build", "--locked", "--manifest-path", &manifest.to_string_lossy()];
    step_with(in_folder(command("cargo", &client), &build), "cargo build: a client of Ballista")?;
    let installed = folder.to_string_lossy().into_owned();
    for name in ["ballista-scheduler", "ballista-executor"] {
        let list = ["install", "--debug", "--locked", "--root", &installed, "--version", BALLISTA];
        let install = command("cargo", &[&list[..], &[name]].concat());
        step_with(in_folder(install, &build), &format!("cargo install {name} {BALLISTA}"))?;
    }
    let python =
        crate::python::environment(&folder.join("venv"), &sources.join("requirements.txt"))?;
    let mut check = Command::new(python);
    check.arg(sources.join("check.py")).arg(binary).arg(folder.join("bin"));
    check.arg(build.join("debug/ballista-check")).arg(folder.join("work"));
    step_with(check, "the same questions to Ledgerline, a Ballista cluster and DuckDB")
}

/// What is built goes into a folder of its own: features of the dependencies are others than here.
fn in_folder(mut command: Command, folder: &std::path::Path) -> Command {
    command.env("CARGO_TARGET_DIR", folder).env("CARGO_PROFILE_DEV_DEBUG", "0");
    command
}
