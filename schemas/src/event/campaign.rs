//! Campaign contacts (the field's fixed term).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::{CampaignContactId, CampaignId, InteractionId, UserId};
use crate::sensitive::Sensitive;

/// Why a campaign contact must not be called.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum SuppressionReason {
    /// On a do-not-call list.
    Dnc,
    /// Outside the hours allowed.
    Hours,
    /// Called often enough.
    Attempts,
}

impl SuppressionReason {
    /// The `lower_snake` name, as in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Dnc => "dnc",
            Self::Hours => "hours",
            Self::Attempts => "attempts",
        }
    }
}

/// A contact joined a campaign's list.
///
/// Event type `campaign_contact.loaded`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CampaignContactLoaded {
    /// The campaign contact.
    pub campaign_contact_id: CampaignContactId,
    /// The campaign.
    pub campaign_id: CampaignId,
    /// Number.
    pub number: Sensitive<String>,
}

/// It was reserved for an agent.
///
/// Event type `campaign_contact.reserved`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CampaignContactReserved {
    /// The campaign contact.
    pub campaign_contact_id: CampaignContactId,
    /// The agent.
    pub agent_id: UserId,
}

/// The agent saw it.
///
/// Event type `campaign_contact.previewed`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CampaignContactPreviewed {
    /// The campaign contact.
    pub campaign_contact_id: CampaignContactId,
    /// The agent.
    pub agent_id: UserId,
}

/// It was called.
///
/// Event type `campaign_contact.dialled`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CampaignContactDialled {
    /// The campaign contact.
    pub campaign_contact_id: CampaignContactId,
    /// The interaction of the call.
    pub interaction_id: InteractionId,
}

/// The call's outcome.
///
/// Event type `campaign_contact.result`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CampaignContactResult {
    /// The campaign contact.
    pub campaign_contact_id: CampaignContactId,
    /// Call progress analysis, lower_snake.
    pub cpa_status: String,
}

/// It must not be called.
///
/// Event type `campaign_contact.suppressed`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CampaignContactSuppressed {
    /// The campaign contact.
    pub campaign_contact_id: CampaignContactId,
    /// Why.
    pub reason: SuppressionReason,
}
