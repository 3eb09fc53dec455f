//! What webhooks need from around them.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use futures::future::BoxFuture;
use ledgerline_schemas::id::{EntityId, OrgId};
use ledgerline_schemas::{Event, Timestamp};

/// Tells the time.
pub trait Clock: Send + Sync + fmt::Debug + 'static {
    /// Now.
    fn now(&self) -> Timestamp;
}

/// The system's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
    }
}

/// A future that a [`WebhookRecorder`] gives back.
pub type Recording<'a> = BoxFuture<'a, Result<(), String>>;

/// Appends what became of a subscription to the log, in the subscription's stream of such events.
pub trait WebhookRecorder: Send + Sync + fmt::Debug + 'static {
    /// Appends one; resolves when it is durable.
    fn record(&self, org_id: OrgId, subscription_id: EntityId, event: Event) -> Recording<'_>;
}
