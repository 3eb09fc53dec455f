//! All subscriptions of an organization, as the configuration on its log says.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::join_all;
use ledgerline_event_store::log::{Direction, Filter, ReadError};
use ledgerline_schemas::config::{EntityKind, WebhookSubscription};
use ledgerline_schemas::event::{ConfigChange, ConfigVerb};
use ledgerline_schemas::id::EntityId;
use ledgerline_schemas::{Event, Position, Recorded, StreamId, Timestamp, Version};
use tokio::task::JoinSet;

use super::endpoint::{Endpoint, EndpointError, Parts, origin};
use super::status::{EndpointState, SubscriptionStatus};

/// Events that are read at once.
const PAGE: usize = 500;
/// How late a change of a subscription is noticed.
const SLEEP: Duration = Duration::from_secs(1);

/// What the log says about a subscription.
#[derive(Clone, Debug)]
struct Known {
    since: Position,
    position: Position,
    /// `None`: it is gone, or a newer program wrote it.
    document: Option<Arc<WebhookSubscription>>,
    is_deleted: bool,
}

/// A subscription that cannot be sent to.
#[derive(Clone, Debug)]
struct Broken {
    document: Arc<WebhookSubscription>,
    since: Position,
    problem: String,
}

#[derive(Debug)]
struct State {
    followed: Position,
    known: BTreeMap<EntityId, Known>,
    /// What is known of these is newer than their endpoints.
    unsettled: BTreeSet<EntityId>,
    endpoints: BTreeMap<EntityId, Arc<Endpoint>>,
    broken: BTreeMap<EntityId, Broken>,
}

/// The webhooks of one organization.
#[derive(Debug)]
pub struct Webhooks {
    parts: Parts,
    state: Mutex<State>,
    /// One at a time takes in changes.
    turn: tokio::sync::Mutex<()>,
}

impl Webhooks {
    /// Reads what the log says about these subscriptions, and follows it from `position` on: whoever knows of the
    /// subscriptions at a position (the tables do) saves reading the whole log. From [`Position::START`] none need be
    /// named.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn open(
        parts: Parts,
        subscriptions: &[EntityId],
        position: Position,
    ) -> Result<Self, ReadError> {
        let mut known = BTreeMap::new();
        for id in subscriptions {
            let stream = StreamId::config(*id);
            let mut from = Version(0);
            loop {
                let events = parts.reader.read_stream(&stream, from, Direction::Forward, PAGE)?;
                let Some(last) = events.last() else { break };
                from = Version(last.header.version.0.saturating_add(1));
                for event in &events {
                    let _ = fold(&mut known, event);
                }
            }
        }
        let state = State {
            followed: position,
            unsettled: known.keys().copied().collect(),
            known,
            endpoints: BTreeMap::new(),
            broken: BTreeMap::new(),
        };
        let webhooks =
            Self { parts, state: Mutex::new(state), turn: tokio::sync::Mutex::default() };
        webhooks.settle_all().await;
        Ok(webhooks)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in what changed in the configuration.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn catch_up(&self) -> Result<(), ReadError> {
        let _turn = self.turn.lock().await;
        let read = self.read();
        // Only what is so in the end: of one that was deleted and made anew, the file is of the new one.
        self.settle_all().await;
        read
    }

    fn read(&self) -> Result<(), ReadError> {
        let filter = Filter {
            type_prefixes: vec![format!("config.{}.", EntityKind::WebhookSubscription.name())],
            ..Filter::default()
        };
        let head = self.parts.reader.head();
        let mut state = self.state();
        while state.followed < head {
            let from = state.followed;
            let page = self.parts.reader.read_all(from, Direction::Forward, &filter, PAGE)?;
            if page.scanned_to <= from {
                return Err(ReadError::Closed);
            }
            for event in &page.events {
                if let Some(id) = fold(&mut state.known, event) {
                    state.unsettled.insert(id);
                }
            }
            state.followed = page.scanned_to;
        }
        Ok(())
    }

    /// Whoever asks may go away in the middle: what is not settled then is settled the next time.
    async fn settle_all(&self) {
        loop {
            let Some(id) = self.state().unsettled.first().copied() else { return };
            self.settle(id).await;
            self.state().unsettled.remove(&id);
        }
    }

    /// Makes an endpoint what the configuration says of it.
    async fn settle(&self, id: EntityId) {
        let (known, endpoint) = {
            let state = self.state();
            (state.known.get(&id).cloned(), state.endpoints.get(&id).cloned())
        };
        let Some(known) = known else { return };
        if let Some(endpoint) = &endpoint {
            match &known.document {
                Some(document) if endpoint.since() == known.since => {
                    endpoint.change(Arc::clone(document), known.position);
                    return;
                }
                _ => {
                    self.state().endpoints.remove(&id);
                    // One that this program cannot read is not gone.
                    let forget = known.is_deleted || endpoint.since() != known.since;
                    if let Err(error) = endpoint.close(forget).await {
                        tracing::warn!(%error, "a webhook's file could not be removed");
                    }
                }
            }
        }
        let Some(document) = known.document else {
            self.state().broken.remove(&id);
            return;
        };
        let (parts, position) = (self.parts.clone(), known.position);
        let opened = Endpoint::open(parts, id, known.since, Arc::clone(&document), position);
        let mut state = self.state();
        state.broken.remove(&id);
        match opened {
            Ok(endpoint) => {
                state.endpoints.insert(id, Arc::new(endpoint));
            }
            Err(error) => {
                let problem = error.to_string();
                tracing::error!(name = document.name, problem, "a webhook is not sent to");
                state.broken.insert(id, Broken { document, since: known.since, problem });
            }
        }
    }

    /// Sends everything that is due by now; when something is due next, as far as is known.
    ///
    /// # Errors
    /// [`EndpointError`], of any; the others have done their part all the same.
    pub async fn step(&self) -> Result<Option<Timestamp>, EndpointError> {
        self.catch_up().await?;
        let endpoints: Vec<_> = self.state().endpoints.values().cloned().collect();
        let mut next: Option<Timestamp> = None;
        for outcome in join_all(endpoints.iter().map(|endpoint| endpoint.step())).await {
            if let Some(at) = outcome? {
                next = Some(next.map_or(at, |known| known.min(at)));
            }
        }
        Ok(next)
    }

    /// Works until the future is dropped. No endpoint waits for another.
    pub async fn work(&self) {
        let mut working = JoinSet::new();
        let mut begun: BTreeMap<EntityId, Arc<Endpoint>> = BTreeMap::new();
        loop {
            if let Err(error) = self.catch_up().await {
                let org_id = self.parts.reader.org_id();
                tracing::warn!(%org_id, %error, "changes of webhooks cannot be read, trying again");
            }
            let endpoints = self.state().endpoints.clone();
            begun.retain(|id, known| endpoints.get(id).is_some_and(|it| Arc::ptr_eq(it, known)));
            for (id, endpoint) in endpoints {
                if begun.insert(id, Arc::clone(&endpoint)).is_none() {
                    working.spawn(async move { endpoint.work().await });
                }
            }
            while working.try_join_next().is_some() {}
            tokio::time::sleep(SLEEP).await;
        }
    }

    /// The subscriptions, by name.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn list(&self) -> Result<Vec<SubscriptionStatus>, ReadError> {
        self.catch_up().await?;
        let (endpoints, broken) = {
            let state = self.state();
            (state.endpoints.values().cloned().collect::<Vec<_>>(), state.broken.clone())
        };
        let mut list: Vec<_> = endpoints.iter().map(|endpoint| endpoint.status()).collect();
        list.extend(broken.into_iter().map(|(id, it)| broken_status(id, it)));
        list.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(list)
    }

    /// The subscription of this name or id.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn find(&self, name: &str) -> Result<Option<Arc<Endpoint>>, ReadError> {
        self.catch_up().await?;
        let state = self.state();
        let id: Option<EntityId> = name.parse().ok();
        let by_id = id.and_then(|id| state.endpoints.get(&id));
        let by_name = || state.endpoints.values().find(|it| it.document().name == name);
        Ok(by_id.or_else(by_name).cloned())
    }
}

/// Takes in an event; the id of the subscription it changed. What was taken in before changes nothing.
fn fold(known: &mut BTreeMap<EntityId, Known>, recorded: &Recorded) -> Option<EntityId> {
    let Ok(Event::Config(change)) = recorded.decode() else { return None };
    if change.kind != EntityKind::WebhookSubscription {
        return None;
    }
    let ConfigChange { entity_id, verb, after, .. } = change;
    let position = recorded.header.position;
    let document: Option<WebhookSubscription> = after.as_ref().and_then(|it| it.parse().ok());
    let entry = known.entry(entity_id).or_insert(Known {
        since: position,
        position: Position::START,
        document: None,
        is_deleted: true,
    });
    if entry.position >= position {
        return None;
    }
    if entry.is_deleted {
        entry.since = position;
    }
    entry.position = position;
    entry.is_deleted = verb == ConfigVerb::Deleted;
    entry.document = document.filter(|_| !entry.is_deleted).map(Arc::new);
    Some(entity_id)
}

fn broken_status(id: EntityId, it: Broken) -> SubscriptionStatus {
    SubscriptionStatus {
        id,
        name: it.document.name.clone(),
        url: origin(&it.document),
        state: EndpointState::Broken,
        disabled: None,
        problem: Some(it.problem),
        done_position: it.since,
        read_position: it.since,
        lag_events: 0,
        open_events: 0,
        open_streams: 0,
        is_paused: true,
        failing: Vec::new(),
        dead_letters: 0,
        dead_letters_dropped: 0,
        last: None,
    }
}
