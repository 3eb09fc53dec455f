//! The thread of a mirror: follows the engine, and claims the log when it is asked to and may.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ledgerline_schemas::Position;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep, timeout};
use uuid::Uuid;

use super::carrier::{Carrier, CarrierError, Offset};
use super::cursor::{self, Saved, Tail};
use super::entry::{Body, Entry, Writer};
use super::error::EngineError;
use super::marker::{Marker, write_marker};
use super::mirror::{MirrorOptions, Request, Role, Status, Takeover, draw};
use super::reader::Reader;
use super::replica::Replica;
use super::rule::{Rule, Verdict};
use crate::capability::ConcurrencyControl;
use crate::embedded::EmbeddedLog;
use crate::embedded::outside::NotShipped;
use crate::log::EventReader as _;

/// Entries between two saved places.
const SAVE_EVERY_ENTRIES: u64 = 4_096;
/// Pause after the engine was not there.
const PAUSE: Duration = Duration::from_millis(100);

type LeadReply = oneshot::Sender<Result<Takeover, EngineError>>;

/// Somebody wants this mirror to lead.
#[derive(Debug)]
struct Wish {
    standby: bool,
    reply: LeadReply,
}

/// A mirror's thread.
#[derive(Debug)]
pub(crate) struct Follower {
    directory: PathBuf,
    pub(super) carrier: Arc<dyn Carrier>,
    pub(super) options: MirrorOptions,
    node: Uuid,
    /// To be written before anything changes here or at the engine.
    unmarked: Option<Marker>,
    pub(super) reader: Reader,
    pub(super) replica: Replica,
    pub(super) requests: mpsc::UnboundedReceiver<Request>,
    pub(super) asking: mpsc::UnboundedSender<Request>,
    pub(super) status: watch::Sender<Status>,
    /// Whether the log is closing: then nothing is tried again.
    pub(super) closing: watch::Receiver<bool>,
    wish: Option<Wish>,
    candidate: Option<Writer>,
    /// Where the engine's end was when this (re)connected; `None` when not known yet.
    end_then: Option<Offset>,
    caught_up: bool,
    /// When the holder was heard of last, and whether since this caught up.
    heard_at: Instant,
    heard: bool,
    /// When the engine's end was looked for last, and where it was.
    looked_at: Instant,
    end_seen: Offset,
    saved_at: Offset,
}

impl Follower {
    #[expect(clippy::too_many_arguments, reason = "made in one place")]
    pub(crate) fn new(
        directory: PathBuf,
        log: EmbeddedLog,
        carrier: Arc<dyn Carrier>,
        options: MirrorOptions,
        node: Uuid,
        unmarked: Option<Marker>,
        requests: mpsc::UnboundedReceiver<Request>,
        asking: mpsc::UnboundedSender<Request>,
        status: watch::Sender<Status>,
        closing: watch::Receiver<bool>,
    ) -> Result<Self, EngineError> {
        let replica = Replica::new(log)?;
        // A place behind what the log has: the log was restored from before it.
        let saved = cursor::load(&directory, replica.log().org_id())
            .filter(|saved| saved.rule.next_position() <= replica.next_position());
        let saved = saved.unwrap_or_else(|| beginning(&replica));
        let saved_at = saved.next;
        Ok(Self {
            directory,
            reader: Reader::new(Arc::clone(&carrier), saved),
            carrier,
            options,
            node,
            unmarked,
            replica,
            requests,
            asking,
            status,
            closing,
            wish: None,
            candidate: None,
            end_then: None,
            caught_up: false,
            heard_at: Instant::now(),
            heard: false,
            looked_at: Instant::now(),
            end_seen: Offset::default(),
            saved_at,
        })
    }

    /// Runs until it is told to end.
    pub(crate) fn main(mut self) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        match runtime {
            Ok(runtime) => runtime.block_on(async {
                if let Err(error) = self.live().await {
                    self.fail(&error).await;
                }
            }),
            Err(error) => self.poison(&format!("the mirror has no runtime: {error}")),
        }
        self.status.send_modify(|status| status.role = Role::Ended);
    }

    async fn live(&mut self) -> Result<(), EngineError> {
        let Some(me) = self.follow().await? else { return Ok(()) };
        self.lead(me).await
    }

    /// Nothing is written any more; whoever asks is told why.
    async fn fail(&mut self, error: &EngineError) {
        let reason = error.to_string();
        if *self.closing.borrow() {
            tracing::debug!(%reason, "the mirror was interrupted by the log's closing");
        } else {
            tracing::error!(engine = %self.options.engine, %reason, "the mirror does not go on");
            self.poison(&reason);
        }
        let ended = || EngineError::Ended { reason: reason.clone() };
        if let Some(wish) = self.wish.take() {
            let _ = wish.reply.send(Err(ended()));
        }
        while let Some(request) = self.requests.recv().await {
            match request {
                Request::Lead { reply, .. } => {
                    let _ = reply.send(Err(ended()));
                }
                Request::Ship { reply, .. } => {
                    let _ = reply.send(Err(NotShipped::Unknown { reason: reason.clone() }));
                }
                Request::End => break,
            }
        }
    }

    fn poison(&self, reason: &str) {
        self.replica.log().shared().poison(reason);
        self.status.send_modify(|status| {
            status.role = Role::Ended;
            status.failure = Some(reason.to_owned());
        });
    }

    /// Follows until this holds the log; `None` when told to end.
    async fn follow(&mut self) -> Result<Option<Writer>, EngineError> {
        let tick = Duration::from_millis(u64::from(self.options.lease_ms()) / 5);
        loop {
            let trouble = tokio::select! {
                biased;
                request = self.requests.recv() => match request {
                    None | Some(Request::End) => {
                        // What did not get here before the log closed is read again another time.
                        if self.replica.settle().await.is_ok() {
                            self.save();
                        }
                        return Ok(None);
                    }
                    Some(Request::Lead { standby, reply }) => {
                        self.wish = Some(Wish { standby, reply });
                        Ok(())
                    }
                    Some(Request::Ship { reply, .. }) => {
                        let reason = "the mirror does not lead".to_owned();
                        let _ = reply.send(Err(NotShipped::Unknown { reason }));
                        Ok(())
                    }
                },
                verdict = self.reader.step() => match verdict {
                    Ok(verdict) => self.observe(verdict).await,
                    Err(error) => Err(error),
                },
                () = sleep(tick) => Ok(()),
            };
            let outcome = match trouble {
                Ok(()) if self.looked_at.elapsed() >= tick => {
                    self.looked_at = Instant::now();
                    self.look().await
                }
                other => other,
            };
            let outcome = match outcome {
                Ok(()) => self.progress().await,
                Err(error) => Err(error),
            };
            match outcome {
                Ok(None) => {}
                Ok(Some(me)) => return Ok(Some(me)),
                Err(error) => self.put_up_with(error).await?,
            }
        }
    }

    /// How far this is behind, for whoever watches.
    async fn look(&mut self) -> Result<(), EngineError> {
        self.end_seen = self.carrier.end().await?;
        self.tell();
        Ok(())
    }

    /// What passes is waited out; what the engine lost is read anew; everything else ends the mirror.
    async fn put_up_with(&mut self, error: EngineError) -> Result<(), EngineError> {
        self.reader.disconnect();
        self.caught_up = false;
        self.end_then = None;
        self.tell();
        match error {
            EngineError::TailLost { read } => {
                tracing::warn!(
                    engine = %self.options.engine,
                    read = read.0,
                    "the engine lost entries that were read; it is read again from the beginning"
                );
                metrics::counter!("ledgerline_engine_tail_losses_total").increment(1);
                self.replica.settle().await?;
                let beginning = beginning(&self.replica);
                self.saved_at = beginning.next;
                self.candidate = None;
                self.reader = Reader::new(Arc::clone(&self.carrier), beginning);
                Ok(())
            }
            error if error.is_passing() => {
                tracing::debug!(engine = %self.options.engine, %error, "waiting for the engine");
                sleep(PAUSE).await;
                Ok(())
            }
            error => Err(error),
        }
    }

    /// Takes what was read.
    async fn observe(&mut self, verdict: Verdict) -> Result<(), EngineError> {
        match verdict {
            Verdict::Accepted(batch) => {
                // Before anything comes in that was not here; comparing changes nothing.
                if batch.base_position >= self.replica.next_position() {
                    self.mark()?;
                }
                self.hear();
                self.replica.apply(&batch).await?;
            }
            Verdict::Claimed(holder) => {
                tracing::info!(epoch = holder.writer.epoch, node = %holder.node, "the log was claimed");
                self.hear();
                self.tell();
            }
            Verdict::Incomplete | Verdict::Heartbeat | Verdict::Released => self.hear(),
            Verdict::Ignored(_) => {}
        }
        if self.reader.next().0 >= self.saved_at.0 + SAVE_EVERY_ENTRIES {
            self.replica.settle().await?;
            self.save();
        }
        Ok(())
    }

    fn hear(&mut self) {
        self.heard_at = Instant::now();
        self.heard = true;
    }

    /// Before anything of the engine is here, or anything from here there.
    fn mark(&mut self) -> Result<(), EngineError> {
        if let Some(marker) = &self.unmarked {
            write_marker(&self.directory, marker)
                .map_err(|source| EngineError::Io { what: "writing the mirror file", source })?;
            self.unmarked = None;
        }
        Ok(())
    }

    /// Whether this has caught up, and may claim; the writer it is once it holds the log.
    async fn progress(&mut self) -> Result<Option<Writer>, EngineError> {
        self.reader.verify().await?;
        let end = match self.end_then {
            Some(end) => end,
            None => *self.end_then.insert(self.carrier.end().await?),
        };
        if !self.caught_up && self.reader.next() >= end {
            self.caught_up = true;
            self.heard_at = Instant::now();
            self.heard = false;
            self.tell();
        }
        if !self.caught_up || self.wish.is_none() {
            return Ok(None);
        }
        self.claim().await
    }

    /// Claims the log if it may be claimed.
    async fn claim(&mut self) -> Result<Option<Writer>, EngineError> {
        if let Some(decided) = self.decided() {
            return Ok(decided);
        }
        match self.reader.rule.holder() {
            Some(holder) if holder.node != self.node => {
                let lease = Duration::from_millis(u64::from(holder.lease_ms));
                if self.heard && self.wish.as_ref().is_some_and(|wish| !wish.standby) {
                    let epoch = holder.writer.epoch;
                    if let Some(wish) = self.wish.take() {
                        let _ = wish.reply.send(Err(EngineError::Held { epoch }));
                    }
                    return Ok(None);
                }
                if self.heard_at.elapsed() < lease {
                    return Ok(None);
                }
            }
            _ => {}
        }
        self.mark()?;
        let candidate = match self.candidate {
            Some(candidate) => candidate,
            None => {
                let owner =
                    draw().map_err(|source| EngineError::Io { what: "drawing a name", source })?;
                let epoch = self.reader.rule.epoch().saturating_add(1);
                *self.candidate.insert(Writer { epoch, owner })
            }
        };
        let body = Body::Claim { node: self.node, lease_ms: self.options.lease_ms() };
        let entry = self.entry(candidate, body).encode();
        let at = self.reader.next();
        let appended =
            timeout(self.options.patience, self.carrier.append(vec![entry.clone()], at)).await;
        match appended.unwrap_or_else(|_| Err(no_answer())) {
            Ok(()) if self.is_native() => {
                let verdict = self.reader.take(&entry);
                self.observe(verdict).await?;
            }
            Ok(()) | Err(CarrierError::Moved { .. }) => self.catch_up().await?,
            Err(error) => return Err(error.into()),
        }
        Ok(self.decided().flatten())
    }

    /// How the last claim ended: with the log, or without.
    fn decided(&mut self) -> Option<Option<Writer>> {
        let candidate = self.candidate?;
        if self.reader.rule.epoch() < candidate.epoch {
            return None;
        }
        self.candidate = None;
        let held = self.reader.rule.is_held_by(candidate);
        if !held {
            self.hear();
        }
        Some(held.then_some(candidate))
    }

    /// Reads up to the engine's present end.
    async fn catch_up(&mut self) -> Result<(), EngineError> {
        self.reader.verify().await?;
        let end = self.carrier.end().await?;
        if end < self.reader.next() {
            return Err(EngineError::TailLost { read: self.reader.next() });
        }
        while self.reader.next() < end {
            let verdict = self.reader.step().await?;
            self.observe(verdict).await?;
        }
        Ok(())
    }

    /// Saves the place, if the log has everything before it.
    pub(super) fn save(&mut self) {
        let rule = &self.reader.rule;
        if self.unmarked.is_some()
            || rule.is_amid_an_append()
            || rule.next_position() != self.replica.next_durable()
        {
            return;
        }
        let saved = cursor::save(&self.directory, self.reader.next(), rule, self.reader.tail());
        match saved {
            Ok(()) => self.saved_at = self.reader.next(),
            // Without it the next opening reads more.
            Err(error) => tracing::warn!(%error, "the place in the engine was not saved"),
        }
    }

    pub(super) fn save_now_and_then(&mut self) {
        if self.reader.next().0 >= self.saved_at.0 + SAVE_EVERY_ENTRIES {
            self.save();
        }
    }

    pub(super) fn tell(&self) {
        let (caught_up, epoch) = (self.caught_up, self.reader.rule.epoch());
        let read = self.reader.next();
        let end = self.end_seen.max(self.end_then.unwrap_or_default()).max(read);
        self.status.send_modify(|status| {
            (status.caught_up, status.epoch) = (caught_up, epoch);
            (status.read, status.end) = (read, end);
        });
    }

    /// Tells whoever asked that this leads now.
    pub(super) fn fulfil(&mut self, healed_events: u64) {
        let epoch = self.reader.rule.epoch();
        let head = Position(self.replica.next_durable() - 1);
        self.status.send_modify(|status| {
            status.role = Role::Leading;
            status.epoch = epoch;
        });
        if let Some(wish) = self.wish.take() {
            let _ = wish.reply.send(Ok(Takeover { epoch, head, healed_events }));
        }
    }

    pub(super) fn entry(&self, writer: Writer, body: Body) -> Entry {
        Entry { org_id: self.replica.log().org_id(), writer, body }
    }

    pub(super) fn is_native(&self) -> bool {
        self.carrier.capabilities().concurrency == ConcurrencyControl::Native
    }
}

pub(super) fn no_answer() -> CarrierError {
    CarrierError::Unavailable { reason: "it did not answer in time".to_owned() }
}

/// Before the first entry.
fn beginning(replica: &Replica) -> Saved {
    Saved { next: Offset(0), rule: Rule::new(replica.log().org_id()), tail: Tail::default() }
}
