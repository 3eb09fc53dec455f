//! System packages the tests use: real clients.

use crate::run::{command, exists, say, step_with};

/// Program and the Debian package that brings it.
const NEEDED: [(&str, &str); 2] = [("sipp", "sip-tester"), ("psql", "postgresql-client")];

/// Installs what is missing where it may; otherwise says what to install.
pub(crate) fn install() -> Result<(), String> {
    let missing: Vec<&str> = NEEDED
        .iter()
        .filter(|(program, _)| !exists(program))
        .map(|(_, package)| *package)
        .collect();
    if missing.is_empty() {
        say("── system packages: all there (sipp, psql)");
        return Ok(());
    }
    install_these(&missing)
}

/// Installs Debian packages where it may; otherwise says what to install.
pub(crate) fn install_these(missing: &[&str]) -> Result<(), String> {
    let list = missing.join(" ");
    if !exists("apt-get") || !may_install() {
        return Err(format!(
            "these system packages are needed and cannot be installed from here: {list}\n\
             On Debian or Ubuntu: sudo apt-get install {list}"
        ));
    }
    let mut update = command("apt-get", &["update", "-qq"]);
    update.env("DEBIAN_FRONTEND", "noninteractive");
    step_with(update, "apt-get update")?;
    let mut arguments = vec!["install", "-y", "-qq", "--no-install-recommends"];
    arguments.extend(missing);
    let mut install = command("apt-get", &arguments);
    install.env("DEBIAN_FRONTEND", "noninteractive");
    step_with(install, &format!("apt-get install {list}"))
}

/// Whether this process is root (user id 0 in `/proc/self/status`).
fn may_install() -> bool {
    std::fs::read_to_string("/proc/self/status").is_ok_and(|status| {
        status
            .lines()
            .find_map(|line| line.strip_prefix("Uid:"))
            .and_then(|ids| ids.split_whitespace().nth(1))
            == Some("0")
    })
}
