//! Flow runs.

use ledgerline_schemas::Timestamp;
use ledgerline_schemas::config::ActivityKind;
use ledgerline_schemas::event::flow::{FlowStarted, FlowStepEntered, FlowStepExited};
use ledgerline_schemas::id::InteractionId;

use crate::state::State;
use crate::state::interaction::{Run, RunWait};

pub(super) fn started(state: &mut State, time: Timestamp, it: &FlowStarted) {
    if state.interactions.get(&it.interaction_id).is_none_or(|found| found.ended) {
        return;
    }
    ended(state, it.interaction_id);
    state.config.run_started(it.flow_id, it.flow_version);
    state.with_interaction(it.interaction_id, |interaction| {
        interaction.run = Some(Run {
            run_id: it.run_id,
            flow_id: it.flow_id,
            flow_version: it.flow_version,
            next_seq: 0,
            seq: 0,
            activity_id: String::new(),
            entered_at: time,
            waits: RunWait::Nothing,
        });
    });
}

pub(super) fn step_entered(state: &mut State, time: Timestamp, it: &FlowStepEntered) {
    let Some(run) = state.interactions.get(&it.interaction_id).and_then(|it| it.run.as_ref())
    else {
        return;
    };
    let activity = state
        .config
        .flow(run.flow_id, run.flow_version)
        .and_then(|flow| flow.activities.get(&it.activity_id));
    let waits = match activity.map(|activity| &activity.does) {
        Some(ActivityKind::PlayMessage { .. }) => RunWait::Prompt,
        Some(ActivityKind::Menu { .. }) => RunWait::Input,
        Some(ActivityKind::PlayMusic { duration_ms: 0, .. }) => RunWait::Outside,
        Some(ActivityKind::PlayMusic { duration_ms, .. } | ActivityKind::Wait { duration_ms }) => {
            RunWait::Until(time.plus_ms(*duration_ms))
        }
        Some(
            ActivityKind::SetPriority { .. }
            | ActivityKind::QueueContact { .. }
            | ActivityKind::Disconnect {},
        )
        | None => RunWait::Nothing,
    };
    state.with_interaction(it.interaction_id, |interaction| {
        if let Some(run) = &mut interaction.run {
            run.seq = it.seq;
            run.next_seq = it.seq.saturating_add(1);
            run.activity_id.clone_from(&it.activity_id);
            run.entered_at = time;
            run.waits = waits;
        }
    });
}

pub(super) fn step_exited(state: &mut State, it: &FlowStepExited) {
    state.with_interaction(it.interaction_id, |interaction| {
        if let Some(run) = &mut interaction.run {
            run.waits = RunWait::Nothing;
        }
    });
}

/// Ends the run, if there is one; flow versions count their runs.
pub(super) fn ended(state: &mut State, id: InteractionId) {
    let run = state.interactions.get(&id).and_then(|interaction| interaction.run.as_ref());
    let Some((flow_id, version)) = run.map(|run| (run.flow_id, run.flow_version)) else { return };
    state.config.run_ended(flow_id, version);
    state.with_interaction(id, |interaction| interaction.run = None);
}
