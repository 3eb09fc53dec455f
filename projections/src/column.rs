//! How the type of a field becomes the type of a column and its value.

use std::cmp::Ordering;
use std::sync::Arc;

use ledgerline_schemas::config::alert_rule::{AlertComparison, AlertSeverity};
use ledgerline_schemas::config::{ChannelType, EntityKind};
use ledgerline_schemas::event::ConfigVerb;
use ledgerline_schemas::event::agent::{AgentStateName, DeviceType, SignOutReason, StateCause};
use ledgerline_schemas::event::callback::CallbackType;
use ledgerline_schemas::event::campaign::SuppressionReason;
use ledgerline_schemas::event::interaction::{
    Direction, LastStage, Relationship, TerminatingEnd, TerminationReason,
};
use ledgerline_schemas::event::leg::{LegEndReason, PartyType, TransferKind};
use ledgerline_schemas::event::message::MessageAuthor;
use ledgerline_schemas::event::monitor::MonitorType;
use ledgerline_schemas::event::queue::{QueueLeaveReason, QueueSource};
use ledgerline_schemas::event::routing::{DecisionTrigger, TieBreak};
use ledgerline_schemas::id;
use ledgerline_schemas::{ActorType, Position, StreamId, Timestamp};
use serde::{Deserialize, Serialize};

use crate::encode::Builder;
use crate::table::{ColumnType, Value};

/// A field type that can stand in a row.
pub(crate) trait Column {
    /// The column's type.
    const TYPE: ColumnType;
    /// Whether the column may be null.
    const NULLABLE: bool = false;
    /// The value in a row.
    fn value(&self) -> Value;
    /// Appends the value to its column: the same as [`Column::value`] says, without the way through it.
    fn write(&self, column: &mut Builder);
    /// How the value stands to another in its column: as the column's own values compare, null before all
    /// others. A type's own order may be another one (enumerations are text in a column).
    fn order(&self, other: &Self) -> Ordering;
}

/// JSON text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Json(pub(crate) Arc<str>);

impl Json {
    /// The JSON text of a value. Vocabulary types always serialize; an error would show as `null`.
    pub(crate) fn of<T: Serialize + ?Sized>(value: &T) -> Self {
        Self(serde_json::to_string(value).unwrap_or_else(|_| "null".to_owned()).into())
    }
}

impl Column for Json {
    const TYPE: ColumnType = ColumnType::Json;
    fn value(&self) -> Value {
        Value::Text(Arc::clone(&self.0))
    }
    fn write(&self, column: &mut Builder) {
        column.text(&self.0);
    }
    fn order(&self, other: &Self) -> Ordering {
        self.0.cmp(&other.0)
    }
}

/// JSON text that goes to one row only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct JsonText(pub(crate) String);

impl Column for JsonText {
    const TYPE: ColumnType = ColumnType::Json;
    fn value(&self) -> Value {
        Value::Text(self.0.as_str().into())
    }
    fn write(&self, column: &mut Builder) {
        column.text(&self.0);
    }
    fn order(&self, other: &Self) -> Ordering {
        self.0.cmp(&other.0)
    }
}

impl Column for StreamId {
    const TYPE: ColumnType = ColumnType::Text;
    fn value(&self) -> Value {
        Value::Text(self.as_str().into())
    }
    fn write(&self, column: &mut Builder) {
        column.text(self.as_str());
    }
    fn order(&self, other: &Self) -> Ordering {
        self.as_str().cmp(other.as_str())
    }
}

impl Column for Arc<str> {
    const TYPE: ColumnType = ColumnType::Text;
    fn value(&self) -> Value {
        Value::Text(Self::clone(self))
    }
    fn write(&self, column: &mut Builder) {
        column.text(self);
    }
    fn order(&self, other: &Self) -> Ordering {
        self.cmp(other)
    }
}

impl Column for bool {
    const TYPE: ColumnType = ColumnType::Bool;
    fn value(&self) -> Value {
        Value::Bool(*self)
    }
    fn write(&self, column: &mut Builder) {
        column.truth(*self);
    }
    fn order(&self, other: &Self) -> Ordering {
        self.cmp(other)
    }
}

impl Column for Timestamp {
    const TYPE: ColumnType = ColumnType::Time;
    fn value(&self) -> Value {
        Value::Time(self.micros())
    }
    fn write(&self, column: &mut Builder) {
        column.time(self.micros());
    }
    fn order(&self, other: &Self) -> Ordering {
        self.cmp(other)
    }
}

impl<T: Column> Column for Option<T> {
    const TYPE: ColumnType = T::TYPE;
    const NULLABLE: bool = true;
    fn value(&self) -> Value {
        self.as_ref().map_or(Value::Null, T::value)
    }
    fn write(&self, column: &mut Builder) {
        match self {
            Some(value) => value.write(column),
            None => column.null(),
        }
    }
    fn order(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Some(left), Some(right)) => left.order(right),
            _ => self.is_some().cmp(&other.is_some()),
        }
    }
}

macro_rules! integers {
    ($($type:ty),*) => {$(
        impl Column for $type {
            const TYPE: ColumnType = ColumnType::Int;
            fn value(&self) -> Value {
                // Figures beyond the 64-bit range cannot be reached by counting; they would saturate.
                Value::Int(i64::try_from(*self).unwrap_or(i64::MAX))
            }
            fn write(&self, column: &mut Builder) {
                column.int(i64::try_from(*self).unwrap_or(i64::MAX));
            }
            fn order(&self, other: &Self) -> Ordering {
                self.cmp(other)
            }
        }
    )*};
}

integers!(i64, u64, u32, u8);

impl Column for Position {
    const TYPE: ColumnType = ColumnType::Int;
    fn value(&self) -> Value {
        self.0.value()
    }
    fn write(&self, column: &mut Builder) {
        self.0.write(column);
    }
    fn order(&self, other: &Self) -> Ordering {
        self.cmp(other)
    }
}

macro_rules! ids {
    ($($type:ident),*) => {$(
        impl Column for id::$type {
            const TYPE: ColumnType = ColumnType::Text;
            fn value(&self) -> Value {
                let mut buffer = uuid::Uuid::encode_buffer();
                Value::Text(Arc::from(&*self.uuid().hyphenated().encode_lower(&mut buffer)))
            }
            fn write(&self, column: &mut Builder) {
                let mut buffer = uuid::Uuid::encode_buffer();
                column.text(self.uuid().hyphenated().encode_lower(&mut buffer));
            }
            fn order(&self, other: &Self) -> Ordering {
                // The bytes of an id compare as its lower-case text does.
                self.cmp(other)
            }
        }
    )*};
}

ids!(
    InteractionId,
    LegId,
    DecisionId,
    EventId,
    CommandId,
    CorrelationId,
    SubjectId,
    AgentSessionId,
    UserId,
    SiteId,
    TeamId,
    QueueId,
    EntryPointId,
    FlowId,
    MultimediaProfileId,
    AuxCodeId,
    EntityId,
    CampaignId,
    CampaignContactId,
    CallbackId,
    OfferId,
    RunId,
    MessageId,
    RecordingId,
    MonitorId,
    AlertId
);

macro_rules! names {
    ($($type:ty),*) => {$(
        impl Column for $type {
            const TYPE: ColumnType = ColumnType::Text;
            fn value(&self) -> Value {
                Value::Text(Arc::from(self.name()))
            }
            fn write(&self, column: &mut Builder) {
                column.text(self.name());
            }
            fn order(&self, other: &Self) -> Ordering {
                self.name().cmp(other.name())
            }
        }
    )*};
}

names!(
    ChannelType,
    EntityKind,
    ConfigVerb,
    AgentStateName,
    DeviceType,
    SignOutReason,
    StateCause,
    Direction,
    LastStage,
    Relationship,
    TerminatingEnd,
    TerminationReason,
    LegEndReason,
    PartyType,
    TransferKind,
    QueueLeaveReason,
    QueueSource,
    DecisionTrigger,
    TieBreak,
    ActorType,
    Outcome,
    Stage,
    AgentActivityState,
    OfferOutcome,
    CallbackState,
    CallbackType,
    SuppressionReason,
    MessageAuthor,
    MonitorType,
    MetricOrigin,
    AlertComparison,
    AlertSeverity
);

macro_rules! named {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum $name {$($(#[$vdoc])* $variant,)*}

        impl $name {
            /// The `lower_snake` name, as in the column.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {$(Self::$variant => $text,)*}
            }
        }
    };
}

named! {
    /// How a stay in a queue came out.
    Outcome {
        /// It has not left the queue yet.
        Open = "open",
        /// It left the queue to an agent.
        Answered = "answered",
        /// The customer left while it waited or was being offered.
        Abandoned = "abandoned",
        /// It left for any other reason.
        Other = "other",
    }
}

named! {
    /// What an interaction is at.
    Stage {
        /// Created, nothing done yet.
        New = "new",
        /// In a flow.
        Ivr = "ivr",
        /// Waiting in a queue.
        Queued = "queued",
        /// Being offered to an agent, or on its way to one.
        Offered = "offered",
        /// Talking with an agent.
        Connected = "connected",
        /// On hold.
        Hold = "hold",
        /// The agent asks somebody else.
        Consulting = "consulting",
        /// Several parties are connected.
        Conference = "conference",
        /// In a survey after the conversation.
        PostCall = "post_call",
        /// The agent is gone, nothing has followed yet.
        Disconnected = "disconnected",
        /// Over for the customer, the agent is in wrap-up.
        Wrapup = "wrapup",
        /// Over.
        Ended = "ended",
    }
}

named! {
    /// What an agent did in an interval.
    AgentActivityState {
        /// Ready for work.
        Available = "available",
        /// Not ready.
        Idle = "idle",
        /// Did not answer an offer.
        NotResponding = "not_responding",
        /// An offer rings.
        Ringing = "ringing",
        /// In conversation.
        Connected = "connected",
        /// The customer is on hold.
        Hold = "hold",
        /// In a consult.
        Consulting = "consulting",
        /// In a conference the agent started.
        Conference = "conference",
        /// Wrap-up.
        Wrapup = "wrapup",
    }
}

named! {
    /// How an offer came out.
    OfferOutcome {
        /// It rings.
        Ringing = "ringing",
        /// The agent took it.
        Accepted = "accepted",
        /// The agent or the agent's device said no.
        Rejected = "rejected",
        /// Nobody answered in time.
        TimedOut = "timed_out",
        /// It was taken back.
        Rescinded = "rescinded",
        /// It could not be carried out.
        Failed = "failed",
    }
}

named! {
    /// What a callback is at.
    CallbackState {
        /// Asked for.
        Requested = "requested",
        /// The customer is being called.
        Dialling = "dialling",
        /// The customer answered.
        Connected = "connected",
        /// An attempt failed; another may follow.
        Failed = "failed",
        /// It was cancelled.
        Cancelled = "cancelled",
        /// It is done.
        Completed = "completed",
    }
}

named! {
    /// Who defines a metric.
    MetricOrigin {
        /// It comes with the product.
        Product = "product",
        /// The organization's configuration.
        Organization = "organization",
    }
}
