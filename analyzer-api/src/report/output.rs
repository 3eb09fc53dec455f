//! A report in a format.

use ledgerline_schemas::config::report::Unit;
use serde_json::{Value, json};

use super::compile::Role;
use super::error::ReportError;
use super::run::about;
use super::saved::folded;
use super::sheet::Sheet;
use super::{plot, xlsx};
use crate::format::{Format, Writer, json as json_rows};

/// Form of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// One of the forms of every answer; JSON has the totals as well.
    Data(Format),
    /// A spreadsheet.
    Xlsx,
    /// A drawing as lines and text.
    Svg,
    /// A drawing as pixels.
    Png,
}

impl Output {
    /// The names.
    pub const NAMES: &'static str = "json, ndjson, csv, arrow, parquet, xlsx, svg or png";

    /// By name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "xlsx" => Self::Xlsx,
            "svg" => Self::Svg,
            "png" => Self::Png,
            other => Self::Data(Format::from_name(other)?),
        })
    }

    /// The name; also the end of a file's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Data(format) => format.name(),
            Self::Xlsx => "xlsx",
            Self::Svg => "svg",
            Self::Png => "png",
        }
    }

    /// The media type.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Data(format) => format.media_type(),
            Self::Xlsx => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            Self::Svg => "image/svg+xml",
            Self::Png => "image/png",
        }
    }

    /// The whole file.
    ///
    /// # Errors
    /// [`ReportError::Format`], [`ReportError::Output`].
    pub fn of(self, sheet: &Sheet) -> Result<Vec<u8>, ReportError> {
        match self {
            Self::Xlsx => xlsx::file(sheet),
            Self::Svg => plot::svg(sheet).map(String::into_bytes),
            Self::Png => plot::png(sheet),
            Self::Data(Format::Json) => document(sheet),
            Self::Data(format) => {
                let mut writer = Writer::new(format, &sheet.schema, sheet.position)?;
                let mut bytes = writer.begin();
                for batch in &sheet.batches {
                    bytes.extend(writer.batch(batch)?);
                }
                bytes.extend(writer.end()?);
                Ok(bytes)
            }
        }
    }
}

/// A name for the file of a sheet: letters, digits and `-`.
#[must_use]
pub fn file_name(sheet: &Sheet, output: Output) -> String {
    let plain: String = folded(&sheet.definition.name)
        .chars()
        .filter(|it| it.is_ascii_alphanumeric() || *it == '-')
        .collect();
    let day =
        sheet.period.map(|it| it.from.with_timezone(&it.zone).format("-%Y-%m-%d").to_string());
    let plain = if plain.is_empty() { "report".to_owned() } else { plain };
    format!("{plain}{}.{}", day.unwrap_or_default(), output.name())
}

fn document(sheet: &Sheet) -> Result<Vec<u8>, ReportError> {
    let columns = sheet.columns.iter().map(|column| match column.role {
        Role::Measure(unit) => {
            json!({ "name": column.name, "role": "measure", "unit": named(unit) })
        }
        Role::Segment => json!({ "name": column.name, "role": "segment" }),
        Role::Interval => json!({ "name": column.name, "role": "interval" }),
    });
    let mut head = json!({
        "as_of_position": sheet.position,
        "columns": columns.collect::<Vec<_>>(),
        "row_count": sheet.rows(),
    });
    for (name, value) in about(sheet).into_iter().filter(|it| it.0 != "Position") {
        head[name.to_lowercase().replace(' ', "_")] = Value::String(value);
    }
    if let Some(totals) = &sheet.totals {
        let elements = json_rows::elements(totals)?;
        let text = [&b"["[..], &elements, &b"]"[..]].concat();
        head["totals"] = serde_json::from_slice(&text)
            .map_err(|error| ReportError::Output(error.to_string()))?;
    }
    // The rows come last, as they are: they are not parsed again.
    let mut bytes = head.to_string().into_bytes();
    bytes.pop();
    bytes.extend_from_slice(b",\"rows\":[");
    let mut first = true;
    for batch in sheet.batches.iter().filter(|batch| batch.num_rows() > 0) {
        if !first {
            bytes.push(b',');
        }
        first = false;
        bytes.extend(json_rows::elements(batch)?);
    }
    bytes.extend_from_slice(b"]}\n");
    Ok(bytes)
}

const fn named(unit: Unit) -> &'static str {
    match unit {
        Unit::Count => "count",
        Unit::Ms => "ms",
        Unit::Percent => "percent",
        Unit::Number => "number",
    }
}
