//! What the analyzer needs from around it. `src/` wires the implementations.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use ledgerline_access::{AccessError, Action, Principal, Role, allows};
use ledgerline_event_store::EventReader;
use ledgerline_projections::{Past, Snapshot};
use ledgerline_schemas::Event;
use ledgerline_schemas::id::OrgId;
use serde_json::Value;

/// A future that a [`SnapshotSource`] gives back.
pub type Snapshotting<'a> = Pin<Box<dyn Future<Output = Option<Arc<Snapshot>>> + Send + 'a>>;

/// Gives the tables of an organization.
pub trait SnapshotSource: Send + Sync + fmt::Debug + 'static {
    /// A snapshot that holds every event that was durable at the call, so that whoever was told that
    /// something happened finds it. When the tables do not get there within `wait`, the newest there is:
    /// its position says what it lacks. `None` when the organization is unknown or its tables are not
    /// built yet.
    fn snapshot(&self, org_id: OrgId, wait: Duration) -> Snapshotting<'_>;

    /// The tables as they were; `None` when the organization is unknown or nothing but the present is kept.
    fn past(&self, org_id: OrgId) -> Option<Arc<Past>>;
}

/// Gives the reading side of an organization's log.
pub trait LogSource: Send + Sync + fmt::Debug + 'static {
    /// The log; `None` when the organization is unknown.
    fn reader(&self, org_id: OrgId) -> Option<Arc<dyn EventReader>>;
}

/// A future that an [`Authenticator`] gives back.
pub type Verifying<'a> = Pin<Box<dyn Future<Output = Result<Principal, AccessError>> + Send + 'a>>;

/// Turns a bearer token into a principal.
pub trait Authenticator: Send + Sync + fmt::Debug + 'static {
    /// Checks signature, times and claims; this may wait for the keys of the token's issuer. The text of an error may
    /// be shown to the caller, and [`AccessError::refusal`] says how a door answers it.
    fn verify<'a>(&'a self, token: &'a str) -> Verifying<'a>;
}

/// The database users cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct AuthError(pub String);

/// What a database user's log-in is checked against (RFC 5802, SHA-256).
#[derive(Clone, PartialEq, Eq)]
pub struct ScramVerifier {
    /// The principal the user becomes. `None` for a name that does not exist: the exchange then runs to
    /// its end and fails as a wrong password does, so that it does not tell which names exist.
    pub principal: Option<Principal>,
    /// Salt.
    pub salt: Vec<u8>,
    /// Rounds of PBKDF2, at least 4,096.
    pub iterations: u32,
    /// `Hi(password, salt, iterations)`, 32 bytes.
    pub salted_password: Vec<u8>,
}

impl fmt::Debug for ScramVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScramVerifier").field("principal", &self.principal).finish_non_exhaustive()
    }
}

/// The database users.
pub trait ScramStore: Send + Sync + fmt::Debug + 'static {
    /// The verifier of a user; a decoy without principal when there is no such user.
    ///
    /// # Errors
    /// [`AuthError`] when the store cannot be read.
    fn verifier(&self, user: &str) -> Result<ScramVerifier, AuthError>;
}

/// A future that an [`AccessRecorder`] gives back.
pub type Recording<'a> = Pin<Box<dyn Future<Output = Result<(), String>> + Send + 'a>>;

/// Appends access events to the log of the principal's organization.
///
/// An answer is not complete before its event is durable: if recording fails, the answer fails.
pub trait AccessRecorder: Send + Sync + fmt::Debug + 'static {
    /// Appends the event to the principal's access stream; resolves when it is durable.
    fn record(&self, principal: &Principal, event: Event) -> Recording<'_>;
}

/// What a [`ScheduleSource`] has to say.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    /// There is no schedule of that name.
    #[error("there is no report_schedule '{0}'")]
    Unknown(String),
    /// It is switched off.
    #[error("the report_schedule '{0}' is switched off")]
    SwitchedOff(String),
    /// The organization's schedules are not there, or the log does not take their events.
    #[error("schedules of reports are not available: {0}")]
    NotAvailable(String),
}

/// A future that a [`ScheduleSource`] gives back.
pub type Asking<'a> = Pin<Box<dyn Future<Output = Result<Value, ScheduleError>> + Send + 'a>>;

/// Knows the schedules of reports and what became of them, and runs one when asked.
pub trait ScheduleSource: Send + Sync + fmt::Debug + 'static {
    /// All of an organization, as a JSON array.
    fn list(&self, org_id: OrgId) -> Asking<'_>;

    /// Runs one now for `subject` and tries each of its places once; what came of it, as a JSON object.
    fn deliver<'a>(&'a self, org_id: OrgId, name: &'a str, subject: &'a str) -> Asking<'a>;
}

/// Whether the principal may ask SQL of its organization.
#[must_use]
pub fn may_query(principal: &Principal) -> bool {
    allows(principal, Action::SqlQuery)
}

/// Whether the principal may see the histories of interactions of its organization.
#[must_use]
pub fn may_read_history(principal: &Principal) -> bool {
    allows(principal, Action::HistoryView)
}

/// Whether the principal may read the tables `event_log` and `access_log` of its organization.
#[must_use]
pub fn may_read_event_log(principal: &Principal) -> bool {
    allows(principal, Action::EventLogRead)
}

/// Whether the principal may see measured plans. The policy has no action for it: `EXPLAIN ANALYZE` shows
/// how the process works, so it stays with those who run it.
#[must_use]
pub fn may_measure(principal: &Principal) -> bool {
    principal.roles.contains(&Role::Administrator)
}
