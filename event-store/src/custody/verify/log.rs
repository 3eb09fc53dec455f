//! Verifying a whole log against checkpoints.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use ledgerline_schemas::{Position, StreamId, Version};

use super::finding::{Exact, Finding, Report};
use super::note::Checkpoint;
use super::tree::{Growing, Root};
use super::{leaf, locate};
use crate::log::EventReader;

/// Findings about single events that are listed; a log that is broken everywhere needs no longer list.
const FINDINGS_MAX: usize = 100;

/// What a log is held against.
#[derive(Clone, Copy, Debug, Default)]
pub struct Evidence<'a> {
    /// Checkpoints that were kept outside, where whoever may have changed the log could not reach them.
    pub outside: &'a [Checkpoint],
    /// The checkpoints kept beside the log; `None` leaves them out.
    pub own: Option<&'a [Checkpoint]>,
    /// Folders with tiles (`tile/…` below them), to find the exact event. Tiles that do not belong to a
    /// checkpoint are not used.
    pub tiles: &'a [&'a Path],
}

/// Reads the whole log and holds it against checkpoints. `progress` is told the position reached and the
/// head, about every thousand events.
///
/// Without any checkpoint it tells only that the log is whole in itself.
pub fn log(
    reader: &dyn EventReader,
    evidence: &Evidence<'_>,
    progress: &mut dyn FnMut(Position, Position),
) -> Report {
    let own = evidence.own.unwrap_or_default();
    let sizes = evidence.outside.iter().chain(own).map(|checkpoint| checkpoint.size).collect();
    let mut report = Report::default();
    let roots = read(reader, &sizes, &mut report, progress);
    let outside = Held::against(evidence.outside, &roots);
    let held_own = Held::against(own, &roots);
    report.outside = outside.fitting();
    report.own = held_own.fitting();
    let damaged = report.findings.iter().any(|it| matches!(it, Finding::Damaged { .. }));
    // Behind damage nothing could be compared; the damage itself is reported.
    let compared = |bad: &&Checkpoint| !damaged || bad.size <= report.head.0;
    if let Some(bad) = outside.first_bad().filter(compared) {
        let after = outside.vouched_below(bad.size);
        // The log fits a checkpoint of the same key that says otherwise: the key signed both.
        let fitting = outside.fitting().into_iter().chain(held_own.fitting());
        let other = fitting.filter(|size| *size >= bad.size).min();
        report.findings.push(judge(reader, evidence, bad, after, other));
    } else if let Some(bad) = held_own.first_bad().filter(compared) {
        let after = outside.vouched_below(bad.size).max(held_own.vouched_below(bad.size));
        report.findings.push(judge(reader, evidence, bad, after, None));
    }
    if !report.findings.iter().any(|it| matches!(it, Finding::Fork { .. })) {
        contradictions(evidence.outside.iter().chain(own), &mut report);
    }
    if evidence.own.is_some() {
        let known: BTreeSet<u64> = own.iter().map(|checkpoint| checkpoint.size).collect();
        let missing = evidence.outside.iter().filter(|it| !known.contains(&it.size));
        report.findings.extend(missing.map(|it| Finding::NotInHistory { size: it.size }));
    }
    report
}

/// Two checkpoints of one size with different roots need no log to be a fork.
fn contradictions<'a>(checkpoints: impl Iterator<Item = &'a Checkpoint>, report: &mut Report) {
    let mut roots: BTreeMap<u64, Root> = BTreeMap::new();
    let mut forked = BTreeSet::new();
    for checkpoint in checkpoints {
        let known = roots.entry(checkpoint.size).or_insert(checkpoint.root);
        if *known != checkpoint.root {
            forked.insert(checkpoint.size);
        }
    }
    if let Some(size) = forked.first().copied() {
        let fits = report.outside.iter().chain(&report.own).filter(|fitting| **fitting < size);
        let after = Position(fits.max().copied().unwrap_or(0));
        report.findings.push(Finding::Fork { size, other: size, after, exact: None });
    }
}

fn judge(
    reader: &dyn EventReader,
    evidence: &Evidence<'_>,
    bad: &Checkpoint,
    after: Position,
    other: Option<u64>,
) -> Finding {
    let head = reader.head();
    let exact: Option<Exact> =
        evidence.tiles.iter().find_map(|tiles| locate::exact(reader, bad, tiles, after));
    let size = bad.size;
    match other {
        Some(other) => Finding::Fork { size, other, after, exact },
        None if head.0 < size => Finding::Truncated { size, head, exact },
        None => Finding::Changed { size, after, exact },
    }
}

/// Reads the log once; the roots at the sizes asked for, as far as it goes.
fn read(
    reader: &dyn EventReader,
    sizes: &BTreeSet<u64>,
    report: &mut Report,
    progress: &mut dyn FnMut(Position, Position),
) -> BTreeMap<u64, Root> {
    let head = reader.head();
    let mut tree = Growing::default();
    let mut roots = BTreeMap::new();
    let mut versions: BTreeMap<StreamId, u64> = BTreeMap::new();
    if sizes.contains(&0) {
        roots.insert(0, tree.root());
    }
    for event in reader.scan(Position::START) {
        let event = match event {
            Ok(event) => event,
            Err(error) => {
                let reason = error.to_string();
                report.findings.push(Finding::Damaged { after: report.head, reason });
                return roots;
            }
        };
        let header = &event.header;
        let position = report.head.next();
        let room = report.findings.len() < FINDINGS_MAX;
        if room && (header.position != position || header.org_id != reader.org_id()) {
            report.findings.push(Finding::Misplaced { position, says: header.position });
        }
        let expected = versions.entry(header.stream.clone()).or_default();
        if room && header.version.0 != *expected {
            report.findings.push(Finding::Version {
                position,
                stream: header.stream.clone(),
                expected: Version(*expected),
                found: header.version,
            });
        }
        *expected = header.version.0.saturating_add(1);
        tree.add(leaf::of(&event));
        report.head = position;
        report.events += 1;
        if sizes.contains(&position.0) {
            roots.insert(position.0, tree.root());
        }
        if position.0.is_multiple_of(1_000) {
            progress(position, head);
        }
    }
    progress(report.head, head);
    roots
}

/// Checkpoints, ascending, each with whether the log fits it.
struct Held<'a>(Vec<(&'a Checkpoint, bool)>);

impl<'a> Held<'a> {
    fn against(checkpoints: &'a [Checkpoint], roots: &BTreeMap<u64, Root>) -> Self {
        let fits = |it: &Checkpoint| roots.get(&it.size) == Some(&it.root);
        let mut held: Vec<_> = checkpoints.iter().map(|it| (it, fits(it))).collect();
        held.sort_by_key(|(checkpoint, _)| checkpoint.size);
        Self(held)
    }

    fn fitting(&self) -> Vec<u64> {
        self.0.iter().filter(|(_, fits)| *fits).map(|(checkpoint, _)| checkpoint.size).collect()
    }

    fn first_bad(&self) -> Option<&'a Checkpoint> {
        self.0.iter().find(|(_, fits)| !fits).map(|(checkpoint, _)| *checkpoint)
    }

    /// The largest size below this one that the log fits.
    fn vouched_below(&self, size: u64) -> Position {
        let below = self.fitting().into_iter().filter(|fitting| *fitting < size);
        Position(below.max().unwrap_or(0))
    }
}
