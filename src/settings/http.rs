//! Settings of the HTTP port.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::Deserialize;

use super::loopback;
use crate::failure::Failure;

/// The HTTP doors.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Http {
    /// Address to listen at.
    pub(crate) listen: SocketAddr,
    /// Certificate chain (PEM); with it the port speaks TLS, without it clear text.
    pub(crate) certificate: Option<PathBuf>,
    /// Private key (PEM).
    pub(crate) private_key: Option<PathBuf>,
}

impl Http {
    /// How the port's address begins.
    pub(crate) const fn scheme(&self) -> &'static str {
        if self.certificate.is_some() { "https" } else { "http" }
    }

    pub(super) fn check(&self) -> Result<(), Failure> {
        if self.certificate.is_some() != self.private_key.is_some() {
            return Err(Failure::config("http.certificate and http.private_key go together"));
        }
        Ok(())
    }
}

impl Default for Http {
    fn default() -> Self {
        Self { listen: loopback(8080), certificate: None, private_key: None }
    }
}
