//! A row as a JSON object.

use ledgerline_projections::{ColumnType, Row, TableDef, Value};
use ledgerline_schemas::Timestamp;
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

/// Serializes the chosen columns of a row in their order. Times are RFC 3339, JSON columns are JSON.
pub(crate) struct RowJson<'a> {
    pub(crate) table: &'static TableDef,
    pub(crate) columns: &'a [usize],
    pub(crate) row: &'a Row,
}

impl Serialize for RowJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.columns.len()))?;
        for index in self.columns {
            let (Some(column), Some(value)) =
                (self.table.columns.get(*index), self.row.get(*index))
            else {
                continue;
            };
            map.serialize_key(column.name)?;
            match value {
                Value::Null => map.serialize_value(&())?,
                Value::Int(number) => map.serialize_value(number)?,
                Value::Bool(truth) => map.serialize_value(truth)?,
                Value::Time(micros) => map.serialize_value(&Timestamp::from_micros(*micros))?,
                Value::Text(text) if column.column_type == ColumnType::Json => {
                    // Text that is no JSON would be a fold's mistake; a string still shows it.
                    match serde_json::from_str::<serde_json::Value>(text) {
                        Ok(json) => map.serialize_value(&json)?,
                        Err(_) => map.serialize_value(&**text)?,
                    }
                }
                Value::Text(text) => map.serialize_value(&**text)?,
            }
        }
        map.end()
    }
}

/// Many rows as a JSON array.
pub(crate) struct RowsJson<'a> {
    pub(crate) table: &'static TableDef,
    pub(crate) columns: &'a [usize],
    pub(crate) rows: &'a [Row],
}

impl Serialize for RowsJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { table, columns, rows } = *self;
        serializer.collect_seq(rows.iter().map(|row| RowJson { table, columns, row }))
    }
}
