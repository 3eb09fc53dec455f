//! A line of the customer's: input of a menu while one waits for it, a message otherwise.

use ledgerline_event_store::crypt::Purpose;
use ledgerline_schemas::command::Command;
use ledgerline_schemas::event::Event;
use ledgerline_schemas::event::message::MessageAuthor;
use ledgerline_schemas::id::{CommandId, InteractionId, MessageId};
use ledgerline_schemas::{DurationMs, Position};

use super::frame::{CLIENT_MESSAGE_ID_BYTES_MAX, ToCustomer};
use super::session::{Collecting, Session};
use super::text::{SealedText, TextError};
use crate::http::port::PortError;

/// When a line that met a busy engine should be sent again, ms.
const RETRY_AFTER_MS: DurationMs = 1_000;

impl Session {
    /// Brings a line into the log; answers when it is durable.
    pub(super) async fn said(
        &mut self,
        socket: u64,
        text: String,
        client_message_id: String,
    ) -> ToCustomer {
        if client_message_id.is_empty() || client_message_id.len() > CLIENT_MESSAGE_ID_BYTES_MAX {
            let detail = format!("clientMessageId has 1 to {CLIENT_MESSAGE_ID_BYTES_MAX} bytes");
            return ToCustomer::error("invalid", detail, None);
        }
        let line = LineIds::of(self.interaction_id, &client_message_id);
        let message_id = line.message_id;
        if self.seen.contains(&line.as_message) || self.seen.contains(&line.as_input) {
            return ToCustomer::Accepted { client_message_id, message_id };
        }
        // What the other sockets show is what is recorded.
        let text = self.watch.mask(text);
        let echo = ToCustomer::Message {
            message_id,
            author: MessageAuthor::Customer,
            text: Some(text.as_str().to_owned()),
        };
        let choice = choice(text.as_str());
        let (org_id, keys) = (self.edge.org_id, &self.edge.keys);
        let sealed =
            match SealedText::of(keys, org_id, self.interaction_id, Purpose::Said, text).await {
                Ok(sealed) => sealed,
                Err(error) => return refused(&error, client_message_id),
            };
        match self.bring(line, choice, sealed).await {
            Ok(Some((command_id, position))) => {
                self.seen.insert(command_id);
                metrics::counter!("ledgerline_chat_messages_total", "author" => "customer")
                    .increment(1);
                self.tell(Some(position), Some(socket), &echo);
                ToCustomer::Accepted { client_message_id, message_id }
            }
            Ok(None) => ToCustomer::error("ended", "the chat is over", Some(client_message_id)),
            Err(PortError::Rejected(rejection)) => {
                ToCustomer::error(rejection.code.name(), rejection.message, Some(client_message_id))
            }
            Err(PortError::Busy | PortError::Unavailable(_)) => ToCustomer::Error {
                code: "busy".to_owned(),
                detail: "not taken now; send it again".to_owned(),
                client_message_id: Some(client_message_id),
                retry_after_ms: Some(RETRY_AFTER_MS),
            },
        }
    }

    /// Submits the line; the command that became a fact and its position, or `None` when the chat is over.
    async fn bring(
        &mut self,
        line: LineIds,
        choice: String,
        sealed: SealedText,
    ) -> Result<Option<(CommandId, Position)>, PortError> {
        let (interaction_id, subject) = (self.interaction_id, Some(sealed.subject_id));
        if let Some(Collecting { run_id, seq, .. }) = self.collecting {
            let input = Some(sealed.body.clone());
            let command = Command::InputCollected { interaction_id, run_id, seq, choice, input };
            let commanded = self.edge.commanded(interaction_id, line.as_input, subject, command);
            let accepted = self.edge.engine.submit(commanded).await?;
            self.collecting = None;
            if accepted.events.iter().any(|event| matches!(event, Event::FlowInputCollected(_))) {
                return Ok(Some((line.as_input, accepted.position)));
            }
            // The menu is over: the same line is a message then.
        }
        let command = Command::ReceiveMessage {
            interaction_id,
            message_id: line.message_id,
            body: sealed.body,
            sha256: sealed.keyed_sha256,
        };
        let commanded = self.edge.commanded(interaction_id, line.as_message, subject, command);
        let accepted = self.edge.engine.submit(commanded).await?;
        let received =
            accepted.events.iter().any(|event| matches!(event, Event::MessageReceived(_)));
        Ok(received.then_some((line.as_message, accepted.position)))
    }
}

/// Ids that follow from the client's id of a line, so that a repeated line is the same line.
#[derive(Clone, Copy, Debug)]
struct LineIds {
    as_input: CommandId,
    as_message: CommandId,
    message_id: MessageId,
}

impl LineIds {
    fn of(interaction_id: InteractionId, client_message_id: &str) -> Self {
        let command_id = |what: &str| {
            CommandId::derived(interaction_id.uuid(), &format!("{what}:{client_message_id}"))
        };
        let as_message = command_id("customer_message");
        Self {
            as_input: command_id("customer_input"),
            as_message,
            message_id: MessageId::derived(as_message.uuid(), "message"),
        }
    }
}

/// The branch a line takes in a menu. Only a single letter, digit, `*` or `#` is a choice: the branch is
/// recorded in clear, and anything longer may be personal.
fn choice(text: &str) -> String {
    let mut characters = text.trim().chars();
    match (characters.next(), characters.next()) {
        (Some(only), None) if only.is_ascii_alphanumeric() || only == '*' || only == '#' => {
            only.to_ascii_lowercase().to_string()
        }
        _ => "no_match".to_owned(),
    }
}

fn refused(error: &TextError, client_message_id: String) -> ToCustomer {
    let code = match error {
        TextError::Empty => "invalid",
        TextError::TooLong => "too_large",
        TextError::Seal(_) | TextError::Stopped => {
            tracing::error!(%error, "a line was not sealed");
            let detail = "not taken now; send it again";
            return ToCustomer::error("unavailable", detail, Some(client_message_id));
        }
    };
    ToCustomer::error(code, error.to_string(), Some(client_message_id))
}

#[cfg(test)]
mod tests {
    use super::choice;

    #[test]
    fn only_a_single_key_is_a_choice() {
        for (text, expected) in [
            ("1", "1"),
            (" 2\n", "2"),
            ("B", "b"),
            ("#", "#"),
            ("12", "no_match"),
            ("Ada Lovelace", "no_match"),
            ("ß", "no_match"),
            ("", "no_match"),
        ] {
            assert_eq!(choice(text), expected, "{text:?}");
        }
    }
}
