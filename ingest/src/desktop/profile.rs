//! What an agent may choose from: teams, codes, queues. Agents may not read configuration as such.

use axum::Json;
use ledgerline_schemas::config::{
    AuxCode, AuxCodeKind, ChannelType, EntityKind, Named, Queue, User,
};
use ledgerline_schemas::id::{EntityId, UserId};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::http::Caller;
use crate::http::doors::Organization;
use crate::http::port::EntityKey;
use crate::http::problem::Problem;

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Profile {
    agent_id: UserId,
    name: String,
    teams: Vec<Choice>,
    idle_codes: Vec<Choice>,
    wrap_up_codes: Vec<Choice>,
    /// Queues to transfer to.
    queues: Vec<Choice>,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
struct Choice {
    name: String,
    id: EntityId,
    #[serde(skip_serializing_if = "Option::is_none")]
    is_default: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    channel_type: Option<ChannelType>,
}

impl Choice {
    const fn new(id: EntityId, name: String) -> Self {
        Self { name, id, is_default: None, channel_type: None }
    }
}

pub(super) async fn profile(caller: Caller) -> Result<Json<Profile>, Problem> {
    let agent_id = caller.agent()?;
    let organization = &*caller.organization;
    let key = EntityKey::Id(EntityId::new(agent_id.uuid()));
    let user = organization.engine.entity(EntityKind::User, key).await?;
    let user: User = user
        .and_then(|user| user.document.parse().ok())
        .ok_or_else(|| Problem::not_found("the token's user does not exist"))?;
    let teams = choices(organization, EntityKind::Team, |id, team: Named| {
        let own = user.team_ids.iter().any(|own| own.uuid() == id.uuid());
        own.then(|| Choice::new(id, team.name))
    });
    let codes = |kind: AuxCodeKind| {
        choices(organization, EntityKind::AuxCode, move |id, code: AuxCode| {
            let offered = code.active && code.kind == kind;
            let is_default = Some(code.is_default);
            offered.then(|| Choice { is_default, ..Choice::new(id, code.name) })
        })
    };
    let queues = choices(organization, EntityKind::Queue, |id, queue: Queue| {
        let channel_type = Some(queue.channel_type);
        queue.active.then(|| Choice { channel_type, ..Choice::new(id, queue.name) })
    });
    Ok(Json(Profile {
        agent_id,
        name: user.name.clone(),
        teams: teams.await?,
        idle_codes: codes(AuxCodeKind::Idle).await?,
        wrap_up_codes: codes(AuxCodeKind::WrapUp).await?,
        queues: queues.await?,
    }))
}

/// Entities of a kind as choices, by name. One that does not parse (written by a newer program) is none.
async fn choices<T: DeserializeOwned>(
    organization: &Organization,
    kind: EntityKind,
    choice: impl Fn(EntityId, T) -> Option<Choice>,
) -> Result<Vec<Choice>, Problem> {
    let views = organization.engine.entities(kind).await?;
    let mut choices: Vec<_> =
        views.into_iter().filter_map(|view| choice(view.id, view.document.parse().ok()?)).collect();
    choices.sort();
    Ok(choices)
}
