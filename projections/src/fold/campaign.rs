//! `campaign_contact`: contacts of campaign lists.

use ledgerline_schemas::Position;
use ledgerline_schemas::event::campaign::{
    CampaignContactDialled, CampaignContactLoaded, CampaignContactPreviewed,
    CampaignContactReserved, CampaignContactResult, CampaignContactSuppressed, SuppressionReason,
};

use crate::fold::{At, Fold, text};
use crate::tables::{CampaignContact, TableRow as _};

impl Fold {
    /// Takes out the contacts that must not be called any more and that no event touched after `settled`. Who
    /// was called may be called again; who is outside the hours allowed will be.
    pub(super) fn evict_campaign_contacts(&mut self, settled: Position) -> Vec<CampaignContact> {
        use SuppressionReason::{Attempts, Dnc};
        self.tables.campaign_contact.evict(|row| {
            matches!(row.suppression_reason, Some(Dnc | Attempts)) && row.shaped_at() <= settled
        })
    }

    pub(super) fn campaign_contact_loaded(&mut self, at: &mut At<'_>, it: &CampaignContactLoaded) {
        let row = CampaignContact {
            campaign_contact_id: it.campaign_contact_id,
            campaign_id: it.campaign_id,
            loaded_time: at.time(),
            reserved_time: None,
            previewed_time: None,
            agent_id: None,
            agent_name: None,
            dial_count: 0,
            dialled_time: None,
            interaction_id: None,
            cpa_status: None,
            result_time: None,
            suppression_reason: None,
            suppressed_time: None,
            valid_from_position: at.header.position,
        };
        self.tables.campaign_contact.put(at.sink, row);
    }

    pub(super) fn campaign_contact_reserved(
        &mut self,
        at: &mut At<'_>,
        it: &CampaignContactReserved,
    ) {
        let (time, agent_name) = (at.time(), self.config.name(it.agent_id.uuid()));
        self.tables.campaign_contact.change(at.sink, &it.campaign_contact_id, |row| {
            row.reserved_time = Some(time);
            row.agent_id = Some(it.agent_id);
            row.agent_name = agent_name;
        });
    }

    pub(super) fn campaign_contact_previewed(
        &mut self,
        at: &mut At<'_>,
        it: &CampaignContactPreviewed,
    ) {
        let (time, agent_name) = (at.time(), self.config.name(it.agent_id.uuid()));
        self.tables.campaign_contact.change(at.sink, &it.campaign_contact_id, |row| {
            row.previewed_time = Some(time);
            row.agent_id = Some(it.agent_id);
            row.agent_name = agent_name;
        });
    }

    pub(super) fn campaign_contact_dialled(
        &mut self,
        at: &mut At<'_>,
        it: &CampaignContactDialled,
    ) {
        let time = at.time();
        self.tables.campaign_contact.change(at.sink, &it.campaign_contact_id, |row| {
            row.dial_count += 1;
            row.dialled_time = Some(time);
            row.interaction_id = Some(it.interaction_id);
            row.cpa_status = None;
            row.result_time = None;
        });
    }

    pub(super) fn campaign_contact_result(&mut self, at: &mut At<'_>, it: &CampaignContactResult) {
        let time = at.time();
        self.tables.campaign_contact.change(at.sink, &it.campaign_contact_id, |row| {
            row.cpa_status = Some(text(&it.cpa_status));
            row.result_time = Some(time);
        });
    }

    pub(super) fn campaign_contact_suppressed(
        &mut self,
        at: &mut At<'_>,
        it: &CampaignContactSuppressed,
    ) {
        let time = at.time();
        self.tables.campaign_contact.change(at.sink, &it.campaign_contact_id, |row| {
            row.suppression_reason = Some(it.reason);
            row.suppressed_time = Some(time);
        });
    }
}
