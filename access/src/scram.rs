//! Database users for SCRAM-SHA-256 (RFC 5802, RFC 7677).
//!
//! The PostgreSQL wire server needs salt, iteration count and salted password of a user. Passwords are
//! generated here, 120 random bits in ASCII, so SASLprep (RFC 4013) changes nothing in them and is not
//! applied; a password is shown once and not kept. The salted password lets its holder log in to this
//! server, so the file is as secret as a key.
//!
//! The file is read at every log-in, so a user that the command line adds is known to a running server
//! at once, and one that it removes is out.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use ledgerline_schemas::id::{OrgId, UserId, UserProfileId};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use crate::error::{AccessError, StoreError};
use crate::principal::{Principal, Role};
use crate::secret_file;

/// File of the database users inside the data directory.
pub const USERS_FILE: &str = "sql-users.json";
/// Iterations of PBKDF2 for every user: the server announces one number before it knows the user, and
/// 120 random bits need no stretching beyond the least that RFC 7677 allows.
pub const ITERATIONS: u32 = 4096;

const LOCK_FILE: &str = "sql-users.lock";
const SALT_BYTES: usize = 16;
const ALPHABET: &[u8; 32] = b"abcdefghjkmnpqrstuvwxyz234567890";

/// A user to create.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewUser {
    /// Log-in name, unique in the installation: 1 to 63 of `a-z 0-9 . _ -`, a letter first.
    pub name: String,
    /// The organization it sees.
    pub org_id: OrgId,
    /// Roles; at least one.
    pub roles: BTreeSet<Role>,
    /// The user it stands for, if any.
    pub user_id: Option<UserId>,
    /// A user profile that narrows what it sees, besides the user's own.
    pub user_profile_id: Option<UserProfileId>,
}

/// What the server side of one SCRAM exchange needs.
#[derive(Clone, PartialEq, Eq)]
pub struct ScramSecret {
    /// Salt, 16 bytes.
    pub salt: Vec<u8>,
    /// Iterations of PBKDF2-HMAC-SHA-256.
    pub iterations: u32,
    /// `Hi(password, salt, iterations)`, 32 bytes.
    pub salted_password: Vec<u8>,
}

impl fmt::Debug for ScramSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScramSecret").field("iterations", &self.iterations).finish_non_exhaustive()
    }
}

#[derive(Default, Serialize, Deserialize)]
struct Document {
    /// Key of the salts shown for names that do not exist, base64.
    decoy_key: String,
    users: BTreeMap<String, StoredUser>,
}

#[derive(Clone, Serialize, Deserialize)]
struct StoredUser {
    org_id: OrgId,
    roles: BTreeSet<Role>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    user_id: Option<UserId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    user_profile_id: Option<UserProfileId>,
    iterations: u32,
    salt: String,
    salted_password: String,
}

/// The database users of an installation. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ScramCredentials {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    users_path: PathBuf,
    lock_path: PathBuf,
    /// Writers of this process; the lock file holds off those of others.
    writing: Mutex<()>,
}

impl ScramCredentials {
    /// Opens the users of a data directory; makes an empty file on first use.
    ///
    /// # Errors
    /// [`StoreError`] when the file cannot be used, others can read it, or it is damaged.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        let inner = Inner {
            users_path: dir.join(USERS_FILE),
            lock_path: dir.join(LOCK_FILE),
            writing: Mutex::new(()),
        };
        let this = Self { inner: Arc::new(inner) };
        secret_file::read_or_create(&this.inner.users_path, || {
            let decoy_key = STANDARD.encode(secret_file::random::<32>()?);
            this.encode(&Document { decoy_key, users: BTreeMap::new() })
        })?;
        this.read()?;
        Ok(this)
    }

    /// Creates a user and returns its password, which is not kept: show it once.
    ///
    /// # Errors
    /// [`StoreError::InvalidName`], [`StoreError::UserExists`], [`StoreError::NoRoles`], or the file.
    pub fn create_user(&self, user: &NewUser) -> Result<String, StoreError> {
        if !valid_name(&user.name) {
            return Err(StoreError::InvalidName(user.name.clone()));
        }
        if user.roles.is_empty() {
            return Err(StoreError::NoRoles(user.name.clone()));
        }
        let (password, secret) = generate()?;
        let stored = StoredUser {
            org_id: user.org_id,
            roles: user.roles.clone(),
            user_id: user.user_id,
            user_profile_id: user.user_profile_id,
            iterations: secret.iterations,
            salt: STANDARD.encode(&secret.salt),
            salted_password: STANDARD.encode(&secret.salted_password),
        };
        self.change(|document| {
            if document.users.contains_key(&user.name) {
                return Err(StoreError::UserExists(user.name.clone()));
            }
            document.users.insert(user.name.clone(), stored);
            Ok(())
        })?;
        Ok(password)
    }

    /// Gives a user a new password; the old one is void at once.
    ///
    /// # Errors
    /// [`StoreError::UnknownUser`], or the file.
    pub fn reset_password(&self, name: &str) -> Result<String, StoreError> {
        let (password, secret) = generate()?;
        self.change(|document| {
            let user = document
                .users
                .get_mut(name)
                .ok_or_else(|| StoreError::UnknownUser(name.to_owned()))?;
            user.iterations = secret.iterations;
            user.salt = STANDARD.encode(&secret.salt);
            user.salted_password = STANDARD.encode(&secret.salted_password);
            Ok(())
        })?;
        Ok(password)
    }

    /// Removes a user.
    ///
    /// # Errors
    /// [`StoreError::UnknownUser`], or the file.
    pub fn remove_user(&self, name: &str) -> Result<(), StoreError> {
        self.change(|document| match document.users.remove(name) {
            Some(_) => Ok(()),
            None => Err(StoreError::UnknownUser(name.to_owned())),
        })
    }

    /// The user of a name with its secret; `None` when there is none.
    ///
    /// # Errors
    /// [`StoreError`] when the file cannot be used.
    pub fn lookup(&self, name: &str) -> Result<Option<(Principal, ScramSecret)>, StoreError> {
        let document = self.read()?;
        document.users.get(name).map(|user| self.entry(name, user)).transpose()
    }

    /// A secret for a name that does not exist: the same salt at every try, never matched by a password.
    /// Answering with it keeps the exchange from telling which names exist.
    ///
    /// # Errors
    /// [`StoreError`] when the file cannot be used.
    pub fn decoy(&self, name: &str) -> Result<ScramSecret, StoreError> {
        let document = self.read()?;
        let mut salt = self.keyed(&document, b"salt", name)?;
        salt.truncate(SALT_BYTES);
        let salted_password = secret_file::random::<32>()?.to_vec();
        Ok(ScramSecret { salt, iterations: ITERATIONS, salted_password })
    }

    /// Whose password this is; takes the same time for a wrong password and an unknown name.
    ///
    /// # Errors
    /// [`AccessError::WrongPassword`] for either, [`AccessError::Unavailable`] when the file cannot be
    /// used.
    pub fn verify_password(&self, name: &str, password: &str) -> Result<Principal, AccessError> {
        let known = self.lookup(name).map_err(|_| AccessError::Unavailable)?;
        let (principal, secret) = match known {
            Some((principal, secret)) => (Some(principal), secret),
            None => (None, self.decoy(name).map_err(|_| AccessError::Unavailable)?),
        };
        let given = salt_password(password, &secret.salt, secret.iterations);
        let same = same_bytes(&given, &secret.salted_password);
        principal.filter(|_| same).ok_or(AccessError::WrongPassword)
    }

    fn entry(&self, name: &str, user: &StoredUser) -> Result<(Principal, ScramSecret), StoreError> {
        let secret = ScramSecret {
            salt: self.decode("salt", &user.salt)?,
            iterations: user.iterations,
            salted_password: self.decode("salted_password", &user.salted_password)?,
        };
        let principal = Principal {
            org_id: user.org_id,
            subject: name.to_owned(),
            roles: user.roles.clone(),
            user_id: user.user_id,
            user_profile_id: user.user_profile_id,
        };
        Ok((principal, secret))
    }

    fn keyed(&self, document: &Document, use_of: &[u8], name: &str) -> Result<Vec<u8>, StoreError> {
        let key = self.decode("decoy_key", &document.decoy_key)?;
        let mut mac = Hmac::<Sha256>::new_from_slice(&key)
            .map_err(|error| self.damaged(format!("field 'decoy_key': {error}")))?;
        mac.update(use_of);
        mac.update(name.as_bytes());
        Ok(mac.finalize().into_bytes().to_vec())
    }

    fn change(
        &self,
        change: impl FnOnce(&mut Document) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        // The guarded state is the file, which is replaced as a whole: a panic elsewhere leaves it good.
        let _writing = self.inner.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let lock = secret_file::lock_file(&self.inner.lock_path)?;
        lock.lock().map_err(|e| StoreError::io(&self.inner.lock_path, e))?;
        let mut document = self.read()?;
        change(&mut document)?;
        secret_file::replace(&self.inner.users_path, &self.encode(&document)?)
    }

    fn read(&self) -> Result<Document, StoreError> {
        let path = &self.inner.users_path;
        let bytes = secret_file::read(path)?
            .ok_or_else(|| StoreError::io(path, std::io::ErrorKind::NotFound.into()))?;
        // Line and column only: the parser's own text could quote a secret.
        serde_json::from_slice(&bytes)
            .map_err(|e| self.damaged(format!("at line {} column {}", e.line(), e.column())))
    }

    fn encode(&self, document: &Document) -> Result<Vec<u8>, StoreError> {
        serde_json::to_vec_pretty(document).map_err(|e| self.damaged(e.to_string()))
    }

    fn decode(&self, field: &str, text: &str) -> Result<Vec<u8>, StoreError> {
        STANDARD.decode(text).map_err(|_| self.damaged(format!("field '{field}' is not base64")))
    }

    fn damaged(&self, reason: String) -> StoreError {
        StoreError::Damaged { path: self.inner.users_path.clone(), reason }
    }
}

fn valid_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|first| first.is_ascii_lowercase())
        && name.len() <= 63
        && bytes.all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b))
}

fn generate() -> Result<(String, ScramSecret), StoreError> {
    let random: [u8; 24] = secret_file::random()?;
    let mut password = String::with_capacity(27);
    for (index, byte) in random.iter().enumerate() {
        if index % 6 == 0 && index > 0 {
            password.push('-');
        }
        // 32 letters: the low five bits choose without bias.
        let letter = ALPHABET.get(usize::from(byte & 31)).copied().unwrap_or(b'x');
        password.push(char::from(letter));
    }
    let salt = secret_file::random::<SALT_BYTES>()?.to_vec();
    let salted_password = salt_password(&password, &salt, ITERATIONS);
    Ok((password, ScramSecret { salt, iterations: ITERATIONS, salted_password }))
}

fn salt_password(password: &str, salt: &[u8], iterations: u32) -> Vec<u8> {
    let mut salted = [0_u8; 32];
    pbkdf2::pbkdf2_hmac::<Sha256>(password.as_bytes(), salt, iterations, &mut salted);
    salted.to_vec()
}

/// Compares secrets without stopping at the first difference: how long it takes tells nothing but whether the
/// lengths are equal.
#[must_use]
pub fn same_bytes(left: &[u8], right: &[u8]) -> bool {
    left.len() == right.len() && left.iter().zip(right).fold(0_u8, |sum, (a, b)| sum | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn salts_as_rfc_7677_does() {
        // The example of RFC 7677, section 3: user "user", password "pencil". The client proof of that
        // exchange is reproduced from the salted password.
        let salt = STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
        let salted = salt_password("pencil", &salt, 4096);
        let mac = |key: &[u8], text: &[u8]| {
            let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
            mac.update(text);
            mac.finalize().into_bytes()
        };
        let message = "n=user,r=rOprNGfwEbeRWgbNEkqO,\
            r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,\
            c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
        let signature = mac(&mac(&salted, b"Server Key"), message.as_bytes());
        assert_eq!(STANDARD.encode(signature), "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
    }
}
