//! Secrets of the settings: from a file or the environment, never shown.

use std::fmt;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use zeroize::Zeroizing;

/// Prefix of a signing secret in text.
const PREFIX: &str = "whsec_";
/// Lengths a signing key may have, bytes.
const KEY_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// A value that is not shown, not even by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Keeps bytes.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The key of a signing secret: text that begins with `whsec_`, then base64 of 24 to 64 bytes.
    ///
    /// # Errors
    /// What is wrong with its form; never the secret.
    pub fn signing_key(&self) -> Result<Self, String> {
        let text = std::str::from_utf8(&self.0).map_err(|_| "is no text".to_owned())?;
        let coded = text
            .trim()
            .strip_prefix(PREFIX)
            .ok_or_else(|| format!("does not begin with {PREFIX}"))?;
        let key =
            STANDARD.decode(coded).map_err(|_| "is no base64 behind its prefix".to_owned())?;
        if !KEY_BYTES.contains(&key.len()) {
            return Err(format!("has {} bytes; a signing key has 24 to 64", key.len()));
        }
        Ok(Self::new(key))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// Where a secret comes from: exactly one of the two.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SecretSource {
    /// A file; white space at its end does not count.
    pub file: Option<PathBuf>,
    /// A variable of the environment.
    pub env: Option<String>,
}

impl SecretSource {
    /// Reads it.
    ///
    /// # Errors
    /// Why it cannot be had, with the name of file or variable.
    pub fn read(&self) -> Result<Secret, String> {
        let text = match (&self.file, &self.env) {
            (Some(path), None) => std::fs::read(path)
                .map(Zeroizing::new)
                .map_err(|error| format!("file {}: {error}", path.display()))?,
            (None, Some(name)) => std::env::var(name)
                .map(|text| Zeroizing::new(text.into_bytes()))
                .map_err(|_| format!("environment variable {name} is not set"))?,
            _ => return Err("give either file or env".to_owned()),
        };
        let trimmed = text.trim_ascii_end();
        if trimmed.is_empty() {
            return Err("is empty".to_owned());
        }
        Ok(Secret::new(trimmed.to_vec()))
    }
}
