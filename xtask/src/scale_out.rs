//! The tables asked by other engines where they are stored: `cargo xtask scale-out`.
//!
//! A Ballista cluster (a scheduler, two executors) and DuckDB read what was published to an S3-compatible store. The
//! programs of the cluster come from crates.io, the store (moto) and DuckDB from PyPI, all at fixed versions.

use std::path::PathBuf;
use std::process::Command;

use crate::run::{command, option, root, step, step_with};

/// Packages whose programs are needed: a client, and the cluster's own.
const PROGRAMS: [&str; 3] = ["ballista-check", "ballista-scheduler", "ballista-executor"];

/// Installs them, publishes, asks, and compares every answer with the product's own.
pub(crate) fn scale_out(arguments: &[String]) -> Result<(), String> {
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from);
    let target = root().join(target);
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
    let programs = folder.join("build");
    let manifest = sources.join("Cargo.toml");
    let mut build = command("cargo", &["build", "--locked", "--bins", "--manifest-path"]);
    build.arg(manifest);
    for name in PROGRAMS {
        build.args(["-p", name]);
    }
    // In a folder of its own: features of the dependencies are others than here.
    build.env("CARGO_TARGET_DIR", &programs).env("CARGO_PROFILE_DEV_DEBUG", "0");
    step_with(build, "cargo build: Ballista's scheduler and executor, and a client")?;
    let python =
        crate::python::environment(&folder.join("venv"), &sources.join("requirements.txt"))?;
    let mut check = Command::new(python);
    check.arg(sources.join("check.py")).arg(binary);
    check.arg(programs.join("debug")).arg(folder.join("work"));
    step_with(check, "the same questions to Ledgerline, a Ballista cluster and DuckDB")
}
