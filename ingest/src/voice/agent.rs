//! The leg to an agent, or to a supervisor who listens: the client side of a call to a phone.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ledgerline_routing_core::Effect;
use ledgerline_schemas::command::Command;
use ledgerline_schemas::envelope::{Actor, ActorType};
use ledgerline_schemas::event::media::{MediaSide, ReleaseSide};
use ledgerline_schemas::event::monitor::MonitorMode;
use ledgerline_schemas::id::{InteractionId, MediaLegId, OfferId, UserId};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::Instant;

use super::customer::new_tag;
use super::edge::{Door, Edge};
use super::leg::{Leg, LegIds};
use super::media::codec::Codec;
use super::media::mix::Mix;
use super::media::sdp::{self, Description};
use super::media::session::MediaEvent;
use super::registry::{LegHandle, LegInput};
use super::sip::dialog::Dialog;
use super::sip::message::{Request, Response, is_token};
use super::sip::port::ClientTransaction;
use super::sip::{ALLOW, Transport, address};

/// How long a cancelled INVITE may take to end: 64 times T1, and the answer's way.
const CANCEL_LIMIT: Duration = Duration::from_secs(40);

/// What the core wants dialled.
pub(super) struct Dial {
    pub(super) interaction_id: InteractionId,
    pub(super) media_leg_id: MediaLegId,
    /// The leg that will be heard: its codec is preferred, its caller shown.
    pub(super) near_media_leg_id: MediaLegId,
    pub(super) side: MediaSide,
    pub(super) offer_id: Option<OfferId>,
    pub(super) user_id: UserId,
    pub(super) dn: String,
}

/// Calls a phone and keeps the call until it ends.
pub(super) async fn dial(edge: Arc<Edge>, door: Door, dial: Dial) {
    let ids = LegIds {
        org_id: door.org_id,
        interaction_id: dial.interaction_id,
        media_leg_id: dial.media_leg_id,
        side: dial.side,
    };
    let outbox = edge.outbox(&door);
    let failed = |sip_status| {
        let command = failure(&ids, dial.offer_id, sip_status);
        outbox.push(ids.command("failed", Actor::system("voice"), None, command));
    };
    let Some(target) = target(&dial.dn, edge.config.outbound_proxy) else {
        tracing::warn!(interaction = %ids.interaction_id, "a number has no way out");
        return failed(404);
    };
    let Ok((session, media)) = edge.open_media().await else { return failed(503) };
    let near = edge.registry.leg(dial.near_media_leg_id);
    let first = near.as_ref().and_then(|leg| leg.session.codec()).unwrap_or(Codec::Pcmu);
    let caller = near.and_then(|leg| leg.caller);
    let (sender, inbox) = unbounded_channel();
    let leg = Leg::new(&edge, ids, session, outbox.clone(), sender);
    let handle =
        LegHandle { inbox: leg.inbox.clone(), session: Arc::clone(&leg.session), caller: None };
    edge.registry.add_leg(ids.media_leg_id, handle);
    let invite = invite(&leg, &target, caller.as_deref().unwrap_or("anonymous"), first);
    match edge.sip.send(invite, None).await {
        Ok(transaction) => {
            let stage = Stage::Calling { provisional: false, release: Release::None };
            let Dial { offer_id, user_id, .. } = dial;
            let call = Call { leg, offer_id, user_id, transaction, stage };
            call.run(inbox, media).await;
        }
        Err(error) => {
            tracing::warn!(interaction = %ids.interaction_id, %error, "a phone was not called");
            failed(503);
        }
    }
}

/// The Request-URI for a number or address.
fn target(dn: &str, proxy: Option<SocketAddr>) -> Option<String> {
    let is_uri = dn.get(..4).is_some_and(|scheme| scheme.eq_ignore_ascii_case("sip:"));
    if is_uri || dn.contains('@') {
        let uri = if is_uri { dn.to_owned() } else { format!("sip:{dn}") };
        let is_sound = uri.bytes().all(|b| b.is_ascii_graphic() && !b"<>\"?".contains(&b));
        return (is_sound && address::host_port(&uri).is_some()).then_some(uri);
    }
    let number = dn.replace('#', "%23");
    let proxy = proxy?;
    is_token(&number).then(|| format!("sip:{number}@{proxy}"))
}

fn invite(leg: &Leg, target: &str, caller: &str, first: Codec) -> Request {
    let is_stream = address::uri_parameter(target, "transport")
        .is_some_and(|transport| transport.eq_ignore_ascii_case("tcp"));
    let transport = if is_stream { Transport::Tcp } else { Transport::Udp };
    let host_port = leg.edge.sip.host_port(transport);
    let mut request = Request::new("INVITE", target);
    let headers = &mut request.headers;
    headers.push("From", format!("<sip:{caller}@{host_port}>;tag={}", new_tag()));
    headers.push("To", format!("<{target}>"));
    // A Call-ID of our own, and random: the customer's leg stays hidden, and nobody can guess it.
    headers.push("Call-ID", uuid::Uuid::new_v4().to_string());
    headers.push("CSeq", "1 INVITE");
    headers.push("Contact", leg.contact(transport));
    headers.push("Allow", ALLOW);
    headers.push("Content-Type", "application/sdp");
    request.body = sdp::offer(first, leg.session.local(), leg.description);
    request
}

fn failure(ids: &LegIds, offer_id: Option<OfferId>, sip_status: u16) -> Command {
    Command::MediaLegFailed {
        interaction_id: ids.interaction_id,
        media_leg_id: ids.media_leg_id,
        side: ids.side,
        offer_id,
        sip_status,
    }
}

/// What became of the wish to stop calling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Release {
    /// Nobody wants it.
    None,
    /// Wanted; CANCEL may go only after a provisional answer (RFC 3261, 9.1).
    Wanted(Instant),
    /// CANCEL is out.
    Sent(Instant),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Calling { provisional: bool, release: Release },
    Up,
    Over,
}

struct Call {
    leg: Leg,
    offer_id: Option<OfferId>,
    user_id: UserId,
    transaction: ClientTransaction,
    stage: Stage,
}

impl Call {
    async fn run(
        mut self,
        mut inbox: UnboundedReceiver<LegInput>,
        mut media: UnboundedReceiver<MediaEvent>,
    ) {
        let draining = self.leg.edge.draining.clone();
        let (mut transaction_open, mut drained) = (true, false);
        while self.stage != Stage::Over {
            tokio::select! {
                response = self.transaction.responses.recv(), if transaction_open => {
                    transaction_open = response.is_some();
                    self.on_response(response).await;
                }
                Some(input) = inbox.recv() => match input {
                    LegInput::Effect(effect) => self.on_effect(*effect).await,
                    LegInput::Request(request) => {
                        if self.leg.on_request(&request) {
                            self.over(ReleaseSide::Remote, 200, self.actor());
                        }
                    }
                },
                Some(MediaEvent::Silent) = media.recv() => {
                    self.leg.send_bye();
                    self.over(ReleaseSide::Network, 408, Actor::system("voice"));
                }
                () = give_up(self.stage) => {
                    self.over(ReleaseSide::Local, 408, Actor::system("voice"));
                }
                () = draining.cancelled(), if !drained => {
                    drained = true;
                    self.release().await;
                }
            }
        }
    }

    /// Whoever has the phone.
    fn actor(&self) -> Actor {
        let kind = match self.leg.ids.side {
            MediaSide::Supervisor => ActorType::Supervisor,
            _ => ActorType::Agent,
        };
        Actor::new(kind, self.user_id)
    }

    async fn on_response(&mut self, response: Option<Response>) {
        let Stage::Calling { release, .. } = self.stage else {
            if let Some(response) = response {
                self.on_late_response(&response);
            }
            return;
        };
        match response {
            Some(response) if response.status < 200 => {
                self.stage = Stage::Calling { provisional: true, release };
                if let Release::Wanted(_) = release {
                    self.cancel().await;
                }
            }
            Some(response) if response.status < 300 => self.on_answer(&response, release),
            // The stack tells a missing answer as 408 itself; a closed transaction says no more.
            other => {
                let status = other.map_or(408, |response| response.status);
                if release == Release::None {
                    self.fail(status);
                } else {
                    self.over(ReleaseSide::Local, status, Actor::system("voice"));
                }
            }
        }
    }

    fn on_answer(&mut self, response: &Response, release: Release) {
        let flow = self.transaction.flow;
        let Some(dialog) = Dialog::of_client(&self.transaction.sent, response, flow) else {
            return self.fail(502);
        };
        self.leg.confirm(dialog);
        if release != Release::None {
            // The answer crossed our CANCEL: nobody wants this call any more.
            self.leg.send_bye();
            return self.over(ReleaseSide::Local, 200, Actor::system("voice"));
        }
        let Ok(description) = Description::parse(&response.body, None) else {
            self.leg.send_bye();
            return self.fail(488);
        };
        let agreed = description.agreed();
        self.leg.session.agree(agreed);
        self.stage = Stage::Up;
        let command = Command::MediaLegAnswered {
            interaction_id: self.leg.ids.interaction_id,
            media_leg_id: self.leg.ids.media_leg_id,
            side: self.leg.ids.side,
            offer_id: self.offer_id,
            codec: agreed.codec.name().to_owned(),
        };
        self.leg.tell("answered", self.actor(), command);
    }

    /// A second phone of the same person answered too (forking): its call ends at once.
    fn on_late_response(&mut self, response: &Response) {
        let ours = self.leg.dialog.as_ref();
        let is_ours = |dialog: &Dialog| ours.is_some_and(|ours| ours.has_same_peer(dialog));
        if !(200..300).contains(&response.status) {
            return;
        }
        let flow = self.transaction.flow;
        if let Some(mut other) = Dialog::of_client(&self.transaction.sent, response, flow)
            && !is_ours(&other)
        {
            let request = other.request("BYE");
            let sip = Arc::clone(&self.leg.edge.sip);
            self.leg.edge.tasks.spawn(async move {
                if let Err(error) = sip.send(request, flow).await {
                    tracing::debug!(%error, "a forked call was not ended");
                }
            });
        }
    }

    async fn on_effect(&mut self, effect: Effect) {
        match effect {
            Effect::Play { media, looped, .. } => {
                if let Some(prompt) = self.leg.prompt(&media) {
                    self.leg.session.play(prompt, looped, 0);
                }
            }
            Effect::StopPlay { .. } => self.leg.session.stop(),
            Effect::Listen { customer, agent, mode, .. } => self.listen(customer, agent, mode),
            Effect::Release { .. } => self.release().await,
            _ => {}
        }
    }

    /// A conversation whose legs are gone is over; the core says so next.
    fn listen(&self, customer: MediaLegId, agent: MediaLegId, mode: MonitorMode) {
        let registry = &self.leg.edge.registry;
        let (Some(customer), Some(agent)) = (registry.leg(customer), registry.leg(agent)) else {
            return;
        };
        Mix::set(&self.leg.session, &customer.session, &agent.session, mode);
    }

    async fn release(&mut self) {
        match self.stage {
            Stage::Calling { provisional, release: Release::None } => {
                let release = Release::Wanted(Instant::now());
                self.stage = Stage::Calling { provisional, release };
                if provisional {
                    self.cancel().await;
                }
            }
            Stage::Up => {
                self.leg.send_bye();
                self.over(ReleaseSide::Local, 200, Actor::system("voice"));
            }
            Stage::Calling { .. } | Stage::Over => {}
        }
    }

    async fn cancel(&mut self) {
        let release = Release::Sent(Instant::now());
        self.stage = Stage::Calling { provisional: true, release };
        let sip = Arc::clone(&self.leg.edge.sip);
        if let Err(error) = sip.cancel(&self.transaction.sent, self.transaction.flow).await {
            tracing::debug!(%error, "a CANCEL could not be sent");
        }
    }

    fn fail(&mut self, status: u16) {
        let command = failure(&self.leg.ids, self.offer_id, status);
        self.leg.tell("failed", Actor::system("voice"), command);
        self.leg.ended = true;
        self.stage = Stage::Over;
    }

    fn over(&mut self, released_by: ReleaseSide, status: u16, actor: Actor) {
        self.leg.end(released_by, status, actor);
        self.stage = Stage::Over;
    }
}

async fn give_up(stage: Stage) {
    match stage {
        Stage::Calling { release: Release::Wanted(at) | Release::Sent(at), .. } => {
            tokio::time::sleep_until(at + CANCEL_LIMIT).await;
        }
        _ => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_go_to_the_proxy_and_addresses_where_they_say() {
        let proxy = Some("127.0.0.1:5080".parse().unwrap());
        for (dn, expected) in [
            ("sip:7@10.0.0.1:5070", Some("sip:7@10.0.0.1:5070")),
            ("SIP:7@h;transport=tcp", Some("SIP:7@h;transport=tcp")),
            ("seven@h", Some("sip:seven@h")),
            ("+15551230000", Some("sip:+15551230000@127.0.0.1:5080")),
            ("#31", Some("sip:%2331@127.0.0.1:5080")),
            ("sip:7@h\r\nX: 1", None),
            ("7 7", None),
            ("", None),
        ] {
            assert_eq!(target(dn, proxy).as_deref(), expected, "{dn:?}");
        }
        assert_eq!(target("+15551230000", None), None);
    }
}
