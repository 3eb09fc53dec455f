//! Messages of digital interactions.

use ledgerline_schemas::command::Command;
use ledgerline_schemas::event::message::{MessageAuthor, MessageReceived, MessageSent};

use super::Decision;
use crate::rejection::Rejection;

impl Decision<'_> {
    /// The customer wrote; after the end of the interaction nobody reads it and nothing happens.
    pub(super) fn receive_message(&mut self, command: &Command) {
        let Command::ReceiveMessage { interaction_id, message_id, body, sha256 } = command else {
            return;
        };
        if self.open(*interaction_id).is_none() {
            return;
        }
        let event = MessageReceived {
            interaction_id: *interaction_id,
            message_id: *message_id,
            body: Some(body.clone()),
            body_ref: None,
            sha256: sha256.clone(),
            external_message_id: None,
            thread_external_id: None,
            author_external_id: None,
            attachments: Vec::new(),
        };
        self.emit(*interaction_id, event);
    }

    pub(super) fn send_message(&mut self, command: &Command) -> Result<(), Rejection> {
        let Command::SendMessage { agent_id, interaction_id, message_id, body, sha256 } = command
        else {
            return Ok(());
        };
        self.connected_to(*agent_id, *interaction_id)?;
        let event = MessageSent {
            interaction_id: *interaction_id,
            message_id: *message_id,
            author: MessageAuthor::Agent,
            agent_id: Some(*agent_id),
            body: Some(body.clone()),
            body_ref: None,
            sha256: sha256.clone(),
            attachments: Vec::new(),
        };
        self.emit(*interaction_id, event);
        Ok(())
    }
}
