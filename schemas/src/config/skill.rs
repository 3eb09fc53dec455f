//! Skills of agents and what legs require.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::yes;
use crate::id::SkillId;

/// Type of a skill's values.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum SkillType {
    /// 0 to 10.
    Proficiency,
    /// Yes or no.
    Boolean,
    /// Text.
    Text,
    /// One of a list.
    Enum,
}

/// A skill.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Skill {
    /// Name, unique among skills.
    pub name: String,
    /// Type of its values.
    pub skill_type: SkillType,
    /// Values allowed, for an enumeration.
    #[serde(default)]
    pub enum_values: Vec<String>,
    /// Switched on.
    #[serde(default = "yes")]
    pub active: bool,
}

/// Value of a skill.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SkillValue {
    /// 0 to 10.
    Proficiency(u8),
    /// Yes or no.
    Boolean(bool),
    /// Text or enumeration value.
    Text(String),
}

/// A skill an agent has.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct AgentSkill {
    /// The skill.
    pub skill_id: SkillId,
    /// Its value.
    pub value: SkillValue,
}

/// A set of skills given to users.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SkillProfile {
    /// Name, unique among skill profiles.
    pub name: String,
    /// The skills.
    #[serde(default)]
    pub skills: Vec<AgentSkill>,
}

/// How a required skill is compared.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum SkillCondition {
    /// At least.
    AtLeast,
    /// At most.
    AtMost,
    /// Equal.
    Is,
    /// Not equal.
    IsNot,
}

/// A skill required of an agent.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct SkillRequirement {
    /// The skill.
    pub skill_id: SkillId,
    /// How it is compared.
    pub condition: SkillCondition,
    /// With what.
    pub value: SkillValue,
    /// Weight in the score of the best available agent, 0 to 100.
    #[serde(default)]
    pub weight: u8,
}
