//! Who comes in: credentials of a call, and the log they open.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::metadata::MetadataMap;
use tonic::{Code, Status};

use super::authorizer::{Authorizer, Caller, Credentials, Logs, Unauthorized};
use super::house::{House, Reading};
use super::refusal;
use crate::log::EventWriter;

/// Passwords checked at a time: each costs thousands of hashes.
const PASSWORD_CHECKS: usize = 4;

/// What a call wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    Read,
    Append,
    /// Persistent subscriptions made, changed and removed.
    Manage,
}

/// Shared by all services.
#[derive(Debug)]
pub(crate) struct Door {
    authorizer: Arc<dyn Authorizer>,
    logs: Arc<dyn Logs>,
    house: Arc<dyn House>,
    passwords: Semaphore,
    /// Cancelled when the server stops.
    pub(crate) closing: CancellationToken,
    /// Everything that runs for a call beyond its answer.
    pub(crate) tasks: TaskTracker,
}

/// A call that was let in.
#[derive(Clone)]
pub(crate) struct Session {
    pub(crate) caller: Caller,
    pub(crate) log: Arc<dyn EventWriter>,
    pub(crate) house: Arc<dyn House>,
    /// When the credentials end.
    pub(crate) until: Option<Instant>,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("caller", &self.caller).finish_non_exhaustive()
    }
}

impl Session {
    /// Notes that this caller reads, before anything is sent.
    pub(crate) async fn note(&self, reading: Reading) -> Result<(), Status> {
        self.house.reads(&self.caller, reading).await.map_err(|reason| {
            tracing::error!(reason, "a read cannot be noted, so it is refused");
            Status::unavailable("who reads cannot be noted now")
        })
    }
}

impl Door {
    pub(crate) fn new(
        authorizer: Arc<dyn Authorizer>,
        logs: Arc<dyn Logs>,
        house: Arc<dyn House>,
        closing: CancellationToken,
    ) -> Self {
        let passwords = Semaphore::new(PASSWORD_CHECKS);
        Self { authorizer, logs, house, passwords, closing, tasks: TaskTracker::new() }
    }

    /// Lets a call in, or says why not.
    pub(crate) async fn enter(
        self: &Arc<Self>,
        metadata: &MetadataMap,
        need: Need,
    ) -> Result<Session, Status> {
        let credentials = credentials(metadata)?;
        let caller = self.check(credentials).await?;
        let allowed = match need {
            Need::Read => caller.may_read,
            Need::Append => caller.may_append,
            Need::Manage => caller.may_read && caller.may_append,
        };
        if !allowed {
            return Err(refusal::access_denied(match need {
                Need::Read => "these credentials do not allow reading the log",
                Need::Append => "these credentials do not allow appending",
                Need::Manage => "these credentials do not allow managing subscriptions",
            }));
        }
        let log = self
            .logs
            .log(caller.org_id)
            .ok_or_else(|| refusal::access_denied("the organization is not served here"))?;
        let until = caller.valid_for.and_then(|left| Instant::now().checked_add(left));
        Ok(Session { caller, log, house: Arc::clone(&self.house), until })
    }

    async fn check(self: &Arc<Self>, credentials: Credentials) -> Result<Caller, Status> {
        let _turn = match &credentials {
            Credentials::Basic { .. } => {
                Some(self.passwords.acquire().await.map_err(|_| refusal::closing())?)
            }
            Credentials::Bearer(_) => None,
        };
        let authorizer = Arc::clone(&self.authorizer);
        let checked = tokio::task::spawn_blocking(move || authorizer.authorize(&credentials)).await;
        match checked {
            Ok(Ok(caller)) => Ok(caller),
            Ok(Err(Unauthorized::Credentials(reason))) => Err(unauthenticated(&reason)),
            Ok(Err(Unauthorized::Unavailable(reason))) => {
                tracing::error!(reason, "credentials cannot be checked");
                Err(Status::unavailable("credentials cannot be checked now"))
            }
            Err(_) => Err(Status::internal("checking the credentials failed")),
        }
    }
}

fn unauthenticated(reason: &str) -> Status {
    Status::new(Code::Unauthenticated, reason)
}

/// The credentials in the header `authorization`.
fn credentials(metadata: &MetadataMap) -> Result<Credentials, Status> {
    let Some(header) = metadata.get("authorization") else {
        return Err(unauthenticated("credentials are missing: send Basic or Bearer"));
    };
    let malformed = || unauthenticated("the header authorization is not Basic or Bearer");
    let (scheme, value) =
        header.to_str().ok().and_then(|text| text.split_once(' ')).ok_or_else(malformed)?;
    if scheme.eq_ignore_ascii_case("bearer") {
        return Ok(Credentials::Bearer(value.trim().to_owned()));
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return Err(malformed());
    }
    let bytes = STANDARD.decode(value.trim()).map_err(|_| malformed())?;
    let text = String::from_utf8(bytes).map_err(|_| malformed())?;
    let (user, password) = text.split_once(':').ok_or_else(malformed)?;
    Ok(Credentials::Basic { user: user.to_owned(), password: password.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(header: &str) -> Result<Credentials, Status> {
        let mut metadata = MetadataMap::new();
        metadata.insert("authorization", header.parse().expect("ascii"));
        credentials(&metadata)
    }

    #[test]
    fn both_schemes_are_read_and_nothing_else() {
        assert!(matches!(of("Bearer abc"), Ok(Credentials::Bearer(token)) if token == "abc"));
        // "amy:p:w": the password may hold colons.
        let basic = of("basic YW15OnA6dw==");
        assert!(matches!(basic, Ok(Credentials::Basic { user, password })
            if user == "amy" && password == "p:w"));
        for bad in ["Basic", "Basic !!!", "Basic YW15", "Digest x", "Bearer"] {
            assert_eq!(of(bad).expect_err(bad).code(), Code::Unauthenticated);
        }
        let none = credentials(&MetadataMap::new()).expect_err("nobody");
        assert_eq!(none.code(), Code::Unauthenticated);
    }
}
