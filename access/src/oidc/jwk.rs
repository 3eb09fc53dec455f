//! Published keys (RFC 7517, RFC 7518 section 6, RFC 8037).

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::DecodingKey;
use serde::Deserialize;
use serde_json::Value;

use super::KEYS_MAX;
use super::fetch::FetchError;
use super::settings::SignatureAlgorithm;

/// Bits of an RSA modulus that is used: below, it can be factored; above, one check takes too long.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2_048..=4_096;
/// Bytes of a P-256 coordinate and of an Ed25519 key.
const POINT_BYTES: usize = 32;

/// A key that can verify.
pub(super) struct Key {
    kid: Option<String>,
    /// The one algorithm it is used with: its type has no other here.
    algorithm: SignatureAlgorithm,
    material: Vec<Vec<u8>>,
    pub(super) verify: DecodingKey,
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key")
            .field("kid", &self.kid)
            .field("algorithm", &self.algorithm)
            .finish_non_exhaustive()
    }
}

/// The keys of an issuer at one moment.
#[derive(Debug, Default)]
pub(super) struct KeySet {
    keys: Vec<Arc<Key>>,
    /// Entries that are not used: of another type, for another use, unsafe or ambiguous.
    pub(super) left_out: usize,
}

/// What a set has for a token.
#[derive(Debug)]
pub(super) enum Found {
    Key(Arc<Key>),
    /// No key of this id, or without an id none for the algorithm.
    Unknown,
    /// There is a key of this id, for another algorithm.
    OtherAlgorithm,
    /// The token names no key and several would do.
    Several,
}

#[derive(Deserialize)]
struct Document {
    keys: Vec<Value>,
}

#[derive(Deserialize)]
struct Jwk {
    kty: String,
    #[serde(default)]
    kid: Option<String>,
    #[serde(default)]
    alg: Option<String>,
    #[serde(default, rename = "use")]
    usage: Option<String>,
    #[serde(default)]
    key_ops: Option<Vec<String>>,
    #[serde(default)]
    crv: Option<String>,
    #[serde(default)]
    n: Option<String>,
    #[serde(default)]
    e: Option<String>,
    #[serde(default)]
    x: Option<String>,
    #[serde(default)]
    y: Option<String>,
    #[serde(default)]
    d: Option<Value>,
}

impl KeySet {
    /// Reads a set. An entry that cannot be used is left out; it does not spoil the others.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, FetchError> {
        let document: Document = serde_json::from_slice(bytes)
            .map_err(|_| FetchError("key set: not a JSON object with keys".to_owned()))?;
        if document.keys.len() > KEYS_MAX {
            let found = document.keys.len();
            return Err(FetchError(format!("key set: {found} keys, at most {KEYS_MAX} are read")));
        }
        let all = document.keys.len();
        let read = document.keys.into_iter().filter_map(|entry| {
            serde_json::from_value::<Jwk>(entry).ok().as_ref().and_then(Key::read)
        });
        let mut keys: Vec<Key> = Vec::new();
        for key in read {
            if !keys.iter().any(|known| known.repeats(&key)) {
                keys.push(key);
            }
        }
        // Two different keys under one id: which one is meant cannot be known, so neither is used.
        let ambiguous: Vec<bool> =
            keys.iter().map(|key| keys.iter().any(|other| other.contradicts(key))).collect();
        let keys: Vec<Arc<Key>> = keys
            .into_iter()
            .zip(ambiguous)
            .filter_map(|(key, ambiguous)| (!ambiguous).then(|| Arc::new(key)))
            .collect();
        let left_out = all - keys.len();
        Ok(Self { keys, left_out })
    }

    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    /// The key for a token of this algorithm and key id. An id is compared, and used for nothing else.
    pub(super) fn find(&self, algorithm: SignatureAlgorithm, kid: Option<&str>) -> Found {
        let mut named = false;
        let mut found: Option<&Arc<Key>> = None;
        for key in &self.keys {
            if kid.is_some() && key.kid.as_deref() != kid {
                continue;
            }
            named = true;
            if key.algorithm == algorithm {
                if found.is_some() {
                    return Found::Several;
                }
                found = Some(key);
            }
        }
        match found {
            Some(key) => Found::Key(Arc::clone(key)),
            None if named && kid.is_some() => Found::OtherAlgorithm,
            None => Found::Unknown,
        }
    }
}

impl Key {
    fn read(jwk: &Jwk) -> Option<Self> {
        let signs = jwk.usage.as_ref().is_none_or(|usage| usage == "sig");
        let verifies = jwk
            .key_ops
            .as_ref()
            .is_none_or(|operations| operations.iter().any(|it| it == "verify"));
        // A private key that was published is everybody's.
        if !signs || !verifies || jwk.d.is_some() {
            return None;
        }
        let (algorithm, material, verify) = match (jwk.kty.as_str(), jwk.crv.as_deref()) {
            ("RSA", _) => rsa(jwk)?,
            ("EC", Some("P-256")) => p256(jwk)?,
            ("OKP", Some("Ed25519")) => ed25519(jwk)?,
            _ => return None,
        };
        if jwk.alg.as_ref().is_some_and(|alg| alg != algorithm.name()) {
            return None;
        }
        Some(Self { kid: jwk.kid.clone(), algorithm, material, verify })
    }

    fn repeats(&self, other: &Self) -> bool {
        self.kid == other.kid
            && self.algorithm == other.algorithm
            && self.material == other.material
    }

    fn contradicts(&self, other: &Self) -> bool {
        self.kid.is_some()
            && self.kid == other.kid
            && self.algorithm == other.algorithm
            && self.material != other.material
    }
}

type Read = (SignatureAlgorithm, Vec<Vec<u8>>, DecodingKey);

fn decoded(text: Option<&String>) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text?).ok()
}

fn without_zeros(mut bytes: Vec<u8>) -> Vec<u8> {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    bytes.drain(..zeros);
    bytes
}

fn rsa(jwk: &Jwk) -> Option<Read> {
    let n = without_zeros(decoded(jwk.n.as_ref())?);
    let e = without_zeros(decoded(jwk.e.as_ref())?);
    let first = n.first()?;
    let bits = n.len() * 8 - first.leading_zeros() as usize;
    let odd = |bytes: &[u8]| bytes.last().is_some_and(|last| last & 1 == 1);
    // An exponent of 1 makes every signature good; RFC 8017 wants an odd one of 3 or more.
    if !RSA_BITS.contains(&bits) || !odd(&n) || !odd(&e) || e.len() > 4 || e == [1] {
        return None;
    }
    let verify = DecodingKey::from_rsa_raw_components(&n, &e);
    Some((SignatureAlgorithm::Rs256, vec![n, e], verify))
}

fn p256(jwk: &Jwk) -> Option<Read> {
    let (x, y) = (decoded(jwk.x.as_ref())?, decoded(jwk.y.as_ref())?);
    if x.len() != POINT_BYTES || y.len() != POINT_BYTES {
        return None;
    }
    let verify = DecodingKey::from_ec_components(jwk.x.as_ref()?, jwk.y.as_ref()?).ok()?;
    Some((SignatureAlgorithm::Es256, vec![x, y], verify))
}

fn ed25519(jwk: &Jwk) -> Option<Read> {
    let x = decoded(jwk.x.as_ref())?;
    // The library reads the first 32 bytes of whatever there is, and panics when there are fewer.
    if x.len() != POINT_BYTES {
        return None;
    }
    let verify = DecodingKey::from_ed_der(&x);
    Some((SignatureAlgorithm::EdDsa, vec![x], verify))
}
