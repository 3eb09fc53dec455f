//! Which files hold the rows of the tables: what the commits added, as the exchanges have it now.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use ledgerline_schemas::Position;

use crate::exchange::{Exchange, PlacedEntry};
use crate::manifest::{FileEntry, Generation, Manifest};
use crate::show::ColdFiles;
use crate::snapshot::ColdFile;

/// A commit and the hash of its manifest.
#[derive(Debug)]
pub(crate) struct Committed {
    pub(crate) manifest: Manifest,
    pub(crate) sha256: String,
}

/// A file with the rows that became final in the commits of the positions in `(from, to]`.
#[derive(Clone, Debug)]
pub(crate) struct Placed {
    pub(crate) from: Position,
    pub(crate) to: Position,
    pub(crate) entry: FileEntry,
    pub(crate) file: ColdFile,
}

/// The files of all tables at one commit. It is never changed; a newer one takes its place.
#[derive(Clone, Debug, Default)]
pub(crate) struct Layout {
    /// All commits, oldest first; the number of the first is 1.
    pub(crate) commits: Vec<Arc<Committed>>,
    /// The files of each table, in the order of their positions.
    pub(crate) tables: BTreeMap<&'static str, Vec<Placed>>,
    /// Number and hash of the newest exchange.
    pub(crate) exchanged: Option<(u64, String)>,
}

impl Layout {
    /// The newest commit.
    pub(crate) fn last(&self) -> Option<&Arc<Committed>> {
        self.commits.last()
    }

    /// The files with all rows of the commits up to `until`. A file that goes on beyond it is to be read up to
    /// there.
    pub(crate) fn cold(&self, until: Position) -> ColdFiles {
        let files = |table: &'static str, placed: &[Placed]| -> Arc<[ColdFile]> {
            let up_to = |it: &Placed| {
                if it.to <= until {
                    return Some(it.file.clone());
                }
                let rows = self.rows(table, it.from, until);
                (rows > 0).then(|| ColdFile { rows, until: Some(until), ..it.file.clone() })
            };
            placed.iter().filter(|it| it.from < until).filter_map(up_to).collect()
        };
        self.tables.iter().map(|(table, placed)| (*table, files(table, placed))).collect()
    }

    /// The commits whose positions are in `(from, to]`.
    pub(crate) fn commits_of(&self, from: Position, to: Position) -> &[Arc<Committed>] {
        let begin = self.commits.partition_point(|it| it.manifest.to <= from);
        let end = self.commits.partition_point(|it| it.manifest.to <= to);
        self.commits.get(begin..end).unwrap_or_default()
    }

    /// Rows of a table that became final in the commits of `(from, to]`.
    pub(crate) fn rows(&self, table: &str, from: Position, to: Position) -> u64 {
        let rows = |it: &Arc<Committed>| it.manifest.add.get(table).map_or(0, |file| file.rows);
        self.commits_of(from, to).iter().map(rows).sum()
    }

    /// The file with the rows of a table that became final in one commit.
    pub(crate) fn file_of(&self, table: &str, commit: &Manifest) -> Option<&Placed> {
        let has = |it: &&Placed| it.from <= commit.from && it.to >= commit.to;
        self.tables.get(table)?.iter().find(has)
    }

    /// Files of a table replaced by others with the same rows.
    pub(crate) fn exchange(&mut self, table: &'static str, remove: &[String], add: Vec<Placed>) {
        let placed = self.tables.entry(table).or_default();
        placed.retain(|it| !remove.contains(&it.entry.name));
        placed.extend(add);
        placed.sort_by_key(|it| it.from);
    }
}

/// The files of each table by name, before they are looked at on disk.
pub(crate) type Entries = BTreeMap<String, Vec<PlacedEntry>>;

/// What commits added and exchanges made of it; and how many of the exchanges count. One that does not rest on
/// these commits, or takes away what is not there, ends the chain of exchanges.
pub(crate) fn entries(
    commits: &[(Manifest, String)],
    exchanges: &[(Exchange, String)],
) -> (Entries, usize) {
    let mut entries = Entries::new();
    for (manifest, _) in commits {
        for (table, file) in &manifest.add {
            let (from, to, file) = (manifest.from, manifest.to, file.clone());
            entries.entry(table.clone()).or_default().push(PlacedEntry { from, to, file });
        }
    }
    let mut counted = 0;
    for (exchange, _) in exchanges {
        let commit = usize::try_from(exchange.commit).ok().and_then(|seq| seq.checked_sub(1));
        let rests = commit
            .and_then(|index| commits.get(index))
            .is_some_and(|(_, sha256)| *sha256 == exchange.commit_sha256);
        let Some(placed) = entries.get_mut(&exchange.table).filter(|_| rests) else { break };
        let remove: BTreeSet<&String> = exchange.remove.iter().collect();
        let found = placed.iter().filter(|it| remove.contains(&it.file.name)).count();
        if found != remove.len() {
            break;
        }
        placed.retain(|it| !remove.contains(&it.file.name));
        placed.extend(exchange.add.iter().cloned());
        placed.sort_by_key(|it| it.from);
        counted += 1;
    }
    (entries, counted)
}

/// Where a file of a table is.
pub(crate) fn path(generation: &Generation, table: &str, name: &str) -> PathBuf {
    generation.table(table).join(name)
}
