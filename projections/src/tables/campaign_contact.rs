//! `campaign_contact`: one row per contact of a campaign's list.

use std::sync::Arc;

use ledgerline_schemas::Timestamp;
use ledgerline_schemas::event::campaign::SuppressionReason;
use ledgerline_schemas::id::{CampaignContactId, CampaignId, InteractionId, UserId};

table! {
    /// One contact of a campaign's list as it stands now. The number is sealed in `event_log`.
    CampaignContact = "campaign_contact", key CampaignContactId = [campaign_contact_id], sort [campaign_contact_id], live false;
    /// The campaign contact.
    campaign_contact_id: CampaignContactId,
    /// The campaign.
    campaign_id: CampaignId,
    /// When it joined the list.
    loaded_time: Timestamp,
    /// When it was reserved for an agent last.
    reserved_time: Option<Timestamp>,
    /// When an agent saw it last.
    previewed_time: Option<Timestamp>,
    /// The agent it was reserved for or shown to last.
    agent_id: Option<UserId>,
    /// Name of the agent.
    agent_name: Option<Arc<str>>,
    /// Times it was called.
    dial_count: u32,
    /// When it was called last.
    dialled_time: Option<Timestamp>,
    /// Interaction of the last call.
    interaction_id: Option<InteractionId>,
    /// Outcome of the last call (call progress analysis).
    cpa_status: Option<Arc<str>>,
    /// When that was known.
    result_time: Option<Timestamp>,
    /// Why it must not be called: dnc, hours, attempts.
    suppression_reason: Option<SuppressionReason>,
    /// When that was said.
    suppressed_time: Option<Timestamp>,
}
