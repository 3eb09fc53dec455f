//! What the embedded log does when its disk misbehaves.

use std::io::ErrorKind;

use ledgerline_schemas::id::{CommandId, CorrelationId, EventId};
use ledgerline_schemas::{Actor, NewEvent, Timestamp};

use super::*;
use crate::disk::sim::{Image, Kind, SimDisk, Skips};
use crate::embedded::commit::Committer;
use crate::embedded::indexing::Indexer;
use crate::fault::FaultSet;
use crate::segment::frame;
use crate::segment::header::HEADER_BYTES;

const ORG: OrgId = OrgId::from_u128(3);

fn options() -> Options {
    Options {
        segment_bytes: 4 << 10,
        reserve_step_bytes: 1 << 10,
        index_fan_in: 2,
        clock: Arc::new(|| Timestamp::from_micros(5)),
        salt: Arc::new(|| Ok(0x5A17_5A17)),
        ..Options::default()
    }
}

struct Opened {
    log: EmbeddedLog,
    shared: Arc<Shared>,
    committer: Committer,
    indexer: Indexer,
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
    open_set_up(disk, faults, &options())
}

fn open_set_up(disk: &SimDisk, faults: Faults, options: &Options) -> Result<Opened, OpenError> {
    let at = At(PathBuf::from("(test)"));
    let open::Opened { shared, committer, indexer } =
        open::open(Arc::new(disk.clone()), &at, ORG, options, faults)?;
    Ok(Opened { log: EmbeddedLog::driven(Arc::clone(&shared)), shared, committer, indexer })
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

/// Events of the logs whose bits are flipped.
const FLIPPED_EVENTS: u128 = 12;

/// Segments of few events: every bit of them is looked at.
fn open_tiny(disk: &SimDisk) -> Result<Opened, OpenError> {
    open_set_up(disk, Faults::default(), &Options { segment_bytes: 1_536, ..options() })
}

/// A log with sealed segments, most of them indexed on disk and one only in memory, closed in peace.
fn closed_log(events: u128) -> (Image, Vec<Recorded>) {
    let disk = empty_disk();
    let mut log = open_tiny(&disk).unwrap();
    for id in 1..=events {
        log.append(one(id, 100)).unwrap();
        if id + 5 < events {
            while log.indexer.step(&|| true) {}
        }
    }
    log.shared.close();
    log.committer.finish();
    let written = log.log.scan(Position::START).collect::<Result<_, _>>().unwrap();
    drop(log);
    (disk.live(), written)
}

fn flipped(image: &Image, name: &str, at: usize, bit: usize) -> SimDisk {
    let mut damaged = image.clone();
    damaged.files.get_mut(name).unwrap()[at] ^= 1 << bit;
    SimDisk::new(damaged, &[], Skips::default())
}

#[test]
fn every_flipped_bit_of_a_segment_is_noticed_or_cuts_nothing_but_the_closing_mark() {
    let (image, written) = closed_log(FLIPPED_EVENTS);
    let segments: Vec<&String> = image.files.keys().filter(|it| it.ends_with(".seg")).collect();
    assert!(segments.len() >= 3, "the log has sealed segments with and without index");
    let indexes = image.files.keys().filter(|it| it.ends_with(".idx")).count();
    assert!((1..segments.len() - 1).contains(&indexes));
    let last = *segments.last().unwrap();
    let mut at_opening = 0;
    let mut on_reading = 0;
    for name in segments {
        let bytes = &image.files[name];
        let used = bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1;
        let mark = used.next_multiple_of(8) - frame::frame_bytes(0);
        for (at, bit) in (0..used).flat_map(|at| (0..8).map(move |bit| (at, bit))) {
            match open_tiny(&flipped(&image, name, at, bit)) {
                Err(OpenError::Damaged { segment, .. }) => {
                    assert_eq!(&segment, name);
                    at_opening += 1;
                }
                Err(other) => panic!("{name} at {at}: {other}"),
                Ok(opened) => {
                    let mut expected = written.iter();
                    let failed = opened.log.scan(Position::START).any(|read| match read {
                        Ok(event) => {
                            assert_eq!(Some(&event), expected.next(), "{name} at {at}");
                            false
                        }
                        Err(ReadError::Damaged { .. }) => true,
                        Err(other) => panic!("{name} at {at}: {other}"),
                    });
                    if *name == *last && at >= mark {
                        assert!(!failed && expected.next().is_none());
                        continue;
                    }
                    on_reading += 1;
                    // Of marks nobody reads anything; verification finds damage there as well.
                    let verified = opened.log.verify();
                    let Err(ReadError::Damaged { place, .. }) = verified else {
                        panic!("{name} at {at} was not noticed");
                    };
                    assert!(place.starts_with(name.as_str()), "{name} at {at}: {place}");
                }
            }
        }
    }
    assert!(at_opening > 0 && on_reading > 0, "{at_opening} at opening, {on_reading} on reading");
}

#[test]
fn every_flipped_bit_of_an_index_changes_nothing() {
    let (image, written) = closed_log(FLIPPED_EVENTS);
    let stream = StreamId::new("interaction-1");
    let mut distrusted = 0;
    for name in image.files.keys().filter(|it| it.ends_with(".idx")) {
        let length = image.files[name].len();
        for (at, bit) in (0..length).flat_map(|at| (0..8).map(move |bit| (at, bit))) {
            let disk = flipped(&image, name, at, bit);
            let opened = open_tiny(&disk).unwrap();
            let read = opened.log.read_stream(&stream, Version(0), Direction::Forward, 100);
            assert_eq!(read.unwrap(), written, "{name} at {at}");
            assert_eq!(
                opened.log.stream_head(&stream).unwrap(),
                Some(Version(FLIPPED_EVENTS as u64 - 1))
            );
            for event in written.iter().step_by(5) {
                let position = event.header.position;
                let page = opened.log.read_all(position, Direction::Backward, &Filter::all(), 1);
                assert_eq!(page.unwrap().events.first(), Some(event));
            }
            for id in 1..=FLIPPED_EVENTS {
                let again = opened.log.submit(one(id, 100)).unwrap().appended;
                assert!(again.duplicate && again.first.0 == id as u64, "{name} at {at}");
            }
            assert!(!opened.log.submit(one(99, 100)).unwrap().appended.duplicate);
            distrusted += u64::from(opened.shared.sealed.damaged() > 0);
        }
    }
    assert!(distrusted > 500, "only {distrusted} flipped bits were met");
}

#[test]
fn an_index_that_cannot_be_written_costs_memory_only() {
    let disk = empty_disk();
    let mut log = open(&disk);
    for id in 1..=60 {
        log.append(one(id, 300)).unwrap();
    }
    disk.fail(Some((Kind::Create, ErrorKind::StorageFull)));
    assert!(!log.indexer.step(&|| true));
    let stream = StreamId::new("interaction-1");
    let read = |log: &Opened| {
        assert!(log.log.submit(one(1, 300)).unwrap().appended.duplicate);
        log.log.read_stream(&stream, Version(0), Direction::Forward, 100).unwrap()
    };
    let before = read(&log);
    assert_eq!(before.len(), 60);
    assert_eq!(log.shared.sealed.runs().end(), 1);
    disk.fail(None);
    while log.indexer.step(&|| true) {}
    assert!(log.shared.lock().frozen.is_empty());
    assert!(log.shared.sealed.runs().end() > 1);
    assert_eq!(read(&log), before);
    log.append(one(61, 300)).unwrap();
    assert_eq!(read(&log).len(), 61);
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

#[test]
fn a_writer_that_panics_leaves_nobody_waiting() {
    use std::sync::atomic::{AtomicU32, Ordering};
    let directory = tempfile::tempdir().unwrap();
    let drawn = AtomicU32::new(0);
    let salt: Salt = Arc::new(move || match drawn.fetch_add(1, Ordering::Relaxed) {
        0 => Ok(1),
        _ => panic!("there is no second salt"),
    });
    let log = EmbeddedLog::open(directory.path(), ORG, Options { salt, ..options() }).unwrap();
    let mut good = 0;
    for id in 1..100 {
        // Whoever commits panics: the writer thread, or this one.
        let appended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            log.submit(one(id, 900)).and_then(Submitted::wait_blocking)
        }));
        match appended {
            Ok(Ok(_)) => good += 1,
            Ok(Err(AppendError::Unknown { .. } | AppendError::Unavailable { .. })) | Err(_) => {}
            Ok(Err(other)) => panic!("{other}"),
        }
    }
    assert_eq!(log.head(), Position(good), "what was written before can be read");
    assert!((1..99).contains(&good));
    assert!(matches!(log.submit(one(100, 1)), Err(AppendError::Unavailable { .. })));
}
