//! Rows in memory: what the folds change, and the batches that snapshots show.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::sync::Arc;

use arrow::compute::concat_batches;
use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use ledgerline_schemas::Position;
use serde::ser::{Error as _, SerializeMap as _};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::change::RowChange;
use crate::encode::{self, Columns};
use crate::error::ProjectionError;
use crate::hashed::Hashed;
use crate::slots::Slots;
use crate::table::{Row, key_text};
use crate::tables::TableRow;

/// Rows encoded together: a change of one row encodes so many again.
const CHUNK_ROWS: usize = 256;
/// Batches of appended rows grow to at most this many rows.
const BATCH_ROWS_MAX: usize = 16_384;

/// Where changes go while one event is folded.
#[derive(Debug)]
pub(crate) struct Sink {
    /// The event's position.
    pub(crate) position: Position,
    /// Whether anybody listens to changes.
    pub(crate) heard: bool,
    /// The changes so far.
    pub(crate) changes: Vec<RowChange>,
}

/// Rows found by key and changed until they are final.
///
/// A row stays in its slot until rows are taken out, so that a change touches one chunk and a look-up goes
/// through a map of keys and slots only.
#[derive(Debug)]
pub(crate) struct Keyed<T: TableRow, S = Hashed<<T as TableRow>::Key, usize>> {
    slots: S,
    chunks: Vec<Chunk<T>>,
    /// Keys changed since the last snapshot, if the table is live.
    changed: BTreeSet<T::Key>,
    /// Keys, as text, of rows that were taken out since the last snapshot, if the table is live.
    gone: BTreeSet<Arc<str>>,
    shown: Arc<BTreeMap<Arc<str>, Row>>,
}

/// Rows whose keys are asked for by range too.
pub(crate) type KeyedInOrder<T> = Keyed<T, BTreeMap<<T as TableRow>::Key, usize>>;

/// Rows of neighbouring slots.
#[derive(Debug)]
struct Chunk<T> {
    rows: Vec<T>,
    /// The rows as a snapshot shows them; absent when one has changed since.
    batch: Option<RecordBatch>,
}

impl<T: TableRow, S: Slots<T::Key>> Default for Keyed<T, S> {
    fn default() -> Self {
        Self {
            slots: S::default(),
            chunks: Vec::new(),
            changed: BTreeSet::new(),
            gone: BTreeSet::new(),
            shown: Arc::default(),
        }
    }
}

impl<T: TableRow> KeyedInOrder<T> {
    /// The greatest key of a range.
    pub(crate) fn last_key(&self, range: RangeInclusive<T::Key>) -> Option<&T::Key> {
        self.slots.range(range).next_back().map(|(key, _)| key)
    }
}

impl<T: TableRow, S: Slots<T::Key>> Keyed<T, S> {
    /// The row of a key.
    pub(crate) fn get(&self, key: &T::Key) -> Option<&T> {
        self.row(self.slots.slot(key)?)
    }

    fn row(&self, slot: usize) -> Option<&T> {
        self.chunks.get(slot / CHUNK_ROWS)?.rows.get(slot % CHUNK_ROWS)
    }

    /// The row in a slot, to be changed.
    fn row_mut(&mut self, slot: usize) -> Option<&mut T> {
        let chunk = self.chunks.get_mut(slot / CHUNK_ROWS)?;
        chunk.batch = None;
        chunk.rows.get_mut(slot % CHUNK_ROWS)
    }

    /// All rows, in the order of their slots.
    pub(crate) fn rows(&self) -> impl Iterator<Item = &T> {
        self.chunks.iter().flat_map(|chunk| &chunk.rows)
    }

    /// Puts a row behind all others; gives its slot.
    fn append(&mut self, row: T) -> usize {
        if self.chunks.last().is_none_or(|chunk| chunk.rows.len() >= CHUNK_ROWS) {
            self.chunks.push(Chunk { rows: Vec::with_capacity(CHUNK_ROWS), batch: None });
        }
        let before = (self.chunks.len() - 1) * CHUNK_ROWS;
        let Some(chunk) = self.chunks.last_mut() else { return before };
        chunk.batch = None;
        chunk.rows.push(row);
        before + chunk.rows.len() - 1
    }

    /// Adds a row or replaces the one of the same key.
    pub(crate) fn put(&mut self, sink: &mut Sink, mut row: T) {
        row.touch(sink.position);
        let key = row.key();
        let after = sink.heard.then(|| row.row());
        if T::DEF.live {
            self.changed.insert(key.clone());
        }
        let known = self.slots.slot(&key).and_then(|slot| self.row_mut(slot));
        let before = match known {
            Some(old) => Some(std::mem::replace(old, row)),
            None => {
                let slot = self.append(row);
                self.slots.put(key, slot);
                None
            }
        };
        if let Some(after) = after {
            sink.push::<T>(before.map(|row| row.row()), after);
        }
    }

    /// Changes the row of a key; false when there is none.
    pub(crate) fn change(
        &mut self,
        sink: &mut Sink,
        key: &T::Key,
        change: impl FnOnce(&mut T),
    ) -> bool {
        self.change_if(sink, key, |_| true, change)
    }

    /// Changes the row of a key if `is_meant`; false when there is none or it is not meant.
    pub(crate) fn change_if(
        &mut self,
        sink: &mut Sink,
        key: &T::Key,
        is_meant: impl FnOnce(&T) -> bool,
        change: impl FnOnce(&mut T),
    ) -> bool {
        let Some(slot) = self.slots.slot(key) else { return false };
        if !self.row(slot).is_some_and(is_meant) {
            return false;
        }
        let Some(row) = self.row_mut(slot) else { return false };
        let before = sink.heard.then(|| row.row());
        change(row);
        row.touch(sink.position);
        if let Some(before) = before {
            sink.push::<T>(Some(before), row.row());
        }
        if T::DEF.live {
            self.changed.insert(key.clone());
        }
        true
    }

    /// Takes out the row of a key, if there is one; the last row gets its slot.
    pub(crate) fn remove(&mut self, sink: &mut Sink, key: &T::Key) {
        let Some(slot) = self.slots.take(key) else { return };
        let Some(last) = self.pop() else { return };
        let row = if self.slots.slot(&last.key()).is_none() {
            last
        } else {
            self.slots.put(last.key(), slot);
            match self.row_mut(slot) {
                Some(row) => std::mem::replace(row, last),
                None => return,
            }
        };
        let before = row.row();
        if T::DEF.live {
            self.gone.insert(key_text(T::DEF, &before).into());
        }
        if sink.heard {
            sink.push_gone::<T>(before);
        }
    }

    /// Takes out the row in the last slot.
    fn pop(&mut self) -> Option<T> {
        let chunk = self.chunks.last_mut()?;
        chunk.batch = None;
        let row = chunk.rows.pop();
        if chunk.rows.is_empty() {
            self.chunks.pop();
        }
        row
    }

    /// Takes out the rows that `is_final` names, for a cold file.
    pub(crate) fn evict(&mut self, is_final: impl Fn(&T) -> bool) -> Vec<T> {
        let is_final: Vec<bool> = self.rows().map(is_final).collect();
        if !is_final.contains(&true) {
            return Vec::new();
        }
        let rows = std::mem::take(&mut self.chunks).into_iter().flat_map(|chunk| chunk.rows);
        let mut evicted = Vec::new();
        let mut moved = Vec::with_capacity(is_final.len());
        for (row, is_final) in rows.zip(is_final) {
            if is_final {
                evicted.push(row);
                moved.push(None);
            } else {
                moved.push(Some(self.append(row)));
            }
        }
        self.slots.renumber(|slot| moved.get(slot).copied().flatten());
        if T::DEF.live {
            self.shown = Arc::default();
            self.changed = self.rows().map(T::key).collect();
        }
        evicted
    }

    /// Brings the batches up to date and gives them.
    ///
    /// # Errors
    /// [`ProjectionError::Encode`].
    pub(crate) fn batches(
        &mut self,
        schema: &SchemaRef,
    ) -> Result<Arc<[RecordBatch]>, ProjectionError> {
        for key in std::mem::take(&mut self.gone) {
            Arc::make_mut(&mut self.shown).remove(&key);
        }
        for key in std::mem::take(&mut self.changed) {
            let Some(row) = self.get(&key).map(T::row) else { continue };
            Arc::make_mut(&mut self.shown).insert(key_text(T::DEF, &row).into(), row);
        }
        self.chunks.iter_mut().map(|chunk| chunk.encoded(schema)).collect()
    }

    /// The rows by key text, as of the last [`Keyed::batches`]; empty unless the table is live.
    pub(crate) fn shown(&self) -> Arc<BTreeMap<Arc<str>, Row>> {
        Arc::clone(&self.shown)
    }
}

impl<T: TableRow> Chunk<T> {
    fn encoded(&mut self, schema: &SchemaRef) -> Result<RecordBatch, ProjectionError> {
        if let Some(batch) = &self.batch {
            return Ok(batch.clone());
        }
        let batch = encode::batch(schema, self.rows.iter())?;
        self.batch = Some(batch.clone());
        Ok(batch)
    }
}

/// What a state keeps of a table.
#[derive(Serialize)]
#[serde(bound = "", rename = "Keyed")]
struct Kept<'a, T: TableRow, S: Slots<T::Key>> {
    rows: ByKey<'a, T, S>,
}

/// The rows as a map in the order of their keys, so that equal tables are kept as equal bytes.
struct ByKey<'a, T: TableRow, S>(&'a Keyed<T, S>);

impl<T: TableRow, S: Slots<T::Key>> Serialize for ByKey<'_, T, S> {
    fn serialize<Z: Serializer>(&self, serializer: Z) -> Result<Z::Ok, Z::Error> {
        let Self(table) = self;
        let slots = table.slots.ordered();
        let mut map = serializer.serialize_map(Some(slots.len()))?;
        for (key, slot) in slots {
            let row = table.row(slot).ok_or_else(|| Z::Error::custom("a key without a row"))?;
            map.serialize_entry(key, row)?;
        }
        map.end()
    }
}

impl<T: TableRow, S: Slots<T::Key>> Serialize for Keyed<T, S> {
    fn serialize<Z: Serializer>(&self, serializer: Z) -> Result<Z::Ok, Z::Error> {
        Kept { rows: ByKey(self) }.serialize(serializer)
    }
}

/// A table as a state gives it back.
#[derive(Deserialize)]
#[serde(bound = "", rename = "Keyed")]
struct Loaded<T: TableRow> {
    rows: BTreeMap<T::Key, T>,
}

impl<'de, T: TableRow, S: Slots<T::Key>> Deserialize<'de> for Keyed<T, S> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut table = Self::default();
        for (key, row) in Loaded::<T>::deserialize(deserializer)?.rows {
            if T::DEF.live {
                table.changed.insert(key.clone());
            }
            let slot = table.append(row);
            table.slots.put(key, slot);
        }
        Ok(table)
    }
}

impl Sink {
    /// A sink for the event at `position`.
    pub(crate) const fn new(heard: bool) -> Self {
        Self { position: Position::START, heard, changes: Vec::new() }
    }

    fn push<T: TableRow>(&mut self, before: Option<Row>, after: Row) {
        self.changes.push(RowChange {
            table: T::DEF,
            key: key_text(T::DEF, &after).into(),
            before,
            after: Some(after),
            position: self.position,
        });
    }
}

impl Sink {
    /// A row is gone.
    fn push_gone<T: TableRow>(&mut self, before: Row) {
        self.changes.push(RowChange {
            table: T::DEF,
            key: key_text(T::DEF, &before).into(),
            before: Some(before),
            after: None,
            position: self.position,
        });
    }
}

/// Rows that are final as soon as they are written, in the order of the log.
#[derive(Debug)]
pub(crate) struct Appended<T: TableRow> {
    /// Rows since the last snapshot.
    pending: Columns<T>,
    batches: Vec<RecordBatch>,
}

impl<T: TableRow> Default for Appended<T> {
    fn default() -> Self {
        Self { pending: Columns::with_capacity(0), batches: Vec::new() }
    }
}

impl<T: TableRow> Appended<T> {
    /// Adds a row.
    pub(crate) fn push(&mut self, sink: &mut Sink, mut row: T) {
        row.touch(sink.position);
        if sink.heard {
            sink.push::<T>(None, row.row());
        }
        self.pending.push(&row);
    }

    /// Brings the batches up to date and gives them. Neighbours of similar size are merged, so that the
    /// number of batches stays logarithmic and every row is copied a logarithmic number of times.
    ///
    /// # Errors
    /// [`ProjectionError::Encode`].
    pub(crate) fn batches(
        &mut self,
        schema: &SchemaRef,
    ) -> Result<Arc<[RecordBatch]>, ProjectionError> {
        if self.pending.rows() > 0 {
            let mut last = self.pending.finish(schema)?;
            while let Some(before) = self.batches.pop_if(|before| {
                let rows = before.num_rows() + last.num_rows();
                before.num_rows() <= 2 * last.num_rows() && rows <= BATCH_ROWS_MAX
            }) {
                last = concat_batches(schema, [&before, &last])
                    .map_err(|error| ProjectionError::encode(T::DEF.name, error))?;
            }
            self.batches.push(last);
        }
        Ok(self.batches.iter().cloned().collect())
    }

    /// Takes out all rows, for a cold file.
    ///
    /// # Errors
    /// [`ProjectionError::Encode`].
    pub(crate) fn evict(
        &mut self,
        schema: &SchemaRef,
    ) -> Result<Option<RecordBatch>, ProjectionError> {
        if self.pending.rows() > 0 {
            self.batches.push(self.pending.finish(schema)?);
        }
        let batches = std::mem::take(&mut self.batches);
        if batches.is_empty() {
            return Ok(None);
        }
        concat_batches(schema, &batches)
            .map(Some)
            .map_err(|error| ProjectionError::encode(T::DEF.name, error))
    }
}
