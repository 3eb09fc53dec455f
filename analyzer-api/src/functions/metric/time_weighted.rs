//! `time_weighted_avg(ts, value, from, to[, tie])`: the mean over time of a value that holds from each
//! sample to the next.
//!
//! The value at `from` is that of the last sample at or before it. Time before the first sample, and
//! after a sample whose value is null, is not known and does not count. Samples at `to` or later say
//! nothing about the window. Of several samples at one instant the one with the greatest `tie` holds.

use std::cmp::Ordering;

use datafusion::arrow::array::{ArrayRef, Float64Array, Int64Array, TimestampMicrosecondArray};
use datafusion::error::Result;
use datafusion::scalar::ScalarValue;

use super::columns::{At, ints, numbers, times};
use super::span::{Span, window};
use crate::functions::fold::{Call, Fold};
use crate::functions::spec::{Spec, Type, argument};
use crate::functions::wire::{Reader, Writer, damaged, intact};

pub(super) static SPEC: Spec = Spec {
    name: "time_weighted_avg",
    arguments: &[
        argument("ts", Type::Time),
        argument("value", Type::Number),
        argument("from", Type::Time),
        argument("to", Type::Time),
        argument("tie", Type::Int),
    ],
    optional: 1,
    result: Type::Number,
    doc: "mean over the time from from up to to of a value that holds from each ts to the next; tie \
          orders samples of one instant",
};

#[derive(Clone, Copy, Debug, PartialEq)]
struct Sample {
    at: i64,
    tie: Option<i64>,
    value: Option<f64>,
}

impl Sample {
    fn order(&self, other: &Self) -> Ordering {
        (self.at, self.tie).cmp(&(other.at, other.tie))
    }

    fn bits(&self) -> Option<u64> {
        self.value.map(|value| (value + 0.0).to_bits())
    }

    /// Two samples that claim the same place must say the same.
    fn agree(&self, other: &Self) -> Result<()> {
        if self.order(other).is_ne() || self.bits() == other.bits() {
            return Ok(());
        }
        Err(SPEC.wrong("value", "differs between samples of one instant; order them by tie"))
    }
}

/// Samples of a window.
#[derive(Debug, Default)]
pub(super) struct TimeWeighted {
    window: Option<Span>,
    /// The last one at or before the begin of the window.
    before: Option<Sample>,
    inside: Vec<Sample>,
}

impl TimeWeighted {
    fn set_window(&mut self, new: Span) -> Result<()> {
        if self.window.is_some_and(|window| window != new) {
            return Err(SPEC.wrong("from and to", "must be one window in a group"));
        }
        self.window = Some(new);
        Ok(())
    }

    fn take(&mut self, sample: Sample) -> Result<()> {
        let Some((from, to)) = self.window else { return Ok(()) };
        if sample.at > from {
            if sample.at < to {
                self.inside.push(sample);
            }
            return Ok(());
        }
        if let Some(before) = &self.before {
            before.agree(&sample)?;
            if sample.order(before).is_lt() {
                return Ok(());
            }
        }
        self.before = Some(sample);
        Ok(())
    }
}

/// What a batch has: `ts`, `value`, `from`, `to`, `tie`.
pub(super) struct Columns<'a> {
    ts: &'a TimestampMicrosecondArray,
    value: &'a Float64Array,
    from: &'a TimestampMicrosecondArray,
    to: &'a TimestampMicrosecondArray,
    tie: Option<&'a Int64Array>,
}

impl Fold for TimeWeighted {
    const SPEC: &'static Spec = &SPEC;
    type Columns<'a> = Columns<'a>;

    fn start(_: &Call) -> Self {
        Self::default()
    }

    fn columns(values: &[ArrayRef]) -> Result<Columns<'_>> {
        Ok(Columns {
            ts: times(values, 0)?,
            value: numbers(values, 1)?,
            from: times(values, 2)?,
            to: times(values, 3)?,
            tie: if values.len() > 4 { Some(ints(values, 4)?) } else { None },
        })
    }

    fn add(&mut self, columns: &Columns<'_>, row: usize) -> Result<()> {
        self.set_window(window(&SPEC, columns.from.at(row), columns.to.at(row))?)?;
        let Some(at) = columns.ts.at(row) else { return Ok(()) };
        let tie = columns.tie.and_then(|tie| tie.at(row));
        let value = columns.value.at(row);
        if value.is_some_and(|value| !value.is_finite()) {
            return Err(SPEC.wrong("value", "must be finite"));
        }
        self.take(Sample { at, tie, value })
    }

    fn state(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        let Some((from, to)) = self.window else { return writer.0 };
        writer.i64(from);
        writer.i64(to);
        for Sample { at, tie, value } in self.before.iter().chain(&self.inside) {
            writer.i64(*at);
            writer.option(*tie);
            writer.option(value.map(|value| value.to_bits() as i64));
        }
        writer.0
    }

    fn merge(&mut self, state: &[u8]) -> Result<()> {
        let mut reader = Reader(state);
        if reader.is_empty() {
            return Ok(());
        }
        let (Some(from), Some(to)) = (reader.i64(), reader.i64()) else {
            return Err(damaged(SPEC.name));
        };
        self.set_window((from, to))?;
        while !reader.is_empty() {
            let at = intact(SPEC.name, reader.i64())?;
            let tie = intact(SPEC.name, reader.option())?;
            let value = intact(SPEC.name, reader.option())?;
            let value = value.map(|bits| f64::from_bits(bits as u64));
            self.take(Sample { at, tie, value })?;
        }
        Ok(())
    }

    fn result(&mut self) -> Result<ScalarValue> {
        let Some((from, to)) = self.window else { return Ok(ScalarValue::Float64(None)) };
        self.inside.sort_unstable_by(Sample::order);
        let (mut sum, mut known) = (0.0, 0_i64);
        let mut samples = self.before.iter().chain(&self.inside).peekable();
        while let Some(sample) = samples.next() {
            if let Some(next) = samples.peek() {
                sample.agree(next)?;
            }
            let until = samples.peek().map_or(to, |next| next.at);
            let time = until - sample.at.max(from);
            if let Some(value) = sample.value {
                sum += value * time as f64;
                known += time;
            }
        }
        Ok(ScalarValue::Float64((known > 0).then(|| sum / known as f64)))
    }

    fn heap_bytes(&self) -> usize {
        self.inside.capacity() * size_of::<Sample>()
    }
}
