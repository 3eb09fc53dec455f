//! Log-in, log-out, state: `/v1/agents/…`.

use axum::Json;
use ledgerline_schemas::command::Command;
use ledgerline_schemas::config::EntityKind;
use ledgerline_schemas::event::agent::{DeviceType, SignOutReason};
use ledgerline_schemas::id::{AgentSessionId, TeamId, UserId};
use serde::Deserialize;

use super::frame::StateFrame;
use crate::http::Caller;
use crate::http::body::{Body, OptionalBody};
use crate::http::params::named_entity;
use crate::http::problem::Problem;
use crate::supervisor::reach::steer;

/// Longest dial number or SIP address, bytes.
pub(crate) const DIAL_NUMBER_BYTES_MAX: usize = 200;

#[derive(Clone, Copy, Debug, Default, Deserialize)]
enum Device {
    #[default]
    #[serde(rename = "AGENT_DN", alias = "agent_dn")]
    AgentDn,
    #[serde(rename = "EXTENSION", alias = "extension")]
    Extension,
    #[serde(rename = "BROWSER", alias = "browser")]
    Browser,
}

impl From<Device> for DeviceType {
    fn from(device: Device) -> Self {
        match device {
            Device::AgentDn => Self::AgentDn,
            Device::Extension => Self::Extension,
            Device::Browser => Self::Browser,
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Login {
    team_id: String,
    #[serde(default)]
    dial_number: Option<String>,
    #[serde(default)]
    device_type: Device,
    #[serde(default)]
    agent_session_id: Option<AgentSessionId>,
}

pub(super) async fn login(
    caller: Caller,
    Body(login): Body<Login>,
) -> Result<Json<StateFrame>, Problem> {
    let agent_id = caller.agent()?;
    if login
        .dial_number
        .as_ref()
        .is_some_and(|dn| dn.is_empty() || dn.len() > DIAL_NUMBER_BYTES_MAX)
    {
        return Err(Problem::invalid(
            "dialNumber",
            format!("has to have 1 to {DIAL_NUMBER_BYTES_MAX} bytes"),
        ));
    }
    let team =
        named_entity(&caller.organization, EntityKind::Team, "teamId", &login.team_id).await?;
    let command_id = caller.command_id("agents/login");
    let team_id = TeamId::new(team.id.uuid());
    let agent_session_id = match login.agent_session_id {
        Some(given) => given,
        // A second desktop of the same agent joins the session instead of replacing it.
        None => caller
            .organization
            .engine
            .agent(agent_id)
            .await?
            .filter(|agent| {
                agent.team_id == team_id
                    && login.dial_number.as_ref().is_none_or(|dn| *dn == agent.dn)
            })
            .map_or_else(
                || AgentSessionId::derived(command_id.uuid(), "agent_session"),
                |agent| agent.agent_session_id,
            ),
    };
    let command = Command::AgentLogin {
        agent_id,
        agent_session_id,
        team_id,
        dn: login.dial_number,
        device_type: login.device_type.into(),
    };
    submit(&caller, "agents/login", agent_id, command, Some(command_id)).await?;
    StateFrame::read("StationLogin", &caller.organization, agent_id).await.map(Json)
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Logout {
    #[serde(default)]
    agent_id: Option<UserId>,
}

pub(super) async fn logout(
    caller: Caller,
    OptionalBody(logout): OptionalBody<Logout>,
) -> Result<Json<StateFrame>, Problem> {
    let agent_id = caller.agent_or(logout.agent_id)?;
    steer(&caller, agent_id).await?;
    let own = caller.principal.user_id == Some(agent_id);
    let reason = if own { SignOutReason::Agent } else { SignOutReason::Supervisor };
    let command = Command::AgentLogout { agent_id, reason };
    submit(&caller, "agents/logout", agent_id, command, None).await?;
    StateFrame::read("Logout", &caller.organization, agent_id).await.map(Json)
}

pub(super) async fn reload(caller: Caller) -> Result<Json<StateFrame>, Problem> {
    let agent_id = caller.agent()?;
    let frame = StateFrame::read("AgentReloginSuccess", &caller.organization, agent_id).await?;
    if !frame.is_logged_in() {
        return Err(Problem::not_found("the agent is not logged in"));
    }
    Ok(Json(frame))
}

#[derive(Clone, Copy, Debug, Deserialize)]
enum Asked {
    Available,
    Idle,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct SetState {
    state: Asked,
    #[serde(default)]
    aux_code_id: Option<String>,
    #[serde(default)]
    agent_id: Option<UserId>,
}

pub(super) async fn set_state(
    caller: Caller,
    Body(asked): Body<SetState>,
) -> Result<Json<StateFrame>, Problem> {
    let agent_id = caller.agent_or(asked.agent_id)?;
    steer(&caller, agent_id).await?;
    let command = match (asked.state, asked.aux_code_id) {
        (Asked::Available, None) => Command::SetAvailable { agent_id },
        (Asked::Available, Some(code)) if is_none_code(&code) => Command::SetAvailable { agent_id },
        (Asked::Available, Some(_)) => {
            return Err(Problem::invalid("auxCodeId", "goes with the state Idle only"));
        }
        (Asked::Idle, code) => {
            let aux_code_id = match code {
                Some(code) => Some(
                    named_entity(&caller.organization, EntityKind::AuxCode, "auxCodeId", &code)
                        .await?
                        .id
                        .uuid()
                        .into(),
                ),
                None => None,
            };
            Command::SetIdle { agent_id, aux_code_id }
        }
    };
    submit(&caller, "agents/session/state", agent_id, command, None).await?;
    StateFrame::read("AgentStateChange", &caller.organization, agent_id).await.map(Json)
}

/// Desktops of the field send `0` with Available.
fn is_none_code(code: &str) -> bool {
    code.is_empty() || code == "0"
}

async fn submit(
    caller: &Caller,
    purpose: &str,
    agent_id: UserId,
    command: Command,
    command_id: Option<ledgerline_schemas::id::CommandId>,
) -> Result<(), Problem> {
    let command_id = command_id.unwrap_or_else(|| caller.command_id(purpose));
    let actor = caller.actor_for(agent_id);
    let commanded = caller.commanded(command_id, actor, None, None, command);
    caller.organization.engine.submit(commanded).await?;
    Ok(())
}
