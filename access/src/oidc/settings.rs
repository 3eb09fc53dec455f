//! What an operator says about an issuer.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;

use jsonwebtoken::Algorithm;
use serde::Deserialize;

use super::endpoint::endpoint;
use super::{CLOCK_SKEW_S_MAX, RETRY_S, discovery};
use crate::principal::Role;
use crate::token;

/// Longest that keys may be used without hearing from their issuer, seconds: a week.
const KEEP_S_MAX: u64 = 7 * 86_400;
/// Longest time between two questions for keys, seconds: a day.
const REFRESH_S_MAX: u64 = 86_400;
/// Longest prefix of subjects, bytes.
const PREFIX_BYTES_MAX: usize = 32;

/// A signature algorithm that may be allowed (RFC 7518, section 3.1; RFC 8037). There is none with a shared secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub enum SignatureAlgorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256, keys of 2,048 to 4,096 bits.
    #[serde(rename = "RS256")]
    Rs256,
    /// ECDSA over P-256 with SHA-256.
    #[serde(rename = "ES256")]
    Es256,
    /// Ed25519.
    #[serde(rename = "EdDSA")]
    EdDsa,
}

impl SignatureAlgorithm {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Rs256, Self::Es256, Self::EdDsa];

    /// Its name in a header or a key.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
        }
    }

    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.name() == name)
    }

    pub(super) const fn of_library(self) -> Algorithm {
        match self {
            Self::Rs256 => Algorithm::RS256,
            Self::Es256 => Algorithm::ES256,
            Self::EdDsa => Algorithm::EdDSA,
        }
    }
}

impl fmt::Display for SignatureAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// An issuer whose tokens are accepted.
///
/// Names of claims are those of the top level; one that begins with `/` is a JSON pointer (RFC 6901), such as
/// `/realm_access/roles`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProviderSettings {
    /// `iss` of its tokens, byte by byte; `https`, or `http` on this machine.
    pub issuer: String,
    /// A token must be for one of these.
    pub audiences: Vec<String>,
    /// Address of its key set; found by discovery when absent.
    #[serde(default)]
    pub jwks_uri: Option<String>,
    /// Certificates (PEM) its server is checked with; those of the system when absent. Read by whoever fetches.
    #[serde(default)]
    pub ca_certificates: Option<PathBuf>,
    /// Algorithms that are accepted.
    #[serde(default = "all_algorithms")]
    pub algorithms: BTreeSet<SignatureAlgorithm>,
    /// How far the clocks may differ, seconds; 0 to 60.
    #[serde(default = "default_skew_s")]
    pub clock_skew_s: u64,
    /// Time between two questions for keys, seconds: as long may a withdrawn key still be used; 10 to 86,400.
    #[serde(default = "default_refresh_s")]
    pub refresh_s: u64,
    /// How long the last keys are used while the issuer does not answer, seconds; `refresh_s` to 604,800.
    #[serde(default = "default_keep_s")]
    pub keep_s: u64,
    /// Claim that says who it is.
    #[serde(default = "default_subject")]
    pub subject_claim: String,
    /// Put before every subject, so that subjects of two issuers stay apart.
    #[serde(default)]
    pub subject_prefix: String,
    /// Which organization a token opens.
    pub organization: OrganizationRule,
    /// Which roles it has.
    pub roles: RoleRule,
    /// Which user it stands for.
    #[serde(default)]
    pub user: Option<UserRule>,
}

/// Which organization a token opens: a fixed one, or by the values of a claim.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OrganizationRule {
    /// Every token of the issuer opens this organization.
    pub name: Option<String>,
    /// The claim.
    pub claim: Option<String>,
    /// Names of organizations by values of the claim. A value that is not here opens none.
    pub values: BTreeMap<String, String>,
}

/// Which roles a token has.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoleRule {
    /// The claim: a text or a list of texts; `scope` and `scp` are lists with spaces between (RFC 8693, section 4.2).
    pub claim: String,
    /// Roles by values of the claim. A value that is not here gives none.
    pub values: BTreeMap<String, BTreeSet<Role>>,
}

/// Which user a token stands for.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UserRule {
    /// The claim. A token without it stands for no user.
    pub claim: String,
    /// What its value is.
    #[serde(default)]
    pub by: UserBy,
}

/// What the value of a user claim is. It is said, not guessed: who may choose a name must not choose an id with it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UserBy {
    /// The name that the user was made with, as with `ledgerline token --user`.
    #[default]
    Name,
    /// The user's id.
    Id,
}

fn all_algorithms() -> BTreeSet<SignatureAlgorithm> {
    SignatureAlgorithm::ALL.into()
}

const fn default_skew_s() -> u64 {
    30
}

const fn default_refresh_s() -> u64 {
    300
}

const fn default_keep_s() -> u64 {
    86_400
}

fn default_subject() -> String {
    "sub".to_owned()
}

/// A setting that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {reason}")]
pub struct SettingsError {
    /// The field, such as `roles.values`.
    pub field: &'static str,
    /// What is wrong.
    pub reason: String,
}

impl SettingsError {
    pub(super) fn new(field: &'static str, reason: impl Into<String>) -> Self {
        Self { field, reason: reason.into() }
    }
}

impl ProviderSettings {
    /// Whether they can be used.
    ///
    /// # Errors
    /// [`SettingsError`] naming the field.
    pub fn check(&self) -> Result<(), SettingsError> {
        let wrong = |field, reason: &str| Err(SettingsError::new(field, reason));
        if self.issuer == token::ISSUER {
            return wrong("issuer", "is the name of the built-in issuer");
        }
        let issuer = endpoint(&self.issuer).map_err(|it| SettingsError::new("issuer", it))?;
        if issuer.query().is_some() {
            return wrong("issuer", "must not have a query");
        }
        discovery::document_of(&self.issuer).map_err(|it| SettingsError::new("issuer", it))?;
        if let Some(address) = &self.jwks_uri {
            endpoint(address).map_err(|it| SettingsError::new("jwks_uri", it))?;
        }
        if self.audiences.is_empty() || self.audiences.iter().any(String::is_empty) {
            return wrong("audiences", "name at least one, none of them empty");
        }
        if self.algorithms.is_empty() {
            return wrong("algorithms", "name at least one of RS256, ES256, EdDSA");
        }
        if self.clock_skew_s > CLOCK_SKEW_S_MAX {
            return wrong("clock_skew_s", "0 to 60");
        }
        if !(RETRY_S..=REFRESH_S_MAX).contains(&self.refresh_s) {
            return wrong("refresh_s", "10 to 86400");
        }
        if !(self.refresh_s..=KEEP_S_MAX).contains(&self.keep_s) {
            return wrong("keep_s", "refresh_s to 604800");
        }
        if self.subject_claim.is_empty() {
            return wrong("subject_claim", "is empty");
        }
        let prefix = &self.subject_prefix;
        if prefix.len() > PREFIX_BYTES_MAX || prefix.chars().any(char::is_control) {
            return wrong("subject_prefix", "at most 32 bytes, no control characters");
        }
        self.organization.check()?;
        if self.roles.claim.is_empty() {
            return wrong("roles.claim", "is empty");
        }
        if self.roles.values.is_empty() {
            return wrong("roles.values", "is empty: no token could do anything");
        }
        if self.user.as_ref().is_some_and(|user| user.claim.is_empty()) {
            return wrong("user.claim", "is empty");
        }
        Ok(())
    }
}

impl OrganizationRule {
    fn check(&self) -> Result<(), SettingsError> {
        let reason = match (&self.name, &self.claim) {
            (Some(_), None) if self.values.is_empty() => return Ok(()),
            (None, Some(claim)) if !claim.is_empty() && !self.values.is_empty() => return Ok(()),
            (None, Some(_)) => "claim needs a name and values",
            _ => "give either name, or claim and values",
        };
        Err(SettingsError::new("organization", reason))
    }
}
