//! A contact center with history: a queue log made up here, imported, and served.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use crate::run::say;
use calls::CALLS;

/// What the test that sends the transcripts again imports too.
#[path = "../../../tests/clients/sql/calls.rs"]
mod calls;

/// A running server.
pub(super) struct Center {
    child: Child,
    /// Held, so that what the server still says has somewhere to go.
    _output: BufReader<ChildStdout>,
    pub(super) port: u16,
    user: String,
    password: String,
    pub(super) certificate: PathBuf,
    pub(super) key: PathBuf,
}

impl Center {
    /// Imports the calls into a fresh directory and serves them.
    pub(super) fn open(binary: &Path, folder: &Path) -> Result<Self, String> {
        let data = folder.join("data");
        if data.exists() {
            std::fs::remove_dir_all(&data)
                .map_err(|error| format!("{}: {error}", data.display()))?;
        }
        let log = folder.join("queue_log");
        write(&log, &calls::queue_log())?;
        said(binary, &["import", "asterisk-queue-log", "--org", "main", "--data"], &[&data, &log])?;
        let config = folder.join("serve.toml");
        let text = "[sip]\nenabled = false\n[kurrent]\nenabled = false\n[log]\nlevel = \"warn\"\n";
        write(&config, text)?;
        let mut child = Command::new(binary)
            .args(["serve", "--ports", "auto", "--config"])
            .arg(&config)
            .arg("--data")
            .arg(&data)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("{}: {error}", binary.display()))?;
        let Some(output) = child.stdout.take() else {
            return Err("ledgerline serve has no output".to_owned());
        };
        let mut output = BufReader::new(output);
        let (mut port, mut address) = (None, None);
        loop {
            let mut line = String::new();
            if output.read_line(&mut line).unwrap_or(0) == 0 {
                return Err(format!(
                    "ledgerline serve ended before it listened: {:?}",
                    child.wait()
                ));
            }
            if let Some(rest) = line.strip_prefix("PostgreSQL wire") {
                let address = rest.split_whitespace().next();
                port = address.and_then(|it| it.rsplit(':').next()).and_then(|it| it.parse().ok());
            }
            if let Some(rest) = line.strip_prefix("HTTP, WebSocket") {
                address = rest.split_whitespace().next().map(str::to_owned);
            }
            // Said last, once everything listens.
            if line.starts_with("organization") {
                break;
            }
        }
        let port = port.ok_or("ledgerline serve did not say where PostgreSQL clients connect")?;
        let roles = "analyst,auditor,administrator,supervisor";
        let arguments =
            ["token", "--role", roles, "--subject", "ann", "--sql-user", "--org", "main", "--data"];
        let text = said(binary, &arguments, &[&data])?;
        let password = text
            .lines()
            .find_map(|line| line.strip_prefix("password "))
            .ok_or_else(|| format!("ledgerline token said no password: {text}"))?
            .to_owned();
        let address = address.ok_or("ledgerline serve did not say where HTTP is")?;
        until_counted(binary, &data, &address)?;
        let find = |name: &str| find(&data, name).ok_or_else(|| format!("there is no {name}"));
        let center = Self {
            child,
            _output: output,
            port,
            user: "ann".to_owned(),
            password,
            certificate: find("pgwire-certificate.pem")?,
            key: find("pgwire-key.pem")?,
        };
        say(&format!("── a contact center with {CALLS} calls is served"));
        Ok(center)
    }

    /// Tells a client where to connect, as libpq's environment does.
    pub(super) fn tell(&self, client: &mut Command, port: u16) {
        client
            .env("PGHOST", "localhost")
            .env("PGPORT", port.to_string())
            .env("PGUSER", &self.user)
            .env("PGPASSWORD", &self.password)
            .env("PGDATABASE", "ledgerline")
            .env("PGSSLROOTCERT", &self.certificate)
            .env("LEGS", CALLS.to_string())
            .env("TZ", "UTC");
    }

    /// Asks it to stop and waits until it has.
    pub(super) fn close(mut self) -> Result<(), String> {
        let asked = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        if !asked.is_ok_and(|status| status.success()) {
            let _ = self.child.kill();
        }
        let status = self.child.wait().map_err(|error| format!("ledgerline serve: {error}"))?;
        if status.success() { Ok(()) } else { Err(format!("ledgerline serve stopped: {status}")) }
    }
}

fn write(file: &Path, text: &str) -> Result<(), String> {
    std::fs::write(file, text).map_err(|error| format!("{}: {error}", file.display()))
}

/// What a command of ours says.
fn said(binary: &Path, arguments: &[&str], paths: &[&Path]) -> Result<String, String> {
    let output = Command::new(binary)
        .args(arguments)
        .args(paths)
        .output()
        .map_err(|error| format!("{}: {error}", binary.display()))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    Err(format!("ledgerline {}: {text}", arguments.join(" ")))
}

/// Asks until the tables hold every call: a server answers before it has read its whole log again.
fn until_counted(binary: &Path, data: &Path, address: &str) -> Result<(), String> {
    let arguments = ["token", "--role", "analyst", "--subject", "count", "--org", "main", "--data"];
    let token = said(binary, &arguments, &[data])?;
    for _ in 0..100 {
        let output = Command::new(binary)
            .args(["sql", "--server", address, "--format", "csv"])
            .arg("select count(*) as legs from queue_leg")
            .env("LEDGERLINE_TOKEN", token.trim())
            .output()
            .map_err(|error| format!("{}: {error}", binary.display()))?;
        let text = String::from_utf8_lossy(&output.stdout);
        if text.lines().nth(1).and_then(|line| line.trim().parse().ok()) == Some(CALLS) {
            return Ok(());
        }
    }
    Err("the calls that were imported are not in the tables".to_owned())
}

/// A file of that name, at the top of the data directory or below.
fn find(folder: &Path, name: &str) -> Option<PathBuf> {
    let here = folder.join(name);
    if here.is_file() {
        return Some(here);
    }
    let entries = std::fs::read_dir(folder).ok()?;
    entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.is_dir())
        .find_map(|path| find(&path, name))
}
