//! `/v1/tasks/{id}/…` for supervisors: interactions that wait or that somebody else has in hand.

use axum::Json;
use axum::extract::Path;
use axum::http::StatusCode;
use ledgerline_routing_core::RejectionCode;
use ledgerline_schemas::command::Command;
use ledgerline_schemas::config::EntityKind;
use ledgerline_schemas::id::{InteractionId, LegId, QueueId, UserId};
use ledgerline_schemas::{ActorType, Position};
use serde::{Deserialize, Serialize};

use super::reach::Reach;
use crate::http::Caller;
use crate::http::body::Body;
use crate::http::params::{named_entity, no_entity, path_id};
use crate::http::port::Accepted;
use crate::http::problem::Problem;

/// The answer: the facts are durable at this position.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Done {
    interaction_id: InteractionId,
    position: Position,
}

impl Done {
    pub(super) const fn new(interaction_id: InteractionId, position: Position) -> Self {
        Self { interaction_id, position }
    }
}

pub(super) type Answer = Result<Json<Done>, Problem>;

/// An interaction within the supervisor's reach.
pub(super) struct Task {
    caller: Caller,
    reach: Reach,
    pub(super) interaction_id: InteractionId,
    /// The stay that was checked: the core refuses when the interaction is in another by then.
    pub(super) leg_id: Option<LegId>,
}

impl Task {
    /// # Errors
    /// 403 when the caller is no supervisor; 404 when the interaction is over, unknown in the caller's organization or
    /// out of reach.
    pub(super) async fn of(caller: Caller, id: &str) -> Result<Self, Problem> {
        let reach = Reach::of(&caller).await?;
        let interaction_id: InteractionId = path_id("interaction", id)?;
        let view = caller.organization.engine.interaction(interaction_id).await?;
        let view = view.filter(|view| reach.interaction(view)).ok_or_else(|| {
            Problem::not_found(format!("no interaction {interaction_id} is open"))
        })?;
        Ok(Self { caller, reach, interaction_id, leg_id: view.stay.map(|stay| stay.leg_id) })
    }

    pub(super) async fn submit(&self, purpose: &str, command: Command) -> Answer {
        let accepted = self.accepted(purpose, command).await?;
        Ok(Json(Done::new(self.interaction_id, accepted.position)))
    }

    pub(super) async fn accepted(
        &self,
        purpose: &str,
        command: Command,
    ) -> Result<Accepted, Problem> {
        let id = self.interaction_id;
        let command_id = self.caller.command_id(&format!("tasks/{id}/{purpose}"));
        let actor = self.caller.actor(ActorType::Supervisor);
        let commanded = self.caller.commanded(command_id, actor, Some(id), None, command);
        Ok(self.caller.organization.engine.submit(commanded).await?)
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Priority {
    priority: u8,
}

pub(super) async fn priority(
    caller: Caller,
    Path(id): Path<String>,
    Body(asked): Body<Priority>,
) -> Answer {
    let task = Task::of(caller, &id).await?;
    let (interaction_id, leg_id) = (task.interaction_id, task.leg_id);
    let command = Command::SetPriority { interaction_id, leg_id, priority: asked.priority };
    task.submit("priority", command).await
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Destination {
    Agent,
    Queue,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Assign {
    to: String,
    destination_type: Destination,
}

pub(super) async fn assign(
    caller: Caller,
    Path(id): Path<String>,
    Body(asked): Body<Assign>,
) -> Answer {
    let task = Task::of(caller, &id).await?;
    let (interaction_id, leg_id) = (task.interaction_id, task.leg_id);
    let organization = &*task.caller.organization;
    let command = match asked.destination_type {
        Destination::Agent => {
            let user = named_entity(organization, EntityKind::User, "to", &asked.to).await?;
            let agent_id = UserId::new(user.id.uuid());
            let agent = organization.engine.agent(agent_id).await?;
            if agent.is_some_and(|agent| !task.reach.staff(agent.team_id, agent.site_id)) {
                let code = RejectionCode::Conflict.name();
                let detail = "agent_id: this agent is not logged in";
                return Err(Problem::new(StatusCode::CONFLICT, code, detail).field("to"));
            }
            Command::AssignToAgent { interaction_id, leg_id, agent_id }
        }
        Destination::Queue => {
            let queue = named_entity(organization, EntityKind::Queue, "to", &asked.to).await?;
            let queue_id = QueueId::new(queue.id.uuid());
            if !task.reach.queue(queue_id) {
                return Err(no_entity(EntityKind::Queue, "to", &asked.to));
            }
            Command::MoveToQueue { interaction_id, leg_id, queue_id }
        }
    };
    let answer = task.submit("assign", command).await;
    answer.map_err(|problem| problem.renamed("agentId", "to").renamed("queueId", "to"))
}
