//! `state_duration(state, start, end, which, from, to)`: time in a state within a window.

use datafusion::arrow::array::{ArrayRef, StringArray, TimestampMicrosecondArray};
use datafusion::error::Result;
use datafusion::scalar::ScalarValue;

use super::columns::{At, texts, times};
use super::span::{MILLISECOND, clip, interval, window};
use crate::functions::fold::{Call, Fold};
use crate::functions::spec::{Spec, Type, argument};
use crate::functions::wire::{Reader, Writer, intact};

pub(super) static SPEC: Spec = Spec {
    name: "state_duration",
    arguments: &[
        argument("state", Type::Text),
        argument("start", Type::Time),
        argument("end", Type::Time),
        argument("which", Type::Text),
        argument("from", Type::Time),
        argument("to", Type::Time),
    ],
    optional: 0,
    result: Type::Int,
    doc: "milliseconds that intervals of the state which have between from and to, summed; without an end \
          an interval lasts until to",
};

/// A sum; `None` without rows.
#[derive(Debug, Default)]
pub(super) struct StateDuration {
    micros: Option<i64>,
}

impl StateDuration {
    fn plus(&mut self, micros: i64) {
        self.micros = Some(self.micros.unwrap_or(0).saturating_add(micros));
    }
}

/// What a batch has: `state` and `which`; `start`, `end`, `from`, `to`.
pub(super) struct Columns<'a> {
    texts: [&'a StringArray; 2],
    times: [&'a TimestampMicrosecondArray; 4],
}

impl Fold for StateDuration {
    const SPEC: &'static Spec = &SPEC;
    type Columns<'a> = Columns<'a>;

    fn start(_: &Call) -> Self {
        Self::default()
    }

    fn columns(values: &[ArrayRef]) -> Result<Columns<'_>> {
        Ok(Columns {
            texts: [texts(values, 0)?, texts(values, 3)?],
            times: [times(values, 1)?, times(values, 2)?, times(values, 4)?, times(values, 5)?],
        })
    }

    fn add(&mut self, columns: &Columns<'_>, row: usize) -> Result<()> {
        let Columns { texts: [state, which], times: [start, end, from, to] } = columns;
        let window = window(&SPEC, from.at(row), to.at(row))?;
        let (Some(state), Some(start)) = (state.at(row), start.at(row)) else { return Ok(()) };
        let span = interval(&SPEC, start, end.at(row))?;
        let inside = if which.at(row) == Some(state) { clip(span, window) } else { None };
        self.plus(inside.map_or(0, |(start, end)| end - start));
        Ok(())
    }

    fn state(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.option(self.micros);
        writer.0
    }

    fn merge(&mut self, state: &[u8]) -> Result<()> {
        if let Some(micros) = intact(SPEC.name, Reader(state).option())? {
            self.plus(micros);
        }
        Ok(())
    }

    fn result(&mut self) -> Result<ScalarValue> {
        Ok(ScalarValue::Int64(self.micros.map(|micros| micros / MILLISECOND)))
    }

    fn heap_bytes(&self) -> usize {
        0
    }
}
