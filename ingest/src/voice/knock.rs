//! The question that begins a call: does this organization take it?

use ledgerline_event_store::crypt::{Binding, CryptError};
use ledgerline_schemas::Sensitive;
use ledgerline_schemas::command::Command;
use ledgerline_schemas::config::ChannelType;
use ledgerline_schemas::envelope::{Actor, ActorType};
use ledgerline_schemas::event::media::MediaSide;
use ledgerline_schemas::id::{InteractionId, MediaLegId, SubjectId};

use super::edge::{Door, Edge};
use super::leg::LegIds;
use super::port::PortError;
use super::sip::address;
use super::sip::message::Request;
use super::sip::port::Incoming;

/// Longest number that is shown to agents, characters (E.164 has 15 digits).
const SHOWN_CHARS_MAX: usize = 32;

/// Who calls, and whom.
#[derive(Clone)]
pub(super) struct Caller {
    number: String,
    origin: Option<String>,
    call_ref: String,
    transport: &'static str,
}

impl Caller {
    pub(super) fn of(incoming: &Incoming, number: String) -> Self {
        let headers = &incoming.request.headers;
        let origin = headers
            .get("From")
            .map(address::uri)
            .and_then(address::user)
            .filter(|user| !user.eq_ignore_ascii_case("anonymous"));
        let call_ref = headers.get("Call-ID").unwrap_or_default().to_owned();
        Self { number, origin, call_ref, transport: incoming.flow.transport.name() }
    }

    /// The number as an agent's phone may show it.
    pub(super) fn shown(&self) -> Option<String> {
        self.origin.clone().filter(|origin| {
            origin.len() <= SHOWN_CHARS_MAX
                && origin.chars().all(|c| c.is_ascii_alphanumeric() || "+-._".contains(c))
        })
    }
}

/// What became of the question.
pub(super) struct Knocked {
    /// The person behind the call, if a number is known.
    pub(super) subject: Option<SubjectId>,
    /// The engine's answer.
    pub(super) result: Result<(), PortError>,
}

impl Knocked {
    pub(super) fn failed(why: &str) -> Self {
        Self { subject: None, result: Err(PortError::Unavailable(why.to_owned())) }
    }
}

/// Ids of a call: the same request, sent again, is the same call.
pub(super) fn ids(door: &Door, invite: &Request) -> LegIds {
    let header = |name| invite.headers.get(name).unwrap_or_default();
    let tag = address::tag(header("From")).unwrap_or_default();
    let name = ["sip", header("Call-ID"), tag, header("CSeq")].join("\n");
    let interaction_id = InteractionId::derived(door.org_id.uuid(), &name);
    let media_leg_id = MediaLegId::derived(interaction_id.uuid(), "customer");
    LegIds { org_id: door.org_id, interaction_id, media_leg_id, side: MediaSide::Customer }
}

/// Seals the caller's number and asks.
pub(super) async fn knock(edge: &Edge, door: &Door, ids: LegIds, caller: Caller) -> Knocked {
    let sealed = seal_origin(edge, ids, caller.origin).await;
    let (subject, origin) = match sealed {
        Ok(Some((subject, origin))) => (Some(subject), Some(origin)),
        Ok(None) => (None, None),
        Err(error) => {
            tracing::error!(interaction = %ids.interaction_id, %error, "a caller was not sealed");
            return Knocked { subject: None, result: Err(error) };
        }
    };
    let command = Command::StartInteraction {
        interaction_id: ids.interaction_id,
        channel_type: ChannelType::Voice,
        destination: caller.number,
        origin,
        media_leg_id: ids.media_leg_id,
        call_ref: caller.call_ref,
        transport: caller.transport.to_owned(),
    };
    let actor = Actor::new(ActorType::Customer, "");
    let result = door.commands.submit(ids.command("start", actor, subject, command)).await;
    Knocked { subject, result }
}

async fn seal_origin(
    edge: &Edge,
    ids: LegIds,
    origin: Option<String>,
) -> Result<Option<(SubjectId, Sensitive<String>)>, PortError> {
    let Some(origin) = origin else { return Ok(None) };
    let keyring = edge.keyring.clone();
    let (org_id, binding) = (ids.org_id, Binding::origin(ids.interaction_id));
    // A new person means a new key on disk.
    let sealing = tokio::task::spawn_blocking(move || {
        let subject = keyring.subject_id(org_id, "phone", &origin)?;
        Ok::<_, CryptError>((subject, keyring.seal(org_id, subject, binding, &origin)?))
    });
    match sealing.await {
        Ok(Ok(sealed)) => Ok(Some(sealed)),
        Ok(Err(error)) => Err(PortError::Unavailable(error.to_string())),
        Err(error) => Err(PortError::Unavailable(error.to_string())),
    }
}
