//! Scalar functions written as one Rust closure a row. They serve catalogs and sessions, where tables
//! are small; nothing on the hot path of analysis uses them.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Int32Array, Int64Array, StringArray,
};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::not_impl_err;
use datafusion::error::Result;
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, TypeSignature,
    Volatility,
};

/// Arguments of one row as text; `None` is NULL.
pub(crate) type Arguments<'a> = &'a [Option<&'a str>];

/// What a function gives for one row.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Cell {
    Null,
    Text(String),
    Int(i64),
    Bool(bool),
}

impl From<Option<String>> for Cell {
    fn from(value: Option<String>) -> Self {
        value.map_or(Self::Null, Self::Text)
    }
}

type Body = dyn Fn(Arguments<'_>) -> Result<Cell> + Send + Sync;

struct PerRow {
    name: &'static str,
    returns: DataType,
    signature: Signature,
    body: Arc<Body>,
}

/// A function of any number of arguments of any type, computed row by row.
pub(crate) fn function(
    name: &'static str,
    returns: DataType,
    body: impl Fn(Arguments<'_>) -> Result<Cell> + Send + Sync + 'static,
) -> ScalarUDF {
    make(name, returns, Volatility::Stable, body)
}

/// The same for a function that does something: it is run with the query, never while it is planned.
pub(crate) fn volatile(
    name: &'static str,
    returns: DataType,
    body: impl Fn(Arguments<'_>) -> Result<Cell> + Send + Sync + 'static,
) -> ScalarUDF {
    make(name, returns, Volatility::Volatile, body)
}

fn make(
    name: &'static str,
    returns: DataType,
    volatility: Volatility,
    body: impl Fn(Arguments<'_>) -> Result<Cell> + Send + Sync + 'static,
) -> ScalarUDF {
    let signature =
        Signature::one_of(vec![TypeSignature::Nullary, TypeSignature::VariadicAny], volatility);
    ScalarUDF::from(PerRow { name, returns, signature, body: Arc::new(body) })
}

impl fmt::Debug for PerRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PerRow").field("name", &self.name).finish_non_exhaustive()
    }
}

impl PartialEq for PerRow {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && Arc::ptr_eq(&self.body, &other.body)
    }
}

impl Eq for PerRow {}

impl Hash for PerRow {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl ScalarUDFImpl for PerRow {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(self.returns.clone())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let constant = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let rows = if constant { 1 } else { args.number_rows };
        let columns = args
            .args
            .iter()
            .map(|arg| Ok(cast(&arg.to_array(rows)?, &DataType::Utf8)?))
            .collect::<Result<Vec<ArrayRef>>>()?;
        let columns: Vec<&StringArray> =
            columns.iter().map(|column| column.as_string::<i32>()).collect();
        let cells = (0..rows)
            .map(|row| {
                let values: Vec<Option<&str>> = columns
                    .iter()
                    .map(|column| column.is_valid(row).then(|| column.value(row)))
                    .collect();
                (self.body)(&values)
            })
            .collect::<Result<Vec<Cell>>>()?;
        let array = array(&self.returns, &cells)?;
        if constant {
            return Ok(ColumnarValue::Scalar(datafusion::scalar::ScalarValue::try_from_array(
                &array, 0,
            )?));
        }
        Ok(ColumnarValue::Array(array))
    }
}

fn array(returns: &DataType, cells: &[Cell]) -> Result<ArrayRef> {
    let int = |cell: &Cell| match cell {
        Cell::Int(value) => Some(*value),
        _ => None,
    };
    Ok(match returns {
        DataType::Utf8 => Arc::new(StringArray::from_iter(cells.iter().map(|cell| match cell {
            Cell::Text(text) => Some(text.as_str()),
            _ => None,
        }))),
        DataType::Int32 => Arc::new(Int32Array::from_iter(
            cells.iter().map(|cell| int(cell).and_then(|value| i32::try_from(value).ok())),
        )),
        DataType::Int64 => Arc::new(Int64Array::from_iter(cells.iter().map(int))),
        DataType::Boolean => {
            Arc::new(BooleanArray::from_iter(cells.iter().map(|cell| match cell {
                Cell::Bool(value) => Some(*value),
                _ => None,
            })))
        }
        other => return not_impl_err!("a row function of type {other}"),
    })
}
