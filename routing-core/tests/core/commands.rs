//! Names and commands of the scenarios, as a reader would say them.

use ledgerline_schemas::command::Command;
use ledgerline_schemas::config::{ChannelType, EntityKind};
use ledgerline_schemas::document::Document;
use ledgerline_schemas::event::agent::{DeviceType, SignOutReason};
use ledgerline_schemas::event::broadcast::Audience;
use ledgerline_schemas::event::media::{MediaLegEnded, MediaSide, ReleaseSide};
use ledgerline_schemas::event::monitor::MonitorMode;
use ledgerline_schemas::id::{
    AgentSessionId, AuxCodeId, EntityId, InteractionId, MediaLegId, MessageId, OrgId, QueueId,
    TeamId, UserId,
};
use ledgerline_schemas::sensitive::{SealScheme, Sensitive};
use serde_json::{Value, json};

/// The organization of every scenario.
pub(crate) const ORG: OrgId = OrgId::from_u128(0xacce);

/// The id of a configured entity.
pub(crate) fn entity(kind: EntityKind, name: &str) -> EntityId {
    kind.derive_id(ORG, name)
}

pub(crate) fn user(name: &str) -> UserId {
    UserId::new(entity(EntityKind::User, name).uuid())
}

pub(crate) fn queue(name: &str) -> QueueId {
    QueueId::new(entity(EntityKind::Queue, name).uuid())
}

pub(crate) fn team(name: &str) -> TeamId {
    TeamId::new(entity(EntityKind::Team, name).uuid())
}

pub(crate) fn aux_code(name: &str) -> AuxCodeId {
    AuxCodeId::new(entity(EntityKind::AuxCode, name).uuid())
}

/// The interaction of customer number `n`.
pub(crate) const fn customer(n: u32) -> InteractionId {
    InteractionId::from_u128(0xc000_0000 + n as u128)
}

pub(crate) const fn customer_media(n: u32) -> MediaLegId {
    MediaLegId::from_u128(0xd000_0000 + n as u128)
}

pub(crate) fn sealed(text: &str) -> Sensitive<String> {
    let key = ledgerline_schemas::id::KeyId::from_u128(1);
    Sensitive::from_parts(key, SealScheme::XChaCha20Poly1305V1, vec![0; 24], text.into())
}

pub(crate) fn put(kind: EntityKind, name: &str, mut document: Value) -> Command {
    document["name"] = json!(name);
    let document = Document::from_value(&document).expect("an object");
    Command::PutEntity { kind, entity_id: None, document, reason: None }
}

pub(crate) fn calls(n: u32) -> Command {
    dials(n, "100")
}

pub(crate) fn dials(n: u32, number: &str) -> Command {
    Command::StartInteraction {
        interaction_id: customer(n),
        channel_type: ChannelType::Voice,
        destination: number.to_owned(),
        origin: Some(sealed("caller")),
        media_leg_id: customer_media(n),
        call_ref: format!("call-{n}"),
        transport: "udp".to_owned(),
    }
}

pub(crate) fn chats(n: u32) -> Command {
    Command::StartInteraction {
        interaction_id: customer(n),
        channel_type: ChannelType::Chat,
        destination: "web".to_owned(),
        origin: None,
        media_leg_id: customer_media(n),
        call_ref: format!("socket-{n}"),
        transport: "websocket".to_owned(),
    }
}

pub(crate) fn connected(n: u32) -> Command {
    Command::CustomerConnected { interaction_id: customer(n), codec: "pcmu".to_owned() }
}

pub(crate) fn left(n: u32) -> Command {
    Command::CustomerLeft { interaction_id: customer(n) }
}

pub(crate) fn media_ended(n: u32, media_leg_id: MediaLegId, side: MediaSide) -> Command {
    Command::MediaLegEnded(MediaLegEnded {
        interaction_id: customer(n),
        media_leg_id,
        side,
        released_by: ReleaseSide::Remote,
        sip_status: 200,
        packets_received: 1,
        packets_sent: 1,
        packets_lost: 0,
    })
}

pub(crate) fn customer_media_ended(n: u32) -> Command {
    media_ended(n, customer_media(n), MediaSide::Customer)
}

pub(crate) fn login(name: &str, team_name: &str) -> Command {
    login_as(name, team_name, 1)
}

pub(crate) fn login_as(name: &str, team_name: &str, session: u128) -> Command {
    Command::AgentLogin {
        agent_id: user(name),
        agent_session_id: AgentSessionId::from_u128(
            session << 64 | user(name).uuid().as_u128() >> 64,
        ),
        team_id: team(team_name),
        dn: None,
        device_type: DeviceType::Extension,
    }
}

pub(crate) fn available(name: &str) -> Command {
    Command::SetAvailable { agent_id: user(name) }
}

pub(crate) fn idle(name: &str) -> Command {
    Command::SetIdle { agent_id: user(name), aux_code_id: None }
}

pub(crate) fn accept(name: &str, n: u32) -> Command {
    Command::AcceptOffer { agent_id: user(name), interaction_id: customer(n) }
}

pub(crate) fn reject(name: &str, n: u32) -> Command {
    Command::RejectOffer { agent_id: user(name), interaction_id: customer(n) }
}

pub(crate) fn hold(name: &str, n: u32) -> Command {
    Command::Hold { agent_id: user(name), interaction_id: customer(n) }
}

pub(crate) fn unhold(name: &str, n: u32) -> Command {
    Command::Unhold { agent_id: user(name), interaction_id: customer(n) }
}

pub(crate) fn ends(name: &str, n: u32) -> Command {
    Command::EndInteraction { agent_id: user(name), interaction_id: customer(n) }
}

pub(crate) fn wraps_up(name: &str, n: u32) -> Command {
    Command::WrapUp { agent_id: user(name), interaction_id: customer(n), aux_code_id: None }
}

pub(crate) fn transfers(name: &str, n: u32, to: &str) -> Command {
    let queue_id = queue(to);
    Command::TransferToQueue { agent_id: user(name), interaction_id: customer(n), queue_id }
}

pub(crate) fn prioritizes(n: u32, priority: u8) -> Command {
    Command::SetPriority { interaction_id: customer(n), leg_id: None, priority }
}

pub(crate) fn assigns(n: u32, name: &str) -> Command {
    Command::AssignToAgent { interaction_id: customer(n), leg_id: None, agent_id: user(name) }
}

pub(crate) fn moves(n: u32, to: &str) -> Command {
    Command::MoveToQueue { interaction_id: customer(n), leg_id: None, queue_id: queue(to) }
}

pub(crate) fn logs_out(name: &str) -> Command {
    Command::AgentLogout { agent_id: user(name), reason: SignOutReason::Agent }
}

pub(crate) fn listens(name: &str, n: u32, mode: MonitorMode) -> Command {
    Command::StartMonitor {
        interaction_id: customer(n),
        leg_id: None,
        supervisor_id: user(name),
        dn: None,
        mode,
        invisible: false,
    }
}

pub(crate) fn turns(name: &str, n: u32, mode: MonitorMode) -> Command {
    Command::SetMonitorMode { interaction_id: customer(n), supervisor_id: user(name), mode }
}

pub(crate) fn stops_listening(name: &str, n: u32) -> Command {
    Command::EndMonitor { interaction_id: customer(n), supervisor_id: user(name) }
}

pub(crate) fn tells(audience: Audience, text: &str) -> Command {
    Command::Broadcast { audience, text: text.to_owned(), ttl_ms: 60_000 }
}

pub(crate) fn writes(n: u32, text: &str) -> Command {
    Command::ReceiveMessage {
        interaction_id: customer(n),
        message_id: MessageId::from_u128(n.into()),
        body: sealed(text),
        sha256: "00".to_owned(),
    }
}

pub(crate) fn answers(name: &str, n: u32, text: &str) -> Command {
    Command::SendMessage {
        agent_id: user(name),
        interaction_id: customer(n),
        message_id: MessageId::from_u128(u128::from(n) + 1_000),
        body: sealed(text),
        sha256: "00".to_owned(),
    }
}

/// A flow that plays a welcome and queues; the treatment is the queue's music.
pub(crate) fn welcome_flow(name: &str) -> Value {
    json!({"start": "welcome", "activities": {
        "welcome": {
            "does": {"play_message": {"media": "welcome", "text": "Welcome"}},
            "next": {"next": "queue"},
        },
        "queue": {"does": {"queue_contact": {"queue_id": queue(name)}}},
    }})
}

/// A flow that queues at once.
pub(crate) fn queue_flow(name: &str) -> Value {
    json!({"start": "queue", "activities": {
        "queue": {"does": {"queue_contact": {"queue_id": queue(name)}}},
    }})
}

pub(crate) fn entry_point(channel: &str, number: &str, flow: &str) -> Value {
    let flow_id = entity(EntityKind::Flow, flow);
    json!({"channel_type": channel, "numbers": [number], "flow_id": flow_id})
}
