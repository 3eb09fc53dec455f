//! How a key is written down.
//!
//! A wrapped key is one byte "how" and what follows from it:
//!
//! | how | then |
//! |---|---|
//! | `0` | the key itself, 32 bytes: written by earlier versions, replaced when the file is opened |
//! | `1` | length of the KEK's name (1 byte), the name, what the keyring or service made of the key |
//!
//! What it was wrapped for is part of the wrapping: a wrapped key that was moved to another person, another
//! key id or another organization does not unwrap.

use ledgerline_schemas::id::{KeyId, OrgId, SubjectId};
use uuid::Uuid;

use crate::crypt::error::CryptError;
use crate::crypt::kek::{KekId, KeyWrapper};
use crate::crypt::secret::Secret;

const PLAIN: u8 = 0;
const WRAPPED: u8 = 1;

/// What a stored key is for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Of {
    Data(OrgId, SubjectId, u128),
    Index(OrgId),
    Storage(OrgId, u128),
}

impl Of {
    const fn what(self) -> &'static str {
        match self {
            Self::Data(..) => "data key",
            Self::Index(_) => "index key",
            Self::Storage(..) => "storage key",
        }
    }

    pub(super) const fn org(self) -> OrgId {
        match self {
            Self::Data(org, ..) | Self::Index(org) | Self::Storage(org, _) => org,
        }
    }

    fn context(self) -> Vec<u8> {
        let mut bytes = b"ledgerline wrap v1\0".to_vec();
        bytes.extend_from_slice(self.what().as_bytes());
        bytes.push(0);
        bytes.extend_from_slice(self.org().uuid().as_bytes());
        if let Self::Data(_, subject, _) = self {
            bytes.extend_from_slice(subject.uuid().as_bytes());
        }
        if let Self::Data(_, _, id) | Self::Storage(_, id) = self {
            bytes.extend_from_slice(&id.to_be_bytes());
        }
        bytes
    }
}

/// A key as stored.
enum Form<'a> {
    Plain(&'a [u8]),
    Wrapped(KekId, &'a [u8]),
}

fn form(of: Of, bytes: &[u8]) -> Result<Form<'_>, CryptError> {
    let malformed = || CryptError::Malformed { what: of.what() };
    match bytes.split_first() {
        Some((&PLAIN, key)) => Ok(Form::Plain(key)),
        Some((&WRAPPED, rest)) => {
            let (length, rest) = rest.split_first().ok_or_else(malformed)?;
            let (name, wrapped) =
                rest.split_at_checked(usize::from(*length)).ok_or_else(malformed)?;
            let name = std::str::from_utf8(name).map_err(|_| malformed())?;
            Ok(Form::Wrapped(KekId::new(name).ok_or_else(malformed)?, wrapped))
        }
        _ => Err(malformed()),
    }
}

/// The KEK that wraps a stored key; `None` for a plain one.
pub(super) fn kek_of(of: Of, bytes: &[u8]) -> Result<Option<KekId>, CryptError> {
    Ok(match form(of, bytes)? {
        Form::Plain(_) => None,
        Form::Wrapped(kek, _) => Some(kek),
    })
}

/// Wraps with this KEK.
pub(super) fn wrapped(
    wrapper: &dyn KeyWrapper,
    kek: &KekId,
    of: Of,
    secret: &Secret,
) -> Result<Vec<u8>, CryptError> {
    let made = wrapper.wrap(of.org(), kek, &of.context(), secret.bytes())?;
    let name = kek.as_str().as_bytes();
    let length =
        u8::try_from(name.len()).map_err(|_| CryptError::Malformed { what: "name of a KEK" })?;
    Ok([&[WRAPPED, length], name, &made].concat())
}

/// Unwraps a stored key.
pub(super) fn unwrapped(
    wrapper: &dyn KeyWrapper,
    of: Of,
    bytes: &[u8],
) -> Result<Secret, CryptError> {
    let secret = match form(of, bytes)? {
        Form::Plain(key) => Secret::from_slice(key),
        Form::Wrapped(kek, wrapped) => {
            let key = wrapper.unwrap_secret(of.org(), &kek, &of.context(), wrapped)?;
            Secret::from_slice(&key)
        }
    };
    secret.ok_or(CryptError::Malformed { what: of.what() })
}

/// A record of the table of data keys: organization, subject, wrapped key.
pub(super) fn data_record(org: OrgId, subject: SubjectId, wrapped: &[u8]) -> Vec<u8> {
    [org.uuid().as_bytes(), subject.uuid().as_bytes(), wrapped].concat()
}

/// Takes a record of the table of data keys apart.
pub(super) fn parsed(id: u128, bytes: &[u8]) -> Result<(Of, &[u8]), CryptError> {
    let malformed = || CryptError::Malformed { what: "data key" };
    let (org, rest) = bytes.split_at_checked(16).ok_or_else(malformed)?;
    let (subject, wrapped) = rest.split_at_checked(16).ok_or_else(malformed)?;
    let uuid = |bytes| Uuid::from_slice(bytes).map_err(|_| malformed());
    Ok((Of::Data(OrgId::new(uuid(org)?), SubjectId::new(uuid(subject)?), id), wrapped))
}

/// A record of the table of storage keys: organization, wrapped key.
pub(super) fn storage_record(org: OrgId, wrapped: &[u8]) -> Vec<u8> {
    [org.uuid().as_bytes(), wrapped].concat()
}

/// Takes a record of the table of storage keys apart.
pub(super) fn parsed_storage(id: u128, bytes: &[u8]) -> Result<(Of, &[u8]), CryptError> {
    let malformed = || CryptError::Malformed { what: "storage key" };
    let (org, wrapped) = bytes.split_at_checked(16).ok_or_else(malformed)?;
    let org = Uuid::from_slice(org).map_err(|_| malformed())?;
    Ok((Of::Storage(OrgId::new(org), id), wrapped))
}

/// A key id as it is stored.
pub(super) fn key_id(id: u128) -> KeyId {
    KeyId::from_u128(id)
}
