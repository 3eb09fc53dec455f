//! Opening: who may, what is refused, and with which words.

mod common;

use common::{ORG, append, event, small_segments};
use ledgerline_event_store::{
    AppendError, Direction, EmbeddedLog, EventReader as _, EventWriter as _, Filter, OpenError,
    Options, ReadError,
};
use ledgerline_schemas::id::OrgId;
use ledgerline_schemas::limits::{
    ACTOR_ID_BYTES_MAX, APPEND_EVENTS_MAX, EVENT_PAYLOAD_BYTES_MAX, EVENT_TYPE_BYTES_MAX,
    STREAM_NAME_BYTES_MAX, TRACEPARENT_BYTES_MAX,
};
use ledgerline_schemas::{NewEvent, Position, StreamId, Version};

#[test]
fn a_second_opening_is_refused_and_names_the_directory() {
    let directory = tempfile::tempdir().unwrap();
    let first = EmbeddedLog::open(directory.path(), ORG, Options::default()).unwrap();
    let error = EmbeddedLog::open(directory.path(), ORG, Options::default()).unwrap_err();
    assert!(matches!(error, OpenError::Locked { .. }));
    assert!(error.to_string().contains(&directory.path().display().to_string()));
    let clone = first.clone();
    drop(first);
    assert!(EmbeddedLog::open(directory.path(), ORG, Options::default()).is_err());
    drop(clone);
    EmbeddedLog::open(directory.path(), ORG, Options::default()).unwrap();
}

#[test]
fn foreign_directories_and_other_organizations_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("holiday.jpg"), b"sun").unwrap();
    let error = EmbeddedLog::open(directory.path(), ORG, Options::default()).unwrap_err();
    assert!(matches!(&error, OpenError::Foreign { name, .. } if name == "holiday.jpg"));
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1, "nothing was added");

    let directory = tempfile::tempdir().unwrap();
    drop(EmbeddedLog::open(directory.path(), ORG, Options::default()).unwrap());
    let other = OrgId::from_u128(5);
    let error = EmbeddedLog::open(directory.path(), other, Options::default()).unwrap_err();
    assert!(
        matches!(error, OpenError::OtherOrganization { found: ORG, wanted, .. } if wanted == other)
    );

    let file = directory.path().join("a-file");
    std::fs::write(&file, b"").unwrap();
    assert!(matches!(EmbeddedLog::open(&file, ORG, Options::default()), Err(OpenError::Io { .. })));
}

#[test]
fn a_missing_segment_is_refused_and_named() {
    let directory = tempfile::tempdir().unwrap();
    let log = EmbeddedLog::open(directory.path(), ORG, small_segments()).unwrap();
    for id in 1..=200 {
        log.submit(append(vec![event(id, "interaction-1")])).unwrap();
    }
    drop(log);
    let segments = files(&directory, "seg");
    assert!(segments.len() >= 3);
    std::fs::rename(&segments[1], directory.path().with_extension("aside")).unwrap();
    let error = EmbeddedLog::open(directory.path(), ORG, small_segments()).unwrap_err();
    let missing = segments[1].file_name().unwrap().to_string_lossy().into_owned();
    assert!(matches!(&error, OpenError::Damaged { segment, .. } if *segment == missing), "{error}");
    std::fs::rename(directory.path().with_extension("aside"), &segments[1]).unwrap();
    let log = EmbeddedLog::open(directory.path(), ORG, small_segments()).unwrap();
    assert_eq!(log.head(), Position(200));
}

/// Paths of the files with this ending, in order.
#[expect(clippy::unwrap_used, reason = "a helper of the tests")]
fn files(directory: &tempfile::TempDir, ending: &str) -> Vec<std::path::PathBuf> {
    let mut files: Vec<_> = std::fs::read_dir(directory.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|it| it == ending))
        .collect();
    files.sort();
    files
}

#[test]
fn the_last_segment_is_missed_as_well_when_those_before_it_are_indexed() {
    let directory = filled(200);
    let last = files(&directory, "seg").pop().unwrap();
    std::fs::remove_file(&last).unwrap();
    let error = EmbeddedLog::open(directory.path(), ORG, small_segments()).unwrap_err();
    let last = last.file_name().unwrap().to_string_lossy().into_owned();
    assert!(matches!(&error, OpenError::Damaged { segment, .. } if *segment == last), "{error}");
}

#[expect(clippy::unwrap_used, reason = "a helper of the tests")]
fn filled(events: u128) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let log = EmbeddedLog::open(directory.path(), ORG, small_segments()).unwrap();
    for id in 1..=events {
        log.submit(append(vec![event(id, "interaction-1")])).unwrap();
    }
    directory
}

#[test]
fn sealed_segments_with_an_index_are_not_read_at_opening_and_damage_is_found_by_the_reader() {
    let directory = filled(200);
    let target = &files(&directory, "seg")[1];
    let mut bytes = std::fs::read(target).unwrap();
    bytes[2_000] ^= 1;
    std::fs::write(target, &bytes).unwrap();
    let log = EmbeddedLog::open(directory.path(), ORG, small_segments()).unwrap();
    assert!(matches!(log.verify(), Err(ReadError::Damaged { place, .. })
        if place.starts_with(&*target.file_name().unwrap().to_string_lossy())));
    let read: Vec<_> = log.scan(Position::START).collect();
    let good = read.iter().take_while(|it| it.is_ok()).count();
    assert_eq!(read.len(), good + 1, "a scan ends at its first error");
    let tail = log.read_all(Position(190), Direction::Forward, &Filter::all(), 100).unwrap();
    assert_eq!(tail.events.len(), 10, "what is not damaged can be read");
    drop(log);
    for index in files(&directory, "idx") {
        std::fs::remove_file(index).unwrap();
    }
    let error = EmbeddedLog::open(directory.path(), ORG, small_segments()).unwrap_err();
    assert!(matches!(error, OpenError::Damaged { .. }), "without indexes everything is read");
}

#[test]
fn indexes_that_are_missing_are_made_again() {
    let directory = filled(300);
    let before = files(&directory, "idx");
    assert!(!before.is_empty());
    for index in &before {
        std::fs::remove_file(index).unwrap();
    }
    for _ in 0..2 {
        let log = EmbeddedLog::open(directory.path(), ORG, small_segments()).unwrap();
        let all = log
            .read_stream(&StreamId::new("interaction-1"), Version(0), Direction::Forward, 1_000)
            .unwrap();
        assert_eq!(all.len(), 300);
        let again = log.submit(append(vec![event(1, "interaction-1")])).unwrap();
        assert!(again.appended.duplicate);
        drop(log);
        assert!(!files(&directory, "idx").is_empty());
    }
}

#[test]
fn what_was_submitted_is_durable_before_the_directory_is_free_again() {
    let directory = tempfile::tempdir().unwrap();
    let log = EmbeddedLog::open(directory.path(), ORG, small_segments()).unwrap();
    for id in 1..=500 {
        log.submit(append(vec![event(id, "interaction-1")])).unwrap();
    }
    drop(log);
    let log = EmbeddedLog::open(directory.path(), ORG, small_segments()).unwrap();
    assert_eq!(log.head(), Position(500));
    let verified = log.verify().unwrap();
    assert_eq!((verified.frames, verified.events), (500, 500));
}

/// An event at a limit, plus or minus.
type Sized = fn(&mut NewEvent, usize);

#[test]
fn limits_are_exact_and_what_is_taken_comes_back() {
    let directory = tempfile::tempdir().unwrap();
    let log = EmbeddedLog::open(directory.path(), ORG, Options::default()).unwrap();
    let sized: [(&str, usize, Sized); 5] = [
        ("event payload", EVENT_PAYLOAD_BYTES_MAX, |it, n| it.payload = vec![7; n]),
        ("stream name", STREAM_NAME_BYTES_MAX, |it, n| it.stream = StreamId::new("s".repeat(n))),
        ("event type", EVENT_TYPE_BYTES_MAX, |it, n| it.event_type = "t".repeat(n).into()),
        ("actor id", ACTOR_ID_BYTES_MAX, |it, n| it.actor.id = "a".repeat(n)),
        ("traceparent", TRACEPARENT_BYTES_MAX, |it, n| it.traceparent = Some("0".repeat(n))),
    ];
    let mut id = 0;
    for (wanted, limit, resize) in sized {
        for length in [limit - 1, limit, limit + 1] {
            id += 1;
            let mut sized = event(id, "interaction-1");
            resize(&mut sized, length);
            match log.submit(append(vec![sized.clone()])) {
                Ok(submitted) => {
                    assert!(length <= limit, "{wanted} of {length} was taken");
                    let last = submitted.wait_blocking().unwrap().last;
                    let page = log.read_all(last, Direction::Backward, &Filter::all(), 1).unwrap();
                    let stored = &page.events[0];
                    assert_eq!(stored.payload, sized.payload);
                    assert_eq!(stored.header.stream, sized.stream);
                    assert_eq!(stored.header.event_type, sized.event_type);
                    assert_eq!(stored.header.actor, sized.actor);
                    assert_eq!(stored.header.traceparent, sized.traceparent);
                }
                Err(AppendError::TooLarge { what, .. }) => {
                    assert!(length > limit, "{wanted} of {length} was refused");
                    assert_eq!(what, wanted);
                }
                Err(other) => panic!("{other}"),
            }
        }
    }
    for count in [APPEND_EVENTS_MAX - 1, APPEND_EVENTS_MAX, APPEND_EVENTS_MAX + 1] {
        let events = (0..count as u128).map(|n| event((count as u128) << 32 | n, "agent-1"));
        let taken = log.submit(append(events.collect())).and_then(|it| it.wait_blocking());
        assert_eq!(taken.is_ok(), count <= APPEND_EVENTS_MAX);
    }
    drop(log);
    let log = EmbeddedLog::open(directory.path(), ORG, Options::default()).unwrap();
    assert_eq!(log.head().0, 10 + 2 * APPEND_EVENTS_MAX as u64 - 1);
}

#[test]
fn an_append_larger_than_a_segment_gets_one_of_its_own() {
    let directory = tempfile::tempdir().unwrap();
    let log = EmbeddedLog::open(directory.path(), ORG, small_segments()).unwrap();
    let large = |id| {
        let mut event = event(id, "interaction-1");
        event.payload = vec![id as u8; 100_000];
        event
    };
    for id in [1, 3, 5] {
        log.submit(append(vec![large(id)])).unwrap();
        log.submit(append(vec![event(id + 1, "interaction-2")])).unwrap();
    }
    drop(log);
    let log = EmbeddedLog::open(directory.path(), ORG, small_segments()).unwrap();
    let read: Vec<_> = log.scan(Position::START).map(Result::unwrap).collect();
    assert_eq!(read.len(), 6);
    assert_eq!(read[4].payload, vec![5; 100_000]);
}
