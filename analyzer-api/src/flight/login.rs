//! Who comes in: a bearer token, a session, or name and password of a database user.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use ledgerline_access::{Principal, Refusal};
use ring::pbkdf2;
use tokio::sync::Semaphore;
use tonic::metadata::MetadataMap;
use tonic::{Code, Status};

use super::sessions::{PREFIX, Sessions};
use super::status::{internal, unauthenticated, with_code};
use crate::analyzer::{AnalyzerState, Door};
use crate::ports::{ScramVerifier, may_query};

/// Header of the credentials.
pub(super) const AUTHORIZATION: &str = "authorization";
/// Passwords checked at a time: each costs thousands of hashes.
const PASSWORD_CHECKS: usize = 4;

/// Base64 of name and password: clients written in Go leave the padding out.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Lets calls in.
#[derive(Debug)]
pub(super) struct Guard {
    state: AnalyzerState,
    sessions: Sessions,
    passwords: Semaphore,
}

/// What a call shows.
#[derive(Debug, PartialEq, Eq)]
enum Credentials {
    Bearer(String),
    Basic { user: String, password: String },
}

impl Guard {
    pub(super) fn new(state: AnalyzerState, session_idle: Duration) -> Self {
        let sessions = Sessions::new(session_idle);
        Self { state, sessions, passwords: Semaphore::new(PASSWORD_CHECKS) }
    }

    /// Whose call this is. It may ask SQL.
    pub(super) async fn enter(&self, metadata: &MetadataMap) -> Result<Principal, Status> {
        let principal = match self.authenticate(metadata).await {
            Ok(principal) => principal,
            Err(status) => {
                if status.code() == Code::Unauthenticated {
                    let door = Door::FlightSql.name();
                    metrics::counter!("analyzer_unauthenticated_total", "door" => door)
                        .increment(1);
                }
                return Err(status);
            }
        };
        if !may_query(&principal) {
            let reason = "SQL is for analysts, auditors, supervisors and administrators";
            self.state.record_denied(&principal, "log_in", reason).await;
            return Err(with_code(Code::PermissionDenied, "not_allowed", reason));
        }
        Ok(principal)
    }

    async fn authenticate(&self, metadata: &MetadataMap) -> Result<Principal, Status> {
        match credentials(metadata)? {
            Credentials::Basic { user, password } => {
                let (principal, _) = self.by_password(&user, password).await?;
                Ok(principal)
            }
            Credentials::Bearer(token) if token.starts_with(PREFIX) => {
                let ended = || unauthenticated("the session has ended; log in again");
                let user = self.sessions.user(&token).ok_or_else(ended)?;
                let verifier = self.verifier(&user, |_| ()).await?.0;
                let holds = self.sessions.holds(&token, &verifier);
                verifier.principal.filter(|_| holds).ok_or_else(ended)
            }
            Credentials::Bearer(token) => {
                let verified = self.state.ports.authenticator.verify(&token).await;
                verified.map_err(|error| match error.refusal() {
                    Refusal::Unauthenticated => unauthenticated(&error.to_string()),
                    Refusal::Forbidden => Status::permission_denied(error.to_string()),
                    Refusal::Unavailable => Status::unavailable(error.to_string()),
                })
            }
        }
    }

    /// Opens a session for name and password; its token.
    pub(super) async fn log_in(&self, metadata: &MetadataMap) -> Result<String, Status> {
        self.enter(metadata).await?;
        let Credentials::Basic { user, .. } = credentials(metadata)? else {
            return Err(unauthenticated("a handshake needs name and password, as Basic"));
        };
        let verifier = self.verifier(&user, |_| ()).await?.0;
        let token = self.sessions.begin(&user, &verifier);
        token.ok_or_else(|| internal(&"the system has no randomness"))
    }

    /// Ends the session of the call; false when it came without one.
    pub(super) fn log_out(&self, metadata: &MetadataMap) -> bool {
        match credentials(metadata) {
            Ok(Credentials::Bearer(token)) => self.sessions.end(&token),
            _ => false,
        }
    }

    pub(super) fn sweep(&self) {
        self.sessions.sweep();
    }

    async fn by_password(
        &self,
        user: &str,
        password: String,
    ) -> Result<(Principal, ScramVerifier), Status> {
        let _turn = self.passwords.acquire().await.map_err(|error| internal(&error))?;
        let matches = move |verifier: &ScramVerifier| {
            let Some(rounds) = NonZeroU32::new(verifier.iterations) else { return false };
            let derived = &verifier.salted_password;
            let algorithm = pbkdf2::PBKDF2_HMAC_SHA256;
            pbkdf2::verify(algorithm, rounds, &verifier.salt, password.as_bytes(), derived).is_ok()
        };
        let (verifier, same) = self.verifier(user, matches).await?;
        match &verifier.principal {
            Some(principal) if same => Ok((principal.clone(), verifier)),
            known => {
                if let Some(principal) = known {
                    let reason = "the password is wrong";
                    self.state.record_denied(principal, "log_in", reason).await;
                }
                Err(unauthenticated("user name or password is wrong"))
            }
        }
    }

    /// What a user's password is checked against, and what is found out with it on a thread that may block.
    async fn verifier<T: Send + 'static>(
        &self,
        user: &str,
        with: impl FnOnce(&ScramVerifier) -> T + Send + 'static,
    ) -> Result<(ScramVerifier, T), Status> {
        let (scram, user) = (Arc::clone(&self.state.ports.scram), user.to_owned());
        let read = tokio::task::spawn_blocking(move || {
            scram.verifier(&user).map(|verifier| {
                let found = with(&verifier);
                (verifier, found)
            })
        });
        match read.await {
            Ok(Ok(found)) => Ok(found),
            Ok(Err(error)) => {
                tracing::error!(%error, "passwords cannot be checked");
                let reason = "passwords cannot be checked now";
                Err(with_code(Code::Unavailable, "not_ready", reason))
            }
            Err(error) => Err(internal(&error)),
        }
    }
}

/// The credentials of a call.
fn credentials(metadata: &MetadataMap) -> Result<Credentials, Status> {
    let header = metadata.get(AUTHORIZATION).ok_or_else(|| {
        unauthenticated("credentials are missing: log in, or send a bearer token")
    })?;
    let malformed = || unauthenticated("the header authorization is neither Basic nor Bearer");
    let (scheme, value) =
        header.to_str().ok().and_then(|text| text.split_once(' ')).ok_or_else(malformed)?;
    if scheme.eq_ignore_ascii_case("bearer") {
        return Ok(Credentials::Bearer(value.trim().to_owned()));
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return Err(malformed());
    }
    let bytes = BASE64.decode(value.trim()).map_err(|_| malformed())?;
    let text = String::from_utf8(bytes).map_err(|_| malformed())?;
    let (user, password) = text.split_once(':').ok_or_else(malformed)?;
    Ok(Credentials::Basic { user: user.to_owned(), password: password.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(header: &str) -> Result<Credentials, Status> {
        let mut metadata = MetadataMap::new();
        metadata.insert(AUTHORIZATION, header.parse().expect("ascii"));
        credentials(&metadata)
    }

    #[test]
    fn both_schemes_are_read_and_nothing_else() {
        assert_eq!(of("Bearer abc").ok(), Some(Credentials::Bearer("abc".to_owned())));
        // "amy:p:w": the password may hold colons.
        let basic = Credentials::Basic { user: "amy".to_owned(), password: "p:w".to_owned() };
        assert_eq!(of("basic YW15OnA6dw==").ok(), Some(basic));
        let without_padding =
            Credentials::Basic { user: "am".to_owned(), password: "p".to_owned() };
        assert_eq!(of("Basic YW06cA").ok().as_ref(), Some(&without_padding));
        assert_eq!(of("Basic YW06cA==").ok().as_ref(), Some(&without_padding));
        for bad in ["Basic", "Basic !!!", "Basic YW15", "Digest x", "Bearer"] {
            assert_eq!(of(bad).expect_err(bad).code(), Code::Unauthenticated);
        }
        let none = credentials(&MetadataMap::new()).expect_err("nobody");
        assert_eq!(none.code(), Code::Unauthenticated);
    }
}
