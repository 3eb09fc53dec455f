//! Clients from their registries, at the versions that `tests/clients/sql` says, into the user's cache.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Client, Runner, needed, sources};
use crate::packages::install_these;
use crate::run::{command, exists, step_with};

/// Where pgjdbc is when Debian has installed it.
const JDBC: &str = "/usr/share/java/postgresql.jar";

/// Where the clients are.
pub(super) struct Installed {
    pub(super) folder: PathBuf,
}

/// Installs what the chosen clients need.
pub(super) fn install(chosen: &[&Client]) -> Result<Installed, String> {
    let folder = cache()?.join("ledgerline/sql-clients");
    std::fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    packages(chosen)?;
    venv(&folder.join("drivers"), "requirements.txt")?;
    let uses = |runner| chosen.iter().any(|client| client.runner == runner);
    if uses(Runner::Dbt) {
        venv(&folder.join("dbt"), "dbt/requirements.txt")?;
    }
    if uses(Runner::Superset) {
        venv(&folder.join("superset"), "superset/requirements.txt")?;
    }
    if uses(Runner::DuckDb) {
        venv(&folder.join("duckdb"), "duckdb/requirements.txt")?;
    }
    if uses(Runner::Node) {
        node(&folder.join("node"))?;
    }
    Ok(Installed { folder })
}

/// The user's folder for what can be had again.
fn cache() -> Result<PathBuf, String> {
    if let Some(folder) = std::env::var_os("XDG_CACHE_HOME") {
        return Ok(PathBuf::from(folder));
    }
    let home = std::env::var_os("HOME").ok_or("neither XDG_CACHE_HOME nor HOME is set")?;
    Ok(PathBuf::from(home).join(".cache"))
}

fn packages(chosen: &[&Client]) -> Result<(), String> {
    let has = |name: &str| chosen.iter().any(|client| client.name == name);
    let mut missing = Vec::new();
    if has("psql") && !exists("psql") {
        missing.push("postgresql-client");
    }
    if has("pgcli") && !exists("pgcli") {
        missing.push("pgcli");
    }
    if has("jdbc") && !exists("jshell") {
        missing.push("openjdk-17-jdk-headless");
    }
    if has("jdbc") && !Path::new(JDBC).exists() {
        missing.push("libpostgresql-jdbc-java");
    }
    if has("odbc") && !exists("isql") {
        missing.push("unixodbc");
    }
    if has("odbc")
        && !std::fs::read_to_string("/etc/odbcinst.ini")
            .is_ok_and(|text| text.contains("PostgreSQL Unicode"))
    {
        missing.push("odbc-postgresql");
    }
    if chosen.iter().any(|client| client.runner == Runner::Node) && !exists("npm") {
        missing.extend(["nodejs", "npm"]);
    }
    if missing.is_empty() { Ok(()) } else { install_these(&missing) }
}

fn venv(folder: &Path, list: &str) -> Result<(), String> {
    let interpreter = folder.join("bin/python");
    if !interpreter.exists() {
        let text = folder.to_string_lossy();
        step_with(
            command("python3", &["-m", "venv", &text]),
            &format!("python3 -m venv ({list})"),
        )?;
    }
    let mut install = Command::new(&interpreter);
    install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"]);
    install.arg(sources().join(list));
    step_with(install, &format!("pip install -r {list}"))
}

fn node(folder: &Path) -> Result<(), String> {
    std::fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    for file in ["package.json", "package-lock.json", "steps.mjs", "pg.mjs", "postgres.mjs"] {
        std::fs::copy(sources().join("node").join(file), folder.join(file))
            .map_err(|error| format!("{file}: {error}"))?;
    }
    let mut install = command("npm", &["ci", "--no-audit", "--no-fund", "--loglevel=error"]);
    install.current_dir(folder);
    step_with(install, "npm ci: pg, postgres")
}

impl Installed {
    /// What runs a script.
    pub(super) fn command(&self, runner: Runner, script: &str) -> Result<Command, String> {
        let file = sources().join(script);
        needed(&file)?;
        let python = |venv: &str| {
            let mut command = Command::new(self.folder.join(venv).join("bin/python"));
            command.arg(&file).env("PYTHONDONTWRITEBYTECODE", "1");
            command
        };
        Ok(match runner {
            Runner::Python => python("drivers"),
            Runner::Dbt => python("dbt"),
            Runner::Superset => python("superset"),
            Runner::DuckDb => python("duckdb"),
            Runner::Jshell => {
                let mut command = Command::new("jshell");
                command.args(["--class-path", JDBC, "-s"]).arg(&file);
                command
            }
            Runner::Node => {
                let folder = self.folder.join("node");
                let name = file.file_name().unwrap_or_default();
                let mut command = Command::new("node");
                command.arg(folder.join(name)).current_dir(folder);
                command
            }
        })
    }
}
