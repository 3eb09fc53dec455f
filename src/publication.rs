//! Copies of the tables that other engines read where they lie: a folder or an S3-compatible store.
//!
//! ```text
//! orgs/<id>/tables/current.json                   the newest publication: position, and the files of each table
//! orgs/<id>/tables/current.duckdb.sql             the same as views of DuckDB
//! orgs/<id>/tables/current.datafusion.sql         the same as views of DataFusion and Ballista
//! orgs/<id>/tables/positions/<position>.json      the publications whose files are there
//! orgs/<id>/tables/files/<epoch>/<table>/<name>   final rows; such a file never changes
//! orgs/<id>/tables/open/<position>/<table>.parquet   rows that may still change, as of this position
//! ```
//!
//! A publication is named after everything in it was stored, and what it replaces goes after the one after it: who has
//! read `current.json` has that long to read the files.

use std::collections::{BTreeMap, BTreeSet};

use ledgerline_event_store::archive::{ArchiveError, Depot};
use ledgerline_projections::publication::{Part, parts, sha256};
use ledgerline_projections::{ColumnType, ProjectionError, Snapshot, TableDef};
use ledgerline_schemas::id::OrgId;
use ledgerline_schemas::{Position, Timestamp};
use serde::{Deserialize, Serialize};

use crate::organization::now;
use crate::publication_views as views;

/// The statements that make the tables of a publication, whose files are at an address, known to an engine.
type Views = fn(&str, &Publication) -> String;

const FORMAT: u32 = 1;
/// Publications that are kept, the newest included.
const KEPT: usize = 2;
/// Tables that are for auditors: they are published only if they are named.
pub(crate) const FOR_AUDITORS: [&str; 2] = ["access_log", "event_log"];

/// The tables at a position, as others find them.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Publication {
    format: u32,
    pub(crate) org_id: OrgId,
    /// Every event up to here is in, none after.
    pub(crate) position: Position,
    epoch: u64,
    published_at: Timestamp,
    pub(crate) tables: BTreeMap<String, PublishedTable>,
}

/// A table of a publication.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct PublishedTable {
    pub(crate) columns: Vec<PublishedColumn>,
    pub(crate) files: Vec<PublishedFile>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct PublishedColumn {
    pub(crate) name: String,
    /// `text`, `json`, `int` (64 bits), `bool` or `time` (microseconds UTC).
    #[serde(rename = "type")]
    pub(crate) kind: String,
    nullable: bool,
}

/// A file of a publication.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PublishedFile {
    /// Its name in the store.
    pub(crate) object: String,
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
    sha256: String,
}

/// Which tables, and how.
#[derive(Clone, Debug, Default)]
pub(crate) struct Choice {
    /// These tables; all but [`FOR_AUDITORS`] if empty.
    pub(crate) tables: BTreeSet<String>,
    /// New files are encrypted here, so rows that are in memory yet are to be as well.
    pub(crate) is_encrypted: bool,
    /// Publish what is encrypted here: copies never are.
    pub(crate) in_clear: bool,
}

/// What a publication did.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) publication: Publication,
    /// Files and bytes that were not there before.
    pub(crate) stored: (u64, u64),
    /// Objects that went.
    pub(crate) removed: u64,
}

/// The tables could not be published.
#[derive(Debug)]
pub(crate) enum PublishError {
    Store(ArchiveError),
    Tables(ProjectionError),
    /// What was asked for cannot be.
    Refused(String),
}

impl std::fmt::Display for PublishError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Store(error) => error.fmt(f),
            Self::Tables(error) => error.fmt(f),
            Self::Refused(reason) => f.write_str(reason),
        }
    }
}

impl From<ArchiveError> for PublishError {
    fn from(error: ArchiveError) -> Self {
        Self::Store(error)
    }
}

impl From<ProjectionError> for PublishError {
    fn from(error: ProjectionError) -> Self {
        Self::Tables(error)
    }
}

/// Publishes the tables of a snapshot.
///
/// # Errors
/// [`PublishError`]; the publication before is untouched then.
pub(crate) fn publish(
    depot: &Depot,
    snapshot: &Snapshot,
    choice: &Choice,
) -> Result<Done, PublishError> {
    let root = format!("orgs/{}/tables", snapshot.org_id);
    let before = current(depot, &root, snapshot)?;
    let known: BTreeMap<&str, &PublishedFile> = before
        .iter()
        .flat_map(|before| before.tables.values().flat_map(|table| &table.files))
        .map(|file| (&*file.object, file))
        .collect();
    let mut stored = (0, 0);
    let mut tables = BTreeMap::new();
    for table in chosen(snapshot, choice)? {
        let table = &snapshot.tables[table];
        let mut files = Vec::new();
        for part in parts(table)? {
            if (choice.is_encrypted || part.is_encrypted()) && !choice.in_clear {
                return Err(PublishError::Refused(
                    "the tables are encrypted here and copies are not: say that they may be in clear (--in-clear, or \
                     tables.publish_in_clear = true)"
                        .to_owned(),
                ));
            }
            let object = object(&root, snapshot, &part);
            if let Some(file) = known.get(&*object).filter(|_| part.name.is_some()) {
                files.push((*file).clone());
                continue;
            }
            let (rows, bytes) = part.content()?;
            depot.put(&object, &bytes)?;
            let length = bytes.len() as u64;
            stored = (stored.0 + 1, stored.1 + length);
            files.push(PublishedFile { object, rows, bytes: length, sha256: sha256(&bytes) });
        }
        tables.insert(
            table.def.name.to_owned(),
            PublishedTable { columns: columns(table.def), files },
        );
    }
    let publication = Publication {
        format: FORMAT,
        org_id: snapshot.org_id,
        position: snapshot.position,
        epoch: snapshot.epoch,
        published_at: now(),
        tables,
    };
    let json = serde_json::to_vec_pretty(&publication)
        .map_err(|error| PublishError::Refused(error.to_string()))?;
    depot.put(&name(&root, publication.position), &json)?;
    for (engine, views) in [("duckdb", views::duckdb as Views), ("datafusion", views::datafusion)] {
        let object = format!("{root}/current.{engine}.sql");
        depot.put(&object, views(depot.address(), &publication).as_bytes())?;
    }
    depot.put(&format!("{root}/current.json"), &json)?;
    let removed = forget(depot, &root)?;
    Ok(Done { publication, stored, removed })
}

/// The publication there is; refused if it is not one of this history.
fn current(
    depot: &Depot,
    root: &str,
    snapshot: &Snapshot,
) -> Result<Option<Publication>, PublishError> {
    let object = format!("{root}/current.json");
    let Some(bytes) = depot.find(&object)? else { return Ok(None) };
    let before = read(&object, &bytes)?;
    if before.position > snapshot.position {
        return Err(PublishError::Refused(format!(
            "{} has the tables at position {}, and these are at {}: they are of another history, or older. \
             Publish to another place, or remove that one",
            depot.address(),
            before.position,
            snapshot.position
        )));
    }
    // Of tables that were built anew, files of the same name may have other rows.
    Ok(Some(before).filter(|before| before.epoch == snapshot.epoch))
}

fn read(object: &str, bytes: &[u8]) -> Result<Publication, PublishError> {
    let found: Publication = serde_json::from_slice(bytes)
        .map_err(|error| PublishError::Refused(format!("{object} is no publication: {error}")))?;
    if found.format != FORMAT {
        return Err(PublishError::Refused(format!(
            "{object} has format {}; this version knows {FORMAT}",
            found.format
        )));
    }
    Ok(found)
}

fn chosen(snapshot: &Snapshot, choice: &Choice) -> Result<Vec<&'static str>, PublishError> {
    if let Some(unknown) = choice.tables.iter().find(|name| !snapshot.tables.contains_key(&***name))
    {
        return Err(PublishError::Refused(format!("there is no table {unknown}")));
    }
    let all = snapshot.tables.keys().copied();
    Ok(all
        .filter(|name| match choice.tables.is_empty() {
            true => !FOR_AUDITORS.contains(name),
            false => choice.tables.contains(*name),
        })
        .collect())
}

fn name(root: &str, position: Position) -> String {
    // So many digits that names come in the order of positions.
    format!("{root}/positions/{:020}.json", position.0)
}

fn object(root: &str, snapshot: &Snapshot, part: &Part) -> String {
    let table = part.table.name;
    match &part.name {
        Some(name) => format!("{root}/files/{}/{table}/{name}", snapshot.epoch),
        None => format!("{root}/open/{:020}/{table}.parquet", snapshot.position.0),
    }
}

fn columns(def: &TableDef) -> Vec<PublishedColumn> {
    def.columns
        .iter()
        .map(|column| PublishedColumn {
            name: column.name.to_owned(),
            kind: match column.column_type {
                ColumnType::Text => "text",
                ColumnType::Json => "json",
                ColumnType::Int => "int",
                ColumnType::Bool => "bool",
                ColumnType::Time => "time",
            }
            .to_owned(),
            nullable: column.nullable,
        })
        .collect()
}

/// Removes the publications but the newest, and every file that none of those names. Gives how many objects went.
fn forget(depot: &Depot, root: &str) -> Result<u64, PublishError> {
    let mut names = depot.list(&format!("{root}/positions/"))?;
    let kept = names.split_off(names.len().saturating_sub(KEPT));
    let mut used = BTreeSet::new();
    for object in &kept {
        let publication = read(object, &depot.get(object)?)?;
        used.extend(
            publication.tables.into_values().flat_map(|table| table.files).map(|it| it.object),
        );
    }
    let mut gone = names;
    for folder in ["files", "open"] {
        let there = depot.list(&format!("{root}/{folder}/"))?;
        gone.extend(there.into_iter().filter(|object| !used.contains(object)));
    }
    for object in &gone {
        depot.remove(object)?;
    }
    Ok(gone.len() as u64)
}
