//! What the embedded log does when its disk misbehaves.

use std::io::ErrorKind;

use ledgerline_schemas::id::{CommandId, CorrelationId, EventId};
use ledgerline_schemas::{Actor, NewEvent, Timestamp};

use super::*;
use crate::disk::sim::{Image, Kind, SimDisk, Skips};
use crate::embedded::commit::Committer;
use crate::fault::FaultSet;
use crate::segment::frame;
use crate::segment::header::HEADER_BYTES;

const ORG: OrgId = OrgId::from_u128(3);

fn options() -> Options {
    Options {
        segment_bytes: 8 << 10,
        reserve_step_bytes: 1 << 10,
        clock: Arc::new(|| Timestamp::from_micros(5)),
        salt: Arc::new(|| Ok(0x5A17_5A17)),
        ..Options::default()
    }
}

struct Opened {
    log: EmbeddedLog,
    shared: Arc<Shared>,
    committer: Committer,
}

impl Opened {
    fn commit(&mut self) {
        let group = self.shared.waiting_group();
        self.committer.commit(group);
    }

    fn append(&mut self, append: Append) -> Result<crate::Appended, AppendError> {
        let submitted = self.log.submit(append)?;
        self.commit();
        submitted.wait_blocking()
    }
}

fn open_with(disk: &SimDisk, faults: Faults) -> Result<Opened, OpenError> {
    let at = At(PathBuf::from("(test)"));
    let (shared, committer) = open::open(Arc::new(disk.clone()), &at, ORG, &options(), faults)?;
    Ok(Opened { log: EmbeddedLog::driven(Arc::clone(&shared)), shared, committer })
}

fn open(disk: &SimDisk) -> Opened {
    open_with(disk, Faults::default()).unwrap()
}

fn empty_disk() -> SimDisk {
    SimDisk::new(Image::default(), &[], Skips::default())
}

fn one(id: u128, payload_bytes: usize) -> Append {
    let event = NewEvent {
        id: EventId::from_u128(id),
        stream: StreamId::new("interaction-1"),
        event_type: "queue.entered".into(),
        time: Timestamp::EPOCH,
        command_id: CommandId::from_u128(1),
        correlation_id: CorrelationId::from_u128(2),
        causation_id: None,
        actor: Actor::router(),
        config_position: Position::START,
        traceparent: None,
        data_subject_id: None,
        payload: vec![id as u8 | 1; payload_bytes],
    };
    Append { events: vec![event], expected: Vec::new() }
}

#[test]
fn a_failed_sync_poisons_the_log_until_it_is_reopened() {
    let disk = empty_disk();
    let mut log = open(&disk);
    log.append(one(1, 10)).unwrap();
    let waiting: Vec<Submitted> = (2..5).map(|id| log.log.submit(one(id, 10)).unwrap()).collect();
    disk.fail(Some((Kind::SyncData, ErrorKind::Other)));
    log.commit();
    disk.fail(None);
    for submitted in waiting {
        assert!(matches!(submitted.wait_blocking(), Err(AppendError::Unknown { .. })));
    }
    assert!(matches!(log.log.submit(one(5, 10)), Err(AppendError::Unavailable { .. })));
    assert_eq!(log.log.head(), Position(1), "what may not be durable is not shown");
    assert_eq!(log.log.stream_head(&StreamId::new("interaction-1")).unwrap(), Some(Version(0)));
    drop(log);

    let mut log = open(&disk);
    for id in 1..=5 {
        log.append(one(id, 10)).unwrap();
    }
    let ids: Vec<EventId> = log.log.scan(Position::START).map(|it| it.unwrap().header.id).collect();
    assert_eq!(ids, (1..=5).map(EventId::from_u128).collect::<Vec<_>>());
}

#[test]
fn a_full_disk_refuses_appends_and_goes_on_when_there_is_space() {
    // Space is asked for by a segment that grows and by a new segment.
    for kind in [Kind::Allocate, Kind::Create] {
        let disk = empty_disk();
        let mut log = open(&disk);
        disk.fail(Some((kind, ErrorKind::StorageFull)));
        let mut id = 1;
        while log.append(one(id, 900)).is_ok() {
            id += 1;
        }
        let head = log.log.head();
        assert_eq!(head.0, id as u64 - 1);
        let early = log.log.submit(one(id, 900)).unwrap();
        let repeated = log.log.submit(one(id, 900)).unwrap();
        assert!(repeated.appended.duplicate);
        let late = log.log.submit(one(id + 1, 900)).unwrap();
        log.commit();
        for submitted in [early, repeated, late] {
            let refused = submitted.wait_blocking();
            assert!(matches!(refused, Err(AppendError::Unavailable { .. })), "{refused:?}");
        }
        disk.fail(None);
        let appended = log.append(one(id, 900)).unwrap();
        assert_eq!(appended.first, head.next(), "a refused append leaves no hole");
        assert!(!appended.duplicate);
        drop(log);
        let log = open(&disk);
        assert_eq!(log.log.verify().unwrap().events, head.0 + 1);
    }
}

#[test]
fn every_flipped_bit_is_refused_or_cuts_nothing_but_the_closing_mark() {
    let disk = empty_disk();
    let mut log = open(&disk);
    for id in 1..=24 {
        log.append(one(id, 300)).unwrap();
    }
    log.shared.close();
    log.committer.finish();
    let written = log.log.scan(Position::START).map(Result::unwrap).collect::<Vec<_>>();
    drop(log);
    let image = disk.live();
    assert!(image.files.len() >= 2, "the log has a sealed segment and a last one");
    let last = image.files.keys().next_back().unwrap().clone();
    for (name, bytes) in &image.files {
        let used = bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1;
        let mark = used.next_multiple_of(8) - frame::frame_bytes(0);
        for (at, bit) in (0..used).flat_map(|at| (0..8).map(move |bit| (at, bit))) {
            let mut damaged = image.clone();
            damaged.files.get_mut(name).unwrap()[at] ^= 1 << bit;
            let disk = SimDisk::new(damaged, &[], Skips::default());
            match open_with(&disk, Faults::default()) {
                Err(OpenError::Damaged { segment, .. }) => assert_eq!(&segment, name),
                Err(other) => panic!("{name} at {at}: {other}"),
                Ok(opened) => {
                    assert!(*name == last && at >= mark, "{name} at {at} was not noticed");
                    let read = opened.log.scan(Position::START).map(Result::unwrap);
                    assert!(read.eq(written.iter().cloned()));
                }
            }
        }
    }
}

#[test]
fn a_damaged_frame_is_noticed_by_the_reader_as_well() {
    use crate::disk::Disk as _;
    let disk = empty_disk();
    let mut log = open(&disk);
    for id in 1..=3 {
        log.append(one(id, 300)).unwrap();
    }
    let file = disk.open("00000000000000000001.seg").unwrap();
    file.write_at(&[0xFF], HEADER_BYTES as u64 + 200).unwrap();
    let stream = StreamId::new("interaction-1");
    let read = log.log.read_stream(&stream, Version(0), Direction::Forward, 10);
    assert!(matches!(read, Err(ReadError::Damaged { .. })));
    assert!(matches!(log.log.verify(), Err(ReadError::Damaged { .. })));
    let results: Vec<_> = log.log.scan(Position::START).collect();
    assert_eq!(results.len(), 1, "a scan ends at its first error");
    assert!(results[0].is_err());
}

/// A group of two appends, the first torn, the second whole on the disk. Then appends whose end meets the
/// begin of the whole one exactly.
fn with_a_leftover(faults: Faults) -> Result<Vec<EventId>, OpenError> {
    let disk = empty_disk();
    {
        let mut log = open_with(&disk, faults)?;
        for id in [1, 2] {
            drop(log.log.submit(one(id, 700)).unwrap());
        }
        log.commit();
    }
    let mut image = disk.live();
    let torn = image.files.get_mut("00000000000000000001.seg").unwrap();
    torn[HEADER_BYTES..HEADER_BYTES + 512].fill(0);
    let disk = SimDisk::new(image, &[], Skips::default());
    {
        let mut log = open_with(&disk, faults)?;
        assert_eq!(log.log.head(), Position::START);
        log.append(one(3, 700 - frame::frame_bytes(0))).unwrap();
    }
    let log = open_with(&disk, faults)?;
    Ok(log.log.scan(Position::START).map(|it| it.unwrap().header.id).collect())
}

#[test]
fn what_is_left_of_a_torn_write_never_comes_back() {
    let ids = with_a_leftover(Faults::default()).unwrap();
    assert_eq!(ids, [EventId::from_u128(3)]);
    let careless = Faults { set: FaultSet { keep_torn_tail: true, ..FaultSet::default() } };
    let outcome = with_a_leftover(careless);
    assert!(
        outcome.map_or(true, |ids| ids != [EventId::from_u128(3)]),
        "the test does not show why the leftover must be wiped"
    );
}

#[test]
fn a_failed_sync_while_opening_is_an_error() {
    let disk = empty_disk();
    drop(open(&disk));
    for kind in [Kind::SyncData, Kind::SyncDirectory, Kind::Write] {
        disk.fail(Some((kind, ErrorKind::Other)));
        assert!(matches!(open_with(&disk, Faults::default()), Err(OpenError::Io { .. })));
    }
    disk.fail(None);
    assert!(open_with(&disk, Faults::default()).is_ok());
}
