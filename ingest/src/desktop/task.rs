//! What an agent does with an interaction in hand: `/v1/tasks/{id}/…`.

use axum::Json;
use axum::extract::Path;
use axum::http::StatusCode;
use ledgerline_event_store::crypt::Purpose;
use ledgerline_event_store::log::Direction;
use ledgerline_schemas::command::Command;
use ledgerline_schemas::config::{ChannelType, EntityKind, Named};
use ledgerline_schemas::event::Event;
use ledgerline_schemas::id::{AuxCodeId, CommandId, InteractionId, MessageId, QueueId, UserId};
use ledgerline_schemas::{Position, StreamId, Version};
use serde::{Deserialize, Serialize};

use crate::card_filter::mask;
use crate::chat::text::SealedText;
use crate::http::Caller;
use crate::http::body::{Body, OptionalBody};
use crate::http::params::{named_entity, path_id};
use crate::http::problem::Problem;

/// Events read at a time.
const PAGE_EVENTS: usize = 500;

/// The answer to a task operation: its facts are durable at this position.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Done {
    interaction_id: InteractionId,
    position: Position,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_id: Option<MessageId>,
}

type Answer = Result<Json<Done>, Problem>;

/// One operation of one agent on one interaction that it has in hand.
struct Task {
    caller: Caller,
    agent_id: UserId,
    interaction_id: InteractionId,
    channel_type: ChannelType,
}

impl Task {
    /// # Errors
    /// 404 when the interaction is over or unknown in the caller's organization, 409 when it is no longer
    /// in the caller's hand, 403 when it never was. The core checks again: this read is no lock.
    async fn of(caller: Caller, id: &str) -> Result<Self, Problem> {
        let agent_id = caller.agent()?;
        let interaction_id: InteractionId = path_id("interaction", id)?;
        let engine = &caller.organization.engine;
        let own = engine.agent(agent_id).await?.and_then(|agent| {
            agent.tasks.into_iter().find(|task| task.interaction_id == interaction_id)
        });
        let Some(task) = own else {
            return Err(match engine.interaction(interaction_id).await? {
                Some(_) if was_offered(&caller, agent_id, interaction_id)? => Problem::new(
                    StatusCode::CONFLICT,
                    "conflict",
                    "the interaction is no longer in this agent's hand",
                ),
                Some(_) => Problem::forbidden("the interaction is not in this agent's hand"),
                None => Problem::not_found(format!("no interaction {interaction_id} is open")),
            });
        };
        Ok(Self { caller, agent_id, interaction_id, channel_type: task.channel_type })
    }

    async fn submit(&self, purpose: &str, command: Command) -> Answer {
        let command_id = self.command_id(purpose);
        let actor = self.caller.actor_for(self.agent_id);
        let commanded =
            self.caller.commanded(command_id, actor, Some(self.interaction_id), None, command);
        let accepted = self.caller.organization.engine.submit(commanded).await?;
        Ok(Json(Done {
            interaction_id: self.interaction_id,
            position: accepted.position,
            message_id: None,
        }))
    }

    fn command_id(&self, purpose: &str) -> CommandId {
        self.caller.command_id(&format!("tasks/{}/{purpose}", self.interaction_id))
    }
}

/// Whether the interaction was ever offered to the agent, by the log.
fn was_offered(
    caller: &Caller,
    agent_id: UserId,
    interaction_id: InteractionId,
) -> Result<bool, Problem> {
    let stream = StreamId::interaction(interaction_id);
    let mut from = Version(0);
    loop {
        let page = caller
            .organization
            .reader
            .read_stream(&stream, from, Direction::Forward, PAGE_EVENTS)
            .map_err(|error| Problem::internal(&error))?;
        let Some(last) = page.last() else { return Ok(false) };
        from = Version(last.header.version.0 + 1);
        let offers = page.iter().filter(|it| &*it.header.event_type == "offer.made");
        for recorded in offers {
            if matches!(recorded.decode(), Ok(Event::OfferMade(it)) if it.agent_id == agent_id) {
                return Ok(true);
            }
        }
    }
}

macro_rules! plain {
    ($($name:ident => $command:ident;)*) => {$(
        pub(super) async fn $name(
            caller: Caller,
            Path(id): Path<String>,
            OptionalBody(Nothing {}): OptionalBody<Nothing>,
        ) -> Answer {
            let task = Task::of(caller, &id).await?;
            let (agent_id, interaction_id) = (task.agent_id, task.interaction_id);
            task.submit(stringify!($name), Command::$command { agent_id, interaction_id }).await
        }
    )*};
}

plain! {
    accept => AcceptOffer;
    reject => RejectOffer;
    hold => Hold;
    unhold => Unhold;
    end => EndInteraction;
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Nothing {}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Destination {
    Queue,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Transfer {
    to: String,
    destination_type: Destination,
}

pub(super) async fn transfer(
    caller: Caller,
    Path(id): Path<String>,
    Body(transfer): Body<Transfer>,
) -> Answer {
    let task = Task::of(caller, &id).await?;
    let Destination::Queue = transfer.destination_type;
    let queue =
        named_entity(&task.caller.organization, EntityKind::Queue, "to", &transfer.to).await?;
    let command = Command::TransferToQueue {
        agent_id: task.agent_id,
        interaction_id: task.interaction_id,
        queue_id: QueueId::new(queue.id.uuid()),
    };
    task.submit("transfer", command).await
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct WrapUp {
    #[serde(default)]
    aux_code_id: Option<String>,
    #[serde(default)]
    wrap_up_reason: Option<String>,
}

pub(super) async fn wrapup(
    caller: Caller,
    Path(id): Path<String>,
    OptionalBody(asked): OptionalBody<WrapUp>,
) -> Answer {
    let task = Task::of(caller, &id).await?;
    let aux_code_id = wrapup_code(&task, asked).await?;
    let command = Command::WrapUp {
        agent_id: task.agent_id,
        interaction_id: task.interaction_id,
        aux_code_id,
    };
    task.submit("wrapup", command).await
}

/// The code by its id or name; the reason is the code's name and may stand alone, but not contradict.
async fn wrapup_code(task: &Task, asked: WrapUp) -> Result<Option<AuxCodeId>, Problem> {
    let organization = &task.caller.organization;
    let (field, code) = match (&asked.aux_code_id, &asked.wrap_up_reason) {
        (Some(code), _) => ("auxCodeId", code),
        (None, Some(reason)) => ("wrapUpReason", reason),
        (None, None) => return Ok(None),
    };
    let code = named_entity(organization, EntityKind::AuxCode, field, code).await?;
    let name = code.document.parse::<Named>().map(|named| named.name).unwrap_or_default();
    if asked.wrap_up_reason.as_ref().is_some_and(|reason| *reason != name) {
        return Err(Problem::invalid("wrapUpReason", format!("the code's name is {name:?}")));
    }
    Ok(Some(AuxCodeId::new(code.id.uuid())))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Message {
    text: String,
    /// Makes a repeated request the same message; the `Idempotency-Key` does as well.
    #[serde(default)]
    client_message_id: Option<String>,
}

pub(super) async fn messages(
    caller: Caller,
    Path(id): Path<String>,
    Body(message): Body<Message>,
) -> Answer {
    let task = Task::of(caller, &id).await?;
    if task.channel_type == ChannelType::Voice {
        return Err(Problem::new(
            StatusCode::CONFLICT,
            "conflict",
            "a call carries no text messages",
        ));
    }
    let (agent_id, interaction_id) = (task.agent_id, task.interaction_id);
    let command_id = match &message.client_message_id {
        Some(client) => {
            CommandId::derived(interaction_id.uuid(), &format!("agent_message:{agent_id}:{client}"))
        }
        None => task.command_id("messages"),
    };
    let message_id = MessageId::derived(command_id.uuid(), "message");
    let organization = &task.caller.organization;
    let sealed = SealedText::of(
        &organization.keys,
        organization.org_id,
        interaction_id,
        Purpose::Said,
        mask(message.text),
    )
    .await
    .map_err(Problem::from)?;
    let command = Command::SendMessage {
        agent_id,
        interaction_id,
        message_id,
        body: sealed.body,
        sha256: sealed.keyed_sha256,
    };
    let commanded = task.caller.commanded(
        command_id,
        task.caller.actor_for(agent_id),
        Some(interaction_id),
        Some(sealed.subject_id),
        command,
    );
    let accepted = organization.engine.submit(commanded).await?;
    Ok(Json(Done { interaction_id, position: accepted.position, message_id: Some(message_id) }))
}
