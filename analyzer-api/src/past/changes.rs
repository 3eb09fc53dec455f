//! Changes of rows, and checks of commits, as rows of their own.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, BooleanArray, Int64Array, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::arrow::record_batch::RecordBatch;
use ledgerline_projections::{CommitCheck, RowChange, TableDef, row_batch};
use ledgerline_schemas::Position;

use crate::error::QueryError;

fn internal(error: impl std::fmt::Display) -> QueryError {
    QueryError::Internal(error.to_string())
}

fn int(position: Position) -> i64 {
    i64::try_from(position.0).unwrap_or(i64::MAX)
}

/// One row a change: where, what, and the table's columns afterwards (before, if the row is gone).
pub(super) fn batch(
    table: &'static TableDef,
    changes: &[RowChange],
) -> Result<RecordBatch, QueryError> {
    let kind = |change: &RowChange| match (&change.before, &change.after) {
        (None, Some(_)) => "insert",
        (Some(_), Some(_)) => "update",
        (_, None) => "delete",
    };
    let rows: Vec<_> =
        changes.iter().filter_map(|it| it.after.clone().or_else(|| it.before.clone())).collect();
    let rows = row_batch(table, &rows).map_err(internal)?;
    let mut fields = vec![
        Field::new("change_position", DataType::Int64, false),
        Field::new("change", DataType::Utf8, false),
    ];
    fields.extend(rows.schema().fields().iter().map(|field| field.as_ref().clone()));
    let mut columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from_iter_values(changes.iter().map(|it| int(it.position)))),
        Arc::new(StringArray::from_iter_values(changes.iter().map(kind))),
    ];
    columns.extend(rows.columns().iter().cloned());
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).map_err(internal)
}

/// One row a commit.
pub(super) fn checks(
    table: &'static TableDef,
    checks: &[CommitCheck],
) -> Result<RecordBatch, QueryError> {
    let text = |name: &str| Field::new(name, DataType::Utf8, false);
    let whole = |name: &str| Field::new(name, DataType::Int64, false);
    let schema = Schema::new(vec![
        text("table_name"),
        whole("from_position"),
        whole("to_position"),
        whole("stored_rows"),
        whole("replayed_rows"),
        text("stored_sha256"),
        text("replayed_sha256"),
        Field::new("equal", DataType::Boolean, false),
    ]);
    let ints = |of: fn(&CommitCheck) -> u64| -> ArrayRef {
        let of = |check| i64::try_from(of(check)).unwrap_or(i64::MAX);
        Arc::new(Int64Array::from_iter_values(checks.iter().map(of)))
    };
    let texts = |of: fn(&CommitCheck) -> &str| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(checks.iter().map(of)))
    };
    let equal: Vec<bool> = checks.iter().map(|check| check.stored == check.replayed).collect();
    let names: ArrayRef =
        Arc::new(StringArray::from_iter_values(checks.iter().map(|_| table.name)));
    let columns = vec![
        names,
        ints(|check| check.from.0),
        ints(|check| check.to.0),
        ints(|check| check.stored.rows),
        ints(|check| check.replayed.rows),
        texts(|check| &check.stored.sha256),
        texts(|check| &check.replayed.sha256),
        Arc::new(BooleanArray::from(equal)),
    ];
    RecordBatch::try_new(Arc::new(schema), columns).map_err(internal)
}
