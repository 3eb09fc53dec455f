//! Starting a chat: `POST /v1/chats`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use ledgerline_access::Action;
use ledgerline_event_store::crypt::Purpose;
use ledgerline_schemas::command::{Command, Commanded};
use ledgerline_schemas::config::{ChannelType, EntityKind, EntryPoint};
use ledgerline_schemas::id::{CommandId, CorrelationId, InteractionId, OrgId};
use ledgerline_schemas::{Actor, ActorType};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::session::media_leg_id;
use super::text::SealedText;
use super::token;
use crate::card_filter::mask;
use crate::http::Caller;
use crate::http::body::Body;
use crate::http::doors::{Doors, Organization};
use crate::http::port::EntityView;
use crate::http::problem::Problem;

/// Longest customer name, bytes.
const NAME_BYTES_MAX: usize = 200;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Start {
    /// With a token: id, name or key of the entry point. Without: its public key.
    #[serde(alias = "entry_point")]
    entry_point: String,
    /// What the customer is called; sealed.
    #[serde(default)]
    name: Option<String>,
    /// Without a token, where several organizations are served.
    #[serde(default, alias = "org_id")]
    org_id: Option<OrgId>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Started {
    interaction_id: InteractionId,
    /// Opens this chat and nothing else.
    chat_token: String,
    /// Path and query of the socket.
    socket: String,
}

pub(super) async fn start(
    State(doors): State<Arc<Doors>>,
    caller: Option<Caller>,
    Body(start): Body<Start>,
) -> Result<(StatusCode, Json<Started>), Problem> {
    let organization = organization(&doors, caller.as_ref(), start.org_id)?;
    let key = entry_point_key(&organization, &start.entry_point, caller.is_some()).await?;
    // Without a token nobody could say whose repetition it is, so each request is a new chat.
    let command_id = caller
        .as_ref()
        .map_or_else(|| CommandId::new(Uuid::now_v7()), |caller| caller.command_id("chats"));
    let interaction_id = InteractionId::derived(command_id.uuid(), "interaction");
    let (origin, data_subject_id) = match start.name {
        Some(name) if name.len() > NAME_BYTES_MAX => {
            return Err(Problem::invalid("name", format!("is longer than {NAME_BYTES_MAX} bytes")));
        }
        Some(name) => {
            let sealed = SealedText::of(
                &organization.keys,
                organization.org_id,
                interaction_id,
                Purpose::Origin,
                mask(name),
            )
            .await
            .map_err(|error| Problem::from(error).field("name"))?;
            (Some(sealed.body), Some(sealed.subject_id))
        }
        None => (None, None),
    };
    let token = token::issue(&organization.keys, organization.org_id, interaction_id)
        .map_err(|error| Problem::internal(&error))?;
    let command = Command::StartInteraction {
        interaction_id,
        channel_type: ChannelType::Chat,
        destination: key,
        origin,
        media_leg_id: media_leg_id(interaction_id),
        call_ref: interaction_id.to_string(),
        transport: "websocket".to_owned(),
    };
    let actor = match &caller {
        Some(caller) => caller.actor(ActorType::Integration),
        None => Actor::new(ActorType::Customer, ""),
    };
    let commanded = Commanded {
        org_id: organization.org_id,
        command_id,
        correlation_id: CorrelationId::new(interaction_id.uuid()),
        actor,
        traceparent: None,
        data_subject_id,
        command,
    };
    // The session is there before the first effect comes; its grace period runs from now.
    organization.chats.session(interaction_id);
    if let Err(error) = organization.engine.submit(commanded).await {
        organization.chats.forget(interaction_id);
        return Err(error.into());
    }
    metrics::counter!("ledgerline_chats_started_total").increment(1);
    let socket = format!("/v1/chats/{interaction_id}/socket?token={token}");
    Ok((StatusCode::CREATED, Json(Started { interaction_id, chat_token: token, socket })))
}

fn organization(
    doors: &Doors,
    caller: Option<&Caller>,
    asked: Option<OrgId>,
) -> Result<Arc<Organization>, Problem> {
    match (caller, asked) {
        (Some(caller), asked) => {
            caller.require(Action::ChatStart)?;
            if asked.is_some_and(|asked| asked != caller.principal.org_id) {
                return Err(
                    Problem::forbidden("the token is of another organization").field("orgId")
                );
            }
            Ok(caller.organization.clone())
        }
        // An unknown organization and an unknown key look the same from outside.
        (None, Some(asked)) => doors.organization(asked).ok_or_else(unknown_entry_point),
        (None, None) => doors.only_organization().ok_or_else(|| {
            Problem::invalid("orgId", "has to be given: several organizations are served here")
        }),
    }
}

fn unknown_entry_point() -> Problem {
    Problem::not_found("no chat entry point has this key").field("entryPoint")
}

/// The key (an entry point's number) that leads to the entry point.
async fn entry_point_key(
    organization: &Organization,
    asked: &str,
    trusted: bool,
) -> Result<String, Problem> {
    let entities = organization.engine.entities(EntityKind::EntryPoint).await?;
    let chats = entities.iter().filter_map(|entity: &EntityView| {
        let entry_point: EntryPoint = entity.document.parse().ok()?;
        (entry_point.channel_type == ChannelType::Chat && entry_point.active)
            .then_some((entity.id, entry_point))
    });
    for (id, entry_point) in chats {
        if entry_point.numbers.iter().any(|number| number == asked) {
            return Ok(asked.to_owned());
        }
        if trusted && (entry_point.name == asked || id.to_string() == asked) {
            return entry_point.numbers.first().cloned().ok_or_else(|| {
                Problem::invalid("entryPoint", format!("{asked:?} has no key in its numbers"))
            });
        }
    }
    Err(unknown_entry_point())
}
