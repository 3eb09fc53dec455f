//! A consistent state of all tables at one position.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use ledgerline_event_store::crypt::at_rest::SealedFile;
use ledgerline_schemas::Position;
use ledgerline_schemas::id::OrgId;

use crate::table::{Row, TableDef};

/// A cold file of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColdFile {
    /// Where it is.
    pub path: PathBuf,
    /// Rows in it.
    pub rows: u64,
    /// Size of the Parquet file, bytes; what is on disk is a little longer when it is encrypted.
    pub bytes: u64,
    /// How to read it when it is encrypted.
    pub sealed: Option<SealedFile>,
}

/// One table in a snapshot: the rows of `cold` and `hot` together, no row twice.
#[derive(Clone, Debug)]
pub struct TableSnapshot {
    /// The table.
    pub def: &'static TableDef,
    /// Its Arrow schema (the same for hot batches and cold files).
    pub schema: SchemaRef,
    /// Closed rows in Parquet.
    pub cold: Arc<[ColdFile]>,
    /// Rows in memory.
    pub hot: Arc<[RecordBatch]>,
}

/// All tables of one organization at one position.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The organization.
    pub org_id: OrgId,
    /// Every event up to here is folded in.
    pub position: Position,
    /// Changes whenever the tables are built anew; a position is comparable only within one epoch.
    pub epoch: u64,
    /// Tables by name, live tables included.
    pub tables: BTreeMap<&'static str, TableSnapshot>,
    /// Present rows of the live tables by table name and key.
    pub live: BTreeMap<&'static str, Arc<BTreeMap<Arc<str>, Row>>>,
}
