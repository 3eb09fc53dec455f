//! CSV by RFC 4180: lines end in CR LF, quotes are doubled.

use datafusion::arrow::array::Array;
use datafusion::arrow::datatypes::Schema;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::arrow::util::display::ArrayFormatter;

use super::{FormatError, text_options};

/// The header line.
#[must_use]
pub fn header(schema: &Schema) -> String {
    line(schema.fields().iter().map(|field| Some(field.name().as_str())))
}

/// The lines of a batch.
///
/// # Errors
/// [`FormatError`] if a value cannot be written as text.
pub fn lines(batch: &RecordBatch) -> Result<String, FormatError> {
    let options = text_options();
    let columns = batch
        .columns()
        .iter()
        .map(|column| Ok((column, ArrayFormatter::try_new(column, &options)?)))
        .collect::<Result<Vec<_>, FormatError>>()?;
    let mut text = String::new();
    for row in 0..batch.num_rows() {
        let values = columns
            .iter()
            .map(|(column, formatter)| {
                if column.is_null(row) {
                    return Ok(None);
                }
                Ok(Some(formatter.value(row).try_to_string()?))
            })
            .collect::<Result<Vec<Option<String>>, FormatError>>()?;
        text.push_str(&line(values.iter().map(|value| value.as_deref())));
    }
    Ok(text)
}

fn line<'a>(values: impl Iterator<Item = Option<&'a str>>) -> String {
    let mut text = String::new();
    for (index, value) in values.enumerate() {
        if index > 0 {
            text.push(',');
        }
        match value {
            None => {}
            // Empty text is told from NULL by its quotes.
            Some(value) if value.is_empty() || value.contains(['"', ',', '\r', '\n']) => {
                text.push('"');
                text.push_str(&value.replace('"', "\"\""));
                text.push('"');
            }
            Some(value) => text.push_str(value),
        }
    }
    text.push_str("\r\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_quoted_where_they_must_be() {
        let values = [Some("a"), None, Some(""), Some("x,\"y\"\nz")];
        assert_eq!(line(values.into_iter()), "a,,\"\",\"x,\"\"y\"\"\nz\"\r\n");
    }
}
