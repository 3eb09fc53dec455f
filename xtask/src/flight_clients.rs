//! Clients of Arrow Flight SQL, unmodified, against the built server: `cargo xtask flight-clients`.
//!
//! They are installed from PyPI at fixed versions, outside the workspace. Each runs one script of checks over TLS.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use crate::run::{command, option, root, say, step, step_with};

/// The clients and their scripts in `tests/clients/flight-python`.
const CLIENTS: [(&str, &str); 2] = [("adbc", "adbc.py"), ("pyarrow", "flight.py")];
/// Organization and role of the user: it may read the log, so that its own queries can be found there.
const ROLE: &str = "auditor";
const USER: &str = "flight";

/// Installs and runs them: all, or the one behind `--only`.
pub(crate) fn flight_clients(arguments: &[String]) -> Result<(), String> {
    let only = option(arguments, "--only");
    let target = match std::env::var_os("CARGO_TARGET_DIR") {
        Some(target) => PathBuf::from(target),
        None => root().join("target"),
    };
    let binary = match option(arguments, "--binary") {
        Some(binary) => PathBuf::from(binary),
        None => {
            // As the tests build it, so that dependencies are built once.
            let features = crate::verbs::FEATURES;
            step("cargo", &["build", "--workspace", "--bins", "--tests", "--features", features])?;
            target.join("debug/ledgerline")
        }
    };
    let folder = target.join("flight-clients");
    std::fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let interpreter = install(&folder)?;
    let data = folder.join("data");
    if data.exists() {
        std::fs::remove_dir_all(&data).map_err(|error| format!("{}: {error}", data.display()))?;
    }
    let server = Server::start(&binary, &folder)?;
    let outcome = make_user(&binary, &data).and_then(|password| {
        let mut ran = 0;
        for (name, script) in CLIENTS {
            if only.is_none_or(|only| only == name) {
                say(&format!("── {name}"));
                check(&interpreter, script, &server.address, &password, &data)
                    .map_err(|error| format!("{name}: {error}"))?;
                ran += 1;
            }
        }
        if ran == 0 { Err("--only takes adbc or pyarrow".to_owned()) } else { Ok(()) }
    });
    let stopped = server.stop();
    outcome.and(stopped)?;
    say("── every client did everything");
    Ok(())
}

fn sources() -> PathBuf {
    root().join("tests/clients/flight-python")
}

/// A virtual environment with the clients; its interpreter.
fn install(folder: &Path) -> Result<PathBuf, String> {
    let venv = folder.join("venv");
    let interpreter = venv.join("bin/python");
    if !interpreter.exists() {
        step_with(command("python3", &["-m", "venv", &venv.to_string_lossy()]), "python3 -m venv")?;
    }
    let mut install = Command::new(&interpreter);
    install
        .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"])
        .arg(sources().join("requirements.txt"));
    step_with(install, "pip install: adbc-driver-flightsql, pyarrow")?;
    Ok(interpreter)
}

/// A running server on a data directory.
struct Server {
    child: Child,
    address: String,
    /// Held, so that what the server still says has somewhere to go.
    _output: BufReader<ChildStdout>,
}

impl Server {
    fn start(binary: &Path, folder: &Path) -> Result<Self, String> {
        let config = folder.join("serve.toml");
        let text = "[http]\nlisten = \"127.0.0.1:0\"\n[sip]\nenabled = false\n[sql]\nenabled = false\n\
                    [kurrent]\nenabled = false\n[flight]\nlisten = \"127.0.0.1:0\"\n[log]\nlevel = \"warn\"\n";
        std::fs::write(&config, text).map_err(|error| format!("serve.toml: {error}"))?;
        let mut child = Command::new(binary)
            .arg("serve")
            .arg("--config")
            .arg(&config)
            .arg("--data")
            .arg(folder.join("data"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("{}: {error}", binary.display()))?;
        let Some(output) = child.stdout.take() else {
            return Err("ledgerline serve has no output".to_owned());
        };
        let mut output = BufReader::new(output);
        let mut found = None;
        loop {
            let mut line = String::new();
            if output.read_line(&mut line).unwrap_or(0) == 0 {
                return Err(format!(
                    "ledgerline serve ended before it listened: {:?}",
                    child.wait()
                ));
            }
            if let Some(rest) = line.strip_prefix("Arrow Flight SQL") {
                found = rest.split_whitespace().next().map(str::to_owned);
            }
            // Said last, once everything listens.
            if line.starts_with("organization") {
                break;
            }
        }
        let address = found.ok_or("ledgerline serve did not say where Flight clients connect")?;
        Ok(Self { child, address, _output: output })
    }

    /// Asks it to stop and waits until it has.
    fn stop(mut self) -> Result<(), String> {
        let id = self.child.id().to_string();
        let asked = Command::new("kill").args(["-TERM", &id]).status();
        if !asked.is_ok_and(|status| status.success()) {
            let _ = self.child.kill();
        }
        let status = self.child.wait().map_err(|error| format!("ledgerline serve: {error}"))?;
        if status.success() { Ok(()) } else { Err(format!("ledgerline serve stopped: {status}")) }
    }
}

/// A user for the clients; its password.
fn make_user(binary: &Path, data: &Path) -> Result<String, String> {
    let output = Command::new(binary)
        .args(["token", "--role", ROLE, "--subject", USER, "--sql-user", "--data"])
        .arg(data)
        .output()
        .map_err(|error| format!("ledgerline token: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines()
        .find_map(|line| line.strip_prefix("password "))
        .map(str::to_owned)
        .ok_or_else(|| format!("ledgerline token: {}", String::from_utf8_lossy(&output.stderr)))
}

/// Runs one client's checks.
fn check(
    interpreter: &Path,
    script: &str,
    address: &str,
    password: &str,
    data: &Path,
) -> Result<(), String> {
    let mut run = Command::new(interpreter);
    run.arg(sources().join(script))
        // The certificate is made for this name.
        .env("FLIGHT_ADDRESS", address.replace("127.0.0.1", "localhost"))
        .env("FLIGHT_USER", USER)
        .env("FLIGHT_PASSWORD", password)
        .env("FLIGHT_CA", data.join("flight-certificate.pem"))
        .stdin(Stdio::null());
    let status = run.status().map_err(|error| format!("it cannot be started: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("its checks ended with {status}")) }
}
