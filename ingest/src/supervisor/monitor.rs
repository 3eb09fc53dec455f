//! `/v1/tasks/{id}/monitor`: listening to a call, whispering to its agent, barging in.

use axum::Json;
use axum::extract::Path;
use ledgerline_access::Action;
use ledgerline_schemas::command::Command;
use ledgerline_schemas::event::monitor::MonitorMode;
use ledgerline_schemas::id::{InteractionId, MonitorId, UserId};
use ledgerline_schemas::{ActorType, Event, Position};
use serde::{Deserialize, Serialize};

use super::reach::Reach;
use super::task::{Answer, Task};
use crate::desktop::DIAL_NUMBER_BYTES_MAX;
use crate::http::Caller;
use crate::http::body::Body;
use crate::http::params::path_id;
use crate::http::problem::Problem;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Start {
    mode: MonitorMode,
    #[serde(default)]
    dial_number: Option<String>,
    #[serde(default)]
    invisible: bool,
}

/// The answer: the supervisor's phone is being called.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Called {
    interaction_id: InteractionId,
    monitor_id: MonitorId,
    position: Position,
}

/// The user who listens.
fn listener(caller: &Caller) -> Result<UserId, Problem> {
    caller.require(Action::InteractionMonitor)?;
    caller.principal.user_id.ok_or_else(|| Problem::forbidden("the token stands for no user"))
}

pub(super) async fn start(
    caller: Caller,
    Path(id): Path<String>,
    Body(asked): Body<Start>,
) -> Result<Json<Called>, Problem> {
    let supervisor_id = listener(&caller)?;
    let fits = |dn: &String| !dn.is_empty() && dn.len() <= DIAL_NUMBER_BYTES_MAX;
    if !asked.dial_number.as_ref().is_none_or(fits) {
        let detail = format!("has to have 1 to {DIAL_NUMBER_BYTES_MAX} bytes");
        return Err(Problem::invalid("dialNumber", detail));
    }
    let task = Task::of(caller, &id).await?;
    let interaction_id = task.interaction_id;
    let command = Command::StartMonitor {
        interaction_id,
        leg_id: task.leg_id,
        supervisor_id,
        dn: asked.dial_number,
        mode: asked.mode,
        invisible: asked.invisible,
    };
    let accepted = task.accepted("monitor", command).await;
    let accepted = accepted.map_err(|problem| problem.renamed("dn", "dialNumber"))?;
    let monitor_id = accepted.events.iter().find_map(|event| match event {
        Event::MonitorRequested(it) => Some(it.monitor_id),
        _ => None,
    });
    let Some(monitor_id) = monitor_id else {
        return Err(Problem::internal(&"a wish to listen was accepted without its event"));
    };
    Ok(Json(Called { interaction_id, monitor_id, position: accepted.position }))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Mode {
    mode: MonitorMode,
}

pub(super) async fn mode(
    caller: Caller,
    Path(id): Path<String>,
    Body(asked): Body<Mode>,
) -> Answer {
    let supervisor_id = listener(&caller)?;
    let task = Task::of(caller, &id).await?;
    let interaction_id = task.interaction_id;
    let command = Command::SetMonitorMode { interaction_id, supervisor_id, mode: asked.mode };
    task.submit("monitor/mode", command).await
}

/// What one began one may end, whatever is granted by now.
pub(super) async fn end(caller: Caller, Path(id): Path<String>) -> Answer {
    let supervisor_id = listener(&caller)?;
    Reach::of(&caller).await?;
    let interaction_id: InteractionId = path_id("interaction", &id)?;
    let command_id = caller.command_id(&format!("tasks/{interaction_id}/monitor/end"));
    let actor = caller.actor(ActorType::Supervisor);
    let command = Command::EndMonitor { interaction_id, supervisor_id };
    let commanded = caller.commanded(command_id, actor, Some(interaction_id), None, command);
    let accepted = caller.organization.engine.submit(commanded).await?;
    Ok(Json(super::task::Done::new(interaction_id, accepted.position)))
}
