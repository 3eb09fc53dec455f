//! KEKs in a folder: `ORGANIZATION/ID.kek`, one key each, and `ORGANIZATION/current`, the id in force.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use ledgerline_schemas::id::OrgId;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::{KekId, KeyWrapper, WrapError};
use crate::crypt::secret::{SECRET_BYTES, Secret};

const NONCE_BYTES: usize = 24;
/// First bytes of a key file; the rest is the key in hex and a line end.
const MAGIC: &str = "ledgerline-kek-v1 ";

#[derive(Default)]
struct Held {
    current: Option<KekId>,
    keys: BTreeMap<KekId, Secret>,
}

/// KEKs in files that only their owner can read, or in memory for tests.
pub struct FileKeyring {
    directory: Option<PathBuf>,
    held: Mutex<BTreeMap<OrgId, Held>>,
}

impl fmt::Debug for FileKeyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FileKeyring({})", self.place())
    }
}

fn trouble(path: &Path, reason: impl fmt::Display) -> WrapError {
    WrapError::Keyring { path: path.to_owned(), reason: reason.to_string() }
}

impl FileKeyring {
    /// A keyring in `directory`; it is made when the first KEK is.
    #[must_use]
    pub fn in_directory(directory: &Path) -> Self {
        Self { directory: Some(directory.to_owned()), held: Mutex::default() }
    }

    /// A keyring that ends with its handle.
    #[must_use]
    pub fn in_memory() -> Self {
        Self { directory: None, held: Mutex::default() }
    }

    fn held(&self) -> MutexGuard<'_, BTreeMap<OrgId, Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn folder(&self, org: OrgId) -> Option<PathBuf> {
        self.directory.as_ref().map(|directory| directory.join(org.to_string()))
    }

    /// Makes a KEK and puts it in force.
    fn make(&self, org: OrgId, held: &mut Held) -> Result<KekId, WrapError> {
        let random = |error| trouble(Path::new(&self.place()), error);
        let secret = Secret::random().map_err(random)?;
        let mut id = [0; 16];
        getrandom::fill(&mut id).map_err(|error| trouble(Path::new(&self.place()), error))?;
        let name = uuid::Builder::from_random_bytes(id).into_uuid().to_string();
        let kek = KekId(name.clone());
        if let Some(folder) = self.folder(org) {
            let mut text =
                Zeroizing::new(String::with_capacity(MAGIC.len() + 2 * SECRET_BYTES + 1));
            text.push_str(MAGIC);
            for byte in secret.bytes() {
                for digit in [byte >> 4, byte & 15] {
                    text.push(char::from_digit(u32::from(digit), 16).unwrap_or('0'));
                }
            }
            text.push('\n');
            let write = || -> io::Result<()> {
                make_private(&folder)?;
                write_durably(&folder, &format!("{name}.kek"), text.as_bytes())?;
                write_durably(&folder, "current", format!("{name}\n").as_bytes())
            };
            write().map_err(|error| trouble(&folder, error))?;
        }
        held.keys.insert(kek.clone(), secret);
        held.current = Some(kek.clone());
        Ok(kek)
    }

    fn secret(&self, org: OrgId, kek: &KekId) -> Result<Secret, WrapError> {
        let mut all = self.held();
        let held = all.entry(org).or_default();
        if let Some(secret) = held.keys.get(kek) {
            return Ok(secret.clone());
        }
        let missing = || WrapError::Missing { org, kek: kek.clone(), place: self.place() };
        // Names come from the key file: one that is no UUID must not become a path.
        let name = Uuid::parse_str(kek.as_str()).map_err(|_| missing())?;
        let folder = self.folder(org).ok_or_else(missing)?;
        let path = folder.join(format!("{name}.kek"));
        let secret = match read_key(&path) {
            Ok(Some(secret)) => secret,
            Ok(None) => return Err(trouble(&path, "it does not hold a key")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(missing()),
            Err(error) => return Err(trouble(&path, error)),
        };
        held.keys.insert(kek.clone(), secret.clone());
        Ok(secret)
    }
}

impl KeyWrapper for FileKeyring {
    fn current(&self, org: OrgId) -> Result<KekId, WrapError> {
        let mut all = self.held();
        let held = all.entry(org).or_default();
        if let Some(kek) = &held.current {
            return Ok(kek.clone());
        }
        if let Some(folder) = self.folder(org) {
            let path = folder.join("current");
            match fs::read_to_string(&path) {
                Ok(text) => {
                    let name = Uuid::parse_str(text.trim())
                        .map_err(|_| trouble(&path, "it names no key"))?;
                    let kek = KekId(name.to_string());
                    held.current = Some(kek.clone());
                    return Ok(kek);
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(trouble(&path, error)),
            }
        }
        self.make(org, held)
    }

    fn wrap(
        &self,
        org: OrgId,
        kek: &KekId,
        context: &[u8],
        secret: &[u8],
    ) -> Result<Vec<u8>, WrapError> {
        let key = self.secret(org, kek)?;
        let mut nonce = [0; NONCE_BYTES];
        getrandom::fill(&mut nonce).map_err(|error| trouble(Path::new(&self.place()), error))?;
        let sealed = XChaCha20Poly1305::new(key.bytes().into())
            .encrypt(&XNonce::from(nonce), Payload { msg: secret, aad: context })
            .map_err(|_| WrapError::Damaged { kek: kek.clone() })?;
        Ok([nonce.as_slice(), &sealed].concat())
    }

    fn unwrap_secret(
        &self,
        org: OrgId,
        kek: &KekId,
        context: &[u8],
        wrapped: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, WrapError> {
        let key = self.secret(org, kek)?;
        let damaged = || WrapError::Damaged { kek: kek.clone() };
        let (nonce, sealed) = wrapped.split_at_checked(NONCE_BYTES).ok_or_else(damaged)?;
        let nonce = <[u8; NONCE_BYTES]>::try_from(nonce).map_err(|_| damaged())?;
        XChaCha20Poly1305::new(key.bytes().into())
            .decrypt(&XNonce::from(nonce), Payload { msg: sealed, aad: context })
            .map(Zeroizing::new)
            .map_err(|_| damaged())
    }

    fn keks(&self, org: OrgId) -> Result<Vec<KekId>, WrapError> {
        let Some(folder) = self.folder(org) else {
            return Ok(self.held().entry(org).or_default().keys.keys().cloned().collect());
        };
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(trouble(&folder, error)),
        };
        let mut found = Vec::new();
        for entry in entries {
            let name = entry.map_err(|error| trouble(&folder, error))?.file_name();
            let id = name.to_str().and_then(|name| name.strip_suffix(".kek"));
            if let Some(id) = id.and_then(|id| Uuid::parse_str(id).ok()) {
                found.push(KekId(id.to_string()));
            }
        }
        found.sort();
        Ok(found)
    }

    fn rotate(&self, org: OrgId) -> Result<KekId, WrapError> {
        self.make(org, self.held().entry(org).or_default())
    }

    fn destroy(&self, org: OrgId, kek: &KekId) -> Result<(), WrapError> {
        if self.current(org)? == *kek {
            return Err(WrapError::InForce { kek: kek.clone() });
        }
        self.held().entry(org).or_default().keys.remove(kek);
        let Ok(name) = Uuid::parse_str(kek.as_str()) else { return Ok(()) };
        let Some(folder) = self.folder(org) else { return Ok(()) };
        let path = folder.join(format!("{name}.kek"));
        match destroy_file(&path).and_then(|()| sync_directory(&folder)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(trouble(&path, error)),
            _ => Ok(()),
        }
    }

    fn place(&self) -> String {
        self.directory.as_ref().map_or_else(|| "(memory)".to_owned(), |it| it.display().to_string())
    }
}

/// Makes a folder and those above it, for their owner only.
fn make_private(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    if let Some(parent) = folder.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        make_private(parent)?;
    }
    fs::create_dir(folder)?;
    fs::set_permissions(folder, Permissions::from_mode(0o700))?;
    folder.parent().map_or(Ok(()), sync_directory)
}

fn sync_directory(folder: &Path) -> io::Result<()> {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    File::open(folder)?.sync_all()
}

/// Writes a file aside, then gives it its name.
fn write_durably(folder: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let aside = folder.join(format!("{name}.partial"));
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&aside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&aside, folder.join(name))?;
    sync_directory(folder)
}

fn read_key(path: &Path) -> io::Result<Option<Secret>> {
    let mut file = File::open(path)?;
    if file.metadata()?.permissions().mode() & 0o077 != 0 {
        let reason = "others can read it; its mode has to be 0600";
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, reason));
    }
    let mut text = Zeroizing::new(String::new());
    file.read_to_string(&mut text)?;
    let Some(digits) = text.strip_prefix(MAGIC).map(str::trim_end) else { return Ok(None) };
    if digits.len() != 2 * SECRET_BYTES || !digits.is_ascii() {
        return Ok(None);
    }
    let mut bytes = Zeroizing::new([0_u8; SECRET_BYTES]);
    for (index, byte) in bytes.iter_mut().enumerate() {
        let pair = digits.get(2 * index..2 * index + 2).unwrap_or_default();
        match u8::from_str_radix(pair, 16) {
            Ok(value) => *byte = value,
            Err(_) => return Ok(None),
        }
    }
    Ok(Secret::from_slice(bytes.as_slice()))
}

/// Overwrites a key before its name goes away. What the file system or the drive copied elsewhere is
/// beyond reach.
fn destroy_file(path: &Path) -> io::Result<()> {
    let length = usize::try_from(fs::metadata(path)?.len()).unwrap_or_default();
    let mut file = OpenOptions::new().write(true).open(path)?;
    file.write_all(&vec![0; length])?;
    file.sync_all()?;
    fs::remove_file(path)
}
