//! Which files are due to be merged: a function of the commits and the sizes of the files.
//!
//! Commits are counted off in groups of eight, eight of these groups are a larger one, and so on. When a group
//! is complete, the files of a table in it become one, unless that would be too large. So a table has at most
//! seven files a level besides full ones, and a row is written again once a level.

use crate::layout::{Layout, Placed};

/// How files are merged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Commits in the smallest group, and groups in the next larger one; at least 2.
    pub(crate) fan_in: u64,
    /// Rows of a merged file at most.
    pub(crate) rows_max: u64,
    /// Bytes of the files that become one at most. Merging holds them in memory, and what comes out.
    pub(crate) bytes_max: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { fan_in: 8, rows_max: 4 << 20, bytes_max: 128 << 20 }
    }
}

/// The next files to merge: neighbours of one table. The smallest groups come first, then the oldest.
pub(crate) fn due(layout: &Layout, limits: Limits) -> Option<(&'static str, Vec<Placed>)> {
    let commits = layout.commits.len() as u64;
    let mut group = limits.fan_in;
    while group <= commits {
        for (table, placed) in &layout.tables {
            if let Some(found) = due_in(layout, placed, group, limits) {
                return Some((table, found));
            }
        }
        group = group.saturating_mul(limits.fan_in);
    }
    None
}

/// The first files of a complete group of so many commits that can become one.
fn due_in(layout: &Layout, placed: &[Placed], group: u64, limits: Limits) -> Option<Vec<Placed>> {
    let complete = layout.commits.len() as u64 / group;
    // Numbers, from 0, of the first and last commit of a file.
    let span = |it: &Placed| {
        let first = layout.commits.partition_point(|commit| commit.manifest.to <= it.from);
        let end = layout.commits.partition_point(|commit| commit.manifest.to <= it.to);
        (first as u64, (end as u64).saturating_sub(1))
    };
    let of = |it: &Placed| {
        let (first, last) = span(it);
        (first / group == last / group && last / group < complete).then_some(first / group)
    };
    for chunk in placed.chunk_by(|left, right| of(left).is_some() && of(left) == of(right)) {
        let rows: u64 = chunk.iter().map(|it| it.entry.rows).sum();
        let bytes: u64 = chunk.iter().map(|it| it.entry.bytes).sum();
        let fits = rows <= limits.rows_max && bytes <= limits.bytes_max;
        if chunk.len() > 1 && fits {
            return Some(chunk.to_vec());
        }
    }
    None
}
