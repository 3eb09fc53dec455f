//! `hist_agg`, `hist_merge`, `hist_quantile`, `hist_count_below`.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, BinaryArray, Float64Array, Int64Array};
use datafusion::arrow::datatypes::Float64Type;
use datafusion::error::Result;
use datafusion::logical_expr::ScalarUDF;
use datafusion::scalar::ScalarValue;

use super::histogram::Histogram;
use crate::functions::Kind;
use crate::functions::fold::{Call, Fold};
use crate::functions::scalar::{Inputs, scalar, unexpected};
use crate::functions::spec::{Argument, Spec, Type, argument};
use crate::functions::wire::damaged;

const H: Argument = argument("h", Type::Bytes);

static AGG: Spec = Spec {
    name: "hist_agg",
    arguments: &[argument("x", Type::Number)],
    optional: 0,
    result: Type::Bytes,
    doc: "histogram of x with fixed logarithmic buckets: the same values give the same bytes",
};

static MERGE: Spec = Spec {
    name: "hist_merge",
    arguments: &[H],
    optional: 0,
    result: Type::Bytes,
    doc: "histogram of all values of the histograms h",
};

static QUANTILE: Spec = Spec {
    name: "hist_quantile",
    arguments: &[H, argument("q", Type::Number)],
    optional: 0,
    result: Type::Number,
    doc: "smallest value at or below which the fraction q of histogram h lies, within 1/256 of it",
};

static COUNT_BELOW: Spec = Spec {
    name: "hist_count_below",
    arguments: &[H, argument("x", Type::Number)],
    optional: 0,
    result: Type::Int,
    doc: "values of histogram h below x; those in the bucket of x count in proportion",
};

/// Their descriptions.
pub(super) fn specs() -> [(&'static Spec, Kind); 4] {
    [
        (&AGG, Kind::Aggregate),
        (&MERGE, Kind::Aggregate),
        (&QUANTILE, Kind::Scalar),
        (&COUNT_BELOW, Kind::Scalar),
    ]
}

pub(super) fn functions() -> Vec<ScalarUDF> {
    vec![scalar(&QUANTILE, quantile), scalar(&COUNT_BELOW, count_below)]
}

fn merge(into: &mut Option<Histogram>, other: Histogram) {
    match into {
        Some(all) => all.merge(&other),
        None => *into = Some(other),
    }
}

/// A partial state: empty bytes without values.
fn state(histogram: Option<&Histogram>) -> Vec<u8> {
    histogram.map(Histogram::to_bytes).unwrap_or_default()
}

fn merge_state(into: &mut Option<Histogram>, state: &[u8], spec: &Spec) -> Result<()> {
    if !state.is_empty() {
        merge(into, Histogram::from_bytes(state).map_err(|_| damaged(spec.name))?);
    }
    Ok(())
}

fn result(histogram: Option<&Histogram>) -> ScalarValue {
    ScalarValue::Binary(histogram.map(Histogram::to_bytes))
}

/// `hist_agg(x)`.
#[derive(Debug)]
pub(super) struct Agg(Option<Histogram>);

impl Fold for Agg {
    const SPEC: &'static Spec = &AGG;
    type Columns<'a> = &'a Float64Array;

    fn start(_: &Call) -> Self {
        Self(None)
    }

    fn columns(values: &[ArrayRef]) -> Result<&Float64Array> {
        numbers(values)
    }

    fn add(&mut self, columns: &&Float64Array, row: usize) -> Result<()> {
        if columns.is_null(row) {
            return Ok(());
        }
        let value = columns.value(row);
        let added = match &mut self.0 {
            Some(histogram) => histogram.add(value),
            None => {
                self.0 = Histogram::of(value);
                self.0.is_some()
            }
        };
        if added { Ok(()) } else { Err(AGG.wrong("x", format!("must be finite, got {value}"))) }
    }

    fn state(&self) -> Vec<u8> {
        state(self.0.as_ref())
    }

    fn merge(&mut self, state: &[u8]) -> Result<()> {
        merge_state(&mut self.0, state, &AGG)
    }

    fn result(&mut self) -> Result<ScalarValue> {
        Ok(result(self.0.as_ref()))
    }

    fn heap_bytes(&self) -> usize {
        self.0.as_ref().map_or(0, Histogram::heap_bytes)
    }
}

/// `hist_merge(h)`.
#[derive(Debug)]
pub(super) struct Merge(Option<Histogram>);

impl Fold for Merge {
    const SPEC: &'static Spec = &MERGE;
    type Columns<'a> = &'a BinaryArray;

    fn start(_: &Call) -> Self {
        Self(None)
    }

    fn columns(values: &[ArrayRef]) -> Result<&BinaryArray> {
        super::bytes(values)
    }

    fn add(&mut self, columns: &&BinaryArray, row: usize) -> Result<()> {
        if columns.is_valid(row) {
            merge(&mut self.0, parse(&MERGE, columns.value(row))?);
        }
        Ok(())
    }

    fn state(&self) -> Vec<u8> {
        state(self.0.as_ref())
    }

    fn merge(&mut self, state: &[u8]) -> Result<()> {
        merge_state(&mut self.0, state, &MERGE)
    }

    fn result(&mut self) -> Result<ScalarValue> {
        Ok(result(self.0.as_ref()))
    }

    fn heap_bytes(&self) -> usize {
        self.0.as_ref().map_or(0, Histogram::heap_bytes)
    }
}

fn numbers(values: &[ArrayRef]) -> Result<&Float64Array> {
    let column = super::column(values, 0)?;
    column.as_primitive_opt::<Float64Type>().ok_or_else(|| unexpected(column.as_ref()))
}

fn parse(spec: &Spec, bytes: &[u8]) -> Result<Histogram> {
    Histogram::from_bytes(bytes).map_err(|error| spec.wrong("h", error))
}

fn quantile(spec: &'static Spec, inputs: &Inputs) -> Result<ArrayRef> {
    let rows = (0..inputs.rows).map(|row| {
        let (Some(h), Some(q)) = (inputs.bytes(0, row)?, inputs.primitive::<Float64Type>(1, row)?)
        else {
            return Ok(None);
        };
        let q = super::fraction(spec, q)?;
        Ok(Some(parse(spec, h)?.quantile(q)))
    });
    Ok(Arc::new(Float64Array::from(rows.collect::<Result<Vec<_>>>()?)))
}

fn count_below(spec: &'static Spec, inputs: &Inputs) -> Result<ArrayRef> {
    let rows = (0..inputs.rows).map(|row| {
        let (Some(h), Some(x)) = (inputs.bytes(0, row)?, inputs.primitive::<Float64Type>(1, row)?)
        else {
            return Ok(None);
        };
        if x.is_nan() {
            return Err(spec.wrong("x", "must be a number, got NaN"));
        }
        let count = parse(spec, h)?.count_below(x);
        Ok(Some(i64::try_from(count).unwrap_or(i64::MAX)))
    });
    Ok(Arc::new(Int64Array::from(rows.collect::<Result<Vec<_>>>()?)))
}
