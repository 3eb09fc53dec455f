//! `message`: one row per message of a digital interaction.

use std::sync::Arc;

use ledgerline_schemas::Timestamp;
use ledgerline_schemas::config::ChannelType;
use ledgerline_schemas::event::message::MessageAuthor;
use ledgerline_schemas::id::{EntryPointId, InteractionId, MessageId, QueueId, UserId};

table! {
    /// One message of a digital interaction, without its text.
    Message = "message", key MessageId = [message_id], sort [time, message_id], live false;
    /// The message.
    message_id: MessageId,
    /// The interaction.
    interaction_id: InteractionId,
    /// Channel of the interaction.
    channel_type: ChannelType,
    /// Entry point of the interaction.
    @EntryPoint entry_point_id: Option<EntryPointId>,
    /// Queue of the interaction when the message came; null before the first queue.
    @Queue queue_id: Option<QueueId>,
    /// When it was received or sent.
    time: Timestamp,
    /// Who wrote it: customer, agent, system, bot.
    author: MessageAuthor,
    /// The agent, if one wrote it.
    agent_id: Option<UserId>,
    /// Name of the agent.
    agent_name: Option<Arc<str>>,
    /// Files with it.
    attachment_count: u32,
    /// Size of the files, bytes.
    attachment_bytes: u64,
    /// When it reached the customer's device.
    delivered_time: Option<Timestamp>,
    /// When the customer read it.
    read_time: Option<Timestamp>,
    /// When it turned out that it could not be delivered.
    failed_time: Option<Timestamp>,
    /// Why not.
    failure_code: Option<Arc<str>>,
}
