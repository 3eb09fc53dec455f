//! Answers and errors in the form of the protocol.

use std::sync::Arc;

use arrow_pg::datatypes::{arrow_schema_to_pg_fields, encode_recordbatch};
use datafusion::arrow::datatypes::Schema;
use datafusion::arrow::record_batch::RecordBatch;
use futures::{Stream, StreamExt, stream};
use pgwire::api::portal::Format;
use pgwire::api::results::{FieldInfo, QueryResponse};
use pgwire::error::{ErrorInfo, PgWireError, PgWireResult};
use pgwire::messages::data::DataRow;

use super::connection::error;
use crate::analyzer::Answer;
use crate::error::QueryError;

/// The rows of an answer, encoded while they are computed.
pub(super) fn response(answer: Answer, format: &Format) -> PgWireResult<QueryResponse> {
    let fields = Arc::new(fields(&answer.schema(), format)?);
    let row_fields = Arc::clone(&fields);
    let batches = stream::unfold(answer, |mut answer| async move {
        let batch = answer.next().await?;
        Some((batch, answer))
    });
    let rows = batches.flat_map(move |batch| encoded(batch, &row_fields));
    Ok(QueryResponse::new(fields, rows))
}

/// The rows of a batch in the form of the protocol.
pub(super) fn encoded(
    batch: Result<RecordBatch, QueryError>,
    fields: &Arc<Vec<FieldInfo>>,
) -> impl Stream<Item = PgWireResult<DataRow>> + use<> {
    let rows: Vec<_> = match batch {
        Ok(batch) => encode_recordbatch(Arc::clone(fields), batch).collect(),
        Err(error) => vec![Err(from_query(&error, None))],
    };
    stream::iter(rows)
}

/// The columns of an answer. A client may give a format for all columns or one for each.
pub(super) fn fields(schema: &Schema, format: &Format) -> PgWireResult<Vec<FieldInfo>> {
    check_formats(format, schema.fields().len())?;
    arrow_schema_to_pg_fields(schema, format, None)
}

/// Refuses a list of formats that does not fit: the library would index beyond its end.
pub(super) fn check_formats(format: &Format, count: usize) -> PgWireResult<()> {
    match format {
        Format::Individual(codes) if codes.len() != count => Err(error(
            "08P01",
            &format!("{} format codes were given for {count} values", codes.len()),
        )),
        _ => Ok(()),
    }
}

/// An error of ours; with the text of the query, a syntax error points into it.
pub(super) fn from_query(error: &QueryError, sql: Option<&str>) -> PgWireError {
    let mut info =
        ErrorInfo::new("ERROR".to_owned(), error.sqlstate().to_owned(), error.to_string());
    if let (QueryError::Syntax { place: Some((line, column)), .. }, Some(sql)) = (error, sql) {
        info.position = character(sql, *line, *column).map(|position| position.to_string());
    }
    PgWireError::UserError(Box::new(info))
}

/// Number of a character, from 1, by line and column, from 1.
fn character(sql: &str, line: u64, column: u64) -> Option<u64> {
    let before = usize::try_from(line).ok()?.checked_sub(1)?;
    let skipped: usize = sql.split('\n').take(before).map(|it| it.chars().count() + 1).sum();
    Some(skipped as u64 + column)
}
