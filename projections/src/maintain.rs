//! Upkeep at once, for tables that nobody has open: `ledgerline tables compact`.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use ledgerline_event_store::EventReader;
use ledgerline_event_store::crypt::at_rest::FileCipher;

use crate::engine::{self, Engine};
use crate::error::ProjectionError;
use crate::layout::Layout;
use crate::plan::Limits;
use crate::projections::Options;
use crate::store::Files;
use crate::upkeep::{Done, Upkeep};

/// The files of a table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TableFiles {
    /// How many.
    pub files: u64,
    /// Final rows in them.
    pub rows: u64,
    /// Their size on disk, bytes.
    pub bytes: u64,
}

/// What was done to the files of the tables.
#[derive(Clone, Debug, Default)]
pub struct Maintained {
    /// The files before.
    pub before: BTreeMap<&'static str, TableFiles>,
    /// The files after.
    pub after: BTreeMap<&'static str, TableFiles>,
    /// Files that several others were merged into, those merged again included.
    pub merged: u64,
    /// Damaged files that were made again from the log.
    pub mended: u64,
    /// Rows that are no longer kept and were taken out of files.
    pub removed_rows: u64,
    /// Files that were held against their hashes.
    pub verified: u64,
}

/// Takes out rows that are no longer kept, merges what is due, holds every file against its hash, and makes again what is damaged. Works on the
/// calling thread; nobody else may have the tables open.
///
/// # Errors
/// [`ProjectionError`]; what was done until then stays done.
pub fn maintain(
    reader: Arc<dyn EventReader>,
    root: &Path,
    options: Options,
    cipher: Arc<dyn FileCipher>,
) -> Result<Maintained, ProjectionError> {
    let files = Files { store: engine::disk(), cipher };
    let engine = Engine::open_mending(files, root, &reader, options)?;
    let ledger = Arc::clone(engine.ledger());
    let mut done = Maintained { before: counted(&ledger.layout()), ..Maintained::default() };
    drop(engine);
    let mut upkeep = Upkeep::new(Arc::clone(&ledger), reader, options, Limits::default());
    while let Some(step) = upkeep.step(&|| true)? {
        match step {
            Done::Merged => done.merged += 1,
            Done::Mended => done.mended += 1,
            Done::Verified => done.verified += 1,
            Done::Removed(rows) => done.removed_rows += rows,
        }
    }
    done.after = counted(&ledger.layout());
    Ok(done)
}

fn counted(layout: &Layout) -> BTreeMap<&'static str, TableFiles> {
    let mut counted: BTreeMap<&'static str, TableFiles> = BTreeMap::new();
    for (table, placed) in &layout.tables {
        let files = counted.entry(table).or_default();
        for it in placed {
            files.files += 1;
            files.rows += it.entry.rows;
            files.bytes += it.entry.bytes;
        }
    }
    counted
}
