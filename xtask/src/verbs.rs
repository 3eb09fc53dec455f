//! The verbs.

use crate::run::{command, exists, option, say, step, step_with};
use crate::{deny, packages};

/// Everything CI runs.
pub(crate) fn test() -> Result<(), String> {
    packages::install()?;
    check()?;
    deny::deny(&[])?;
    // One profile for everything: dependencies are built once. The end-to-end tests run the binary.
    step("cargo", &["build", "--workspace", "--bins", "--tests"])?;
    if exists("cargo-nextest") {
        say("── with cargo-nextest");
        step("cargo", &["nextest", "run", "--workspace", "--no-fail-fast"])?;
        step("cargo", &["test", "--workspace", "--doc", "--quiet"])
    } else {
        say("── without cargo-nextest (not installed)");
        step("cargo", &["test", "--workspace"])
    }
}

/// Formatting and lints.
pub(crate) fn check() -> Result<(), String> {
    step("cargo", &["fmt", "--all", "--check"])?;
    step("cargo", &["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"])
}

/// Publishes the schema documents.
pub(crate) fn schemas() -> Result<(), String> {
    step("cargo", &["run", "--quiet", "-p", "ledgerline-schemas", "--example", "publish"])
}

/// More simulated power cuts than CI makes.
pub(crate) fn crash(arguments: &[String]) -> Result<(), String> {
    let count = option(arguments, "--count").unwrap_or("100000");
    let first = option(arguments, "--seed").unwrap_or("0");
    let mut list =
        vec!["run", "--release", "-p", "ledgerline-event-store", "--features", "simulation"];
    list.extend(["--example", "power_cuts", "--", count, first]);
    step("cargo", &list)
}

/// The kill -9 loop, longer than in CI.
pub(crate) fn kill(arguments: &[String]) -> Result<(), String> {
    let rounds = option(arguments, "--rounds").unwrap_or("50").to_owned();
    let mut run = command(
        "cargo",
        &["test", "-p", "ledgerline-tests", "--test", "crash_kill9", "--", "--nocapture"],
    );
    run.env("LEDGERLINE_KILLS", &rounds);
    step_with(run, &format!("{rounds} kills"))
}

/// The benchmarks.
pub(crate) fn bench(arguments: &[String]) -> Result<(), String> {
    let only = option(arguments, "--only");
    for name in ["event_store", "routing", "import", "analyzer"] {
        if only.is_none_or(|only| only == name) {
            step("cargo", &["run", "--release", "-p", "ledgerline-bench", "--bin", name])?;
        }
    }
    Ok(())
}

/// The demo as the README shows it.
pub(crate) fn demo_check() -> Result<(), String> {
    step("cargo", &["run", "--release", "--", "demo", "--seconds", "60", "--rate", "120"])
}
