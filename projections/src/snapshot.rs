//! A consistent state of all tables at one position.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::{Array as _, AsArray as _};
use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use ledgerline_event_store::crypt::at_rest::SealedFile;
use ledgerline_schemas::Position;
use ledgerline_schemas::config::EntityKind;
use ledgerline_schemas::id::{EntityId, OrgId};

use crate::blocks::Blocks;
use crate::lease::Lease;
use crate::retention::Kept;
use crate::table::{Row, TableDef};
use crate::tables::{ConfigEntity, TableRow as _};

/// Column that merged files have beside those of their table: the position of the commit in which the row
/// became final, a 64-bit integer.
pub const COMMIT_COLUMN: &str = "commit_position";

/// A cold file of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColdFile {
    /// Where it is.
    pub path: PathBuf,
    /// Rows of it that are part of the table.
    pub rows: u64,
    /// Size of the Parquet file, bytes; what is on disk is a little longer when it is encrypted.
    pub bytes: u64,
    /// How to read it when it is encrypted.
    pub sealed: Option<SealedFile>,
    /// Checksums of its blocks when it is in clear.
    pub blocks: Option<Blocks>,
    /// Of a merged file in the past: only rows whose [`COMMIT_COLUMN`] is not after this position.
    pub until: Option<Position>,
    /// Keeps the file as long as this is held.
    pub lease: Lease,
}

impl ColdFile {
    /// A file in clear of which nothing more is known: it is not verified, and nobody takes it away.
    #[must_use]
    pub const fn plain(path: PathBuf, rows: u64, bytes: u64) -> Self {
        let lease = Lease::none();
        Self { path, rows, bytes, sealed: None, blocks: None, until: None, lease }
    }
}

/// One table in a snapshot: the rows of `cold` and `hot` together as far as they are `kept`, no row twice.
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
    /// Which of these rows are part of the table.
    pub kept: Kept,
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

impl Snapshot {
    /// Ids of the configuration entities of a kind, switched off ones too, deleted ones not. The rows of
    /// `config_entity` never become final, so all of them are in memory.
    #[must_use]
    pub fn config_ids(&self, kind: EntityKind) -> Vec<EntityId> {
        let table = self.tables.get(ConfigEntity::DEF.name);
        let batches = table.map(|table| table.hot.iter()).into_iter().flatten();
        batches.filter_map(|batch| ids_of(batch, kind)).flatten().collect()
    }

    /// Ids and documents of the configuration entities of a kind that are switched on.
    #[must_use]
    pub fn config_documents(&self, kind: EntityKind) -> Vec<(EntityId, Arc<str>)> {
        let table = self.tables.get(ConfigEntity::DEF.name);
        let batches = table.map(|table| table.hot.iter()).into_iter().flatten();
        batches.filter_map(|batch| documents_of(batch, kind)).flatten().collect()
    }
}

fn documents_of(batch: &RecordBatch, kind: EntityKind) -> Option<Vec<(EntityId, Arc<str>)>> {
    let text = |name: &str| batch.column_by_name(name)?.as_string_opt::<i32>();
    let flag = |name: &str| batch.column_by_name(name)?.as_boolean_opt();
    let (kinds, ids, documents) = (text("kind")?, text("entity_id")?, text("document")?);
    let (active, deleted) = (flag("is_active")?, flag("is_deleted")?);
    let rows = 0..batch.num_rows();
    let ours = rows.filter(|at| {
        kinds.value(*at) == kind.name()
            && active.value(*at)
            && !deleted.value(*at)
            && documents.is_valid(*at)
    });
    Some(
        ours.filter_map(|at| Some((ids.value(at).parse().ok()?, documents.value(at).into())))
            .collect(),
    )
}

fn ids_of(batch: &RecordBatch, kind: EntityKind) -> Option<Vec<EntityId>> {
    let text = |name: &str| batch.column_by_name(name)?.as_string_opt::<i32>();
    let (kinds, ids) = (text("kind")?, text("entity_id")?);
    let deleted = batch.column_by_name("is_deleted")?.as_boolean_opt()?;
    let rows = 0..batch.num_rows();
    let ours = rows.filter(|at| kinds.value(*at) == kind.name() && !deleted.value(*at));
    Some(ours.filter_map(|at| ids.value(at).parse().ok()).collect())
}
