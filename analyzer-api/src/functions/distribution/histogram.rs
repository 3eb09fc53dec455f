//! A histogram with fixed logarithmic buckets. The same values give the same bytes, whatever their order
//! and however they were split and merged.
//!
//! **Buckets.** Each power of two is cut into 128 buckets of equal width, by the sign, the exponent and
//! the upper seven bits of the fraction of the value's IEEE 754 form: no logarithm is computed, so that
//! every machine finds the same bucket. A bucket is at most 1/128 as wide as its values are large, so
//! its middle is at most 1/256 (0.4 %) away from each of them (for magnitudes from 2.3e-308 on). Zero has
//! a bucket of its own. Smallest and largest value are kept exactly.
//!
//! **Form.** Byte 1 (the version), smallest and largest value as 8 bytes each (little-endian), then for
//! each bucket that is not empty, in ascending order, the zigzag varint of its number less the number of
//! the bucket before it (less 0 for the first), and the varint of its count.

use super::buckets::Buckets;
use crate::functions::wire::{Reader, Writer};

/// Largest error of [`Histogram::quantile`], relative to the value at that rank.
pub const RELATIVE_ERROR: f64 = 1.0 / 256.0;

const VERSION: u8 = 1;
/// Bits of the fraction that do not tell buckets apart.
const SHIFT: u32 = 52 - 7;

/// Counts of values by bucket; never empty.
#[derive(Clone, Debug, PartialEq)]
pub struct Histogram {
    smallest: f64,
    largest: f64,
    buckets: Buckets,
}

/// Number of a value's bucket: 0 for zero, positive for positive values, ascending with them.
fn bucket(value: f64) -> i32 {
    let magnitude = (value.abs().to_bits() >> SHIFT) as i32 + 1;
    if value == 0.0 {
        0
    } else if value > 0.0 {
        magnitude
    } else {
        -magnitude
    }
}

/// The bounds between which a bucket's values lie, the smaller first; behind the last one is infinity.
fn bounds(bucket: i32) -> (f64, f64) {
    if bucket == 0 {
        return (0.0, 0.0);
    }
    let number = u64::from(bucket.unsigned_abs());
    let (near, far) = (f64::from_bits((number - 1) << SHIFT), f64::from_bits(number << SHIFT));
    if bucket > 0 { (near, far) } else { (-far, -near) }
}

fn total(buckets: &[(i32, u64)]) -> u64 {
    buckets.iter().fold(0, |sum, (_, count)| sum.saturating_add(*count))
}

impl Histogram {
    /// A histogram of one value; `None` if it is infinite or not a number.
    #[must_use]
    pub fn of(value: f64) -> Option<Self> {
        // Adding zero makes a positive zero of a negative one.
        let value = if value.is_finite() { value + 0.0 } else { return None };
        let mut buckets = Buckets::default();
        buckets.add(bucket(value));
        Some(Self { smallest: value, largest: value, buckets })
    }

    /// Adds the values of another histogram.
    pub fn merge(&mut self, other: &Self) {
        self.smallest = self.smallest.min(other.smallest);
        self.largest = self.largest.max(other.largest);
        self.buckets.merge(&other.buckets);
    }

    /// Adds a value; false, and nothing is added, if it is infinite or not a number.
    pub fn add(&mut self, value: f64) -> bool {
        if !value.is_finite() {
            return false;
        }
        let value = value + 0.0;
        self.smallest = self.smallest.min(value);
        self.largest = self.largest.max(value);
        self.buckets.add(bucket(value));
        true
    }

    /// How many values there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        total(&self.buckets.sorted())
    }

    /// Bytes it holds beside itself.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        self.buckets.heap_bytes()
    }

    /// The smallest value at or below which at least the fraction `q` of all values lies, within
    /// [`RELATIVE_ERROR`]; exact for the smallest and the largest value. `q` is from 0 to 1.
    #[must_use]
    pub fn quantile(&self, q: f64) -> f64 {
        let buckets = self.buckets.sorted();
        let count = total(&buckets);
        let rank = ((q * count as f64).ceil() as u64).clamp(1, count);
        if rank == 1 {
            return self.smallest;
        }
        if rank == count {
            return self.largest;
        }
        let mut seen = 0_u64;
        for (bucket, count) in buckets.iter() {
            seen = seen.saturating_add(*count);
            if seen >= rank {
                let (lower, upper) = bounds(*bucket);
                let (lower, upper) = (lower.max(f64::MIN), upper.min(f64::MAX));
                return (lower + (upper - lower) / 2.0).clamp(self.smallest, self.largest);
            }
        }
        self.largest
    }

    /// How many values lie below `x`: exact where `x` is a positive bound of a bucket (such as every whole
    /// number up to 256), not above the smallest or above the largest value; otherwise the values in the
    /// bucket of `x` count in proportion to the part of it below `x`, rounded down.
    #[must_use]
    pub fn count_below(&self, x: f64) -> u64 {
        if x <= self.smallest {
            return 0;
        }
        let buckets = self.buckets.sorted();
        if x > self.largest {
            return total(&buckets);
        }
        let own = bucket(x);
        let (before, from) = buckets.split_at(buckets.partition_point(|it| it.0 < own));
        let below = total(before);
        let (lower, upper) = bounds(own);
        let part = if upper > lower { (x - lower) / (upper - lower) } else { 0.0 };
        let inside = from.first().filter(|it| it.0 == own).map_or(0, |it| it.1);
        below.saturating_add((inside as f64 * part) as u64)
    }

    /// The form described above.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut writer = Writer(vec![VERSION]);
        writer.f64(self.smallest);
        writer.f64(self.largest);
        let mut before = 0;
        for (bucket, count) in self.buckets.sorted().iter() {
            let step = i64::from(*bucket) - before;
            before = i64::from(*bucket);
            writer.varint(((step << 1) ^ (step >> 63)) as u64);
            writer.varint(*count);
        }
        writer.0
    }

    /// Reads the form described above. Each histogram has one form only.
    ///
    /// # Errors
    /// What is wrong with the bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, &'static str> {
        let mut reader = Reader(bytes);
        if reader.u8() != Some(VERSION) {
            return Err("is not a histogram of hist_agg (version 1)");
        }
        let (Some(smallest), Some(largest)) = (reader.f64(), reader.f64()) else {
            return Err("is a histogram that was cut off");
        };
        let mut buckets: Vec<(i32, u64)> = Vec::new();
        let mut before = 0_i64;
        while !reader.is_empty() {
            let (Some(step), Some(count)) = (reader.varint(), reader.varint()) else {
                return Err("is a histogram that was cut off");
            };
            let step = (step >> 1) as i64 ^ -((step & 1) as i64);
            let number = before.checked_add(step).and_then(|number| i32::try_from(number).ok());
            let number = number.filter(|_| step > 0 || buckets.is_empty());
            let (Some(number), 1..) = (number, count) else {
                return Err("is a histogram with damaged buckets");
            };
            before = i64::from(number);
            buckets.push((number, count));
        }
        let (Some((first, _)), Some((last, _))) = (buckets.first(), buckets.last()) else {
            return Err("is a histogram that was cut off");
        };
        let fits = |value: f64, number: &i32| {
            value.is_finite() && value.to_bits() != (-0.0_f64).to_bits() && bucket(value) == *number
        };
        if !fits(smallest, first) || !fits(largest, last) || smallest > largest {
            return Err("is a histogram whose smallest and largest value do not fit its buckets");
        }
        Ok(Self { smallest, largest, buckets: Buckets::counted(buckets) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn build(values: &[f64]) -> Option<Histogram> {
        let (first, rest) = values.split_first()?;
        let mut histogram = Histogram::of(*first)?;
        rest.iter().for_each(|value| assert!(histogram.add(*value)));
        Some(histogram)
    }

    fn value() -> impl Strategy<Value = f64> {
        prop_oneof![
            (0_i64..600_000).prop_map(|ms| ms as f64),
            -1e6_f64..1e6,
            1e-300_f64..1e-290,
            prop::sample::select(vec![0.0, -0.0, f64::MAX, f64::MIN, 1.0, 255.0, 256.0]),
        ]
    }

    #[test]
    fn what_is_not_finite_is_refused() {
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert!(Histogram::of(value).is_none());
            assert!(!Histogram::of(1.0).unwrap().add(value));
        }
    }

    #[test]
    fn the_form_does_not_change() {
        // Read by hand from the description: a released form stays readable.
        let bytes = build(&[1.0, 1.0, 1.5, -2.0]).unwrap().to_bytes();
        let number = |value: f64| i64::from(bucket(value));
        assert_eq!((number(1.0), number(1.5), number(-2.0)), (130_945, 131_009, -131_073));
        let mut expected = vec![1];
        expected.extend((-2.0_f64).to_le_bytes());
        expected.extend(1.5_f64.to_le_bytes());
        // -131073 as zigzag is 262145, then 262018 steps up as 524036, then 64 as 128.
        expected.extend([0x81, 0x80, 0x10, 1, 0x84, 0xfe, 0x1f, 2, 0x80, 0x01, 1]);
        assert_eq!(bytes, expected);
    }

    #[test]
    fn damaged_bytes_are_refused() {
        let good = build(&[-5.0, 1.0, 20.0, 20.1]).unwrap().to_bytes();
        for length in 0..good.len() {
            assert!(Histogram::from_bytes(&good[..length]).is_err(), "cut to {length}");
        }
        let mut longer = good.clone();
        longer.push(0);
        assert!(Histogram::from_bytes(&longer).is_err());
        let mut wrong_ends = good.clone();
        wrong_ends[1..9].copy_from_slice(&(-6.0_f64).to_le_bytes());
        assert!(Histogram::from_bytes(&wrong_ends).is_err());
    }

    proptest! {
        /// Any order and any partition give the same bytes, and the bytes are read back.
        #[test]
        fn order_and_partition_do_not_matter(
            values in prop::collection::vec((value(), 0_usize..5, any::<u32>()), 1..200),
        ) {
            let plain: Vec<f64> = values.iter().map(|it| it.0).collect();
            let expected = build(&plain).unwrap().to_bytes();
            let mut shuffled = values;
            shuffled.sort_by_key(|it| it.2);
            let parts = (0..5).map(|part| {
                let own = shuffled.iter().filter(|it| it.1 == part).map(|it| it.0);
                build(&own.collect::<Vec<_>>())
            });
            let merged = parts.flatten().reduce(|mut all, part| {
                all.merge(&Histogram::from_bytes(&part.to_bytes()).unwrap());
                all
            });
            prop_assert_eq!(merged.unwrap().to_bytes(), expected);
        }

        /// The stated error holds at every rank.
        #[test]
        fn quantiles_are_within_the_stated_error(
            mut values in prop::collection::vec(value(), 1..200), q in 0.0_f64..=1.0,
        ) {
            let histogram = build(&values).unwrap();
            values.sort_by(f64::total_cmp);
            let rank = ((q * values.len() as f64).ceil() as usize).clamp(1, values.len());
            let exact = values[rank - 1];
            let error = (histogram.quantile(q) - exact).abs();
            prop_assert!(error <= exact.abs() * RELATIVE_ERROR * (1.0 + 1e-12), "{} {}", exact, error);
            prop_assert_eq!(histogram.quantile(1.0), *values.last().unwrap());
        }

        /// Counts below lie between the exact counts below the two bounds of the bucket, and are exact at
        /// bounds.
        #[test]
        fn counts_below_are_between_those_at_the_bounds(
            values in prop::collection::vec(value(), 1..200), x in value(),
        ) {
            let histogram = build(&values).unwrap();
            let exact = |x: f64| values.iter().filter(|value| **value < x).count() as u64;
            let (lower, upper) = bounds(bucket(x));
            let got = histogram.count_below(x);
            let upto = values.iter().filter(|value| **value <= upper).count() as u64;
            prop_assert!(exact(lower) <= got && got <= upto, "{}", got);
            if x > 0.0 {
                prop_assert!(got <= exact(upper), "{}", got);
                prop_assert_eq!(histogram.count_below(lower), exact(lower));
            }
        }
    }
}
