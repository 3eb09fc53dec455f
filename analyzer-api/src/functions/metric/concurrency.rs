//! `max_concurrent(start, end)`: how many intervals ran at once at most.

use datafusion::arrow::array::{ArrayRef, TimestampMicrosecondArray};
use datafusion::error::Result;
use datafusion::scalar::ScalarValue;

use super::columns::{At, times};
use super::span::interval;
use crate::functions::fold::{Call, Fold};
use crate::functions::spec::{Spec, Type, argument};
use crate::functions::wire::{Reader, Writer, intact};

pub(super) static SPEC: Spec = Spec {
    name: "max_concurrent",
    arguments: &[argument("start", Type::Time), argument("end", Type::Time)],
    optional: 0,
    result: Type::Int,
    doc: "most intervals from start up to, not including, end that ran at once; without an end it runs on",
};

/// Starts and ends, apart.
#[derive(Debug, Default)]
pub(super) struct MaxConcurrent {
    starts: Vec<i64>,
    ends: Vec<i64>,
}

impl Fold for MaxConcurrent {
    const SPEC: &'static Spec = &SPEC;
    type Columns<'a> = (&'a TimestampMicrosecondArray, &'a TimestampMicrosecondArray);

    fn start(_: &Call) -> Self {
        Self::default()
    }

    fn columns(values: &[ArrayRef]) -> Result<Self::Columns<'_>> {
        Ok((times(values, 0)?, times(values, 1)?))
    }

    fn add(&mut self, (starts, ends): &Self::Columns<'_>, row: usize) -> Result<()> {
        let Some(start) = starts.at(row) else { return Ok(()) };
        let (start, end) = interval(&SPEC, start, ends.at(row))?;
        if start < end {
            self.starts.push(start);
            if end < i64::MAX {
                self.ends.push(end);
            }
        }
        Ok(())
    }

    fn state(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.varint(self.starts.len() as u64);
        self.starts.iter().chain(&self.ends).for_each(|time| writer.i64(*time));
        writer.0
    }

    fn merge(&mut self, state: &[u8]) -> Result<()> {
        let mut reader = Reader(state);
        for _ in 0..intact(SPEC.name, reader.varint())? {
            self.starts.push(intact(SPEC.name, reader.i64())?);
        }
        while !reader.is_empty() {
            self.ends.push(intact(SPEC.name, reader.i64())?);
        }
        Ok(())
    }

    fn result(&mut self) -> Result<ScalarValue> {
        self.starts.sort_unstable();
        self.ends.sort_unstable();
        let mut ends = self.ends.iter().peekable();
        let (mut ended, mut most) = (0_usize, 0);
        for (started, start) in (1_usize..).zip(&self.starts) {
            // What ends at this instant has made room.
            while ends.next_if(|end| *end <= start).is_some() {
                ended += 1;
            }
            most = most.max(started - ended);
        }
        Ok(ScalarValue::Int64(Some(i64::try_from(most).unwrap_or(i64::MAX))))
    }

    fn heap_bytes(&self) -> usize {
        (self.starts.capacity() + self.ends.capacity()) * size_of::<i64>()
    }
}
