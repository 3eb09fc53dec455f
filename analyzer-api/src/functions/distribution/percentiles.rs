//! Several exact percentiles of the same values, gathered once.
//!
//! Two functions that nobody calls by name: [`crate::sql::percentiles`] puts them where a question asks for more than one
//! `percentile_exact` of one column. Fractions and results are bytes: numbers of eight bytes, little-endian, one behind
//! the other; a result that is NULL is no bytes at all.

use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, Float64Array, Float64Builder,
};
use datafusion::arrow::datatypes::{Float64Type, Int64Type};
use datafusion::error::Result;
use datafusion::logical_expr::{AggregateUDF, ScalarUDF};
use datafusion::scalar::ScalarValue;

use super::percentile::{self, Percentile};
use crate::functions::fold::{Call, Fold, aggregate};
use crate::functions::scalar::{Inputs, scalar, unexpected};
use crate::functions::spec::{Spec, Type, argument};
use crate::functions::wire::{Reader, Writer, damaged, intact};

static SPEC: Spec = Spec {
    name: "percentiles_exact",
    arguments: &[argument("x", Type::Number), argument("qs", Type::Bytes)],
    optional: 0,
    result: Type::Bytes,
    doc: "exact quantiles of x at several fractions",
};

static NTH: Spec = Spec {
    name: "percentiles_nth",
    arguments: &[argument("percentiles", Type::Bytes), argument("n", Type::Int)],
    optional: 0,
    result: Type::Number,
    doc: "one of several exact quantiles, from 0",
};

/// The aggregate: of values and fractions, all quantiles.
pub(crate) fn all() -> Arc<AggregateUDF> {
    aggregate::<Percentiles>()
}

/// The function that gives one of them.
pub(crate) fn nth() -> ScalarUDF {
    scalar(&NTH, |_, inputs: &Inputs| {
        let mut found = Float64Builder::with_capacity(inputs.rows);
        for row in 0..inputs.rows {
            let (Some(all), Some(n)) =
                (inputs.bytes(0, row)?, inputs.primitive::<Int64Type>(1, row)?)
            else {
                found.append_null();
                continue;
            };
            let n = usize::try_from(n).unwrap_or(usize::MAX);
            found.append_option(numbers(all)?.nth(n));
        }
        Ok(Arc::new(found.finish()))
    })
}

/// Fractions as an argument.
pub(crate) fn argument_of(fractions: &[f64]) -> ScalarValue {
    let mut bytes = Writer::default();
    bytes.f64s(fractions);
    ScalarValue::Binary(Some(bytes.0))
}

fn numbers(bytes: &[u8]) -> Result<impl Iterator<Item = f64>> {
    let (numbers, []) = bytes.as_chunks::<8>() else { return Err(damaged(SPEC.name)) };
    Ok(numbers.iter().map(|number| f64::from_le_bytes(*number)))
}

/// All values of a group, and the fractions asked for.
#[derive(Debug, Default)]
struct Percentiles {
    values: Vec<f64>,
    fractions: Vec<u8>,
}

impl Fold for Percentiles {
    const SPEC: &'static Spec = &SPEC;
    type Columns<'a> = (&'a Float64Array, &'a BinaryArray);

    fn start(_: &Call) -> Self {
        Self::default()
    }

    fn columns(values: &[ArrayRef]) -> Result<Self::Columns<'_>> {
        let (column, fractions) = (super::column(values, 0)?, super::column(values, 1)?);
        let numbers = column.as_primitive_opt::<Float64Type>();
        let bytes = fractions.as_binary_opt::<i32>();
        Ok((
            numbers.ok_or_else(|| unexpected(column.as_ref()))?,
            bytes.ok_or_else(|| unexpected(fractions.as_ref()))?,
        ))
    }

    fn add(&mut self, (values, fractions): &Self::Columns<'_>, row: usize) -> Result<()> {
        // They are a constant of the question.
        if self.fractions.is_empty() {
            self.fractions = fractions.value(row).to_vec();
        }
        if values.is_valid(row) {
            self.values.push(percentile::plain(values.value(row)));
        }
        Ok(())
    }

    fn state(&self) -> Vec<u8> {
        let room = 16 + self.fractions.len() + 8 * self.values.len();
        let mut writer = Writer(Vec::with_capacity(room));
        writer.bytes(&self.fractions);
        writer.f64s(&self.values);
        writer.0
    }

    fn merge(&mut self, state: &[u8]) -> Result<()> {
        let mut reader = Reader(state);
        let fractions = intact(SPEC.name, reader.bytes())?;
        if self.fractions.is_empty() {
            self.fractions = fractions.to_vec();
        }
        let (values, []) = reader.0.as_chunks::<8>() else { return Err(damaged(SPEC.name)) };
        self.values.extend(values.iter().map(|value| f64::from_le_bytes(*value)));
        Ok(())
    }

    fn result(&mut self) -> Result<ScalarValue> {
        if self.values.is_empty() {
            return Ok(ScalarValue::Binary(Some(Vec::new())));
        }
        let mut asked: Vec<(usize, f64)> = numbers(&self.fractions)?.enumerate().collect();
        // In ascending order each selection leaves the values that the next one is among.
        asked.sort_by(|left, right| left.1.total_cmp(&right.1));
        let (mut found, mut start) = (vec![0.0; asked.len()], 0);
        for (number, q) in asked {
            let q = super::fraction(&percentile::SPEC, q)?;
            let Some((quantile, lower)) = Percentile::among(&mut self.values, start, q) else {
                continue;
            };
            start = lower;
            if let Some(place) = found.get_mut(number) {
                *place = quantile;
            }
        }
        Ok(argument_of(&found))
    }

    fn heap_bytes(&self) -> usize {
        self.values.capacity() * size_of::<f64>() + self.fractions.capacity()
    }
}
