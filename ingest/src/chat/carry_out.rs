//! Effects of the core on a chat.

use ledgerline_event_store::crypt::Binding;
use ledgerline_routing_core::{Effect, EffectId, ReleaseReason};
use ledgerline_schemas::command::Command;
use ledgerline_schemas::event::media::{MediaSide, ReleaseSide};

use super::frame::ToCustomer;
use super::session::{Flow, Session};

impl Session {
    pub(super) async fn carry_out(&mut self, id: EffectId, effect: Effect) -> Flow {
        let interaction_id = self.interaction_id;
        let purpose = |what: &str| format!("{what}:{}.{}", id.position, id.index);
        match effect {
            Effect::AnswerCustomer { .. } => {
                let codec = "text".to_owned();
                let command = Command::CustomerConnected { interaction_id, codec };
                self.answer(&purpose("connected"), command).await;
            }
            Effect::Play { text, wait, .. } => {
                self.prompt(text);
                if let Some((run_id, seq)) = wait {
                    let command = Command::PromptFinished { interaction_id, run_id, seq };
                    self.answer(&purpose("prompt"), command).await;
                }
            }
            Effect::CollectInput { run_id, seq, text, timeout_ms, .. } => {
                self.prompt(text);
                self.collect(id, run_id, seq, timeout_ms);
            }
            Effect::DeliverMessage { message_id, author, body, .. } => {
                let text = self
                    .edge
                    .keys
                    .open(self.edge.org_id, Binding::said(interaction_id), &body)
                    .ok();
                if let Some(text) = &text {
                    self.watch.heard(text);
                }
                metrics::counter!("ledgerline_chat_messages_total", "author" => author.name())
                    .increment(1);
                let frame = ToCustomer::Message { message_id, author, text };
                self.tell(Some(id.position), None, &frame);
            }
            Effect::Release { side: MediaSide::Customer, reason, .. } => {
                return self.end(reason_name(reason), ReleaseSide::Local).await;
            }
            // Chats have no sound to stop, but a menu that is over waits for no line any more.
            Effect::StopPlay { .. } => self.collecting = None,
            // Agents read chats at the desktop, where nothing is dialled or bridged.
            Effect::Bridge { .. }
            | Effect::Unbridge { .. }
            | Effect::DialAgent { .. }
            | Effect::DialSupervisor { .. }
            | Effect::Listen { .. }
            | Effect::Release { .. }
            | Effect::Push { .. }
            | Effect::ShowBroadcast { .. } => {}
        }
        Flow::Continue
    }

    fn prompt(&mut self, text: String) {
        if !text.is_empty() {
            self.watch.heard(&text);
            self.tell(None, None, &ToCustomer::Prompt { text });
        }
    }
}

const fn reason_name(reason: ReleaseReason) -> &'static str {
    match reason {
        ReleaseReason::Done => "done",
        ReleaseReason::CallerLeft => "left",
        ReleaseReason::NoAnswer | ReleaseReason::Busy => "busy",
        ReleaseReason::Error => "error",
    }
}
