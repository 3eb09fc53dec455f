//! What was written in a conversation, read from the log and opened.

use std::collections::BTreeSet;

use ledgerline_event_store::crypt::{Binding, KeyRing};
use ledgerline_event_store::log::{Direction, EventReader, ReadError};
use ledgerline_schemas::event::Event;
use ledgerline_schemas::event::message::MessageAuthor;
use ledgerline_schemas::id::{CommandId, InteractionId, MessageId, UserId};
use ledgerline_schemas::{Position, Recorded, Sensitive, StreamId, Timestamp, Version};
use serde::Serialize;

/// Events read at a time.
const PAGE_EVENTS: usize = 500;

/// One line of a conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Line {
    /// The message; absent for input that a menu asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message_id: Option<MessageId>,
    /// Who wrote it.
    pub author: MessageAuthor,
    /// The agent, if one wrote it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent_id: Option<UserId>,
    /// Text; absent when the customer's data was erased.
    pub text: Option<String>,
    /// When.
    pub time: Timestamp,
}

/// How far a chat is, as its customer sees it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ChatStage {
    /// In the flow.
    #[default]
    Started,
    /// Waiting for an agent.
    Queued,
    /// With an agent.
    Connected,
    /// Over.
    Ended,
}

/// A conversation as the log has it.
#[derive(Clone, Debug, Default)]
pub struct Transcript {
    /// What was written, in order.
    pub lines: Vec<Line>,
    /// How far it is.
    pub stage: ChatStage,
    /// Commands that became facts: repeating one changes nothing.
    pub commands: BTreeSet<CommandId>,
    /// Position of its last event.
    pub position: Position,
}

/// Reads the conversation of an interaction.
///
/// # Errors
/// [`ReadError`].
pub fn transcript(
    reader: &dyn EventReader,
    keys: &KeyRing,
    interaction_id: InteractionId,
) -> Result<Transcript, ReadError> {
    let stream = StreamId::interaction(interaction_id);
    let mut transcript = Transcript::default();
    let mut from = Version(0);
    loop {
        let page = reader.read_stream(&stream, from, Direction::Forward, PAGE_EVENTS)?;
        let Some(last) = page.last() else { return Ok(transcript) };
        from = Version(last.header.version.0 + 1);
        for recorded in &page {
            transcript.take(keys, Binding::said(interaction_id), recorded);
        }
        if page.len() < PAGE_EVENTS {
            return Ok(transcript);
        }
    }
}

impl Transcript {
    fn take(&mut self, keys: &KeyRing, binding: Binding, recorded: &Recorded) {
        let header = &recorded.header;
        self.commands.insert(header.command_id);
        self.position = header.position;
        let open = |body: &Option<Sensitive<String>>| {
            body.as_ref().and_then(|body| keys.open(header.org_id, binding, body).ok())
        };
        let line = match recorded.decode() {
            Ok(Event::MessageReceived(it)) => Line {
                message_id: Some(it.message_id),
                author: MessageAuthor::Customer,
                agent_id: None,
                text: open(&it.body),
                time: header.time,
            },
            Ok(Event::MessageSent(it)) => Line {
                message_id: Some(it.message_id),
                author: it.author,
                agent_id: it.agent_id,
                text: open(&it.body),
                time: header.time,
            },
            Ok(Event::FlowInputCollected(it)) if it.input.is_some() => Line {
                message_id: None,
                author: MessageAuthor::Customer,
                agent_id: None,
                text: open(&it.input),
                time: header.time,
            },
            Ok(event) => {
                self.stage = stage_after(&event).unwrap_or(self.stage);
                return;
            }
            // Foreign bytes have no place in a conversation.
            Err(_) => return,
        };
        self.lines.push(line);
    }
}

/// The stage that an event leads to, if it changes it.
#[must_use]
pub(super) const fn stage_after(event: &Event) -> Option<ChatStage> {
    match event {
        Event::QueueEntered(_) => Some(ChatStage::Queued),
        Event::LegConnected(_) => Some(ChatStage::Connected),
        Event::InteractionEnded(_) => Some(ChatStage::Ended),
        _ => None,
    }
}
