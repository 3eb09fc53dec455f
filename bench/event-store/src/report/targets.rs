//! The targets, held against the figures of a run.

use serde::{Deserialize, Serialize};

use super::results::{Cell, Results, What};
use crate::load::{Load, Streams};
use crate::measure::append::Appended;
use crate::stores::Kind;

/// A target and what came of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Verdict {
    pub(crate) target: String,
    /// The figure, with what it is a share of.
    pub(crate) figure: String,
    /// `None`: not measured.
    pub(crate) reached: Option<bool>,
}

const OURS: Kind = Kind::Ledgerline;

const fn spread(writers: u64, batch: u64, payload_bytes: usize) -> Load {
    Load { writers, batch, payload_bytes, streams: Streams::Spread }
}

/// All targets of the log's speed.
pub(crate) fn verdicts(results: &Results) -> Vec<Verdict> {
    let mut all =
        vec![one_writer(results, false), one_writer(results, true), beside_peers(results)];
    let loads = [spread(512, 1, 256), spread(512, 1, 1_024), spread(512, 100, 1_024)];
    all.extend(loads.iter().map(|load| bandwidth(results, load)));
    all.extend([1, 4].map(|batch| replay(results, batch)));
    all.push(restart(results));
    all
}

fn verdict(target: &str, found: Option<(String, bool)>) -> Verdict {
    let (figure, reached) = match found {
        Some((figure, reached)) => (figure, Some(reached)),
        None => ("not measured".to_owned(), None),
    };
    Verdict { target: target.to_owned(), figure, reached }
}

/// Each round is held against the sync rate measured right before it.
fn one_writer(results: &Results, awake: bool) -> Verdict {
    let target = format!(
        "1 writer ≥ 0.9 × sync rate, processor {}",
        if awake { "kept awake" } else { "idle" }
    );
    let share = |cell: &Cell, it: &Appended| it.events_per_s() / cell.raw.syncs_per_s;
    let found = results.median(OURS, &spread(1, 1, 256), awake, share);
    let found = found.map(|share| {
        let figure = format!("{:.2} × ({:.2} to {:.2})", share.middle, share.least, share.most);
        (figure, share.middle >= 0.9)
    });
    verdict(&target, found)
}

fn beside_peers(results: &Results) -> Verdict {
    let load = spread(64, 1, 256);
    let rate = |kind| results.median_events_per_s(kind, &load, false).map(|rate| (rate, kind));
    let peers = Kind::ALL.into_iter().filter(|kind| kind.durable() && !kind.ours());
    let best = peers.filter_map(rate).max_by(|one, other| one.0.total_cmp(&other.0));
    let found = rate(OURS).zip(best).map(|((ours, _), (best, peer))| {
        let figure =
            format!("{:.1} × {} ({ours:.0} and {best:.0} events/s)", ours / best, peer.label());
        (figure, ours >= 2.0 * best)
    });
    verdict("64 writers ≥ 2 × the best durable peer", found)
}

fn bandwidth(results: &Results, load: &Load) -> Verdict {
    let target = format!(
        "512 writers × {} × {} B ≥ 60 % of the write bandwidth",
        load.batch, load.payload_bytes
    );
    let share = |cell: &Cell, it: &Appended| {
        it.stored_bytes_per_s().unwrap_or(0.0) / cell.raw.write_bytes_per_s
    };
    let bytes = |_: &Cell, it: &Appended| it.stored_bytes_per_s().unwrap_or(0.0);
    let found = results
        .median(OURS, load, false, share)
        .zip(results.median(OURS, load, false, bytes))
        .map(|(share, bytes)| {
            let figure = format!(
                "{:.0} % ({:.0} to {:.0} %), {:.0} MB/s stored",
                share.middle * 100.0,
                share.least * 100.0,
                share.most * 100.0,
                bytes.middle / 1e6
            );
            (figure, share.middle >= 0.6)
        });
    verdict(&target, found)
}

fn replay(results: &Results, batch: u64) -> Verdict {
    let target = format!(
        "replay ≥ 5 M frames/s verified, {batch} event{} a frame",
        if batch == 1 { "" } else { "s" }
    );
    let runs = results
        .replays
        .iter()
        .filter(|it| it.kind == OURS && it.batch == batch && it.what == What::Verify && !it.cold);
    let rates = runs.map(|it| {
        (it.read.frames as f64 / it.read.seconds, it.read.bytes as f64 / it.read.seconds)
    });
    let found = rates.max_by(|one, other| one.0.total_cmp(&other.0)).map(|(frames, bytes)| {
        let figure = format!("{:.2} M frames/s, {:.1} GB/s, warm", frames / 1e6, bytes / 1e9);
        (figure, frames >= 5e6)
    });
    verdict(&target, found)
}

fn restart(results: &Results) -> Verdict {
    let runs = results.restarts.iter().filter(|it| it.kind == OURS);
    let huge: Vec<_> =
        runs.filter(|it| it.opened.events >= 100_000_000).map(|it| it.opened.open_s).collect();
    let slowest = huge.iter().copied().max_by(f64::total_cmp);
    let found = slowest.map(|slowest| (format!("{slowest:.2} s"), slowest < 5.0));
    verdict("restart after kill -9 with 100 M events < 5 s (--huge)", found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::facts::Facts;
    use crate::measure::raw::Raw;
    use crate::measure::restart::Opened;
    use crate::report::results::Restarted;

    fn cell(kind: Kind, load: Load, events: u64, syncs_per_s: f64) -> Cell {
        let raw = Raw { syncs_per_s, write_bytes_per_s: 1e6, ..Raw::default() };
        let stored = crate::stores::Stored { frames: 1, events: 10, bytes: 1_000 };
        let appended =
            Appended { events, seconds: 1.0, stored: Some(stored), ..Appended::default() };
        Cell { kind, load, awake: false, round: 1, raw, appended: Some(appended), failed: None }
    }

    #[test]
    fn figures_are_held_against_their_own_limits() {
        let mut results = Results::begin(Facts::default());
        assert!(verdicts(&results).iter().all(|it| it.reached.is_none()));
        let one = spread(1, 1, 256);
        results.cells.push(cell(OURS, one, 950, 1_000.0));
        results.cells.push(cell(OURS, spread(64, 1, 256), 1_999, 1_000.0));
        results.cells.push(cell(Kind::Umadb, spread(64, 1, 256), 1_000, 1_000.0));
        // Not durable: no peer, however fast.
        results.cells.push(cell(Kind::NatsDefault, spread(64, 1, 256), 9_000, 1_000.0));
        results.cells.push(cell(OURS, spread(512, 1, 256), 7_000, 1_000.0));
        let opened = Opened { events: 100_000_000, open_s: 6.0, ..Opened::default() };
        results.restarts.push(Restarted::ours(true, opened));
        let reached = |part: &str| {
            let all = verdicts(&results);
            all.iter().find(|it| it.target.contains(part)).and_then(|it| it.reached)
        };
        assert_eq!(reached("idle"), Some(true));
        assert_eq!(reached("best durable peer"), Some(false));
        // 7,000 events of 100 bytes are 70 % of a million bytes.
        assert_eq!(reached("512 writers × 1 × 256 B"), Some(true));
        assert_eq!(reached("100 M events"), Some(false));
        assert_eq!(reached("kept awake"), None);
    }
}
