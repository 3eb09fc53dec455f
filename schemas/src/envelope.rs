//! The envelope: what every event carries besides its payload.
//!
//! On disk the envelope is a fixed binary header written by the event store and the payload is MessagePack
//! with field names. At every door it is one JSON object with the CloudEvents 1.0 attributes first.

use std::fmt;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::event::{DecodeError, Event};
use crate::id::{CommandId, CorrelationId, EventId, OrgId, SubjectId};
use crate::time::Timestamp;

/// Place of an event in the total order of its organization: gap-free, starting at 1; 0 is "before the
/// first event".
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(transparent)]
pub struct Position(pub u64);

impl Position {
    /// Before the first event.
    pub const START: Self = Self(0);

    /// The following position.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// Place of an event in its stream: gap-free, starting at 0.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(transparent)]
pub struct Version(pub u64);

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// Name of a stream, such as `interaction-{id}`; 1 to 200 bytes of `[a-z0-9_.:-]` (foreign streams
/// `external-*` may hold any UTF-8).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct StreamId(Arc<str>);

impl StreamId {
    /// Stream of all broadcasts to agents.
    #[must_use]
    pub fn broadcasts() -> Self {
        Self::new("broadcasts")
    }

    /// A stream with this name. Length and characters are checked by the log at append.
    #[must_use]
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self(name.into())
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

macro_rules! streams {
    ($($(#[$doc:meta])* $name:ident($id:ty) = $prefix:literal;)*) => {
        impl StreamId {$(
            $(#[$doc])*
            #[must_use]
            pub fn $name(id: $id) -> Self {
                Self(format!(concat!($prefix, "-{}"), id).into())
            }
        )*}
    };
}

streams! {
    /// Stream of one interaction.
    interaction(crate::id::InteractionId) = "interaction";
    /// Stream of one agent (all sessions of the user).
    agent(crate::id::UserId) = "agent";
    /// Stream of one import batch.
    import(crate::id::ImportId) = "import";
    /// Stream of one principal's reads.
    access(&str) = "access";
    /// Stream of one configuration entity.
    config(crate::id::EntityId) = "config";
    /// Stream of one callback.
    callback(crate::id::CallbackId) = "callback";
    /// Stream of the erasures of one person.
    erasure(crate::id::SubjectId) = "erasure";
    /// Stream of one rule's alerts.
    alerts(crate::id::EntityId) = "alerts";
    /// Stream of what became of one webhook's subscription.
    webhook(crate::id::EntityId) = "webhook";
    /// Foreign stream written through the KurrentDB endpoint.
    external(&str) = "external";
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StreamId({})", self.0)
    }
}

/// What kind of party caused an event.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum ActorType {
    /// An agent, by user id.
    Agent = 1,
    /// The customer.
    Customer = 2,
    /// A supervisor, by user id.
    Supervisor = 3,
    /// An administrator, by user id or token subject.
    Admin = 4,
    /// A flow, by run id.
    Flow = 5,
    /// The routing core.
    Router = 6,
    /// A timer.
    Timer = 7,
    /// An outside system, by name (`teams`, `salesforce`).
    Integration = 8,
    /// An importer, by mapping name.
    Importer = 9,
    /// An analyst or auditor who read, by token subject.
    Analyst = 10,
    /// Ledgerline itself (start, recovery, projections).
    System = 11,
}

impl ActorType {
    /// Every kind, in code order.
    pub const ALL: [Self; 11] = [
        Self::Agent,
        Self::Customer,
        Self::Supervisor,
        Self::Admin,
        Self::Flow,
        Self::Router,
        Self::Timer,
        Self::Integration,
        Self::Importer,
        Self::Analyst,
        Self::System,
    ];

    /// The number used in the binary header.
    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The kind with this number.
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.code() == code)
    }

    /// The `lower_snake` name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Customer => "customer",
            Self::Supervisor => "supervisor",
            Self::Admin => "admin",
            Self::Flow => "flow",
            Self::Router => "router",
            Self::Timer => "timer",
            Self::Integration => "integration",
            Self::Importer => "importer",
            Self::Analyst => "analyst",
            Self::System => "system",
        }
    }
}

/// Who caused an event. `id` never holds personal data: a user id, a token subject, a system name.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub struct Actor {
    /// Kind of party.
    #[serde(rename = "type")]
    pub kind: ActorType,
    /// Which one; empty when the kind says it all.
    pub id: String,
}

impl Actor {
    /// An actor of this kind and id.
    #[must_use]
    pub fn new(kind: ActorType, id: impl ToString) -> Self {
        Self { kind, id: id.to_string() }
    }

    /// The routing core.
    #[must_use]
    pub fn router() -> Self {
        Self { kind: ActorType::Router, id: String::new() }
    }

    /// Ledgerline itself.
    #[must_use]
    pub fn system(part: &str) -> Self {
        Self { kind: ActorType::System, id: part.to_owned() }
    }
}

/// Everything about a recorded event but its payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// The event's own id; the key of idempotent appends.
    pub id: EventId,
    /// `family.verb_past`; decides how the payload is decoded.
    pub event_type: Arc<str>,
    /// The organization.
    pub org_id: OrgId,
    /// The stream.
    pub stream: StreamId,
    /// Place in the stream.
    pub version: Version,
    /// Place in the organization's log.
    pub position: Position,
    /// When it happened.
    pub time: Timestamp,
    /// When it was logged.
    pub recorded_at: Timestamp,
    /// The command whose decision it is part of.
    pub command_id: CommandId,
    /// The piece of work it belongs to.
    pub correlation_id: CorrelationId,
    /// The event that caused it, if one did.
    pub causation_id: Option<EventId>,
    /// Who caused it.
    pub actor: Actor,
    /// Position of the newest configuration event the decision saw.
    pub config_position: Position,
    /// W3C trace context, if the command came with one.
    pub traceparent: Option<String>,
    /// Whose key seals the [`crate::Sensitive`] fields of the payload.
    pub data_subject_id: Option<SubjectId>,
}

/// An event to be appended: the header without what the log itself assigns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewEvent {
    /// The event's own id.
    pub id: EventId,
    /// The stream it goes to.
    pub stream: StreamId,
    /// `family.verb_past`.
    pub event_type: Arc<str>,
    /// When it happened.
    pub time: Timestamp,
    /// The command whose decision it is part of.
    pub command_id: CommandId,
    /// The piece of work it belongs to.
    pub correlation_id: CorrelationId,
    /// The event that caused it.
    pub causation_id: Option<EventId>,
    /// Who caused it.
    pub actor: Actor,
    /// Newest configuration seen.
    pub config_position: Position,
    /// W3C trace context.
    pub traceparent: Option<String>,
    /// Whose key seals the payload's sensitive fields.
    pub data_subject_id: Option<SubjectId>,
    /// Encoded payload (MessagePack with field names; foreign events: any bytes).
    pub payload: Vec<u8>,
}

/// An event as the log gives it back: header and the exact stored payload bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// The header.
    pub header: Header,
    /// The payload bytes.
    pub payload: Vec<u8>,
}

impl Recorded {
    /// Decodes the payload by the header's type, through the upcasters.
    ///
    /// # Errors
    /// [`DecodeError`] if the type is unknown (foreign events) or the bytes do not fit it.
    pub fn decode(&self) -> Result<Event, DecodeError> {
        Event::decode(&self.header.event_type, &self.payload)
    }

    /// The JSON form used at every door: CloudEvents 1.0 attributes, then ours, then `data`.
    ///
    /// A payload that cannot be decoded (a foreign event) appears as `data_base64`.
    #[must_use]
    pub fn to_json(&self) -> Value {
        use base64::Engine as _;
        let header = &self.header;
        let mut object = Map::new();
        let mut put = |name: &str, value: Value| {
            object.insert(name.to_owned(), value);
        };
        put("specversion", json!("1.0"));
        put("id", json!(header.id));
        put("type", json!(&*header.event_type));
        put("source", json!(format!("/orgs/{}", header.org_id)));
        put("subject", json!(header.stream));
        put("time", json!(header.time));
        put("datacontenttype", json!("application/json"));
        put("org_id", json!(header.org_id));
        put("stream", json!(header.stream));
        put("version", json!(header.version));
        put("position", json!(header.position));
        put("recorded_at", json!(header.recorded_at));
        put("command_id", json!(header.command_id));
        put("correlation_id", json!(header.correlation_id));
        put("causation_id", json!(header.causation_id));
        put("actor", json!(header.actor));
        put("config_position", json!(header.config_position));
        put("traceparent", json!(header.traceparent));
        put("data_subject_id", json!(header.data_subject_id));
        match self.decode() {
            Ok(event) => put("data", event.to_json()),
            Err(_) => put(
                "data_base64",
                json!(base64::engine::general_purpose::STANDARD.encode(&self.payload)),
            ),
        }
        Value::Object(object)
    }
}
