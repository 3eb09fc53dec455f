//! How long to wait before something that failed is tried again.

use ledgerline_schemas::id::derive_id;
use ledgerline_schemas::{DurationMs, Timestamp};
use uuid::Uuid;

/// Growing waits with a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// After the first failure, ms; doubled after each further one.
    pub first_ms: DurationMs,
    /// The longest wait, ms.
    pub longest_ms: DurationMs,
    /// Attempts, the first one included; at least 1.
    pub attempts_max: u32,
}

impl Default for Retry {
    fn default() -> Self {
        Self { first_ms: 30_000, longest_ms: 3_600_000, attempts_max: 10 }
    }
}

impl Retry {
    /// Whether there is another attempt after this one, counted from 1.
    #[must_use]
    pub const fn goes_on(self, attempt: u32) -> bool {
        attempt < self.attempts_max
    }

    /// When to try again what failed at `at` for the `attempt`th time.
    ///
    /// The wait is spread by a quarter to either side, by `id` and attempt: what failed together does not come back
    /// together, and a restart comes to the same time.
    #[must_use]
    pub fn next(self, id: Uuid, attempt: u32, at: Timestamp) -> Timestamp {
        let doublings = attempt.saturating_sub(1).min(30);
        let wait = self.first_ms.saturating_mul(1 << doublings).min(self.longest_ms);
        let spread = derive_id(id, &attempt.to_string()).as_u128() % 501;
        let per_mille = 750 + u64::try_from(spread).unwrap_or(250);
        at.plus_ms(wait.saturating_mul(per_mille) / 1_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_are_spread_and_have_a_limit() {
        let retry = Retry { first_ms: 1_000, longest_ms: 60_000, attempts_max: 3 };
        let mut seen = std::collections::BTreeSet::new();
        for n in 0..100_u128 {
            let id = Uuid::from_u128(n);
            for (attempt, wait) in [(1, 1_000), (2, 2_000), (3, 4_000), (7, 60_000), (99, 60_000)] {
                let next = retry.next(id, attempt, Timestamp::EPOCH).ms_since(Timestamp::EPOCH);
                assert!((wait * 3 / 4..=wait * 5 / 4).contains(&next), "{attempt}: {next}");
                assert_eq!(
                    retry.next(id, attempt, Timestamp::EPOCH).ms_since(Timestamp::EPOCH),
                    next
                );
                seen.insert((attempt, next));
            }
        }
        assert!(seen.len() > 250, "{} different waits", seen.len());
        assert!(retry.goes_on(2) && !retry.goes_on(3));
    }
}
