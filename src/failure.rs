//! Why a command failed, and the exit code that tells a script.

use std::fmt;

/// A failed command. Codes follow `sysexits.h`.
#[derive(Debug)]
pub(crate) struct Failure {
    code: u8,
    message: String,
}

impl Failure {
    /// The command line does not say what to do (64).
    pub(crate) fn usage(message: impl fmt::Display) -> Self {
        Self { code: 64, message: message.to_string() }
    }

    /// The input is wrong (65).
    pub(crate) fn data(message: impl fmt::Display) -> Self {
        Self { code: 65, message: message.to_string() }
    }

    /// A file or folder cannot be used (66 to 73, here always 73).
    pub(crate) fn file(message: impl fmt::Display) -> Self {
        Self { code: 73, message: message.to_string() }
    }

    /// A server or port is not available (69).
    pub(crate) fn unavailable(message: impl fmt::Display) -> Self {
        Self { code: 69, message: message.to_string() }
    }

    /// Something inside went wrong (70).
    pub(crate) fn software(message: impl fmt::Display) -> Self {
        Self { code: 70, message: message.to_string() }
    }

    /// Somebody else uses it now (75).
    pub(crate) fn busy(message: impl fmt::Display) -> Self {
        Self { code: 75, message: message.to_string() }
    }

    /// Not allowed (77).
    pub(crate) fn denied(message: impl fmt::Display) -> Self {
        Self { code: 77, message: message.to_string() }
    }

    /// The configuration is wrong (78).
    pub(crate) fn config(message: impl fmt::Display) -> Self {
        Self { code: 78, message: message.to_string() }
    }

    pub(crate) const fn code(&self) -> u8 {
        self.code
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}
