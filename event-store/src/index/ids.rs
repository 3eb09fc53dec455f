//! Which event ids are in the log: 16 bytes an event.
//!
//! The table keeps a 64-bit fingerprint and the position. A fingerprint that is found is a question, not an
//! answer: the event at that position says whether the id is the same.

use std::collections::BTreeSet;

use ledgerline_schemas::id::EventId;

/// Entries in the small sorted set that takes new ids.
const RECENT_MAX: usize = 1 << 16;
/// Entries of a run that is not merged any further: bounds how long one merge takes.
const RUN_MAX: usize = 1 << 20;

/// Fingerprints with positions: a small set for new ones, and sorted runs.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ids {
    recent: BTreeSet<(u64, u64)>,
    runs: Vec<Vec<(u64, u64)>>,
}

/// Ids may be random, ordered by time or derived: all bits take part.
fn fingerprint(id: EventId) -> u64 {
    const ODD: u64 = 0x9E37_79B9_7F4A_7C15;
    let (high, low) = id.uuid().as_u64_pair();
    (high.rotate_left(23) ^ low).wrapping_mul(ODD)
}

impl Ids {
    pub(crate) fn insert(&mut self, id: EventId, position: u64) {
        self.recent.insert((fingerprint(id), position));
        if self.recent.len() >= RECENT_MAX {
            let mut run: Vec<_> = std::mem::take(&mut self.recent).into_iter().collect();
            while let Some(last) = self.runs.pop_if(|last| last.len() <= run.len()) {
                if last.len() + run.len() > RUN_MAX {
                    self.runs.push(last);
                    break;
                }
                run = merged(&last, &run);
            }
            self.runs.push(run);
        }
    }

    /// Positions that may hold this id.
    pub(crate) fn candidates(&self, id: EventId) -> Vec<u64> {
        let wanted = fingerprint(id);
        let mut found: Vec<u64> =
            self.recent.range((wanted, 0)..=(wanted, u64::MAX)).map(|(_, at)| *at).collect();
        for run in &self.runs {
            let from = run.partition_point(|(print, _)| *print < wanted);
            let same = run.iter().skip(from).take_while(|(print, _)| *print == wanted);
            found.extend(same.map(|(_, position)| *position));
        }
        found
    }
}

fn merged(left: &[(u64, u64)], right: &[(u64, u64)]) -> Vec<(u64, u64)> {
    let mut out = Vec::with_capacity(left.len() + right.len());
    let (mut left, mut right) = (left.iter().peekable(), right.iter().peekable());
    while let (Some(a), Some(b)) = (left.peek(), right.peek()) {
        let next = if a <= b { left.next() } else { right.next() };
        out.extend(next);
    }
    out.extend(left);
    out.extend(right);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_id_is_found_through_all_runs_and_no_other() {
        let mut ids = Ids::default();
        let count = 3 * RECENT_MAX as u64 + 17;
        let id = |n: u64| EventId::from_u128(u128::from(n) << 64 | u128::from(n % 5));
        for n in 1..=count {
            ids.insert(id(n), n);
        }
        assert!(ids.runs.len() >= 2);
        for n in (1..=count).step_by(997) {
            assert_eq!(ids.candidates(id(n)), [n]);
        }
        assert!(ids.candidates(id(count + 1)).is_empty());
    }

    #[test]
    fn ids_with_one_fingerprint_are_all_candidates() {
        let mut ids = Ids::default();
        // The fingerprint mixes the halves by exclusive or: these two collide.
        let (first, second) = (EventId::from_u128(0), EventId::from_u128((1 << 64) | (1 << 23)));
        assert_eq!(fingerprint(first), fingerprint(second));
        ids.insert(first, 1);
        ids.insert(second, 2);
        assert_eq!(ids.candidates(first), [1, 2]);
    }
}
