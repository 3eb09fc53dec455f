//! Argument columns of the metrics, read row by row.

use datafusion::arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, AsArray, BooleanArray, Float64Array, Int64Array,
    PrimitiveArray, StringArray, TimestampMicrosecondArray,
};
use datafusion::arrow::datatypes::{Float64Type, Int64Type, TimestampMicrosecondType};
use datafusion::error::{DataFusionError, Result};

use crate::functions::scalar::unexpected;

fn column(values: &[ArrayRef], index: usize) -> Result<&ArrayRef> {
    values
        .get(index)
        .ok_or_else(|| DataFusionError::Internal(format!("there is no argument {index}")))
}

pub(super) fn texts(values: &[ArrayRef], index: usize) -> Result<&StringArray> {
    let column = column(values, index)?;
    column.as_string_opt::<i32>().ok_or_else(|| unexpected(column.as_ref()))
}

pub(super) fn times(values: &[ArrayRef], index: usize) -> Result<&TimestampMicrosecondArray> {
    let column = column(values, index)?;
    let times = column.as_primitive_opt::<TimestampMicrosecondType>();
    times.ok_or_else(|| unexpected(column.as_ref()))
}

pub(super) fn ints(values: &[ArrayRef], index: usize) -> Result<&Int64Array> {
    let column = column(values, index)?;
    column.as_primitive_opt::<Int64Type>().ok_or_else(|| unexpected(column.as_ref()))
}

pub(super) fn numbers(values: &[ArrayRef], index: usize) -> Result<&Float64Array> {
    let column = column(values, index)?;
    column.as_primitive_opt::<Float64Type>().ok_or_else(|| unexpected(column.as_ref()))
}

pub(super) fn flags(values: &[ArrayRef], index: usize) -> Result<&BooleanArray> {
    let column = column(values, index)?;
    column.as_boolean_opt().ok_or_else(|| unexpected(column.as_ref()))
}

/// A value of a row; `None` is NULL.
pub(super) trait At {
    type Item<'a>
    where
        Self: 'a;
    fn at(&self, row: usize) -> Option<Self::Item<'_>>;
}

impl At for StringArray {
    type Item<'a> = &'a str;

    fn at(&self, row: usize) -> Option<&str> {
        self.is_valid(row).then(|| self.value(row))
    }
}

impl At for BooleanArray {
    type Item<'a> = bool;

    fn at(&self, row: usize) -> Option<bool> {
        self.is_valid(row).then(|| self.value(row))
    }
}

impl<T: ArrowPrimitiveType> At for PrimitiveArray<T> {
    type Item<'a> = T::Native;

    fn at(&self, row: usize) -> Option<T::Native> {
        self.is_valid(row).then(|| self.value(row))
    }
}
