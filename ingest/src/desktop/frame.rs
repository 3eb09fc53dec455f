//! What a desktop reads: the state frame and pushes, in the field names desktop software knows.

use ledgerline_event_store::crypt::Binding;
use ledgerline_routing_core::PushName;
use ledgerline_schemas::config::{ChannelType, EntityKind, Named};
use ledgerline_schemas::event::agent::AgentStateName;
use ledgerline_schemas::id::{
    AgentSessionId, AuxCodeId, InteractionId, LegId, MessageId, OfferId, OrgId, QueueId, SiteId,
    TeamId, UserId,
};
use ledgerline_schemas::{Position, Timestamp};
use serde::Serialize;

use super::broadcast::{Notice, now, shown};
use super::hub::Push;
use crate::chat::transcript::{Line, transcript};
use crate::http::doors::Organization;
use crate::http::port::{AgentView, EntityKey, TaskView};
use crate::http::problem::Problem;

/// The state of an agent: session, base state and every interaction in hand.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct StateFrame {
    /// `AgentReloginSuccess`, `StationLogin`, `AgentStateChange`.
    #[serde(rename = "type")]
    kind: &'static str,
    org_id: OrgId,
    agent_id: UserId,
    /// `LoggedIn` or `LoggedOut`.
    status: &'static str,
    /// `logged_out`, `available`, `idle`, `not_responding`.
    state: &'static str,
    #[serde(flatten)]
    session: Option<Session>,
    /// Interactions in hand, oldest first.
    interactions: Vec<Task>,
    /// What supervisors tell and has not expired, oldest first.
    broadcasts: Vec<Notice>,
    /// Position the frame is true at, at least.
    position: Position,
    /// False when pushes that were missed are no longer remembered; the frame itself is complete.
    replay_complete: bool,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Session {
    agent_session_id: AgentSessionId,
    team_id: TeamId,
    site_id: SiteId,
    dial_number: String,
    device_type: &'static str,
    /// `Available`, `Idle`, `NotResponding`.
    sub_status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    aux_code_id: Option<AuxCodeId>,
    last_state_change_timestamp: Timestamp,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Task {
    interaction_id: InteractionId,
    leg_id: LegId,
    #[serde(skip_serializing_if = "Option::is_none")]
    queue_id: Option<QueueId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    queue_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    offer_id: Option<OfferId>,
    channel_type: ChannelType,
    /// `offered`, `connected`, `hold`, `wrapup`.
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    deadline: Option<Timestamp>,
    /// What was written so far, for channels with text and once the agent took it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    messages: Vec<Line>,
}

/// The state's name at the desktop.
#[must_use]
pub(super) const fn state_name(state: AgentStateName) -> &'static str {
    match state {
        AgentStateName::LoggedOut => "LoggedOut",
        AgentStateName::Available => "Available",
        AgentStateName::Idle => "Idle",
        AgentStateName::NotResponding => "NotResponding",
    }
}

impl StateFrame {
    /// The agent's state as it is now.
    ///
    /// # Errors
    /// What the engine or the log says.
    pub(super) async fn read(
        kind: &'static str,
        organization: &Organization,
        agent_id: UserId,
    ) -> Result<Self, Problem> {
        // Read before the state, so that the state holds at least everything up to it.
        let position = organization.reader.head();
        let view = organization.engine.agent(agent_id).await?;
        let mut interactions = Vec::new();
        for task in view.iter().flat_map(|view| &view.tasks) {
            interactions.push(Task::of(organization, task).await?);
        }
        let broadcasts = match &view {
            Some(view) => shown(organization, view.team_id, now())?,
            None => Vec::new(),
        };
        Ok(Self {
            kind,
            org_id: organization.org_id,
            agent_id,
            status: if view.is_some() { "LoggedIn" } else { "LoggedOut" },
            state: view.as_ref().map_or(AgentStateName::LoggedOut, |view| view.state).name(),
            session: view.map(Session::of),
            interactions,
            broadcasts,
            position,
            replay_complete: true,
        })
    }

    /// Says whether the pushes that follow are all that were missed.
    pub(super) const fn replaying(mut self, complete: bool) -> Self {
        self.replay_complete = complete;
        self
    }

    /// Whether the agent is logged in.
    pub(super) const fn is_logged_in(&self) -> bool {
        self.session.is_some()
    }
}

impl Session {
    fn of(view: AgentView) -> Self {
        Self {
            agent_session_id: view.agent_session_id,
            team_id: view.team_id,
            site_id: view.site_id,
            dial_number: view.dn,
            device_type: view.device_type.name(),
            sub_status: state_name(view.state),
            aux_code_id: view.aux_code_id,
            last_state_change_timestamp: view.since,
        }
    }
}

impl Task {
    async fn of(organization: &Organization, task: &TaskView) -> Result<Self, Problem> {
        let queue = match task.queue_id {
            Some(id) => {
                let key = EntityKey::Id(id.uuid().into());
                organization.engine.entity(EntityKind::Queue, key).await?
            }
            None => None,
        };
        let queue_name =
            queue.and_then(|queue| queue.document.parse::<Named>().ok()).map(|named| named.name);
        // An offered conversation is not the agent's yet, so its text is not either.
        let readable = task.channel_type != ChannelType::Voice && task.offer_id.is_none();
        let messages = if readable {
            transcript(&*organization.reader, &organization.keys, task.interaction_id)
                .map_err(|error| Problem::internal(&error))?
                .lines
        } else {
            Vec::new()
        };
        Ok(Self {
            interaction_id: task.interaction_id,
            leg_id: task.leg_id,
            queue_id: task.queue_id,
            queue_name,
            offer_id: task.offer_id,
            channel_type: task.channel_type,
            state: task.stage.name(),
            deadline: task.deadline,
            messages,
        })
    }
}

/// A push on the wire.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PushFrame<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    /// `<position>.<index>`; give it as `after` to go on from here.
    id: String,
    position: Position,
    index: u32,
    agent_session_id: AgentSessionId,
    #[serde(skip_serializing_if = "Option::is_none")]
    interaction_id: Option<InteractionId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    channel_type: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    leg_id: Option<LegId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    queue_id: Option<QueueId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    offer_id: Option<OfferId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<Message>,
    #[serde(skip_serializing_if = "Option::is_none")]
    broadcast: Option<Notice>,
    #[serde(skip_serializing_if = "str::is_empty")]
    detail: &'a str,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Message {
    message_id: MessageId,
    /// Absent when the customer's data was erased.
    text: Option<String>,
}

impl<'a> PushFrame<'a> {
    /// Opens the push for its agent.
    pub(super) fn open(organization: &Organization, push: &'a Push) -> Self {
        // An offer's detail is its channel, by which a desktop knows how to take it.
        let channel_type = (push.name == PushName::AgentOfferContact).then_some(&*push.detail);
        let message = push.message.as_ref().map(|(message_id, body)| Message {
            message_id: *message_id,
            text: push.interaction_id.and_then(|interaction_id| {
                let binding = Binding::said(interaction_id);
                organization.keys.open(organization.org_id, binding, body).ok()
            }),
        });
        Self {
            kind: push.name.name(),
            id: format!("{}.{}", push.id.position, push.id.index),
            position: push.id.position,
            index: push.id.index,
            agent_session_id: push.agent_session_id,
            interaction_id: push.interaction_id,
            channel_type,
            leg_id: push.leg_id,
            queue_id: push.queue_id,
            offer_id: push.offer_id,
            message,
            broadcast: push.broadcast.as_deref().map(Notice::from),
            detail: &push.detail,
        }
    }
}
