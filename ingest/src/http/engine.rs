//! The engine behind the port.

use async_trait::async_trait;
use ledgerline_routing_core::{Agent, EntityRecord, Interaction, Leg, LegPhase, State, Work};
use ledgerline_schemas::command::Commanded;
use ledgerline_schemas::config::{ChannelType, EntityKind};
use ledgerline_schemas::event::agent::SlotState;
use ledgerline_schemas::id::{EntityId, InteractionId, LegId, UserId};

use crate::engine::{EngineError, EngineHandle};
use crate::http::port::{
    Accepted, AgentView, EnginePort, EntityKey, EntityView, InteractionView, PortError, StaffView,
    StayView, TaskStage, TaskView,
};

impl From<EngineError> for PortError {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Rejected(rejection) => Self::Rejected(rejection),
            EngineError::Busy => Self::Busy,
            EngineError::Unavailable(reason) => Self::Unavailable(reason),
        }
    }
}

#[async_trait]
impl EnginePort for EngineHandle {
    async fn submit(&self, commanded: Commanded) -> Result<Accepted, PortError> {
        let accepted = Self::submit(self, commanded).await?;
        let events = accepted.events.iter().map(|committed| committed.event.clone()).collect();
        Ok(Accepted { position: accepted.position, events })
    }

    async fn agent(&self, agent_id: UserId) -> Result<Option<AgentView>, PortError> {
        Ok(self.read(move |state| state.agent(agent_id).map(|agent| view(state, agent))).await?)
    }

    async fn interaction(&self, id: InteractionId) -> Result<Option<InteractionView>, PortError> {
        Ok(self
            .read(move |state| {
                state.interaction(id).map(|interaction| InteractionView {
                    channel_type: interaction.channel_type,
                    entry_point_id: interaction.entry_point_id,
                    stay: interaction.leg.as_ref().map(|leg| stay(state, leg)),
                    customer_present: !interaction.ended && interaction.customer_media().is_some(),
                })
            })
            .await?)
    }

    async fn open_chats(&self) -> Result<Vec<InteractionId>, PortError> {
        Ok(self
            .read(|state| {
                let chats = state.interactions().filter(|interaction| {
                    interaction.channel_type == ChannelType::Chat
                        && interaction.customer_media().is_some()
                });
                chats.map(|interaction| interaction.interaction_id).collect()
            })
            .await?)
    }

    async fn open_interactions(&self) -> Result<Vec<InteractionId>, PortError> {
        Ok(self
            .read(|state| {
                let open = state.interactions().filter(|interaction| !interaction.ended);
                open.map(|interaction| interaction.interaction_id).collect()
            })
            .await?)
    }

    async fn entities(&self, kind: EntityKind) -> Result<Vec<EntityView>, PortError> {
        Ok(self
            .read(move |state| {
                let records = state.config().entities().filter(|(_, record)| record.kind == kind);
                records.map(|(id, record)| entity_view(id, record)).collect()
            })
            .await?)
    }

    async fn entity(
        &self,
        kind: EntityKind,
        key: EntityKey,
    ) -> Result<Option<EntityView>, PortError> {
        Ok(self
            .read(move |state| {
                let config = state.config();
                let id = match key {
                    EntityKey::Id(id) => id,
                    EntityKey::Name(name) => config.named(kind, &name)?,
                };
                let record = config.entity(id).filter(|record| record.kind == kind)?;
                Some(entity_view(id, record))
            })
            .await?)
    }
}

fn entity_view(id: EntityId, record: &EntityRecord) -> EntityView {
    EntityView { id, version: record.version, document: record.document.clone() }
}

fn stay(state: &State, leg: &Leg) -> StayView {
    let agent_id = match &leg.phase {
        LegPhase::Waiting => None,
        LegPhase::Offered(offer) => Some(offer.agent_id),
        LegPhase::Connected(connection) => Some(connection.agent_id),
    };
    let staff = agent_id.and_then(|agent_id| state.agent(agent_id)).map(|agent| StaffView {
        agent_id: agent.agent_id,
        team_id: agent.team_id,
        site_id: agent.site_id,
    });
    StayView { leg_id: leg.leg_id, queue_id: leg.queue_id, staff }
}

fn view(state: &State, agent: &Agent) -> AgentView {
    let mut work: Vec<_> = agent.work.iter().collect();
    work.sort_by_key(|(leg_id, work)| (work.since, **leg_id));
    let tasks = work
        .into_iter()
        .filter_map(|(leg_id, work)| task(state.interaction(work.interaction_id)?, *leg_id, work))
        .collect();
    AgentView {
        agent_id: agent.agent_id,
        agent_session_id: agent.agent_session_id,
        team_id: agent.team_id,
        site_id: agent.site_id,
        dn: agent.dn.clone(),
        device_type: agent.device_type,
        state: agent.state,
        aux_code_id: agent.aux_code_id,
        since: agent.state_since,
        tasks,
    }
}

fn task(interaction: &Interaction, leg_id: LegId, work: &Work) -> Option<TaskView> {
    let stage = match work.slot {
        SlotState::Free => return None,
        SlotState::Reserved => TaskStage::Offered,
        SlotState::Connected | SlotState::Consulting => TaskStage::Connected,
        SlotState::Hold => TaskStage::Held,
        SlotState::Wrapup => TaskStage::WrapUp,
    };
    let leg = interaction.leg.as_ref().filter(|leg| leg.leg_id == leg_id);
    let offer = leg.and_then(|leg| match &leg.phase {
        LegPhase::Offered(offer) => Some(offer),
        LegPhase::Waiting | LegPhase::Connected(_) => None,
    });
    let wrapup = interaction.wrapups.get(&leg_id);
    Some(TaskView {
        interaction_id: interaction.interaction_id,
        leg_id,
        // A leg in wrap-up has left its queue.
        queue_id: leg.map(|leg| leg.queue_id),
        offer_id: offer.map(|offer| offer.offer_id),
        channel_type: work.channel_type,
        stage,
        deadline: offer
            .and_then(|offer| offer.expires_at)
            .or_else(|| wrapup.and_then(|wrapup| wrapup.auto_end_at)),
    })
}
