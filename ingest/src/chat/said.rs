//! A line of the customer's: input of a menu while one waits for it, a message otherwise.

use ledgerline_schemas::DurationMs;
use ledgerline_schemas::command::Command;
use ledgerline_schemas::event::message::MessageAuthor;
use ledgerline_schemas::id::{CommandId, MessageId};

use super::frame::{CLIENT_MESSAGE_ID_BYTES_MAX, ToCustomer};
use super::session::{Collecting, Session};
use super::text::{SealedText, TextError};
use crate::http::port::{Accepted, PortError};

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
        let command_id = CommandId::derived(
            self.interaction_id.uuid(),
            &format!("customer_message:{client_message_id}"),
        );
        let message_id = MessageId::derived(command_id.uuid(), "message");
        if self.seen.contains(&command_id) {
            return ToCustomer::Accepted { client_message_id, message_id };
        }
        let echo = ToCustomer::Message {
            message_id,
            author: MessageAuthor::Customer,
            text: Some(text.clone()),
        };
        let choice = choice(&text);
        let (org_id, keys) = (self.edge.org_id, &self.edge.keys);
        let sealed = match SealedText::of(keys, org_id, self.interaction_id, text).await {
            Ok(sealed) => sealed,
            Err(error) => return refused(&error, client_message_id),
        };
        match self.bring(command_id, message_id, choice, sealed).await {
            Ok(accepted) => {
                self.seen.insert(command_id);
                metrics::counter!("ledgerline_chat_messages_total", "author" => "customer")
                    .increment(1);
                self.tell(Some(accepted.position), Some(socket), &echo);
                ToCustomer::Accepted { client_message_id, message_id }
            }
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

    async fn bring(
        &mut self,
        command_id: CommandId,
        message_id: MessageId,
        choice: String,
        sealed: SealedText,
    ) -> Result<Accepted, PortError> {
        let (interaction_id, subject) = (self.interaction_id, Some(sealed.subject_id));
        if let Some(Collecting { run_id, seq, .. }) = self.collecting {
            let input = Some(sealed.body.clone());
            let command = Command::InputCollected { interaction_id, run_id, seq, choice, input };
            let commanded = self.edge.commanded(interaction_id, command_id, subject, command);
            match self.edge.engine.submit(commanded).await {
                // The menu is over: the same line is a message then, and nothing of it is recorded yet.
                Err(PortError::Rejected(_)) => self.collecting = None,
                Ok(accepted) => {
                    self.collecting = None;
                    return Ok(accepted);
                }
                Err(error) => return Err(error),
            }
        }
        let command = Command::ReceiveMessage {
            interaction_id,
            message_id,
            body: sealed.body,
            sha256: sealed.keyed_sha256,
        };
        let commanded = self.edge.commanded(interaction_id, command_id, subject, command);
        self.edge.engine.submit(commanded).await
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
