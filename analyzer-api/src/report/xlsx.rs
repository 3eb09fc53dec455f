//! A report as a spreadsheet (Office Open XML): one sheet with the rows, one that says what they are.

use rust_xlsxwriter::{
    Color, DocProperties, ExcelDateTime, Format, FormatAlign, FormatBorder, Workbook, Worksheet,
    XlsxError,
};

use ledgerline_schemas::config::report::Unit;

use super::compile::{Column, Role};
use super::error::ReportError;
use super::run::about;
use super::sheet::{Cell, Sheet};

/// Rows a sheet can have, beside its header and totals.
const ROWS_MAX: usize = 1_048_574;
/// Days from 1899-12-30, the origin of spreadsheet dates, to 1970-01-01.
const EPOCH_DAYS: f64 = 25_569.0;
const DAY_US: f64 = 86_400_000_000.0;
const DAY_MS: f64 = 86_400_000.0;
/// Width of a column, in characters.
const WIDTHS: std::ops::RangeInclusive<usize> = 8..=60;

/// The file.
///
/// # Errors
/// [`ReportError::Output`] when there are more rows than a sheet holds.
pub fn file(sheet: &Sheet) -> Result<Vec<u8>, ReportError> {
    if sheet.rows() > ROWS_MAX {
        let rows = sheet.rows();
        return Err(ReportError::Output(format!(
            "the report has {rows} rows, a spreadsheet holds {ROWS_MAX}; use csv or parquet"
        )));
    }
    let failed = |error: XlsxError| ReportError::Output(error.to_string());
    let mut book = Workbook::new();
    // Not the time of the computer: a report of the same position has the same bytes, whenever it is made.
    let made = sheet.period.map_or(0, |period| period.to.timestamp());
    let made = ExcelDateTime::from_timestamp(made).or_else(|_| ExcelDateTime::from_timestamp(0));
    let made = made.map_err(failed)?;
    book.set_properties(&DocProperties::new().set_creation_datetime(&made));
    let page = book.add_worksheet();
    page.set_name("Report").map_err(failed)?;
    rows(page, sheet)?;
    let page = book.add_worksheet();
    page.set_name("About").map_err(failed)?;
    for (row, (name, value)) in (0..).zip(about(sheet)) {
        page.write_with_format(row, 0, name, &Format::new().set_bold()).map_err(failed)?;
        page.write(row, 1, value).map_err(failed)?;
    }
    page.set_column_width(0, 14).map_err(failed)?;
    page.set_column_width(1, 60).map_err(failed)?;
    book.save_to_buffer().map_err(failed)
}

fn rows(page: &mut Worksheet, sheet: &Sheet) -> Result<(), ReportError> {
    let failed = |error: XlsxError| ReportError::Output(error.to_string());
    let header = Format::new()
        .set_bold()
        .set_background_color(Color::RGB(0xE8_EE_F4))
        .set_border_bottom(FormatBorder::Thin)
        .set_text_wrap()
        .set_align(FormatAlign::Top);
    let last_row = u32::try_from(sheet.rows()).unwrap_or(u32::MAX);
    let totals = sheet.total_cells()?;
    let measures = sheet.columns.iter().filter(|it| matches!(it.role, Role::Measure(_))).count();
    let first_measure = sheet.columns.len() - measures.min(sheet.columns.len());
    for (index, column) in sheet.columns.iter().enumerate() {
        let at =
            u16::try_from(index).map_err(|_| ReportError::Output("too many columns".to_owned()))?;
        let title = title(column);
        page.write_with_format(0, at, &title, &header).map_err(failed)?;
        let cells = sheet.column(index)?;
        let format = format(column, &cells);
        let mut width = title.len().min(20);
        for (row, cell) in (1..).zip(&cells) {
            width = width.max(put(page, (row, at), cell, column, &format).map_err(failed)?);
        }
        if let Some(totals) = &totals {
            let bold = format.set_bold().set_border_top(FormatBorder::Thin);
            match index.checked_sub(first_measure).and_then(|index| totals.get(index)) {
                Some(cell) => {
                    put(page, (last_row + 1, at), cell, column, &bold).map_err(failed)?;
                }
                None if index == 0 => {
                    page.write_with_format(last_row + 1, 0, "Total", &bold).map_err(failed)?;
                }
                None => {
                    page.write_blank(last_row + 1, at, &bold).map_err(failed)?;
                }
            }
        }
        let width = width.clamp(*WIDTHS.start(), *WIDTHS.end());
        page.set_column_width(at, width as f64 + 1.0).map_err(failed)?;
    }
    page.set_freeze_panes(1, 0).map_err(failed)?;
    if let (Some(last), true) = (sheet.columns.len().checked_sub(1), last_row > 0) {
        let last = u16::try_from(last).unwrap_or(u16::MAX);
        page.autofilter(0, 0, last_row, last).map_err(failed)?;
    }
    Ok(())
}

fn title(column: &Column) -> String {
    match column.role {
        Role::Measure(Unit::Percent) => format!("{} (%)", column.name),
        _ => column.name.clone(),
    }
}

/// How the values of a column are shown.
fn format(column: &Column, cells: &[Cell]) -> Format {
    let format = Format::new();
    if cells.iter().any(|cell| matches!(cell, Cell::Time(_))) {
        return format.set_num_format("yyyy-mm-dd hh:mm:ss");
    }
    format.set_num_format(match column.role {
        Role::Measure(Unit::Ms) => "[h]:mm:ss",
        Role::Measure(Unit::Percent) => "0.0",
        Role::Measure(Unit::Count) => "#,##0",
        Role::Measure(Unit::Number) => "#,##0.00",
        Role::Interval | Role::Segment => "General",
    })
}

/// Writes a value; gives the characters it takes.
fn put(
    page: &mut Worksheet,
    (row, column): (u32, u16),
    cell: &Cell,
    what: &Column,
    format: &Format,
) -> Result<usize, XlsxError> {
    match cell {
        Cell::Empty => {
            page.write_blank(row, column, format)?;
            Ok(0)
        }
        Cell::Number(number) => {
            // A duration is a part of a day.
            let shown =
                if what.role == Role::Measure(Unit::Ms) { number / DAY_MS } else { *number };
            page.write_number_with_format(row, column, shown, format)?;
            Ok(10)
        }
        Cell::Time(micros) => {
            let days = *micros as f64 / DAY_US + EPOCH_DAYS;
            page.write_number_with_format(row, column, days, format)?;
            Ok(19)
        }
        Cell::Text(text) => {
            page.write_string_with_format(row, column, text, format)?;
            Ok(text.chars().count())
        }
    }
}
