//! The embedded log against the log in memory: whatever is asked of both, both answer the same.

mod common;

use common::{ORG, event, small_segments};
use ledgerline_event_store::memory::MemoryLog;
use ledgerline_event_store::{
    Append, AppendError, Appended, Direction, EmbeddedLog, EventReader, EventWriter, Expected,
    Filter, Options,
};
use ledgerline_schemas::{NewEvent, Position, StreamId, Timestamp, Version};
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Step {
    Append { ids: Vec<u128>, streams: Vec<u8>, expected: Vec<(u8, Expected)> },
    ReadStream { stream: u8, from: u64, forward: bool, max: usize },
    ReadAll { from: u64, forward: bool, filter: Filter, max: usize },
    StreamHead { stream: u8 },
    Scan { after: u64 },
    Checkpoint { consumer: u8, position: u64 },
    Reopen,
}

fn expected() -> impl Strategy<Value = Expected> {
    prop_oneof![
        4 => Just(Expected::Any),
        1 => Just(Expected::NoStream),
        1 => Just(Expected::Exists),
        3 => (0..6_u64).prop_map(|version| Expected::Exact(Version(version))),
    ]
}

fn filter() -> impl Strategy<Value = Filter> {
    let streams = prop_oneof![
        Just(vec![]),
        Just(vec!["interaction-1".to_owned()]),
        Just(vec!["agent".to_owned(), "interaction-2".to_owned()]),
    ];
    let types = prop_oneof![Just(vec![]), Just(vec!["queue.".to_owned()])];
    (streams, types)
        .prop_map(|(stream_prefixes, type_prefixes)| Filter { stream_prefixes, type_prefixes })
}

fn step() -> impl Strategy<Value = Step> {
    // Few ids: whole and partial repetitions are frequent.
    let append = (
        prop::collection::vec(1..120_u128, 1..4),
        prop::collection::vec(0..5_u8, 3),
        prop::collection::vec((0..5_u8, expected()), 0..2),
    );
    let max = prop_oneof![Just(0_usize), 1..4_usize, Just(1_000)];
    prop_oneof![
        8 => append.prop_map(|(ids, streams, expected)| Step::Append { ids, streams, expected }),
        2 => (0..6_u8, 0..8_u64, any::<bool>(), max.clone()).prop_map(
            |(stream, from, forward, max)| Step::ReadStream { stream, from, forward, max }
        ),
        2 => (0..90_u64, any::<bool>(), filter(), max).prop_map(
            |(from, forward, filter, max)| Step::ReadAll { from, forward, filter, max }
        ),
        1 => (0..6_u8).prop_map(|stream| Step::StreamHead { stream }),
        1 => (0..90_u64).prop_map(|after| Step::Scan { after }),
        1 => (0..3_u8, any::<u64>()).prop_map(
            |(consumer, position)| Step::Checkpoint { consumer, position }
        ),
        1 => Just(Step::Reopen),
    ]
}

fn stream_name(number: u8) -> String {
    if number < 3 { format!("interaction-{number}") } else { format!("agent-{number}") }
}

fn to_append(ids: &[u128], streams: &[u8], expected: &[(u8, Expected)]) -> Append {
    let events: Vec<NewEvent> = ids
        .iter()
        .zip(streams.iter().cycle())
        .map(|(id, stream)| event(*id, &stream_name(*stream)))
        .collect();
    let expected =
        expected.iter().map(|(stream, it)| (StreamId::new(stream_name(*stream)), *it)).collect();
    Append { events, expected }
}

fn direction(forward: bool) -> Direction {
    if forward { Direction::Forward } else { Direction::Backward }
}

fn outcome(log: &dyn EventWriter, append: Append) -> Result<Appended, AppendError> {
    log.submit(append)?.wait_blocking()
}

#[expect(clippy::unwrap_used, reason = "a helper of the test below")]
fn open(directory: &tempfile::TempDir) -> EmbeddedLog {
    // A few appends to a segment: indexes are written and merged all the time.
    let options =
        Options { segment_bytes: 2 << 10, reserve_step_bytes: 1 << 10, ..small_segments() };
    EmbeddedLog::open(directory.path(), ORG, options).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn both_logs_answer_the_same(steps in prop::collection::vec(step(), 1..60)) {
        let directory = tempfile::tempdir().unwrap();
        let mut log = open(&directory);
        let model = MemoryLog::new(ORG, || Timestamp::from_micros(77));
        for step in steps {
            match step {
                Step::Append { ids, streams, expected } => {
                    let append = to_append(&ids, &streams, &expected);
                    prop_assert_eq!(outcome(&log, append.clone()), outcome(&model, append));
                }
                Step::ReadStream { stream, from, forward, max } => {
                    let stream = StreamId::new(stream_name(stream));
                    let read = |log: &dyn EventReader| {
                        log.read_stream(&stream, Version(from), direction(forward), max).unwrap()
                    };
                    prop_assert_eq!(read(&log), read(&model));
                }
                Step::ReadAll { from, forward, filter, max } => {
                    let read = |log: &dyn EventReader| {
                        let page =
                            log.read_all(Position(from), direction(forward), &filter, max).unwrap();
                        (page.events, page.scanned_to)
                    };
                    prop_assert_eq!(read(&log), read(&model));
                }
                Step::StreamHead { stream } => {
                    let stream = StreamId::new(stream_name(stream));
                    prop_assert_eq!(
                        log.stream_head(&stream).unwrap(),
                        model.stream_head(&stream).unwrap()
                    );
                }
                Step::Scan { after } => {
                    let all = |log: &dyn EventReader| {
                        log.scan(Position(after)).map(Result::unwrap).collect::<Vec<_>>()
                    };
                    prop_assert_eq!(all(&log), all(&model));
                }
                Step::Checkpoint { consumer, position } => {
                    let consumer = format!("consumer-{consumer}");
                    for log in [&log as &dyn EventWriter, &model] {
                        log.save_checkpoint(&consumer, Position(position)).unwrap();
                    }
                }
                Step::Reopen => {
                    drop(log);
                    log = open(&directory);
                }
            }
            prop_assert_eq!(log.head(), model.head());
        }
        for consumer in 0..3 {
            let consumer = format!("consumer-{consumer}");
            prop_assert_eq!(
                log.load_checkpoint(&consumer).unwrap(),
                model.load_checkpoint(&consumer).unwrap()
            );
        }
    }
}
