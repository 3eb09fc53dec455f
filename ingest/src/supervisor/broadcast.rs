//! `/v1/broadcasts`: what a supervisor tells agents.

use axum::Json;
use ledgerline_schemas::command::Command;
use ledgerline_schemas::config::{EntityKind, Queue, Team};
use ledgerline_schemas::event::broadcast::Audience;
use ledgerline_schemas::id::{BroadcastId, EntityId, QueueId, TeamId};
use ledgerline_schemas::{ActorType, DurationMs, Event, Position, Timestamp};
use serde::{Deserialize, Serialize};

use super::reach::Reach;
use crate::card_filter::mask;
use crate::http::Caller;
use crate::http::body::Body;
use crate::http::params::{named_entity, no_entity};
use crate::http::port::EntityKey;
use crate::http::problem::Problem;

/// How long a broadcast is shown when nothing is said.
const TTL_MS: DurationMs = 60 * 60 * 1_000;

const fn ttl_ms() -> DurationMs {
    TTL_MS
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Destination {
    Team,
    Queue,
    All,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Broadcast {
    text: String,
    destination_type: Destination,
    #[serde(default)]
    to: Option<String>,
    #[serde(default = "ttl_ms")]
    ttl_ms: DurationMs,
}

/// The answer: the broadcast is durable.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Sent {
    broadcast_id: BroadcastId,
    expires_at: Timestamp,
    position: Position,
}

pub(super) async fn send(
    caller: Caller,
    Body(asked): Body<Broadcast>,
) -> Result<Json<Sent>, Problem> {
    let reach = Reach::of(&caller).await?;
    let audience = audience(&caller, &reach, asked.destination_type, asked.to.as_deref()).await?;
    // People paste: card data goes nowhere in clear.
    let text = mask(asked.text).into_string();
    let command = Command::Broadcast { audience, text, ttl_ms: asked.ttl_ms };
    let command_id = caller.command_id("broadcasts");
    let actor = caller.actor(ActorType::Supervisor);
    let commanded = caller.commanded(command_id, actor, None, None, command);
    let accepted = caller.organization.engine.submit(commanded).await?;
    let sent = accepted.events.iter().find_map(|event| match event {
        Event::BroadcastSent(sent) => Some((sent.broadcast_id, sent.expires_at)),
        _ => None,
    });
    let Some((broadcast_id, expires_at)) = sent else {
        return Err(Problem::internal(&"a broadcast was accepted without its event"));
    };
    Ok(Json(Sent { broadcast_id, expires_at, position: accepted.position }))
}

/// Whom the request names, if the supervisor reaches all of them.
async fn audience(
    caller: &Caller,
    reach: &Reach,
    destination: Destination,
    to: Option<&str>,
) -> Result<Audience, Problem> {
    let kind = match (destination, to) {
        (Destination::All, Some(_)) => {
            return Err(Problem::invalid("to", "goes with a team or a queue only"));
        }
        (Destination::All, None) if reach.everybody() => return Ok(Audience::All),
        (Destination::All, None) => {
            let detail = "the user profile does not grant all teams and sites";
            return Err(Problem::forbidden(detail).field("destinationType"));
        }
        (Destination::Team, _) => EntityKind::Team,
        (Destination::Queue, _) => EntityKind::Queue,
    };
    let name = to.ok_or_else(|| Problem::invalid("to", format!("names the {}", kind.name())))?;
    let entity = named_entity(&caller.organization, kind, "to", name).await?;
    if kind == EntityKind::Team {
        let team_id = TeamId::new(entity.id.uuid());
        return match reaches_team(caller, reach, team_id).await? {
            true => Ok(Audience::Team(team_id)),
            false => Err(no_entity(kind, "to", name)),
        };
    }
    let queue_id = QueueId::new(entity.id.uuid());
    if !reach.queue(queue_id) {
        return Err(no_entity(kind, "to", name));
    }
    let queue: Queue = entity.document.parse().map_err(|error| Problem::internal(&error))?;
    for team_id in queue.call_distribution_groups.iter().flat_map(|group| &group.team_ids) {
        if !reaches_team(caller, reach, *team_id).await? {
            let detail = "the user profile does not grant all teams of this queue";
            return Err(Problem::forbidden(detail).field("to"));
        }
    }
    Ok(Audience::Queue(queue_id))
}

async fn reaches_team(caller: &Caller, reach: &Reach, team_id: TeamId) -> Result<bool, Problem> {
    if reach.everybody() {
        return Ok(true);
    }
    let key = EntityKey::Id(EntityId::new(team_id.uuid()));
    let view = caller.organization.engine.entity(EntityKind::Team, key).await?;
    let team = view.and_then(|view| view.document.parse::<Team>().ok());
    Ok(team.is_some_and(|team| reach.staff(team_id, team.site_id)))
}
