//! What the end-to-end tests share: the built binary, a running server, commands.
//!
//! The tests drive the real program as its users do: processes, ports, files.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};

/// The `ledgerline` binary of this build: beside the folder of the test's own binary.
///
/// # Panics
/// If it is not built; `cargo xtask test` builds it first.
#[must_use]
pub fn binary() -> PathBuf {
    let own = std::env::current_exe().unwrap_or_default();
    let folder = own.parent().and_then(Path::parent).unwrap_or(Path::new("."));
    let binary = folder.join("ledgerline");
    assert!(
        binary.is_file(),
        "{} is not built: run `cargo build --workspace --bins` or `cargo xtask test`",
        binary.display()
    );
    binary
}

/// A command of the binary.
#[must_use]
pub fn ledgerline(arguments: &[&str]) -> Command {
    let mut command = Command::new(binary());
    command.args(arguments).stdin(Stdio::null());
    command
}

/// What a command said.
#[derive(Debug)]
pub struct Said {
    /// Exit code; -1 when killed.
    pub code: i32,
    /// Standard output.
    pub out: String,
    /// Error output.
    pub err: String,
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// Runs a command of the binary to its end.
///
/// # Panics
/// If it cannot be started.
#[must_use]
pub fn run(arguments: &[&str]) -> Said {
    match ledgerline(arguments).output() {
        Ok(output) => output.into(),
        Err(error) => panic!("ledgerline {arguments:?}: {error}"),
    }
}

/// Runs a command that has to succeed and gives its output.
///
/// # Panics
/// If it fails.
#[must_use]
pub fn succeed(arguments: &[&str]) -> String {
    let said = run(arguments);
    assert_eq!(said.code, 0, "ledgerline {arguments:?}\n{}\n{}", said.out, said.err);
    said.out
}

/// A running `ledgerline serve` on ports of the system's choice.
#[derive(Debug)]
pub struct Server {
    child: Child,
    _out: BufReader<ChildStdout>,
    /// HTTP address.
    pub http: SocketAddr,
    /// SIP address, UDP.
    pub sip: SocketAddr,
    /// PostgreSQL wire.
    pub sql: SocketAddr,
    /// Arrow Flight SQL.
    pub flight: SocketAddr,
}

fn address(line: &str, prefix: &str) -> Option<SocketAddr> {
    let rest = line.strip_prefix(prefix)?.trim();
    let text = rest.split([' ', '/']).find(|part| part.contains(':') && !part.ends_with(':'))?;
    text.parse().ok()
}

impl Server {
    /// Starts it and waits until it says that it listens.
    ///
    /// # Panics
    /// If it does not start.
    #[must_use]
    pub fn start(data: &Path, config: Option<&Path>) -> Self {
        Self::begin(data, config, &mut |_| {})
    }

    /// As [`Server::start`], its log output of this level in a file.
    ///
    /// # Panics
    /// If it does not start.
    #[must_use]
    pub fn start_logging(data: &Path, config: Option<&Path>, log: &Path, level: &str) -> Self {
        Self::begin(data, config, &mut |command| {
            let file = std::fs::File::create(log);
            assert!(file.is_ok(), "{} cannot be written", log.display());
            if let Ok(file) = file {
                command.env("LEDGERLINE_LOG", level).stderr(file);
            }
        })
    }

    fn begin(data: &Path, config: Option<&Path>, change: &mut dyn FnMut(&mut Command)) -> Self {
        let data = data.to_string_lossy();
        let mut arguments = vec!["serve", "--data", &data, "--ports", "auto"];
        let config = config.map(|path| path.to_string_lossy().into_owned());
        if let Some(config) = &config {
            arguments.extend(["--config", config]);
        }
        let mut command = ledgerline(&arguments);
        command.stdout(Stdio::piped());
        change(&mut command);
        let child = command.spawn();
        let Ok(mut child) = child else { panic!("serve cannot be started") };
        let Some(stdout) = child.stdout.take() else { panic!("serve has no output") };
        let mut out = BufReader::new(stdout);
        let (mut http, mut sip, mut sql, mut flight) = (None, None, None, None);
        loop {
            let mut line = String::new();
            let read = out.read_line(&mut line).unwrap_or(0);
            assert!(read > 0, "serve ended before it listened: {:?}", child.wait());
            http = http.or_else(|| address(&line, "HTTP, WebSocket"));
            sip = sip.or_else(|| address(&line, "SIP"));
            sql = sql.or_else(|| address(&line, "PostgreSQL wire"));
            flight = flight.or_else(|| address(&line, "Arrow Flight SQL"));
            if line.starts_with("organization") {
                break;
            }
        }
        match (http, sip, sql, flight) {
            (Some(http), Some(sip), Some(sql), Some(flight)) => {
                Self { child, _out: out, http, sip, sql, flight }
            }
            found => panic!("serve did not say where it listens: {found:?}"),
        }
    }

    /// Base URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.http)
    }

    /// kill -9.
    pub fn kill(mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// SIGTERM; gives the exit code.
    ///
    /// # Panics
    /// If it cannot be signalled.
    #[must_use]
    pub fn stop(mut self) -> i32 {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args(["-TERM", &id]).status();
        assert!(sent.is_ok_and(|status| status.success()), "kill -TERM");
        self.child.wait().ok().and_then(|status| status.code()).unwrap_or(-1)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Rows of CSV without quotes: header names, then cells.
#[must_use]
pub fn csv(text: &str) -> Vec<Vec<String>> {
    text.lines().map(|line| line.split(',').map(str::to_owned).collect()).collect()
}

/// The workspace's root.
#[must_use]
pub fn workspace() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_path_buf()
}

/// The real data, where it is at hand: `LEDGERLINE_TESTDATA` or `../shared/testdata` beside the workspace.
#[must_use]
pub fn test_data() -> Option<PathBuf> {
    let folder = match std::env::var_os("LEDGERLINE_TESTDATA") {
        Some(folder) => PathBuf::from(folder),
        None => workspace().parent()?.join("shared/testdata"),
    };
    folder.is_dir().then_some(folder)
}
