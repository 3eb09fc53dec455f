//! Durations of many calls.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use crate::outcome::Outcome;

/// Longest duration that is told from a longer one, µs.
const LONGEST_US: u64 = 120_000_000;
/// Digits that are kept.
const DIGITS: u8 = 3;

/// Counts durations, in microseconds with three digits.
#[derive(Debug)]
pub(crate) struct Latencies(Histogram<u64>);

impl Latencies {
    pub(crate) fn new() -> Outcome<Self> {
        Ok(Self(Histogram::new_with_bounds(1, LONGEST_US, DIGITS)?))
    }

    pub(crate) fn record(&mut self, took: Duration) {
        self.0.saturating_record(u64::try_from(took.as_micros()).unwrap_or(u64::MAX).max(1));
    }

    pub(crate) fn add(&mut self, other: &Self) -> Outcome<()> {
        self.0.add(&other.0)?;
        Ok(())
    }

    pub(crate) fn count(&self) -> u64 {
        self.0.len()
    }

    pub(crate) fn summary(&self) -> Summary {
        let at = |quantile| self.0.value_at_quantile(quantile);
        Summary { p50_us: at(0.5), p99_us: at(0.99), p999_us: at(0.999), max_us: self.0.max() }
    }
}

/// Quantiles of durations, µs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Summary {
    pub(crate) p50_us: u64,
    pub(crate) p99_us: u64,
    pub(crate) p999_us: u64,
    pub(crate) max_us: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_what_was_recorded() -> Outcome<()> {
        let (mut one, mut other) = (Latencies::new()?, Latencies::new()?);
        (1..=500).for_each(|us| one.record(Duration::from_micros(us)));
        (501..=1_000).for_each(|us| other.record(Duration::from_micros(us)));
        one.add(&other)?;
        assert_eq!(one.count(), 1_000);
        let Summary { p50_us, p99_us, p999_us, max_us } = one.summary();
        assert_eq!((p50_us, p99_us, p999_us, max_us), (500, 990, 999, 1_000));
        Ok(())
    }
}
