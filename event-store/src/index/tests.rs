//! Properties of runs: whatever is written, merged and read back answers as the segments' memory does.

use std::collections::BTreeMap;
use std::sync::Arc;

use ledgerline_schemas::Timestamp;
use ledgerline_schemas::id::{EventId, OrgId};
use proptest::prelude::*;

use super::hash;
use super::layout::{RunHeader, SegmentFacts, file_name, positions_of};
use super::recent::Recent;
use super::run::Run;
use super::runs::Runs;
use super::sealed::Sealed;
use crate::disk::files::OpenFiles;
use crate::disk::sim::{Image, SimDisk, Skips};
use crate::fault::Faults;

const ORG: OrgId = OrgId::from_u128(9);

/// Events of a log: which stream and which id, segment by segment.
type Log = Vec<Vec<(u8, u16)>>;

fn name(stream: u8) -> String {
    // Names of very different length, so that blocks of streams end anywhere.
    format!("stream-{stream}-{}", "x".repeat(usize::from(stream) % 180))
}

fn print(id: u16) -> u64 {
    // Few fingerprints: many ids share one.
    hash::of_id(EventId::from_u128(u128::from(id % 600)))
}

/// What the index must answer.
#[derive(Default)]
struct Model {
    streams: BTreeMap<u8, Vec<u64>>,
    ids: BTreeMap<u64, Vec<u64>>,
    /// Position, segment and offset of frames.
    frames: Vec<(u64, u64, u64)>,
}

fn built(log: &Log, fan_in: usize) -> (Sealed, Model) {
    let disk = SimDisk::new(Image::default(), &[], Skips::default());
    let files = Arc::new(OpenFiles::new(Arc::new(disk), 2));
    let sealed = Sealed::new(files, ORG, Faults::default(), fan_in);
    let mut model = Model::default();
    let mut next = 1;
    for (events, salt) in log.iter().zip(1..) {
        let mut recent = Recent::new(next);
        let base = next;
        let mut offset = 512;
        for (stream, id) in events {
            let positions = model.streams.entry(*stream).or_default();
            let first = positions.len() as u64;
            recent.push(hash::of_stream(&name(*stream)), &name(*stream), first, next);
            positions.push(next);
            recent.insert_id(print(*id), next);
            model.ids.entry(print(*id)).or_default().push(next);
            recent.note(next, offset, Timestamp::EPOCH);
            model.frames.push((next, base, offset));
            offset += 5_000;
            next += 1;
        }
        recent.end = next;
        let facts = SegmentFacts {
            base,
            next,
            frames: events.len() as u64,
            end: offset,
            recorded_until: Timestamp::EPOCH,
            salt,
            epoch: 1,
            chain: salt ^ 7,
        };
        let run = sealed.write(&recent, facts).unwrap();
        sealed.push(run);
        while sealed.merge(&|| true).unwrap() {}
    }
    (sealed, model)
}

fn check(runs: &Runs, model: &Model) {
    for stream in 0..=u8::MAX {
        let (hash, name) = (hash::of_stream(&name(stream)), name(stream));
        let positions = model.streams.get(&stream);
        let next = positions.map(|positions| positions.len() as u64);
        assert_eq!(runs.next_version(hash, &name).unwrap(), next);
        let positions = positions.map_or(&[][..], Vec::as_slice);
        assert_eq!(runs.positions(hash, &name, 0..u64::MAX).unwrap(), positions);
        let middle = positions.len() / 2;
        let some = positions.get(middle..(middle + 3).min(positions.len())).unwrap();
        let versions = middle as u64..middle as u64 + 3;
        assert_eq!(runs.positions(hash, &name, versions).unwrap(), some);
    }
    for id in 0..700 {
        let mut found = runs.ids(print(id)).unwrap();
        found.sort_unstable();
        assert_eq!(found, model.ids.get(&print(id)).cloned().unwrap_or_default());
    }
    for (position, segment, offset) in &model.frames {
        let place = runs.place(*position).unwrap().unwrap();
        assert_eq!(place.segment, *segment);
        assert!(
            place.position <= *position && offset - place.offset < super::recent::SPACING_BYTES
        );
        assert!(model.frames.contains(&(place.position, place.segment, place.offset)));
    }
    assert_eq!(runs.place(runs.end()).unwrap(), None);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn runs_answer_as_the_segments_do(
        log in prop::collection::vec(
            prop::collection::vec((any::<u8>(), any::<u16>()), 1..400), 1..12,
        ),
        fan_in in 2..5_usize,
    ) {
        let (sealed, model) = built(&log, fan_in);
        let runs = sealed.runs();
        check(&runs, &model);
        // A logarithmic number of runs, each of the segments that its name says.
        let classes = log.len().ilog(fan_in) as usize + 1;
        prop_assert!(runs.all().len() <= classes * (fan_in - 1) * 2, "{}", runs.all().len());
        let facts: Vec<u64> =
            runs.all().iter().flat_map(|run| &run.facts).map(|facts| facts.base).collect();
        prop_assert_eq!(facts.len(), log.len());
        // Only the files of these runs are left.
        let mut names: Vec<String> = sealed.files.disk().list().unwrap();
        names.sort();
        let wanted: Vec<&String> = runs.all().iter().map(|run| &run.name).collect();
        prop_assert_eq!(names.iter().collect::<Vec<_>>(), wanted);
    }

    #[test]
    fn any_bytes_are_read_without_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..1_500),
        whole in any::<bool>(),
        at in any::<prop::sample::Index>(),
    ) {
        let _ = RunHeader::decode(&bytes, true);
        // A good file, parts of which are replaced, believed without checksums.
        let (sealed, _) = built(&vec![vec![(1, 1); 50], vec![(2, 2); 50]], 2);
        let name = sealed.runs().all()[0].name.clone();
        let file = sealed.files.get(&name).unwrap();
        if !whole {
            file.write_at(&bytes, at.index(3_000) as u64).unwrap();
        }
        let faults = crate::fault::FaultSet { index_without_crc: true, ..Default::default() };
        if let Ok(run) = Run::load(&sealed.files, &name, ORG, Faults { set: faults }) {
            let mut runs = Runs::default();
            runs.push(Arc::new(run));
            for position in [0, 1, 50, 100, u64::MAX] {
                let _ = runs.place(position);
            }
            for stream in 0..3 {
                let _ = runs.ids(print(stream.into()));
                let (hash, name) = (hash::of_stream(&self::name(stream)), self::name(stream));
                let _ = runs.next_version(hash, &name);
                let _ = runs.positions(hash, &name, 0..1_000);
            }
        }
    }
}

#[test]
fn an_index_of_another_organization_is_not_believed() {
    let (sealed, _) = built(&vec![vec![(1, 1)]], 2);
    let name = sealed.runs().all()[0].name.clone();
    let other = Run::load(&sealed.files, &name, OrgId::from_u128(8), Faults::default());
    assert!(matches!(other, Err(super::IndexError::Damaged { .. })));
}

#[test]
fn an_event_costs_little_more_than_two_bytes_of_memory() {
    let log: Log =
        (0..8).map(|_| (0..10_000_u32).map(|n| ((n % 250) as u8, n as u16)).collect()).collect();
    let (sealed, _) = built(&log, 8);
    let runs = sealed.runs();
    assert_eq!(runs.all().len(), 1);
    let bytes = runs.memory_bytes() as f64 / 80_000.0;
    assert!(bytes < 2.2, "{bytes:.2} bytes an event");
}

#[test]
fn a_merge_that_is_not_wanted_any_more_leaves_nothing_behind() {
    let log: Log = (0..2).map(|_| (0..40_000_u32).map(|n| (n as u8, n as u16)).collect()).collect();
    let (sealed, _) = built(&log, 3);
    let runs = sealed.runs();
    let wanted = || false;
    assert!(!super::merge::merge(&sealed.files, runs.all(), Faults::default(), &wanted).unwrap());
    assert_eq!(sealed.files.disk().list().unwrap().len(), 2);
}

#[test]
fn names_and_positions_of_runs_belong_together() {
    for (base, next) in [(1, 2), (5, u64::MAX)] {
        assert_eq!(positions_of(&file_name(base, next)), Some((base, next)));
    }
    for other in ["1-2.idx", "00000000000000000001.seg", "00000000000000000001-x.idx"] {
        assert_eq!(positions_of(other), None);
    }
}
