//! Limits. Every limit is tested at limit - 1, limit and limit + 1 where it is enforced.

/// Longest stored payload of one event, bytes.
pub const EVENT_PAYLOAD_BYTES_MAX: usize = 1 << 20;
/// Most events in one atomic append.
pub const APPEND_EVENTS_MAX: usize = 4_096;
/// Longest encoded append, bytes.
pub const APPEND_BYTES_MAX: usize = 16 << 20;
/// Longest stream name, bytes.
pub const STREAM_NAME_BYTES_MAX: usize = 200;
/// Longest actor id, bytes.
pub const ACTOR_ID_BYTES_MAX: usize = 200;
/// Longest event type name, bytes.
pub const EVENT_TYPE_BYTES_MAX: usize = 100;
/// Longest `traceparent`, bytes (W3C Trace Context level 1 is 55; later versions may be longer).
pub const TRACEPARENT_BYTES_MAX: usize = 128;
/// Candidates and waiting legs listed in a decision; totals say how many there were.
pub const DECISION_TOP_K: usize = 5;
/// Skill requirements of one leg.
pub const REQUIREMENTS_MAX: usize = 50;
/// Call distribution groups of one queue.
pub const GROUPS_MAX: usize = 20;
/// Longest chat message, bytes of UTF-8.
pub const MESSAGE_BYTES_MAX: usize = 16 << 10;
/// Longest broadcast to agents, characters.
pub const BROADCAST_CHARS_MAX: usize = 1_000;
/// Shortest time a broadcast is shown, ms.
pub const BROADCAST_TTL_MS_MIN: u64 = 1_000;
/// Longest time a broadcast is shown, ms.
pub const BROADCAST_TTL_MS_MAX: u64 = 24 * 60 * 60 * 1_000;
/// Entries in one list of a user profile or resource collection.
pub const PROFILE_LIST_MAX: usize = 5_000;
/// Longest name of a configuration entity, characters.
pub const NAME_CHARS_MAX: usize = 80;
/// Activities in one flow.
pub const FLOW_ACTIVITIES_MAX: usize = 500;
/// Commands that may wait for the engine before it answers "busy".
pub const ENGINE_QUEUE_MAX: usize = 8_192;
/// Longest HTTP request body at our own doors, bytes.
pub const HTTP_BODY_BYTES_MAX: usize = 2 << 20;
/// Priority of an interaction when nobody set one.
pub const PRIORITY_DEFAULT: u8 = 10;
