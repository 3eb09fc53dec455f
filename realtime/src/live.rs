//! One subscription to a live dataset: snapshot, then deltas conflated per key.
//!
//! It does no input or output and has no clock: `now_ms` counts milliseconds from any fixed instant.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;
use std::time::Instant;

use ledgerline_projections::{Rights, Row};
use ledgerline_schemas::{Position, Timestamp};

use crate::cohort::{Cohort, Noted};
use crate::feed::LiveRows;
use crate::frame::{Frame, Outgoing, ResyncReason, names};
use crate::hub::{Hub, Lost};
use crate::limits::Limits;
use crate::query::{Hash, Query};
use crate::request::Format;
use crate::resume::{Resume, ResumeKey};
use crate::row_arrow::RowsArrow;
use crate::row_json::RowsJson;

/// Signs the tokens of one subscription.
#[derive(Clone, Debug)]
pub struct Signer {
    /// The key.
    pub key: ResumeKey,
    /// Query and asker.
    pub query: Hash,
    /// What the asker may see.
    pub policy: Hash,
    /// Life of a token, seconds.
    pub ttl_s: u64,
}

impl Signer {
    /// A token for a subscriber that has everything up to a position.
    #[must_use]
    pub fn token(&self, epoch: u64, position: Position, time: Timestamp) -> String {
        let (query, policy) = (self.query, self.policy);
        let expires_s = seconds(time).saturating_add(self.ttl_s);
        self.key.sign(&Resume { epoch, position, query, policy, expires_s })
    }

    /// What to do with a token that a subscriber brings.
    #[must_use]
    pub fn check(&self, token: &str, time: Timestamp) -> Resumed {
        match self.key.open(token, seconds(time)) {
            Some(resume) if resume.query != self.query => Resumed::Refused,
            Some(resume) if resume.policy != self.policy => Resumed::PolicyChanged,
            Some(resume) => Resumed::From { epoch: resume.epoch, position: resume.position },
            None => Resumed::Refused,
        }
    }
}

/// Whole seconds since 1970.
pub(crate) fn seconds(time: Timestamp) -> u64 {
    u64::try_from(time.micros() / 1_000_000).unwrap_or(0)
}

/// The answer to a resume token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resumed {
    /// Go on from here, if it is retained.
    From {
        /// Epoch of the tables.
        epoch: u64,
        /// Last position the subscriber has.
        position: Position,
    },
    /// Access rights changed since.
    PolicyChanged,
    /// Not ours, ended, or of another query or asker: begin anew.
    Refused,
}

/// A key that changed since the last frame.
#[derive(Debug)]
struct Pending {
    /// What the subscriber has.
    before: Option<Row>,
    /// What it should have.
    after: Option<Row>,
}

#[derive(Debug)]
enum Phase {
    Begin(LiveRows),
    Rows { rows: LiveRows, after: Option<Arc<str>> },
    End,
    Live,
}

/// A subscription to a live dataset.
#[derive(Debug)]
pub struct LiveSubscription {
    id: String,
    query: Query,
    format: Format,
    cohort: Arc<Cohort>,
    signer: Signer,
    epoch: u64,
    phase: Phase,
    /// The subscriber has everything up to here (once the snapshot is sent).
    sent: Position,
    /// Changes up to here are in `pending`.
    absorbed: Position,
    pending: BTreeMap<Arc<str>, Pending>,
    /// When the oldest change in `pending` came in.
    pushed: Option<Instant>,
    next_delta_ms: u64,
    next_progress_ms: u64,
}

impl LiveSubscription {
    /// Begins a subscription, with a snapshot or from a resumed position.
    ///
    /// # Errors
    /// [`ResyncReason`] when the token is good but what follows it is gone.
    pub fn begin(
        id: String,
        query: Query,
        signer: Signer,
        resume: Option<&str>,
        hub: &Hub,
        now_ms: u64,
        time: Timestamp,
    ) -> Result<Self, ResyncReason> {
        let resumed = resume.map_or(Resumed::Refused, |token| signer.check(token, time));
        let (epoch, position, phase) = match resumed {
            Resumed::PolicyChanged => return Err(ResyncReason::PolicyChanged),
            Resumed::From { epoch, position } => {
                hub.since(epoch, position).map_err(reason)?;
                (epoch, position, Phase::Live)
            }
            Resumed::Refused => {
                let live = hub.live();
                (live.epoch, live.position, Phase::Begin(live.table(query.table.name)))
            }
        };
        Ok(Self {
            id,
            cohort: hub.cohort(&query),
            query,
            format: Format::Json,
            signer,
            epoch,
            phase,
            sent: position,
            absorbed: position,
            pending: BTreeMap::new(),
            pushed: None,
            next_delta_ms: now_ms,
            // At once: it tells a resumed subscriber that it was.
            next_progress_ms: now_ms,
        })
    }

    /// The same with its rows written so.
    #[must_use]
    pub fn in_format(self, format: Format) -> Self {
        Self { format, ..self }
    }

    /// Takes in what the hub has beyond what was taken in before.
    ///
    /// # Errors
    /// [`ResyncReason`]: the subscription cannot go on.
    pub fn absorb(&mut self, hub: &Hub) -> Result<(), ResyncReason> {
        let news = self.cohort.since(hub, self.epoch, self.absorbed).map_err(reason)?;
        let absorbed = self.absorbed;
        for told in &news.told {
            for change in told.changes.iter().filter(|it| it.position > absorbed) {
                self.note(change);
            }
            if !self.pending.is_empty() && self.pushed.is_none() {
                self.pushed = Some(told.pushed);
            }
        }
        self.absorbed = news.head;
        Ok(())
    }

    fn note(&mut self, change: &Noted) {
        match self.pending.get_mut(&change.key) {
            Some(pending) => pending.after.clone_from(&change.after),
            None => {
                let (before, after) = (change.before.clone(), change.after.clone());
                self.pending.insert(Arc::clone(&change.key), Pending { before, after });
            }
        }
        // Came and went between two frames: the subscriber need not know.
        if self.pending.get(&change.key).is_some_and(|it| it.before.is_none() && it.after.is_none())
        {
            self.pending.remove(&change.key);
        }
    }

    /// When to ask for a frame again, unless a change comes first and [`Self::is_ready`].
    #[must_use]
    pub fn due_ms(&self, now_ms: u64) -> u64 {
        match self.phase {
            // Changes that came while it was not its turn have not been looked at.
            Phase::Live if !self.pending.is_empty() || now_ms < self.next_delta_ms => {
                self.next_delta_ms.min(self.next_progress_ms)
            }
            Phase::Live => self.next_progress_ms,
            _ => 0,
        }
    }

    /// Whether a change could be sent at once.
    #[must_use]
    pub fn is_ready(&self, now_ms: u64) -> bool {
        matches!(self.phase, Phase::Live) && now_ms >= self.next_delta_ms
    }

    /// What the asker sees.
    #[must_use]
    pub const fn rights(&self) -> &Rights {
        &self.query.rights
    }

    /// Everything up to here was sent.
    #[must_use]
    pub const fn sent(&self) -> Position {
        self.sent
    }

    /// Name of the dataset.
    #[must_use]
    pub const fn dataset(&self) -> &'static str {
        self.query.table.name
    }

    /// The next frame, if one is due.
    pub fn next_frame(
        &mut self,
        now_ms: u64,
        time: Timestamp,
        limits: &Limits,
    ) -> Option<Outgoing> {
        match std::mem::replace(&mut self.phase, Phase::Live) {
            Phase::Begin(rows) => {
                let frame = self.begin_frame();
                self.phase = Phase::Rows { rows, after: None };
                Some(frame)
            }
            Phase::Rows { rows, after } => Some(self.rows_frame(rows, after, time, limits)),
            Phase::End => Some(self.end_frame(time)),
            Phase::Live if !self.pending.is_empty() && now_ms >= self.next_delta_ms => {
                self.next_delta_ms = now_ms.saturating_add(self.query.interval_ms);
                // It says as much: where the subscriber is, and that the server is alive.
                self.next_progress_ms = now_ms.saturating_add(limits.progress_ms);
                Some(self.delta_frame(time))
            }
            Phase::Live if now_ms >= self.next_progress_ms => {
                self.next_progress_ms = now_ms.saturating_add(limits.progress_ms);
                Some(self.progress_frame(time))
            }
            Phase::Live => None,
        }
    }

    fn begin_frame(&self) -> Outgoing {
        Frame::SnapshotBegin {
            id: self.id(),
            dataset: self.query.table.name.into(),
            key: names(self.query.table.key),
            epoch: self.epoch.to_string().into(),
            position: self.sent,
        }
        .encode()
    }

    fn rows_frame(
        &mut self,
        rows: LiveRows,
        after: Option<Arc<str>>,
        time: Timestamp,
        limits: &Limits,
    ) -> Outgoing {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let mut last = None;
        let mut page = Vec::new();
        for (key, row) in rows.range::<Arc<str>, _>((from, Bound::Unbounded)) {
            if let Some(row) = self.query.show(row) {
                page.push(row);
                last = Some(Arc::clone(key));
            }
            if page.len() >= limits.snapshot_rows.max(1) {
                break;
            }
        }
        if page.is_empty() {
            return self.end_frame(time);
        }
        let full = page.len() >= limits.snapshot_rows.max(1);
        self.phase = if full { Phase::Rows { rows, after: last } } else { Phase::End };
        self.in_arrow(&Frame::Rows { id: self.id(), rows: () }, &page, &[]).unwrap_or_else(|| {
            Frame::Rows { id: self.id(), rows: self.rows(&self.query.columns, &page) }.encode()
        })
    }

    fn end_frame(&mut self, time: Timestamp) -> Outgoing {
        self.phase = Phase::Live;
        let token = self.signer.token(self.epoch, self.sent, time);
        Frame::SnapshotEnd { id: self.id(), position: self.sent, token: token.into() }.encode()
    }

    fn delta_frame(&mut self, time: Timestamp) -> Outgoing {
        let from = std::mem::replace(&mut self.sent, self.absorbed);
        let token = self.signer.token(self.epoch, self.sent, time);
        let (mut upserts, mut deletes) = (Vec::new(), Vec::new());
        for pending in std::mem::take(&mut self.pending).into_values() {
            match pending {
                Pending { after: Some(row), .. } => upserts.push(row),
                Pending { before: Some(row), after: None } => deletes.push(row),
                Pending { before: None, after: None } => {}
            }
        }
        let (id, to) = (self.id(), self.sent);
        let bare = Frame::Delta { id, from, to, upserts: (), deletes: (), token: (&*token).into() };
        let encoded = self.in_arrow(&bare, &upserts, &deletes).unwrap_or_else(|| {
            let keys = self.query.key_columns();
            let upserts = self.rows(&self.query.columns, &upserts);
            let deletes = self.rows(&keys, &deletes);
            let id = self.id();
            Frame::Delta { id, from, to, upserts, deletes, token: (&*token).into() }.encode()
        });
        Outgoing { pushed: self.pushed.take(), ..encoded }
    }

    fn progress_frame(&mut self, time: Timestamp) -> Outgoing {
        // With changes waiting for their turn the subscriber is only where the last frame left it.
        if self.pending.is_empty() {
            self.sent = self.absorbed;
        }
        let token = self.signer.token(self.epoch, self.sent, time);
        Frame::Progress { id: self.id(), position: self.sent, time, token: token.into() }.encode()
    }

    /// The frame with rows as Arrow, if that was asked for.
    fn in_arrow(
        &self,
        frame: &Frame<'_, ()>,
        upserts: &[Row],
        deletes: &[Row],
    ) -> Option<Outgoing> {
        let (table, columns) = (self.query.table, &*self.query.columns);
        let rows = RowsArrow { table, columns, upserts, deletes };
        // Should Arrow fail there is JSON, which every subscriber reads: nothing is left out.
        if self.format == Format::Arrow { frame.encode_with(&rows) } else { None }
    }

    fn id(&self) -> Cow<'_, str> {
        (&*self.id).into()
    }

    fn rows<'a>(&self, columns: &'a [usize], rows: &'a [Row]) -> RowsJson<'a> {
        RowsJson { table: self.query.table, columns, rows }
    }
}

const fn reason(lost: Lost) -> ResyncReason {
    match lost {
        Lost::Epoch => ResyncReason::Epoch,
        Lost::Retention => ResyncReason::Retention,
    }
}
