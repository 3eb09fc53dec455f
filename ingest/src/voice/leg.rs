//! What the customer's and the agent's leg have in common: identity, commands, dialog, media.

use std::sync::Arc;

use ledgerline_schemas::command::{Command, Commanded};
use ledgerline_schemas::envelope::Actor;
use ledgerline_schemas::event::media::{MediaLegEnded, MediaSide, ReleaseSide};
use ledgerline_schemas::id::{
    CommandId, CorrelationId, InteractionId, MediaLegId, OrgId, SubjectId,
};
use tokio::sync::mpsc::UnboundedSender;

use super::edge::{CallPlace, Edge};
use super::media::library::Prompt;
use super::media::sdp::{self, Description, Identity};
use super::media::session::Session;
use super::outbox::Outbox;
use super::registry::LegInput;
use super::sip::dialog::Dialog;
use super::sip::message::{Request, Response};
use super::sip::port::Incoming;
use super::sip::{ALLOW, Transport};

/// Who a leg is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LegIds {
    pub(super) org_id: OrgId,
    pub(super) interaction_id: InteractionId,
    pub(super) media_leg_id: MediaLegId,
    pub(super) side: MediaSide,
}

impl LegIds {
    /// A command about this leg. Its id is derived from the leg and the step: said twice, it is one.
    pub(super) fn command(
        &self,
        step: &str,
        actor: Actor,
        subject: Option<SubjectId>,
        command: Command,
    ) -> Commanded {
        Commanded {
            org_id: self.org_id,
            command_id: CommandId::derived(self.media_leg_id.uuid(), step),
            correlation_id: CorrelationId::new(self.interaction_id.uuid()),
            actor,
            traceparent: None,
            data_subject_id: subject,
            command,
        }
    }
}

/// A leg with its media; leaves the registry when dropped.
pub(super) struct Leg {
    pub(super) edge: Arc<Edge>,
    pub(super) ids: LegIds,
    pub(super) session: Arc<Session>,
    pub(super) outbox: Outbox,
    pub(super) inbox: UnboundedSender<LegInput>,
    pub(super) dialog: Option<Dialog>,
    pub(super) description: Identity,
    pub(super) ended: bool,
    pub(super) place: Option<CallPlace>,
}

impl Leg {
    pub(super) fn new(
        edge: &Arc<Edge>,
        ids: LegIds,
        session: Arc<Session>,
        outbox: Outbox,
        inbox: UnboundedSender<LegInput>,
    ) -> Self {
        // 63 bits: some phones read the session id as a signed number.
        let id = (ids.media_leg_id.uuid().as_u128() >> 65) as u64;
        let description = Identity { id, version: 1 };
        let edge = Arc::clone(edge);
        let (dialog, ended, place) = (None, false, None);
        Self { edge, ids, session, outbox, inbox, dialog, description, ended, place }
    }

    pub(super) fn tell(&self, step: &str, actor: Actor, command: Command) {
        self.outbox.push(self.ids.command(step, actor, None, command));
    }

    /// Keeps the dialog and lets its requests find this leg.
    pub(super) fn confirm(&mut self, dialog: Dialog) {
        self.edge.registry.add_dialog(&dialog.call_id, &dialog.local_tag, self.inbox.clone());
        self.dialog = Some(dialog);
    }

    /// Our Contact for this way of travelling.
    pub(super) fn contact(&self, transport: Transport) -> String {
        contact(&self.edge, transport)
    }

    /// Says BYE; the answer is awaited apart.
    pub(super) fn send_bye(&mut self) {
        let Some(dialog) = &mut self.dialog else { return };
        let (request, flow) = (dialog.request("BYE"), dialog.flow);
        let sip = Arc::clone(&self.edge.sip);
        self.edge.tasks.spawn(async move {
            match sip.send(request, flow).await {
                Ok(mut sent) => {
                    while let Some(response) = sent.responses.recv().await {
                        if response.status >= 200 {
                            break;
                        }
                    }
                }
                Err(error) => tracing::debug!(%error, "a BYE could not be sent"),
            }
        });
    }

    /// Reports the end of the leg, once.
    pub(super) fn end(&mut self, released_by: ReleaseSide, sip_status: u16, actor: Actor) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        self.session.close();
        let counts = self.session.counts();
        let ended = MediaLegEnded {
            interaction_id: self.ids.interaction_id,
            media_leg_id: self.ids.media_leg_id,
            side: self.ids.side,
            released_by,
            sip_status,
            packets_received: counts.received,
            packets_sent: counts.sent,
            packets_lost: counts.lost,
        };
        self.tell("ended", actor, Command::MediaLegEnded(ended));
    }

    /// Answers a request within the dialog. True if it was the BYE.
    pub(super) fn on_request(&mut self, incoming: &Incoming) -> bool {
        let request = &incoming.request;
        let Some(dialog) = self.dialog.as_mut().filter(|dialog| dialog.is_from_peer(request))
        else {
            incoming.transaction.answer(request.answer(481, None));
            return false;
        };
        if !dialog.accept(request) {
            incoming.transaction.answer(request.answer(500, None));
            return false;
        }
        match request.method.as_str() {
            "BYE" => {
                incoming.transaction.answer(request.answer(200, None));
                return true;
            }
            "INVITE" => {
                let response = self.on_reinvite(request, incoming.flow.transport);
                incoming.transaction.answer(response);
            }
            "OPTIONS" => {
                let response = request.answer(200, None).with("Allow", ALLOW);
                incoming.transaction.answer(response.with("Accept", "application/sdp"));
            }
            _ => incoming.transaction.answer(request.answer(405, None).with("Allow", ALLOW)),
        }
        false
    }

    /// A change of the session: hold, resume, another address. Our side stays as it is.
    fn on_reinvite(&mut self, request: &Request, transport: Transport) -> Response {
        let local = self.session.local();
        let codec = self.session.codec();
        let sdp = if request.body.is_empty() {
            // An offer is asked of us: the one that stands.
            sdp::offer(codec.unwrap_or(super::media::codec::Codec::Pcmu), local, self.description)
        } else {
            match Description::parse(&request.body, codec) {
                Ok(description) => {
                    self.session.agree(description.agreed());
                    self.description.version += 1;
                    description.answer(local, self.description)
                }
                // The session goes on as it was (RFC 3261, 14.2).
                Err(_) => return request.answer(488, None),
            }
        };
        request
            .answer(200, None)
            .with("Contact", self.contact(transport))
            .with("Allow", ALLOW)
            .with_sdp(sdp)
    }

    /// The prompt of this name; `None`, and a word in the log, if it cannot be played.
    pub(super) fn prompt(&self, media: &str) -> Option<Arc<Prompt>> {
        if media.is_empty() {
            return None;
        }
        match self.edge.library.prompt(media) {
            Ok(prompt) => Some(prompt),
            Err(error) => {
                metrics::counter!("ledgerline_voice_prompts_missing_total").increment(1);
                tracing::warn!(interaction = %self.ids.interaction_id, %error, "no prompt");
                None
            }
        }
    }
}

impl Drop for Leg {
    fn drop(&mut self) {
        self.session.close();
        self.edge.registry.remove_leg(self.ids.media_leg_id);
        if let Some(dialog) = &self.dialog {
            self.edge.registry.remove_dialog(&dialog.call_id, &dialog.local_tag);
        }
    }
}

/// Our Contact for this way of travelling.
pub(super) fn contact(edge: &Edge, transport: Transport) -> String {
    let host_port = edge.sip.host_port(transport);
    match transport {
        Transport::Udp => format!("<sip:{host_port}>"),
        Transport::Tcp => format!("<sip:{host_port};transport=tcp>"),
    }
}
