//! The key that signs checkpoints: one for a data directory, a name of its own for each organization.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{SECRET_KEY_LENGTH, Signer as _, SigningKey};
use sha2::{Digest as _, Sha256};

use super::error::CustodyError;

/// Name of the key file in the data directory.
pub const KEY_FILE: &str = "custody.key";

/// What the key file begins with; the rest is the 32-byte seed in base64.
const LABEL: &str = "ledgerline-custody-ed25519-v1 ";
/// Signature type of Ed25519 in a signed note.
const ED25519: u8 = 1;
/// What stands before the 32 bytes of an Ed25519 key in a `SubjectPublicKeyInfo` (RFC 8410).
const SPKI: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// The signing key. Its `Debug` shows nothing of it.
#[derive(Clone)]
pub struct CustodyKey(SigningKey);

impl fmt::Debug for CustodyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CustodyKey")
    }
}

impl CustodyKey {
    /// The key of a data directory; made from the system's random numbers, durably, if there is none.
    ///
    /// # Errors
    /// [`CustodyError::Key`] if the file is not a key or others may read it; [`CustodyError::Io`].
    pub fn open_or_create(data_directory: &Path) -> Result<Self, CustodyError> {
        match Self::open(data_directory)? {
            Some(key) => Ok(key),
            None => Self::create(data_directory, &data_directory.join(KEY_FILE)),
        }
    }

    /// The key of a data directory; `None` if it has none.
    ///
    /// # Errors
    /// As [`CustodyKey::open_or_create`].
    pub fn open(data_directory: &Path) -> Result<Option<Self>, CustodyError> {
        let path = data_directory.join(KEY_FILE);
        let refused = |reason: String| CustodyError::Key { path: path.clone(), reason };
        let metadata = match fs::metadata(&path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(CustodyError::io(&path, error)),
        };
        let mode = metadata.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(refused(format!(
                "others may use this signing key (mode {mode:o}); make it the owner's alone: chmod 600"
            )));
        }
        let text = fs::read_to_string(&path).map_err(|error| CustodyError::io(&path, error))?;
        let seed = text.strip_prefix(LABEL).and_then(|rest| rest.strip_suffix('\n'));
        let seed = seed.and_then(|seed| STANDARD.decode(seed).ok());
        let seed = seed.and_then(|seed| <[u8; SECRET_KEY_LENGTH]>::try_from(seed).ok());
        seed.map(|seed| Some(Self::from_seed(&seed)))
            .ok_or_else(|| refused("this is not a signing key of Ledgerline".to_owned()))
    }

    /// The key with this seed; for tests and restored keys.
    #[must_use]
    pub fn from_seed(seed: &[u8; SECRET_KEY_LENGTH]) -> Self {
        Self(SigningKey::from_bytes(seed))
    }

    fn create(directory: &Path, path: &Path) -> Result<Self, CustodyError> {
        let mut seed = [0; SECRET_KEY_LENGTH];
        getrandom::fill(&mut seed).map_err(|error| CustodyError::Key {
            path: path.to_owned(),
            reason: format!("the system gave no random bytes: {error}"),
        })?;
        let aside = directory.join(format!("{KEY_FILE}.new"));
        let write = || {
            match fs::remove_file(&aside) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            let mut file =
                OpenOptions::new().write(true).create_new(true).mode(0o600).open(&aside)?;
            file.write_all(format!("{LABEL}{}\n", STANDARD.encode(seed)).as_bytes())?;
            file.sync_all()?;
            fs::rename(&aside, path)?;
            File::open(directory)?.sync_all()
        };
        write().map_err(|error| CustodyError::io(path, error))?;
        Ok(Self::from_seed(&seed))
    }

    fn public(&self) -> [u8; 32] {
        self.0.verifying_key().to_bytes()
    }

    /// The id of the key under a name: the first four bytes of a hash of both.
    fn id(&self, name: &str) -> [u8; 4] {
        let mut hasher = Sha256::new();
        hasher.update(name.as_bytes());
        hasher.update([b'\n', ED25519]);
        hasher.update(self.public());
        let [a, b, c, d, ..] = <[u8; 32]>::from(hasher.finalize());
        [a, b, c, d]
    }

    /// The public key under a name, as a C2SP verifier key (vkey): `name+id+key`.
    #[must_use]
    pub fn vkey(&self, name: &str) -> String {
        let id = u32::from_be_bytes(self.id(name));
        let mut key = vec![ED25519];
        key.extend_from_slice(&self.public());
        format!("{name}+{id:08x}+{}", STANDARD.encode(key))
    }

    /// The public key as PEM, for `openssl`.
    #[must_use]
    pub fn public_pem(&self) -> String {
        let mut der = SPKI.to_vec();
        der.extend_from_slice(&self.public());
        format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(der))
    }

    /// A C2SP signed note of this text, which must end with a newline, under this name.
    pub(super) fn sign(&self, name: &str, text: &str) -> String {
        let mut signature = self.id(name).to_vec();
        signature.extend_from_slice(&self.0.sign(text.as_bytes()).to_bytes());
        format!("{text}\n\u{2014} {name} {}\n", STANDARD.encode(signature))
    }
}
