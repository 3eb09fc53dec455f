//! The law of the house: which crate may use which (design, section 3), and where files stay small.

#![allow(clippy::expect_used, reason = "a test helper that cannot go on should fail the test")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;

/// Direct edges that are allowed, without the `ledgerline-` prefix. `root` is the binary's package.
const ALLOWED: &[(&str, &[&str])] = &[
    ("schemas", &[]),
    ("routing-core", &["schemas"]),
    ("event-store", &["schemas"]),
    ("access", &["schemas"]),
    ("ingest", &["schemas", "routing-core", "event-store", "access"]),
    ("projections", &["schemas", "event-store", "routing-core", "access"]),
    ("realtime", &["schemas", "projections", "event-store", "access"]),
    ("analyzer-api", &["schemas", "projections", "event-store", "access"]),
    ("simulation", &["schemas", "routing-core", "event-store"]),
    ("connectors", &["schemas", "event-store", "projections", "access"]),
];

/// Packages that may use everything: the composition root, tests and benchmarks.
const FREE: &[&str] = &["ledgerline", "tests", "bench"];

/// Outside crates a package must not use directly.
const FORBIDDEN: &[(&str, &[&str])] = &[
    ("schemas", &["tokio", "arrow", "axum", "reqwest", "redb"]),
    ("routing-core", &["tokio", "futures", "axum", "tracing", "log", "getrandom", "redb", "rand"]),
    ("event-store", &["axum"]),
    ("ingest", &["datafusion", "arrow", "parquet"]),
    ("projections", &["axum", "datafusion"]),
    ("access", &["axum"]),
];

fn workspace_root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ has a parent").to_path_buf()
}

fn short(name: &str) -> &str {
    name.strip_prefix("ledgerline-").unwrap_or(name)
}

/// What the test reads of `cargo metadata`.
#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
    /// `dev`, `build`, or nothing for a normal one.
    kind: Option<String>,
}

/// Normal and build dependencies of every workspace package. Tests of a crate may use what they need.
fn edges() -> BTreeMap<String, BTreeSet<String>> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline", "--manifest-path"])
        .arg(workspace_root().join("Cargo.toml"))
        .output()
        .expect("cargo metadata runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Metadata = serde_json::from_slice(&output.stdout).expect("its answer is read");
    metadata
        .packages
        .into_iter()
        .map(|package| {
            let uses = package
                .dependencies
                .iter()
                .filter(|dependency| dependency.kind.as_deref() != Some("dev"))
                .map(|dependency| short(&dependency.name).to_owned())
                .collect();
            (short(&package.name).to_owned(), uses)
        })
        .collect()
}

#[test]
fn every_crate_of_the_house_is_in_place() {
    let edges = edges();
    for (name, _) in ALLOWED {
        assert!(edges.contains_key(*name), "crate {name} is missing");
    }
    let known: BTreeSet<&str> = ALLOWED
        .iter()
        .map(|(name, _)| *name)
        .chain(FREE.iter().copied())
        .chain(["xtask"])
        .collect();
    for name in edges.keys() {
        assert!(known.contains(name.as_str()), "crate {name} is in no table: add its row");
    }
}

#[test]
fn only_allowed_edges_exist() {
    let edges = edges();
    let ours: BTreeSet<&String> = edges.keys().collect();
    for (name, allowed) in ALLOWED {
        for used in edges.get(*name).into_iter().flatten().filter(|used| ours.contains(used)) {
            assert!(
                allowed.contains(&used.as_str()),
                "{name} uses {used}, which design section 3 does not allow"
            );
        }
    }
}

#[test]
fn pure_crates_stay_pure() {
    let edges = edges();
    for (name, forbidden) in FORBIDDEN {
        for used in edges.get(*name).into_iter().flatten() {
            assert!(!forbidden.contains(&used.as_str()), "{name} must not use {used}");
        }
    }
}

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        let name = entry.file_name();
        if path.is_dir() {
            if name != "target" && name != ".git" && name != "node_modules" {
                rust_files(&path, found);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn files_stay_readable() {
    let mut files = Vec::new();
    rust_files(&workspace_root(), &mut files);
    assert!(files.len() > 50, "found only {} files: looking in the wrong place", files.len());
    let mut lengths: Vec<usize> = Vec::new();
    for file in &files {
        let text = std::fs::read_to_string(file).expect("source is text");
        let lines = text.lines().count();
        lengths.push(lines);
        let reasoned = text.lines().take(20).any(|line| line.contains("Longer than 500 lines:"));
        assert!(lines <= 500 || reasoned, "{} has {lines} lines", file.display());
    }
    lengths.sort_unstable();
    let median = lengths.get(lengths.len() / 2).copied().unwrap_or_default();
    assert!(median <= 250, "the median file has {median} lines");
}

#[test]
fn the_core_reads_no_clock_and_draws_no_randomness() {
    let mut files = Vec::new();
    rust_files(&workspace_root().join("routing-core/src"), &mut files);
    for file in files {
        let text = std::fs::read_to_string(&file).expect("source is text");
        for (number, line) in text.lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            for banned in [
                "SystemTime",
                "Instant::now",
                "HashMap",
                "HashSet",
                "std::fs",
                "std::net",
                "async fn",
                "f64",
                "f32",
            ] {
                assert!(!code.contains(banned), "{}:{} uses {banned}", file.display(), number + 1);
            }
        }
    }
}

#[test]
fn nothing_is_left_unfinished_in_the_sources() {
    let mut files = Vec::new();
    rust_files(&workspace_root(), &mut files);
    let this = Path::new(file!()).file_name().expect("has a name").to_owned();
    for file in files.iter().filter(|file| file.file_name() != Some(&this)) {
        let text = std::fs::read_to_string(file).expect("source is text");
        for banned in ["todo!(", "unimplemented!(", "#[ignore"] {
            assert!(!text.contains(banned), "{} contains {banned}", file.display());
        }
    }
}
