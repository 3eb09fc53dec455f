//! Mean durations of legs in milliseconds: speed of answer, handle time.

use std::fmt::Debug;
use std::marker::PhantomData;

use datafusion::arrow::array::{ArrayRef, Int64Array, StringArray};
use datafusion::error::Result;
use datafusion::scalar::ScalarValue;

use super::columns::{At, ints, texts};
use crate::functions::fold::{Call, Fold};
use crate::functions::spec::{Argument, Spec, Type, argument};
use crate::functions::wire::{Reader, Writer, damaged};

const OUTCOME: Argument = argument("outcome", Type::Text);
const WAIT: Argument = argument("queue_duration_ms", Type::Int);

pub(super) static ASA: Spec = Spec {
    name: "asa",
    arguments: &[OUTCOME, WAIT],
    optional: 0,
    result: Type::Number,
    doc: "average speed of answer: mean wait in ms of the answered, those at once included",
};

pub(super) static ASA_QUEUED: Spec = Spec {
    name: "asa_queued",
    arguments: &[OUTCOME, WAIT],
    optional: 0,
    result: Type::Number,
    doc: "average speed of answer: mean wait in ms of the answered that waited at all",
};

pub(super) static AHT: Spec = Spec {
    name: "aht",
    arguments: &[
        argument("talk_ms", Type::Int),
        argument("hold_ms", Type::Int),
        argument("wrapup_ms", Type::Int),
    ],
    optional: 0,
    result: Type::Number,
    doc: "average handle time: mean of talk, hold and wrap-up in ms over the legs that have a talk time",
};

/// Which rows have which duration.
pub(super) trait Measure: Debug + Send + Sync + 'static {
    const SPEC: &'static Spec;
    type Columns<'a>;
    fn columns(values: &[ArrayRef]) -> Result<Self::Columns<'_>>;
    /// Milliseconds; `None` if the row does not count.
    fn of(columns: &Self::Columns<'_>, row: usize) -> Option<i128>;
}

/// The wait of an answered leg.
fn wait((outcome, wait): &(&StringArray, &Int64Array), row: usize) -> Option<i128> {
    (outcome.at(row) == Some("answered")).then(|| wait.at(row))?.map(i128::from)
}

/// `asa(outcome, queue_duration_ms)`.
#[derive(Debug)]
pub(super) struct Asa;

impl Measure for Asa {
    const SPEC: &'static Spec = &ASA;
    type Columns<'a> = (&'a StringArray, &'a Int64Array);

    fn columns(values: &[ArrayRef]) -> Result<Self::Columns<'_>> {
        Ok((texts(values, 0)?, ints(values, 1)?))
    }

    fn of(columns: &Self::Columns<'_>, row: usize) -> Option<i128> {
        wait(columns, row)
    }
}

/// `asa_queued(outcome, queue_duration_ms)`.
#[derive(Debug)]
pub(super) struct AsaQueued;

impl Measure for AsaQueued {
    const SPEC: &'static Spec = &ASA_QUEUED;
    type Columns<'a> = (&'a StringArray, &'a Int64Array);

    fn columns(values: &[ArrayRef]) -> Result<Self::Columns<'_>> {
        Asa::columns(values)
    }

    fn of(columns: &Self::Columns<'_>, row: usize) -> Option<i128> {
        wait(columns, row).filter(|wait| *wait > 0)
    }
}

/// `aht(talk_ms, hold_ms, wrapup_ms)`.
#[derive(Debug)]
pub(super) struct Aht;

impl Measure for Aht {
    const SPEC: &'static Spec = &AHT;
    type Columns<'a> = [&'a Int64Array; 3];

    fn columns(values: &[ArrayRef]) -> Result<Self::Columns<'_>> {
        Ok([ints(values, 0)?, ints(values, 1)?, ints(values, 2)?])
    }

    fn of([talk, hold, wrapup]: &Self::Columns<'_>, row: usize) -> Option<i128> {
        let part = |column: &Int64Array| i128::from(column.at(row).unwrap_or(0));
        talk.at(row).map(|talk| i128::from(talk) + part(hold) + part(wrapup))
    }
}

/// The mean of what a measure gives.
#[derive(Debug)]
pub(super) struct Mean<M> {
    /// Of 64-bit numbers, so that no number of rows makes it overflow.
    sum: i128,
    count: i64,
    measure: PhantomData<fn() -> M>,
}

impl<M: Measure> Fold for Mean<M> {
    const SPEC: &'static Spec = M::SPEC;
    type Columns<'a> = M::Columns<'a>;

    fn start(_: &Call) -> Self {
        Self { sum: 0, count: 0, measure: PhantomData }
    }

    fn columns(values: &[ArrayRef]) -> Result<Self::Columns<'_>> {
        M::columns(values)
    }

    fn add(&mut self, columns: &Self::Columns<'_>, row: usize) -> Result<()> {
        if let Some(value) = M::of(columns, row) {
            self.sum += value;
            self.count += 1;
        }
        Ok(())
    }

    fn state(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.bytes(&self.sum.to_le_bytes());
        writer.i64(self.count);
        writer.0
    }

    fn merge(&mut self, state: &[u8]) -> Result<()> {
        let mut reader = Reader(state);
        let sum = reader.bytes().and_then(|bytes| bytes.try_into().ok());
        let (Some(sum), Some(count)) = (sum, reader.i64()) else {
            return Err(damaged(M::SPEC.name));
        };
        self.sum += i128::from_le_bytes(sum);
        self.count += count;
        Ok(())
    }

    fn result(&mut self) -> Result<ScalarValue> {
        let mean = || self.sum as f64 / self.count as f64;
        Ok(ScalarValue::Float64((self.count > 0).then(mean)))
    }

    fn heap_bytes(&self) -> usize {
        0
    }
}
