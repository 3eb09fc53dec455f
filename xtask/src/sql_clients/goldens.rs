//! What a real PostgreSQL answers: `cargo xtask postgresql-goldens`.
//!
//! Starts a PostgreSQL of this machine on a folder of its own, asks it everything of
//! `tests/clients/sql/goldens/questions.py` and writes the answers down, for a test that asks us the same.

use super::Runner;
use super::install;
use crate::packages::install_these;
use crate::run::step_with;

/// Where Debian has PostgreSQL's own programs.
const PROGRAMS: &str = "/usr/lib/postgresql";

/// Writes the answers anew.
pub(crate) fn goldens() -> Result<(), String> {
    if !std::path::Path::new(PROGRAMS).is_dir() {
        install_these(&["postgresql"])?;
    }
    let installed = install::install(&[])?;
    let command = installed.command(Runner::Python, "goldens/ask.py")?;
    step_with(command, "goldens/ask.py")
}
