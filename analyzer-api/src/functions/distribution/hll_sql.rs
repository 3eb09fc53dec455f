//! `hll_agg`, `hll_merge`, `hll_estimate`.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, BinaryArray, Int64Array};
use datafusion::error::Result;
use datafusion::logical_expr::ScalarUDF;
use datafusion::scalar::ScalarValue;

use super::hyperloglog::HyperLogLog;
use super::key::Keys;
use crate::functions::Kind;
use crate::functions::fold::{Call, Fold};
use crate::functions::scalar::{Inputs, scalar};
use crate::functions::spec::{Argument, Spec, Type, argument};
use crate::functions::wire::damaged;

const H: Argument = argument("h", Type::Bytes);

static AGG: Spec = Spec {
    name: "hll_agg",
    arguments: &[argument("x", Type::Any)],
    optional: 0,
    result: Type::Bytes,
    doc: "HyperLogLog sketch of the different values of x: the same values give the same bytes",
};

static MERGE: Spec = Spec {
    name: "hll_merge",
    arguments: &[H],
    optional: 0,
    result: Type::Bytes,
    doc: "sketch of all values of the sketches h",
};

static ESTIMATE: Spec = Spec {
    name: "hll_estimate",
    arguments: &[H],
    optional: 0,
    result: Type::Int,
    doc: "about how many different values the sketch h has; its standard error is 0.81 %",
};

/// Their descriptions.
pub(super) fn specs() -> [(&'static Spec, Kind); 3] {
    [(&AGG, Kind::Aggregate), (&MERGE, Kind::Aggregate), (&ESTIMATE, Kind::Scalar)]
}

pub(super) fn functions() -> Vec<ScalarUDF> {
    vec![scalar(&ESTIMATE, estimate)]
}

fn parse(spec: &Spec, bytes: &[u8]) -> Result<HyperLogLog> {
    HyperLogLog::from_bytes(bytes).map_err(|error| spec.wrong("h", error))
}

/// A sketch; `None` without values.
#[derive(Debug, Default)]
struct Sketch(Option<HyperLogLog>);

impl Sketch {
    fn state(&self) -> Vec<u8> {
        self.0.as_ref().map(HyperLogLog::to_bytes).unwrap_or_default()
    }

    fn merge_state(&mut self, state: &[u8], spec: &Spec) -> Result<()> {
        if !state.is_empty() {
            let other = HyperLogLog::from_bytes(state).map_err(|_| damaged(spec.name))?;
            self.0.get_or_insert_default().merge(&other);
        }
        Ok(())
    }

    fn result(&self) -> ScalarValue {
        ScalarValue::Binary(self.0.as_ref().map(HyperLogLog::to_bytes))
    }

    fn heap_bytes(&self) -> usize {
        self.0.as_ref().map_or(0, HyperLogLog::heap_bytes)
    }
}

/// `hll_agg(x)`.
#[derive(Debug)]
pub(super) struct Agg(Sketch);

impl Fold for Agg {
    const SPEC: &'static Spec = &AGG;
    type Columns<'a> = Keys;

    fn start(_: &Call) -> Self {
        Self(Sketch::default())
    }

    fn columns(values: &[ArrayRef]) -> Result<Keys> {
        Keys::new(super::column(values, 0)?)
    }

    fn add(&mut self, columns: &Keys, row: usize) -> Result<()> {
        let sketch = &mut self.0.0;
        let _: Option<()> = columns.with(row, |key| sketch.get_or_insert_default().add(key));
        Ok(())
    }

    fn state(&self) -> Vec<u8> {
        self.0.state()
    }

    fn merge(&mut self, state: &[u8]) -> Result<()> {
        self.0.merge_state(state, &AGG)
    }

    fn result(&mut self) -> Result<ScalarValue> {
        Ok(self.0.result())
    }

    fn heap_bytes(&self) -> usize {
        self.0.heap_bytes()
    }
}

/// `hll_merge(h)`.
#[derive(Debug)]
pub(super) struct Merge(Sketch);

impl Fold for Merge {
    const SPEC: &'static Spec = &MERGE;
    type Columns<'a> = &'a BinaryArray;

    fn start(_: &Call) -> Self {
        Self(Sketch::default())
    }

    fn columns(values: &[ArrayRef]) -> Result<&BinaryArray> {
        super::bytes(values)
    }

    fn add(&mut self, columns: &&BinaryArray, row: usize) -> Result<()> {
        if columns.is_valid(row) {
            let other = parse(&MERGE, columns.value(row))?;
            self.0.0.get_or_insert_default().merge(&other);
        }
        Ok(())
    }

    fn state(&self) -> Vec<u8> {
        self.0.state()
    }

    fn merge(&mut self, state: &[u8]) -> Result<()> {
        self.0.merge_state(state, &MERGE)
    }

    fn result(&mut self) -> Result<ScalarValue> {
        Ok(self.0.result())
    }

    fn heap_bytes(&self) -> usize {
        self.0.heap_bytes()
    }
}

fn estimate(spec: &'static Spec, inputs: &Inputs) -> Result<ArrayRef> {
    let rows = (0..inputs.rows).map(|row| {
        let Some(h) = inputs.bytes(0, row)? else { return Ok(None) };
        Ok(Some(i64::try_from(parse(spec, h)?.estimate()).unwrap_or(i64::MAX)))
    });
    Ok(Arc::new(Int64Array::from(rows.collect::<Result<Vec<_>>>()?)))
}
