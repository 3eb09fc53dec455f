//! SIPp as a child process.

#![allow(unreachable_pub, reason = "shared by test binaries that use parts of it")]

use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::process::Stdio;

use tokio::process::{Child, Command};

/// A running SIPp.
pub struct Sipp {
    child: Child,
    name: String,
    directory: tempfile::TempDir,
}

/// How SIPp is started.
pub struct Run<'a> {
    /// Scenario file below `tests/sipp`.
    pub scenario: &'a str,
    /// Whom it calls; absent for one that is called.
    pub target: Option<SocketAddr>,
    pub tcp: bool,
    /// Calls in all.
    pub calls: u32,
    /// Calls at once.
    pub at_once: u32,
    /// Further arguments.
    pub arguments: Vec<String>,
    /// What stands for what in the scenario.
    pub keys: Vec<(String, String)>,
}

impl<'a> Run<'a> {
    /// A phone that is called this often.
    pub fn agent(scenario: &'a str, calls: u32) -> Self {
        Self {
            scenario,
            target: None,
            tcp: false,
            calls,
            at_once: 100,
            arguments: Vec::new(),
            keys: Vec::new(),
        }
    }

    /// A caller of `number` at `target`.
    pub fn caller(scenario: &'a str, target: SocketAddr, number: &str) -> Self {
        let arguments = vec!["-s".to_owned(), number.to_owned()];
        Self {
            scenario,
            target: Some(target),
            tcp: false,
            calls: 1,
            at_once: 1,
            arguments,
            keys: Vec::new(),
        }
    }

    /// Sets `[name]` of the scenario; in the file itself, because SIPp has no keys in attributes.
    pub fn key(mut self, name: &str, value: impl ToString) -> Self {
        self.keys.push((format!("[{name}]"), value.to_string()));
        self
    }

    /// Starts it on this port.
    pub fn start(self, port: u16) -> Sipp {
        let directory = tempfile::tempdir().unwrap();
        // The end-to-end tests of the whole program use the same scenarios.
        let scenarios = Path::new(env!("CARGO_MANIFEST_DIR")).join("../ingest/tests/sipp");
        let mut scenario = std::fs::read_to_string(scenarios.join(self.scenario)).unwrap();
        for (key, value) in &self.keys {
            scenario = scenario.replace(key, value);
        }
        let file = directory.path().join(self.scenario);
        std::fs::write(&file, scenario).unwrap();
        let mut command = Command::new("sipp");
        if let Some(target) = self.target {
            command.arg(target.to_string());
        }
        let calls_a_second = self.at_once.min(20).to_string();
        command
            .arg("-sf")
            .arg(&file)
            .args(["-i", "127.0.0.1", "-p", &port.to_string()])
            .args(["-m", &self.calls.to_string(), "-l", &self.at_once.to_string()])
            .args(["-r", &calls_a_second])
            .args(["-t", if self.tcp { "t1" } else { "u1" }])
            .args(["-nostdin", "-trace_err", "-timeout", "60s", "-timeout_error"])
            .args(&self.arguments)
            .current_dir(directory.path())
            .env("TERM", "dumb")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let child = command.spawn().unwrap_or_else(|error| {
            panic!(
                "sipp does not start ({error}): `cargo xtask test` installs it \
                 (Debian package sip-tester)"
            )
        });
        Sipp { child, name: self.scenario.to_owned(), directory }
    }
}

/// A port that was free a moment ago.
pub fn free_port() -> u16 {
    UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl Sipp {
    /// Waits for the end; every call must have gone as its scenario says.
    pub async fn succeed(self) {
        let output = self.child.wait_with_output().await.unwrap();
        if output.status.success() {
            return;
        }
        let mut told = String::from_utf8_lossy(&output.stderr).into_owned();
        for entry in std::fs::read_dir(self.directory.path()).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "log") {
                told.push_str(&std::fs::read_to_string(path).unwrap_or_default());
            }
        }
        panic!("{} failed with {}: {told}", self.name, output.status);
    }
}
