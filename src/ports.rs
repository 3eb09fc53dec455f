//! What the read sides need from around them, given by what is open in this process.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use ledgerline_access::policy::{Action, allows};
use ledgerline_access::{AccessError, Principal, Refusal, ScramCredentials, Verified, Verifier};
use ledgerline_analyzer_api::ports::{
    AuthError, Authenticator, LogSource, ScramStore, ScramVerifier, SnapshotSource, Snapshotting,
    Verifying,
};
use ledgerline_analyzer_api::record::WriterSource;
use ledgerline_event_store::kurrent::{Authorizer, Caller, Credentials, Logs, Unauthorized};
use ledgerline_event_store::{EventReader, EventWriter};
use ledgerline_projections::rights::Directory;
use ledgerline_projections::{Past, Projections, Rights};
use ledgerline_schemas::id::OrgId;
use tokio::runtime::Handle;

/// Log and tables of one organization.
#[derive(Clone, Debug)]
pub(crate) struct Open {
    pub(crate) log: Arc<dyn EventWriter>,
    pub(crate) projections: Projections,
}

/// Everything that is open, by organization. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Opened(Arc<RwLock<BTreeMap<OrgId, Open>>>);

impl Opened {
    pub(crate) fn add(&self, org_id: OrgId, open: Open) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(org_id, open);
    }

    pub(crate) fn get(&self, org_id: OrgId) -> Option<Open> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(&org_id).cloned()
    }

    /// Lets go of everything, so that logs can close.
    pub(crate) fn clear(&self) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

impl SnapshotSource for Opened {
    fn snapshot(&self, org_id: OrgId, wait: Duration) -> Snapshotting<'_> {
        let open = self.get(org_id);
        Box::pin(async move { Some(open?.projections.caught_up(wait).await) })
    }

    fn past(&self, org_id: OrgId) -> Option<Arc<Past>> {
        self.get(org_id).map(|open| open.projections.past())
    }
}

impl LogSource for Opened {
    fn reader(&self, org_id: OrgId) -> Option<Arc<dyn EventReader>> {
        let log: Arc<dyn EventReader> = self.get(org_id)?.log;
        Some(log)
    }
}

impl WriterSource for Opened {
    fn writer(&self, org_id: OrgId) -> Option<Arc<dyn EventWriter>> {
        self.get(org_id).map(|open| open.log)
    }
}

impl Logs for Opened {
    fn log(&self, org_id: OrgId) -> Option<Arc<dyn EventWriter>> {
        self.get(org_id).map(|open| open.log)
    }
}

/// Tokens and database users at the KurrentDB door.
#[derive(Clone, Debug)]
pub(crate) struct EventClients {
    pub(crate) verifier: Verifier,
    pub(crate) users: ScramCredentials,
    pub(crate) opened: Opened,
}

impl Authorizer for EventClients {
    fn authorize(&self, credentials: &Credentials) -> Result<Caller, Unauthorized> {
        let refused = |error: AccessError| match error.refusal() {
            Refusal::Unavailable => Unauthorized::Unavailable(error.to_string()),
            Refusal::Unauthenticated | Refusal::Forbidden => {
                Unauthorized::Credentials(error.to_string())
            }
        };
        match credentials {
            Credentials::Bearer(token) => {
                // On a thread that may block, inside the runtime.
                let verifying = self.verifier.verify(token);
                let Verified { principal, expires_s } =
                    Handle::current().block_on(verifying).map_err(refused)?;
                let left_s = expires_s.saturating_sub(self.verifier.now_s());
                Ok(self.caller(principal, Some(Duration::from_secs(left_s))))
            }
            Credentials::Basic { user, password } => {
                let principal = self.users.verify_password(user, password).map_err(refused)?;
                Ok(self.caller(principal, None))
            }
        }
    }
}

impl EventClients {
    fn caller(&self, principal: Principal, valid_for: Option<Duration>) -> Caller {
        Caller {
            may_read: allows(&principal, Action::EventLogRead) && self.sees_log(&principal),
            may_append: allows(&principal, Action::ExternalAppend),
            org_id: principal.org_id,
            subject: principal.subject,
            valid_for,
        }
    }

    /// The log knows no places, so a user profile that does not grant all of them closes it.
    fn sees_log(&self, principal: &Principal) -> bool {
        if !principal.may_be_limited() {
            return true;
        }
        let Some(open) = self.opened.get(principal.org_id) else { return false };
        let directory = Directory::of(&open.projections.snapshot());
        Rights::of(principal, &directory).is_ok_and(|rights| rights.sees_log())
    }
}

/// Tokens at the analyzer's doors.
#[derive(Clone, Debug)]
pub(crate) struct Tokens(pub(crate) Verifier);

impl Authenticator for Tokens {
    fn verify<'a>(&'a self, token: &'a str) -> Verifying<'a> {
        Box::pin(async move { Ok(self.0.verify(token).await?.principal) })
    }
}

/// Database users at the PostgreSQL door.
#[derive(Clone, Debug)]
pub(crate) struct DatabaseUsers(pub(crate) ScramCredentials);

impl ScramStore for DatabaseUsers {
    fn verifier(&self, user: &str) -> Result<ScramVerifier, AuthError> {
        let trouble = |error: ledgerline_access::StoreError| AuthError(error.to_string());
        let (principal, secret) = match self.0.lookup(user).map_err(trouble)? {
            Some((principal, secret)) => (Some(principal), secret),
            None => (None, self.0.decoy(user).map_err(trouble)?),
        };
        Ok(ScramVerifier {
            principal,
            salt: secret.salt,
            iterations: secret.iterations,
            salted_password: secret.salted_password,
        })
    }
}

#[cfg(test)]
mod tests;
