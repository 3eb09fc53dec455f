//! `mode(x)`: the most frequent value; of several the smallest. `mode() WITHIN GROUP (ORDER BY x)`, as
//! PostgreSQL writes it, is the same; with `DESC` the largest of several.

use std::collections::BTreeMap;

use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::datatypes::DataType;
use datafusion::error::Result;
use datafusion::scalar::ScalarValue;

use super::key::{Keys, value};
use crate::functions::fold::{Call, Fold};
use crate::functions::spec::{Spec, Type, argument};
use crate::functions::wire::{Reader, Writer, intact};

pub(super) static SPEC: Spec = Spec {
    name: "mode",
    arguments: &[argument("x", Type::Any)],
    optional: 0,
    result: Type::Any,
    doc: "most frequent value of x; of several the smallest",
};

/// How often each value was there.
#[derive(Debug)]
pub(super) struct Mode {
    counts: BTreeMap<Box<[u8]>, u64>,
    heap_bytes: usize,
    result: DataType,
    descending: bool,
}

impl Mode {
    fn count(&mut self, key: &[u8], times: u64) {
        if let Some(count) = self.counts.get_mut(key) {
            *count = count.saturating_add(times);
            return;
        }
        self.heap_bytes += key.len() + 48;
        self.counts.insert(key.into(), times);
    }
}

impl Fold for Mode {
    const SPEC: &'static Spec = &SPEC;
    const WITHIN_GROUP: bool = true;
    type Columns<'a> = Keys;

    fn start(call: &Call) -> Self {
        let Call { result, descending } = call.clone();
        Self { counts: BTreeMap::new(), heap_bytes: 0, result, descending }
    }

    fn columns(values: &[ArrayRef]) -> Result<Keys> {
        Keys::new(super::column(values, 0)?)
    }

    fn add(&mut self, columns: &Keys, row: usize) -> Result<()> {
        let _: Option<()> = columns.with(row, |key| self.count(key, 1));
        Ok(())
    }

    fn state(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        for (key, count) in &self.counts {
            writer.bytes(key);
            writer.varint(*count);
        }
        writer.0
    }

    fn merge(&mut self, state: &[u8]) -> Result<()> {
        let mut reader = Reader(state);
        while !reader.is_empty() {
            let key = intact(SPEC.name, reader.bytes())?;
            let times = intact(SPEC.name, reader.varint())?;
            self.count(key, times);
        }
        Ok(())
    }

    fn result(&mut self) -> Result<ScalarValue> {
        let most = self.counts.values().copied().max().unwrap_or(0);
        let mut all = self.counts.iter().filter(|(_, count)| **count == most);
        let found = if self.descending { all.next_back() } else { all.next() };
        match found {
            Some((key, _)) => value(key, &self.result),
            None => ScalarValue::try_from(&self.result),
        }
    }

    fn heap_bytes(&self) -> usize {
        self.heap_bytes
    }
}
