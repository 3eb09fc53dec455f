//! Errors of the harness: told to whoever runs it, never handled.

use std::error::Error;

/// A failure, with whatever its source says.
pub(crate) type Fault = Box<dyn Error + Send + Sync>;
/// The result of anything that may fail.
pub(crate) type Outcome<T> = Result<T, Fault>;
