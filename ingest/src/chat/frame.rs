//! What goes over a customer's socket.

use ledgerline_schemas::DurationMs;
use ledgerline_schemas::event::message::MessageAuthor;
use ledgerline_schemas::id::MessageId;
use serde::{Deserialize, Serialize};

use super::transcript::{ChatStage, Line};

/// Longest `clientMessageId`, bytes.
pub(super) const CLIENT_MESSAGE_ID_BYTES_MAX: usize = 100;

/// A frame to the customer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum ToCustomer {
    /// First frame of every connection: what was written so far and how far the chat is.
    History {
        /// How far it is.
        stage: ChatStage,
        /// What was written.
        messages: Vec<Line>,
    },
    /// Somebody wrote.
    Message {
        /// The message.
        message_id: MessageId,
        /// Who; the customer's own lines come to the customer's other sockets.
        author: MessageAuthor,
        /// Text; absent when the data was erased.
        text: Option<String>,
    },
    /// The flow says something.
    Prompt {
        /// What.
        text: String,
    },
    /// The customer's line is safe in the log.
    Accepted {
        /// The customer's id of it.
        client_message_id: String,
        /// Ours.
        message_id: MessageId,
    },
    /// Waiting for an agent.
    Queued {},
    /// An agent is there.
    Connected {},
    /// It is over; the socket closes.
    Ended {
        /// `done`, `busy`, `error`, `left`.
        reason: &'static str,
    },
    /// A line was not taken.
    Error {
        /// Stable code.
        code: String,
        /// What exactly.
        detail: String,
        /// The line, if it had an id.
        #[serde(skip_serializing_if = "Option::is_none")]
        client_message_id: Option<String>,
        /// Send it again after this time, ms, with the same id.
        #[serde(skip_serializing_if = "Option::is_none")]
        retry_after_ms: Option<DurationMs>,
    },
}

impl ToCustomer {
    /// A refusal.
    #[must_use]
    pub fn error(code: &str, detail: impl Into<String>, client_message_id: Option<String>) -> Self {
        Self::Error {
            code: code.to_owned(),
            detail: detail.into(),
            client_message_id,
            retry_after_ms: None,
        }
    }
}

/// A frame from the customer.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(
    tag = "type",
    rename_all = "snake_case",
    rename_all_fields = "camelCase",
    deny_unknown_fields
)]
pub enum FromCustomer {
    /// The customer wrote.
    Message {
        /// Text.
        text: String,
        /// Chosen by the client, unique in the chat: a repeated line with the same id is one line.
        client_message_id: String,
    },
    /// The customer closes the chat.
    Leave {},
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_strict() {
        let read = |text: &str| serde_json::from_str::<FromCustomer>(text);
        assert_eq!(
            read(r#"{"type":"message","text":"hi","clientMessageId":"1"}"#).expect("message"),
            FromCustomer::Message { text: "hi".to_owned(), client_message_id: "1".to_owned() }
        );
        assert_eq!(read(r#"{"type":"leave"}"#).expect("leave"), FromCustomer::Leave {});
        for bad in [
            r#"{"type":"message","text":"hi"}"#,
            r#"{"type":"message","text":"hi","clientMessageId":"1","more":1}"#,
            r#"{"type":"shout"}"#,
            "hi",
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn names_on_the_wire_are_as_documented() {
        let json = |frame| serde_json::to_value(&frame).expect("json");
        assert_eq!(json(ToCustomer::Queued {}), serde_json::json!({"type": "queued"}));
        assert_eq!(
            json(ToCustomer::Accepted {
                client_message_id: "1".to_owned(),
                message_id: MessageId::from_u128(1)
            })["clientMessageId"],
            "1"
        );
    }
}
