//! `agent_interval`: what agents do by quarter of an hour, split at the borders.
//!
//! A *run* is a stretch of time in which one thing holds of an agent: logged in, a base state, a leg in
//! hand in one state. It is counted when it ends; and whenever an event is the first of a new quarter, every
//! run that lasts is counted up to the border. So the rows at a position depend on the events up to it only,
//! and quarters that are over are complete.

use std::collections::{BTreeMap, BTreeSet};

use ledgerline_schemas::config::ChannelType;
use ledgerline_schemas::id::{LegId, UserId};
use ledgerline_schemas::{Position, Timestamp};
use serde::{Deserialize, Serialize};

use crate::column::AgentActivityState;
use crate::fold::interval::{INTERVAL_MICROS, interval_start};
use crate::fold::{At, Fold};
use crate::tables::{AgentInterval, TableRow as _};

/// A run counts for at most 7 days: who never logs out, or an end dated wrongly, does not fill years of rows.
pub(super) const RUN_MS_MAX: u64 = 7 * 24 * 3_600_000;

type Key = (Timestamp, UserId, Option<ChannelType>);

/// What holds of an agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum Kind {
    /// A session runs.
    LoggedIn,
    /// A base state.
    Base(AgentActivityState),
    /// Available with nothing in hand.
    Ready,
    /// At least one interaction in hand that does not only ring.
    AnyContact,
    /// The same on one channel.
    Channel(ChannelType),
    /// A leg in hand.
    Hand(LegId, ChannelType, AgentActivityState),
}

impl Kind {
    const fn channel(self) -> Option<ChannelType> {
        match self {
            Self::LoggedIn | Self::Base(_) | Self::Ready | Self::AnyContact => None,
            Self::Channel(channel) | Self::Hand(_, channel, _) => Some(channel),
        }
    }

    const fn add(self, row: &mut AgentInterval, ms: i64) {
        use AgentActivityState as S;
        let of_state = match self {
            Self::LoggedIn => &mut row.logged_in_ms,
            Self::Ready => &mut row.ready_ms,
            Self::AnyContact => &mut row.any_contact_ms,
            Self::Channel(_) => &mut row.channel_contact_ms,
            Self::Base(state) | Self::Hand(_, _, state) => match state {
                S::Available => &mut row.available_ms,
                S::Idle => &mut row.idle_ms,
                S::NotResponding => &mut row.not_responding_ms,
                S::Ringing => &mut row.ringing_ms,
                S::Connected => &mut row.connected_ms,
                S::Hold => &mut row.hold_ms,
                S::Consulting => &mut row.consult_ms,
                S::Conference => &mut row.conference_ms,
                S::Wrapup => &mut row.wrapup_ms,
            },
        };
        *of_state += ms;
        if let Self::Hand(_, _, state) = self
            && !matches!(state, S::Ringing)
        {
            row.sum_contact_ms += ms;
        }
    }
}

/// A stretch of time that lasts.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Run {
    since: Timestamp,
    /// The rows have its time up to here.
    counted_to: Timestamp,
}

impl Run {
    /// The instant, if it can count: not before the run nor beyond what is counted of one.
    fn within(self, time: Timestamp) -> Timestamp {
        time.clamp(self.since, self.reach())
    }

    /// End of what may be counted of it.
    const fn reach(self) -> Timestamp {
        self.since.plus_ms(RUN_MS_MAX)
    }
}

/// The runs of an agent that last.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Runs(BTreeMap<Kind, Run>);

/// Quarters whose rows are final, by agent and channel, as ranges of quarter numbers.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Settled(BTreeMap<(UserId, Option<ChannelType>), BTreeMap<i64, i64>>);

const fn number(start: Timestamp) -> i64 {
    start.micros().div_euclid(INTERVAL_MICROS)
}

impl Settled {
    fn insert(&mut self, (start, agent_id, channel): Key) {
        let ranges = self.0.entry((agent_id, channel)).or_default();
        let number = number(start);
        let last = ranges.remove(&(number + 1)).unwrap_or(number);
        match ranges.range_mut(..number).next_back() {
            Some((_, before)) if *before + 1 == number => *before = last,
            _ => {
                ranges.insert(number, last);
            }
        }
    }

    fn contains(&self, (start, agent_id, channel): &Key) -> bool {
        let number = number(*start);
        self.0
            .get(&(*agent_id, *channel))
            .and_then(|ranges| ranges.range(..=number).next_back())
            .is_some_and(|(_, last)| *last >= number)
    }
}

fn ms(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// The time of a run from one instant to another by quarter, ms. Whole milliseconds are counted from the
/// begin of the run, so that the pieces of a run add up to its duration.
fn pieces(run: Run, from: Timestamp, to: Timestamp) -> impl Iterator<Item = (Timestamp, i64)> {
    let mut at = from;
    std::iter::from_fn(move || {
        if at >= to {
            return None;
        }
        let start = interval_start(at);
        let end = to.min(start.plus_ms(INTERVAL_MICROS.unsigned_abs() / 1_000));
        let piece = ms(end.ms_since(run.since)) - ms(at.ms_since(run.since));
        at = end;
        Some((start, piece))
    })
}

fn empty((interval_start, agent_id, channel_type): Key) -> AgentInterval {
    AgentInterval {
        interval_start,
        agent_id,
        channel_type,
        agent_name: None,
        team_id: None,
        site_id: None,
        logged_in_ms: 0,
        available_ms: 0,
        idle_ms: 0,
        not_responding_ms: 0,
        ready_ms: 0,
        any_contact_ms: 0,
        channel_contact_ms: 0,
        sum_contact_ms: 0,
        ringing_ms: 0,
        connected_ms: 0,
        hold_ms: 0,
        consult_ms: 0,
        conference_ms: 0,
        wrapup_ms: 0,
        handled: 0,
        offered: 0,
        accepted: 0,
        rejected: 0,
        ronas: 0,
        transfers_out: 0,
        transfers_in: 0,
        valid_from_position: Position::START,
    }
}

impl Fold {
    /// Something begins to hold of an agent.
    pub(super) fn run_begins(&mut self, at: &At<'_>, agent_id: UserId, kind: Kind) {
        let (since, agent) = (at.time(), self.agents.entry(agent_id).or_default());
        agent.runs.0.insert(kind, Run { since, counted_to: since });
    }

    /// It holds no longer: what was not counted yet is.
    pub(super) fn run_ends(&mut self, at: &mut At<'_>, agent_id: UserId, kind: Kind) {
        let run = self.agents.get_mut(&agent_id).and_then(|agent| agent.runs.0.remove(&kind));
        if let Some(run) = run {
            self.run_counted(at, agent_id, kind, run, at.time());
        }
    }

    /// Brings the runs that follow from session, state and hands in line with them.
    pub(super) fn runs_aligned(&mut self, at: &mut At<'_>, agent_id: UserId) {
        let Some(agent) = self.agents.get(&agent_id) else { return };
        let own = [
            (Kind::LoggedIn, agent.session.is_some()),
            (Kind::Ready, agent.is_ready()),
            (Kind::AnyContact, agent.is_in_contact(None)),
        ];
        let channels = ChannelType::ALL
            .map(|channel| (Kind::Channel(channel), agent.is_in_contact(Some(channel))));
        for (kind, holds) in own.into_iter().chain(channels) {
            let held =
                self.agents.get(&agent_id).is_some_and(|agent| agent.runs.0.contains_key(&kind));
            match (held, holds) {
                (false, true) => self.run_begins(at, agent_id, kind),
                (true, false) => self.run_ends(at, agent_id, kind),
                _ => {}
            }
        }
    }

    /// The event is the first of a new quarter: what lasts is counted up to its begin.
    pub(super) fn border_reached(&mut self, at: &mut At<'_>) {
        let quarter = interval_start(at.time());
        let is_new_day = !self.is_today(quarter);
        self.border = quarter.plus_ms(INTERVAL_MICROS.unsigned_abs() / 1_000);
        self.intervals_over(at);
        self.waits_aged(at);
        let mut shown = if is_new_day { self.day_begins(at) } else { BTreeSet::new() };
        let mut due: Vec<(UserId, Kind, Run)> = Vec::new();
        for (agent_id, agent) in &mut self.agents {
            for (kind, run) in &mut agent.runs.0 {
                let to = run.within(quarter);
                if to > run.counted_to {
                    due.push((*agent_id, *kind, *run));
                    run.counted_to = to;
                }
            }
        }
        for (agent_id, kind, run) in due {
            self.run_counted(at, agent_id, kind, run, quarter);
            shown.insert(agent_id);
        }
        for agent_id in shown {
            self.agent_refreshed(at, agent_id);
        }
    }

    /// Counts a run up to an instant. What was counted beyond it, because an event of another stream was
    /// dated later, is taken back.
    fn run_counted(
        &mut self,
        at: &mut At<'_>,
        agent_id: UserId,
        kind: Kind,
        run: Run,
        to: Timestamp,
    ) {
        let to = run.within(to);
        let (from, to, sign) =
            if to >= run.counted_to { (run.counted_to, to, 1) } else { (to, run.counted_to, -1) };
        for (start, piece) in pieces(run, from, to).filter(|(_, piece)| *piece != 0) {
            let is_counted = self.agent_interval(at, (start, agent_id, kind.channel()), |row| {
                kind.add(row, sign * piece);
            });
            if is_counted && self.is_today(start) {
                self.agent_counted_today(agent_id, kind, sign * piece);
            }
        }
    }

    /// Counts something that happened to an agent on a channel just now.
    pub(super) fn agent_counted_on(
        &mut self,
        at: &mut At<'_>,
        agent_id: UserId,
        channel_type: ChannelType,
        count: impl FnOnce(&mut AgentInterval),
    ) {
        self.agent_interval(at, (interval_start(at.time()), agent_id, Some(channel_type)), count);
    }

    /// Changes the row of a quarter unless it is final; whether it did.
    fn agent_interval(
        &mut self,
        at: &mut At<'_>,
        key: Key,
        change: impl FnOnce(&mut AgentInterval),
    ) -> bool {
        let (team_id, site_id) = self.agents.get(&key.1).map(|it| it.place).unwrap_or_default();
        let change = |row: &mut AgentInterval| {
            row.team_id = team_id.or(row.team_id);
            row.site_id = site_id.or(row.site_id);
            change(row);
        };
        if self.tables.agent_interval.get(&key).is_some() {
            self.tables.agent_interval.change(at.sink, &key, change)
        } else if self.settled_quarters.contains(&key) {
            false
        } else {
            let mut row = empty(key);
            row.agent_name = self.config.name(key.1.uuid());
            change(&mut row);
            self.tables.agent_interval.put(at.sink, row);
            true
        }
    }

    /// Takes out the rows of quarters that are over, that no run reaches, and that no event touched after
    /// `settled`. They are remembered: what is dated into them later is not counted.
    pub(super) fn evict_agent_intervals(&mut self, settled: Position) -> Vec<AgentInterval> {
        let quarter = self.present_quarter();
        let agents = &self.agents;
        let is_reached = |row: &AgentInterval| {
            let runs =
                agents.get(&row.agent_id).into_iter().flat_map(|agent| agent.runs.0.values());
            let end = row.interval_start.plus_ms(INTERVAL_MICROS.unsigned_abs() / 1_000);
            let mut runs = runs.copied();
            runs.any(|run| run.since < end && run.reach() > row.interval_start)
        };
        let rows = self.tables.agent_interval.evict(|row| {
            row.interval_start < quarter && row.shaped_at() <= settled && !is_reached(row)
        });
        for row in &rows {
            self.settled_quarters.insert(row.key());
        }
        rows
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn settled_quarters_are_the_ones_put_in(
            inserted in prop::collection::vec(-40..40_i64, 0..60),
        ) {
            let key = |number: i64| {
                let start = Timestamp::from_micros(number * INTERVAL_MICROS);
                (start, UserId::from_u128(1), Some(ChannelType::Chat))
            };
            let (mut settled, mut model) = (Settled::default(), BTreeSet::new());
            for number in inserted {
                if model.insert(number) {
                    settled.insert(key(number));
                }
            }
            for number in -45..45 {
                prop_assert_eq!(settled.contains(&key(number)), model.contains(&number));
            }
            prop_assert!(!settled.contains(&(key(0).0, UserId::from_u128(1), None)));
        }
    }
}
