//! When what failed is tried again: at growing intervals, for 75 hours.

use ledgerline_schemas::Timestamp;
use ledgerline_schemas::id::derive_id;
use uuid::Uuid;

/// Waits after each failed attempt but the last, s: the schedule that Standard Webhooks propose, 75 h 35 min in all.
const WAITS_S: [u64; 9] = [5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400];

/// Attempts, the first one included.
pub const ATTEMPTS_MAX: u32 = WAITS_S.len() as u32 + 1;

/// When to try again what failed at `at` for the `attempt`th time, counted from 1; `None` after the last.
///
/// The wait is spread by a tenth to either side, by `id` and attempt: what failed together does not come back together,
/// and a restart comes to the same time.
#[must_use]
pub fn next(id: Uuid, attempt: u32, at: Timestamp) -> Option<Timestamp> {
    let index = usize::try_from(attempt.checked_sub(1)?).ok()?;
    let wait_s = WAITS_S.get(index)?;
    let spread = derive_id(id, &attempt.to_string()).as_u128() % 201;
    let per_mille = 900 + u64::try_from(spread).unwrap_or(100);
    Some(at.plus_ms(wait_s * per_mille))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_add_up_to_three_days_and_are_spread() {
        let mut totals = std::collections::BTreeSet::new();
        for n in 0..200_u128 {
            let id = Uuid::from_u128(n);
            let mut at = Timestamp::EPOCH;
            for attempt in 1..ATTEMPTS_MAX {
                let after = next(id, attempt, at).unwrap();
                assert_eq!(next(id, attempt, at), Some(after));
                let wait = WAITS_S[attempt as usize - 1] * 1_000;
                let waited = after.ms_since(at);
                assert!((wait * 9 / 10..=wait * 11 / 10).contains(&waited), "{attempt}: {waited}");
                at = after;
            }
            assert_eq!(next(id, ATTEMPTS_MAX, at), None);
            let hours = at.ms_since(Timestamp::EPOCH) / 3_600_000;
            assert!((68..=84).contains(&hours), "{hours} h");
            totals.insert(at);
        }
        assert!(totals.len() > 190, "{} different totals", totals.len());
        assert_eq!(WAITS_S.iter().sum::<u64>(), 75 * 3_600 + 35 * 60 + 5);
    }
}
