//! Scalar functions of ours: a description and a computation over columns.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray};
use datafusion::arrow::datatypes::DataType;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{
    ColumnarValue, Documentation, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};
use datafusion::scalar::ScalarValue;

use super::spec::Spec;

/// Computes the rows of the result.
pub(crate) type Body = fn(&'static Spec, &Inputs) -> Result<ArrayRef>;

/// A scalar function.
pub(crate) fn scalar(spec: &'static Spec, body: Body) -> ScalarUDF {
    ScalarUDF::from(Scalar {
        spec,
        body,
        signature: Signature::user_defined(Volatility::Immutable),
        documentation: spec.documentation(),
    })
}

#[derive(Debug)]
struct Scalar {
    spec: &'static Spec,
    body: Body,
    signature: Signature,
    documentation: Documentation,
}

// Names are unique, so the name stands for the rest.
impl PartialEq for Scalar {
    fn eq(&self, other: &Self) -> bool {
        self.spec.name == other.spec.name
    }
}

impl Eq for Scalar {}

impl Hash for Scalar {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.spec.name.hash(state);
    }
}

impl ScalarUDFImpl for Scalar {
    fn name(&self) -> &str {
        self.spec.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        self.spec.coerce(given)
    }

    fn return_type(&self, given: &[DataType]) -> Result<DataType> {
        Ok(self.spec.result_type(given))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let constant = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let rows = if constant { 1 } else { args.number_rows };
        let columns = args
            .args
            .iter()
            .map(|arg| match arg {
                ColumnarValue::Array(array) => {
                    Ok(Input { array: Arc::clone(array), constant: false })
                }
                ColumnarValue::Scalar(value) => {
                    Ok(Input { array: value.to_array()?, constant: true })
                }
            })
            .collect::<Result<Vec<_>>>()?;
        let array = (self.body)(self.spec, &Inputs { columns, rows })?;
        if constant {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&array, 0)?));
        }
        Ok(ColumnarValue::Array(array))
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(&self.documentation)
    }
}

/// The arguments of one call.
#[derive(Debug)]
pub(crate) struct Inputs {
    columns: Vec<Input>,
    pub(crate) rows: usize,
}

#[derive(Debug)]
struct Input {
    array: ArrayRef,
    /// One value stands for every row.
    constant: bool,
}

impl Inputs {
    /// Whether the argument was given at all.
    pub(crate) fn has(&self, index: usize) -> bool {
        index < self.columns.len()
    }

    fn at(&self, index: usize, row: usize) -> Result<Option<(&ArrayRef, usize)>> {
        let Some(Input { array, constant }) = self.columns.get(index) else {
            return Err(DataFusionError::Internal(format!("there is no argument {index}")));
        };
        let row = if *constant { 0 } else { row };
        Ok(array.is_valid(row).then_some((array, row)))
    }

    /// A value of a primitive type; `None` is NULL.
    pub(crate) fn primitive<T: ArrowPrimitiveType>(
        &self,
        index: usize,
        row: usize,
    ) -> Result<Option<T::Native>> {
        let Some((array, row)) = self.at(index, row)? else { return Ok(None) };
        let array = array.as_primitive_opt::<T>().ok_or_else(|| unexpected(array.as_ref()))?;
        Ok(Some(array.value(row)))
    }

    /// A text; `None` is NULL.
    pub(crate) fn text(&self, index: usize, row: usize) -> Result<Option<&str>> {
        let Some((array, row)) = self.at(index, row)? else { return Ok(None) };
        let array = array.as_string_opt::<i32>().ok_or_else(|| unexpected(array.as_ref()))?;
        Ok(Some(array.value(row)))
    }

    /// Bytes; `None` is NULL.
    pub(crate) fn bytes(&self, index: usize, row: usize) -> Result<Option<&[u8]>> {
        let Some((array, row)) = self.at(index, row)? else { return Ok(None) };
        let array = array.as_binary_opt::<i32>().ok_or_else(|| unexpected(array.as_ref()))?;
        Ok(Some(array.value(row)))
    }
}

/// An argument is of another type than [`Spec::coerce`] asked for.
pub(crate) fn unexpected(array: &dyn Array) -> DataFusionError {
    DataFusionError::Internal(format!("unexpected column of type {}", array.data_type()))
}

/// What was last made from a text, so that a constant is parsed once for a batch.
#[derive(Debug)]
pub(crate) struct Memo<T> {
    last: Option<(String, T)>,
}

impl<T> Memo<T> {
    pub(crate) const fn new() -> Self {
        Self { last: None }
    }

    /// What `make` gives for the text.
    pub(crate) fn get(
        &mut self,
        text: &str,
        make: impl FnOnce(&str) -> Result<T>,
    ) -> Result<&mut T> {
        if self.last.as_ref().is_none_or(|(known, _)| known != text) {
            self.last = Some((text.to_owned(), make(text)?));
        }
        match &mut self.last {
            Some((_, made)) => Ok(made),
            None => Err(DataFusionError::Internal("nothing was made".to_owned())),
        }
    }
}
