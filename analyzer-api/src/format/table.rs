//! A table for people: columns padded, numbers to the right.

use datafusion::arrow::datatypes::Schema;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::arrow::util::display::ArrayFormatter;

use super::{FormatError, text_options};

/// The whole answer as text. Rows end in a line feed; a last line counts them.
///
/// # Errors
/// [`FormatError`] if a value cannot be written as text.
pub fn render(schema: &Schema, batches: &[RecordBatch]) -> Result<String, FormatError> {
    let options = text_options();
    let header: Vec<String> = schema.fields().iter().map(|field| field.name().clone()).collect();
    let right: Vec<bool> =
        schema.fields().iter().map(|field| field.data_type().is_numeric()).collect();
    let mut rows: Vec<Vec<String>> = Vec::new();
    for batch in batches {
        let columns = batch
            .columns()
            .iter()
            .map(|column| ArrayFormatter::try_new(column, &options))
            .collect::<Result<Vec<_>, _>>()?;
        for row in 0..batch.num_rows() {
            let values = columns
                .iter()
                .map(|column| column.value(row).try_to_string())
                .collect::<Result<Vec<_>, _>>()?;
            // A line break inside a value must not break the table.
            rows.push(values.into_iter().map(|it| it.replace(['\n', '\r'], " ")).collect());
        }
    }
    let mut widths: Vec<usize> = header.iter().map(|name| name.chars().count()).collect();
    for row in &rows {
        for (width, value) in widths.iter_mut().zip(row) {
            *width = (*width).max(value.chars().count());
        }
    }
    let mut text = line(&header, &widths, &[]);
    let rule: Vec<String> = widths.iter().map(|width| "-".repeat(width + 2)).collect();
    text.push_str(&rule.join("+"));
    text.push('\n');
    for row in &rows {
        text.push_str(&line(row, &widths, &right));
    }
    let plural = if rows.len() == 1 { "" } else { "s" };
    text.push_str(&format!("({} row{plural})\n", rows.len()));
    Ok(text)
}

fn line(values: &[String], widths: &[usize], right: &[bool]) -> String {
    let cells = values.iter().zip(widths).enumerate().map(|(index, (value, width))| {
        if right.get(index).copied().unwrap_or(false) {
            format!(" {value:>width$} ")
        } else {
            format!(" {value:<width$} ")
        }
    });
    let text = cells.collect::<Vec<_>>().join("|");
    format!("{}\n", text.trim_end())
}
