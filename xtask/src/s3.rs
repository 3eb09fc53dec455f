//! Archive and backup against an S3-compatible server: `cargo xtask s3`.
//!
//! The server is moto, installed from PyPI at the version that `tests/clients/s3/requirements.txt` says.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::run::{command, root, say, step_with};

/// Installs the server, starts it on a free port, runs the test, stops it.
pub(crate) fn s3() -> Result<(), String> {
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    let folder = target.join("s3-server");
    let sources = root().join("tests/clients/s3");
    let interpreter = folder.join("bin/python");
    if !interpreter.exists() {
        step_with(
            command("python3", &["-m", "venv", &folder.to_string_lossy()]),
            "python3 -m venv",
        )?;
    }
    let mut install = Command::new(&interpreter);
    install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"]);
    install.arg(sources.join("requirements.txt"));
    step_with(install, "pip install: moto")?;
    let mut server = Command::new(&interpreter)
        .arg(sources.join("server.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| format!("{}: {error}", interpreter.display()))?;
    let mut port = String::new();
    if let Some(output) = server.stdout.take() {
        // An empty line is said below.
        let _ = BufReader::new(output).read_line(&mut port);
    }
    let outcome = match port.trim().parse::<u16>() {
        Ok(port) => test(port),
        Err(_) => Err("the S3 server did not say its port".to_owned()),
    };
    // It ends with its input.
    drop(server.stdin.take());
    let ended = server.wait().map_err(|error| format!("the S3 server: {error}"))?;
    say(&format!("── S3 server: {ended}"));
    outcome
}

fn test(port: u16) -> Result<(), String> {
    let arguments = [
        "test",
        "-p",
        "ledgerline-event-store",
        "--features",
        "s3",
        "--test",
        "archive_s3",
        "--",
        "--nocapture",
    ];
    let mut test = command("cargo", &arguments);
    test.env("LEDGERLINE_S3", "s3://ledgerline")
        .env("AWS_ENDPOINT", format!("http://127.0.0.1:{port}"))
        .env("AWS_ALLOW_HTTP", "true")
        .env("AWS_REGION", "us-east-1")
        .env("AWS_ACCESS_KEY_ID", "nobody")
        .env("AWS_SECRET_ACCESS_KEY", "nothing");
    step_with(test, "archive_s3")
}
