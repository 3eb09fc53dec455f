//! From an append to a subscriber, while writers keep the store busy at a given rate.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures::StreamExt as _;
use serde::{Deserialize, Serialize};

use super::drive::Writers;
use super::latency::{Latencies, Summary};
use crate::load::Load;
use crate::outcome::{Fault, Outcome};
use crate::stores::{self, Kind, Place};

/// How long the subscriber may lag behind when the writers have stopped.
const LAG_MAX: Duration = Duration::from_secs(5);

/// What to measure.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Spec {
    pub(crate) kind: Kind,
    pub(crate) place: Place,
    pub(crate) load: Load,
    /// Events a second of all writers together.
    pub(crate) events_per_s: f64,
    pub(crate) warm_ms: u64,
    pub(crate) measured_ms: u64,
}

/// What came out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Subscribed {
    /// Events a second that were acknowledged.
    pub(crate) events_per_s: f64,
    /// Events that reached the subscriber and were due in the measured time.
    pub(crate) delivered: u64,
    /// From when an append was due to its acknowledgement.
    pub(crate) append: Summary,
    /// From when an append was due to its event's arrival at the subscriber, both in one process.
    pub(crate) delivery: Summary,
}

/// Measures; `None` where the store has no subscriptions.
pub(crate) async fn measure(spec: &Spec) -> Outcome<Option<Subscribed>> {
    let client = stores::connect(spec.kind, &spec.place, &spec.load).await?;
    let Some(mut events) = client.subscribe().await? else { return Ok(None) };

    let load = spec.load;
    let appends_per_s = spec.events_per_s / load.batch as f64;
    let pace = Duration::from_secs_f64(load.writers as f64 / appends_per_s);
    let writers = Writers::start(client.as_ref(), load, Some(pace), u64::MAX).await?;
    let began = writers.began();
    let from = Duration::from_millis(spec.warm_ms);
    let until = from + Duration::from_millis(spec.measured_ms);
    let over = Arc::new(AtomicBool::new(false));
    let stop = Arc::clone(&over);
    let subscriber = tokio::spawn(async move {
        let mut latencies = Latencies::new()?;
        // The paced writers never pause for long, so the next event tells that it is over.
        while let Some(due) = events.next().await {
            let due = Duration::from_nanos(due?);
            if due >= from && due < until {
                latencies.record((began + due).elapsed());
            }
            if due >= until || stop.load(Ordering::Relaxed) {
                break;
            }
        }
        Ok::<_, Fault>(latencies)
    });

    tokio::time::sleep_until((began + from).into()).await;
    writers.measure();
    let measured = Instant::now();
    tokio::time::sleep_until((began + until).into()).await;
    let elapsed = measured.elapsed();
    let delivered = tokio::time::timeout(LAG_MAX, subscriber).await;
    over.store(true, Ordering::Relaxed);
    writers.stop();
    let driven = writers.finish(elapsed).await?;
    let delivered = delivered
        .map_err(|_| Fault::from(format!("the subscriber is {LAG_MAX:?} behind")))???;
    if delivered.count() == 0 {
        return Err("no event reached the subscriber".into());
    }
    Ok(Some(Subscribed {
        events_per_s: (driven.latencies.count() * load.batch) as f64 / elapsed.as_secs_f64(),
        delivered: delivered.count(),
        append: driven.latencies.summary(),
        delivery: delivered.summary(),
    }))
}
