//! Runs a flow: one activity after the other until one waits for something outside.
//!
//! The interpreter does nothing itself. It records steps; what they mean for the edges follows from the
//! recorded events.

use std::collections::BTreeMap;

use ledgerline_schemas::config::{Activity, ActivityKind, ChannelType};
use ledgerline_schemas::event::flow::{
    FlowEnded, FlowError, FlowExit, FlowStarted, FlowStepEntered, FlowStepExited,
};
use ledgerline_schemas::event::interaction::{InteractionPrioritySet, TerminationReason};
use ledgerline_schemas::event::media::{PromptFinished, PromptStarted};
use ledgerline_schemas::event::queue::QueueSource;
use ledgerline_schemas::id::{FlowId, InteractionId, RunId};
use ledgerline_schemas::{Actor, ActorType};

use crate::decide::{Decision, Ending};
use crate::state::interaction::Run;

/// Most activities one event may set off; more is a defect of the flow.
const STEPS_MAX: u32 = 100;

impl Decision<'_> {
    /// Starts the newest version of a flow.
    pub(crate) fn start_flow(&mut self, id: InteractionId, flow_id: FlowId) {
        let Some(version) = self.state.config.flow_version(flow_id) else {
            return self.finish(id, Ending::system(TerminationReason::NoRoute));
        };
        let Some(flow) = self.state.config.flow(flow_id, version) else {
            return self.finish(id, Ending::system(TerminationReason::NoRoute));
        };
        let start = flow.start.clone();
        let run_id: RunId = self.new_id("run");
        let event = FlowStarted {
            interaction_id: id,
            flow_id,
            flow_version: version,
            flow_tag: None,
            run_id,
        };
        self.emit_as(id, Some(flow_actor(run_id)), event);
        self.run_from(id, Some(start));
    }

    /// Leaves the current activity through a branch and goes on.
    pub(crate) fn take_branch(&mut self, id: InteractionId, branch: &str) {
        if let Some(next) = self.exit_step(id, branch) {
            self.run_from(id, next);
        }
    }

    fn run(&self, id: InteractionId) -> Option<&Run> {
        self.open(id).and_then(|interaction| interaction.run.as_ref())
    }

    fn activity(&self, run: &Run, activity_id: &str) -> Option<&Activity> {
        let flow = self.state.config.flow(run.flow_id, run.flow_version)?;
        flow.activities.get(activity_id)
    }

    /// Records the end of the step; gives the next activity, or nothing when no run is there.
    fn exit_step(&mut self, id: InteractionId, branch: &str) -> Option<Option<String>> {
        let run = self.run(id)?;
        let next = self
            .activity(run, &run.activity_id)
            .and_then(|activity| activity.next.get(branch))
            .cloned();
        let event = FlowStepExited {
            interaction_id: id,
            run_id: run.run_id,
            seq: run.seq,
            activity_id: run.activity_id.clone(),
            branch_taken: branch.to_owned(),
            variables_changed: BTreeMap::new(),
            sensitive_changed: BTreeMap::new(),
            duration_ms: self.now.ms_since(run.entered_at),
        };
        let actor = flow_actor(run.run_id);
        self.emit_as(id, Some(actor), event);
        Some(next)
    }

    fn run_from(&mut self, id: InteractionId, mut next: Option<String>) {
        for _ in 0..STEPS_MAX {
            let Some(activity_id) = next.take() else { return self.run_out(id) };
            let Some(run) = self.run(id) else { return };
            let run_id = run.run_id;
            let seq = run.next_seq;
            let Some(activity) = self.activity(run, &activity_id).cloned() else {
                return self.run_failed(id, &activity_id, "activity_missing");
            };
            let event = FlowStepEntered {
                interaction_id: id,
                run_id,
                seq,
                activity_id: activity_id.clone(),
                activity_type: activity.does.type_name().to_owned(),
                activity_name: activity.name.clone(),
            };
            self.emit_as(id, Some(flow_actor(run_id)), event);
            let branch = match &activity.does {
                ActivityKind::PlayMessage { media, .. } => {
                    return self.start_prompt(id, media, false);
                }
                ActivityKind::PlayMusic { media, .. } => return self.start_music(id, media),
                ActivityKind::Menu { .. } => return self.stop_prompt(id),
                ActivityKind::Wait { .. } => return,
                ActivityKind::SetPriority { priority } => {
                    self.set_priority(id, *priority, run_id);
                    "next"
                }
                ActivityKind::QueueContact { queue_id } => {
                    match self.enqueue(id, *queue_id, QueueSource::Flow, Some(flow_actor(run_id))) {
                        Ok(()) => "queued",
                        Err(code) => {
                            self.flow_error(id, &activity_id, code);
                            if !activity.next.contains_key("error") {
                                let reason = match code {
                                    "queue_full" => TerminationReason::QueueFull,
                                    _ => TerminationReason::NoRoute,
                                };
                                return self.give_up(id, reason);
                            }
                            "error"
                        }
                    }
                }
                ActivityKind::Disconnect {} => {
                    self.end_run(id, FlowExit::Disconnected);
                    return self.finish(id, Ending::system(TerminationReason::FlowEnded));
                }
            };
            match self.exit_step(id, branch) {
                Some(following) => next = following,
                None => return,
            }
        }
        self.run_failed(id, "", "too_many_steps");
    }

    /// The run has nothing left to do: a queued interaction waits with music, any other ends.
    fn run_out(&mut self, id: InteractionId) {
        if self.open(id).is_some_and(|interaction| interaction.leg.is_some()) {
            self.end_run(id, FlowExit::Queued);
            self.queue_music(id);
        } else {
            self.end_run(id, FlowExit::Ended);
            self.finish(id, Ending::system(TerminationReason::FlowEnded));
        }
    }

    fn run_failed(&mut self, id: InteractionId, activity_id: &str, code: &str) {
        self.flow_error(id, activity_id, code);
        self.give_up(id, TerminationReason::SystemError);
    }

    /// Ends the run after an error: what waits goes on waiting, anything else ends.
    fn give_up(&mut self, id: InteractionId, reason: TerminationReason) {
        self.end_run(id, FlowExit::Error);
        if self.open(id).is_some_and(|interaction| interaction.leg.is_some()) {
            self.queue_music(id);
        } else {
            self.finish(id, Ending::system(reason));
        }
    }

    fn flow_error(&mut self, id: InteractionId, activity_id: &str, code: &str) {
        let Some(run) = self.run(id) else { return };
        let event = FlowError {
            interaction_id: id,
            run_id: run.run_id,
            activity_id: activity_id.to_owned(),
            code: code.to_owned(),
        };
        let actor = flow_actor(run.run_id);
        self.emit_as(id, Some(actor), event);
    }

    /// Records the end of the run, if one runs.
    pub(crate) fn end_run(&mut self, id: InteractionId, exit: FlowExit) {
        let Some(run) = self.run(id) else { return };
        let run_id = run.run_id;
        let event = FlowEnded { interaction_id: id, run_id, exit };
        self.emit_as(id, Some(flow_actor(run_id)), event);
    }

    fn set_priority(&mut self, id: InteractionId, priority: u8, run_id: RunId) {
        let old = self.open(id).map(|interaction| interaction.priority);
        if let Some(old) = old.filter(|old| *old != priority) {
            let event = InteractionPrioritySet { interaction_id: id, old, new: priority };
            self.emit_as(id, Some(flow_actor(run_id)), event);
        }
    }

    /// Starts a prompt to the customer; what plays is cut.
    pub(crate) fn start_prompt(&mut self, id: InteractionId, media: &str, looped: bool) {
        self.stop_prompt(id);
        let Some(interaction) = self.open(id) else { return };
        let actor =
            interaction.run.as_ref().map_or_else(Actor::router, |run| flow_actor(run.run_id));
        let Some(media_leg_id) = interaction.customer_media() else { return };
        let media = media.to_owned();
        let event = PromptStarted { interaction_id: id, media_leg_id, media, looped };
        self.emit_as(id, Some(actor), event);
    }

    /// Starts music; channels without sound stay silent.
    pub(crate) fn start_music(&mut self, id: InteractionId, media: &str) {
        if self.open(id).is_some_and(|it| it.channel_type == ChannelType::Voice) {
            self.start_prompt(id, media, true);
        }
    }

    /// Stops what plays.
    pub(crate) fn stop_prompt(&mut self, id: InteractionId) {
        self.prompt_over(id, true);
    }

    /// Records the end of what plays.
    pub(crate) fn prompt_over(&mut self, id: InteractionId, interrupted: bool) {
        let Some(interaction) = self.open(id) else { return };
        let (Some(playing), Some(media_leg_id)) =
            (&interaction.playing, interaction.customer_media())
        else {
            return;
        };
        let media = playing.media.clone();
        self.emit(id, PromptFinished { interaction_id: id, media_leg_id, media, interrupted });
    }
}

/// The actor of what a run does.
pub(crate) fn flow_actor(run_id: RunId) -> Actor {
    Actor::new(ActorType::Flow, run_id)
}
