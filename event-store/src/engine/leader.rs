//! A mirror that holds the log: its appends go to the engine, and count when the rule says so.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ledgerline_schemas::Position;
use tokio::time::{Instant, sleep, sleep_until, timeout, timeout_at};

use super::batch::Batch;
use super::carrier::CarrierError;
use super::entry::{self, Body, Writer};
use super::error::EngineError;
use super::follower::{Follower, no_answer};
use super::mirror::{Request, Way};
use super::rule::Verdict;
use crate::embedded::outside::NotShipped;
use crate::log::EventReader as _;

/// Bytes that are sent again at a time.
const HEAL_BYTES: usize = 4 << 20;
/// How long an acknowledged append may take to be read back before the engine is asked whether it lost it.
const READ_BACK: Duration = Duration::from_secs(2);
/// Shortest and longest pause before an append is tried again.
const PAUSES: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(1));
/// For how long a leader that ends tries to say so.
const FAREWELL: Duration = Duration::from_secs(2);

impl Follower {
    /// Leads until it is told to end, or may no longer.
    pub(super) async fn lead(&mut self, me: Writer) -> Result<(), EngineError> {
        self.tell();
        let healed = self.heal(me).await?;
        let way = Way { requests: self.asking.clone(), carrier: self.carrier.capabilities() };
        self.replica.log().shared().outside.open_to_callers(Arc::new(way));
        tracing::info!(engine = %self.options.engine, epoch = me.epoch, healed, "this process writes the log");
        self.fulfil(healed);
        let heartbeat = Duration::from_millis(u64::from(self.options.lease_ms()) / 3);
        let native = self.is_native();
        if native {
            // Nobody else writes unnoticed: there is nothing to read.
            self.reader.disconnect();
        }
        let mut sent_at = Instant::now();
        loop {
            tokio::select! {
                biased;
                request = self.requests.recv() => match request {
                    None | Some(Request::End) => {
                        self.give_up(me).await;
                        return Ok(());
                    }
                    Some(Request::Ship { batches, reply }) => {
                        self.save_now_and_then();
                        let shipped = self.ship(me, &batches).await;
                        let _ = reply.send(match &shipped {
                            Ok(()) => Ok(()),
                            Err(error) => Err(self.not_shipped(error)),
                        });
                        shipped?;
                        sent_at = Instant::now();
                    }
                    Some(Request::Lead { reply, .. }) => {
                        let reason = "it leads already".to_owned();
                        let _ = reply.send(Err(EngineError::Ended { reason }));
                    }
                },
                verdict = self.reader.step(), if !native => match verdict {
                    Ok(verdict) => self.accept(me, verdict, &[])?,
                    Err(error) if error.is_passing() => sleep(PAUSES.0).await,
                    Err(error) => return Err(error),
                },
                () = sleep_until(sent_at + heartbeat) => {
                    self.save_now_and_then();
                    self.beat(me, heartbeat).await?;
                    sent_at = Instant::now();
                }
            }
        }
    }

    fn not_shipped(&self, error: &EngineError) -> NotShipped {
        match error {
            EngineError::Fenced { epoch } => NotShipped::Fenced {
                epoch: *epoch,
                accepted_until: self.reader.rule.next_position(),
            },
            error => NotShipped::Unknown { reason: error.to_string() },
        }
    }

    /// Sends again what this log has and the engine has not; the number of events.
    async fn heal(&mut self, me: Writer) -> Result<u64, EngineError> {
        self.replica.settle().await?;
        let from = self.reader.rule.next_position();
        let until = self.replica.next_position();
        let mut position = from;
        if from < until {
            let events = until - from;
            tracing::warn!(
                engine = %self.options.engine, from, events,
                "the engine lacks events that this log has; they are sent again"
            );
        }
        while position < until {
            let mut batches = Vec::new();
            let mut bytes = 0;
            while position < until && bytes < HEAL_BYTES {
                let batch = self.replica.batch_at(position)?;
                position = batch.next_position();
                bytes += batch.body.len();
                batches.push(batch);
            }
            self.ship(me, &batches).await?;
            let sent = position - from;
            self.status.send_modify(|status| status.healed_events = sent);
        }
        let healed = position - from;
        metrics::counter!("ledgerline_engine_healed_events_total").increment(healed);
        Ok(healed)
    }

    /// Brings appends to the engine and waits until they count.
    async fn ship(&mut self, me: Writer, batches: &[Batch]) -> Result<(), EngineError> {
        let org_id = self.replica.log().org_id();
        let longest = self.carrier.entry_bytes_max();
        let mut entries = Vec::new();
        for batch in batches {
            let parts = entry::parts(org_id, me, batch, longest);
            entries.extend(parts.into_iter().map(|entry| (batch.base_position, entry)));
        }
        let (mut began, mut pause) = (Instant::now(), PAUSES.0);
        let mut reached = self.reader.rule.next_position();
        let mut trouble = EngineError::Carrier(no_answer());
        loop {
            self.check_held(me)?;
            let next = self.reader.rule.next_position();
            if next > reached {
                // Patience is for an engine that takes nothing, not for one that is slow.
                (began, pause, reached) = (Instant::now(), PAUSES.0, next);
            }
            let deadline = began + self.options.patience;
            let left: Vec<Bytes> = entries
                .iter()
                .filter(|(base, _)| *base >= next)
                .map(|(_, entry)| entry.clone())
                .collect();
            if left.is_empty() {
                return Ok(());
            }
            let sent = timeout_at(deadline, self.send(me, left, batches)).await;
            match sent {
                Ok(Ok(())) => continue,
                Ok(Err(error)) if error.is_passing() => trouble = error,
                Ok(Err(error)) => return Err(error),
                Err(_) => {}
            }
            let closing = *self.closing.borrow();
            if closing || Instant::now() + pause >= deadline {
                // What was sent last may have arrived all the same; nobody waits for it any more.
                return Err(EngineError::OutOfPatience {
                    waited_ms: began.elapsed().as_millis(),
                    reason: trouble.to_string(),
                });
            }
            tracing::debug!(%trouble, "sending again");
            // A closed log ends the pause.
            let _ = timeout(pause, self.closing.wait_for(|closing| *closing)).await;
            pause = (pause * 2).min(PAUSES.1);
            self.reader.disconnect();
            match timeout_at(deadline, self.read_to_end(me, batches)).await {
                Ok(Err(error)) if !error.is_passing() => return Err(error),
                _ => {}
            }
        }
    }

    /// Sends entries once and reads back whether they count.
    async fn send(
        &mut self,
        me: Writer,
        entries: Vec<Bytes>,
        batches: &[Batch],
    ) -> Result<(), EngineError> {
        let native = self.is_native();
        for chunk in chunks(entries, self.carrier.append_bytes_max()) {
            match self.carrier.append(chunk.clone(), self.reader.next()).await {
                Ok(()) if native => {
                    for entry in &chunk {
                        let verdict = self.reader.take(entry);
                        self.accept(me, verdict, batches)?;
                    }
                }
                Ok(()) => {}
                Err(CarrierError::Moved { .. }) => return self.read_to_end(me, batches).await,
                Err(error) => return Err(error.into()),
            }
        }
        let until = batches.last().map_or(0, Batch::next_position);
        while !native && self.reader.rule.next_position() < until {
            let Ok(verdict) = timeout(READ_BACK, self.reader.step()).await else {
                self.reader.disconnect();
                return self.read_to_end(me, batches).await;
            };
            self.accept(me, verdict?, batches)?;
        }
        Ok(())
    }

    /// Reads up to the engine's present end.
    async fn read_to_end(&mut self, me: Writer, batches: &[Batch]) -> Result<(), EngineError> {
        self.reader.verify().await?;
        let end = self.carrier.end().await?;
        if end < self.reader.next() {
            return Err(EngineError::TailLost { read: self.reader.next() });
        }
        while self.reader.next() < end {
            let verdict = self.reader.step().await?;
            self.accept(me, verdict, batches)?;
        }
        Ok(())
    }

    /// Only what was sent may be accepted, and only while this holds the log.
    fn accept(&self, me: Writer, verdict: Verdict, batches: &[Batch]) -> Result<(), EngineError> {
        if let Verdict::Accepted(theirs) = verdict {
            let position = Position(theirs.base_position);
            let ours = batches.iter().find(|it| it.base_position == theirs.base_position);
            match ours {
                Some(ours) if *ours == theirs => {}
                Some(ours) => {
                    let (ours, theirs) = (ours.hash(), theirs.hash());
                    return Err(EngineError::Diverged { position, ours, theirs });
                }
                None => {
                    let reason = "nobody here sent it".to_owned();
                    return Err(EngineError::Misfit { position, reason });
                }
            }
        }
        self.check_held(me)
    }

    fn check_held(&self, me: Writer) -> Result<(), EngineError> {
        if self.reader.rule.is_held_by(me) {
            return Ok(());
        }
        Err(EngineError::Fenced { epoch: self.reader.rule.epoch() })
    }

    /// Lets the others know that this is there.
    async fn beat(&mut self, me: Writer, within: Duration) -> Result<(), EngineError> {
        let entry = self.entry(me, Body::Heartbeat).encode();
        let at = self.reader.next();
        let appended = timeout(within, self.carrier.append(vec![entry.clone()], at)).await;
        match appended.unwrap_or_else(|_| Err(no_answer())) {
            Ok(()) if self.is_native() => {
                let verdict = self.reader.take(&entry);
                self.accept(me, verdict, &[])
            }
            Ok(()) => Ok(()),
            Err(CarrierError::Moved { .. }) => {
                match timeout(within, self.read_to_end(me, &[])).await {
                    Ok(Err(error)) if !error.is_passing() => Err(error),
                    _ => {
                        self.reader.disconnect();
                        Ok(())
                    }
                }
            }
            Err(CarrierError::Unavailable { reason }) => {
                tracing::debug!(%reason, "the engine took no heartbeat");
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Says that this writes no more, once.
    async fn give_up(&mut self, me: Writer) {
        self.save();
        let entry = self.entry(me, Body::Release).encode();
        let at = self.reader.next();
        let said = timeout(FAREWELL, self.carrier.append(vec![entry], at)).await;
        if !matches!(said, Ok(Ok(()))) {
            tracing::info!("the engine does not know that this process ended; its lease will tell");
        }
    }
}

/// Entries in groups of at most so many bytes, at least one in each.
fn chunks(entries: Vec<Bytes>, bytes_max: usize) -> Vec<Vec<Bytes>> {
    let mut chunks: Vec<Vec<Bytes>> = Vec::new();
    let mut room = 0;
    for entry in entries {
        match chunks.last_mut() {
            Some(chunk) if entry.len() <= room => {
                room -= entry.len();
                chunk.push(entry);
            }
            _ => {
                room = bytes_max.saturating_sub(entry.len());
                chunks.push(vec![entry]);
            }
        }
    }
    chunks
}
