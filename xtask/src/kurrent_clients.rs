//! The official clients of KurrentDB, unmodified, against our own server: `cargo xtask kurrent-clients`.
//!
//! Each client is installed from its language's registry at the version its lock file says, outside the
//! workspace, and runs one script of checks over TLS. In the middle of it the server is stopped and
//! started again on the same port.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use crate::run::{command, exists, option, root, say, step, step_with};

/// How long a client may take between two lines.
const PATIENCE: Duration = Duration::from_secs(90);

/// Installs and runs them: all, or the one behind `--only`.
pub(crate) fn kurrent_clients(arguments: &[String]) -> Result<(), String> {
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
    let cache = target.join("kurrent-clients");
    let clients: [(&str, Install); 3] = [("rust", rust), ("node", node), ("python", python)];
    let mut ran = 0;
    for (name, install) in clients {
        if only.is_none_or(|only| only == name) {
            let folder = cache.join(name);
            std::fs::create_dir_all(&folder)
                .map_err(|error| format!("{}: {error}", folder.display()))?;
            let client = install(&folder)?;
            run(name, client, &binary, &folder)?;
            ran += 1;
        }
    }
    if ran == 0 {
        return Err("--only takes rust, node or python".to_owned());
    }
    say("── every client did everything");
    Ok(())
}

/// Installs a client into a folder and says how to run its checks.
type Install = fn(&Path) -> Result<Command, String>;

fn sources(name: &str) -> PathBuf {
    root().join("tests/clients").join(name)
}

fn rust(folder: &Path) -> Result<Command, String> {
    let manifest = sources("kurrent-rust/Cargo.toml");
    let manifest = manifest.to_string_lossy();
    let mut build = command("cargo", &["build", "--locked", "--manifest-path", &manifest]);
    build.env("CARGO_TARGET_DIR", folder);
    step_with(build, "cargo build: the kurrentdb crate")?;
    Ok(Command::new(folder.join("debug/kurrent-rust-check")))
}

fn node(folder: &Path) -> Result<Command, String> {
    if !exists("npm") {
        return Err("npm is not installed: apt-get install nodejs npm".to_owned());
    }
    for file in ["package.json", "package-lock.json", "check.mjs"] {
        std::fs::copy(sources("kurrent-node").join(file), folder.join(file))
            .map_err(|error| format!("{file}: {error}"))?;
    }
    let mut install = command("npm", &["ci", "--no-audit", "--no-fund", "--loglevel=error"]);
    install.current_dir(folder);
    step_with(install, "npm ci: @kurrent/kurrentdb-client")?;
    let mut check = Command::new("node");
    check.arg("check.mjs").current_dir(folder);
    Ok(check)
}

fn python(folder: &Path) -> Result<Command, String> {
    let interpreter = folder.join("venv/bin/python");
    if !interpreter.exists() {
        let venv = folder.join("venv");
        step_with(command("python3", &["-m", "venv", &venv.to_string_lossy()]), "python3 -m venv")?;
    }
    let list = sources("kurrent-python/requirements.txt");
    let mut install = Command::new(&interpreter);
    install
        .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"])
        .arg(list);
    step_with(install, "pip install: kurrentdbclient")?;
    let mut check = Command::new(interpreter);
    check.arg(sources("kurrent-python/check.py"));
    Ok(check)
}

/// A running server on a data directory.
struct Server {
    child: Child,
    address: String,
    /// Held, so that what the server still says has somewhere to go.
    _output: BufReader<ChildStdout>,
}

impl Server {
    /// Starts it; `address` with port 0 takes any.
    fn start(binary: &Path, folder: &Path, address: &str) -> Result<Self, String> {
        let config = folder.join("serve.toml");
        let text = format!(
            "[http]\nlisten = \"127.0.0.1:0\"\n[sip]\nenabled = false\n[sql]\nenabled = false\n\
             [flight]\nenabled = false\n\
             [kurrent]\nlisten = \"{address}\"\n[log]\nlevel = \"warn\"\n"
        );
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
            if let Some(rest) = line.strip_prefix("KurrentDB clients") {
                found = rest.split_whitespace().next().map(str::to_owned);
            }
            // Said last, once everything listens.
            if line.starts_with("organization") {
                break;
            }
        }
        let address =
            found.ok_or("ledgerline serve did not say where KurrentDB clients connect")?;
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
fn make_user(binary: &Path, folder: &Path) -> Result<String, String> {
    let output = Command::new(binary)
        .args(["token", "--role", "integrator", "--subject", "events", "--sql-user", "--data"])
        .arg(folder.join("data"))
        .output()
        .map_err(|error| format!("ledgerline token: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines()
        .find_map(|line| line.strip_prefix("password "))
        .map(str::to_owned)
        .ok_or_else(|| format!("ledgerline token: {}", String::from_utf8_lossy(&output.stderr)))
}

/// Runs one client's checks against a fresh data directory.
fn run(name: &str, client: Command, binary: &Path, folder: &Path) -> Result<(), String> {
    say(&format!("── {name}"));
    let data = folder.join("data");
    if data.exists() {
        std::fs::remove_dir_all(&data).map_err(|error| format!("{}: {error}", data.display()))?;
    }
    let server = Server::start(binary, folder, "127.0.0.1:0")?;
    let address = server.address.clone();
    let mut server = Some(server);
    let outcome = make_user(binary, folder).and_then(|password| {
        let mut child = start_client(client, &address, &password, &data)?;
        let outcome = watch(&mut child, || {
            if let Some(running) = server.take() {
                running.stop()?;
            }
            server = Some(Server::start(binary, folder, &address)?);
            Ok(())
        });
        if outcome.is_err() {
            let _ = child.kill();
        }
        let status = child.wait().map_err(|error| error.to_string())?;
        outcome?;
        if status.success() { Ok(()) } else { Err(format!("its checks ended with {status}")) }
    });
    let stopped = server.map_or(Ok(()), Server::stop);
    outcome.and(stopped).map_err(|error| format!("{name}: {error}"))
}

fn start_client(
    mut client: Command,
    address: &str,
    password: &str,
    data: &Path,
) -> Result<Child, String> {
    client
        .env("KURRENT_ADDRESS", address)
        .env("KURRENT_USER", "events")
        .env("KURRENT_PASSWORD", password)
        .env("KURRENT_CA", data.join("kurrent-certificate.pem"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("the client cannot be started: {error}"))
}

/// Follows what the client says; when it asks, the server is restarted.
fn watch(child: &mut Child, mut restart: impl FnMut() -> Result<(), String>) -> Result<(), String> {
    let (Some(output), Some(mut input)) = (child.stdout.take(), child.stdin.take()) else {
        return Err("the client has no input or output".to_owned());
    };
    let (sender, lines) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    loop {
        match lines.recv_timeout(PATIENCE) {
            Ok(line) if line == "done" => return Ok(()),
            Ok(line) if line == "restart" => {
                restart()?;
                say("   the server was restarted");
                writeln!(input, "restarted").map_err(|error| format!("the client: {error}"))?;
            }
            Ok(line) => say(&format!("   {line}")),
            Err(mpsc::RecvTimeoutError::Timeout) => {
                return Err("the client says nothing any more".to_owned());
            }
            Err(mpsc::RecvTimeoutError::Disconnected) => {
                return Err("the client ended early".to_owned());
            }
        }
    }
}
