//! Running other programs, visibly.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

/// The workspace's root.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_path_buf()
}

/// Prints a line.
pub(crate) fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// Prints a complaint.
pub(crate) fn complain(line: &str) {
    let _ = writeln!(std::io::stderr(), "xtask: {line}");
}

/// A command run in the workspace's root. `cargo` is the one that runs this program.
///
/// What cargo says to this program about its own package is taken away again: build scripts (ring's for one)
/// watch those variables, and everything above them would be built anew between `cargo xtask` and `cargo`.
pub(crate) fn command(program: &str, arguments: &[&str]) -> Command {
    let name = if program == "cargo" {
        std::env::var("CARGO").unwrap_or_else(|_| program.into())
    } else {
        program.into()
    };
    let mut command = Command::new(name);
    command.args(arguments).current_dir(root()).stdin(Stdio::null());
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        if name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") {
            command.env_remove(&*name);
        }
    }
    command
}

/// Runs a command, shows it and its time, and fails when it fails.
pub(crate) fn step(program: &str, arguments: &[&str]) -> Result<(), String> {
    step_with(command(program, arguments), &format!("{program} {}", arguments.join(" ")))
}

/// Like [`step`] for a prepared command.
pub(crate) fn step_with(mut command: Command, shown: &str) -> Result<(), String> {
    say(&format!("── {shown}"));
    let began = Instant::now();
    let status =
        command.status().map_err(|error| format!("{shown}: cannot be started: {error}"))?;
    say(&format!("── {:.0} s", began.elapsed().as_secs_f64()));
    if status.success() { Ok(()) } else { Err(format!("{shown}: {status}")) }
}

/// Whether a program can be started.
pub(crate) fn exists(program: &str) -> bool {
    std::env::var_os("PATH").is_some_and(|path| {
        std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
    })
}

/// The value behind `--name` in a list of arguments.
pub(crate) fn option<'a>(arguments: &'a [String], name: &str) -> Option<&'a str> {
    let at = arguments.iter().position(|argument| argument == name)?;
    arguments.get(at + 1).map(String::as_str)
}
