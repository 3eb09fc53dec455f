//! Limits of connections and subscriptions.

/// How much one connection may ask for and how long it may stall.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Open connections of the process; further ones are answered with 503.
    pub connections: usize,
    /// Subscriptions of one connection.
    pub subscriptions: usize,
    /// Largest frame a client may send, bytes.
    pub request_bytes: usize,
    /// How long a connection may stay without a token, milliseconds.
    pub auth_ms: u64,
    /// How long a client may take no frames before it is told to resync and cut off, milliseconds.
    pub slow_ms: u64,
    /// How long the last frames of a connection may take, milliseconds.
    pub close_ms: u64,
    /// Time between progress frames, milliseconds.
    pub progress_ms: u64,
    /// Life of a resume token, seconds.
    pub resume_ttl_s: u64,
    /// Rows in one frame of a snapshot.
    pub snapshot_rows: usize,
    /// Row changes an organization's hub keeps for resuming and for slow readers.
    pub retained_changes: usize,
    /// Events in one frame of the event stream.
    pub event_page: usize,
    /// Frames waiting for one socket.
    pub queued_frames: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 20_000,
            subscriptions: 64,
            request_bytes: 64 << 10,
            auth_ms: 10_000,
            slow_ms: 30_000,
            close_ms: 5_000,
            progress_ms: 1_000,
            resume_ttl_s: 3_600,
            snapshot_rows: 500,
            retained_changes: 65_536,
            event_page: 256,
            queued_frames: 8,
        }
    }
}
