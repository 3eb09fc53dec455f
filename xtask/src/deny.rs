//! Licences, bans and sources of all dependencies.
//!
//! `cargo deny` does the work where it is installed. A fresh machine does not have it and building it
//! takes longer than the tests, so without it the same rules of `deny.toml` that matter most (sources,
//! bans) are checked from the lock file, and the output says which way it went.

use crate::run::{exists, root, say, step};

/// Runs the checks.
pub(crate) fn deny(arguments: &[String]) -> Result<(), String> {
    let advisories = arguments.iter().any(|argument| argument == "--advisories");
    if exists("cargo-deny") {
        step("cargo", &["deny", "--offline", "check", "bans", "licenses", "sources"])?;
        if advisories {
            step("cargo", &["deny", "check", "advisories"])?;
        }
        return Ok(());
    }
    if advisories {
        return Err("cargo-deny is not installed: cargo install cargo-deny".to_owned());
    }
    say(
        "── cargo-deny is not installed: checking bans and sources from Cargo.lock, licences from cargo metadata",
    );
    lock_file()?;
    licences()
}

/// Crates that must not be in the lock file, as in `deny.toml`.
const BANNED: [&str; 3] = ["openssl-sys", "native-tls", "aws-lc-rs"];

fn lock_file() -> Result<(), String> {
    let path = root().join("Cargo.lock");
    let lock = std::fs::read_to_string(&path).map_err(|error| format!("Cargo.lock: {error}"))?;
    for line in lock.lines() {
        if let Some(source) = line.strip_prefix("source = ")
            && !source.starts_with("\"registry+")
        {
            return Err(format!(
                "Cargo.lock has a dependency from {source}; only the registry is allowed"
            ));
        }
        if let Some(name) = line.strip_prefix("name = ") {
            let name = name.trim_matches('"');
            if BANNED.contains(&name) {
                return Err(format!("Cargo.lock has {name}, which deny.toml bans"));
            }
        }
    }
    Ok(())
}

/// Licences allowed, read from `deny.toml` so that there is one list.
fn allowed() -> Result<Vec<String>, String> {
    let text = std::fs::read_to_string(root().join("deny.toml"))
        .map_err(|error| format!("deny.toml: {error}"))?;
    let list = text
        .split("allow = [")
        .nth(1)
        .and_then(|rest| rest.split(']').next())
        .ok_or("deny.toml has no list of allowed licences")?;
    Ok(list.split('"').skip(1).step_by(2).map(str::to_owned).collect())
}

/// Whether an SPDX expression can be met with allowed licences. Knows AND, OR, `/` and parentheses by
/// trying the alternatives of OR one by one within each AND part.
fn acceptable(expression: &str, allowed: &[String]) -> bool {
    let plain = expression.replace(['(', ')'], " ").replace('/', " OR ");
    plain.split(" AND ").all(|part| {
        part.split(" OR ").map(str::trim).any(|licence| allowed.iter().any(|it| it == licence))
    })
}

fn licences() -> Result<(), String> {
    let output = crate::run::command("cargo", &["metadata", "--format-version", "1", "--offline"])
        .output()
        .map_err(|error| format!("cargo metadata: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let allowed = allowed()?;
    let mut packages = 0;
    let mut refused = Vec::new();
    // Package objects begin with their name; the licence stands among their first fields.
    for package in text.split("{\"name\":\"").skip(1) {
        let name = package.split('"').next().unwrap_or_default();
        let head = package.split("\"dependencies\":").next().unwrap_or_default();
        let Some(rest) = head.split("\"license\":").nth(1) else { continue };
        packages += 1;
        let licence = rest.strip_prefix('"').and_then(|rest| rest.split('"').next());
        match licence {
            Some(licence) if acceptable(licence, &allowed) => {}
            Some(licence) => refused.push(format!("{name}: {licence}")),
            None if head.contains("\"license_file\":\"") => {
                refused.push(format!("{name}: a licence file only"))
            }
            None => refused.push(format!("{name}: no licence")),
        }
    }
    if packages < 100 {
        return Err(format!("cargo metadata named only {packages} packages with a licence field"));
    }
    if refused.is_empty() {
        say(&format!("── licences of {packages} packages are allowed"));
        return Ok(());
    }
    Err(format!("licences not allowed by deny.toml:\n  {}", refused.join("\n  ")))
}
