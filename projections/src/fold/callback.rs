//! `callback`: callbacks from the request to their end.

use ledgerline_schemas::event::callback::{
    CallbackCancelled, CallbackCompleted, CallbackConnected, CallbackDialling, CallbackFailed,
    CallbackRequested,
};

use crate::column::CallbackState;
use crate::fold::activity::Step;
use crate::fold::{At, Fold, text};
use crate::tables::Callback;

impl Fold {
    pub(super) fn callback_requested(&mut self, at: &mut At<'_>, it: &CallbackRequested) {
        let row = Callback {
            callback_id: it.callback_id,
            interaction_id: it.interaction_id,
            callback_type: it.callback_type,
            queue_id: it.queue_id,
            keeps_leg_id: it.keeps_leg_id,
            state: CallbackState::Requested,
            requested_time: at.time(),
            not_before: it.not_before,
            not_after: it.not_after,
            attempts: 0,
            first_dialled_time: None,
            connected_time: None,
            call_interaction_id: None,
            agent_id: None,
            agent_name: None,
            ended_time: None,
            code: None,
            valid_from_position: at.header.position,
        };
        self.tables.callback.put(at.sink, row);
        let Some(id) = it.interaction_id else { return };
        self.session(at, id, |row| row.callback_count += 1);
        let step = Step {
            leg_id: it.keeps_leg_id,
            reason: Some(it.callback_type.name()),
            ..Step::default()
        };
        self.step(at, id, step);
    }

    pub(super) fn callback_dialling(&mut self, at: &mut At<'_>, it: &CallbackDialling) {
        let time = at.time();
        self.tables.callback.change(at.sink, &it.callback_id, |row| {
            row.state = CallbackState::Dialling;
            row.attempts = row.attempts.max(it.attempt);
            row.first_dialled_time = row.first_dialled_time.or(Some(time));
        });
    }

    pub(super) fn callback_connected(&mut self, at: &mut At<'_>, it: &CallbackConnected) {
        let time = at.time();
        let agent_name = it.agent_id.and_then(|id| self.config.name(id.uuid()));
        self.tables.callback.change(at.sink, &it.callback_id, |row| {
            row.state = CallbackState::Connected;
            row.connected_time = Some(time);
            row.call_interaction_id = Some(it.interaction_id);
            row.agent_id = it.agent_id;
            row.agent_name = agent_name;
        });
    }

    pub(super) fn callback_failed(&mut self, at: &mut At<'_>, it: &CallbackFailed) {
        self.tables.callback.change(at.sink, &it.callback_id, |row| {
            row.state = CallbackState::Failed;
            row.attempts = row.attempts.max(it.attempt);
            row.code = Some(text(&it.code));
        });
    }

    pub(super) fn callback_cancelled(&mut self, at: &mut At<'_>, it: &CallbackCancelled) {
        let time = at.time();
        self.tables.callback.change(at.sink, &it.callback_id, |row| {
            row.state = CallbackState::Cancelled;
            row.ended_time = Some(time);
            row.code = Some(text(&it.code));
        });
    }

    pub(super) fn callback_completed(&mut self, at: &mut At<'_>, it: &CallbackCompleted) {
        let time = at.time();
        self.tables.callback.change(at.sink, &it.callback_id, |row| {
            row.state = CallbackState::Completed;
            row.ended_time = Some(time);
        });
    }
}
