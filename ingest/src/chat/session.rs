//! One chat: the customer's sockets on one side, the core on the other.
//!
//! The session is a task with a mailbox. It holds no truth: what was written and how far the chat is comes
//! from the log, so a lost socket or a restarted process loses nothing. Only prompts of the flow, which are
//! not messages, wait here for a customer who is between two sockets.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use ledgerline_routing_core::{Effect, EffectId};
use ledgerline_schemas::command::Command;
use ledgerline_schemas::event::media::{MediaLegEnded, MediaSide, ReleaseSide};
use ledgerline_schemas::id::{CommandId, InteractionId, MediaLegId, RunId};
use ledgerline_schemas::{DurationMs, Position};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};

use super::edge::ChatEdge;
use super::frame::ToCustomer;
use super::transcript::{ChatStage, transcript};
use crate::card_filter::Watch;
use crate::http::port::submit_surely;

/// Prompts kept for a customer who is between two sockets.
const PENDING_PROMPTS_MAX: usize = 32;

/// What a session is told.
#[derive(Debug)]
pub(super) enum Input {
    /// The core wants something done.
    Effect(EffectId, Effect),
    /// The log says how far the chat is.
    Stage(Position, ChatStage),
    /// A socket came.
    Attach { socket: u64, frames: mpsc::Sender<ToCustomer> },
    /// A socket went.
    Detach { socket: u64 },
    /// The customer wrote on a socket.
    Said {
        socket: u64,
        text: String,
        client_message_id: String,
        answer: oneshot::Sender<ToCustomer>,
    },
    /// The customer closes the chat.
    Leave,
}

/// Whether the session goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flow {
    Continue,
    End,
}

/// Input that a menu of the flow waits for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Collecting {
    pub(super) run_id: RunId,
    pub(super) seq: u32,
    effect: EffectId,
    deadline: Instant,
}

#[derive(Debug)]
struct Socket {
    frames: mpsc::Sender<ToCustomer>,
    /// The history it got holds everything up to here.
    shown_to: Position,
}

#[derive(Debug)]
pub(super) struct Session {
    pub(super) edge: Arc<ChatEdge>,
    pub(super) interaction_id: InteractionId,
    pub(super) collecting: Option<Collecting>,
    /// Commands of this chat that are facts already.
    pub(super) seen: BTreeSet<CommandId>,
    /// Whether the conversation came to speak of card codes.
    pub(super) watch: Watch,
    sockets: BTreeMap<u64, Socket>,
    pending: VecDeque<ToCustomer>,
    alone_until: Option<Instant>,
}

/// The media leg of a chat's customer.
#[must_use]
pub(super) fn media_leg_id(interaction_id: InteractionId) -> MediaLegId {
    MediaLegId::derived(interaction_id.uuid(), "customer")
}

fn after_ms(ms: DurationMs) -> Instant {
    Instant::now() + Duration::from_millis(ms)
}

async fn at(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

impl Session {
    pub(super) fn new(edge: Arc<ChatEdge>, interaction_id: InteractionId) -> Self {
        let alone_until = Some(after_ms(edge.settings.reconnect_grace_ms));
        Self {
            edge,
            interaction_id,
            collecting: None,
            seen: BTreeSet::new(),
            watch: Watch::default(),
            sockets: BTreeMap::new(),
            pending: VecDeque::new(),
            alone_until,
        }
    }

    pub(super) async fn run(mut self, mut inbox: mpsc::UnboundedReceiver<Input>) {
        // A process that restarted has to know which lines are facts already.
        match transcript(&*self.edge.reader, &self.edge.keys, self.interaction_id) {
            Ok(transcript) => {
                for line in transcript.lines.iter().filter_map(|line| line.text.as_ref()) {
                    self.watch.heard(line);
                }
                self.seen = transcript.commands;
            }
            Err(error) => tracing::error!(%error, "reading a chat's history failed"),
        }
        loop {
            let collect_until = self.collecting.map(|collecting| collecting.deadline);
            let flow = tokio::select! {
                input = inbox.recv() => match input {
                    Some(input) => self.take(input).await,
                    None => Flow::End,
                },
                () = at(self.alone_until) => {
                    metrics::counter!("ledgerline_chat_grace_expired_total").increment(1);
                    self.leave(ReleaseSide::Network).await
                }
                () = at(collect_until) => self.no_input().await,
            };
            if flow == Flow::End {
                break;
            }
        }
        self.edge.forget(self.interaction_id);
        // A socket that came in this moment hears that it is over; later ones find no session.
        inbox.close();
        while let Ok(input) = inbox.try_recv() {
            if let Input::Attach { frames, .. } = input {
                let _ = frames.try_send(ToCustomer::Ended { reason: "done" });
            }
        }
    }

    async fn take(&mut self, input: Input) -> Flow {
        match input {
            Input::Effect(id, effect) => return self.carry_out(id, effect).await,
            Input::Stage(position, stage) => {
                if stage == ChatStage::Connected {
                    // The agent reads along now: lines are messages again.
                    self.collecting = None;
                }
                let frame = match stage {
                    ChatStage::Queued => ToCustomer::Queued {},
                    ChatStage::Connected => ToCustomer::Connected {},
                    ChatStage::Started | ChatStage::Ended => return Flow::Continue,
                };
                self.tell(Some(position), None, &frame);
            }
            Input::Attach { socket, frames } => self.attach(socket, frames),
            Input::Detach { socket } => {
                self.sockets.remove(&socket);
                self.watch_alone();
            }
            Input::Said { socket, text, client_message_id, answer } => {
                let frame = self.said(socket, text, client_message_id).await;
                // A socket that went away meanwhile repeats the line on the next one and gets the answer.
                let _ = answer.send(frame);
            }
            Input::Leave => return self.leave(ReleaseSide::Remote).await,
        }
        Flow::Continue
    }

    fn attach(&mut self, socket: u64, frames: mpsc::Sender<ToCustomer>) {
        let history = match transcript(&*self.edge.reader, &self.edge.keys, self.interaction_id) {
            Ok(history) => history,
            Err(error) => {
                // Dropping the sender closes the socket; the customer's device tries again.
                tracing::error!(%error, "reading a chat's history failed");
                return;
            }
        };
        let shown_to = history.position;
        let first = ToCustomer::History { stage: history.stage, messages: history.lines };
        let sent = std::iter::once(first)
            .chain(self.pending.iter().cloned())
            .all(|frame| frames.try_send(frame).is_ok());
        if sent {
            self.pending.clear();
            self.sockets.insert(socket, Socket { frames, shown_to });
            self.alone_until = None;
        }
    }

    /// Sends a frame to every socket but `except`; frames of the log only where the history did not hold
    /// them already. A socket that does not read is dropped.
    pub(super) fn tell(
        &mut self,
        logged_at: Option<Position>,
        except: Option<u64>,
        frame: &ToCustomer,
    ) {
        if self.sockets.is_empty() && logged_at.is_none() {
            if self.pending.len() == PENDING_PROMPTS_MAX {
                self.pending.pop_front();
            }
            self.pending.push_back(frame.clone());
            return;
        }
        self.sockets.retain(|id, socket| {
            let shown = logged_at.is_some_and(|position| position <= socket.shown_to);
            shown || Some(*id) == except || socket.frames.try_send(frame.clone()).is_ok()
        });
        self.watch_alone();
    }

    fn watch_alone(&mut self) {
        if self.sockets.is_empty() && self.alone_until.is_none() {
            self.alone_until = Some(after_ms(self.edge.settings.reconnect_grace_ms));
        }
    }

    pub(super) fn collect(&mut self, effect: EffectId, run_id: RunId, seq: u32, ms: DurationMs) {
        self.collecting = Some(Collecting { run_id, seq, effect, deadline: after_ms(ms) });
    }

    async fn no_input(&mut self) -> Flow {
        if let Some(Collecting { run_id, seq, effect, .. }) = self.collecting.take() {
            let interaction_id = self.interaction_id;
            let choice = "no_input".to_owned();
            let command =
                Command::InputCollected { interaction_id, run_id, seq, choice, input: None };
            self.answer(&format!("no_input:{}.{}", effect.position, effect.index), command).await;
        }
        Flow::Continue
    }

    /// Tells the core what came of an effect. The purpose makes the command's id, so that an effect that
    /// is run again is answered once.
    pub(super) async fn answer(&self, purpose: &str, command: Command) {
        let command_id = CommandId::derived(self.interaction_id.uuid(), purpose);
        let commanded = self.edge.commanded(self.interaction_id, command_id, None, command);
        if let Err(error) = submit_surely(&*self.edge.engine, commanded).await {
            // A refusal is normal here: the chat went on or ended while the answer was on its way.
            tracing::debug!(interaction_id = %self.interaction_id, %error, "edge's answer refused");
        }
    }

    async fn leave(&mut self, released_by: ReleaseSide) -> Flow {
        let interaction_id = self.interaction_id;
        self.answer("customer_left", Command::CustomerLeft { interaction_id }).await;
        self.end("left", released_by).await
    }

    /// Says goodbye, closes the sockets and reports that the customer's side is gone.
    pub(super) async fn end(&mut self, reason: &'static str, released_by: ReleaseSide) -> Flow {
        for socket in self.sockets.values() {
            // Closing follows anyway; the frame only says why.
            let _ = socket.frames.try_send(ToCustomer::Ended { reason });
        }
        self.sockets.clear();
        let ended = MediaLegEnded {
            interaction_id: self.interaction_id,
            media_leg_id: media_leg_id(self.interaction_id),
            side: MediaSide::Customer,
            released_by,
            sip_status: 200,
            packets_received: 0,
            packets_sent: 0,
            packets_lost: 0,
        };
        self.answer("media_leg_ended", Command::MediaLegEnded(ended)).await;
        Flow::End
    }
}
