//! Values of any ordered type as bytes whose order is the order of the values.

use datafusion::arrow::array::{Array, ArrayRef, AsArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Float64Type, Int64Type};
use datafusion::error::{DataFusionError, Result};
use datafusion::scalar::ScalarValue;

use crate::functions::scalar::unexpected;

const SIGN: u64 = 1 << 63;

/// A column whose values are read as bytes.
#[derive(Debug)]
pub(super) struct Keys(ArrayRef);

impl Keys {
    /// Times, dates and booleans are read as whole numbers.
    pub(super) fn new(column: &ArrayRef) -> Result<Self> {
        Ok(Self(match column.data_type() {
            DataType::Utf8 | DataType::Int64 | DataType::Float64 => column.clone(),
            // There is no way from a date to 64 bits but over 32.
            DataType::Date32 => cast(&cast(column, &DataType::Int32)?, &DataType::Int64)?,
            DataType::Boolean | DataType::Timestamp(_, _) => cast(column, &DataType::Int64)?,
            _ => return Err(unexpected(column.as_ref())),
        }))
    }

    /// The bytes of a row; `None` for NULL.
    pub(super) fn with<T>(&self, row: usize, use_key: impl FnOnce(&[u8]) -> T) -> Option<T> {
        if self.0.is_null(row) {
            return None;
        }
        let number = match self.0.data_type() {
            DataType::Int64 => self.0.as_primitive::<Int64Type>().value(row) as u64 ^ SIGN,
            DataType::Float64 => {
                let value = self.0.as_primitive::<Float64Type>().value(row);
                let value = if value.is_nan() { f64::NAN } else { value + 0.0 };
                let bits = value.to_bits();
                if bits & SIGN == 0 { bits | SIGN } else { !bits }
            }
            _ => return Some(use_key(self.0.as_string::<i32>().value(row).as_bytes())),
        };
        Some(use_key(&number.to_be_bytes()))
    }
}

/// The value of a key in the type it came from.
pub(super) fn value(key: &[u8], data_type: &DataType) -> Result<ScalarValue> {
    if matches!(data_type, DataType::Utf8) {
        let text = std::str::from_utf8(key)
            .map_err(|error| DataFusionError::Internal(format!("a key is not text: {error}")))?;
        return Ok(ScalarValue::Utf8(Some(text.to_owned())));
    }
    let bytes: [u8; 8] = key
        .try_into()
        .map_err(|_| DataFusionError::Internal("a key has not eight bytes".to_owned()))?;
    let number = u64::from_be_bytes(bytes);
    if matches!(data_type, DataType::Float64) {
        let bits = if number & SIGN == 0 { !number } else { number ^ SIGN };
        return Ok(ScalarValue::Float64(Some(f64::from_bits(bits))));
    }
    let number = (number ^ SIGN) as i64;
    let whole = ScalarValue::Int64(Some(number));
    match data_type {
        DataType::Date32 => whole.cast_to(&DataType::Int32)?.cast_to(data_type),
        other => whole.cast_to(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    use datafusion::arrow::array::{
        BooleanArray, Date32Array, Float64Array, Int64Array, StringArray, TimestampMicrosecondArray,
    };

    #[test]
    fn keys_keep_order_and_value() {
        let columns: Vec<ArrayRef> = vec![
            Arc::new(Int64Array::from(vec![i64::MIN, -1, 0, 1, i64::MAX])),
            Arc::new(Float64Array::from(vec![f64::NEG_INFINITY, -1.5, 0.0, 1e-310, 2.0, f64::NAN])),
            Arc::new(StringArray::from(vec!["", "a", "ab", "b", "é"])),
            Arc::new(BooleanArray::from(vec![false, true])),
            Arc::new(Date32Array::from(vec![-1, 0, 20_000])),
            Arc::new(TimestampMicrosecondArray::from(vec![-5, 0, 5]).with_timezone("UTC")),
        ];
        for column in columns {
            let keys = Keys::new(&column).unwrap();
            let mut before: Option<Vec<u8>> = None;
            for row in 0..column.len() {
                let key = keys.with(row, <[u8]>::to_vec).unwrap();
                assert!(before.is_none_or(|before| before < key), "{column:?} at {row}");
                let expected = ScalarValue::try_from_array(&column, row).unwrap();
                let got = value(&key, column.data_type()).unwrap();
                assert_eq!(format!("{got:?}"), format!("{expected:?}"));
                before = Some(key);
            }
        }
    }
}
