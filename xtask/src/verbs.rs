//! The verbs.

use std::path::PathBuf;
use std::process::Command;

use crate::run::{command, exists, option, root, say, step, step_with};
use crate::{deny, disk, event_store_bench, packages, realtime_clients, scale_bench};

/// Everything CI runs.
pub(crate) fn test() -> Result<(), String> {
    disk::tell();
    packages::install()?;
    check()?;
    deny::deny(&[])?;
    // One profile for everything: dependencies are built once. The end-to-end tests run the binary.
    let built = ["--workspace", "--features", FEATURES];
    let with = |list: &[&'static str]| [list, &built].concat();
    step("cargo", &with(&["build", "--bins", "--tests"]))?;
    if exists("cargo-nextest") {
        say("── with cargo-nextest");
        step("cargo", &with(&["nextest", "run", "--no-fail-fast"]))?;
        step("cargo", &with(&["test", "--doc", "--quiet"]))?;
    } else {
        say("── without cargo-nextest (not installed)");
        step("cargo", &with(&["test"]))?;
    }
    match realtime_clients::missing() {
        None => realtime_clients::realtime_clients(&[]),
        Some(what) => {
            say(&format!("── clients of real time: skipped, {what}"));
            Ok(())
        }
    }
}

/// Stores that speak S3 and the engines under the log, off by default and tested all the same.
pub(crate) const FEATURES: &str =
    "ledgerline/s3,ledgerline/engine-kurrentdb,ledgerline/engine-fluvio";

/// Formatting and lints.
pub(crate) fn check() -> Result<(), String> {
    step("cargo", &["fmt", "--all", "--check"])?;
    let list = ["clippy", "--workspace", "--all-targets", "--features", FEATURES, "--quiet"];
    step("cargo", &[&list[..], &["--", "-D", "warnings"]].concat())
}

/// Publishes the schema documents and what is generated for clients.
pub(crate) fn schemas() -> Result<(), String> {
    step("cargo", &["run", "--quiet", "-p", "ledgerline-schemas", "--example", "publish"])?;
    step("cargo", &["run", "--quiet", "-p", "ledgerline-realtime", "--example", "publish_protocol"])
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

/// Figures that agree under kills, for minutes instead of samples.
pub(crate) fn agree(arguments: &[String]) -> Result<(), String> {
    let minutes: u64 = option(arguments, "--minutes")
        .unwrap_or("10")
        .parse()
        .map_err(|error| format!("--minutes: {error}"))?;
    // As the tests are built, so that dependencies are built once.
    let built = ["--workspace", "--features", FEATURES];
    step("cargo", &[&["build", "--bins", "--tests"], &built[..]].concat())?;
    let test = ["--test", "agree", "--", "--nocapture"];
    let mut run = command("cargo", &[&["test"], &built[..], &test[..]].concat());
    run.env("LEDGERLINE_AGREE_SECONDS", (minutes * 60).to_string());
    step_with(run, &format!("{minutes} minutes"))
}

/// Subscribers that are cut off, and a server that is killed, for minutes instead of seconds.
pub(crate) fn subscribers(arguments: &[String]) -> Result<(), String> {
    let minutes: u64 = option(arguments, "--minutes")
        .unwrap_or("10")
        .parse()
        .map_err(|error| format!("--minutes: {error}"))?;
    let package = ["test", "--release", "-p", "ledgerline-realtime", "--test", "killed"];
    let mut run = command("cargo", &[&package[..], &["--", "--nocapture"]].concat());
    run.env("LEDGERLINE_RATE", "2000").env("LEDGERLINE_SUBSCRIBERS", "100");
    run.env("LEDGERLINE_SUBSCRIBED_SECONDS", (minutes * 60).to_string());
    if let Some(seed) = option(arguments, "--seed") {
        run.env("LEDGERLINE_SEED", seed);
    }
    step_with(run, &format!("{minutes} minutes"))
}

/// The kill -9 loop over tables that commit and merge, longer than in CI.
pub(crate) fn kill_tables(arguments: &[String]) -> Result<(), String> {
    let rounds = option(arguments, "--rounds").unwrap_or("1000").to_owned();
    let list = ["test", "-p", "ledgerline-projections", "--test", "kill_tables", "--"];
    let mut run = command("cargo", &[&list[..], &["--nocapture"]].concat());
    run.env("LEDGERLINE_KILLS", &rounds);
    if let Some(seed) = option(arguments, "--seed") {
        run.env("LEDGERLINE_SEED", seed);
    }
    step_with(run, &format!("{rounds} kills of a process that keeps tables"))
}

/// The benchmarks; what follows `--` is for `event_store`, `scale`, `visible` and `realtime`. The others are built with the whole workspace: a
/// package by itself has other features of its dependencies, and they would all be built once more.
pub(crate) fn bench(arguments: &[String]) -> Result<(), String> {
    let (arguments, rest) = match arguments.iter().position(|it| it == "--") {
        Some(at) => (arguments.get(..at), arguments.get(at + 1..)),
        None => (Some(arguments), None),
    };
    let only = option(arguments.unwrap_or_default(), "--only");
    let folder =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from);
    let folder = root().join(folder);
    if only == Some("scale") {
        step("cargo", &["build", "--release", "--workspace", "--bins"])?;
        return scale_bench::run(&folder, rest.unwrap_or_default());
    }
    if only.is_none_or(|only| only == "event_store") {
        event_store_bench::run(&folder, rest.unwrap_or_default())?;
    }
    if only == Some("event_store") {
        return Ok(());
    }
    step("cargo", &["build", "--release", "--workspace", "--bins"])?;
    let folder = folder.join("release");
    let months = months();
    for name in ["routing", "import", "fold", "analyzer", "visible", "realtime"] {
        if only.is_some_and(|only| only != name) {
            continue;
        }
        let mut run = Command::new(folder.join(name));
        match name {
            "analyzer" if months.is_empty() => {
                say("── analyzer: skipped, the real months are not at hand (LEDGERLINE_TESTDATA)");
                continue;
            }
            "import" | "fold" | "analyzer" => run.args(&months),
            "visible" | "realtime" => run.args(rest.unwrap_or_default()),
            _ => &mut run,
        };
        step_with(run, name)?;
    }
    Ok(())
}

/// Files of the real months, where they are.
fn months() -> Vec<PathBuf> {
    let beside = root().parent().map(|parent| parent.join("shared/testdata"));
    let folder = std::env::var_os("LEDGERLINE_TESTDATA").map(PathBuf::from).or(beside);
    let Some(folder) = folder else { return Vec::new() };
    let files = ["january.txt", "october.txt"].map(|name| folder.join("bank").join(name));
    files.into_iter().filter(|file| file.is_file()).collect()
}

/// The demo as the README shows it.
pub(crate) fn demo_check() -> Result<(), String> {
    step("cargo", &["run", "--release", "--", "demo", "--seconds", "60", "--rate", "120"])
}
