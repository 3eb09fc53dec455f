//! What the tests of archives and backups share.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use ledgerline_schemas::id::{CommandId, CorrelationId, EventId, OrgId};
use ledgerline_schemas::{Actor, NewEvent, Position, Recorded, StreamId, Timestamp};

use super::Depot;
use crate::custody::{Hash, leaf_hash};
use crate::embedded::{EmbeddedLog, Options};
use crate::log::{Append, EventReader as _, EventWriter as _};
use crate::vault::ArchiveReader;

pub(crate) const ORG: OrgId = OrgId::from_u128(7);

/// Segments of some events each; the clock goes on by a second at every look.
pub(crate) fn options(archive: Option<&Depot>) -> Options {
    let clock = AtomicI64::new(1);
    Options {
        segment_bytes: 8 << 10,
        reserve_step_bytes: 1_024,
        raw_segments: None,
        block_cache_bytes: 0,
        archive: archive.map(|depot| Arc::new(depot.clone()) as Arc<dyn ArchiveReader>),
        clock: Arc::new(move || {
            Timestamp::from_micros(clock.fetch_add(1, Ordering::Relaxed) * 1_000_000)
        }),
        ..Options::default()
    }
}

pub(crate) fn open(folder: &Path, archive: Option<&Depot>) -> EmbeddedLog {
    EmbeddedLog::open(folder, ORG, options(archive)).expect("opens")
}

/// Appends of one, two and three events, as different as `tag`.
pub(crate) fn append(log: &EmbeddedLog, appends: u64, tag: u128) {
    for number in 0..appends {
        let first = log.head().0;
        let events = (0..1 + number % 3).map(|n| event(first + n, tag)).collect();
        let submitted = log.submit(Append { events, expected: Vec::new() }).expect("taken");
        submitted.wait_blocking().expect("durable");
    }
}

fn event(number: u64, tag: u128) -> NewEvent {
    NewEvent {
        id: EventId::from_u128((tag << 64) | u128::from(number)),
        stream: StreamId::new(format!("interaction-{}", number % 5)),
        event_type: "queue.left".into(),
        time: Timestamp::EPOCH,
        command_id: CommandId::from_u128(3),
        correlation_id: CorrelationId::from_u128(4),
        causation_id: None,
        actor: Actor::router(),
        config_position: Position::START,
        traceparent: None,
        data_subject_id: None,
        payload: vec![u8::try_from(number % 251).unwrap_or(0); 300],
    }
}

pub(crate) fn events(log: &EmbeddedLog) -> Vec<Recorded> {
    log.scan(Position::START).map(|event| event.expect("reads")).collect()
}

pub(crate) fn leaves(log: &EmbeddedLog) -> Vec<Hash> {
    events(log).iter().map(leaf_hash).collect()
}

pub(crate) fn silent(_: Position, _: Position) {}
