//! Clients of real time against its own doors: `cargo xtask realtime-clients`.
//!
//! The package in `clients/typescript` is type-checked, packed as it would be published, and followed from there in
//! Node and in headless Chromium; beside it graphql-ws, curl and a plain WebSocket. Connections are cut in the middle.
//! Chromium also holds more streams at once over HTTP/2 with TLS than it opens connections over HTTP/1.1.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::run::{command, exists, option, root, say, step, step_with};

/// Names under which Chromium is installed.
const CHROMIUM: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];

/// What this machine lacks for them; `None` when they can be run.
pub(crate) fn missing() -> Option<String> {
    for program in ["node", "npm", "curl"] {
        if !exists(program) {
            return Some(format!("{program} is not installed"));
        }
    }
    let said = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let version = said("node", &["--version"]).unwrap_or_default();
    let mut numbers = version.trim_start_matches('v').split('.').map(|it| it.parse().unwrap_or(0));
    if (numbers.next(), numbers.next()) < (Some(20_u32), Some(10_u32)) {
        return Some(format!("node is {version}, they need 20.10"));
    }
    said("npm", &["view", "typescript", "version", "--loglevel=error"])
        .is_none()
        .then(|| "npm reaches no registry".to_owned())
}

/// Installs and runs them all.
pub(crate) fn realtime_clients(arguments: &[String]) -> Result<(), String> {
    for (program, package) in [("node", "nodejs"), ("npm", "npm"), ("curl", "curl")] {
        if !exists(program) {
            return Err(format!("{program} is not installed: apt-get install {package}"));
        }
    }
    let target = match std::env::var_os("CARGO_TARGET_DIR") {
        Some(target) => PathBuf::from(target),
        None => root().join("target"),
    };
    let center = match option(arguments, "--binary") {
        Some(binary) => PathBuf::from(binary),
        None => {
            // As the tests build it, so that dependencies are built once.
            let built = ["--workspace", "--features", crate::verbs::FEATURES];
            step("cargo", &[&["build", "--example", "center"], &built[..]].concat())?;
            target.join("debug/examples/center")
        }
    };
    let folder = target.join("realtime-clients");
    let package = folder.join("package");
    let checks = folder.join("checks");
    copy(&root().join("clients/typescript"), &package)?;
    copy(&root().join("tests/clients/realtime"), &checks)?;
    let archive = pack(&package)?;
    let archive = archive.to_string_lossy();
    npm(&checks, &["ci", "--prefer-offline"])?;
    npm(&checks, &["install", "--no-save", "--no-package-lock", &archive])?;
    let mut types = Command::new(package.join("node_modules/.bin/tsc"));
    types.args(["-p", "tsconfig.json"]).current_dir(&checks);
    step_with(types, "tsc: the types as a program sees them")?;
    follow(&center, &checks)
}

/// Checks the package's types and packs it; the archive.
fn pack(package: &Path) -> Result<PathBuf, String> {
    npm(package, &["ci", "--prefer-offline"])?;
    npm(package, &["run", "--silent", "check"])?;
    npm(package, &["pack", "--silent"])?;
    let archive = std::fs::read_dir(package)
        .map_err(|error| format!("{}: {error}", package.display()))?
        .flatten()
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|it| it == "tgz"));
    archive.ok_or_else(|| "npm pack made no archive".to_owned())
}

fn follow(center: &Path, checks: &Path) -> Result<(), String> {
    let mut node = Command::new("node");
    // Node 20 has a WebSocket behind this; later versions take it as said.
    node.args(["--experimental-websocket", "--no-warnings", "driver.mjs"]).current_dir(checks);
    node.env("CENTER", center);
    match CHROMIUM.into_iter().find(|name| exists(name)) {
        Some(chromium) => {
            node.env("CHROMIUM", chromium);
        }
        None => say(
            "── Chromium is not installed (apt-get install chromium): the browser's part is left out",
        ),
    }
    step_with(node, "curl, a plain WebSocket, graphql-ws, Node, Chromium")
}

fn npm(folder: &Path, arguments: &[&str]) -> Result<(), String> {
    let quiet = ["--no-audit", "--no-fund", "--loglevel=error"];
    let mut npm = command("npm", &[arguments, &quiet].concat());
    npm.current_dir(folder);
    step_with(npm, &format!("npm {}", arguments.join(" ")))
}

/// A fresh copy of a folder's files, without what was built or installed there.
fn copy(from: &Path, to: &Path) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("{}: {error}", from.display());
    if to.exists() {
        std::fs::remove_dir_all(to).map_err(failed)?;
    }
    std::fs::create_dir_all(to).map_err(failed)?;
    for entry in std::fs::read_dir(from).map_err(failed)?.flatten() {
        let (path, name) = (entry.path(), entry.file_name());
        if name == "node_modules" || name == "dist" {
            continue;
        }
        if path.is_dir() {
            copy(&path, &to.join(name))?;
        } else {
            std::fs::copy(&path, to.join(name)).map_err(failed)?;
        }
    }
    Ok(())
}
