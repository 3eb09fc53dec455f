//! Configuration entities: sites, teams, users, queues, entry points, flows and what they need.
//!
//! A document refers to other entities by id. Durations are milliseconds. Unknown fields are refused so
//! that a typing error never goes unnoticed.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::document::Document;
use crate::id::{
    EntityId, FlowId, MultimediaProfileId, OrgId, SiteId, SkillProfileId, TeamId, UserProfileId,
};

pub mod access_profile;
pub mod alert_rule;
pub mod flow;
pub mod metric;
pub mod queue;
pub mod report;
pub mod report_schedule;
pub mod retention;
pub mod skill;
pub mod webhook;

pub use access_profile::{Granted, Module, ProfileType, ResourceCollection, UserProfile};
pub use alert_rule::AlertRule;
pub use flow::{Activity, ActivityKind, Flow};
pub use queue::{CallDistributionGroup, Queue, RoutingType, WaitCredit};
pub use report_schedule::ReportSchedule;
pub use retention::{LegalHold, RetentionPolicy};
pub use skill::{
    AgentSkill, Skill, SkillCondition, SkillProfile, SkillRequirement, SkillType, SkillValue,
};
pub use webhook::WebhookSubscription;

/// Channel of an interaction, a queue, an agent's slot.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum ChannelType {
    /// Telephony.
    Voice,
    /// Web chat.
    Chat,
    /// Electronic mail.
    Email,
    /// SMS, WhatsApp, Messenger, Apple Messages and other messaging.
    Social,
    /// Work items of other systems.
    WorkItem,
}

impl ChannelType {
    /// Every channel.
    pub const ALL: [Self; 5] = [Self::Voice, Self::Chat, Self::Email, Self::Social, Self::WorkItem];

    /// The `lower_snake` name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Voice => "voice",
            Self::Chat => "chat",
            Self::Email => "email",
            Self::Social => "social",
            Self::WorkItem => "work_item",
        }
    }
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident = $name:literal,)*) => {
        /// Kind of a configuration entity.
        #[derive(
            Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
            JsonSchema,
        )]
        #[serde(rename_all = "snake_case")]
        pub enum EntityKind {$($(#[$doc])* $kind,)*}

        impl EntityKind {
            /// Every kind.
            pub const ALL: &'static [Self] = &[$(Self::$kind,)*];

            /// The `lower_snake` name.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {$(Self::$kind => $name,)*}
            }

            /// The kind of this name.
            #[must_use]
            pub fn parse(name: &str) -> Option<Self> {
                match name {$($name => Some(Self::$kind),)* _ => None}
            }
        }
    };
}

kinds! {
    /// A site.
    #[default]
    Site = "site",
    /// A team.
    Team = "team",
    /// A user.
    User = "user",
    /// A skill.
    Skill = "skill",
    /// A skill profile.
    SkillProfile = "skill_profile",
    /// A queue.
    Queue = "queue",
    /// An entry point.
    EntryPoint = "entry_point",
    /// A multimedia profile.
    MultimediaProfile = "multimedia_profile",
    /// An idle or wrap-up code.
    AuxCode = "aux_code",
    /// Business hours.
    BusinessHours = "business_hours",
    /// A list of holidays.
    HolidayList = "holiday_list",
    /// An override of business hours.
    Override = "override",
    /// A global variable.
    GlobalVariable = "global_variable",
    /// A dial number.
    DialNumber = "dial_number",
    /// A user profile.
    UserProfile = "user_profile",
    /// A resource collection.
    ResourceCollection = "resource_collection",
    /// A metric definition.
    MetricDefinition = "metric_definition",
    /// A report definition.
    ReportDefinition = "report_definition",
    /// A schedule of a report.
    ReportSchedule = "report_schedule",
    /// A retention policy.
    RetentionPolicy = "retention_policy",
    /// A legal hold.
    LegalHold = "legal_hold",
    /// A rule over live figures.
    AlertRule = "alert_rule",
    /// A subscription of a webhook.
    WebhookSubscription = "webhook_subscription",
    /// A flow.
    Flow = "flow",
}

impl EntityKind {
    /// The id an entity gets when the administrator gives none: derived from organization, kind and name.
    #[must_use]
    pub fn derive_id(self, org_id: OrgId, name: &str) -> EntityId {
        EntityId::derived(org_id.uuid(), &format!("{}:{name}", self.name()))
    }
}

pub(crate) const fn yes() -> bool {
    true
}

/// A site.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Site {
    /// Name, unique among sites.
    pub name: String,
    /// IANA time zone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timezone: Option<String>,
    /// Switched on.
    #[serde(default = "yes")]
    pub active: bool,
}

/// What a team consists of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TeamType {
    /// Agents who log in.
    #[default]
    Agent,
    /// An outside number with a capacity.
    Capacity,
}

/// A team.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Team {
    /// Name, unique among teams.
    pub name: String,
    /// Its site.
    pub site_id: SiteId,
    /// What it consists of.
    #[serde(default)]
    pub team_type: TeamType,
    /// Profile of its agents unless their own says otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub multimedia_profile_id: Option<MultimediaProfileId>,
    /// Number of a capacity team.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capacity_number: Option<String>,
    /// Switched on.
    #[serde(default = "yes")]
    pub active: bool,
}

/// A user. Agents, supervisors, administrators and analysts are users.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct User {
    /// Log-in name or code, unique among users.
    pub name: String,
    /// Teams the user may log in to.
    #[serde(default)]
    pub team_ids: Vec<TeamId>,
    /// Profile; the team's if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub multimedia_profile_id: Option<MultimediaProfileId>,
    /// Skills.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skill_profile_id: Option<SkillProfileId>,
    /// Dial number or SIP address used when log-in names none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_dn: Option<String>,
    /// What the user may see; whatever the roles allow if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_profile_id: Option<UserProfileId>,
    /// Switched on.
    #[serde(default = "yes")]
    pub active: bool,
}

/// How channels mix for one agent.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum BlendingMode {
    /// One channel at a time.
    Exclusive,
    /// All channels side by side.
    #[default]
    Blended,
    /// Real-time channels (voice, chat) block each other; others run beside them.
    BlendedRealtime,
}

/// How many interactions of each channel an agent handles at once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MultimediaProfile {
    /// Name, unique among multimedia profiles.
    pub name: String,
    /// Calls, 0 or 1.
    pub voice: u8,
    /// Chats, 0 to 5.
    #[serde(default)]
    pub chat: u8,
    /// Mails, 0 to 5.
    #[serde(default)]
    pub email: u8,
    /// Messaging conversations, 0 to 5.
    #[serde(default)]
    pub social: u8,
    /// Work items, 0 to 5.
    #[serde(default)]
    pub work_item: u8,
    /// How channels mix.
    #[serde(default)]
    pub blending_mode: BlendingMode,
}

impl MultimediaProfile {
    /// Slots of a channel.
    #[must_use]
    pub const fn slots(&self, channel: ChannelType) -> u8 {
        match channel {
            ChannelType::Voice => self.voice,
            ChannelType::Chat => self.chat,
            ChannelType::Email => self.email,
            ChannelType::Social => self.social,
            ChannelType::WorkItem => self.work_item,
        }
    }
}

/// What a code is for.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum AuxCodeKind {
    /// Reason for being idle.
    Idle,
    /// Result of a conversation.
    WrapUp,
}

/// An idle or wrap-up code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AuxCode {
    /// Name, unique among codes.
    pub name: String,
    /// What it is for.
    pub kind: AuxCodeKind,
    /// Taken when none is named.
    #[serde(default)]
    pub is_default: bool,
    /// Switched on.
    #[serde(default = "yes")]
    pub active: bool,
}

/// An entry point: where interactions come in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EntryPoint {
    /// Name, unique among entry points.
    pub name: String,
    /// Channel.
    pub channel_type: ChannelType,
    /// Numbers or addresses that lead here (user part of the SIP request URI; chat: the entry point's key).
    #[serde(default)]
    pub numbers: Vec<String>,
    /// Flow that runs.
    pub flow_id: FlowId,
    /// Most interactions at once; no limit if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_active_interactions: Option<u32>,
    /// Switched on.
    #[serde(default = "yes")]
    pub active: bool,
}

/// The name every entity document has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Named {
    /// The name.
    pub name: String,
}

/// A parsed configuration document.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "each variant is documented at its type")]
pub enum Entity {
    Site(Site),
    Team(Team),
    User(User),
    Skill(Skill),
    SkillProfile(SkillProfile),
    Queue(Queue),
    EntryPoint(EntryPoint),
    MultimediaProfile(MultimediaProfile),
    AuxCode(AuxCode),
    Flow(Flow),
    UserProfile(UserProfile),
    ResourceCollection(ResourceCollection),
    RetentionPolicy(RetentionPolicy),
    LegalHold(LegalHold),
    ReportSchedule(ReportSchedule),
    AlertRule(AlertRule),
    WebhookSubscription(WebhookSubscription),
    /// A kind whose document is only stored and shown today.
    Other(EntityKind, Document),
}

impl Entity {
    /// Parses a document by its kind.
    ///
    /// # Errors
    /// If the document does not fit; the message names the field.
    pub fn parse(kind: EntityKind, document: &Document) -> Result<Self, serde_json::Error> {
        Ok(match kind {
            EntityKind::Site => Self::Site(document.parse()?),
            EntityKind::Team => Self::Team(document.parse()?),
            EntityKind::User => Self::User(document.parse()?),
            EntityKind::Skill => Self::Skill(document.parse()?),
            EntityKind::SkillProfile => Self::SkillProfile(document.parse()?),
            EntityKind::Queue => Self::Queue(document.parse()?),
            EntityKind::EntryPoint => Self::EntryPoint(document.parse()?),
            EntityKind::MultimediaProfile => Self::MultimediaProfile(document.parse()?),
            EntityKind::AuxCode => Self::AuxCode(document.parse()?),
            EntityKind::Flow => Self::Flow(document.parse()?),
            EntityKind::UserProfile => Self::UserProfile(document.parse()?),
            EntityKind::ResourceCollection => Self::ResourceCollection(document.parse()?),
            EntityKind::RetentionPolicy => Self::RetentionPolicy(document.parse()?),
            EntityKind::LegalHold => Self::LegalHold(document.parse()?),
            EntityKind::ReportSchedule => Self::ReportSchedule(document.parse()?),
            EntityKind::AlertRule => Self::AlertRule(document.parse()?),
            EntityKind::WebhookSubscription => Self::WebhookSubscription(document.parse()?),
            other => {
                document.parse::<Named>()?;
                Self::Other(other, document.clone())
            }
        })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Site(it) => it.name.clone(),
            Self::Team(it) => it.name.clone(),
            Self::User(it) => it.name.clone(),
            Self::Skill(it) => it.name.clone(),
            Self::SkillProfile(it) => it.name.clone(),
            Self::Queue(it) => it.name.clone(),
            Self::EntryPoint(it) => it.name.clone(),
            Self::MultimediaProfile(it) => it.name.clone(),
            Self::AuxCode(it) => it.name.clone(),
            Self::Flow(it) => it.name.clone(),
            Self::UserProfile(it) => it.name.clone(),
            Self::ResourceCollection(it) => it.name.clone(),
            Self::RetentionPolicy(it) => it.name.clone(),
            Self::LegalHold(it) => it.name.clone(),
            Self::ReportSchedule(it) => it.name.clone(),
            Self::AlertRule(it) => it.name.clone(),
            Self::WebhookSubscription(it) => it.name.clone(),
            Self::Other(_, document) => {
                document.parse::<Named>().map(|named| named.name).unwrap_or_default()
            }
        }
    }
}
