//! Service level in percent, by four published definitions.
//!
//! `A` counts answered and `B` abandoned stays; `A≤T` and `B≤T` those that waited at most the threshold.
//! `other` and `open` count nowhere. With nothing to count the result is NULL.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, Int64Array};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Int64Type};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Signature, Volatility,
};
use datafusion::scalar::ScalarValue;

/// A published definition of service level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Definition {
    /// `A≤T / A`: of the answered alone.
    OfAnswered,
    /// `A≤T / (A + B)`: abandons count against.
    Negative,
    /// `A≤T / (A + B − B≤T)`: short abandons are ignored.
    Ignore,
    /// `(A≤T + B≤T) / (A + B)`: short abandons count in favour.
    Positive,
}

impl Definition {
    /// Every definition.
    pub const ALL: [Self; 4] = [Self::OfAnswered, Self::Negative, Self::Ignore, Self::Positive];

    /// Name of the SQL aggregate.
    #[must_use]
    pub const fn function_name(self) -> &'static str {
        match self {
            Self::OfAnswered => "sl_of_answered",
            Self::Negative => "sl_negative",
            Self::Ignore => "sl_ignore",
            Self::Positive => "sl_positive",
        }
    }

    /// What it says, for `\df+`.
    #[must_use]
    pub const fn doc(self) -> &'static str {
        match self {
            Self::OfAnswered => "percent of the answered that waited at most the threshold",
            Self::Negative => "percent answered in time of all answered and abandoned",
            Self::Ignore => {
                "percent answered in time of all but those who abandoned within the threshold"
            }
            Self::Positive => {
                "percent answered or abandoned within the threshold of all answered and abandoned"
            }
        }
    }

    /// The level in percent; `None` when there is nothing to count.
    #[must_use]
    pub fn percent(self, counts: Counts) -> Option<f64> {
        let Counts { answered, answered_in, abandoned, abandoned_in } = counts;
        let (part, whole) = match self {
            Self::OfAnswered => (answered_in, answered),
            Self::Negative => (answered_in, answered + abandoned),
            Self::Ignore => (answered_in, answered + abandoned - abandoned_in),
            Self::Positive => (answered_in + abandoned_in, answered + abandoned),
        };
        // Counts stay far below 2^53, where f64 is exact.
        (whole > 0).then(|| part as f64 * 100.0 / whole as f64)
    }
}

/// What the definitions are computed from. Sums of counts are counts: partial states merge by adding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Answered.
    pub answered: i64,
    /// Answered within the threshold.
    pub answered_in: i64,
    /// Abandoned.
    pub abandoned: i64,
    /// Abandoned within the threshold.
    pub abandoned_in: i64,
}

impl Counts {
    /// Counts one stay. A stay without a duration counts as not within the threshold.
    pub fn add(&mut self, outcome: &str, within: bool) {
        let (all, inside) = match outcome {
            "answered" => (&mut self.answered, &mut self.answered_in),
            "abandoned" => (&mut self.abandoned, &mut self.abandoned_in),
            _ => return,
        };
        *all += 1;
        *inside += i64::from(within);
    }
}

/// The four aggregates.
#[must_use]
pub fn aggregates() -> Vec<Arc<AggregateUDF>> {
    Definition::ALL
        .into_iter()
        .map(|definition| Arc::new(AggregateUDF::from(ServiceLevel::new(definition))))
        .collect()
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct ServiceLevel {
    definition: Definition,
    signature: Signature,
}

impl ServiceLevel {
    fn new(definition: Definition) -> Self {
        Self { definition, signature: Signature::user_defined(Volatility::Immutable) }
    }
}

const STATE: [&str; 4] = ["answered", "answered_in", "abandoned", "abandoned_in"];

impl AggregateUDFImpl for ServiceLevel {
    fn name(&self) -> &str {
        self.definition.function_name()
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> Result<Vec<DataType>> {
        let name = self.name();
        let [outcome, wait, threshold] = arg_types else {
            return Err(DataFusionError::Plan(format!(
                "function {name} takes (outcome, queue_duration_ms, threshold_ms), got {} arguments",
                arg_types.len()
            )));
        };
        let text = |given: &DataType| {
            matches!(
                given,
                DataType::Utf8
                    | DataType::LargeUtf8
                    | DataType::Utf8View
                    | DataType::Null
                    | DataType::Dictionary(_, _)
            )
        };
        let number = |given: &DataType| given.is_numeric() || matches!(given, DataType::Null);
        for (what, fits) in [
            ("outcome must be text", text(outcome)),
            ("queue_duration_ms must be a number", number(wait)),
            ("threshold_ms must be a number", number(threshold)),
        ] {
            if !fits {
                return Err(DataFusionError::Plan(format!("function {name}: {what}")));
            }
        }
        // A threshold such as 20.5 must not be cut to 20 before it is compared.
        let wide = |given: &DataType| match given {
            DataType::Float32 | DataType::Float64 | DataType::Decimal128(_, _) => DataType::Float64,
            _ => DataType::Int64,
        };
        Ok(vec![DataType::Utf8, wide(wait), wide(threshold)])
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Float64)
    }

    fn accumulator(&self, _: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(Level { definition: self.definition, counts: Counts::default() }))
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        Ok(STATE
            .iter()
            .map(|part| {
                Arc::new(Field::new(format!("{}[{part}]", args.name), DataType::Int64, false))
            })
            .collect())
    }
}

#[derive(Debug)]
struct Level {
    definition: Definition,
    counts: Counts,
}

impl Accumulator for Level {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let [outcome, wait, threshold] = values else {
            return Err(DataFusionError::Internal("service level needs three columns".to_owned()));
        };
        let outcome = outcome.as_string::<i32>();
        let within = within(wait, threshold)?;
        for (row, within) in within.into_iter().enumerate() {
            if outcome.is_valid(row) {
                self.counts.add(outcome.value(row), within);
            }
        }
        Ok(())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        Ok(ScalarValue::Float64(self.definition.percent(self.counts)))
    }

    fn size(&self) -> usize {
        size_of_val(self)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let Counts { answered, answered_in, abandoned, abandoned_in } = self.counts;
        Ok([answered, answered_in, abandoned, abandoned_in].map(ScalarValue::from).to_vec())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let sums = states
            .iter()
            .map(|state| state.as_primitive::<Int64Type>().iter().flatten().sum::<i64>());
        let mut sums = sums.collect::<Vec<_>>().into_iter();
        for total in [
            &mut self.counts.answered,
            &mut self.counts.answered_in,
            &mut self.counts.abandoned,
            &mut self.counts.abandoned_in,
        ] {
            *total += sums.next().unwrap_or(0);
        }
        Ok(())
    }
}

/// For each row whether `wait <= threshold`; false when either is missing.
fn within(wait: &ArrayRef, threshold: &ArrayRef) -> Result<Vec<bool>> {
    if let (Some(wait), Some(threshold)) = (
        wait.as_any().downcast_ref::<Int64Array>(),
        threshold.as_any().downcast_ref::<Int64Array>(),
    ) {
        return Ok(wait
            .iter()
            .zip(threshold.iter())
            .map(|pair| matches!(pair, (Some(wait), Some(threshold)) if wait <= threshold))
            .collect());
    }
    let (wait, threshold) = (cast(wait, &DataType::Float64)?, cast(threshold, &DataType::Float64)?);
    Ok(wait
        .as_primitive::<datafusion::arrow::datatypes::Float64Type>()
        .iter()
        .zip(threshold.as_primitive::<datafusion::arrow::datatypes::Float64Type>().iter())
        .map(|pair| matches!(pair, (Some(wait), Some(threshold)) if wait <= threshold))
        .collect())
}
