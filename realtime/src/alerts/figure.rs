//! What a rule reads of a row.

use ledgerline_projections::{ColumnType, Row, TableDef, Value};
use ledgerline_schemas::Timestamp;
use ledgerline_schemas::config::alert_rule::{AlertComparison, AlertFigure};

/// A figure as a fraction, so that it is compared exactly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Amount {
    over: i128,
    /// Greater than 0.
    under: i128,
}

impl Amount {
    const fn whole_number(over: i128) -> Self {
        Self { over, under: 1 }
    }

    /// The whole part, rounded down.
    #[must_use]
    pub fn floor(self) -> i64 {
        let floor = self.over.div_euclid(self.under);
        i64::try_from(floor).unwrap_or(if floor < 0 { i64::MIN } else { i64::MAX })
    }

    /// Whether it is on the far side of a bound.
    #[must_use]
    pub fn is_beyond(self, comparison: AlertComparison, bound: i64) -> bool {
        let bound = i128::from(bound) * self.under;
        match comparison {
            AlertComparison::Above => self.over > bound,
            AlertComparison::AtLeast => self.over >= bound,
            AlertComparison::Below => self.over < bound,
            AlertComparison::AtMost => self.over <= bound,
        }
    }
}

/// A figure of a table, by the places of its columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Figure {
    Column(usize),
    Age(usize),
    Ratio { of: Vec<usize>, per: Vec<usize>, times: i128, per_min: i128 },
}

impl Figure {
    /// The figure of a table; none if it has no such columns.
    pub(super) fn of(table: &TableDef, figure: &AlertFigure) -> Option<Self> {
        let column = |name: &String, wanted: ColumnType| {
            let at = table.column(name)?;
            (table.columns.get(at)?.column_type == wanted).then_some(at)
        };
        let numbers = |names: &[String]| -> Option<Vec<usize>> {
            names.iter().map(|name| column(name, ColumnType::Int)).collect()
        };
        Some(match figure {
            AlertFigure::Column(name) => Self::Column(column(name, ColumnType::Int)?),
            AlertFigure::Age(name) => Self::Age(column(name, ColumnType::Time)?),
            AlertFigure::Ratio(it) => Self::Ratio {
                of: numbers(&it.of)?,
                per: numbers(&it.per)?,
                times: it.times.into(),
                per_min: it.per_min.max(1).into(),
            },
        })
    }

    /// The figure of a row at an instant; none when it is not known.
    pub(super) fn read(&self, row: &Row, now: Timestamp) -> Option<Amount> {
        let sum =
            |columns: &[usize]| -> Option<i128> { columns.iter().map(|at| number(row, *at)).sum() };
        match self {
            Self::Column(at) => number(row, *at).map(Amount::whole_number),
            Self::Age(at) => {
                let since = instant(row, *at)?;
                // Clocks of other machines may be ahead.
                let micros = i128::from(now.micros()) - i128::from(since.micros());
                Some(Amount { over: micros.max(0), under: 1_000 })
            }
            Self::Ratio { of, per, times, per_min } => {
                let under = sum(per)?;
                (under >= *per_min).then_some(Amount { over: sum(of)? * times, under })
            }
        }
    }

    /// When an age goes beyond a bound if its row stays what it is; none of other figures.
    pub(super) fn beyond_at(
        &self,
        row: &Row,
        comparison: AlertComparison,
        bound: i64,
    ) -> Option<Timestamp> {
        let Self::Age(at) = self else { return None };
        let since = instant(row, *at)?;
        let at = since.plus_ms(u64::try_from(bound).unwrap_or_default());
        match comparison {
            AlertComparison::Above => Some(Timestamp::from_micros(at.micros().saturating_add(1))),
            AlertComparison::AtLeast => Some(at),
            AlertComparison::Below | AlertComparison::AtMost => None,
        }
    }
}

fn number(row: &Row, at: usize) -> Option<i128> {
    match row.get(at)? {
        Value::Int(number) => Some(i128::from(*number)),
        _ => None,
    }
}

fn instant(row: &Row, at: usize) -> Option<Timestamp> {
    match row.get(at)? {
        Value::Time(micros) => Some(Timestamp::from_micros(*micros)),
        _ => None,
    }
}
