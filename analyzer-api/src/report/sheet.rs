//! The answer to a report.

use datafusion::arrow::array::{Array, ArrayRef, AsArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{
    DataType, Float64Type, Int64Type, SchemaRef, TimeUnit, TimestampMicrosecondType,
};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use ledgerline_schemas::Position;
use ledgerline_schemas::config::report::ReportDefinition;

use super::compile::Column;
use super::error::ReportError;
use super::period::Period;

/// Rows of a report at one position.
#[derive(Clone, Debug)]
pub struct Sheet {
    /// The report.
    pub definition: ReportDefinition,
    /// The time it covers; none for a report of the present.
    pub period: Option<Period>,
    /// The position of the log at which it is true.
    pub position: Position,
    /// Arrow columns.
    pub schema: SchemaRef,
    /// What the columns are, in their order.
    pub columns: Vec<Column>,
    /// The rows.
    pub batches: Vec<RecordBatch>,
    /// The measures over all rows: one row, its columns being the measures in their order.
    pub totals: Option<RecordBatch>,
}

/// A value of a sheet.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// Nothing.
    Empty,
    /// A number.
    Number(f64),
    /// Microseconds since 1970: UTC, or on the clocks of the zone for `interval_local`.
    Time(i64),
    /// Anything else, as text.
    Text(String),
}

impl Sheet {
    /// How many rows there are.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.batches.iter().map(RecordBatch::num_rows).sum()
    }

    /// The values of a column.
    ///
    /// # Errors
    /// [`ReportError::Output`] when a value has no form.
    pub fn column(&self, index: usize) -> Result<Vec<Cell>, ReportError> {
        let mut cells = Vec::with_capacity(self.rows());
        for batch in &self.batches {
            cells.extend(values(batch.column(index))?);
        }
        Ok(cells)
    }

    /// The values of the row with the totals.
    ///
    /// # Errors
    /// [`ReportError::Output`] when a value has no form.
    pub fn total_cells(&self) -> Result<Option<Vec<Cell>>, ReportError> {
        let Some(totals) = &self.totals else { return Ok(None) };
        let cells = totals
            .columns()
            .iter()
            .map(|column| Ok(values(column)?.into_iter().next().unwrap_or(Cell::Empty)));
        Ok(Some(cells.collect::<Result<_, ReportError>>()?))
    }
}

fn values(column: &ArrayRef) -> Result<Vec<Cell>, ReportError> {
    let failed =
        |error: datafusion::arrow::error::ArrowError| ReportError::Output(error.to_string());
    let rows = 0..column.len();
    let given = column.data_type();
    if given.is_integer() {
        let column = cast(column, &DataType::Int64).map_err(failed)?;
        let numbers = column.as_primitive::<Int64Type>();
        return Ok(numbers
            .iter()
            .map(|it| it.map_or(Cell::Empty, |n| Cell::Number(n as f64)))
            .collect());
    }
    if given.is_numeric() {
        let column = cast(column, &DataType::Float64).map_err(failed)?;
        let numbers = column.as_primitive::<Float64Type>();
        return Ok(numbers.iter().map(|it| it.map_or(Cell::Empty, Cell::Number)).collect());
    }
    if let DataType::Timestamp(_, zone) = given {
        let micros = DataType::Timestamp(TimeUnit::Microsecond, zone.clone());
        let column = cast(column, &micros).map_err(failed)?;
        let times = column.as_primitive::<TimestampMicrosecondType>();
        return Ok(times.iter().map(|it| it.map_or(Cell::Empty, Cell::Time)).collect());
    }
    let options = FormatOptions::default();
    let formatter = ArrayFormatter::try_new(column, &options).map_err(failed)?;
    let text = |row: usize| {
        if column.is_null(row) {
            return Ok(Cell::Empty);
        }
        formatter.value(row).try_to_string().map(Cell::Text).map_err(failed)
    };
    rows.map(text).collect()
}
