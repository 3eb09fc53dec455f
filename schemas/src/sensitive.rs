//! Personal data in its only storable form: sealed.
//!
//! [`Sensitive<T>`] holds ciphertext. Opening it needs the key ring of the event store; destroying the key
//! makes every copy (log, snapshot, table, backup) unreadable for ever, while hashes and proofs over the
//! stored bytes stay valid.

use std::fmt;
use std::marker::PhantomData;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use schemars::JsonSchema;
use serde::de::{Error as _, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::id::KeyId;

/// Bytes: base64 text in JSON, `bin` in MessagePack.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Blob(pub Vec<u8>);

impl fmt::Debug for Blob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Blob({} bytes)", self.0.len())
    }
}

impl Serialize for Blob {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.serialize_str(&STANDARD.encode(&self.0))
        } else {
            serializer.serialize_bytes(&self.0)
        }
    }
}

struct BytesVisitor;

impl<'de> Visitor<'de> for BytesVisitor {
    type Value = Blob;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bytes")
    }

    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Blob, E> {
        Ok(Blob(bytes.to_vec()))
    }

    fn visit_byte_buf<E>(self, bytes: Vec<u8>) -> Result<Blob, E> {
        Ok(Blob(bytes))
    }
}

impl<'de> Deserialize<'de> for Blob {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            let text = String::deserialize(deserializer)?;
            STANDARD.decode(text).map(Blob).map_err(D::Error::custom)
        } else {
            deserializer.deserialize_bytes(BytesVisitor)
        }
    }
}

impl JsonSchema for Blob {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Blob".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "string", "contentEncoding": "base64"})
    }
}

/// How a value was sealed. Closed: a new way is a new name.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum SealScheme {
    /// XChaCha20-Poly1305, 24-byte nonce, associated data = the 16 bytes of the organization id followed
    /// by the 16 bytes of the key id; plaintext = MessagePack of the value with field names.
    #[serde(rename = "xchacha20poly1305_v1")]
    XChaCha20Poly1305V1,
    /// XChaCha20-Poly1305 under a key derived from the data key (HKDF-SHA-256), 24-byte nonce; the
    /// ciphertext begins with 32 bytes that commit to the key. Associated data: organization, key, person,
    /// what the value means, and the interaction it belongs to, if any. Plaintext as in version 1.
    #[serde(rename = "xchacha20poly1305_v2")]
    XChaCha20Poly1305V2,
}

/// A sealed value of type `T`: key id, nonce, ciphertext.
///
/// It has no `Display`; its `Debug` shows only the key id. Only the event store's key ring opens it.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(bound = "")]
pub struct Sensitive<T> {
    /// The data key.
    pub key_id: KeyId,
    /// The way it was sealed.
    pub scheme: SealScheme,
    /// The nonce, 24 bytes.
    pub nonce: Blob,
    /// Ciphertext and tag.
    pub ciphertext: Blob,
    #[serde(skip)]
    #[schemars(skip)]
    of: PhantomData<fn() -> T>,
}

impl<T> Sensitive<T> {
    /// Puts the parts of a sealed value together. Sealing itself is the key ring's work.
    #[must_use]
    pub fn from_parts(
        key_id: KeyId,
        scheme: SealScheme,
        nonce: Vec<u8>,
        ciphertext: Vec<u8>,
    ) -> Self {
        Self { key_id, scheme, nonce: Blob(nonce), ciphertext: Blob(ciphertext), of: PhantomData }
    }
}

impl<T> Clone for Sensitive<T> {
    fn clone(&self) -> Self {
        Self {
            key_id: self.key_id,
            scheme: self.scheme,
            nonce: self.nonce.clone(),
            ciphertext: self.ciphertext.clone(),
            of: PhantomData,
        }
    }
}

impl<T> PartialEq for Sensitive<T> {
    fn eq(&self, other: &Self) -> bool {
        (self.key_id, self.scheme, &self.nonce, &self.ciphertext)
            == (other.key_id, other.scheme, &other.nonce, &other.ciphertext)
    }
}

impl<T> Eq for Sensitive<T> {}

impl<T> fmt::Debug for Sensitive<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sensitive(key {})", self.key_id)
    }
}
