//! Tokens of other issuers: OpenID Connect providers that the settings name.
//!
//! A [`Provider`] verifies JSON Web Tokens (RFC 7519) that an issuer signed with RS256, ES256 or EdDSA, and says which
//! principal they stand for. What it needs from a network, documents of the issuer, comes through the port
//! [`KeyFetcher`]; nothing here opens a connection.
//!
//! Invariants:
//! * the token chooses neither key nor algorithm: the algorithm must be in the settings, and fit type and `alg` of the
//!   published key; `jku`, `x5u` and `jwk` of a token's header are not looked at;
//! * claims are believed after the signature only; before it, `iss` chooses the provider and `kid` the key;
//! * no claim names a role or an organization by itself: only a value that the settings map does;
//! * a token of unknown `kid` costs the issuer one question every [`RETRY_S`] seconds at most, whoever sends how many.

pub mod fetch;
pub mod provider;
pub mod settings;

mod cache;
mod claims;
mod compact;
mod discovery;
mod endpoint;
mod jwk;

pub use cache::RETRY_S;
pub use fetch::{FetchError, Fetching, KeyFetcher};
pub use provider::Provider;
pub use settings::{
    OrganizationRule, ProviderSettings, RoleRule, SettingsError, SignatureAlgorithm, UserBy,
    UserRule,
};

pub(crate) use compact::issuer_of;

/// Longest token that is looked at, bytes; beyond it a token is malformed. Longer than the built-in issuer's: lists of
/// groups are long.
pub const MAX_TOKEN_BYTES: usize = 8192;
/// Longest discovery document, bytes.
pub const DISCOVERY_BYTES_MAX: usize = 64 * 1024;
/// Longest key set, bytes.
pub const KEY_SET_BYTES_MAX: usize = 256 * 1024;
/// Most keys in a set; a longer set is refused as a whole.
pub const KEYS_MAX: usize = 64;
/// Furthest that an operator may let the clocks of issuer and verifier differ, seconds.
pub const CLOCK_SKEW_S_MAX: u64 = 60;
