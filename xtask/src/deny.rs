//! Licences, bans and sources of all dependencies.
//!
//! `cargo deny` does the work where it is installed. A fresh machine does not have it and building it
//! takes longer than the tests, so without it the same rules of `deny.toml` that matter most (sources,
//! bans) are checked from the lock file, and the output says which way it went.

use crate::run::{exists, root, say, step};

/// Runs the checks.
pub(crate) fn deny(arguments: &[String]) -> Result<(), String> {
    let advisories = arguments.iter().any(|argument| argument == "--advisories");
    second_provider()?;
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
const BANNED: [&str; 2] = ["openssl-sys", "native-tls"];
/// The rustls provider that only the KurrentDB client turns on, and the crates that may depend on it.
const PROVIDER: &str = "aws-lc-rs";
const WRAPPERS: [&str; 2] = ["rustls", "rustls-webpki"];

/// What is built by default has one rustls provider: ring. All features have two, for a reason.
fn second_provider() -> Result<(), String> {
    let tree = |features: &[&str]| {
        let mut tree =
            crate::run::command("cargo", &["tree", "--offline", "--package", "ledgerline"]);
        tree.args(["--edges", "normal,build", "--prefix", "none"]).args(features);
        let output = tree.output().map_err(|error| format!("cargo tree: {error}"))?;
        if output.status.success() {
            Ok(String::from_utf8_lossy(&output.stdout).into_owned())
        } else {
            Err(format!("cargo tree: {}", String::from_utf8_lossy(&output.stderr)))
        }
    };
    let has = |tree: &str, name: &str| tree.lines().any(|it| it.split(' ').next() == Some(name));
    for features in [&[][..], &["--features", "engine-fluvio"]] {
        let tree = tree(features)?;
        if !has(&tree, "rustls") || has(&tree, PROVIDER) {
            return Err(format!("{PROVIDER} is compiled with {features:?}"));
        }
    }
    if !has(&tree(&["--features", "engine-kurrentdb"])?, PROVIDER) {
        return Err(format!("{PROVIDER} is not needed any more: ban it altogether in deny.toml"));
    }
    say(&format!("── {PROVIDER} is compiled with engine-kurrentdb only"));
    Ok(())
}

fn lock_file() -> Result<(), String> {
    let path = root().join("Cargo.lock");
    let lock = std::fs::read_to_string(&path).map_err(|error| format!("Cargo.lock: {error}"))?;
    for package in lock.split("[[package]]") {
        let name = package.split("name = \"").nth(1).and_then(|rest| rest.split('"').next());
        let name = name.unwrap_or_default();
        let needs = package.lines().any(|it| it.trim() == format!("\"{PROVIDER}\","));
        if needs && !WRAPPERS.contains(&name) {
            return Err(format!("{name} depends on {PROVIDER}, which deny.toml bans"));
        }
    }
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

/// Licences allowed for every crate, and those that one crate may have besides.
struct Allowed {
    all: Vec<String>,
    besides: Vec<(String, Vec<String>)>,
}

fn quoted(text: &str) -> Vec<String> {
    text.split('"').skip(1).step_by(2).map(str::to_owned).collect()
}

impl Allowed {
    /// Read from `deny.toml`, so that there is one list.
    fn read() -> Result<Self, String> {
        let text = std::fs::read_to_string(root().join("deny.toml"))
            .map_err(|error| format!("deny.toml: {error}"))?;
        let list = text
            .split("\nallow = [")
            .nth(1)
            .and_then(|rest| rest.split(']').next())
            .ok_or("deny.toml has no list of allowed licences")?;
        let besides = text.lines().filter_map(|line| {
            let rest = line.trim().strip_prefix("{ crate = ")?;
            let (name, list) = rest.split_once("allow = [")?;
            Some((quoted(name).into_iter().next()?, quoted(list)))
        });
        Ok(Self { all: quoted(list), besides: besides.collect() })
    }

    /// What a crate may have.
    fn of(&self, name: &str) -> Vec<String> {
        let own = self.besides.iter().filter(|it| it.0 == name).flat_map(|it| it.1.iter());
        self.all.iter().chain(own).cloned().collect()
    }
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
    let output = crate::run::command("cargo", &["metadata", "--format-version", "1", "--locked"])
        .output()
        .map_err(|error| format!("cargo metadata: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let allowed = Allowed::read()?;
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
            Some(licence) if acceptable(licence, &allowed.of(name)) => {}
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
