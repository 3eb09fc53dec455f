//! What the scheduler needs from around it.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use ledgerline_access::outbound::Undelivered;
use ledgerline_schemas::config::report_schedule::{DeliveryTarget, ReportFormat};
use ledgerline_schemas::id::{OrgId, UserId};
use ledgerline_schemas::{Event, Position, Timestamp};

use super::parcel::{Artifact, Parcel};

/// A report that is to be run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// Whose.
    pub org_id: OrgId,
    /// Subject that its questions are recorded under.
    pub principal: String,
    /// Name of the report.
    pub report: String,
    /// Named period, as of `due_at`.
    pub period: Option<String>,
    /// IANA zone.
    pub timezone: String,
    /// When it was due.
    pub due_at: Timestamp,
    /// Form of the file.
    pub format: ReportFormat,
    /// The user whose profile limits it.
    pub as_user_id: Option<UserId>,
    /// The position of an earlier run, to have its file again; the present one without.
    pub as_of: Option<Position>,
}

/// A report could not be run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct RunFailure {
    /// Why, without any value of a row: it goes to the log.
    pub reason: String,
    /// Whether it may go well later.
    pub passes: bool,
}

/// A future that a [`ReportRunner`] gives back.
pub type Running<'a> = Pin<Box<dyn Future<Output = Result<Artifact, RunFailure>> + Send + 'a>>;

/// Runs reports.
pub trait ReportRunner: Send + Sync + fmt::Debug + 'static {
    /// Runs one, at one position.
    fn run<'a>(&'a self, order: &'a Order) -> Running<'a>;
}

/// A future that a [`ReportRecorder`] gives back.
pub type Recording<'a> = Pin<Box<dyn Future<Output = Result<(), String>> + Send + 'a>>;

/// Appends events about reports to the log, in the access stream of their principal.
pub trait ReportRecorder: Send + Sync + fmt::Debug + 'static {
    /// Appends one; resolves when it is durable.
    fn record<'a>(&'a self, org_id: OrgId, principal: &'a str, event: Event) -> Recording<'a>;
}

/// A future that a [`Courier`] gives back: where exactly the report went.
pub type Handing<'a> = Pin<Box<dyn Future<Output = Result<String, Undelivered>> + Send + 'a>>;

/// Carries reports to their places.
pub trait Courier: Send + Sync + fmt::Debug + 'static {
    /// Hands a report over. `Ok` means that the other side has it. After an error, or when the future is dropped, the
    /// other side may have it as well; the same parcel comes again under the same id.
    fn deliver<'a>(&'a self, parcel: &'a Parcel, target: &'a DeliveryTarget) -> Handing<'a>;

    /// The place as it may be shown when it was not reached: nothing secret, no address of a person.
    fn shown(&self, parcel: &Parcel, target: &DeliveryTarget) -> String;
}
