//! A log in memory, a clock that is set, a folder, and a receiver.

use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ledgerline_access::outbound::{PrivateHosts, Secret};
use ledgerline_event_store::log::{Append, EventReader as _, EventWriter as _};
use ledgerline_event_store::memory::MemoryLog;
use ledgerline_realtime::webhook::{
    Bounds, Clock, Parts, Recording, Sender, SubscriptionStatus, WebhookRecorder, Webhooks,
};
use ledgerline_schemas::config::{EntityKind, WebhookSubscription};
use ledgerline_schemas::document::Document;
use ledgerline_schemas::event::interaction::InteractionFailed;
use ledgerline_schemas::event::{ConfigChange, ConfigVerb};
use ledgerline_schemas::id::{EntityId, EventId, InteractionId, OrgId};
use ledgerline_schemas::{Actor, Event, NewEvent, Position, StreamId, Timestamp};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

pub(crate) const ORG: OrgId = OrgId::from_u128(0xA);
pub(crate) const SUBSCRIPTION: EntityId = EntityId::from_u128(7);
pub(crate) const HOUR_MS: u64 = 3_600_000;

/// A clock that stands until it is set.
#[derive(Debug)]
pub(crate) struct Hands(pub(crate) Mutex<Timestamp>);

impl Clock for Hands {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
}

/// Tells the log, or fails to.
#[derive(Debug)]
pub(crate) struct Recorder {
    log: MemoryLog,
    pub(crate) refuses: Mutex<bool>,
}

impl WebhookRecorder for Recorder {
    fn record(&self, _: OrgId, subscription_id: EntityId, event: Event) -> Recording<'_> {
        let refuses = *self.refuses.lock().unwrap();
        if !refuses {
            append(&self.log, StreamId::webhook(subscription_id), &event);
        }
        Box::pin(std::future::ready(if refuses { Err("no space".to_owned()) } else { Ok(()) }))
    }
}

pub(crate) fn append(log: &MemoryLog, stream: StreamId, event: &Event) -> Position {
    let event = NewEvent {
        id: EventId::derived(ORG.uuid(), &(log.head().0 + 1).to_string()),
        stream,
        event_type: event.event_type().into(),
        time: Timestamp::EPOCH,
        command_id: Default::default(),
        correlation_id: Default::default(),
        causation_id: None,
        actor: Actor::system("test"),
        config_position: Position::START,
        traceparent: None,
        data_subject_id: None,
        payload: event.encode(),
    };
    log.submit(Append { events: vec![event], expected: vec![] }).unwrap().appended.first
}

/// A signing key in text, made of one letter.
pub(crate) fn secret(letter: u8) -> String {
    format!("whsec_{}", STANDARD.encode([letter; 32]))
}

pub(crate) fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

pub(crate) struct World {
    pub(crate) log: MemoryLog,
    pub(crate) clock: Arc<Hands>,
    pub(crate) recorder: Arc<Recorder>,
    pub(crate) folder: tempfile::TempDir,
    pub(crate) bounds: Bounds,
    pub(crate) private: Vec<String>,
}

impl World {
    /// A subscription of everything about tasks, sent to this URL; the host may be one of the house.
    pub(crate) fn to(url: &str, host: String) -> Self {
        let log = MemoryLog::new(ORG, || Timestamp::EPOCH);
        let begin = Timestamp::parse("2026-06-01T08:00:00Z").unwrap();
        let world = Self {
            recorder: Arc::new(Recorder { log: log.clone(), refuses: Mutex::new(false) }),
            log,
            clock: Arc::new(Hands(Mutex::new(begin))),
            folder: tempfile::tempdir().unwrap(),
            bounds: Bounds::default(),
            private: vec![host],
        };
        world.configure(document(url));
        world
    }

    pub(crate) fn pass_ms(&self, ms: u64) {
        let mut now = self.clock.0.lock().unwrap();
        *now = now.plus_ms(ms);
    }

    pub(crate) fn set(&self, at: Timestamp) {
        let mut now = self.clock.0.lock().unwrap();
        *now = at.max(*now);
    }

    /// Writes the subscription as the administrator would.
    pub(crate) fn configure(&self, document: Value) {
        let parsed: WebhookSubscription = serde_json::from_value(document).unwrap();
        self.change(SUBSCRIPTION, ConfigVerb::Updated, Some(Document::of(&parsed).unwrap()));
    }

    pub(crate) fn change(&self, id: EntityId, verb: ConfigVerb, after: Option<Document>) {
        let change = ConfigChange {
            kind: EntityKind::WebhookSubscription,
            verb,
            entity_id: id,
            entity_version: 1,
            before_sha256: None,
            after,
            changed_paths: Vec::new(),
            reason: None,
        };
        append(&self.log, StreamId::config(id), &change.into());
    }

    /// Something happens to an interaction.
    pub(crate) fn happens(&self, interaction: u128, what: &str) -> Position {
        let interaction_id = InteractionId::from_u128(interaction);
        let event =
            InteractionFailed { interaction_id, code: "test".into(), reason: what.to_owned() };
        append(&self.log, StreamId::interaction(interaction_id), &event.into())
    }

    pub(crate) fn parts(&self) -> Parts {
        let keys = [("old", b'a'), ("new", b'b')].map(|(name, letter)| {
            let key = Secret::new(secret(letter).into_bytes()).signing_key().unwrap();
            (name.to_owned(), key)
        });
        let private_hosts =
            PrivateHosts { hosts: self.private.clone(), setting: "webhooks.private_hosts" };
        Parts {
            reader: Arc::new(self.log.clone()),
            sender: Arc::new(Sender::new(keys.into(), private_hosts)),
            recorder: Arc::clone(&self.recorder) as Arc<dyn WebhookRecorder>,
            clock: Arc::clone(&self.clock) as Arc<dyn Clock>,
            bounds: self.bounds,
            folder: self.folder.path().to_owned(),
        }
    }

    /// Webhooks as after a start.
    pub(crate) async fn webhooks(&self) -> Webhooks {
        Webhooks::open(self.parts(), &[], Position::START).await.unwrap()
    }

    pub(crate) async fn status(&self, webhooks: &Webhooks) -> SubscriptionStatus {
        let mut list = webhooks.list().await.unwrap();
        assert_eq!(list.len(), 1, "{list:?}");
        list.remove(0)
    }

    /// Goes from one due time to the next until nothing is open.
    pub(crate) async fn to_the_end(&self, webhooks: &Webhooks) {
        while let Some(next) = webhooks.step().await.unwrap() {
            self.set(next);
        }
    }

    pub(crate) fn log_head(&self) -> u64 {
        self.log.head().0
    }

    /// Events of webhooks, in order.
    pub(crate) fn told(&self) -> Vec<Event> {
        let events = self.log.scan(Position::START).map(|it| it.unwrap());
        let ours = events.filter(|it| it.header.event_type.starts_with("webhook."));
        ours.map(|it| it.decode().unwrap()).collect()
    }
}

pub(crate) fn document(url: &str) -> Value {
    json!({
        "name": "CRM", "url": url, "event_types": ["task.*"], "secrets": ["old"],
        "timeout_ms": 1_000, "max_in_flight": 4,
    })
}

pub(crate) fn stream(interaction: u128) -> String {
    StreamId::interaction(InteractionId::from_u128(interaction)).to_string()
}
