//! One subscription at work: reads the log, sends, keeps how far it has come.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::StreamExt as _;
use futures::future::FutureExt as _;
use futures::stream::FuturesUnordered;
use ledgerline_event_store::log::{Direction, EventReader, Filter, ReadError};
use ledgerline_schemas::config::WebhookSubscription;
use ledgerline_schemas::id::{EntityId, OrgId};
use ledgerline_schemas::{Position, Timestamp, webhook};
use tokio::sync::Notify;

use super::body::{message_id, of_event};
use super::dead_letter::DeadLetters;
use super::deliver::{Message, Outcome, Sender};
use super::journal::{Disabled, Item, Journal, JournalError, Saved};
use super::outbox::{Bounds, Outbox};
use super::ports::{Clock, WebhookRecorder};
use super::status::AttemptStatus;

mod manage;
mod telling;

pub(in crate::webhook) use manage::origin;

/// Events that are read at once.
const PAGE: usize = 200;
/// Events that are read ahead of what can be sent at once.
const AHEAD: usize = 50;
/// A position that only passed over events nobody subscribed to is saved after so many of them.
const PASSED_UNSAVED_MAX: u64 = 1_000;
/// Longest sleep: how late a change of the clock is noticed.
const SLEEP: Duration = Duration::from_secs(1);
/// Wait after a failure of the log or the file.
const PAUSE: Duration = Duration::from_secs(10);

/// The subscription cannot go on for now. Nothing is lost: what could not be kept or told is done again.
#[derive(Debug, thiserror::Error)]
pub enum EndpointError {
    /// The log cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The position cannot be kept.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// An event could not be appended.
    #[error("what became of a webhook could not be recorded: {0}")]
    Record(String),
}

/// What subscriptions stand on.
#[derive(Clone, Debug)]
pub struct Parts {
    /// The organization's log.
    pub reader: Arc<dyn EventReader>,
    /// Sends requests.
    pub sender: Arc<Sender>,
    /// Tells the log.
    pub recorder: Arc<dyn WebhookRecorder>,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// What may wait.
    pub bounds: Bounds,
    /// Folder of the files; it has to exist and is of this organization alone.
    pub folder: PathBuf,
}

/// One subscription.
#[derive(Debug)]
pub struct Endpoint {
    id: EntityId,
    since: Position,
    parts: Parts,
    journal: Journal,
    state: Mutex<State>,
    /// One step at a time.
    turn: tokio::sync::Mutex<()>,
    /// One writer of the file at a time.
    saving: tokio::sync::Mutex<()>,
    wake: Notify,
    is_closed: AtomicBool,
}

#[derive(Debug)]
struct State {
    document: Arc<WebhookSubscription>,
    document_position: Position,
    outbox: Outbox,
    dead: DeadLetters,
    disabled: Option<Disabled>,
    /// A change of the document enabled it, and the log is not told yet.
    is_enabled_untold: bool,
    last: Option<AttemptStatus>,
    /// There is something that the file does not have.
    is_unsaved: bool,
    saved_read: Position,
}

impl State {
    fn is_sending(&self) -> bool {
        self.document.active && self.disabled.is_none()
    }
}

impl Endpoint {
    /// Goes on where the file says: with a document that is at `position`, of a subscription that there is since `since`.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn open(
        parts: Parts,
        id: EntityId,
        since: Position,
        document: Arc<WebhookSubscription>,
        position: Position,
    ) -> Result<Self, JournalError> {
        let journal = Journal::of(&parts.folder, id);
        let (org_id, head) = (parts.reader.org_id(), parts.reader.head());
        let saved = journal.load(org_id, id, since, head)?;
        let state = State {
            document,
            document_position: position,
            outbox: Outbox::new(id, saved.read, saved.open, parts.bounds),
            dead: saved.dead,
            is_enabled_untold: false,
            disabled: saved.disabled,
            last: None,
            is_unsaved: false,
            saved_read: saved.read,
        };
        let endpoint = Self {
            id,
            since,
            parts,
            journal,
            state: Mutex::new(state),
            turn: tokio::sync::Mutex::default(),
            saving: tokio::sync::Mutex::default(),
            wake: Notify::new(),
            is_closed: AtomicBool::new(false),
        };
        endpoint.state().enable_by(position);
        Ok(endpoint)
    }

    /// Where the subscription was created.
    #[must_use]
    pub const fn since(&self) -> Position {
        self.since
    }

    /// Its document.
    #[must_use]
    pub fn document(&self) -> Arc<WebhookSubscription> {
        Arc::clone(&self.state().document)
    }

    /// Takes a newer document. It also takes up an endpoint again that was gone.
    pub fn change(&self, document: Arc<WebhookSubscription>, position: Position) {
        let mut state = self.state();
        if position > state.document_position {
            state.document = document;
            state.document_position = position;
            state.enable_by(position);
        }
        drop(state);
        self.wake.notify_one();
    }

    /// Ends it; with `forget` also how far it has come.
    ///
    /// # Errors
    /// [`JournalError`].
    pub async fn close(&self, forget: bool) -> Result<(), JournalError> {
        let _saving = self.saving.lock().await;
        self.is_closed.store(true, Ordering::Relaxed);
        self.wake.notify_one();
        if forget { self.journal.remove() } else { Ok(()) }
    }

    fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::Relaxed)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn org_id(&self) -> OrgId {
        self.parts.reader.org_id()
    }

    /// Sends everything that is due by now; when something is due next, as far as is known.
    ///
    /// Dropping the future is like a crash: what is not in the file is sent again, under the same id.
    ///
    /// # Errors
    /// [`EndpointError`].
    pub async fn step(&self) -> Result<Option<Timestamp>, EndpointError> {
        let _turn = self.turn.lock().await;
        self.state().outbox.nothing_in_flight();
        self.tell_enabled().await?;
        let mut flying = FuturesUnordered::new();
        let mut outcome = Ok(());
        loop {
            // What was done is in the file before anything more is begun: a crash repeats what was in flight, no more.
            outcome = outcome.and(self.save(false).await);
            if outcome.is_ok() && !self.is_closed() {
                outcome = self.fill();
            }
            if outcome.is_ok() && !self.is_closed() {
                flying.extend(self.due().into_iter().map(|item| self.attempt(item)));
            }
            let Some((item, ended)) = flying.next().await else { break };
            outcome = outcome.and(self.settle(item, ended).await);
            while let Some(Some((item, ended))) = flying.next().now_or_never() {
                outcome = outcome.and(self.settle(item, ended).await);
            }
        }
        outcome?;
        let state = self.state();
        Ok(if state.is_sending() { state.outbox.next_at() } else { None })
    }

    /// Works until it is closed or the log is.
    pub async fn work(&self) {
        let mut head = self.parts.reader.watch_head();
        while !self.is_closed() {
            head.mark_unchanged();
            match self.step().await {
                Ok(next) => {
                    let now = self.parts.clock.now();
                    let wait = next.map(|at| Duration::from_millis(at.ms_since(now)));
                    tokio::select! {
                        () = tokio::time::sleep(wait.unwrap_or(SLEEP).min(SLEEP)) => {}
                        () = self.wake.notified() => {}
                        changed = head.changed() => if changed.is_err() { return },
                    }
                }
                Err(error) => {
                    let name = &self.document().name;
                    tracing::warn!(org_id = %self.org_id(), name, %error, "a webhook waits");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    fn due(&self) -> Vec<Item> {
        let now = self.parts.clock.now();
        let mut state = self.state();
        if !state.is_sending() {
            return Vec::new();
        }
        let max = usize::try_from(state.document.max_in_flight).unwrap_or(1);
        state.outbox.due(now, max)
    }

    /// Reads on, as far as there is room and use for it.
    fn fill(&self) -> Result<(), EndpointError> {
        let mut state = self.state();
        if !state.is_sending() {
            return Ok(());
        }
        let document = Arc::clone(&state.document);
        let sent_as = |log_type: &str| {
            let sent = webhook::type_of(log_type)?;
            document.event_types.iter().any(|it| webhook::matches(it, sent)).then_some(sent)
        };
        let ours = webhook::EVENT_TYPES.iter().map(|(ours, _)| *ours);
        let type_prefixes: Vec<String> =
            ours.filter(|ours| sent_as(ours).is_some()).map(str::to_owned).collect();
        if type_prefixes.is_empty() {
            // An empty filter would let everything through.
            return Ok(());
        }
        let filter = Filter { type_prefixes, ..Filter::default() };
        let ahead = AHEAD + usize::try_from(document.max_in_flight).unwrap_or(0);
        let head = self.parts.reader.head();
        while state.outbox.read() < head && state.outbox.flowing() < ahead {
            let max = state.outbox.room().min(PAGE);
            if max == 0 {
                break;
            }
            let from = state.outbox.read();
            let page = self.parts.reader.read_all(from, Direction::Forward, &filter, max)?;
            if page.scanned_to <= from {
                return Err(ReadError::Closed.into());
            }
            for recorded in page.events {
                let header = recorded.header;
                let Some(sent) = sent_as(&header.event_type) else { continue };
                state.outbox.put(Item {
                    position: header.position,
                    event_id: header.id,
                    stream: header.stream,
                    event_type: sent.to_owned(),
                    attempts: 0,
                    tried_at: Timestamp::EPOCH,
                    next_at: Timestamp::EPOCH,
                    reason: String::new(),
                });
            }
            state.outbox.read_to(page.scanned_to);
        }
        Ok(())
    }

    async fn attempt(&self, item: Item) -> (Item, Result<Outcome, EndpointError>) {
        let before = Position(item.position.0.saturating_sub(1));
        let found = self.parts.reader.read_all(before, Direction::Forward, &Filter::all(), 1);
        let recorded = match found.map(|page| page.events.into_iter().next()) {
            Ok(Some(recorded)) if recorded.header.id == item.event_id => recorded,
            Ok(_) => return (item, Err(ReadError::Closed.into())),
            Err(error) => return (item, Err(error.into())),
        };
        let document = self.document();
        let message = Message {
            id: message_id(item.event_id, self.id),
            at: self.parts.clock.now(),
            body: of_event(&recorded, &item.event_type),
        };
        drop(recorded);
        let outcome = self.parts.sender.send(&document, message).await;
        (item, Ok(outcome))
    }

    async fn settle(
        &self,
        item: Item,
        ended: Result<Outcome, EndpointError>,
    ) -> Result<(), EndpointError> {
        let position = item.position;
        let settled = match ended {
            Ok(outcome) => self.settled(item, outcome).await,
            Err(error) => Err(error),
        };
        if settled.is_err() {
            // It stays as it was and is sent again.
            self.state().outbox.returned(position);
        }
        settled
    }

    async fn settled(&self, item: Item, outcome: Outcome) -> Result<(), EndpointError> {
        let (position, now) = (item.position, self.parts.clock.now());
        let label = match &outcome {
            Outcome::Taken(_) => "taken",
            Outcome::Gone => "gone",
            Outcome::Failed { .. } => "failed",
        };
        metrics::counter!("ledgerline_webhook_attempts_total", "outcome" => label).increment(1);
        self.state().last = Some(AttemptStatus::of(&outcome, now));
        match outcome {
            Outcome::Taken(_) => {
                let mut state = self.state();
                state.outbox.delivered(position, now);
                state.is_unsaved = true;
            }
            Outcome::Gone => {
                if self.state().disabled.is_none() {
                    self.disable("the server answered 410, gone", now).await?;
                }
                self.state().outbox.returned(position);
            }
            Outcome::Failed { reason, .. } => {
                if self.state().outbox.is_last(position, now) {
                    self.tell_given_up(&item, &reason).await?;
                }
                let mut state = self.state();
                if let Some(item) = state.outbox.failed(position, reason, now) {
                    state.dead.add(item, now);
                }
                state.is_unsaved = true;
            }
        }
        Ok(())
    }

    /// Saves what is not in the file; with `force` also how far was read past what nobody subscribed to.
    async fn save(&self, force: bool) -> Result<(), EndpointError> {
        let _saving = self.saving.lock().await;
        let saved = {
            let mut state = self.state();
            let read = state.outbox.read();
            let passed = read.0.saturating_sub(state.saved_read.0);
            if self.is_closed() || !(force || state.is_unsaved || passed >= PASSED_UNSAVED_MAX) {
                return Ok(());
            }
            state.is_unsaved = false;
            Saved {
                org_id: self.org_id(),
                subscription_id: self.id,
                since: self.since,
                read,
                open: state.outbox.open().cloned().collect(),
                dead: state.dead.clone(),
                disabled: state.disabled.clone(),
            }
        };
        let (journal, read) = (self.journal.clone(), saved.read);
        // A sync takes its time; calls must not wait for it.
        let written = tokio::task::spawn_blocking(move || journal.save(&saved)).await;
        let mut state = self.state();
        match written {
            Ok(Ok(())) => {
                state.saved_read = read;
                Ok(())
            }
            Ok(Err(error)) => {
                state.is_unsaved = true;
                Err(error.into())
            }
            Err(_) => {
                state.is_unsaved = true;
                Err(EndpointError::Record("the file's writer ended".to_owned()))
            }
        }
    }
}

impl State {
    /// A document at this position takes up an endpoint that was gone before it.
    fn enable_by(&mut self, position: Position) {
        if self.disabled.as_ref().is_some_and(|it| it.config_position < position) {
            self.disabled = None;
            self.is_enabled_untold = true;
        }
    }
}
