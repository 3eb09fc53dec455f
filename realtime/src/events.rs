//! One subscription to the raw event stream: a cursor over the log, never conflated.
//!
//! When the client is slow, reading pauses; the log is the buffer. Sensitive fields stay sealed.

use std::sync::Arc;

use ledgerline_event_store::log::{Direction, EventReader, Filter, ReadError};
use ledgerline_schemas::{Position, Timestamp};

use crate::frame::{Frame, Outgoing};
use crate::limits::Limits;
use crate::live::{Resumed, Signer};

/// Name of the dataset.
pub const DATASET: &str = "events";
/// The log has one history for ever, so its positions have one epoch.
const EPOCH: u64 = 0;

/// A subscription to events.
#[derive(Debug)]
pub struct EventSubscription {
    id: String,
    log: Arc<dyn EventReader>,
    filter: Filter,
    signer: Signer,
    sent: Position,
    next_progress_ms: u64,
}

/// Where an event subscription begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start<'a> {
    /// With the next event.
    Now,
    /// With the event after this position.
    After(Position),
    /// Where a token says.
    Resume(&'a str),
}

impl EventSubscription {
    /// Begins a subscription. A token that is refused or of former rights is `None`: the subscriber must
    /// say where to begin, for with events there is no snapshot that would make up for a gap.
    #[must_use]
    pub fn begin(
        id: String,
        log: Arc<dyn EventReader>,
        filter: Filter,
        signer: Signer,
        start: Start<'_>,
        now_ms: u64,
        time: Timestamp,
    ) -> Option<Self> {
        let sent = match start {
            Start::Now => log.head(),
            Start::After(position) => position,
            Start::Resume(token) => match signer.check(token, time) {
                Resumed::From { position, .. } => position,
                Resumed::PolicyChanged | Resumed::Refused => return None,
            },
        };
        Some(Self { id, log, filter, signer, sent, next_progress_ms: now_ms })
    }

    /// Everything up to here was sent.
    #[must_use]
    pub const fn sent(&self) -> Position {
        self.sent
    }

    /// Whether there is something to read.
    #[must_use]
    pub fn is_behind(&self) -> bool {
        self.sent < self.log.head()
    }

    /// When the next frame is due.
    #[must_use]
    pub fn due_ms(&self) -> u64 {
        if self.is_behind() { 0 } else { self.next_progress_ms }
    }

    /// The next frame, if one is due.
    ///
    /// # Errors
    /// [`ReadError`]: the subscription cannot go on.
    pub fn next_frame(
        &mut self,
        now_ms: u64,
        time: Timestamp,
        limits: &Limits,
    ) -> Result<Option<Outgoing>, ReadError> {
        if self.is_behind() {
            let page = self.log.read_all(
                self.sent,
                Direction::Forward,
                &self.filter,
                limits.event_page.max(1),
            )?;
            let from = self.sent;
            self.sent = page.scanned_to.max(from);
            if !page.events.is_empty() {
                let token = self.signer.token(EPOCH, self.sent, time);
                let events = page.events.iter().map(|event| event.to_json()).collect();
                let (id, token) = ((&*self.id).into(), token.into());
                let frame = Frame::Events { id, from, to: self.sent, events, token };
                return Ok(Some(frame.encode()));
            }
        }
        if now_ms < self.next_progress_ms {
            return Ok(None);
        }
        self.next_progress_ms = now_ms.saturating_add(limits.progress_ms);
        let token = self.signer.token(EPOCH, self.sent, time);
        let (id, token) = ((&*self.id).into(), token.into());
        let frame = Frame::Progress { id, position: self.sent, time, token };
        Ok(Some(frame.encode()))
    }
}
