//! Runs the rules of one organization over its change feed.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use futures::future::BoxFuture;
use ledgerline_schemas::Timestamp;
use ledgerline_schemas::id::OrgId;

use super::evaluator::{AlertFact, Evaluator};
use crate::feed::{FeedSource, Follow};

/// Wait before a feed that ended is asked for again.
const REATTACH: Duration = Duration::from_millis(500);
/// Wait before a fact that could not be recorded is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// Puts facts on the log of an organization. Owned here, implemented above: this crate never appends.
pub trait AlertRecorder: Send + Sync + 'static {
    /// Appends a fact and waits until it is durable. One whose id is on the log already changes nothing and counts as
    /// recorded.
    ///
    /// # Errors
    /// Why it could not be; it is tried again.
    fn record(&self, org_id: OrgId, fact: AlertFact) -> BoxFuture<'_, Result<(), String>>;
}

/// What time it is.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Watches the rules of an organization; ends only by being dropped.
///
/// The tables must have everything that is on the log when it starts: alerts that are open are those of the table
/// `alerts`.
pub async fn evaluate(source: Arc<dyn FeedSource>, recorder: Arc<dyn AlertRecorder>, clock: Clock) {
    let mut known: Option<Evaluator> = None;
    loop {
        if let Some(mut follow) = source.follow().await {
            let evaluator =
                known.get_or_insert_with(|| Evaluator::new(&source.tables(), &follow.live));
            evaluator.attach(&follow.live, follow.alert_rules.clone(), clock());
            run(source.org_id(), evaluator, &mut follow, &*recorder, &clock).await;
        }
        tokio::time::sleep(REATTACH).await;
    }
}

/// Goes on until the feed ends.
async fn run(
    org_id: OrgId,
    evaluator: &mut Evaluator,
    follow: &mut Follow,
    recorder: &dyn AlertRecorder,
    clock: &Clock,
) {
    loop {
        let retry = record(org_id, evaluator, recorder).await;
        let due = evaluator.next_due().map(|due| until(due, clock()));
        let wait = [retry, due].into_iter().flatten().min();
        tokio::select! {
            batch = follow.batches.next() => match batch {
                Some(batch) => evaluator.take(&batch, clock()),
                None => return,
            },
            () = pause(wait) => evaluator.tick(clock()),
        }
    }
}

/// Records what there is, in order; how long to wait when it cannot be.
async fn record(
    org_id: OrgId,
    evaluator: &mut Evaluator,
    recorder: &dyn AlertRecorder,
) -> Option<Duration> {
    while let Some(fact) = evaluator.next_fact().cloned() {
        if let Err(error) = recorder.record(org_id, fact).await {
            tracing::warn!(%org_id, %error, "an alert could not be recorded yet");
            return Some(RETRY);
        }
        evaluator.recorded();
    }
    None
}

fn until(due: Timestamp, now: Timestamp) -> Duration {
    Duration::from_micros(u64::try_from(due.micros().saturating_sub(now.micros())).unwrap_or(0))
}

async fn pause(wait: Option<Duration>) {
    match wait {
        Some(wait) => tokio::time::sleep(wait).await,
        None => std::future::pending().await,
    }
}
