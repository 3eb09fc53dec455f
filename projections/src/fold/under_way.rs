//! `interaction_live`, and what is counted of it: `entry_point_live` and `flow_live`.
//!
//! An interaction is under way until it has ended and no stay in a queue, conversation or wrap-up of it goes on. That is
//! what makes its rows final, too, so whatever leaves memory has left `interaction_live` before.

use ledgerline_schemas::Position;
use ledgerline_schemas::event::flow::FlowError;
use ledgerline_schemas::id::{EntryPointId, FlowId, InteractionId};

use crate::column::{Outcome, Stage};
use crate::fold::{At, Fold, text};
use crate::tables::{EntryPointLive, FlowLive, InteractionLive};

/// What an interaction adds to the row of its entry point.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts {
    in_flow: i64,
    waiting: i64,
    connected: i64,
    wrapup: i64,
    elsewhere: i64,
}

impl Counts {
    fn of(row: &InteractionLive) -> Self {
        let mut counts = Self::default();
        *match row.state {
            Stage::New | Stage::Ivr => &mut counts.in_flow,
            Stage::Queued | Stage::Offered => &mut counts.waiting,
            Stage::Connected | Stage::Hold | Stage::Consulting | Stage::Conference => {
                &mut counts.connected
            }
            Stage::Wrapup => &mut counts.wrapup,
            Stage::PostCall | Stage::Disconnected | Stage::Ended => &mut counts.elsewhere,
        } = 1;
        counts
    }
}

/// The flow an interaction is in.
fn flow_of(row: &InteractionLive) -> Option<FlowId> {
    row.flow_id.filter(|_| row.state == Stage::Ivr)
}

const fn empty(flow_id: FlowId) -> FlowLive {
    FlowLive {
        flow_id,
        flow_name: None,
        flow_version: None,
        in_flow_now: 0,
        started: 0,
        ended: 0,
        errors: 0,
        last_error_time: None,
        last_error_code: None,
        valid_from_position: Position::START,
    }
}

impl Fold {
    /// Notes that an interaction, its session or one of its legs changed.
    pub(super) fn touched(&mut self, id: InteractionId) {
        if self.touched.last() != Some(&id) {
            self.touched.push(id);
        }
    }

    /// Brings the interactions that the event changed in line.
    pub(super) fn touched_shown(&mut self, at: &mut At<'_>) {
        let mut touched = std::mem::take(&mut self.touched);
        touched.sort_unstable();
        touched.dedup();
        for id in touched.drain(..) {
            self.interaction_shown(at, id);
        }
        self.touched = touched;
    }

    /// The row of an interaction as it is now; none when it is not under way.
    fn under_way(&self, id: InteractionId) -> Option<InteractionLive> {
        let interaction = self.interactions.get(&id)?;
        let session = self.tables.customer_session.get(&id)?;
        let legs = || interaction.legs.iter().filter_map(|id| self.tables.queue_leg.get(id));
        if !session.is_active && legs().all(|leg| leg.is_over()) {
            return None;
        }
        let leg = interaction.last_leg.and_then(|id| self.tables.queue_leg.get(&id));
        let shown = self.tables.interaction_live.get(&id);
        Some(InteractionLive {
            interaction_id: id,
            channel_type: session.channel_type,
            direction: session.direction,
            state: interaction.stage,
            since: interaction.stage_since,
            created_time: session.created_time,
            entry_point_id: session.entry_point_id,
            entry_point_name: session.entry_point_name.clone(),
            flow_id: session.flow_id,
            leg_id: leg.map(|leg| leg.leg_id),
            queue_id: leg.map(|leg| leg.queue_id),
            queue_name: leg.and_then(|leg| leg.queue_name.clone()),
            entered_time: leg.map(|leg| leg.entered_time),
            is_waiting: leg.is_some_and(|leg| leg.outcome == Outcome::Open),
            priority: session.priority,
            agent_id: session.last_agent_id,
            agent_name: session.last_agent_name.clone(),
            team_id: session.last_team_id,
            site_id: session.last_site_id,
            hold_count: session.hold_count,
            queue_count: session.queue_count,
            transfer_count: session.transfer_count,
            campaign_id: session.campaign_id,
            valid_from_position: shown.map_or(Position::START, |row| row.valid_from_position),
        })
    }

    fn interaction_shown(&mut self, at: &mut At<'_>, id: InteractionId) {
        let after = self.under_way(id);
        let before = self.tables.interaction_live.get(&id);
        if before == after.as_ref() {
            return;
        }
        let before = before.cloned();
        self.entry_points_counted(at, before.as_ref(), after.as_ref());
        self.flows_counted(at, before.as_ref(), after.as_ref());
        match after {
            Some(row) => self.tables.interaction_live.put(at.sink, row),
            None => self.tables.interaction_live.remove(at.sink, &id),
        }
    }

    fn entry_points_counted(
        &mut self,
        at: &mut At<'_>,
        before: Option<&InteractionLive>,
        after: Option<&InteractionLive>,
    ) {
        // The entry point of an interaction never changes.
        let row = after.or(before);
        let Some(entry_point_id) = row.and_then(|row| row.entry_point_id) else { return };
        let old = before.map(Counts::of).unwrap_or_default();
        let new = after.map(Counts::of).unwrap_or_default();
        let now = i64::from(after.is_some()) - i64::from(before.is_some());
        if old == new && now == 0 {
            return;
        }
        self.entry_point_live(at, entry_point_id, |row| {
            row.interactions_now += now;
            row.in_flow_now += new.in_flow - old.in_flow;
            row.waiting_now += new.waiting - old.waiting;
            row.connected_now += new.connected - old.connected;
            row.wrapup_now += new.wrapup - old.wrapup;
            row.elsewhere_now += new.elsewhere - old.elsewhere;
        });
    }

    /// Changes the row of an entry point, a new one if there is none.
    pub(super) fn entry_point_live(
        &mut self,
        at: &mut At<'_>,
        entry_point_id: EntryPointId,
        change: impl FnOnce(&mut EntryPointLive),
    ) {
        let known = self.tables.entry_point_live.get(&entry_point_id).cloned();
        let mut row = known.unwrap_or(EntryPointLive {
            entry_point_id,
            entry_point_name: None,
            interactions_now: 0,
            in_flow_now: 0,
            waiting_now: 0,
            connected_now: 0,
            wrapup_now: 0,
            elsewhere_now: 0,
            created: 0,
            valid_from_position: Position::START,
        });
        row.entry_point_name = self.config.name(entry_point_id.uuid());
        change(&mut row);
        self.tables.entry_point_live.put(at.sink, row);
    }

    fn flows_counted(
        &mut self,
        at: &mut At<'_>,
        before: Option<&InteractionLive>,
        after: Option<&InteractionLive>,
    ) {
        let (old, new) = (before.and_then(flow_of), after.and_then(flow_of));
        if old == new {
            return;
        }
        if let Some(flow_id) = old {
            self.flow_live(at, flow_id, |row| row.in_flow_now -= 1);
        }
        if let Some(flow_id) = new {
            self.flow_live(at, flow_id, |row| row.in_flow_now += 1);
        }
    }

    /// Changes the row of a flow, a new one if there is none.
    pub(super) fn flow_live(
        &mut self,
        at: &mut At<'_>,
        flow_id: FlowId,
        change: impl FnOnce(&mut FlowLive),
    ) {
        let known = self.tables.flow_live.get(&flow_id).cloned();
        let mut row = known.unwrap_or_else(|| empty(flow_id));
        row.flow_name = self.config.name(flow_id.uuid());
        change(&mut row);
        self.tables.flow_live.put(at.sink, row);
    }

    /// Counts an error of an activity at the flow of its interaction.
    pub(super) fn flow_error_counted(&mut self, at: &mut At<'_>, it: &FlowError) {
        let time = at.time();
        let session = self.tables.customer_session.get(&it.interaction_id);
        let Some(flow_id) = session.and_then(|row| row.flow_id) else { return };
        self.flow_live(at, flow_id, |row| {
            row.errors += 1;
            row.last_error_time = Some(time);
            row.last_error_code = Some(text(&it.code));
        });
    }
}
