//! Answers as text or bytes: JSON, NDJSON, CSV, Arrow IPC stream, Parquet, and a table for people.

pub mod arrow_stream;
pub mod csv;
pub mod json;
pub mod parquet_file;
pub mod table;
mod writer;

use datafusion::arrow::error::ArrowError;
use datafusion::arrow::util::display::FormatOptions;
pub use writer::Writer;

/// Form of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Format {
    /// One JSON object with the rows in an array.
    #[default]
    Json,
    /// One JSON object a line and row.
    Ndjson,
    /// RFC 4180 with a header line; NULL is an empty field, empty text is `""`.
    Csv,
    /// Arrow IPC stream.
    Arrow,
    /// A Parquet file.
    Parquet,
}

impl Format {
    /// By name: `json`, `ndjson`, `csv`, `arrow`, `parquet`.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "json" => Self::Json,
            "ndjson" => Self::Ndjson,
            "csv" => Self::Csv,
            "arrow" => Self::Arrow,
            "parquet" => Self::Parquet,
            _ => return None,
        })
    }

    /// The name: what [`Format::from_name`] takes.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Ndjson => "ndjson",
            Self::Csv => "csv",
            Self::Arrow => "arrow",
            Self::Parquet => "parquet",
        }
    }

    /// By an `Accept` header: the first media type in it that is one of ours; `*/*` is JSON.
    #[must_use]
    pub fn from_accept(accept: &str) -> Option<Self> {
        accept.split(',').find_map(|part| {
            Some(match part.split(';').next().unwrap_or(part).trim() {
                "application/json" | "application/*" | "*/*" => Self::Json,
                "application/x-ndjson" | "application/jsonl" => Self::Ndjson,
                "text/csv" | "text/*" => Self::Csv,
                "application/vnd.apache.arrow.stream" => Self::Arrow,
                "application/vnd.apache.parquet" => Self::Parquet,
                _ => return None,
            })
        })
    }

    /// The media type of the answer.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Ndjson => "application/x-ndjson",
            Self::Csv => "text/csv; charset=utf-8; header=present",
            Self::Arrow => "application/vnd.apache.arrow.stream",
            Self::Parquet => "application/vnd.apache.parquet",
        }
    }
}

/// An answer could not be written in a form.
#[derive(Debug, thiserror::Error)]
#[error("the answer does not fit the format: {0}")]
pub struct FormatError(#[from] ArrowError);

/// How values are written as text: times as RFC 3339 in UTC.
fn text_options() -> FormatOptions<'static> {
    FormatOptions::default()
        .with_display_error(false)
        .with_null("")
        .with_timestamp_format(Some("%Y-%m-%dT%H:%M:%S%.f"))
        .with_timestamp_tz_format(Some("%Y-%m-%dT%H:%M:%S%.fZ"))
}
