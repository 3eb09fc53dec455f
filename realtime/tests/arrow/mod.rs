//! Frames whose rows are an Arrow stream, read as somebody would who has only the documents.

#![allow(unreachable_pub, reason = "shared by test binaries")]

use arrow::array::{Array, AsArray as _};
use arrow::datatypes::{DataType, Int64Type, TimestampMicrosecondType};
use arrow::ipc::reader::StreamReader;
use ledgerline_projections::{ColumnType, TableDef};
use ledgerline_schemas::Timestamp;
use serde_json::{Map, Value as Json, json};

/// The frame that a JSON subscriber would have got.
pub fn frame_of(bytes: &[u8], table: &TableDef) -> Json {
    let mut reader = StreamReader::try_new(bytes, None).unwrap();
    let schema = reader.schema();
    let mut frame: Json = serde_json::from_str(&schema.metadata()["ledgerline.frame"]).unwrap();
    let batch = reader.next().unwrap().unwrap();
    assert!(reader.next().is_none(), "a stream has one batch");
    let gone = batch.column_by_name("_deleted").unwrap().as_boolean();
    let (mut upserts, mut deletes) = (Vec::new(), Vec::new());
    for row in 0..batch.num_rows() {
        let mut cells = Map::new();
        for (field, column) in schema.fields().iter().zip(batch.columns()) {
            let Some(index) = table.column(field.name()) else { continue };
            let value = cell(column, row, table.columns[index].column_type);
            if !gone.value(row) || table.key.contains(&field.name().as_str()) {
                cells.insert(field.name().clone(), value);
            } else {
                assert!(value.is_null(), "of a row that is gone only the key is told: {value}");
            }
        }
        if gone.value(row) { &mut deletes } else { &mut upserts }.push(Json::Object(cells));
    }
    match frame["type"].as_str().unwrap() {
        "rows" => {
            assert!(frame["rows"].is_null() && deletes.is_empty(), "{frame}");
            frame["rows"] = json!(upserts);
        }
        "delta" => {
            assert!(frame["upserts"].is_null() && frame["deletes"].is_null(), "{frame}");
            (frame["upserts"], frame["deletes"]) = (json!(upserts), json!(deletes));
        }
        other => panic!("{other} has no rows"),
    }
    frame
}

fn cell(column: &dyn Array, row: usize, column_type: ColumnType) -> Json {
    if column.is_null(row) {
        return Json::Null;
    }
    match (column.data_type(), column_type) {
        (DataType::Utf8, ColumnType::Json) => {
            serde_json::from_str(column.as_string::<i32>().value(row)).unwrap()
        }
        (DataType::Utf8, ColumnType::Text) => json!(column.as_string::<i32>().value(row)),
        (DataType::Int64, ColumnType::Int) => json!(column.as_primitive::<Int64Type>().value(row)),
        (DataType::Boolean, ColumnType::Bool) => json!(column.as_boolean().value(row)),
        (DataType::Timestamp(_, Some(_)), ColumnType::Time) => {
            let micros = column.as_primitive::<TimestampMicrosecondType>().value(row);
            json!(Timestamp::from_micros(micros))
        }
        (found, declared) => panic!("{declared:?} as {found}"),
    }
}
