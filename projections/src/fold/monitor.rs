//! `monitor_session`: supervisors who listen in.

use ledgerline_schemas::event::monitor::{
    MonitorBargedIn, MonitorEnded, MonitorStarted, MonitorWhispered,
};

use crate::fold::{At, Fold};
use crate::tables::MonitorSession;

impl Fold {
    pub(super) fn monitor_started(&mut self, at: &mut At<'_>, it: &MonitorStarted) {
        let row = MonitorSession {
            monitor_id: it.monitor_id,
            monitor_type: it.monitor_type,
            supervisor_id: it.supervisor_id,
            supervisor_name: self.config.name(it.supervisor_id.uuid()),
            agent_id: it.agent_id,
            agent_name: it.agent_id.and_then(|id| self.config.name(id.uuid())),
            interaction_id: it.interaction_id,
            is_invisible: it.invisible,
            started_time: at.time(),
            whisper_count: 0,
            barged_in_time: None,
            ended_time: None,
            duration_ms: None,
            valid_from_position: at.header.position,
        };
        self.tables.monitor_session.put(at.sink, row);
    }

    pub(super) fn monitor_barged_in(&mut self, at: &mut At<'_>, it: &MonitorBargedIn) {
        let time = at.time();
        self.tables.monitor_session.change(at.sink, &it.monitor_id, |row| {
            row.barged_in_time = row.barged_in_time.or(Some(time));
        });
    }

    pub(super) fn monitor_whispered(&mut self, at: &mut At<'_>, it: &MonitorWhispered) {
        self.tables.monitor_session.change(at.sink, &it.monitor_id, |row| row.whisper_count += 1);
    }

    pub(super) fn monitor_ended(&mut self, at: &mut At<'_>, it: &MonitorEnded) {
        let time = at.time();
        self.tables.monitor_session.change(at.sink, &it.monitor_id, |row| {
            row.ended_time = Some(time);
            row.duration_ms = Some(time.ms_since(row.started_time));
        });
    }
}
