//! The customer's leg: the server side of a call, from INVITE to BYE.

use std::collections::VecDeque;
use std::sync::Arc;

use ledgerline_event_store::crypt::Binding;
use ledgerline_routing_core::{Effect, RejectionCode, ReleaseReason};
use ledgerline_schemas::command::Command;
use ledgerline_schemas::envelope::{Actor, ActorType};
use ledgerline_schemas::event::media::{RefusalReason, ReleaseSide};
use ledgerline_schemas::id::{MediaLegId, SubjectId};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::sync::oneshot;

use super::edge::{Door, Edge};
use super::knock::{self, Caller, Knocked};
use super::leg::Leg;
use super::media::codec::Codec;
use super::media::sdp::{self, Description};
use super::media::session::{MediaEvent, Session};
use super::player::{After, Player};
use super::port::PortError;
use super::registry::{LegHandle, LegInput};
use super::sip::dialog::Dialog;
use super::sip::gate::Refusal;
use super::sip::message::Request;
use super::sip::port::{Incoming, ServerEvent};
use super::sip::{ALLOW, address};
use crate::card_filter::mask;

/// Seconds a caller is asked to wait when we are overloaded.
const RETRY_AFTER: &str = "2";

/// Takes a call that begins: an INVITE outside any dialog.
pub(super) async fn take(edge: Arc<Edge>, incoming: Incoming) {
    let refuse = |status, reason, detail| refuse(&edge, &incoming, status, reason, detail);
    if edge.draining.is_cancelled() {
        return refuse(503, RefusalReason::Overloaded, "the edge is shutting down");
    }
    let Some(place) = edge.enter() else {
        return refuse(503, RefusalReason::Overloaded, "all places for calls are taken");
    };
    let body = &incoming.request.body;
    let description = match Description::parse(body, None) {
        Ok(description) => Some(description),
        // No offer: we make one in our answer.
        Err(_) if body.is_empty() => None,
        Err(_) => return refuse(488, RefusalReason::UnacceptableMedia, "no media in common"),
    };
    let Some(number) = address::user(&incoming.request.uri) else {
        return refuse(404, RefusalReason::UnknownNumber, "the address names no number");
    };
    let mut doors: VecDeque<Door> = edge.doors_of(&number).cloned().collect();
    let Some(door) = doors.pop_front() else {
        return refuse(404, RefusalReason::UnknownNumber, "no entry point has this number");
    };
    let Ok((session, media)) = edge.open_media().await else {
        return refuse(503, RefusalReason::Overloaded, "no port for media is free");
    };
    let (sender, inbox) = unbounded_channel();
    let ids = knock::ids(&door, &incoming.request);
    let outbox = edge.outbox(&door);
    let mut leg = Leg::new(&edge, ids, session, outbox, sender);
    leg.place = Some(place);
    let caller = Caller::of(&incoming, number);
    let player = Player::new(Arc::clone(&leg.session));
    let (_, knocked) = oneshot::channel();
    let mut call = Call {
        leg,
        doors,
        tag: new_tag(),
        caller,
        description,
        subject: None,
        stage: Stage::Starting { cancelled: false },
        knocked: Some(knocked),
        player,
        release_at_ack: false,
        incoming,
    };
    call.knock(&door);
    call.run(inbox, media).await;
}

fn refuse(
    edge: &Edge,
    incoming: &Incoming,
    status: u16,
    reason: RefusalReason,
    detail: &'static str,
) {
    // The recorder outlives every call.
    let _ = edge.refusals.send(Refusal {
        source: incoming.flow.peer.ip(),
        destination: address::user(&incoming.request.uri),
        reason,
        status,
        detail,
    });
    let mut response = incoming.request.answer(status, Some(&new_tag()));
    if status == 503 {
        response.headers.push("Retry-After", RETRY_AFTER);
    }
    incoming.transaction.answer(response);
}

/// A tag that cannot be guessed: it protects the dialog from strangers.
pub(super) fn new_tag() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}

/// How far a call is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The engine has not yet said whether it takes the call; the caller may be gone already.
    Starting { cancelled: bool },
    /// The engine has the call; it rings.
    Ringing,
    /// Our 200 is out; its ACK is not here.
    Answered,
    /// Both sides agree that there is a call.
    Up,
    /// It is over.
    Over,
}

struct Call {
    leg: Leg,
    /// Organizations not yet asked.
    doors: VecDeque<Door>,
    incoming: Incoming,
    tag: String,
    caller: Caller,
    description: Option<Description>,
    subject: Option<SubjectId>,
    stage: Stage,
    knocked: Option<oneshot::Receiver<Knocked>>,
    player: Player,
    release_at_ack: bool,
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
                knocked = wait_for(&mut self.knocked) => self.on_knocked(knocked),
                event = self.incoming.transaction.events.recv(), if transaction_open => {
                    transaction_open = event.is_some();
                    self.on_transaction(event);
                }
                Some(input) = inbox.recv() => match input {
                    LegInput::Effect(effect) => self.on_effect(*effect).await,
                    LegInput::Request(request) => {
                        if self.leg.on_request(&request) {
                            self.over(ReleaseSide::Remote, 200, customer());
                        }
                    }
                },
                Some(event) = media.recv() => self.on_media(event).await,
                () = self.player.input_timeout() => self.on_input(None).await,
                () = draining.cancelled(), if !drained => {
                    drained = true;
                    self.release(ReleaseReason::Done);
                }
            }
        }
    }

    /// Asks an organization to take the call.
    fn knock(&mut self, door: &Door) {
        self.leg.edge.registry.remove_leg(self.leg.ids.media_leg_id);
        self.leg.ids = knock::ids(door, &self.incoming.request);
        self.leg.outbox = self.leg.edge.outbox(door);
        // The core's effects can be here before its answer: the leg must be found already.
        self.leg.edge.registry.add_leg(
            self.leg.ids.media_leg_id,
            LegHandle {
                inbox: self.leg.inbox.clone(),
                session: Arc::clone(&self.leg.session),
                caller: self.caller.shown(),
            },
        );
        let (sender, receiver) = oneshot::channel();
        self.knocked = Some(receiver);
        let (edge, door) = (Arc::clone(&self.leg.edge), door.clone());
        let (ids, caller) = (self.leg.ids, self.caller.clone());
        self.leg.edge.tasks.spawn(async move {
            // A call that ended meanwhile does not wait for the answer.
            let _ = sender.send(knock::knock(&edge, &door, ids, caller).await);
        });
    }

    fn on_knocked(&mut self, knocked: Knocked) {
        self.subject = knocked.subject;
        let cancelled = self.stage == Stage::Starting { cancelled: true };
        let refusal = match knocked.result {
            Ok(()) if cancelled => return self.left(),
            Ok(()) => {
                if let Stage::Starting { .. } = self.stage {
                    self.stage = Stage::Ringing;
                    let ringing = self.incoming.request.answer(180, Some(&self.tag));
                    let contact = self.leg.contact(self.incoming.flow.transport);
                    self.incoming.transaction.answer(ringing.with("Contact", contact));
                }
                return;
            }
            Err(_) if cancelled => {
                self.leg.ended = true;
                self.stage = Stage::Over;
                return;
            }
            Err(PortError::Rejected(rejection)) => match rejection.code {
                RejectionCode::UnknownNumber => {
                    if let Some(door) = self.doors.pop_front() {
                        return self.knock(&door);
                    }
                    (404, RefusalReason::UnknownNumber, "no entry point has this number")
                }
                RejectionCode::Busy => {
                    (486, RefusalReason::Overloaded, "the entry point has too many calls")
                }
                _ => (480, RefusalReason::Unsupported, "the entry point cannot take the call"),
            },
            Err(PortError::Busy) => (503, RefusalReason::Overloaded, "the engine is busy"),
            Err(PortError::Unavailable(_)) => {
                (503, RefusalReason::Overloaded, "the engine does not run")
            }
        };
        let (status, reason, detail) = refusal;
        refuse(&self.leg.edge, &self.incoming, status, reason, detail);
        // Nothing became of it: there is no leg that could end.
        self.leg.ended = true;
        self.stage = Stage::Over;
    }

    fn on_transaction(&mut self, event: Option<ServerEvent>) {
        match (event, self.stage) {
            (Some(ServerEvent::Cancelled), Stage::Starting { .. }) => {
                self.answer_final(487);
                self.stage = Stage::Starting { cancelled: true };
            }
            (Some(ServerEvent::Cancelled), Stage::Ringing) => {
                self.answer_final(487);
                self.left();
            }
            (Some(ServerEvent::Acknowledged(ack)), Stage::Answered) => self.on_ack(&ack),
            (None, Stage::Answered) => {
                // RFC 3261, 13.3.1.4: our 200 was repeated for 32 s and nobody confirmed it.
                self.leg.send_bye();
                self.over(ReleaseSide::Network, 408, Actor::system("voice"));
            }
            _ => {}
        }
    }

    fn on_ack(&mut self, ack: &Request) {
        self.stage = Stage::Up;
        if self.description.is_none() {
            let Ok(description) = Description::parse(&ack.body, None) else {
                self.leg.send_bye();
                return self.over(ReleaseSide::Local, 488, Actor::system("voice"));
            };
            self.leg.session.agree(description.agreed());
        }
        if self.release_at_ack {
            return self.release(ReleaseReason::Done);
        }
        let codec = self.leg.session.codec().unwrap_or(Codec::Pcmu).name().to_owned();
        let interaction_id = self.leg.ids.interaction_id;
        let command = Command::CustomerConnected { interaction_id, codec };
        self.leg.tell("connected", customer(), command);
    }

    async fn on_effect(&mut self, effect: Effect) {
        match effect {
            Effect::AnswerCustomer { .. } => self.answer(),
            Effect::Play { media, looped, wait, .. } => {
                let after = wait.map_or(After::Nothing, |(run, seq)| After::Prompt(run, seq));
                let prompt = self.leg.prompt(&media);
                let ended = self.player.play(prompt, looped, after);
                self.on_play_ended(ended);
            }
            Effect::StopPlay { .. } => self.player.stop(),
            Effect::CollectInput { run_id, seq, media, timeout_ms, .. } => {
                let prompt = self.leg.prompt(&media);
                self.player.collect(prompt, run_id, seq, timeout_ms);
            }
            Effect::Bridge { agent, .. } => self.with_peer(agent, Session::bridge),
            Effect::Unbridge { agent, .. } => self.with_peer(agent, Session::unbridge),
            Effect::Release { reason, .. } => self.release(reason),
            _ => {}
        }
    }

    async fn on_media(&mut self, event: MediaEvent) {
        match event {
            MediaEvent::Key(key) => self.on_input(Some(key)).await,
            MediaEvent::PlayEnded(number) => {
                let ended = self.player.ended(number);
                self.on_play_ended(ended);
            }
            MediaEvent::Silent => {
                self.leg.send_bye();
                self.over(ReleaseSide::Network, 408, Actor::system("voice"));
            }
        }
    }

    fn on_play_ended(&mut self, ended: After) {
        if let After::Prompt(run_id, seq) = ended {
            let interaction_id = self.leg.ids.interaction_id;
            let command = Command::PromptFinished { interaction_id, run_id, seq };
            self.leg.tell(&format!("prompt:{run_id}:{seq}"), Actor::system("voice"), command);
        }
    }

    async fn on_input(&mut self, key: Option<char>) {
        let Some((run_id, seq)) = self.player.take_input() else { return };
        let choice = key.map_or_else(|| "no_input".to_owned(), String::from);
        let input = match (key, self.subject) {
            (Some(_), Some(subject)) => {
                let ids = self.leg.ids;
                let binding = Binding::said(ids.interaction_id);
                self.leg.edge.sealed(ids.org_id, subject, binding, mask(choice.clone())).await
            }
            _ => None,
        };
        let interaction_id = self.leg.ids.interaction_id;
        let subject = input.as_ref().and(self.subject);
        let command = Command::InputCollected { interaction_id, run_id, seq, choice, input };
        let step = format!("input:{run_id}:{seq}");
        self.leg.outbox.push(self.leg.ids.command(&step, customer(), subject, command));
    }

    fn answer(&mut self) {
        if !matches!(self.stage, Stage::Starting { cancelled: false } | Stage::Ringing) {
            return;
        }
        let request = &self.incoming.request;
        let flow = self.incoming.flow;
        let local = self.leg.session.local();
        let sdp = match &self.description {
            Some(description) => {
                self.leg.session.agree(description.agreed());
                description.answer(local, self.leg.description)
            }
            None => sdp::offer(Codec::Pcmu, local, self.leg.description),
        };
        let response = request
            .answer(200, Some(&self.tag))
            .with("Contact", self.leg.contact(flow.transport))
            .with("Allow", ALLOW)
            .with_sdp(sdp);
        match Dialog::of_server(request, &self.tag, flow) {
            Some(dialog) => self.leg.confirm(dialog),
            // The gate lets no INVITE without Contact through.
            None => return self.release(ReleaseReason::Error),
        }
        self.stage = Stage::Answered;
        self.incoming.transaction.answer(response);
    }

    fn release(&mut self, reason: ReleaseReason) {
        match self.stage {
            Stage::Starting { cancelled: true } | Stage::Over => {}
            Stage::Starting { cancelled: false } | Stage::Ringing => {
                let status = match reason {
                    ReleaseReason::Done | ReleaseReason::NoAnswer => 480,
                    ReleaseReason::CallerLeft => 487,
                    ReleaseReason::Busy => 486,
                    ReleaseReason::Error => 500,
                };
                self.answer_final(status);
                self.over(ReleaseSide::Local, status, Actor::system("voice"));
            }
            // RFC 3261, 15: no BYE before the ACK.
            Stage::Answered => self.release_at_ack = true,
            Stage::Up => {
                self.leg.send_bye();
                self.over(ReleaseSide::Local, 200, Actor::system("voice"));
            }
        }
    }

    /// The caller left before there was an answer.
    fn left(&mut self) {
        let interaction_id = self.leg.ids.interaction_id;
        self.leg.tell("left", customer(), Command::CustomerLeft { interaction_id });
        self.over(ReleaseSide::Remote, 487, customer());
    }

    fn over(&mut self, released_by: ReleaseSide, status: u16, actor: Actor) {
        self.leg.end(released_by, status, actor);
        self.stage = Stage::Over;
    }

    fn answer_final(&self, status: u16) {
        let response = self.incoming.request.answer(status, Some(&self.tag));
        self.incoming.transaction.answer(response);
    }

    fn with_peer(&mut self, agent: MediaLegId, change: fn(&Arc<Session>, &Arc<Session>)) {
        let Some(agent) = self.leg.edge.registry.leg(agent) else { return };
        self.player.forget();
        change(&self.leg.session, &agent.session);
    }
}

fn customer() -> Actor {
    Actor::new(ActorType::Customer, "")
}

/// The engine's answer when it comes; for ever pending when none is awaited.
async fn wait_for(receiver: &mut Option<oneshot::Receiver<Knocked>>) -> Knocked {
    match receiver {
        Some(waiting) => {
            let result = waiting.await;
            *receiver = None;
            result.unwrap_or_else(|_| Knocked::failed("the question was dropped"))
        }
        None => std::future::pending().await,
    }
}
