//! The built-in token issuer: JSON Web Tokens signed with one key of this installation.
//!
//! HS256 with 256 random bits: the server that signs is the server that verifies, so nobody needs a
//! public key. The algorithm is pinned; the header of a token never chooses it.

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use ledgerline_schemas::id::{OrgId, UserId, UserProfileId};
use serde::{Deserialize, Serialize};

use crate::error::{AccessError, StoreError};
use crate::principal::{Principal, Role};
use crate::secret_file;

/// File of the signing key inside the data directory.
pub const KEY_FILE: &str = "token.key";
/// `iss` of every token.
pub const ISSUER: &str = "ledgerline";
/// `aud` of every token.
pub const AUDIENCE: &str = "ledgerline-api";
/// How far the clocks of issuer and verifier may differ, seconds.
pub const CLOCK_SKEW_S: u64 = 30;
/// Longest life of a token, seconds: one year.
pub const MAX_TTL_S: u64 = 366 * 24 * 3600;
/// Longest token that is looked at, bytes; beyond it a token is malformed.
pub const MAX_TOKEN_BYTES: usize = 4096;

const KEY_BYTES: usize = 32;
/// Longest subject, bytes.
pub(crate) const MAX_SUBJECT_BYTES: usize = 128;

/// Seconds since 1970-01-01T00:00:00Z.
pub type Clock = Arc<dyn Fn() -> u64 + Send + Sync>;

/// What a new token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The organization.
    pub org_id: OrgId,
    /// Who holds it: 1 to 128 bytes, no personal data.
    pub subject: String,
    /// Roles; at least one.
    pub roles: BTreeSet<Role>,
    /// The user it stands for; required for the role agent.
    pub user_id: Option<UserId>,
    /// A user profile that narrows what it shows, besides the user's own.
    pub user_profile_id: Option<UserProfileId>,
    /// Life, seconds: 1 to [`MAX_TTL_S`].
    pub ttl_s: u64,
}

#[derive(Debug, Serialize, Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    sub: String,
    iat: u64,
    nbf: u64,
    exp: u64,
    jti: String,
    org: OrgId,
    roles: BTreeSet<Role>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    user: Option<UserId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    profile: Option<UserProfileId>,
}

/// Signs and verifies tokens. Cheap to clone.
#[derive(Clone)]
pub struct TokenIssuer {
    keys: Arc<Keys>,
    clock: Clock,
}

struct Keys {
    sign: EncodingKey,
    verify: DecodingKey,
    validation: Validation,
}

impl fmt::Debug for TokenIssuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenIssuer").finish_non_exhaustive()
    }
}

impl TokenIssuer {
    /// Opens the issuer of a data directory with the system's clock; makes its key on first use.
    ///
    /// # Errors
    /// [`StoreError`] when the key file cannot be used, others can read it, or it is damaged.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        Self::open_with_clock(dir, Arc::new(system_clock))
    }

    /// Like [`Self::open`] with a clock of the caller's.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_with_clock(dir: &Path, clock: Clock) -> Result<Self, StoreError> {
        let path = dir.join(KEY_FILE);
        let key =
            secret_file::read_or_create(
                &path,
                || Ok(secret_file::random::<KEY_BYTES>()?.to_vec()),
            )?;
        if key.len() != KEY_BYTES {
            let reason = format!("key has {} bytes, it must have {KEY_BYTES}", key.len());
            return Err(StoreError::Damaged { path, reason });
        }
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[AUDIENCE]);
        validation.set_required_spec_claims(&["exp", "nbf", "iss", "aud", "sub"]);
        // The library reads the system's clock; the times are checked below, against ours.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        let keys = Keys {
            sign: EncodingKey::from_secret(&key),
            verify: DecodingKey::from_secret(&key),
            validation,
        };
        Ok(Self { keys: Arc::new(keys), clock })
    }

    /// Signs a token that is valid from now on.
    ///
    /// # Errors
    /// [`AccessError::InvalidGrant`] naming the field, [`AccessError::Signing`] if signing fails.
    pub fn issue(&self, grant: &Grant) -> Result<String, AccessError> {
        check(grant)?;
        let now = (self.clock)();
        let nonce: [u8; 16] =
            secret_file::random().map_err(|e| AccessError::Signing(e.to_string()))?;
        let claims = Claims {
            iss: ISSUER.to_owned(),
            aud: AUDIENCE.to_owned(),
            sub: grant.subject.clone(),
            iat: now,
            nbf: now,
            exp: now.saturating_add(grant.ttl_s),
            jti: format!("{:032x}", u128::from_be_bytes(nonce)),
            org: grant.org_id,
            roles: grant.roles.clone(),
            user: grant.user_id,
            profile: grant.user_profile_id,
        };
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &self.keys.sign)
            .map_err(|e| AccessError::Signing(e.to_string()))
    }

    /// Who holds this token.
    ///
    /// # Errors
    /// Every way in which it can be wrong has its own [`AccessError`]; the signature is checked first,
    /// so the others are said only about tokens that this server signed.
    pub fn verify(&self, token: &str) -> Result<Principal, AccessError> {
        self.verify_with_expiry(token).map(|(principal, _)| principal)
    }

    /// Like [`Self::verify`], with the token's `exp` (seconds since 1970): a long-lived connection ends
    /// when the token that opened it does.
    ///
    /// # Errors
    /// As [`Self::verify`].
    pub fn verify_with_expiry(&self, token: &str) -> Result<(Principal, u64), AccessError> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(AccessError::Malformed(format!("longer than {MAX_TOKEN_BYTES} bytes")));
        }
        let claims =
            jsonwebtoken::decode::<Claims>(token, &self.keys.verify, &self.keys.validation)
                .map_err(|error| refusal(error.kind()))?
                .claims;
        let now = (self.clock)();
        if now >= claims.exp.saturating_add(CLOCK_SKEW_S) {
            return Err(AccessError::Expired);
        }
        if claims.nbf > now.saturating_add(CLOCK_SKEW_S) {
            return Err(AccessError::NotYetValid);
        }
        let principal = Principal {
            org_id: claims.org,
            subject: claims.sub,
            roles: claims.roles,
            user_id: claims.user,
            user_profile_id: claims.profile,
        };
        Ok((principal, claims.exp))
    }

    /// The clock that tokens are held against.
    #[must_use]
    pub fn clock(&self) -> Clock {
        Arc::clone(&self.clock)
    }

    /// Now, by this issuer's clock, seconds since 1970.
    #[must_use]
    pub fn now_s(&self) -> u64 {
        (self.clock)()
    }
}

fn system_clock() -> u64 {
    // A clock before 1970 reads as 0: then every token is "not valid yet", which is the safe answer.
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs())
}

fn check(grant: &Grant) -> Result<(), AccessError> {
    let invalid = |field, reason| Err(AccessError::InvalidGrant { field, reason });
    if grant.subject.is_empty() || grant.subject.len() > MAX_SUBJECT_BYTES {
        return invalid("subject", "must have 1 to 128 bytes");
    }
    if grant.subject.chars().any(char::is_control) {
        return invalid("subject", "must not contain control characters");
    }
    if grant.roles.is_empty() {
        return invalid("roles", "must name at least one role");
    }
    if grant.roles.contains(&Role::Agent) && grant.user_id.is_none() {
        return invalid("user_id", "is required for the role agent");
    }
    if grant.ttl_s == 0 || grant.ttl_s > MAX_TTL_S {
        return invalid("ttl_s", "must be 1 to 31622400");
    }
    Ok(())
}

fn refusal(kind: &ErrorKind) -> AccessError {
    match kind {
        ErrorKind::InvalidSignature => AccessError::BadSignature,
        ErrorKind::InvalidAlgorithm
        | ErrorKind::InvalidAlgorithmName
        | ErrorKind::UnsupportedAlgorithm => AccessError::WrongAlgorithm,
        ErrorKind::ExpiredSignature => AccessError::Expired,
        ErrorKind::ImmatureSignature => AccessError::NotYetValid,
        ErrorKind::InvalidIssuer => AccessError::WrongIssuer,
        ErrorKind::InvalidAudience => AccessError::WrongAudience,
        ErrorKind::MissingRequiredClaim(claim) => {
            AccessError::Malformed(format!("claim '{claim}' is missing"))
        }
        ErrorKind::InvalidClaimFormat(claim) => {
            AccessError::Malformed(format!("claim '{claim}' has the wrong form"))
        }
        ErrorKind::Json(error) => AccessError::Malformed(json_reason(error)),
        _ => AccessError::Malformed("not a signed token of three parts".to_owned()),
    }
}

/// A header with an unknown `alg` fails as JSON; so does a claim of the wrong type. The library's text
/// would quote the token, so only the kind of failure is said.
fn json_reason(error: &serde_json::Error) -> String {
    match error.classify() {
        serde_json::error::Category::Data => {
            "a header field or claim has the wrong form".to_owned()
        }
        _ => "not JSON inside".to_owned(),
    }
}
