//! The official libraries of Standard Webhooks, unmodified, as receivers of our webhooks: `cargo xtask webhook-clients`.
//!
//! They are installed from PyPI and npm at fixed versions, outside the workspace. Each receiver verifies what the real
//! sender of `realtime` posts, signed with two keys. The Rust library checks the same in the crate's own tests.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::python;
use crate::run::{command, exists, option, root, say, step, step_with};

/// Installs and runs them: all, or the one behind `--only`.
pub(crate) fn webhook_clients(arguments: &[String]) -> Result<(), String> {
    let only = option(arguments, "--only");
    let target = match std::env::var_os("CARGO_TARGET_DIR") {
        Some(target) => PathBuf::from(target),
        None => root().join("target"),
    };
    step("cargo", &["build", "-p", "ledgerline-realtime", "--example", "webhook_sender"])?;
    let sender = target.join("debug/examples/webhook_sender");
    let clients: [(&str, Install); 2] = [("python", python), ("node", node)];
    let mut ran = 0;
    for (name, install) in clients {
        if only.is_none_or(|only| only == name) {
            say(&format!("── {name}"));
            let folder = target.join("webhook-clients").join(name);
            std::fs::create_dir_all(&folder)
                .map_err(|error| format!("{}: {error}", folder.display()))?;
            run(install(&folder)?, &sender).map_err(|error| format!("{name}: {error}"))?;
            ran += 1;
        }
    }
    if ran == 0 {
        return Err("--only takes python or node".to_owned());
    }
    say("── every library verified everything");
    Ok(())
}

/// Installs a library into a folder and says how to run its receiver.
type Install = fn(&Path) -> Result<Command, String>;

fn sources() -> PathBuf {
    root().join("tests/clients/webhooks")
}

fn python(folder: &Path) -> Result<Command, String> {
    let requirements = sources().join("requirements.txt");
    let interpreter = python::environment(&folder.join("venv"), &requirements)?;
    let mut receiver = Command::new(interpreter);
    receiver.arg(sources().join("receiver.py"));
    Ok(receiver)
}

fn node(folder: &Path) -> Result<Command, String> {
    if !exists("npm") {
        return Err("npm is not installed: apt-get install nodejs npm".to_owned());
    }
    for file in ["package.json", "package-lock.json", "receiver.mjs"] {
        std::fs::copy(sources().join(file), folder.join(file))
            .map_err(|error| format!("{file}: {error}"))?;
    }
    let mut install = command("npm", &["ci", "--no-audit", "--no-fund", "--loglevel=error"]);
    install.current_dir(folder);
    step_with(install, "npm ci: standardwebhooks")?;
    let mut receiver = Command::new("node");
    receiver.arg("receiver.mjs").current_dir(folder);
    Ok(receiver)
}

/// Starts the receiver, sends to it, and asks it what it saw.
fn run(mut receiver: Command, sender: &Path) -> Result<(), String> {
    let failed = |error: std::io::Error| error.to_string();
    let mut child =
        receiver.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().map_err(failed)?;
    let Some(output) = child.stdout.take() else {
        return Err("the receiver has no output".to_owned());
    };
    let mut output = BufReader::new(output);
    let mut url = String::new();
    output.read_line(&mut url).map_err(failed)?;
    let mut sending = Command::new(sender);
    sending.arg(url.trim());
    let sent = step_with(sending, "sending");
    // The end of its input is when it says what it saw.
    drop(child.stdin.take());
    let mut rest = String::new();
    output.read_to_string(&mut rest).map_err(failed)?;
    let status = child.wait().map_err(failed)?;
    say(rest.trim());
    sent?;
    if status.success() { Ok(()) } else { Err("something did not verify".to_owned()) }
}
