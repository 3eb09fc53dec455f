//! `percentile_exact(x, q)`: the exact quantile by the continuous definition.
//!
//! With `n` values in ascending order, numbered from 0, it is the value at place `q · (n − 1)`, between two
//! values by linear interpolation: what PostgreSQL calls `percentile_cont` and Hyndman and Fan (1996)
//! definition 7. The values around the place are found by selection; the rest stays unsorted.

use datafusion::arrow::array::{Array, ArrayRef, AsArray, Float64Array};
use datafusion::arrow::datatypes::Float64Type;
use datafusion::error::Result;
use datafusion::scalar::ScalarValue;

use crate::functions::fold::{Call, Fold};
use crate::functions::scalar::unexpected;
use crate::functions::spec::{Spec, Type, argument};
use crate::functions::wire::{Reader, Writer, damaged, intact};

pub(super) static SPEC: Spec = Spec {
    name: "percentile_exact",
    arguments: &[argument("x", Type::Number), argument("q", Type::Number)],
    optional: 0,
    result: Type::Number,
    doc: "exact quantile q (0 to 1) of x, interpolated as PostgreSQL's percentile_cont does",
};

/// All values of a group, and the fraction asked for.
#[derive(Debug)]
pub(super) struct Percentile {
    values: Vec<f64>,
    fraction: Option<f64>,
}

impl Percentile {
    /// The quantile of all `values`, of which those before `start` are known to be no greater than the others and to be
    /// below its place; with that place, before which the same holds afterwards.
    pub(super) fn among(values: &mut [f64], start: usize, q: f64) -> Option<(f64, usize)> {
        let last = values.len().checked_sub(1)?;
        let place = q * last as f64;
        let lower = (place.floor() as usize).min(last);
        let part = place - lower as f64;
        let rest = values.get_mut(start..)?;
        let nth = lower.checked_sub(start)?;
        let (_, at, above) = rest.select_nth_unstable_by(nth, f64::total_cmp);
        let at = *at;
        if part <= 0.0 {
            return Some((at, lower));
        }
        let next = above.iter().copied().min_by(f64::total_cmp).unwrap_or(at);
        // The same value twice, also an infinite one, has nothing between.
        let between = if at.total_cmp(&next).is_eq() { at } else { at + part * (next - at) };
        Some((between, lower))
    }

    fn set_fraction(&mut self, q: f64) -> Result<()> {
        let q = super::fraction(&SPEC, q)?;
        match self.fraction {
            Some(known) if known.to_bits() != q.to_bits() => {
                Err(SPEC.wrong("q", format!("must be one value in a group, got {known} and {q}")))
            }
            _ => {
                self.fraction = Some(q);
                Ok(())
            }
        }
    }
}

/// One zero and one NaN: which of them came first must not show.
pub(super) fn plain(value: f64) -> f64 {
    if value.is_nan() { f64::NAN } else { value + 0.0 }
}

/// The value at place `q · (n − 1)` of the values in ascending order; NaN is the largest.
fn quantile(values: &mut [f64], q: f64) -> Option<f64> {
    Percentile::among(values, 0, q).map(|(quantile, _)| quantile)
}

impl Fold for Percentile {
    const SPEC: &'static Spec = &SPEC;
    type Columns<'a> = (&'a Float64Array, &'a Float64Array);

    fn start(_: &Call) -> Self {
        Self { values: Vec::new(), fraction: None }
    }

    fn columns(values: &[ArrayRef]) -> Result<Self::Columns<'_>> {
        let number = |index| {
            let column = super::column(values, index)?;
            column.as_primitive_opt::<Float64Type>().ok_or_else(|| unexpected(column.as_ref()))
        };
        Ok((number(0)?, number(1)?))
    }

    fn add(&mut self, (values, fractions): &Self::Columns<'_>, row: usize) -> Result<()> {
        if fractions.is_valid(row) {
            self.set_fraction(fractions.value(row))?;
        }
        if values.is_valid(row) {
            self.values.push(plain(values.value(row)));
        }
        Ok(())
    }

    fn state(&self) -> Vec<u8> {
        let mut writer = Writer(Vec::with_capacity(9 + 8 * self.values.len()));
        writer.option(self.fraction.map(|q| q.to_bits() as i64));
        writer.f64s(&self.values);
        writer.0
    }

    fn merge(&mut self, state: &[u8]) -> Result<()> {
        let mut reader = Reader(state);
        if let Some(bits) = intact(SPEC.name, reader.option())? {
            self.set_fraction(f64::from_bits(bits as u64))?;
        }
        let (values, []) = reader.0.as_chunks::<8>() else { return Err(damaged(SPEC.name)) };
        self.values.extend(values.iter().map(|value| f64::from_le_bytes(*value)));
        Ok(())
    }

    fn result(&mut self) -> Result<ScalarValue> {
        let found = self.fraction.and_then(|q| quantile(&mut self.values, q));
        Ok(ScalarValue::Float64(found))
    }

    fn heap_bytes(&self) -> usize {
        self.values.capacity() * size_of::<f64>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn values_of_postgresql() {
        // PostgreSQL 16: select percentile_cont(q) within group (order by x) from (values …).
        let at = |values: &[f64], q| quantile(&mut values.to_vec(), q);
        assert_eq!(at(&[], 0.5), None);
        assert_eq!(at(&[7.0], 0.3), Some(7.0));
        assert_eq!(at(&[4.0, 1.0, 3.0, 2.0], 0.5), Some(2.5));
        assert_eq!(at(&[40.0, 10.0, 20.0, 30.0], 0.9), Some(37.0));
        assert_eq!(at(&[10.0, 20.0], 0.25), Some(12.5));
        assert_eq!(at(&[f64::INFINITY, f64::INFINITY, 1.0], 0.75), Some(f64::INFINITY));
        assert!(at(&[f64::NAN, 1.0], 1.0).unwrap().is_nan());
    }

    proptest! {
        #[test]
        fn selection_is_what_sorting_gives(
            mut values in prop::collection::vec(-1e9_f64..1e9, 1..100), q in 0.0_f64..=1.0,
        ) {
            let got = quantile(&mut values.clone(), q).unwrap();
            values.sort_by(f64::total_cmp);
            let place = q * (values.len() - 1) as f64;
            let (lower, upper) = (values[place.floor() as usize], values[place.ceil() as usize]);
            prop_assert_eq!(got, lower + place.fract() * (upper - lower));
        }
    }
}
