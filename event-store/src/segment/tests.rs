//! Properties of the codecs.

use std::sync::Arc;

use ledgerline_schemas::id::{CommandId, CorrelationId, EventId, OrgId, SubjectId};
use ledgerline_schemas::{
    Actor, ActorType, NewEvent, Position, Recorded, StreamId, Timestamp, Version,
};
use proptest::prelude::*;

use super::cursor::{Cursor, Step};
use super::frame::{self, FrameHead, Kind};
use super::header::{HEADER_BYTES, SegmentHeader};
use super::record::{self, Records, TypeNames};
use super::*;
use crate::disk::files::OpenFiles;
use crate::disk::sim::{Image, SimDisk, Skips};

const SALT: u32 = 0xDEAD_BEEF;

fn new_event() -> impl Strategy<Value = NewEvent> {
    let ids = (any::<u128>(), any::<u128>(), any::<u128>());
    let options =
        (any::<Option<u128>>(), any::<Option<u128>>(), prop::option::of("[0-9a-f-]{0,128}"));
    let texts = ("[a-z0-9.:_-]{1,200}", "[a-z._]{1,100}", "\\PC{0,50}");
    let numbers = (any::<i64>(), any::<u64>(), 0..ActorType::ALL.len());
    (ids, options, texts, numbers, prop::collection::vec(any::<u8>(), 0..600)).prop_map(
        |(
            ids,
            (causation, subject, traceparent),
            (stream, event_type, actor),
            numbers,
            payload,
        )| {
            let (time, config_position, kind) = numbers;
            NewEvent {
                id: EventId::from_u128(ids.0),
                stream: StreamId::new(stream),
                event_type: event_type.into(),
                time: Timestamp::from_micros(time),
                command_id: CommandId::from_u128(ids.1),
                correlation_id: CorrelationId::from_u128(ids.2),
                causation_id: causation.map(EventId::from_u128),
                actor: Actor::new(ActorType::ALL[kind], actor),
                config_position: Position(config_position),
                traceparent,
                data_subject_id: subject.map(SubjectId::from_u128),
                payload,
            }
        },
    )
}

fn head(count: u16, base_position: u64) -> FrameHead {
    FrameHead {
        salt: SALT,
        kind: Kind::Events,
        count,
        epoch: 3,
        group_bytes: 16,
        base_position,
        recorded_at_micros: -5,
    }
}

fn encoded(events: &[NewEvent], base_position: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    frame::encode(&mut bytes, &head(events.len() as u16, base_position), |out| {
        for (event, version) in events.iter().zip(0..) {
            record::encode(out, event, Version(version));
        }
    });
    bytes
}

fn same(recorded: &Recorded, event: &NewEvent) -> bool {
    let header = &recorded.header;
    header.id == event.id
        && header.stream == event.stream
        && header.event_type == event.event_type
        && header.time == event.time
        && header.command_id == event.command_id
        && header.correlation_id == event.correlation_id
        && header.causation_id == event.causation_id
        && header.actor == event.actor
        && header.config_position == event.config_position
        && header.traceparent == event.traceparent
        && header.data_subject_id == event.data_subject_id
        && recorded.payload == event.payload
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn a_frame_gives_back_what_it_was_given(
        events in prop::collection::vec(new_event(), 1..6),
        base in 1..u64::MAX / 2,
    ) {
        let bytes = encoded(&events, base);
        prop_assert_eq!(bytes.len() % 8, 0);
        let body: usize = events.iter().map(record::record_bytes).sum();
        prop_assert_eq!(bytes.len(), frame::frame_bytes(body));
        let frame = frame::verify(&bytes, SALT, Faults::default()).unwrap();
        prop_assert_eq!(frame.head, head(events.len() as u16, base));
        let mut records = Records::new(frame.body);
        let mut names = TypeNames::default();
        for (event, n) in events.iter().zip(0..) {
            let record = records.read().unwrap();
            prop_assert_eq!(record.version, Version(n));
            let recorded = record.to_recorded(
                OrgId::from_u128(1), Position(base + n), Timestamp::EPOCH, &mut names,
            );
            prop_assert!(same(&recorded, event));
        }
        prop_assert!(records.read().is_none());
    }

    #[test]
    fn a_frame_with_any_bit_flipped_or_another_salt_is_refused(
        events in prop::collection::vec(new_event(), 1..3),
        bit in any::<prop::sample::Index>(),
    ) {
        let mut bytes = encoded(&events, 1);
        prop_assert!(frame::verify(&bytes, SALT ^ 1, Faults::default()).is_err());
        let bit = bit.index(bytes.len() * 8);
        bytes[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(frame::verify(&bytes, SALT, Faults::default()).is_err());
    }

    #[test]
    fn any_bytes_are_read_without_panic(
        mut bytes in prop::collection::vec(any::<u8>(), 0..400),
        plausible in any::<bool>(),
    ) {
        if plausible && bytes.len() >= 12 {
            let length = bytes.len() as u32 / 8 * 8;
            bytes[..4].copy_from_slice(&length.to_le_bytes());
            bytes[8..12].copy_from_slice(&SALT.to_le_bytes());
        }
        let _ = frame::verify(&bytes, SALT, Faults::default());
        let careless = Faults { set: crate::fault::FaultSet { no_crc: true, ..Default::default() } };
        let _ = frame::verify(&bytes, SALT, careless);
        let mut records = Records::new(&bytes);
        while records.read().is_some() {}
        let _ = SegmentHeader::decode(&bytes);
    }

    #[test]
    fn a_cursor_finds_every_frame_and_stops_at_the_first_bad_byte(
        lengths in prop::collection::vec(0..60_000_usize, 1..12),
        damage in any::<Option<prop::sample::Index>>(),
    ) {
        let mut bytes = vec![0; HEADER_BYTES];
        let mut ends = Vec::new();
        for (length, n) in lengths.iter().zip(1..) {
            frame::encode(&mut bytes, &head(1, n), |out| out.resize(out.len() + length, n as u8));
            ends.push(bytes.len());
        }
        let used = bytes.len();
        bytes.resize(used + 5_000, 0);
        let damaged = damage.map(|it| HEADER_BYTES + it.index(used - HEADER_BYTES));
        if let Some(at) = damaged {
            bytes[at] ^= 0x10;
        }
        let image = Image { files: [("s".to_owned(), bytes)].into() };
        let disk = SimDisk::new(image, &[], Skips::default());
        let files = Arc::new(OpenFiles::new(Arc::new(disk), 1));
        let faults = Faults::default();
        let segment = Segment { name: "s".to_owned(), base_position: 1, salt: SALT, files, faults };
        let mut cursor = Cursor::new(Arc::new(segment), HEADER_BYTES as u64);
        let good = ends.iter().filter(|end| damaged.is_none_or(|at| **end <= at)).count();
        for n in 0..good {
            prop_assert_eq!(cursor.step().unwrap(), Step::Frame);
            let frame = cursor.frame().unwrap();
            prop_assert_eq!(frame.head.base_position, n as u64 + 1);
            prop_assert_eq!(frame.body.len(), lengths[n]);
            prop_assert!(frame.body.iter().all(|byte| *byte == n as u8 + 1));
            prop_assert_eq!(cursor.next_offset(), ends[n] as u64);
        }
        let end = cursor.step().unwrap();
        match damaged {
            None => prop_assert_eq!(end, Step::Blank),
            Some(_) => prop_assert!(matches!(end, Step::Bad(_))),
        }
    }
}

#[test]
fn names_and_positions_of_segments_belong_together() {
    for position in [1, 99, u64::MAX] {
        assert_eq!(base_position_of(&file_name(position)), Some(position));
    }
    for other in ["1.seg", "0000000000000000000x.seg", "00000000000000000001.seg.tmp", "seg"] {
        assert_eq!(base_position_of(other), None);
    }
}
