//! The data of a run, as it is kept in `results/`.

use serde::{Deserialize, Serialize};

use super::targets::Verdict;
use crate::load::Load;
use crate::machine::facts::Facts;
use crate::measure::append::Appended;
use crate::measure::raw::Raw;
use crate::measure::replay::Read;
use crate::measure::restart::Opened;
use crate::measure::subscribe::Subscribed;
use crate::stores::Kind;

/// Everything a run found.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Results {
    /// When it began, UTC, RFC 3339.
    pub(crate) began: String,
    /// How long it took.
    pub(crate) seconds: f64,
    /// What it ran on.
    pub(crate) facts: Facts,
    /// The rows, one for each store and round.
    pub(crate) cells: Vec<Cell>,
    pub(crate) subscriptions: Vec<Subscription>,
    pub(crate) replays: Vec<Replayed>,
    pub(crate) restarts: Vec<Restarted>,
    /// What was not measured, and why.
    pub(crate) left_out: Vec<String>,
    /// What failed outside the rows.
    pub(crate) failures: Vec<String>,
    /// The targets, filled in by the report.
    pub(crate) verdicts: Vec<Verdict>,
}

/// One store in one row in one round.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Cell {
    pub(crate) kind: Kind,
    pub(crate) load: Load,
    /// With a processor that was kept awake.
    pub(crate) awake: bool,
    pub(crate) round: u32,
    /// The disk's limits, measured right before.
    pub(crate) raw: Raw,
    pub(crate) appended: Option<Appended>,
    pub(crate) failed: Option<String>,
}

/// From an append to a subscriber.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Subscription {
    pub(crate) kind: Kind,
    pub(crate) subscribed: Subscribed,
}

/// What was done with a filled store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum What {
    /// Filled.
    Fill,
    /// Every frame verified.
    Verify,
    /// Every event read.
    All,
    /// The events of one type read, one of a hundred.
    Rare,
}

/// A replay.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Replayed {
    pub(crate) kind: Kind,
    /// Events of the appends it was filled with.
    pub(crate) batch: u64,
    pub(crate) what: What,
    /// With an empty page cache.
    pub(crate) cold: bool,
    pub(crate) read: Read,
}

/// A restart after a kill.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Restarted {
    pub(crate) kind: Kind,
    /// With an empty page cache.
    pub(crate) cold: bool,
    /// Of a peer only the events and the time until it takes connections are known.
    pub(crate) opened: Opened,
}

impl Restarted {
    pub(crate) const fn ours(cold: bool, opened: Opened) -> Self {
        Self { kind: Kind::Ledgerline, cold, opened }
    }

    pub(crate) fn peer(kind: Kind, events: u64, open_s: f64) -> Self {
        Self { kind, cold: true, opened: Opened { events, open_s, ..Opened::default() } }
    }
}

/// Middle of some values, and the smallest and largest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Median {
    pub(crate) middle: f64,
    pub(crate) least: f64,
    pub(crate) most: f64,
}

impl Median {
    /// `None` of nothing. Of an even number the lower middle: no figure that was not measured.
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_unstable_by(f64::total_cmp);
        let middle = values.get(values.len().saturating_sub(1) / 2)?;
        Some(Self { middle: *middle, least: *values.first()?, most: *values.last()? })
    }
}

impl Results {
    pub(crate) fn begin(facts: Facts) -> Self {
        Self {
            began: chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Secs, true),
            seconds: 0.0,
            facts,
            cells: Vec::new(),
            subscriptions: Vec::new(),
            replays: Vec::new(),
            restarts: Vec::new(),
            left_out: Vec::new(),
            failures: Vec::new(),
            verdicts: Vec::new(),
        }
    }

    /// Rounds of a store in a row.
    pub(crate) fn rounds(&self, kind: Kind, load: &Load, awake: bool) -> Vec<&Cell> {
        let of = |cell: &&Cell| cell.kind == kind && cell.load == *load && cell.awake == awake;
        self.cells.iter().filter(of).collect()
    }

    /// Median of a figure over the rounds of a store in a row.
    pub(crate) fn median(
        &self,
        kind: Kind,
        load: &Load,
        awake: bool,
        figure: impl Fn(&Cell, &Appended) -> f64,
    ) -> Option<Median> {
        let cells = self.rounds(kind, load, awake);
        Median::of(cells.iter().filter_map(|cell| Some(figure(cell, cell.appended.as_ref()?))))
    }

    /// Events a second of a store in a row.
    pub(crate) fn median_events_per_s(&self, kind: Kind, load: &Load, awake: bool) -> Option<f64> {
        Some(self.median(kind, load, awake, |_, it| it.events_per_s())?.middle)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_are_measured_values() {
        let of = |values: &[f64]| Median::of(values.iter().copied());
        assert_eq!(of(&[]), None);
        assert_eq!(of(&[3.0, 1.0, 2.0]), Some(Median { middle: 2.0, least: 1.0, most: 3.0 }));
        assert_eq!(of(&[4.0, 1.0]).map(|it| it.middle), Some(1.0));
    }
}
