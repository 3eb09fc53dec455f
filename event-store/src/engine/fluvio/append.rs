//! Appends: one batch after the other, none of them twice by this module's doing.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use fluvio::RecordKey;
use tokio::time::Instant;

use super::session::{Session, Trouble, deadline};
use super::{ENTRY_BYTES_MAX, Shared};
use crate::engine::CarrierError;
use crate::engine::carrying::{Room, refuse_longer};

/// Most bytes of one batch, with all framing. A batch is written as one by the SPU.
pub(super) const BATCH_BYTES: usize = 1 << 20;
/// Most bytes of one append: what the time limit of a call reasonably is for.
pub(super) const APPEND_BYTES_MAX: usize = 16 << 20;
/// What goes into one batch, with the framing of the batch and of each record in it, rounded up.
const BATCH: Room = Room { entries: 8_192, bytes: BATCH_BYTES - (4 << 10), framing: 64 };
// Otherwise an entry could fit no batch.
const _: () = assert!(ENTRY_BYTES_MAX + BATCH.framing <= BATCH.bytes);
/// The client sends a batch by itself after this time. Longer than it takes to fill one, so that a group is
/// one batch; it is flushed at once when it is whole.
pub(super) const LINGER: Duration = Duration::from_secs(1);
/// First and longest pause before a batch that was not taken is sent again.
const PAUSE: [Duration; 2] = [Duration::from_millis(20), Duration::from_millis(500)];
/// After so many refusals that should pass, the connection's idea of the leader counts as outdated.
const PATIENCE: u32 = 8;

/// Appends entries in their order.
pub(super) async fn append(shared: &Shared, entries: Vec<Bytes>) -> Result<(), CarrierError> {
    refuse_longer(&entries, ENTRY_BYTES_MAX, "a record")?;
    let _one_at_a_time = shared.appending.lock().await;
    for batch in BATCH.split(&entries) {
        append_batch(shared, batch).await?;
    }
    Ok(())
}

/// One batch: repeated as long as the answer says that nothing of it was written.
async fn append_batch(shared: &Shared, batch: &[Bytes]) -> Result<(), CarrierError> {
    let deadline = deadline(&shared.config);
    let mut pause = PAUSE[0];
    let mut tries = 0_u32;
    loop {
        let reason = match one_try(shared, batch, deadline).await? {
            Ok(()) => return Ok(()),
            Err(reason) => reason,
        };
        tries = tries.saturating_add(1);
        if tries.is_multiple_of(PATIENCE) {
            shared.sessions.forget().await;
        }
        if Instant::now() + pause >= deadline {
            return Err(CarrierError::Unavailable { reason });
        }
        tracing::debug!(%reason, "Fluvio did not take a batch, trying again");
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(PAUSE[1]);
    }
}

/// `Ok(Err(reason))`: nothing was written, and it may be tried again.
async fn one_try(
    shared: &Shared,
    batch: &[Bytes],
    deadline: Instant,
) -> Result<Result<(), String>, CarrierError> {
    // Nothing is sent before there is a connection.
    let session = match shared.sessions.get().await {
        Ok(session) => session,
        Err(CarrierError::Unavailable { reason }) => return Ok(Err(reason)),
        Err(error) => return Err(error),
    };
    let producing = produce(&session, &shared.config.topic, batch);
    let trouble = match tokio::time::timeout_at(deadline, producing).await {
        Ok(Ok(base)) => {
            shared.acknowledged.add(base, batch);
            return Ok(Ok(()));
        }
        Ok(Err(trouble)) => trouble,
        Err(_) => Trouble::Unknown(format!("no answer within {:?}", shared.config.timeout)),
    };
    match trouble {
        Trouble::NotYet(reason) => {
            if let Ok(producer) = session.producer(&shared.config.topic).await {
                producer.clear_errors().await;
            }
            Ok(Err(reason))
        }
        Trouble::Refused(reason) => Err(CarrierError::Refused { reason }),
        Trouble::Unknown(reason) => {
            // The producer may still hold the batch and send it later: leave it with its connection.
            shared.acknowledged.clear();
            shared.sessions.forget().await;
            Err(CarrierError::Unavailable { reason })
        }
    }
}

/// Sends a batch; the offset of its first record.
async fn produce(session: &Arc<Session>, topic: &str, batch: &[Bytes]) -> Result<u64, Trouble> {
    // Made before anything is sent.
    let producer = session
        .producer(topic)
        .await
        .map_err(|error| Trouble::NotYet(format!("no producer: {error}")))?;
    let mut outputs = Vec::with_capacity(batch.len());
    for entry in batch {
        let output = producer
            .send(RecordKey::NULL, entry.as_ref())
            .await
            .map_err(|error| unknown_behind(outputs.len(), Trouble::any(&error)))?;
        outputs.push(output);
    }
    producer.flush().await.map_err(|error| Trouble::any(&error))?;
    let mut first = None;
    for (place, output) in (0_i64..).zip(outputs) {
        let record = output.wait().await.map_err(|error| Trouble::client(&error))?;
        let base = *first.get_or_insert(record.offset());
        // Written as one batch, nothing of another writer is in between.
        if record.offset() != base.saturating_add(place) {
            return Err(Trouble::Unknown(format!(
                "record {place} of a batch at {base} is at {}: the batch was cut",
                record.offset()
            )));
        }
    }
    first
        .and_then(|base| u64::try_from(base).ok())
        .ok_or_else(|| Trouble::Unknown("the leader acknowledged without an offset".to_owned()))
}

/// A refusal of a record behind others: those may be on their way.
fn unknown_behind(sent: usize, trouble: Trouble) -> Trouble {
    match trouble {
        Trouble::NotYet(reason) | Trouble::Refused(reason) if sent > 0 => Trouble::Unknown(reason),
        other => other,
    }
}
