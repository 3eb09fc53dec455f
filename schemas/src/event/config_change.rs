//! Configuration: every change of an entity, with the whole document after it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::EntityKind;
use crate::document::Document;
use crate::id::EntityId;

/// What happened to an entity.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Default,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum ConfigVerb {
    /// It began to exist.
    #[default]
    Created,
    /// Its document changed.
    Updated,
    /// It was switched on.
    Activated,
    /// It was switched off.
    Deactivated,
    /// It is gone; its history stays.
    Deleted,
}

impl ConfigVerb {
    /// Every verb.
    pub const ALL: [Self; 5] =
        [Self::Created, Self::Updated, Self::Activated, Self::Deactivated, Self::Deleted];

    /// The `lower_snake` name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Updated => "updated",
            Self::Activated => "activated",
            Self::Deactivated => "deactivated",
            Self::Deleted => "deleted",
        }
    }
}

/// A change of one configuration entity.
///
/// Event types `config.<kind>.<verb>`; kind and verb are in the name only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ConfigChange {
    /// Kind of entity (from the type name).
    #[serde(skip)]
    #[schemars(skip)]
    pub kind: EntityKind,
    /// What happened (from the type name).
    #[serde(skip)]
    #[schemars(skip)]
    pub verb: ConfigVerb,
    /// The entity.
    pub entity_id: EntityId,
    /// Version of the entity, from 1.
    pub entity_version: u32,
    /// SHA-256 of the canonical document before, lower-case hex; absent at creation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before_sha256: Option<String>,
    /// The whole document after the change; absent after deletion.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Document>,
    /// JSON pointers of what changed.
    pub changed_paths: Vec<String>,
    /// Why, as the administrator put it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

macro_rules! type_names {
    ($($kind:ident = $name:literal,)*) => {
        impl ConfigChange {
            /// The type name, `config.<kind>.<verb>`.
            #[must_use]
            pub const fn event_type(&self) -> &'static str {
                match (self.kind, self.verb) {$(
                    (EntityKind::$kind, ConfigVerb::Created) => concat!("config.", $name, ".created"),
                    (EntityKind::$kind, ConfigVerb::Updated) => concat!("config.", $name, ".updated"),
                    (EntityKind::$kind, ConfigVerb::Activated) => concat!("config.", $name, ".activated"),
                    (EntityKind::$kind, ConfigVerb::Deactivated) => {
                        concat!("config.", $name, ".deactivated")
                    }
                    (EntityKind::$kind, ConfigVerb::Deleted) => concat!("config.", $name, ".deleted"),
                )*}
            }

            /// All type names.
            #[must_use]
            pub fn event_types() -> Vec<&'static str> {
                vec![$(
                    concat!("config.", $name, ".created"),
                    concat!("config.", $name, ".updated"),
                    concat!("config.", $name, ".activated"),
                    concat!("config.", $name, ".deactivated"),
                    concat!("config.", $name, ".deleted"),
                )*]
            }
        }
    };
}

type_names! {
    Site = "site",
    Team = "team",
    User = "user",
    Skill = "skill",
    SkillProfile = "skill_profile",
    Queue = "queue",
    EntryPoint = "entry_point",
    MultimediaProfile = "multimedia_profile",
    AuxCode = "aux_code",
    BusinessHours = "business_hours",
    HolidayList = "holiday_list",
    Override = "override",
    GlobalVariable = "global_variable",
    DialNumber = "dial_number",
    UserProfile = "user_profile",
    ResourceCollection = "resource_collection",
    MetricDefinition = "metric_definition",
    ReportDefinition = "report_definition",
    ReportSchedule = "report_schedule",
    RetentionPolicy = "retention_policy",
    LegalHold = "legal_hold",
    AlertRule = "alert_rule",
    WebhookSubscription = "webhook_subscription",
    Flow = "flow",
}

impl ConfigChange {
    /// Kind and verb of a type name, if it is one of ours.
    #[must_use]
    pub fn parse_type(event_type: &str) -> Option<(EntityKind, ConfigVerb)> {
        let (kind, verb) = event_type.strip_prefix("config.")?.split_once('.')?;
        let kind = EntityKind::parse(kind)?;
        let verb = ConfigVerb::ALL.into_iter().find(|candidate| candidate.name() == verb)?;
        Some((kind, verb))
    }

    /// The change with kind and verb filled in from its type name.
    #[must_use]
    pub fn with_type(mut self, kind: EntityKind, verb: ConfigVerb) -> Self {
        self.kind = kind;
        self.verb = verb;
        self
    }
}
