//! Sessions: what a log-in with a password gives, so that the password is not sent with every call.
//!
//! A session's token is 256 random bits and known to this process only. A session ends when it is not used for a
//! while, when it is closed, and when its user is removed or gets another password.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::{SecureRandom, SystemRandom};
use sha2::{Digest, Sha256};

use crate::ports::ScramVerifier;

/// How session tokens begin: they are told from signed ones by it.
pub(super) const PREFIX: &str = "session-";
/// Sessions of one user; a further one ends the one that was not used for the longest time.
const SESSIONS_OF_USER_MAX: usize = 64;

/// Hash of a token, or of what a password is checked against.
type Hash = [u8; 32];

#[derive(Debug)]
struct Session {
    user: String,
    /// Of the password it was opened with.
    stamp: Hash,
    used: Instant,
}

/// The open sessions. They are found by a hash of their token: how long that takes tells nothing about it.
#[derive(Debug)]
pub(super) struct Sessions {
    open: Mutex<BTreeMap<Hash, Session>>,
    idle: Duration,
}

/// What tells one password of a user from another.
fn stamp(verifier: &ScramVerifier) -> Hash {
    Sha256::digest(&verifier.salted_password).into()
}

impl Sessions {
    /// Sessions that end `idle` after their last use.
    pub(super) fn new(idle: Duration) -> Self {
        Self { open: Mutex::default(), idle }
    }

    fn open(&self) -> MutexGuard<'_, BTreeMap<Hash, Session>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens a session and gives its token; `None` when the system has no randomness.
    pub(super) fn begin(&self, user: &str, verifier: &ScramVerifier) -> Option<String> {
        let mut secret = [0; 32];
        SystemRandom::new().fill(&mut secret).ok()?;
        let token = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(secret));
        let session =
            Session { user: user.to_owned(), stamp: stamp(verifier), used: Instant::now() };
        let mut open = self.open();
        let of_user = open.iter().filter(|(_, it)| it.user == user);
        let oldest = of_user.clone().min_by_key(|(_, it)| it.used).map(|(hash, _)| *hash);
        if of_user.count() >= SESSIONS_OF_USER_MAX
            && let Some(oldest) = oldest
        {
            open.remove(&oldest);
        }
        open.insert(Sha256::digest(&token).into(), session);
        Some(token)
    }

    /// The user of a session.
    pub(super) fn user(&self, token: &str) -> Option<String> {
        let hash: Hash = Sha256::digest(token).into();
        let mut open = self.open();
        let session = open.get_mut(&hash)?;
        if session.used.elapsed() >= self.idle {
            open.remove(&hash);
            return None;
        }
        session.used = Instant::now();
        Some(session.user.clone())
    }

    /// Whether a session was opened with the password that its user still has; it ends if not.
    pub(super) fn holds(&self, token: &str, verifier: &ScramVerifier) -> bool {
        let hash: Hash = Sha256::digest(token).into();
        let mut open = self.open();
        let same = open.get(&hash).is_some_and(|session| session.stamp == stamp(verifier));
        if !same || verifier.principal.is_none() {
            open.remove(&hash);
            return false;
        }
        true
    }

    /// Ends a session; false when there is none.
    pub(super) fn end(&self, token: &str) -> bool {
        let hash: Hash = Sha256::digest(token).into();
        self.open().remove(&hash).is_some()
    }

    /// Forgets those that were not used for too long.
    pub(super) fn sweep(&self) {
        self.open().retain(|_, session| session.used.elapsed() < self.idle);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verifier(password: u8) -> ScramVerifier {
        let principal = ledgerline_access::Principal {
            org_id: ledgerline_schemas::id::OrgId::from_u128(1),
            subject: "ann".to_owned(),
            roles: [ledgerline_access::Role::Analyst].into(),
            user_id: None,
            user_profile_id: None,
        };
        ScramVerifier {
            principal: Some(principal),
            salt: Vec::new(),
            iterations: 4_096,
            salted_password: vec![password; 32],
        }
    }

    #[test]
    fn a_session_ends_with_its_password_its_time_and_its_closing() {
        let sessions = Sessions::new(Duration::from_secs(3_600));
        let token = sessions.begin("ann", &verifier(1)).expect("a token");
        assert_eq!(sessions.user(&token).as_deref(), Some("ann"));
        assert!(sessions.holds(&token, &verifier(1)));
        assert!(!sessions.holds(&token, &verifier(2)), "another password");
        assert_eq!(sessions.user(&token), None, "it ended with it");
        let token = sessions.begin("ann", &verifier(1)).expect("a token");
        let removed = ScramVerifier { principal: None, ..verifier(1) };
        assert!(!sessions.holds(&token, &removed), "the user is gone");
        let token = sessions.begin("ann", &verifier(1)).expect("a token");
        assert!(sessions.end(&token) && !sessions.end(&token));
        assert_eq!(sessions.user(&token), None);
        let short = Sessions::new(Duration::ZERO);
        let token = short.begin("ann", &verifier(1)).expect("a token");
        assert_eq!(short.user(&token), None, "not used for too long");
    }

    #[test]
    fn a_user_has_a_bounded_number_of_sessions() {
        let sessions = Sessions::new(Duration::from_secs(3_600));
        let first = sessions.begin("ann", &verifier(1)).expect("a token");
        let other = sessions.begin("bob", &verifier(1)).expect("a token");
        for _ in 0..SESSIONS_OF_USER_MAX {
            sessions.begin("ann", &verifier(1)).expect("a token");
        }
        assert_eq!(sessions.user(&first), None);
        assert_eq!(sessions.user(&other).as_deref(), Some("bob"), "users do not end each other's");
        assert_eq!(sessions.open().len(), SESSIONS_OF_USER_MAX + 1);
    }
}
