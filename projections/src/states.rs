//! Which states are kept: a state is where going back in time begins.
//!
//! The two newest always, so that one may be lost. Of the others every one, as long as they fit into the bytes
//! allowed; then every second, every fourth … A larger step keeps a part of what a smaller one kept, so a state
//! that is gone is never missed later.

use ledgerline_schemas::Position;

/// A commit and what its state takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StateAt {
    /// Number of the commit, from 1.
    pub(crate) seq: u64,
    /// Position of the state.
    pub(crate) to: Position,
    /// Its size on disk, bytes.
    pub(crate) bytes: u64,
}

/// States that are always kept.
const NEWEST: usize = 2;

/// The states to keep, oldest first; those beside the newest two take at most `bytes_max`.
pub(crate) fn kept(all: &[StateAt], bytes_max: u64) -> Vec<StateAt> {
    let (older, newest) = all.split_at(all.len().saturating_sub(NEWEST));
    let mut step = 1_u64;
    loop {
        let mut kept: Vec<StateAt> =
            older.iter().filter(|it| it.seq.is_multiple_of(step)).copied().collect();
        let bytes: u64 = kept.iter().map(|it| it.bytes).sum();
        if bytes <= bytes_max || kept.is_empty() {
            kept.extend_from_slice(newest);
            return kept;
        }
        step = step.saturating_mul(2);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn states(sizes: &[u64]) -> Vec<StateAt> {
        (1..)
            .zip(sizes)
            .map(|(seq, bytes)| StateAt { seq, to: Position(seq * 10), bytes: *bytes })
            .collect()
    }

    fn numbers(kept: &[StateAt]) -> Vec<u64> {
        kept.iter().map(|it| it.seq).collect()
    }

    #[test]
    fn room_decides_how_many_are_kept() {
        let all = states(&[10; 10]);
        let table: [(u64, &[u64]); 5] = [
            (1_000, &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]),
            (80, &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]),
            (79, &[2, 4, 6, 8, 9, 10]),
            (20, &[4, 8, 9, 10]),
            (0, &[9, 10]),
        ];
        for (bytes_max, expected) in table {
            assert_eq!(numbers(&kept(&all, bytes_max)), expected, "{bytes_max} bytes");
        }
        assert_eq!(kept(&[], 0), []);
        assert_eq!(numbers(&kept(&states(&[10]), 0)), [1]);
    }

    proptest! {
        /// What is thrown away at one commit is not asked for at a later one.
        #[test]
        fn what_is_gone_is_not_missed_later(
            sizes in prop::collection::vec(0_u64..50, 1..80), bytes_max in 0_u64..600,
        ) {
            let all = states(&sizes);
            let mut there: Vec<u64> = Vec::new();
            for commit in 1..=all.len() {
                there.push(commit as u64);
                let wanted = numbers(&kept(&all[..commit], bytes_max));
                prop_assert!(wanted.iter().all(|seq| there.contains(seq)), "{wanted:?} of {there:?}");
                there.retain(|seq| wanted.contains(seq));
            }
        }
    }
}
