//! Answers and errors in the form of the protocol.

use std::sync::Arc;

use arrow_pg::datatypes::arrow_schema_to_pg_fields;
use arrow_pg::encoder::{Encoder, encode_value};
use bytes::BytesMut;
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::arrow::record_batch::RecordBatch;
use futures::{Stream, StreamExt, stream};
use pgwire::api::Type;
use pgwire::api::portal::Format;
use pgwire::api::results::{DataRowEncoder, FieldFormat, FieldInfo, QueryResponse};
use pgwire::error::{ErrorInfo, PgWireError, PgWireResult};
use pgwire::messages::data::DataRow;
use pgwire::types::ToSqlText;
use postgres_types::{IsNull, ToSql};

use super::connection::error;
use super::times;
use crate::analyzer::Answer;
use crate::error::QueryError;

/// The rows of an answer, encoded while they are computed.
pub(super) fn response(answer: Answer, fields: Vec<FieldInfo>) -> QueryResponse {
    let fields = Arc::new(fields);
    let row_fields = Arc::clone(&fields);
    let batches = stream::unfold(answer, |mut answer| async move {
        let batch = answer.next().await?;
        Some((batch, answer))
    });
    let rows = batches.flat_map(move |batch| encoded(batch, &row_fields));
    QueryResponse::new(fields, rows)
}

/// The rows of a batch in the form of the protocol.
pub(super) fn encoded(
    batch: Result<RecordBatch, QueryError>,
    fields: &Arc<Vec<FieldInfo>>,
) -> impl Stream<Item = PgWireResult<DataRow>> + use<> {
    let rows: Vec<_> = match batch {
        Ok(batch) => rows(&batch, fields),
        Err(error) => vec![Err(from_query(&error, None))],
    };
    stream::iter(rows)
}

fn rows(batch: &RecordBatch, fields: &Arc<Vec<FieldInfo>>) -> Vec<PgWireResult<DataRow>> {
    let schema = batch.schema();
    let mut encoder = Rows(DataRowEncoder::new(Arc::clone(fields)));
    let row = |row| {
        let columns = batch.columns().iter().zip(schema.fields()).zip(fields.iter());
        for ((column, field), shown) in columns {
            encode_value(&mut encoder, column, row, field, shown)?;
        }
        Ok(encoder.take_row())
    };
    (0..batch.num_rows()).map(row).collect()
}

/// Encodes rows with times in text as PostgreSQL writes them.
struct Rows(DataRowEncoder);

impl Encoder for Rows {
    type Item = DataRow;

    fn encode_field<T>(&mut self, value: &T, field: &FieldInfo) -> PgWireResult<()>
    where
        T: ToSql + ToSqlText + Sized,
    {
        if field.format() != FieldFormat::Text || !times::is_time(field.datatype()) {
            return Encoder::encode_field(&mut self.0, value, field);
        }
        let (mut bytes, options) = (BytesMut::new(), field.format_options());
        let null = value
            .to_sql_text(field.datatype(), &mut bytes, options)
            .map_err(PgWireError::ApiError)?;
        let text = matches!(null, IsNull::No).then(|| times::plain(&bytes));
        self.0.encode_field_with_type_and_format(&text, &Type::TEXT, FieldFormat::Text, options)
    }

    fn take_row(&mut self) -> DataRow {
        self.0.take_row()
    }
}

/// The columns of an answer. A client may give a format for all columns or one for each.
pub(super) fn fields(schema: &Schema, format: &Format) -> PgWireResult<Vec<FieldInfo>> {
    check_formats(format, schema.fields().len())?;
    let fields = arrow_schema_to_pg_fields(schema, format, None)?;
    let with_bounds = |(shown, field): (FieldInfo, &Arc<Field>)| match field.data_type() {
        // Without it, a client takes a number for one of any precision.
        DataType::Decimal128(precision, scale) if *scale >= 0 => {
            let bounds = (i32::from(*precision) << 16) | i32::from(*scale);
            shown.with_type_modifier(bounds + 4)
        }
        _ => shown,
    };
    Ok(fields.into_iter().zip(schema.fields()).map(with_bounds).collect())
}

/// Columns of an answer about types: a list of their ids is `oid[]`, which a client knows that does not know `integer[]`
/// yet and asks for it with this very question. The bytes are the same.
pub(super) fn of_types(fields: Vec<FieldInfo>) -> Vec<FieldInfo> {
    let of_types = |field: FieldInfo| match *field.datatype() {
        Type::INT4_ARRAY => {
            let name = field.name().to_owned();
            FieldInfo::new(name, None, None, Type::OID_ARRAY, field.format())
        }
        _ => field,
    };
    fields.into_iter().map(of_types).collect()
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
