//! Packages of PyPI in an environment of their own.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::run::{command, step_with};

/// The interpreter of an environment that has these requirements; it is made if it is not there.
pub(crate) fn environment(venv: &Path, requirements: &Path) -> Result<PathBuf, String> {
    let interpreter = venv.join("bin/python");
    if !interpreter.exists() {
        let folder = venv.to_string_lossy();
        step_with(command("python3", &["-m", "venv", &folder]), "python3 -m venv")?;
    }
    let mut install = Command::new(&interpreter);
    install
        .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"])
        .arg(requirements);
    step_with(install, "pip install")?;
    Ok(interpreter)
}
