//! `alerts`: what fired and has not cleared.

use ledgerline_schemas::event::alert::{AlertCleared, AlertFired};

use crate::fold::{At, Fold, text};
use crate::tables::Alerts;

impl Fold {
    pub(super) fn alert_fired(&mut self, at: &mut At<'_>, it: &AlertFired) {
        let place = it.place;
        let row = Alerts {
            alert_id: it.alert_id,
            rule_id: it.rule_id,
            rule_name: text(&it.rule),
            severity: it.severity,
            message: text(&it.message),
            dataset: text(&it.dataset),
            row_key: text(&it.row_key),
            figure: text(&it.figure),
            comparison: it.comparison,
            threshold: it.threshold,
            value: it.value,
            began_time: it.began_at,
            fired_time: at.time(),
            read_position: it.read_position,
            queue_id: place.queue_id,
            queue_name: place.queue_id.and_then(|id| self.config.name(id.uuid())),
            entry_point_id: place.entry_point_id,
            team_id: place.team_id,
            team_name: place.team_id.and_then(|id| self.config.name(id.uuid())),
            site_id: place.site_id,
            agent_id: place.agent_id,
            interaction_id: place.interaction_id,
            flow_id: place.flow_id,
            valid_from_position: at.header.position,
        };
        self.tables.alerts.put(at.sink, row);
    }

    pub(super) fn alert_cleared(&mut self, at: &mut At<'_>, it: &AlertCleared) {
        self.tables.alerts.remove(at.sink, &it.alert_id);
    }
}
