//! Customers come, answer the flow and leave.

use ledgerline_schemas::Sensitive;
use ledgerline_schemas::command::Command;
use ledgerline_schemas::config::ActivityKind;
use ledgerline_schemas::event::flow::FlowInputCollected;
use ledgerline_schemas::event::interaction::{
    Direction, InteractionCreated, Relationship, TerminationReason,
};
use ledgerline_schemas::event::media::{MediaLegAnswered, MediaLegOffered, MediaSide};
use ledgerline_schemas::id::{InteractionId, RunId};

use super::{Decision, Ending};
use crate::flow::flow_actor;
use crate::rejection::{Rejection, RejectionCode};
use crate::state::interaction::{MediaPhase, RunWait};

impl Decision<'_> {
    pub(super) fn start_interaction(&mut self, command: &Command) -> Result<(), Rejection> {
        let Command::StartInteraction {
            interaction_id,
            channel_type,
            destination,
            origin,
            media_leg_id,
            call_ref,
            transport,
        } = command
        else {
            return Ok(());
        };
        let id = *interaction_id;
        if self.interaction(id).is_some() {
            return Ok(());
        }
        let found = self.state.config.entry_point_of(destination);
        let Some((entry_point_id, entry)) =
            found.filter(|(_, entry)| entry.channel_type == *channel_type)
        else {
            let channel = channel_type.name();
            let message = format!("destination: no {channel} entry point has this number");
            return Err(Rejection::new(RejectionCode::UnknownNumber, message));
        };
        let active = self.state.index.entry_points.get(&entry_point_id).copied().unwrap_or(0);
        if entry.max_active_interactions.is_some_and(|limit| active >= limit) {
            let message = format!("destination: entry point {:?} is full", entry.name);
            return Err(Rejection::new(RejectionCode::Busy, message));
        }
        let event = InteractionCreated {
            interaction_id: id,
            channel_type: *channel_type,
            channel_sub_type: None,
            direction: Direction::Inbound,
            entry_point_id: Some(entry_point_id),
            origin: origin.clone(),
            destination: Some(destination.clone()),
            customer_code: None,
            parent_interaction_id: None,
            relationship: Relationship::None,
            reason: None,
            preferred_agent_id: None,
            campaign_id: None,
            media_ref: Some(call_ref.clone()),
        };
        self.cause = Some(self.emit(id, event));
        let event = MediaLegOffered {
            interaction_id: id,
            media_leg_id: *media_leg_id,
            side: MediaSide::Customer,
            call_ref: call_ref.clone(),
            transport: transport.clone(),
        };
        self.emit(id, event);
        Ok(())
    }

    /// The customer's media leg is up: the entry point's flow begins.
    pub(super) fn customer_connected(&mut self, id: InteractionId, codec: &str) {
        let Some(interaction) = self.open(id) else { return };
        let Some(media) = &interaction.customer else { return };
        if media.phase != MediaPhase::Ringing {
            return;
        }
        let entry_point_id = interaction.entry_point_id;
        let event = MediaLegAnswered {
            interaction_id: id,
            media_leg_id: media.media_leg_id,
            side: MediaSide::Customer,
            codec: codec.to_owned(),
        };
        self.cause = Some(self.emit(id, event));
        let entry = entry_point_id.and_then(|entry| self.state.config.entry_points.get(&entry));
        match entry.map(|entry| entry.flow_id) {
            Some(flow_id) => self.start_flow(id, flow_id),
            None => self.finish(id, Ending::system(TerminationReason::NoRoute)),
        }
    }

    pub(super) fn customer_left(&mut self, id: InteractionId) {
        self.finish(id, Ending::customer());
    }

    /// The prompt of the step that waits for it ended; one of an earlier step does nothing.
    pub(super) fn prompt_finished(&mut self, id: InteractionId, run_id: RunId, seq: u32) {
        if self.waits_at(id, (run_id, seq)) == Some(RunWait::Prompt) {
            self.prompt_over(id, false);
            self.take_branch(id, "next");
        }
    }

    pub(super) fn input_collected(
        &mut self,
        id: InteractionId,
        step: (RunId, u32),
        choice: &str,
        input: Option<&Sensitive<String>>,
    ) {
        if self.waits_at(id, step) != Some(RunWait::Input) {
            return;
        }
        let Some(run) = self.open(id).and_then(|interaction| interaction.run.as_ref()) else {
            return;
        };
        let activity = self
            .state
            .config
            .flow(run.flow_id, run.flow_version)
            .and_then(|flow| flow.activities.get(&run.activity_id));
        let Some(activity) = activity.filter(|it| matches!(it.does, ActivityKind::Menu { .. }))
        else {
            return;
        };
        let known = choice != "no_input" && activity.next.contains_key(choice);
        let (branch, masked) = match choice {
            "no_input" => ("no_input", String::new()),
            _ if known => (choice, choice.to_owned()),
            // What is no choice of the menu may be anything, a card number too.
            _ => ("no_match", "*".to_owned()),
        };
        let outcome = if known { format!("match:{branch}") } else { branch.to_owned() };
        let event = FlowInputCollected {
            interaction_id: id,
            run_id: run.run_id,
            activity_id: run.activity_id.clone(),
            outcome,
            input_masked: masked,
            input: input.cloned(),
        };
        let actor = flow_actor(run.run_id);
        let branch = branch.to_owned();
        self.cause = Some(self.emit_as(id, Some(actor), event));
        self.take_branch(id, &branch);
    }

    /// What the run waits for, if it is still in this step.
    fn waits_at(&self, id: InteractionId, (run_id, seq): (RunId, u32)) -> Option<RunWait> {
        let run = self.open(id)?.run.as_ref()?;
        (run.run_id == run_id && run.seq == seq).then_some(run.waits)
    }
}
