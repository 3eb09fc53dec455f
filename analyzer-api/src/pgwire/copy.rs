//! `COPY … TO STDOUT`: a whole answer as text, CSV or PostgreSQL's binary form
//! (<https://www.postgresql.org/docs/current/sql-copy.html>, "File Formats").

mod rows;

use datafusion::sql::sqlparser::ast::{
    CopyLegacyCsvOption, CopyLegacyOption, CopyOption, CopySource, CopyTarget, Ident, Statement,
};
use futures::{Sink, SinkExt};
use pgwire::api::portal::Format;
use pgwire::api::results::Tag;
use pgwire::error::{PgWireError, PgWireResult};
use pgwire::messages::PgWireBackendMessage;
use pgwire::messages::copy::{CopyDone, CopyOutResponse};
use rows::Writer;

use super::encode::{fields, from_query};
use crate::analyzer::Answer;
use crate::error::QueryError;

/// How a copy is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Copy {
    form: Form,
    header: bool,
    delimiter: u8,
    null: String,
    quote: u8,
    escape: u8,
    /// Columns whose values are always in quotes; `*` is all.
    force_quote: Vec<Ident>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Text,
    Csv,
    Binary,
}

/// Whether a statement is a copy.
pub(super) const fn is_copy(statement: &Statement) -> bool {
    matches!(statement, Statement::Copy { .. })
}

/// The question of a copy and its form; `None` for any other statement.
///
/// # Errors
/// [`QueryError::NotAllowed`] for a copy that is not to the client, [`QueryError::Unsupported`] and
/// [`QueryError::Value`] for options, by name.
pub(super) fn of(
    statement: &Statement,
    bytes_max: usize,
) -> Option<Result<(Statement, Copy), QueryError>> {
    let Statement::Copy { source, to, target, options, legacy_options, values: _ } = statement
    else {
        return None;
    };
    Some(read(source, *to, target, options, legacy_options, bytes_max))
}

fn read(
    source: &CopySource,
    to: bool,
    target: &CopyTarget,
    options: &[CopyOption],
    legacy: &[CopyLegacyOption],
    bytes_max: usize,
) -> Result<(Statement, Copy), QueryError> {
    if !to || *target != CopyTarget::Stdout {
        let what = if to { "COPY TO a file or program" } else { "COPY FROM" };
        return Err(QueryError::NotAllowed(format!(
            "{what} is not allowed: the analyzer copies to the client only (COPY … TO STDOUT)"
        )));
    }
    let copy = Options::read(options, legacy)?.copy()?;
    let statement = match source {
        CopySource::Query(query) => Statement::Query(query.clone()),
        CopySource::Table { table_name, columns } => {
            let columns: Vec<String> = columns.iter().map(ToString::to_string).collect();
            let columns = if columns.is_empty() { "*".to_owned() } else { columns.join(", ") };
            crate::sql::parse_one(&format!("SELECT {columns} FROM {table_name}"), bytes_max)?
        }
    };
    Ok((statement, copy))
}

/// What the statement says.
#[derive(Default)]
struct Options {
    form: Option<Form>,
    header: bool,
    delimiter: Option<char>,
    null: Option<String>,
    quote: Option<char>,
    escape: Option<char>,
    force_quote: Vec<Ident>,
}

impl Options {
    fn read(options: &[CopyOption], legacy: &[CopyLegacyOption]) -> Result<Self, QueryError> {
        let unsupported =
            |what: &str| QueryError::Unsupported(format!("COPY: {what} is not supported"));
        let mut read = Self::default();
        for option in options {
            match option {
                CopyOption::Format(name) => read.form = Some(form(&name.value)?),
                CopyOption::Header(header) => read.header = *header,
                CopyOption::Delimiter(delimiter) => read.delimiter = Some(*delimiter),
                CopyOption::Null(null) => read.null = Some(null.clone()),
                CopyOption::Quote(quote) => read.quote = Some(*quote),
                CopyOption::Escape(escape) => read.escape = Some(*escape),
                CopyOption::ForceQuote(columns) => read.force_quote.clone_from(columns),
                CopyOption::Encoding(name) if is_utf8(name) => {}
                other => return Err(unsupported(&other.to_string())),
            }
        }
        for option in legacy {
            match option {
                CopyLegacyOption::Binary => read.form = Some(Form::Binary),
                CopyLegacyOption::Delimiter(delimiter) => read.delimiter = Some(*delimiter),
                CopyLegacyOption::Null(null) => read.null = Some(null.clone()),
                CopyLegacyOption::Header => read.header = true,
                CopyLegacyOption::Csv(options) => {
                    read.form = Some(Form::Csv);
                    for option in options {
                        match option {
                            CopyLegacyCsvOption::Header => read.header = true,
                            CopyLegacyCsvOption::Quote(quote) => read.quote = Some(*quote),
                            CopyLegacyCsvOption::Escape(escape) => read.escape = Some(*escape),
                            CopyLegacyCsvOption::ForceQuote(columns) => {
                                read.force_quote.clone_from(columns);
                            }
                            other => return Err(unsupported(&other.to_string())),
                        }
                    }
                }
                other => return Err(unsupported(&other.to_string())),
            }
        }
        Ok(read)
    }

    /// The form with its defaults; what does not go together is refused as PostgreSQL does.
    fn copy(self) -> Result<Copy, QueryError> {
        let refused = |reason: &str| Err(QueryError::Value(format!("COPY: {reason}")));
        let form = self.form.unwrap_or(Form::Text);
        let only_csv =
            self.quote.is_some() || self.escape.is_some() || !self.force_quote.is_empty();
        if only_csv && form != Form::Csv {
            return refused("QUOTE, ESCAPE and FORCE_QUOTE are for the format csv");
        }
        let not_binary = self.header || self.delimiter.is_some() || self.null.is_some();
        if not_binary && form == Form::Binary {
            return refused("HEADER, DELIMITER and NULL are not for the format binary");
        }
        let usual = if form == Form::Csv { (',', "") } else { ('\t', "\\N") };
        let delimiter = byte("DELIMITER", self.delimiter.unwrap_or(usual.0))?;
        let quote = byte("QUOTE", self.quote.unwrap_or('"'))?;
        let escape = self.escape.map_or(Ok(quote), |escape| byte("ESCAPE", escape))?;
        let null = self.null.unwrap_or_else(|| usual.1.to_owned());
        if null.contains(['\r', '\n']) || null.as_bytes().contains(&delimiter) {
            return refused("NULL may hold neither the delimiter nor a line end");
        }
        if form == Form::Csv && delimiter == quote {
            return refused("DELIMITER and QUOTE have to differ");
        }
        Ok(Copy {
            form,
            header: self.header,
            delimiter,
            null,
            quote,
            escape,
            force_quote: self.force_quote,
        })
    }
}

fn form(name: &str) -> Result<Form, QueryError> {
    Ok(match name.to_ascii_lowercase().as_str() {
        "text" => Form::Text,
        "csv" => Form::Csv,
        "binary" => Form::Binary,
        _ => {
            return Err(QueryError::Value(format!(
                "COPY: FORMAT is {name}; it can be text, csv or binary"
            )));
        }
    })
}

fn is_utf8(name: &str) -> bool {
    matches!(name.to_ascii_lowercase().as_str(), "utf8" | "utf-8")
}

fn byte(option: &str, value: char) -> Result<u8, QueryError> {
    match u8::try_from(value) {
        Ok(byte) if byte.is_ascii() && !matches!(byte, b'\r' | b'\n' | b'\\') => Ok(byte),
        _ => Err(QueryError::Value(format!("COPY: {option} has to be one ASCII character"))),
    }
}

/// Sends an answer as a copy, while it is computed; gives the command's tag. The library would end a copy that
/// broke with a message that only clients may send, and count what is no row.
///
/// # Errors
/// Those of the question; the client is told by the caller.
pub(super) async fn send<C>(client: &mut C, mut answer: Answer, copy: Copy) -> PgWireResult<Tag>
where
    C: Sink<PgWireBackendMessage> + Unpin,
    PgWireError: From<C::Error>,
{
    let binary = copy.form == Form::Binary;
    let format = if binary { Format::UnifiedBinary } else { Format::UnifiedText };
    let fields = fields(&answer.schema(), &format)?;
    let columns = i16::try_from(fields.len()).unwrap_or(i16::MAX);
    let begin =
        CopyOutResponse::new(i8::from(binary), columns, vec![i16::from(binary); fields.len()]);
    client.feed(PgWireBackendMessage::CopyOutResponse(begin)).await?;
    let mut writer = Writer::new(copy, fields);
    let mut rows = 0;
    while let Some(batch) = answer.next().await {
        for row in writer.rows(&batch.map_err(|error| from_query(&error, None))?) {
            client.feed(PgWireBackendMessage::CopyData(row?)).await?;
            rows += 1;
        }
    }
    if let Some(rest) = writer.rest() {
        client.feed(PgWireBackendMessage::CopyData(rest)).await?;
    }
    client.feed(PgWireBackendMessage::CopyDone(CopyDone::new())).await?;
    Ok(Tag::new("COPY").with_rows(rows))
}
