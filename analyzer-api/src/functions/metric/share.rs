//! Percentages of the legs of a queue: service levels by three vendors' definitions, abandon rate.

use std::fmt::Debug;
use std::marker::PhantomData;

use datafusion::arrow::array::{ArrayRef, BooleanArray, Float64Array, StringArray};
use datafusion::error::Result;
use datafusion::scalar::ScalarValue;

use super::columns::{At, flags, numbers, texts};
use crate::functions::fold::{Call, Fold};
use crate::functions::spec::{Argument, Spec, Type, argument};
use crate::functions::wire::{Reader, Writer, damaged};

const OUTCOME: Argument = argument("outcome", Type::Text);
const WAIT: Argument = argument("queue_duration_ms", Type::Number);
const THRESHOLD: Argument = argument("threshold_ms", Type::Number);
const SHORT: Argument = argument("short_abandon_ms", Type::Number);

pub(super) static SL_AWS: Spec = Spec {
    name: "sl_aws",
    arguments: &[OUTCOME, argument("leave_reason", Type::Text), WAIT, THRESHOLD],
    optional: 0,
    result: Type::Number,
    doc: "percent of all legs that left the queue within the threshold by answer, abandon or callback \
          request (Amazon Connect)",
};

pub(super) static SL_GENESYS: Spec = Spec {
    name: "sl_genesys",
    arguments: &[
        OUTCOME,
        WAIT,
        THRESHOLD,
        argument("flow_outs", Type::Bool),
        argument("abandons", Type::Bool),
        SHORT,
    ],
    optional: 0,
    result: Type::Number,
    doc: "percent answered in time of the answered, the abandoned (if abandons; without those within \
          short_abandon_ms, if given) and those who left otherwise (if flow_outs) (Genesys Cloud)",
};

pub(super) static SL_8X8: Spec = Spec {
    name: "sl_8x8",
    arguments: &[OUTCOME, argument("wait_ms", Type::Number), THRESHOLD, SHORT],
    optional: 0,
    result: Type::Number,
    doc: "percent answered in time of all legs but those abandoned within short_abandon_ms and those that \
          still wait and have not reached the threshold (8x8); wait_ms of an open leg is its wait so far",
};

pub(super) static ABANDON_RATE: Spec = Spec {
    name: "abandon_rate",
    arguments: &[OUTCOME],
    optional: 0,
    result: Type::Number,
    doc: "percent of the legs that left the queue that were abandoned",
};

/// Which legs count, and which of them count as good.
pub(super) trait Rule: Debug + Send + Sync + 'static {
    const SPEC: &'static Spec;
    /// Whether a leg is in the part; `None` if it does not count at all.
    fn counts(row: &Row<'_>) -> Result<Option<bool>>;
}

/// The arguments of a row, by their place.
pub(super) struct Row<'a> {
    columns: &'a [Column<'a>],
    row: usize,
}

pub(super) enum Column<'a> {
    Text(&'a StringArray),
    Number(&'a Float64Array),
    Flag(&'a BooleanArray),
}

impl<'a> Row<'a> {
    fn text(&self, index: usize) -> Option<&'a str> {
        match self.columns.get(index) {
            Some(Column::Text(column)) => column.at(self.row),
            _ => None,
        }
    }

    fn number(&self, index: usize) -> Option<f64> {
        match self.columns.get(index) {
            Some(Column::Number(column)) => column.at(self.row),
            _ => None,
        }
    }

    fn flag(&self, index: usize, spec: &Spec, name: &str) -> Result<bool> {
        match self.columns.get(index) {
            Some(Column::Flag(column)) if column.at(self.row).is_some() => {
                Ok(column.at(self.row) == Some(true))
            }
            _ => Err(spec.wrong(name, "must not be null")),
        }
    }

    /// Whether one number is there and at most the other, which is there too.
    fn within(&self, wait: usize, limit: usize) -> bool {
        matches!((self.number(wait), self.number(limit)), (Some(wait), Some(limit)) if wait <= limit)
    }
}

/// `sl_aws(outcome, leave_reason, queue_duration_ms, threshold_ms)`.
#[derive(Debug)]
pub(super) struct Aws;

impl Rule for Aws {
    const SPEC: &'static Spec = &SL_AWS;

    fn counts(row: &Row<'_>) -> Result<Option<bool>> {
        let Some(outcome) = row.text(0) else { return Ok(None) };
        let removed = matches!(outcome, "answered" | "abandoned")
            || row.text(1) == Some("callback_requested");
        Ok(Some(removed && row.within(2, 3)))
    }
}

/// `sl_genesys(outcome, queue_duration_ms, threshold_ms, flow_outs, abandons, short_abandon_ms)`.
#[derive(Debug)]
pub(super) struct Genesys;

impl Rule for Genesys {
    const SPEC: &'static Spec = &SL_GENESYS;

    fn counts(row: &Row<'_>) -> Result<Option<bool>> {
        let flow_outs = row.flag(3, Self::SPEC, "flow_outs")?;
        let abandons = row.flag(4, Self::SPEC, "abandons")?;
        if !abandons && row.number(5).is_some() {
            // The published formula subtracts both, short abandons a second time.
            let what = "must be null where abandons do not count";
            return Err(Self::SPEC.wrong("short_abandon_ms", what));
        }
        Ok(match row.text(0) {
            Some("answered") => Some(row.within(1, 2)),
            Some("abandoned") if abandons && !row.within(1, 5) => Some(false),
            Some("other") if flow_outs => Some(false),
            _ => None,
        })
    }
}

/// `sl_8x8(outcome, wait_ms, threshold_ms, short_abandon_ms)`.
#[derive(Debug)]
pub(super) struct EightByEight;

impl Rule for EightByEight {
    const SPEC: &'static Spec = &SL_8X8;

    fn counts(row: &Row<'_>) -> Result<Option<bool>> {
        let waits = |wait: f64| row.number(2).is_some_and(|limit| wait < limit);
        Ok(match (row.text(0), row.number(1)) {
            (None, _) => None,
            (Some("answered"), _) => Some(row.within(1, 2)),
            (Some("abandoned"), _) if row.within(1, 3) => None,
            (Some("open"), None) => {
                return Err(Self::SPEC.wrong("wait_ms", "of an open leg must not be null"));
            }
            (Some("open"), Some(wait)) if waits(wait) => None,
            _ => Some(false),
        })
    }
}

/// `abandon_rate(outcome)`.
#[derive(Debug)]
pub(super) struct AbandonRate;

impl Rule for AbandonRate {
    const SPEC: &'static Spec = &ABANDON_RATE;

    fn counts(row: &Row<'_>) -> Result<Option<bool>> {
        Ok(match row.text(0) {
            Some("abandoned") => Some(true),
            Some("answered" | "other") => Some(false),
            _ => None,
        })
    }
}

/// The part in percent of what counts.
#[derive(Debug)]
pub(super) struct Share<R> {
    part: i64,
    whole: i64,
    rule: PhantomData<fn() -> R>,
}

impl<R: Rule> Fold for Share<R> {
    const SPEC: &'static Spec = R::SPEC;
    type Columns<'a> = Vec<Column<'a>>;

    fn start(_: &Call) -> Self {
        Self { part: 0, whole: 0, rule: PhantomData }
    }

    fn columns(values: &[ArrayRef]) -> Result<Vec<Column<'_>>> {
        let typed = R::SPEC.arguments.iter().enumerate().map(|(index, argument)| {
            Ok(match argument.of {
                Type::Text => Column::Text(texts(values, index)?),
                Type::Bool => Column::Flag(flags(values, index)?),
                _ => Column::Number(numbers(values, index)?),
            })
        });
        typed.collect()
    }

    fn add(&mut self, columns: &Vec<Column<'_>>, row: usize) -> Result<()> {
        if let Some(good) = R::counts(&Row { columns, row })? {
            self.part += i64::from(good);
            self.whole += 1;
        }
        Ok(())
    }

    fn state(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.i64(self.part);
        writer.i64(self.whole);
        writer.0
    }

    fn merge(&mut self, state: &[u8]) -> Result<()> {
        let mut reader = Reader(state);
        let (Some(part), Some(whole)) = (reader.i64(), reader.i64()) else {
            return Err(damaged(R::SPEC.name));
        };
        self.part += part;
        self.whole += whole;
        Ok(())
    }

    fn result(&mut self) -> Result<ScalarValue> {
        let share = || self.part as f64 * 100.0 / self.whole as f64;
        Ok(ScalarValue::Float64((self.whole > 0).then(share)))
    }

    fn heap_bytes(&self) -> usize {
        0
    }
}
