//! What was measured on, and the exact versions of what was measured.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde::{Deserialize, Serialize};

use crate::servers::Programs;

/// The machine of a run.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Facts {
    /// Processors that this process may use.
    pub(crate) processors: usize,
    /// Their model.
    pub(crate) processor_model: String,
    /// Whether it is a virtual machine.
    pub(crate) virtual_machine: bool,
    /// Memory, MiB.
    pub(crate) memory_mib: u64,
    /// Memory that was used once before anything was measured, MiB.
    #[serde(default)]
    pub(crate) touched_mib: u64,
    /// Whether the reporting of free pages to a host was switched off meanwhile.
    #[serde(default)]
    pub(crate) free_pages_kept: bool,
    /// Kernel release.
    pub(crate) kernel: String,
    /// Operating system.
    pub(crate) system: String,
    /// File system under the measured directory.
    pub(crate) file_system: String,
    /// Load average over a minute at the start.
    pub(crate) load_at_start: f64,
    /// The same at the end.
    pub(crate) load_at_end: f64,
    /// Name and version of every program and client.
    pub(crate) versions: Vec<(String, String)>,
}

fn read(file: &str) -> String {
    fs::read_to_string(file).unwrap_or_default()
}

/// Load average over the last minute.
pub(crate) fn load_average() -> f64 {
    read("/proc/loadavg").split_whitespace().next().and_then(|it| it.parse().ok()).unwrap_or(0.0)
}

impl Facts {
    /// Of this machine, for measurements in a directory.
    pub(crate) fn gather(directory: &Path, programs: &Programs) -> Self {
        let cpuinfo = read("/proc/cpuinfo");
        let of = |text: &str, name: &str| {
            let line = text.lines().find(|line| line.starts_with(name))?.to_owned();
            let value = line.split_once([':', '='])?.1.trim().trim_matches('"').to_owned();
            Some(value)
        };
        let memory = of(&read("/proc/meminfo"), "MemTotal").unwrap_or_default();
        let memory_kib: u64 =
            memory.split_whitespace().next().and_then(|it| it.parse().ok()).unwrap_or(0);
        Self {
            processors: std::thread::available_parallelism().map_or(0, usize::from),
            processor_model: of(&cpuinfo, "model name").unwrap_or_default(),
            virtual_machine: of(&cpuinfo, "flags").is_some_and(|it| it.contains("hypervisor")),
            memory_mib: memory_kib >> 10,
            touched_mib: 0,
            free_pages_kept: false,
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            system: of(&read("/etc/os-release"), "PRETTY_NAME").unwrap_or_default(),
            file_system: file_system(directory).unwrap_or_default(),
            load_at_start: load_average(),
            load_at_end: 0.0,
            versions: versions(programs),
        }
    }
}

/// Type of the file system that holds a directory: the longest mount point that leads to it.
fn file_system(directory: &Path) -> Option<String> {
    let directory = fs::canonicalize(directory).ok()?;
    let mounts = read("/proc/self/mountinfo");
    let best = mounts
        .lines()
        .filter_map(|line| {
            let (left, right) = line.split_once(" - ")?;
            let point = left.split_whitespace().nth(4)?;
            directory.starts_with(point).then_some((point.len(), right))
        })
        .max_by_key(|(length, _)| *length)?;
    best.1.split_whitespace().next().map(str::to_owned)
}

fn versions(programs: &Programs) -> Vec<(String, String)> {
    let mut versions = vec![("rustc".to_owned(), said_by("rustc", &["--version"]))];
    let manifest = env!("CARGO_MANIFEST_DIR");
    let commit =
        said_by("git", &["-C", manifest, "describe", "--always", "--dirty", "--abbrev=10"]);
    versions.push(("ledgerline (commit)".to_owned(), commit));
    let servers = [
        ("umadb (server)", programs.umadb.clone()),
        ("nats-server", programs.nats.clone()),
        ("postgres", programs.postgres.as_ref().map(|folder| folder.join("postgres"))),
    ];
    for (name, program) in servers {
        if let Some(program) = program {
            versions.push((name.to_owned(), said_by(&program.to_string_lossy(), &["--version"])));
        }
    }
    versions.push(("sqlite (bundled)".to_owned(), rusqlite::version().to_owned()));
    for client in ["kurrentdb", "umadb-client", "async-nats", "tokio-postgres", "rusqlite"] {
        versions.push((format!("{client} (crate)"), locked(client).unwrap_or_default()));
    }
    versions
}

fn said_by(program: &str, arguments: &[&str]) -> String {
    let said = Command::new(program).args(arguments).output();
    said.map(|it| String::from_utf8_lossy(&it.stdout).trim().to_owned()).unwrap_or_default()
}

/// Version of a crate in the lock file this program was built with.
fn locked(name: &str) -> Option<String> {
    let lock = include_str!("../../Cargo.lock");
    let wanted = format!("name = \"{name}\"");
    let mut lines = lock.lines().skip_while(|line| *line != wanted);
    let version = lines.nth(1)?.strip_prefix("version = ")?;
    Some(version.trim_matches('"').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lock_file_tells_versions() {
        assert_eq!(locked("kurrentdb").as_deref(), Some("1.2.0"));
        assert_eq!(locked("no-such-crate"), None);
    }

    #[test]
    fn the_machine_is_described() {
        let facts = Facts::gather(Path::new("/"), &Programs::default());
        assert!(facts.processors > 0 && facts.memory_mib > 0);
        assert!(!facts.kernel.is_empty() && !facts.file_system.is_empty());
    }
}
