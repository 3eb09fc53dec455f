//! `locf(x)` and `interpolate(x, ts)`: window functions that fill what is null.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, Float64Array, TimestampMicrosecondArray, UInt64Array,
};
use datafusion::arrow::compute::take;
use datafusion::arrow::datatypes::{
    DataType, Field, FieldRef, Float64Type, TimestampMicrosecondType,
};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::function::{PartitionEvaluatorArgs, WindowUDFFieldArgs};
use datafusion::logical_expr::{
    Documentation, PartitionEvaluator, Signature, Volatility, WindowUDF, WindowUDFImpl,
};

use crate::functions::scalar::unexpected;
use crate::functions::spec::{Spec, Type, argument};

pub(super) static LOCF: Spec = Spec {
    name: "locf",
    arguments: &[argument("x", Type::Any)],
    optional: 0,
    result: Type::Any,
    doc: "last observation carried forward: x, or where it is null the last x before it in the window",
};

pub(super) static INTERPOLATE: Spec = Spec {
    name: "interpolate",
    arguments: &[argument("x", Type::Number), argument("ts", Type::Time)],
    optional: 0,
    result: Type::Number,
    doc: "x, or where it is null and lies between two known ones the value at ts on the line between them",
};

/// Computes a whole partition.
type Body = fn(&[ArrayRef]) -> Result<ArrayRef>;

pub(super) fn functions() -> [WindowUDF; 2] {
    [window(&LOCF, locf), window(&INTERPOLATE, interpolate)]
}

fn window(spec: &'static Spec, body: Body) -> WindowUDF {
    WindowUDF::from(Fill {
        spec,
        body,
        signature: Signature::user_defined(Volatility::Immutable),
        documentation: spec.documentation(),
    })
}

#[derive(Debug)]
struct Fill {
    spec: &'static Spec,
    body: Body,
    signature: Signature,
    documentation: Documentation,
}

impl PartialEq for Fill {
    fn eq(&self, other: &Self) -> bool {
        self.spec.name == other.spec.name
    }
}

impl Eq for Fill {}

impl Hash for Fill {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.spec.name.hash(state);
    }
}

impl WindowUDFImpl for Fill {
    fn name(&self) -> &str {
        self.spec.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        self.spec.coerce(given)
    }

    fn partition_evaluator(
        &self,
        _: PartitionEvaluatorArgs,
    ) -> Result<Box<dyn PartitionEvaluator>> {
        Ok(Box::new(Whole(self.body)))
    }

    fn field(&self, args: WindowUDFFieldArgs) -> Result<FieldRef> {
        let types: Vec<DataType> =
            args.input_fields().iter().map(|field| field.data_type().clone()).collect();
        Ok(Arc::new(Field::new(args.name(), self.spec.result_type(&types), true)))
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(&self.documentation)
    }
}

#[derive(Debug)]
struct Whole(Body);

impl PartitionEvaluator for Whole {
    fn evaluate_all(&mut self, values: &[ArrayRef], _: usize) -> Result<ArrayRef> {
        (self.0)(values)
    }
}

fn locf(values: &[ArrayRef]) -> Result<ArrayRef> {
    let [column] = values else {
        return Err(DataFusionError::Internal("locf has one argument".to_owned()));
    };
    let mut last = None;
    let rows = (0_u64..).take(column.len()).map(|row| {
        if column.is_valid(row as usize) {
            last = Some(row);
        }
        last
    });
    let rows: UInt64Array = rows.collect();
    Ok(take(column, &rows, None)?)
}

fn interpolate(values: &[ArrayRef]) -> Result<ArrayRef> {
    let [numbers, times] = values else {
        return Err(DataFusionError::Internal("interpolate has two arguments".to_owned()));
    };
    let numbers =
        numbers.as_primitive_opt::<Float64Type>().ok_or_else(|| unexpected(numbers.as_ref()))?;
    let times = times
        .as_primitive_opt::<TimestampMicrosecondType>()
        .ok_or_else(|| unexpected(times.as_ref()))?;
    in_order(times)?;
    let mut filled: Vec<Option<f64>> = numbers.iter().collect();
    let known = (0..numbers.len()).filter(|row| numbers.is_valid(*row));
    let known: Vec<usize> = known.collect();
    for (before, after) in known.iter().zip(known.iter().skip(1)) {
        let (x, y) = (numbers.value(*before), numbers.value(*after));
        let (begin, end) = (times.value(*before), times.value(*after));
        for row in before + 1..*after {
            let Some(slot) = filled.get_mut(row) else { continue };
            let at = times.value(row);
            // Between two values of one instant there is no line.
            let part = if end == begin { 0.0 } else { (at - begin) as f64 / (end - begin) as f64 };
            *slot = Some(x + part * (y - x));
        }
    }
    Ok(Arc::new(Float64Array::from(filled)))
}

/// Times must run one way and be there: the values between are taken to lie between in time.
fn in_order(times: &TimestampMicrosecondArray) -> Result<()> {
    if times.null_count() > 0 {
        return Err(INTERPOLATE.wrong("ts", "must not be null"));
    }
    let values = times.values();
    if values.is_sorted() || values.iter().rev().is_sorted() {
        return Ok(());
    }
    Err(INTERPOLATE.wrong("ts", "must be what the window is ordered by"))
}
