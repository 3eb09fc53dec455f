//! An interval times a number, which may be a fraction: the engine multiplies by whole numbers only.

use std::fmt;
use std::sync::Arc;

use datafusion::arrow::array::{AsArray, IntervalMonthDayNanoArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{
    DataType, Float64Type, IntervalMonthDayNano, IntervalMonthDayNanoType, IntervalUnit,
};
use datafusion::common::exec_err;
use datafusion::error::Result;
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

/// Name of the function behind `interval * number`.
pub(crate) const INTERVAL_TIMES: &str = "interval_times";

const INTERVAL: DataType = DataType::Interval(IntervalUnit::MonthDayNano);

/// The function.
pub(crate) fn function() -> ScalarUDF {
    ScalarUDF::from(Times { signature: Signature::any(2, Volatility::Immutable) })
}

#[derive(PartialEq, Eq, Hash)]
struct Times {
    signature: Signature,
}

impl fmt::Debug for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(INTERVAL_TIMES)
    }
}

impl ScalarUDFImpl for Times {
    fn name(&self) -> &'static str {
        INTERVAL_TIMES
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(INTERVAL)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [interval, factor] = args.args.as_slice() else {
            return exec_err!("an interval is multiplied by one number");
        };
        let intervals = cast(&interval.to_array(args.number_rows)?, &INTERVAL)?;
        let factors = cast(&factor.to_array(args.number_rows)?, &DataType::Float64)?;
        let intervals = intervals.as_primitive::<IntervalMonthDayNanoType>();
        let factors = factors.as_primitive::<Float64Type>();
        let rows = intervals.iter().zip(factors.iter()).map(|(interval, factor)| {
            let (Some(interval), Some(factor)) = (interval, factor) else { return Ok(None) };
            match times(interval, factor) {
                Some(product) => Ok(Some(product)),
                None => exec_err!("interval out of range"),
            }
        });
        let rows = rows.collect::<Result<Vec<_>>>()?;
        Ok(ColumnarValue::Array(Arc::new(IntervalMonthDayNanoArray::from(rows))))
    }
}

/// A part of a month becomes days of a month of 30, a part of a day becomes time, as in PostgreSQL.
fn times(interval: IntervalMonthDayNano, factor: f64) -> Option<IntervalMonthDayNano> {
    // To a millionth, so that what floating point adds is not taken for time.
    let rounded = |value: f64| (value * 1e6).round() / 1e6;
    let months = f64::from(interval.months) * factor;
    let of_month = rounded(months.fract() * 30.0);
    let days = f64::from(interval.days) * factor;
    let seconds = rounded((days.fract() + of_month.fract()) * 86_400.0);
    let carried = (seconds / 86_400.0).trunc();
    let whole_days = days.trunc() + of_month.trunc() + carried;
    let microseconds =
        (interval.nanoseconds / 1_000) as f64 * factor + (seconds - carried * 86_400.0) * 1e6;
    Some(IntervalMonthDayNano {
        months: whole(months.trunc(), f64::from(i32::MAX))? as i32,
        days: whole(whole_days, f64::from(i32::MAX))? as i32,
        nanoseconds: whole(microseconds.round(), 9.2e15)?.checked_mul(1_000)?,
    })
}

fn whole(value: f64, most: f64) -> Option<i64> {
    (value.is_finite() && value.abs() <= most).then_some(value as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_go_to_the_next_smaller_unit() {
        let of = |months, days, seconds: i64| IntervalMonthDayNano {
            months,
            days,
            nanoseconds: seconds * 1_000_000_000,
        };
        for (interval, factor, expected) in [
            (of(0, 0, 5), 3.0, Some(of(0, 0, 15))),
            (of(0, 1, 0), 0.5, Some(of(0, 0, 43_200))),
            (of(0, 1, 0), 1.0 / 3.0, Some(of(0, 0, 28_800))),
            (of(1, 0, 0), 1.5, Some(of(1, 15, 0))),
            (of(0, 1, 60), -2.0, Some(of(0, -2, -120))),
            (of(1, 0, 0), f64::NAN, None),
            (of(1, 0, 0), 1e300, None),
        ] {
            assert_eq!(times(interval, factor), expected, "{interval:?} * {factor}");
        }
    }
}
