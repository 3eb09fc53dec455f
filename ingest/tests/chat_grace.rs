//! The grace period of web chat, in virtual time, against a scripted engine.

#![allow(clippy::expect_used, reason = "helpers of tests fail a test by panicking")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use ledgerline_event_store::crypt::KeyRing;
use ledgerline_event_store::memory::MemoryLog;
use ledgerline_ingest::chat::{ChatEdge, ChatSettings, ToCustomer};
use ledgerline_ingest::http::port::{
    Accepted, AgentView, EnginePort, EntityKey, EntityView, InteractionView, PortError,
};
use ledgerline_routing_core::{Effect, EffectId};
use ledgerline_schemas::command::{Command, Commanded};
use ledgerline_schemas::config::{ChannelType, EntityKind};
use ledgerline_schemas::id::{InteractionId, MediaLegId, OrgId, RunId, UserId};
use ledgerline_schemas::{Position, Timestamp};
use tokio::sync::mpsc;
use tokio::time::sleep;

const ORG: OrgId = OrgId::from_u128(1);
const CHAT: InteractionId = InteractionId::from_u128(2);
const GRACE: Duration = Duration::from_millis(30_000);
const MOMENT: Duration = Duration::from_millis(1);

/// Takes every command down; answers "busy" as often as told.
#[derive(Default)]
struct Script {
    taken: Mutex<Vec<Command>>,
    busy: Mutex<u32>,
}

impl Script {
    fn commands(&self) -> Vec<&'static str> {
        self.taken
            .lock()
            .expect("lock")
            .iter()
            .map(|command| match command {
                Command::CustomerLeft { .. } => "left",
                Command::MediaLegEnded(_) => "media ended",
                Command::CustomerConnected { .. } => "connected",
                Command::InputCollected { choice, .. } if choice == "no_input" => "no input",
                _ => "other",
            })
            .collect()
    }
}

#[async_trait]
impl EnginePort for Script {
    async fn submit(&self, commanded: Commanded) -> Result<Accepted, PortError> {
        let mut busy = self.busy.lock().expect("lock");
        if *busy > 0 {
            *busy -= 1;
            return Err(PortError::Busy);
        }
        self.taken.lock().expect("lock").push(commanded.command);
        Ok(Accepted { position: Position(1), events: Vec::new() })
    }

    async fn agent(&self, _: UserId) -> Result<Option<AgentView>, PortError> {
        Ok(None)
    }

    async fn interaction(&self, _: InteractionId) -> Result<Option<InteractionView>, PortError> {
        let view = InteractionView {
            channel_type: ChannelType::Chat,
            entry_point_id: None,
            stay: None,
            customer_present: true,
        };
        Ok(Some(view))
    }

    async fn open_chats(&self) -> Result<Vec<InteractionId>, PortError> {
        Ok(vec![CHAT])
    }

    async fn open_interactions(&self) -> Result<Vec<InteractionId>, PortError> {
        Ok(vec![CHAT])
    }

    async fn entities(&self, _: EntityKind) -> Result<Vec<EntityView>, PortError> {
        Ok(Vec::new())
    }

    async fn entity(&self, _: EntityKind, _: EntityKey) -> Result<Option<EntityView>, PortError> {
        Ok(None)
    }
}

fn edge() -> (Arc<Script>, Arc<ChatEdge>, mpsc::UnboundedSender<(EffectId, Effect)>) {
    let script = Arc::new(Script::default());
    let log = Arc::new(MemoryLog::new(ORG, || Timestamp::EPOCH));
    let keys = KeyRing::in_memory().expect("keys");
    let edge = ChatEdge::new(ORG, script.clone(), log, keys, ChatSettings::default());
    let (sender, effects) = mpsc::unbounded_channel();
    tokio::spawn(edge.clone().run(effects));
    (script, edge, sender)
}

fn effect_id(index: u32) -> EffectId {
    EffectId { position: Position(1), index }
}

#[tokio::test(start_paused = true)]
async fn coming_back_in_time_keeps_the_chat_and_staying_away_ends_it() {
    let (script, edge, _effects) = edge();
    let mut attached = edge.attach(CHAT).await.expect("engine").expect("open");
    assert!(matches!(attached.next().await, Some(ToCustomer::History { .. })));
    sleep(GRACE * 10).await;
    assert_eq!(script.commands(), [""; 0], "with a socket there is no hurry");

    drop(attached);
    sleep(GRACE - MOMENT).await;
    let mut attached = edge.attach(CHAT).await.expect("engine").expect("open");
    assert!(matches!(attached.next().await, Some(ToCustomer::History { .. })));
    sleep(GRACE * 2).await;
    assert_eq!(script.commands(), [""; 0], "back in time");

    drop(attached);
    sleep(GRACE - MOMENT).await;
    assert_eq!(script.commands(), [""; 0]);
    sleep(MOMENT * 2).await;
    assert_eq!(script.commands(), ["left", "media ended"]);
}

#[tokio::test(start_paused = true)]
async fn a_second_socket_is_enough_to_stay() {
    let (script, edge, _effects) = edge();
    let one = edge.attach(CHAT).await.expect("engine").expect("open");
    let mut two = edge.attach(CHAT).await.expect("engine").expect("open");
    two.next().await.expect("history");
    drop(one);
    sleep(GRACE * 2).await;
    assert_eq!(script.commands(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_customer_who_never_comes_has_left() {
    let (script, edge, _effects) = edge();
    assert_eq!(edge.resume().await.expect("engine"), 1);
    sleep(GRACE + MOMENT).await;
    assert_eq!(script.commands(), ["left", "media ended"]);
}

#[tokio::test(start_paused = true)]
async fn a_busy_engine_gets_the_answer_later() {
    let (script, edge, effects) = edge();
    *script.busy.lock().expect("lock") = 5;
    let answer =
        Effect::AnswerCustomer { interaction_id: CHAT, media_leg_id: MediaLegId::from_u128(3) };
    effects.send((effect_id(0), answer)).expect("edge");
    let _attached = edge.attach(CHAT).await.expect("engine").expect("open");
    sleep(GRACE).await;
    assert_eq!(script.commands(), ["connected"]);
}

#[tokio::test(start_paused = true)]
async fn a_menu_waits_as_long_as_it_says() {
    let (script, edge, effects) = edge();
    let mut attached = edge.attach(CHAT).await.expect("engine").expect("open");
    attached.next().await.expect("history");
    let menu = Effect::CollectInput {
        interaction_id: CHAT,
        media_leg_id: MediaLegId::from_u128(3),
        run_id: RunId::from_u128(4),
        seq: 1,
        media: "menu".to_owned(),
        text: "1 or 2?".to_owned(),
        timeout_ms: 5_000,
    };
    effects.send((effect_id(0), menu)).expect("edge");
    assert_eq!(attached.next().await, Some(ToCustomer::Prompt { text: "1 or 2?".to_owned() }));
    sleep(Duration::from_millis(4_999)).await;
    assert_eq!(script.commands(), [""; 0]);
    sleep(MOMENT * 2).await;
    assert_eq!(script.commands(), ["no input"]);
}
