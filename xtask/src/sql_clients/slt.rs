//! DataFusion's sqllogictest files for PostgreSQL compatibility through our wire: `cargo xtask sqllogictest`.
//!
//! The files come with the source of the crate `datafusion-sqllogictest`, at the version of the engine. Most of
//! them ask one table, `data/csv/aggregate_test_100.csv` of the repository `apache/arrow-testing`, which no
//! registry has: `--data FILE` says where it is.

use std::path::{Path, PathBuf};

use super::center::Center;
use super::install::{self, Installed};
use super::{Runner, binary};
use crate::run::{command, option, say, step_with};

/// The crate that the files come with.
const SUITE: &str = "datafusion-sqllogictest";
/// Its version: that of the engine.
const VERSION: &str = "55.2.0";

/// Runs the files.
pub(crate) fn sqllogictest(arguments: &[String]) -> Result<(), String> {
    let Some(table) = option(arguments, "--data").map(PathBuf::from) else {
        return Err("--data FILE is needed: data/csv/aggregate_test_100.csv of the repository \
                    apache/arrow-testing"
            .to_owned());
    };
    super::needed(&table)?;
    let binary = binary(arguments)?;
    let installed = install::install(&[])?;
    let files = files(&installed)?;
    let center = Center::open(&binary, &installed.folder)?;
    let outcome = run(&center, &installed, &files, &table);
    center.close()?;
    outcome
}

fn run(center: &Center, installed: &Installed, files: &Path, table: &Path) -> Result<(), String> {
    let mut command = installed.command(Runner::Python, "slt/run.py")?;
    command.arg(files).arg(table);
    center.tell(&mut command, center.port);
    step_with(command, &format!("{SUITE} {VERSION}, test_files/pg_compat"))
}

/// The folder of the files in cargo's own copy of the crate.
fn files(installed: &Installed) -> Result<PathBuf, String> {
    let project = installed.folder.join("sqllogictest");
    let failed = |error: std::io::Error| format!("{}: {error}", project.display());
    std::fs::create_dir_all(project.join("src")).map_err(failed)?;
    std::fs::write(project.join("src/lib.rs"), "").map_err(failed)?;
    let manifest = project.join("Cargo.toml");
    let text = format!(
        "[package]\nname = \"fetch\"\nversion = \"0.0.0\"\nedition = \"2024\"\n[workspace]\n\
         [dependencies]\n{SUITE} = \"={VERSION}\"\n"
    );
    std::fs::write(&manifest, text).map_err(failed)?;
    let path = manifest.to_string_lossy();
    step_with(
        command("cargo", &["fetch", "--quiet", "--manifest-path", &path]),
        &format!("cargo fetch {SUITE}"),
    )?;
    let output = command("cargo", &["metadata", "--format-version", "1", "--manifest-path", &path])
        .output()
        .map_err(|error| format!("cargo metadata: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let ending = format!("{SUITE}-{VERSION}/Cargo.toml");
    let found = text.split('"').find(|part| part.ends_with(&ending));
    let Some(folder) = found.and_then(|path| Path::new(path).parent()) else {
        return Err(format!("cargo metadata does not say where {SUITE} is"));
    };
    let folder = folder.join("test_files/pg_compat");
    super::needed(&folder)?;
    say(&format!("   files of {}", folder.display()));
    Ok(folder)
}
