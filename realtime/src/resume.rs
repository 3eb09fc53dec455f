//! Resume tokens: what a subscriber has, signed, so that it can go on from there.
//!
//! The key lives as long as the process. After a restart nothing is retained to resume from, and a token
//! of the process before is answered with a fresh snapshot.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use ledgerline_schemas::Position;
use sha2::Sha256;

use crate::query::Hash;

/// What a token says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resume {
    /// Epoch of the tables.
    pub epoch: u64,
    /// The subscriber has everything up to here.
    pub position: Position,
    /// Its query and who asked.
    pub query: Hash,
    /// What it was allowed to see.
    pub policy: Hash,
    /// When the token ends, seconds since 1970.
    pub expires_s: u64,
}

/// Signs and checks resume tokens.
#[derive(Clone)]
pub struct ResumeKey(Hmac<Sha256>);

impl std::fmt::Debug for ResumeKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ResumeKey")
    }
}

const BODY_BYTES: usize = 8 + 8 + 16 + 16 + 8;

impl ResumeKey {
    /// A key made of random bytes.
    ///
    /// # Errors
    /// When the operating system gives none.
    pub fn random() -> Result<Self, getrandom::Error> {
        let mut key = [0_u8; 64];
        getrandom::fill(&mut key)?;
        Ok(Self(Hmac::new(&key.into())))
    }

    /// A token.
    #[must_use]
    pub fn sign(&self, resume: &Resume) -> String {
        let mut bytes = Vec::with_capacity(BODY_BYTES + 32);
        bytes.extend_from_slice(&resume.epoch.to_be_bytes());
        bytes.extend_from_slice(&resume.position.0.to_be_bytes());
        bytes.extend_from_slice(&resume.query);
        bytes.extend_from_slice(&resume.policy);
        bytes.extend_from_slice(&resume.expires_s.to_be_bytes());
        let mac = self.0.clone().chain_update(&bytes).finalize().into_bytes();
        bytes.extend_from_slice(&mac);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// What a token says; `None` unless it was signed here and has not ended.
    #[must_use]
    pub fn open(&self, token: &str, now_s: u64) -> Option<Resume> {
        // Longer text is not worth decoding.
        let bytes = URL_SAFE_NO_PAD.decode(token.get(..256).map_or(token, |_| "")).ok()?;
        let (body, mac) = bytes.split_at_checked(BODY_BYTES)?;
        self.0.clone().chain_update(body).verify_slice(mac).ok()?;
        let (epoch, rest) = body.split_first_chunk::<8>()?;
        let (position, rest) = rest.split_first_chunk::<8>()?;
        let (query, rest) = rest.split_first_chunk::<16>()?;
        let (policy, rest) = rest.split_first_chunk::<16>()?;
        let (expires, _) = rest.split_first_chunk::<8>()?;
        let expires_s = u64::from_be_bytes(*expires);
        (now_s < expires_s).then_some(Resume {
            epoch: u64::from_be_bytes(*epoch),
            position: Position(u64::from_be_bytes(*position)),
            query: *query,
            policy: *policy,
            expires_s,
        })
    }
}
