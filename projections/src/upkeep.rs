//! What is done to the files beside the fold: merging small ones, taking out rows that are no longer kept,
//! looking for damage, mending it.
//!
//! It runs on a thread of its own, one thing at a time, and is the only one that makes exchanges.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use ledgerline_event_store::EventReader;
use ledgerline_schemas::Position;

use crate::commit::Encoded;
use crate::committed::verified;
use crate::error::ProjectionError;
use crate::exchange::{Exchange, PlacedEntry};
use crate::layout::{self, Placed};
use crate::ledger::Ledger;
use crate::mend;
use crate::merge::{self, Input};
use crate::open::Lost;
use crate::past::GoingOn;
use crate::plan::{self, Limits};
use crate::projections::Options;
use crate::table::TableDef;
use crate::tables;

/// Longest time between two looks at what readers reported.
const PATIENCE: Duration = Duration::from_secs(5);
/// Rest after a look at a file: reading all of them is not to be in the way of anybody.
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);

/// Looks after the files of one organization's tables.
#[derive(Debug)]
pub(crate) struct Upkeep {
    pub(crate) ledger: Arc<Ledger>,
    reader: Arc<dyn EventReader>,
    options: Options,
    limits: Limits,
    /// Files that were found whole.
    pub(crate) verified: BTreeSet<PathBuf>,
    /// Files that hold no row that a run up to this position dropped.
    pub(crate) cleared: BTreeMap<PathBuf, Position>,
}

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Done {
    /// Files of a table became one.
    Merged,
    /// A damaged file was made again.
    Mended,
    /// A file was found whole.
    Verified,
    /// Rows that are no longer kept were taken out of a file, so many.
    Removed(u64),
}

impl Upkeep {
    /// Nothing is done yet.
    pub(crate) const fn new(
        ledger: Arc<Ledger>,
        reader: Arc<dyn EventReader>,
        options: Options,
        limits: Limits,
    ) -> Self {
        Self {
            ledger,
            reader,
            options,
            limits,
            verified: BTreeSet::new(),
            cleared: BTreeMap::new(),
        }
    }

    /// Runs until whoever rings is gone. Trouble is told and tried again later: the tables are true without
    /// any of this.
    pub(crate) fn run(mut self, rung: &Receiver<()>, going_on: GoingOn<'_>) {
        loop {
            let rest = match self.step(going_on) {
                Ok(Some(Done::Verified)) => BETWEEN_LOOKS,
                Ok(Some(_)) => Duration::ZERO,
                Ok(None) => PATIENCE,
                Err(ProjectionError::Cancelled) => return,
                Err(error) => {
                    metrics::counter!("ledgerline_tables_upkeep_failures_total").increment(1);
                    tracing::warn!(%error, "the files of the tables are left as they are for now");
                    PATIENCE
                }
            };
            let is_over = matches!(rung.recv_timeout(rest), Err(RecvTimeoutError::Disconnected));
            if is_over || !going_on() {
                return;
            }
        }
    }

    /// Does the next thing there is to do: what readers reported first, then rows that are no longer kept, then
    /// what is due to be merged, then a look at a file nobody has looked at since the start.
    ///
    /// # Errors
    /// [`ProjectionError`]; nothing has changed then.
    pub(crate) fn step(&mut self, going_on: GoingOn<'_>) -> Result<Option<Done>, ProjectionError> {
        let layout = self.ledger.layout();
        let all =
            || layout.tables.iter().flat_map(|(table, it)| it.iter().map(move |it| (*table, it)));
        if let Some((table, placed)) = all().find(|(_, it)| it.file.lease.is_suspect()) {
            return self.look_at(table, placed).map(Some);
        }
        if let Some(done) = self.remove_next(&layout, going_on)? {
            return Ok(Some(done));
        }
        if let Some((table, inputs)) = plan::due(&layout, self.limits) {
            return self.merge(table, &inputs, going_on).map(Some);
        }
        let unknown = all().find(|(_, it)| !self.verified.contains(&it.file.path));
        match unknown {
            Some((table, placed)) => self.look_at(table, placed).map(Some),
            None => Ok(None),
        }
    }

    /// Holds a file against its hash, and mends it when it does not fit.
    pub(crate) fn look_at(
        &mut self,
        table: &str,
        placed: &Placed,
    ) -> Result<Done, ProjectionError> {
        match verified(&self.ledger.files, placed) {
            Ok(_) => {
                placed.file.lease.cleared();
                self.verified.insert(placed.file.path.clone());
                Ok(Done::Verified)
            }
            Err(error @ ProjectionError::Damaged { .. }) => {
                metrics::counter!("ledgerline_tables_damaged_files_total").increment(1);
                tracing::error!(%error, "a file of the tables is made again from the log");
                self.mend(table, placed)?;
                Ok(Done::Mended)
            }
            Err(error) => Err(error),
        }
    }

    fn mend(&self, table: &str, placed: &Placed) -> Result<(), ProjectionError> {
        let Some(def) = tables::ALL.iter().find(|def| def.name == table) else { return Ok(()) };
        let (from, to, file) = (placed.from, placed.to, placed.entry.clone());
        let lost = Lost { def, entry: PlacedEntry { from, to, file } };
        mend::from_log(&self.ledger, &*self.reader, self.options, &[lost])?;
        placed.file.lease.replaced();
        Ok(())
    }

    /// Makes one file of several; first all of them are held against their hashes, so that damage does not
    /// get into a new file with a hash that fits it.
    fn merge(
        &mut self,
        table: &str,
        inputs: &[Placed],
        going_on: GoingOn<'_>,
    ) -> Result<Done, ProjectionError> {
        let Some(def) = tables::ALL.iter().find(|def| def.name == table) else {
            return Ok(Done::Verified);
        };
        let (Some(first), Some(last)) = (inputs.first(), inputs.last()) else {
            return Ok(Done::Verified);
        };
        let mut contents = Vec::new();
        for placed in inputs {
            match verified(&self.ledger.files, placed) {
                Ok(content) => contents.push(Input { content, commit: placed.to.0 }),
                Err(ProjectionError::Damaged { .. }) => return self.look_at(table, placed),
                Err(error) => return Err(error),
            }
        }
        let rows = inputs.iter().map(|it| it.entry.rows).sum();
        let bytes = merge::merge(def, contents, rows, None, going_on)?;
        let added = self.written(def, (first.from, last.to), bytes, rows)?;
        let path = added.file.path.clone();
        let remove = inputs.iter().map(|it| it.entry.name.clone()).collect();
        self.ledger.exchange(def.name, remove, vec![added], None)?;
        for placed in inputs {
            placed.file.lease.replaced();
            self.verified.remove(&placed.file.path);
            self.cleared.remove(&placed.file.path);
        }
        self.verified.insert(path);
        metrics::counter!("ledgerline_tables_merged_files_total").increment(inputs.len() as u64);
        Ok(Done::Merged)
    }

    /// Writes a file that the next exchange adds.
    pub(crate) fn written(
        &self,
        def: &'static TableDef,
        (from, to): (Position, Position),
        bytes: Vec<u8>,
        rows: u64,
    ) -> Result<Placed, ProjectionError> {
        let (files, generation) = (&self.ledger.files, &self.ledger.generation);
        let name = Exchange::file_name(from, to, Ledger::next_exchange(&self.ledger.layout()));
        let path = layout::path(generation, def.name, &name);
        let encoded = Encoded::of_table(bytes, generation, def.name, &name, &*files.cipher)?;
        // An attempt that failed may have left it.
        files.store.remove(&path).map_err(|error| ProjectionError::io(&path, &error))?;
        let file = encoded.entry(name, rows);
        encoded.placed(files, generation, def.name, PlacedEntry { from, to, file })
    }
}
