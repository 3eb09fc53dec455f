//! `message`: messages of digital interactions.

use ledgerline_schemas::event::message::{
    Attachment, MessageAuthor, MessageDelivered, MessageFailed, MessageRead, MessageReceived,
    MessageSent,
};
use ledgerline_schemas::id::{InteractionId, MessageId, UserId};

use crate::fold::{At, Fold, text};
use crate::tables::Message;

/// What a message is at its begin.
struct Written<'a> {
    message_id: MessageId,
    interaction_id: InteractionId,
    author: MessageAuthor,
    agent_id: Option<UserId>,
    attachments: &'a [Attachment],
}

impl Fold {
    pub(super) fn message_received(&mut self, at: &mut At<'_>, it: &MessageReceived) {
        self.session(at, it.interaction_id, |row| row.message_received_count += 1);
        let written = Written {
            message_id: it.message_id,
            interaction_id: it.interaction_id,
            author: MessageAuthor::Customer,
            agent_id: None,
            attachments: &it.attachments,
        };
        self.message_written(at, &written);
    }

    pub(super) fn message_sent(&mut self, at: &mut At<'_>, it: &MessageSent) {
        self.session(at, it.interaction_id, |row| row.message_sent_count += 1);
        let written = Written {
            message_id: it.message_id,
            interaction_id: it.interaction_id,
            author: it.author,
            agent_id: it.agent_id,
            attachments: &it.attachments,
        };
        self.message_written(at, &written);
    }

    fn message_written(&mut self, at: &mut At<'_>, it: &Written<'_>) {
        if !self.interactions.contains_key(&it.interaction_id) {
            return;
        }
        let Some(session) = self.tables.customer_session.get(&it.interaction_id) else { return };
        let bytes = it.attachments.iter().map(|file| file.bytes);
        let row = Message {
            message_id: it.message_id,
            interaction_id: it.interaction_id,
            channel_type: session.channel_type,
            entry_point_id: session.entry_point_id,
            queue_id: session.last_queue_id,
            time: at.time(),
            author: it.author,
            agent_id: it.agent_id,
            agent_name: it.agent_id.and_then(|id| self.config.name(id.uuid())),
            attachment_count: u32::try_from(it.attachments.len()).unwrap_or(u32::MAX),
            attachment_bytes: bytes.fold(0, u64::saturating_add),
            delivered_time: None,
            read_time: None,
            failed_time: None,
            failure_code: None,
            valid_from_position: at.header.position,
        };
        self.tables.message.put(at.sink, row);
    }

    pub(super) fn message_delivered(&mut self, at: &mut At<'_>, it: &MessageDelivered) {
        let time = at.time();
        self.tables.message.change(at.sink, &it.message_id, |row| row.delivered_time = Some(time));
    }

    pub(super) fn message_read(&mut self, at: &mut At<'_>, it: &MessageRead) {
        let time = at.time();
        self.tables.message.change(at.sink, &it.message_id, |row| row.read_time = Some(time));
    }

    pub(super) fn message_failed(&mut self, at: &mut At<'_>, it: &MessageFailed) {
        let time = at.time();
        self.tables.message.change(at.sink, &it.message_id, |row| {
            row.failed_time = Some(time);
            row.failure_code = Some(text(&it.code));
        });
    }
}
