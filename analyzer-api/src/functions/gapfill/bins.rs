//! `cc_bins(interval, from, to, tz[, origin])`: the bins of [`cc_bin`](super::super::time) that cover a
//! span of time, to be joined with what happened, so that bins without anything are there too.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray, RecordBatch, TimestampMicrosecondArray};
use datafusion::arrow::datatypes::{
    DataType, Field, IntervalMonthDayNanoType, Schema, TimestampMicrosecondType,
};
use datafusion::catalog::{MemTable, TableFunctionArgs, TableFunctionImpl, TableProvider};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::Expr;

use crate::functions::scalar::unexpected;
use crate::functions::spec::{Spec, Type, argument, instant};
use crate::functions::time::bin::{self, ORIGIN, Stride};
use crate::functions::time::zone;

/// Most bins of one call.
const BINS_MAX: usize = 1_000_000;

pub(super) static SPEC: Spec = Spec {
    name: "cc_bins",
    arguments: &[
        argument("interval", Type::Interval),
        argument("from", Type::Time),
        argument("to", Type::Time),
        argument("tz", Type::Text),
        argument("origin", Type::LocalTime),
    ],
    optional: 1,
    result: Type::Bins,
    doc: "the bins of cc_bin from that of from up to, not including, to: begin (bin) and end (bin_end)",
};

/// The table function.
#[derive(Debug)]
pub(super) struct Bins;

impl TableFunctionImpl for Bins {
    fn call_with_args(&self, args: TableFunctionArgs) -> Result<Arc<dyn TableProvider>> {
        let values = constants(args.exprs())?;
        let time = |index: usize| {
            let array = values.get(index)?.as_primitive_opt::<TimestampMicrosecondType>()?;
            array.iter().next().flatten()
        };
        let missing = |name: &str| SPEC.wrong(name, "must not be null");
        let [width, _, _, name, ..] = values.as_slice() else {
            return Err(DataFusionError::Internal("cc_bins has too few arguments".to_owned()));
        };
        let width = width
            .as_primitive_opt::<IntervalMonthDayNanoType>()
            .ok_or_else(|| unexpected(width.as_ref()))?;
        let width = width.iter().next().flatten().ok_or_else(|| missing("interval"))?;
        let name = name.as_string_opt::<i32>().ok_or_else(|| unexpected(name.as_ref()))?;
        let name = name.iter().next().flatten().ok_or_else(|| missing("tz"))?;
        let (from, to) =
            (time(1).ok_or_else(|| missing("from"))?, time(2).ok_or_else(|| missing("to"))?);
        let origin = match values.len() {
            ..=4 => ORIGIN,
            _ => time(4).ok_or_else(|| missing("origin"))?,
        };
        let zone = zone::parse(&SPEC, "tz", name)?;
        let (begins, ends) = bins(Stride::new(&SPEC, width)?, zone, origin, from, to)?;

        let field = |name| Field::new(name, instant(), false);
        let schema = Arc::new(Schema::new(vec![field("bin"), field("bin_end")]));
        let column = |times: Vec<i64>| -> ArrayRef {
            Arc::new(TimestampMicrosecondArray::from(times).with_timezone("UTC"))
        };
        let batch = RecordBatch::try_new(Arc::clone(&schema), vec![column(begins), column(ends)])?;
        Ok(Arc::new(MemTable::try_new(schema, vec![vec![batch]])?))
    }
}

/// The arguments in their types, one value each.
fn constants(exprs: &[Expr]) -> Result<Vec<ArrayRef>> {
    let values = exprs.iter().enumerate().map(|(index, expr)| match expr {
        Expr::Literal(value, _) => Ok(value),
        _ => {
            let name = SPEC.arguments.get(index).map_or("an argument", |argument| argument.name);
            Err(DataFusionError::Plan(format!(
                "function {}: {name} must be a constant, not {expr}",
                SPEC.name
            )))
        }
    });
    let values = values.collect::<Result<Vec<_>>>()?;
    let given: Vec<DataType> = values.iter().map(|value| value.data_type()).collect();
    let types = SPEC.coerce(&given)?;
    values.iter().zip(types).map(|(value, of)| value.cast_to(&of)?.to_array()).collect()
}

/// Begins and ends of the bins that overlap the span.
fn bins(
    stride: Stride,
    zone: chrono_tz::Tz,
    origin: i64,
    from: i64,
    to: i64,
) -> Result<(Vec<i64>, Vec<i64>)> {
    if from > to {
        return Err(SPEC.wrong("to", "must not be before from"));
    }
    let range = || SPEC.wrong("from and to", "are out of range");
    let (mut begins, mut ends) = (Vec::new(), Vec::new());
    // An empty span has no bins, though its instant lies in one.
    let to = if from == to { i64::MIN } else { to };
    let mut begin = bin::begin(stride, zone, origin, from).ok_or_else(range)?;
    while begin < to {
        if begins.len() == BINS_MAX {
            return Err(SPEC.wrong("interval", format!("gives more than {BINS_MAX} bins")));
        }
        let end = bin::end(stride, zone, origin, begin).ok_or_else(range)?;
        begins.push(begin);
        ends.push(end);
        begin = end;
    }
    Ok((begins, ends))
}
