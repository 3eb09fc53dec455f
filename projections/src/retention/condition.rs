//! The condition of a dropped row, over rows in memory. SQL has the same as an expression.

use arrow::array::{Array, ArrayRef, AsArray as _, BooleanArray, StringArray};
use arrow::compute::{filter_record_batch, not};
use arrow::datatypes::{Int64Type, TimestampMicrosecondType};
use arrow::record_batch::RecordBatch;

use super::{Hidden, Hold, Rule, Run};
use crate::error::ProjectionError;

/// The columns of rows that the condition looks at.
struct Columns<'a> {
    rule: &'static Rule,
    batch: &'a RecordBatch,
    shaped: &'a ArrayRef,
}

/// What a run means to rows: which it drops, and which it would drop if nothing were held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Marked {
    /// Rows that are dropped.
    pub dropped: Vec<bool>,
    /// Rows that are held.
    pub held: Vec<bool>,
}

impl<'a> Columns<'a> {
    fn new(rule: &'static Rule, batch: &'a RecordBatch) -> Result<Self, ProjectionError> {
        let shaped = column(rule, batch, "valid_from_position")?;
        Ok(Self { rule, batch, shaped })
    }

    fn time(&self, names: &[&str], row: usize) -> Result<Option<i64>, ProjectionError> {
        for name in names {
            let column = column(self.rule, self.batch, name)?;
            let times = column
                .as_primitive_opt::<TimestampMicrosecondType>()
                .ok_or_else(|| missing(self.rule, name))?;
            if times.is_valid(row) {
                return Ok(Some(times.value(row)));
            }
        }
        Ok(None)
    }

    fn shaped(&self, row: usize) -> u64 {
        let positions = self.shaped.as_primitive_opt::<Int64Type>();
        positions.map_or(u64::MAX, |it| u64::try_from(it.value(row)).unwrap_or(u64::MAX))
    }

    /// When a row ended; none when it has not.
    fn ended(&self, row: usize) -> Result<Option<i64>, ProjectionError> {
        for (is, is_not) in self.rule.open {
            let (is, is_not) =
                (column(self.rule, self.batch, is)?, column(self.rule, self.batch, is_not)?);
            if is.is_valid(row) && is_not.is_null(row) {
                return Ok(None);
            }
        }
        self.time(self.rule.end, row)
    }

    fn covers(&self, hold: &Hold, row: usize, ended: i64) -> Result<bool, ProjectionError> {
        let Some(asks) = hold.asks(self.rule) else { return Ok(false) };
        for (columns, ids) in asks {
            let mut is_one = false;
            for name in columns {
                let values: &StringArray = column(self.rule, self.batch, name)?
                    .as_string_opt::<i32>()
                    .ok_or_else(|| missing(self.rule, name))?;
                is_one |= values.is_valid(row) && ids.contains(values.value(row));
            }
            if !is_one {
                return Ok(false);
            }
        }
        let begun = self.time(self.rule.begin, row)?;
        let after = hold.from.is_none_or(|from| ended >= from.micros());
        let before = hold.to.is_none_or(|to| begun.is_none_or(|begun| begun < to.micros()));
        Ok(after && before)
    }

    /// Whether a run is about a row, and if so, whether a hold covers it.
    fn asked(&self, run: &Run, row: usize) -> Result<Option<bool>, ProjectionError> {
        if self.shaped(row) > run.position.0 {
            return Ok(None);
        }
        let Some(ended) = self.ended(row)?.filter(|it| *it < run.before.micros()) else {
            return Ok(None);
        };
        for hold in run.holds.values() {
            if self.covers(hold, row, ended)? {
                return Ok(Some(true));
            }
        }
        Ok(Some(false))
    }
}

fn missing(rule: &Rule, column: &str) -> ProjectionError {
    ProjectionError::encode(rule.table, format!("rows have no column {column} of its type"))
}

fn column<'a>(
    rule: &Rule,
    batch: &'a RecordBatch,
    name: &str,
) -> Result<&'a ArrayRef, ProjectionError> {
    batch.column_by_name(name).ok_or_else(|| missing(rule, name))
}

impl Run {
    /// What this run means to rows of a table.
    ///
    /// # Errors
    /// [`ProjectionError::Encode`] when a column is not there.
    pub fn marks(
        &self,
        rule: &'static Rule,
        batch: &RecordBatch,
    ) -> Result<Marked, ProjectionError> {
        let columns = Columns::new(rule, batch)?;
        let mut marked = Marked { dropped: Vec::new(), held: Vec::new() };
        for row in 0..batch.num_rows() {
            let asked = columns.asked(self, row)?;
            marked.dropped.push(asked == Some(false));
            marked.held.push(asked == Some(true));
        }
        Ok(marked)
    }
}

impl Hidden {
    /// For each row whether it is hidden.
    ///
    /// # Errors
    /// [`ProjectionError::Encode`] when a column is not there.
    pub fn of_rows(&self, batch: &RecordBatch) -> Result<Vec<bool>, ProjectionError> {
        let columns = Columns::new(self.rule, batch)?;
        let mut hidden = Vec::with_capacity(batch.num_rows());
        for row in 0..batch.num_rows() {
            let mut is_dropped = false;
            for run in &self.runs {
                is_dropped = is_dropped || columns.asked(run, row)? == Some(false);
            }
            hidden.push(is_dropped);
        }
        Ok(hidden)
    }

    /// The rows that are not hidden.
    ///
    /// # Errors
    /// As [`Hidden::of_rows`].
    pub fn rest(&self, batch: &RecordBatch) -> Result<RecordBatch, ProjectionError> {
        let failed = |error| ProjectionError::encode(self.rule.table, error);
        let hidden = BooleanArray::from(self.of_rows(batch)?);
        filter_record_batch(batch, &not(&hidden).map_err(failed)?).map_err(failed)
    }

    /// Columns that the condition looks at.
    #[must_use]
    pub fn columns(&self) -> Vec<&'static str> {
        self.rule.columns()
    }
}

impl Rule {
    /// Columns that conditions on rows look at, each once.
    #[must_use]
    pub fn columns(&self) -> Vec<&'static str> {
        let told = [self.interactions, self.queues, self.agents];
        let told = told.into_iter().flat_map(|told| match told {
            super::Told::By(columns) => columns,
            _ => &[],
        });
        let mut columns: Vec<&'static str> =
            self.begin.iter().chain(self.end).chain(told).copied().collect();
        columns.extend(self.open.iter().flat_map(|(is, is_not)| [*is, *is_not]));
        columns.push("valid_from_position");
        columns.sort_unstable();
        columns.dedup();
        columns
    }
}
