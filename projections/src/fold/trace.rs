//! `flow_trace`: the steps of flow runs.

use ledgerline_schemas::event::flow::{
    FlowError, FlowHttpCalled, FlowInputCollected, FlowStepEntered, FlowStepExited,
};
use ledgerline_schemas::id::{InteractionId, RunId};

use crate::fold::{At, Fold, text};
use crate::tables::FlowTrace;

impl Fold {
    pub(super) fn flow_step_entered(&mut self, at: &mut At<'_>, it: &FlowStepEntered) {
        let Some(interaction) = self.interactions.get_mut(&it.interaction_id) else { return };
        interaction.flow_step = Some((it.run_id, it.seq));
        let session = self.tables.customer_session.get(&it.interaction_id);
        let row = FlowTrace {
            run_id: it.run_id,
            seq: it.seq,
            interaction_id: it.interaction_id,
            entry_point_id: session.and_then(|row| row.entry_point_id),
            flow_id: session.and_then(|row| row.flow_id),
            flow_version: session.and_then(|row| row.flow_version),
            activity_id: text(&it.activity_id),
            activity_type: text(&it.activity_type),
            activity_name: text(&it.activity_name),
            entered_time: at.time(),
            exited_time: None,
            duration_ms: None,
            branch: None,
            input_outcome: None,
            error_code: None,
            http_method: None,
            http_status: None,
            http_latency_ms: None,
            valid_from_position: at.header.position,
        };
        self.tables.flow_trace.put(at.sink, row);
    }

    pub(super) fn flow_step_exited(&mut self, at: &mut At<'_>, it: &FlowStepExited) {
        let time = at.time();
        self.tables.flow_trace.change(at.sink, &(it.run_id, it.seq), |row| {
            row.exited_time = Some(time);
            row.duration_ms = Some(it.duration_ms);
            row.branch = Some(text(&it.branch_taken));
        });
    }

    pub(super) fn flow_http_called(&mut self, at: &mut At<'_>, it: &FlowHttpCalled) {
        self.flow_step(at, it.interaction_id, it.run_id, &it.activity_id, |row| {
            row.http_method = Some(text(&it.method));
            row.http_status = Some(it.status.into());
            row.http_latency_ms = Some(it.latency_ms);
        });
    }

    pub(super) fn flow_input_collected(&mut self, at: &mut At<'_>, it: &FlowInputCollected) {
        self.flow_step(at, it.interaction_id, it.run_id, &it.activity_id, |row| {
            row.input_outcome = Some(text(&it.outcome));
        });
    }

    pub(super) fn flow_error(&mut self, at: &mut At<'_>, it: &FlowError) {
        self.flow_error_counted(at, it);
        self.flow_step(at, it.interaction_id, it.run_id, &it.activity_id, |row| {
            row.error_code = Some(text(&it.code));
        });
    }

    /// Changes the step a run entered last, if it is of this activity.
    fn flow_step(
        &mut self,
        at: &mut At<'_>,
        id: InteractionId,
        run_id: RunId,
        activity_id: &str,
        change: impl FnOnce(&mut FlowTrace),
    ) {
        let step = self.interactions.get(&id).and_then(|interaction| interaction.flow_step);
        let Some(step) = step.filter(|(of, _)| *of == run_id) else { return };
        let is_meant = |row: &FlowTrace| &*row.activity_id == activity_id;
        self.tables.flow_trace.change_if(at.sink, &step, is_meant, change);
    }
}
