//! Media legs (SIP dialogs and the like), prompts and recordings: what the edge did on the wire.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::{InteractionId, MediaLegId, OfferId, RecordingId};
use crate::sensitive::Sensitive;

/// Whose media leg.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum MediaSide {
    /// The customer's.
    Customer,
    /// The agent's.
    Agent,
    /// A third party's.
    Outside,
    /// The listening supervisor's.
    Supervisor,
}

impl MediaSide {
    /// The `lower_snake` name, as in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Customer => "customer",
            Self::Agent => "agent",
            Self::Outside => "outside",
            Self::Supervisor => "supervisor",
        }
    }
}

/// Which side released a media leg.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum ReleaseSide {
    /// Ledgerline.
    Local,
    /// The far end.
    Remote,
    /// Neither: the network failed.
    Network,
}

impl ReleaseSide {
    /// The `lower_snake` name, as in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Remote => "remote",
            Self::Network => "network",
        }
    }
}

/// Why an edge refused a request before it became an interaction.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum RefusalReason {
    /// No entry point has this number.
    UnknownNumber,
    /// The message breaks the protocol.
    Malformed,
    /// The message asks for something not supported.
    Unsupported,
    /// The source is not allowed.
    NotAllowed,
    /// Too much work at once.
    Overloaded,
    /// No common codec.
    UnacceptableMedia,
}

impl RefusalReason {
    /// The `lower_snake` name, as in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::UnknownNumber => "unknown_number",
            Self::Malformed => "malformed",
            Self::Unsupported => "unsupported",
            Self::NotAllowed => "not_allowed",
            Self::Overloaded => "overloaded",
            Self::UnacceptableMedia => "unacceptable_media",
        }
    }
}

/// A media leg was offered by the network (SIP INVITE).
///
/// Event type `media_leg.offered`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MediaLegOffered {
    /// The interaction.
    pub interaction_id: InteractionId,
    /// The media leg.
    pub media_leg_id: MediaLegId,
    /// Whose.
    pub side: MediaSide,
    /// Call-ID of the dialog or id of the socket.
    pub call_ref: String,
    /// `udp`, `tcp`, `websocket`.
    pub transport: String,
}

/// Ledgerline decided to call out; recorded before the request leaves, so that a restart knows which dialogs may exist.
///
/// Event type `media_leg.dialled`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MediaLegDialled {
    /// The interaction.
    pub interaction_id: InteractionId,
    /// The media leg.
    pub media_leg_id: MediaLegId,
    /// Whose.
    pub side: MediaSide,
    /// The offer it serves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offer_id: Option<OfferId>,
    /// The number dialled (an agent's device or one of the organization's own numbers).
    pub dn: String,
}

/// The media leg is up.
///
/// Event type `media_leg.answered`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MediaLegAnswered {
    /// The interaction.
    pub interaction_id: InteractionId,
    /// The media leg.
    pub media_leg_id: MediaLegId,
    /// Whose.
    pub side: MediaSide,
    /// `pcmu`, `pcma`, `text`.
    pub codec: String,
}

/// The media leg could not be set up.
///
/// Event type `media_leg.failed`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MediaLegFailed {
    /// The interaction.
    pub interaction_id: InteractionId,
    /// The media leg.
    pub media_leg_id: MediaLegId,
    /// Whose.
    pub side: MediaSide,
    /// Final SIP status; 408 when none came; 0 when not SIP.
    pub sip_status: u16,
}

/// Two media legs hear each other.
///
/// Event type `media_leg.bridged`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MediaLegBridged {
    /// The interaction.
    pub interaction_id: InteractionId,
    /// One media leg.
    pub a: MediaLegId,
    /// The other.
    pub b: MediaLegId,
}

/// The media leg is gone.
///
/// Event type `media_leg.ended`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MediaLegEnded {
    /// The interaction.
    pub interaction_id: InteractionId,
    /// The media leg.
    pub media_leg_id: MediaLegId,
    /// Whose.
    pub side: MediaSide,
    /// Which side released it.
    pub released_by: ReleaseSide,
    /// 487 for a cancelled INVITE, 200 after BYE, else the status that ended it.
    pub sip_status: u16,
    /// RTP packets received.
    pub packets_received: u64,
    /// RTP packets sent.
    pub packets_sent: u64,
    /// RTP packets missing by sequence number.
    pub packets_lost: u64,
}

/// A prompt or music began to play.
///
/// Event type `prompt.started`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PromptStarted {
    /// The interaction.
    pub interaction_id: InteractionId,
    /// To whom.
    pub media_leg_id: MediaLegId,
    /// Name of the audio file.
    pub media: String,
    /// True for music.
    pub looped: bool,
}

/// A prompt ended.
///
/// Event type `prompt.finished`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PromptFinished {
    /// The interaction.
    pub interaction_id: InteractionId,
    /// To whom.
    pub media_leg_id: MediaLegId,
    /// Name of the audio file.
    pub media: String,
    /// True if it was cut.
    pub interrupted: bool,
}

/// A recording began.
///
/// Event type `recording.started`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RecordingStarted {
    /// The interaction.
    pub interaction_id: InteractionId,
    /// The recording.
    pub recording_id: RecordingId,
}

/// The recording pauses.
///
/// Event type `recording.paused`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RecordingPaused {
    /// The interaction.
    pub interaction_id: InteractionId,
    /// The recording.
    pub recording_id: RecordingId,
}

/// The recording goes on.
///
/// Event type `recording.resumed`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RecordingResumed {
    /// The interaction.
    pub interaction_id: InteractionId,
    /// The recording.
    pub recording_id: RecordingId,
    /// True if it resumed by itself.
    pub auto: bool,
}

/// The recording ended.
///
/// Event type `recording.stopped`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RecordingStopped {
    /// The interaction.
    pub interaction_id: InteractionId,
    /// The recording.
    pub recording_id: RecordingId,
}

/// The recording can be fetched.
///
/// Event type `recording.available`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RecordingAvailable {
    /// The interaction.
    pub interaction_id: InteractionId,
    /// The recording.
    pub recording_id: RecordingId,
    /// Where.
    pub reference: String,
    /// Size, bytes.
    pub bytes: u64,
    /// Hash, lower-case hex.
    pub sha256: String,
}

/// The recording was deleted.
///
/// Event type `recording.deleted`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RecordingDeleted {
    /// The interaction.
    pub interaction_id: InteractionId,
    /// The recording.
    pub recording_id: RecordingId,
}

/// An edge refused a request before it became an interaction.
///
/// Event type `edge.request_refused`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EdgeRequestRefused {
    /// `sip`, `chat`, `webhook`.
    pub edge: String,
    /// Why.
    pub reason: RefusalReason,
    /// SIP or HTTP status answered.
    pub status: u16,
    /// Number asked for, if readable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destination: Option<String>,
    /// Address it came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Sensitive<String>>,
    /// What exactly, without personal data.
    pub detail: String,
    /// How many like it this event stands for, from 1.
    pub count: u32,
}
