//! Typed identifiers: one registry, append-only.
//!
//! Every id is a UUID. In JSON it is the hyphenated lower-case text form, in MessagePack 16 bytes. Ids of
//! events are UUIDv7 or UUIDv5 (derived, so that a repeated command or import gives the same id); ids of
//! configuration entities may be given by the administrator or derived from the entity's key with
//! [`derive_id`].

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Name space of ids that Ledgerline derives by UUIDv5 (RFC 9562, section 5.5).
pub const NAMESPACE: Uuid = Uuid::from_u128(0x6c65_6467_6572_4c69_8e65_0001_0000_0001);

/// A UUIDv5 of `parent` and `name`: the same inputs always give the same id.
#[must_use]
pub fn derive_id(parent: Uuid, name: &str) -> Uuid {
    Uuid::new_v5(&parent, name.as_bytes())
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident,)*) => {$(
        $(#[$doc])*
        #[derive(
            Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema, Default,
        )]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// Wraps a UUID.
            #[must_use]
            pub const fn new(uuid: Uuid) -> Self {
                Self(uuid)
            }

            /// The id with these 128 bits; for tests and fixed ids.
            #[must_use]
            pub const fn from_u128(bits: u128) -> Self {
                Self(Uuid::from_u128(bits))
            }

            /// The id derived from a parent id and a name (UUIDv5).
            #[must_use]
            pub fn derived(parent: Uuid, name: &str) -> Self {
                Self(derive_id(parent, name))
            }

            /// The wrapped UUID.
            #[must_use]
            pub const fn uuid(self) -> Uuid {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::parse_str(text).map(Self)
            }
        }

        impl From<Uuid> for $name {
            fn from(uuid: Uuid) -> Self {
                Self(uuid)
            }
        }
    )*};
}

ids! {
    /// An organization: tenant, shard of engine, log and tables.
    OrgId,
    /// One event.
    EventId,
    /// One command; the source of every id that a decision derives.
    CommandId,
    /// Binds all events of one piece of work (usually one interaction).
    CorrelationId,
    /// A person whose data one key protects; destroying the key erases the person.
    SubjectId,
    /// A data key that seals [`crate::Sensitive`] values.
    KeyId,
    /// One thing that is handled: a call, a chat, a mail.
    InteractionId,
    /// One stay of an interaction in a queue and the service that follows it.
    LegId,
    /// One media connection (a SIP dialog, a chat socket).
    MediaLegId,
    /// One offer of a leg to an agent.
    OfferId,
    /// One routing decision.
    DecisionId,
    /// One run of a flow.
    RunId,
    /// One message of a digital interaction.
    MessageId,
    /// One log-in of an agent.
    AgentSessionId,
    /// A user; an agent is a user who logs in to the desktop.
    UserId,
    /// A site.
    SiteId,
    /// A team of agents.
    TeamId,
    /// A queue.
    QueueId,
    /// An entry point.
    EntryPointId,
    /// A flow.
    FlowId,
    /// A multimedia profile.
    MultimediaProfileId,
    /// An idle or wrap-up code.
    AuxCodeId,
    /// A skill.
    SkillId,
    /// A skill profile.
    SkillProfileId,
    /// A configuration entity of any kind.
    EntityId,
    /// A callback.
    CallbackId,
    /// A campaign.
    CampaignId,
    /// A contact of a campaign list (the field's fixed term).
    CampaignContactId,
    /// A recording.
    RecordingId,
    /// A supervisor's monitoring session.
    MonitorId,
    /// A supervisor's message to agents.
    BroadcastId,
    /// A consult call.
    ConsultId,
    /// A conference.
    ConferenceId,
    /// A transfer.
    TransferId,
    /// A timer.
    TimerId,
    /// An import batch.
    ImportId,
    /// A digital channel.
    ChannelId,
    /// A user profile (access rights).
    UserProfileId,
    /// A resource collection (places that user profiles share).
    ResourceCollectionId,
    /// One alert: a rule, a row and the position at which it began.
    AlertId,
    /// One delivery of a report to one place.
    ReportDeliveryId,
}
