//! Rows in memory: what the folds change, and the batches that snapshots show.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::compute::concat_batches;
use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use ledgerline_schemas::Position;
use serde::{Deserialize, Serialize};

use crate::change::RowChange;
use crate::encode;
use crate::error::ProjectionError;
use crate::table::{Row, TableDef, key_text};
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
#[derive(Debug, Serialize, Deserialize)]
#[serde(bound = "")]
pub(crate) struct Keyed<T: TableRow> {
    rows: BTreeMap<T::Key, T>,
    /// Keys changed since the last snapshot.
    #[serde(skip)]
    changed: BTreeSet<T::Key>,
    /// Slots of the rows in `chunks`.
    #[serde(skip)]
    slots: BTreeMap<T::Key, usize>,
    #[serde(skip)]
    chunks: Vec<Chunk>,
    #[serde(skip)]
    shown: Arc<BTreeMap<Arc<str>, Row>>,
}

#[derive(Debug, Default)]
struct Chunk {
    rows: Vec<Row>,
    batch: Option<RecordBatch>,
}

impl<T: TableRow> Default for Keyed<T> {
    fn default() -> Self {
        Self {
            rows: BTreeMap::new(),
            changed: BTreeSet::new(),
            slots: BTreeMap::new(),
            chunks: Vec::new(),
            shown: Arc::default(),
        }
    }
}

impl<T: TableRow> Keyed<T> {
    /// The row of a key.
    pub(crate) fn get(&self, key: &T::Key) -> Option<&T> {
        self.rows.get(key)
    }

    /// Adds a row or replaces the one of the same key.
    pub(crate) fn put(&mut self, sink: &mut Sink, mut row: T) {
        row.touch(sink.position);
        let key = row.key();
        let after = sink.heard.then(|| row.row());
        let before = self.rows.insert(key.clone(), row);
        if let Some(after) = after {
            sink.push::<T>(before.map(|row| row.row()), after);
        }
        self.changed.insert(key);
    }

    /// Changes the row of a key; false when there is none.
    pub(crate) fn change(
        &mut self,
        sink: &mut Sink,
        key: &T::Key,
        change: impl FnOnce(&mut T),
    ) -> bool {
        let Some(row) = self.rows.get_mut(key) else { return false };
        let before = sink.heard.then(|| row.row());
        change(row);
        row.touch(sink.position);
        if let Some(before) = before {
            sink.push::<T>(Some(before), row.row());
        }
        if !self.changed.contains(key) {
            self.changed.insert(key.clone());
        }
        true
    }

    /// Takes out the rows that `is_final` names, for a cold file.
    pub(crate) fn evict(&mut self, is_final: impl Fn(&T) -> bool) -> Vec<T> {
        let keys: Vec<T::Key> =
            self.rows.iter().filter(|(_, row)| is_final(row)).map(|(key, _)| key.clone()).collect();
        let evicted: Vec<T> = keys.iter().filter_map(|key| self.rows.remove(key)).collect();
        if !evicted.is_empty() {
            self.show_all();
        }
        evicted
    }

    /// Lays all rows out anew: after loading, or after rows were taken out.
    pub(crate) fn show_all(&mut self) {
        self.slots.clear();
        self.chunks.clear();
        self.shown = Arc::default();
        self.changed = self.rows.keys().cloned().collect();
    }

    /// Brings the batches up to date and gives them.
    ///
    /// # Errors
    /// [`ProjectionError::Encode`].
    pub(crate) fn batches(
        &mut self,
        schema: &SchemaRef,
    ) -> Result<Arc<[RecordBatch]>, ProjectionError> {
        for key in std::mem::take(&mut self.changed) {
            let Some(row) = self.rows.get(&key).map(T::row) else { continue };
            if T::DEF.live {
                Arc::make_mut(&mut self.shown)
                    .insert(key_text(T::DEF, &row).into(), Arc::clone(&row));
            }
            let next = self.slots.len();
            let slot = *self.slots.entry(key).or_insert(next);
            let (chunk, offset) = (slot / CHUNK_ROWS, slot % CHUNK_ROWS);
            if self.chunks.len() <= chunk {
                self.chunks.resize_with(chunk + 1, Chunk::default);
            }
            let Some(chunk) = self.chunks.get_mut(chunk) else { continue };
            match chunk.rows.get_mut(offset) {
                Some(old) => *old = row,
                None => chunk.rows.push(row),
            }
            chunk.batch = None;
        }
        self.chunks.iter_mut().map(|chunk| chunk.encoded(T::DEF, schema)).collect()
    }

    /// The rows by key text, as of the last [`Keyed::batches`]; empty unless the table is live.
    pub(crate) fn shown(&self) -> Arc<BTreeMap<Arc<str>, Row>> {
        Arc::clone(&self.shown)
    }
}

impl Chunk {
    fn encoded(
        &mut self,
        def: &'static TableDef,
        schema: &SchemaRef,
    ) -> Result<RecordBatch, ProjectionError> {
        if let Some(batch) = &self.batch {
            return Ok(batch.clone());
        }
        let batch = encode::batch(def, schema, &self.rows)?;
        self.batch = Some(batch.clone());
        Ok(batch)
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

/// Rows that are final as soon as they are written, in the order of the log.
#[derive(Debug)]
pub(crate) struct Appended<T: TableRow> {
    pending: Vec<Row>,
    batches: Vec<RecordBatch>,
    of: std::marker::PhantomData<fn() -> T>,
}

impl<T: TableRow> Default for Appended<T> {
    fn default() -> Self {
        Self { pending: Vec::new(), batches: Vec::new(), of: std::marker::PhantomData }
    }
}

impl<T: TableRow> Appended<T> {
    /// Adds a row.
    pub(crate) fn push(&mut self, sink: &mut Sink, mut row: T) {
        row.touch(sink.position);
        let row = row.row();
        if sink.heard {
            sink.push::<T>(None, Arc::clone(&row));
        }
        self.pending.push(row);
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
        if !self.pending.is_empty() {
            let mut last = encode::batch(T::DEF, schema, &self.pending)?;
            self.pending.clear();
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
        self.batches(schema)?;
        let batches = std::mem::take(&mut self.batches);
        if batches.is_empty() {
            return Ok(None);
        }
        concat_batches(schema, &batches)
            .map(Some)
            .map_err(|error| ProjectionError::encode(T::DEF.name, error))
    }
}
