//! `recording`: one row per recording.

use std::sync::Arc;

use ledgerline_schemas::Timestamp;
use ledgerline_schemas::id::{InteractionId, QueueId, RecordingId};

table! {
    /// One recording of an interaction. What happens to it long after the interaction ended is in `event_log`
    /// only.
    Recording = "recording", key RecordingId = [recording_id], sort [started_time, recording_id], live false;
    /// The recording.
    recording_id: RecordingId,
    /// The interaction.
    interaction_id: InteractionId,
    /// Queue of the interaction when it began.
    @Queue queue_id: Option<QueueId>,
    /// Begin.
    started_time: Timestamp,
    /// End.
    stopped_time: Option<Timestamp>,
    /// Begin to end without pauses, ms; null until it ended.
    duration_ms: Option<u64>,
    /// Times it paused.
    pause_count: u32,
    /// Time it paused, ms, of the pauses that are over.
    paused_duration_ms: u64,
    /// Pauses that ended by themselves.
    auto_resume_count: u32,
    /// Begin of the pause that lasts.
    paused_since: Option<Timestamp>,
    /// When it could be fetched.
    available_time: Option<Timestamp>,
    /// Where it is.
    reference: Option<Arc<str>>,
    /// Size, bytes.
    bytes: Option<u64>,
    /// SHA-256, lower-case hex.
    sha256: Option<Arc<str>>,
    /// When it was deleted.
    deleted_time: Option<Timestamp>,
}
