//! What a run tells: data, tables, verdicts.

pub(crate) mod markdown;
pub(crate) mod results;
pub(crate) mod targets;

use std::io::Write as _;

/// Prints a line of the result.
pub(crate) fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// Prints a line about the run itself.
pub(crate) fn complain(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}
