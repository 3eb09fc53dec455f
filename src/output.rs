//! Lines to the terminal.

use std::io::Write as _;

/// Prints a line. A reader that is gone (`| head`) is no error.
pub(crate) fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// Prints text as it is.
pub(crate) fn print(text: &str) {
    let mut out = std::io::stdout();
    let _ = out.write_all(text.as_bytes());
    let _ = out.flush();
}

/// Prints a complaint to the error output.
pub(crate) fn complain(line: &str) {
    let _ = writeln!(std::io::stderr(), "ledgerline: {line}");
}
