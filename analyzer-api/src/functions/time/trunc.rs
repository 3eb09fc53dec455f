//! `date_trunc` of times in UTC, without a calendar where none is needed.
//!
//! The engine's function asks a calendar of every single value that has a time zone, and all times of the tables have
//! one: UTC. There, hours and days are as long as they are everywhere, and a time without a zone, which the engine
//! cuts by plain arithmetic, has the same number.

use datafusion::arrow::array::{ArrayRef, make_array};
use datafusion::arrow::datatypes::{DataType, FieldRef};
use datafusion::error::{DataFusionError, Result};
use datafusion::functions::datetime::date_trunc::DateTruncFunc;
use datafusion::logical_expr::sort_properties::{ExprProperties, SortProperties};
use datafusion::logical_expr::{
    ColumnarValue, Documentation, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl,
    Signature,
};

/// Names of the zone whose clocks are not set.
const UTC: [&str; 2] = ["+00:00", "UTC"];

/// The function, in place of the engine's.
pub(super) fn function() -> ScalarUDF {
    ScalarUDF::from(DateTrunc(DateTruncFunc::new()))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct DateTrunc(DateTruncFunc);

/// The same numbers as another type of times.
fn typed(array: &ArrayRef, data_type: DataType) -> Result<ArrayRef> {
    let data = array.to_data().into_builder().data_type(data_type).build();
    data.map(make_array).map_err(|error| DataFusionError::ArrowError(Box::new(error), None))
}

impl ScalarUDFImpl for DateTrunc {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn aliases(&self) -> &[String] {
        self.0.aliases()
    }

    fn signature(&self) -> &Signature {
        self.0.signature()
    }

    fn return_type(&self, given: &[DataType]) -> Result<DataType> {
        self.0.return_type(given)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        self.0.return_field_from_args(args)
    }

    fn invoke_with_args(&self, mut args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let Some(ColumnarValue::Array(times)) = args.args.get_mut(1) else {
            return self.0.invoke_with_args(args);
        };
        let in_utc = times.data_type().clone();
        let DataType::Timestamp(unit, Some(zone)) = &in_utc else {
            return self.0.invoke_with_args(args);
        };
        if !UTC.contains(&&**zone) {
            return self.0.invoke_with_args(args);
        }
        *times = typed(times, DataType::Timestamp(*unit, None))?;
        Ok(match self.0.invoke_with_args(args)? {
            ColumnarValue::Array(cut) => ColumnarValue::Array(typed(&cut, in_utc)?),
            scalar @ ColumnarValue::Scalar(_) => scalar,
        })
    }

    fn output_ordering(&self, input: &[ExprProperties]) -> Result<SortProperties> {
        self.0.output_ordering(input)
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.0.documentation()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::arrow::array::{Array as _, TimestampMicrosecondArray};
    use datafusion::arrow::datatypes::Field;
    use datafusion::config::ConfigOptions;
    use datafusion::scalar::ScalarValue;
    use proptest::prelude::*;

    use super::*;

    fn cut(function: &dyn ScalarUDFImpl, unit: &str, times: &ArrayRef) -> Result<ArrayRef> {
        let fields = [DataType::Utf8, times.data_type().clone()]
            .map(|data_type| Arc::new(Field::new("", data_type, true)));
        let args = ScalarFunctionArgs {
            args: vec![
                ColumnarValue::Scalar(ScalarValue::from(unit)),
                ColumnarValue::Array(Arc::clone(times)),
            ],
            return_field: Arc::clone(&fields[1]),
            arg_fields: fields.to_vec(),
            number_rows: times.len(),
            config_options: Arc::new(ConfigOptions::default()),
        };
        function.invoke_with_args(args)?.into_array(times.len())
    }

    proptest! {
        /// Every unit, before and after 1970, in UTC by both names and on clocks that are set.
        #[test]
        fn it_cuts_as_the_engine_does(
            times in prop::collection::vec(
                prop::option::of(-2_000_000_000_000_000_i64..4_000_000_000_000_000),
                1..20,
            ),
            zone in prop::sample::select(vec![None, Some("+00:00"), Some("UTC"), Some("Asia/Kolkata")]),
        ) {
            let times = TimestampMicrosecondArray::from(times).with_timezone_opt(zone);
            let times: ArrayRef = Arc::new(times);
            for unit in ["microsecond", "second", "minute", "hour", "DAY", "week", "month", "quarter", "year"] {
                let ours = cut(&DateTrunc(DateTruncFunc::new()), unit, &times).unwrap();
                let engines = cut(&DateTruncFunc::new(), unit, &times).unwrap();
                prop_assert_eq!(&ours, &engines, "{}", unit);
            }
            prop_assert!(cut(&DateTrunc(DateTruncFunc::new()), "fortnight", &times).is_err());
        }
    }
}
