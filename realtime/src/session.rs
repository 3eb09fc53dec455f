//! One client's subscriptions side by side: requests in, frames out, in turn.
//!
//! It does no input or output and has no clock.

mod rights;

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;
use std::sync::Arc;

use ledgerline_access::{Action, Principal, allows};
use ledgerline_event_store::log::{EventReader, Filter as EventFilter};
use ledgerline_projections::Rights;
use ledgerline_projections::rights::Directory;
use ledgerline_schemas::Timestamp;
use serde_json::Value as Json;
use tokio::sync::watch;

use crate::events::{self, EventSubscription, Start};
use crate::frame::{ErrorCode, Frame, Offer, Outgoing, ResyncReason};
use crate::hub::Hub;
use crate::limits::Limits;
use crate::live::{LiveSubscription, Signer};
use crate::query::{Query, hash, policy_hash};
use crate::request::{Format, Request, RequestError, Subscribe};
use crate::resume::ResumeKey;
use crate::row_json::RowsJson;

/// What one organization offers.
#[derive(Clone, Debug)]
pub struct Organization {
    /// Its live tables.
    pub hub: Arc<Hub>,
    /// Its log.
    pub log: Option<Arc<dyn EventReader>>,
}

/// A moment: monotonic milliseconds and the time of day.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// Milliseconds from any fixed instant.
    pub ms: u64,
    /// Time of day.
    pub time: Timestamp,
}

/// What a session waits for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wake {
    /// A frame is due at this `ms`.
    pub at_ms: Option<u64>,
    /// A change of live rows makes a frame due.
    pub on_change: bool,
    /// An event makes a frame due.
    pub on_event: bool,
}

#[derive(Debug)]
enum Subscription {
    Live(Box<LiveSubscription>),
    Events(Box<EventSubscription>),
}

impl Subscription {
    const fn dataset(&self) -> &'static str {
        match self {
            Self::Live(live) => live.dataset(),
            Self::Events(_) => events::DATASET,
        }
    }
}

/// One client's subscriptions.
#[derive(Debug)]
pub struct Session {
    principal: Principal,
    organization: Organization,
    key: ResumeKey,
    limits: Arc<Limits>,
    subscriptions: BTreeMap<String, Subscription>,
    replies: VecDeque<Outgoing>,
    /// What rights follow from; looked at before every frame, so that no frame is made with rights that are gone.
    directory: watch::Receiver<Arc<Directory>>,
    /// The subscription that was served last; the next one in order is served next.
    served: String,
}

impl Session {
    /// A session of a principal, or `None` when its roles allow no subscription at all.
    #[must_use]
    pub fn new(
        principal: Principal,
        organization: Organization,
        key: ResumeKey,
        limits: Arc<Limits>,
    ) -> Option<Self> {
        let any = [Action::LiveSubscribe, Action::EventLogRead];
        if !any.into_iter().any(|action| allows(&principal, action))
            || organization.hub.rights(&principal).is_err()
        {
            return None;
        }
        let directory = organization.hub.watch_rights();
        let mut session = Self {
            directory,
            principal,
            organization,
            key,
            limits,
            subscriptions: BTreeMap::new(),
            replies: VecDeque::new(),
            served: String::new(),
        };
        let datasets = session.offers();
        let ready = Frame::Ready { org_id: session.principal.org_id, datasets }.encode();
        session.replies.push_back(ready);
        Some(session)
    }

    fn offers(&self) -> Vec<Offer<'static>> {
        let mut offers = Vec::new();
        let Ok(rights) = self.organization.hub.rights(&self.principal) else { return offers };
        if allows(&self.principal, Action::LiveSubscribe) {
            let tables = self.organization.hub.tables().iter().filter(|it| rights.sees(it));
            offers.extend(tables.map(|table| Offer::of(table)));
        }
        let reads = allows(&self.principal, Action::EventLogRead) && rights.sees_log();
        if reads && self.organization.log.is_some() {
            offers.push(Offer {
                name: events::DATASET.into(),
                doc: "every event of the organization, in order".into(),
                key: vec!["position".into()],
                columns: Vec::new(),
            });
        }
        offers
    }

    /// Takes a frame of the client.
    pub fn handle(&mut self, text: &str, now: Now) {
        match Request::parse(text) {
            Ok(Request::Subscribe(subscribe)) => self.subscribe(subscribe, now),
            Ok(Request::Unsubscribe { id }) => match self.remove(&id) {
                true => self.reply(&Frame::Unsubscribed { id: (&*id).into() }),
                false => self.unknown(&id),
            },
            Ok(Request::Ack { id, position }) => match self.subscriptions.get(&id) {
                Some(subscription) => {
                    let sent = match subscription {
                        Subscription::Live(live) => live.sent(),
                        Subscription::Events(events) => events.sent(),
                    };
                    if position > sent {
                        let message =
                            format!("field 'position': {position} was not sent, {sent} was");
                        self.error(Some(&id), ErrorCode::BadRequest, &message);
                    } else {
                        #[allow(
                            clippy::cast_precision_loss,
                            reason = "a distance for a histogram"
                        )]
                        metrics::histogram!("ledgerline_realtime_unacknowledged_positions")
                            .record((sent.0 - position.0) as f64);
                    }
                }
                None => self.unknown(&id),
            },
            Ok(Request::Ping) => self.reply(&Frame::Pong { time: now.time }),
            Ok(Request::Auth { .. }) => {
                self.error(None, ErrorCode::BadRequest, "the connection is authenticated already");
            }
            Err(RequestError { id, message }) => {
                self.error(id.as_deref(), ErrorCode::BadRequest, &message);
            }
        }
    }

    /// Starts a subscription; says why not in an error frame.
    pub fn subscribe(&mut self, wanted: Subscribe, now: Now) {
        let id = wanted.id.clone();
        if let Err((code, message)) = self.try_subscribe(wanted, now) {
            self.error(Some(&id), code, &message);
        }
    }

    /// Starts a subscription. One that cannot be resumed is answered with a `resync` frame.
    ///
    /// # Errors
    /// What is wrong with the request, naming the field.
    pub fn try_subscribe(
        &mut self,
        wanted: Subscribe,
        now: Now,
    ) -> Result<(), (ErrorCode, String)> {
        let id = wanted.id.clone();
        if self.subscriptions.contains_key(&id) {
            let message = format!("field 'id': subscription '{id}' exists already");
            return Err((ErrorCode::BadRequest, message));
        }
        if self.subscriptions.len() >= self.limits.subscriptions {
            let message =
                format!("a connection has at most {} subscriptions", self.limits.subscriptions);
            return Err((ErrorCode::TooLarge, message));
        }
        let started = if wanted.dataset == events::DATASET {
            self.start_events(wanted, now)
        } else {
            self.start_live(wanted, now)
        };
        match started {
            Ok(subscription) => {
                metrics::gauge!("ledgerline_realtime_subscribers", "dataset" => subscription.dataset())
                    .increment(1.0);
                self.subscriptions.insert(id, subscription);
            }
            Err(Refusal::Resync(reason)) => {
                self.reply(&Frame::Resync { id: (&*id).into(), reason })
            }
            Err(Refusal::Error(code, message)) => return Err((code, message)),
        }
        Ok(())
    }

    fn start_live(&self, wanted: Subscribe, now: Now) -> Result<Subscription, Refusal> {
        let rights = self.rights()?;
        let hub = &self.organization.hub;
        let table =
            hub.tables().iter().copied().find(|table| table.name == wanted.dataset).ok_or_else(
                || {
                    let names: Vec<String> =
                        self.offers().iter().map(|offer| offer.name.to_string()).collect();
                    let message = format!(
                        "field 'dataset': no such dataset '{}', there are {}",
                        wanted.dataset,
                        names.join(", ")
                    );
                    Refusal::Error(ErrorCode::UnknownDataset, message)
                },
            )?;
        self.require(Action::LiveSubscribe)?;
        if !rights.sees(table) || rights.limits().is_some_and(|limited| limited.masks_key(table)) {
            let message = format!("the user profile does not open {}", table.name);
            return Err(Refusal::Error(ErrorCode::Forbidden, message));
        }
        if wanted.after.is_some() {
            return Err(bad("field 'after' is for the dataset events only"));
        }
        let (filter, columns) = (&wanted.filter, wanted.columns.as_deref());
        let query = Query::new(table, rights.clone(), filter, columns, wanted.max_hz)
            .map_err(|error| bad(&error.to_string()))?;
        let signer = self.signer(query.hash(&self.principal), &rights);
        let resume = wanted.resume.as_deref();
        let format = wanted.format.unwrap_or_default();
        LiveSubscription::begin(wanted.id, query, signer, resume, hub, now.ms, now.time)
            .map(|live| Subscription::Live(Box::new(live.in_format(format))))
            .map_err(Refusal::Resync)
    }

    fn start_events(&self, wanted: Subscribe, now: Now) -> Result<Subscription, Refusal> {
        self.require(Action::EventLogRead)?;
        let rights = self.rights()?;
        if !rights.sees_log() {
            let message = "the user profile does not open the event stream".to_owned();
            return Err(Refusal::Error(ErrorCode::Forbidden, message));
        }
        let log = self.organization.log.clone().ok_or_else(|| {
            let message = "field 'dataset': the event stream is not offered".to_owned();
            Refusal::Error(ErrorCode::UnknownDataset, message)
        })?;
        if wanted.format == Some(Format::Arrow) {
            return Err(bad("field 'format': events are written as JSON only"));
        }
        if wanted.columns.is_some() || wanted.max_hz.is_some() {
            return Err(bad("fields 'columns' and 'max_hz' are for live datasets only"));
        }
        let filter = event_filter(&wanted.filter).map_err(|message| bad(&message))?;
        let start = match (&wanted.resume, wanted.after) {
            (Some(_), Some(_)) => {
                return Err(bad("fields 'resume' and 'after' exclude each other"));
            }
            (Some(token), None) => Start::Resume(token),
            (None, Some(position)) => Start::After(position),
            (None, None) => Start::Now,
        };
        let parts = [
            events::DATASET,
            &format!("{filter:?}"),
            &self.principal.org_id.to_string(),
            &self.principal.subject,
        ];
        let signer = self.signer(hash(&parts), &rights);
        EventSubscription::begin(wanted.id, log, filter, signer, start, now.ms, now.time)
            .map(|events| Subscription::Events(Box::new(events)))
            .ok_or_else(|| bad("field 'resume': not accepted, give 'after' instead"))
    }

    fn require(&self, action: Action) -> Result<(), Refusal> {
        if allows(&self.principal, action) {
            return Ok(());
        }
        let message = format!("the roles of '{}' do not allow {action}", self.principal.subject);
        Err(Refusal::Error(ErrorCode::Forbidden, message))
    }

    fn signer(&self, query: crate::query::Hash, rights: &Rights) -> Signer {
        let revision = *self.organization.hub.watch_policy().borrow();
        Signer {
            key: self.key.clone(),
            query,
            policy: policy_hash(&self.principal, rights, revision),
            ttl_s: self.limits.resume_ttl_s,
        }
    }

    /// The next frame that is due.
    pub fn next_frame(&mut self, now: Now) -> Option<Outgoing> {
        // The hub has this before the rows of the same change.
        if self.directory.has_changed().unwrap_or(false) {
            self.directory.mark_unchanged();
            self.check_rights();
        }
        if let Some(reply) = self.replies.pop_front() {
            return Some(reply);
        }
        let (later, sooner) =
            ((Bound::Excluded(self.served.clone()), Bound::Unbounded), ..=self.served.clone());
        let order: Vec<String> = self
            .subscriptions
            .range::<String, _>(later)
            .chain(self.subscriptions.range::<String, _>(sooner))
            .map(|(id, _)| id.clone())
            .collect();
        for id in order {
            if let Some(frame) = self.serve(&id, now) {
                self.served = id;
                return Some(frame);
            }
        }
        None
    }

    fn serve(&mut self, id: &str, now: Now) -> Option<Outgoing> {
        match self.subscriptions.get_mut(id)? {
            Subscription::Live(live) => {
                if let Err(reason) = live.absorb(&self.organization.hub) {
                    self.remove(id);
                    return Some(Frame::Resync { id: id.into(), reason }.encode());
                }
                live.next_frame(now.ms, now.time, &self.limits)
            }
            Subscription::Events(events) => {
                match events.next_frame(now.ms, now.time, &self.limits) {
                    Ok(frame) => frame,
                    Err(error) => {
                        tracing::error!(%error, "event stream cannot be read");
                        self.remove(id);
                        let message = "the log cannot be read".into();
                        let code = ErrorCode::Unavailable;
                        Some(Frame::Error { id: Some(id.into()), code, message }.encode())
                    }
                }
            }
        }
    }

    /// Takes in changes without sending, so that the hub may drop them.
    pub fn catch_up(&mut self) {
        let mut lost = Vec::new();
        for (id, subscription) in &mut self.subscriptions {
            if let Subscription::Live(live) = subscription
                && let Err(reason) = live.absorb(&self.organization.hub)
            {
                lost.push((id.clone(), reason));
            }
        }
        for (id, reason) in lost {
            self.remove(&id);
            self.reply(&Frame::Resync { id: (&*id).into(), reason });
        }
    }

    /// Ends every subscription with a `resync`.
    pub fn resync_all(&mut self, reason: ResyncReason) {
        let ids: Vec<String> = self.subscriptions.keys().cloned().collect();
        for id in ids {
            self.remove(&id);
            self.reply(&Frame::Resync { id: (&*id).into(), reason });
        }
    }

    /// What the session waits for.
    #[must_use]
    pub fn wake(&self, now_ms: u64) -> Wake {
        if !self.replies.is_empty() {
            return Wake { at_ms: Some(0), ..Wake::default() };
        }
        let mut wake = Wake::default();
        for subscription in self.subscriptions.values() {
            let due = match subscription {
                Subscription::Live(live) => {
                    wake.on_change |= live.is_ready(now_ms);
                    live.due_ms(now_ms)
                }
                Subscription::Events(events) => {
                    wake.on_event = true;
                    events.due_ms()
                }
            };
            wake.at_ms = Some(wake.at_ms.map_or(due, |at| at.min(due)));
        }
        wake
    }

    /// Whether a live subscription exists; only those end when the client is slow.
    #[must_use]
    pub fn has_live(&self) -> bool {
        self.subscriptions.values().any(|it| matches!(it, Subscription::Live(_)))
    }

    /// Whether another frame of the client may be taken: one that reads no answers gets none made.
    #[must_use]
    pub fn wants_requests(&self) -> bool {
        self.replies.len() <= self.limits.subscriptions
    }

    /// Whether there is nothing left: no subscription and no frame to send.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.subscriptions.is_empty() && self.replies.is_empty()
    }

    fn remove(&mut self, id: &str) -> bool {
        let Some(gone) = self.subscriptions.remove(id) else { return false };
        metrics::gauge!("ledgerline_realtime_subscribers", "dataset" => gone.dataset())
            .decrement(1.0);
        true
    }

    fn unknown(&mut self, id: &str) {
        let message = format!("field 'id': no subscription '{id}'");
        self.error(Some(id), ErrorCode::UnknownSubscription, &message);
    }

    fn error(&mut self, id: Option<&str>, code: ErrorCode, message: &str) {
        self.reply(&Frame::Error { id: id.map(Into::into), code, message: message.into() });
    }

    fn reply(&mut self, frame: &Frame<'_, RowsJson<'_>>) {
        self.replies.push_back(frame.encode());
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        for subscription in self.subscriptions.values() {
            metrics::gauge!("ledgerline_realtime_subscribers", "dataset" => subscription.dataset())
                .decrement(1.0);
        }
    }
}

enum Refusal {
    Error(ErrorCode, String),
    Resync(ResyncReason),
}

fn bad(message: &str) -> Refusal {
    Refusal::Error(ErrorCode::BadRequest, message.to_owned())
}

/// `{"type": ["queue."], "stream": ["interaction-"]}`: prefixes, a single text or a list.
fn event_filter(json: &Json) -> Result<EventFilter, String> {
    let mut filter = EventFilter::all();
    let object = match json {
        Json::Null => return Ok(filter),
        Json::Object(object) => object,
        _ => return Err("field 'filter': must be an object".to_owned()),
    };
    for (name, value) in object {
        let prefixes = match value {
            Json::String(text) => vec![text.clone()],
            list => serde_json::from_value(list.clone())
                .map_err(|_| format!("field 'filter.{name}': must be a text or a list of texts"))?,
        };
        match name.as_str() {
            "type" => filter.type_prefixes = prefixes,
            "stream" => filter.stream_prefixes = prefixes,
            other => {
                return Err(format!("field 'filter.{other}': unknown, there are type and stream"));
            }
        }
    }
    Ok(filter)
}
