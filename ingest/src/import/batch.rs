//! The events of the import itself: begun, rows refused, completed.

use ledgerline_event_store::Append;
use ledgerline_schemas::event::Event;
use ledgerline_schemas::event::import::{
    ImportBatchCompleted, ImportBatchStarted, ImportRowRejected,
};
use ledgerline_schemas::id::{CommandId, CorrelationId, EventId, ImportId};
use ledgerline_schemas::{Actor, NewEvent, Position, StreamId, Timestamp};

use super::report::RejectedRow;

/// What an import counted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Counted {
    pub(super) rows: u64,
    pub(super) interactions: u64,
    pub(super) skipped: u64,
    pub(super) rejected: u64,
}

/// The stream of one import. The id of each of its events follows from what the event says, so that a
/// repeated import adds none, and one that ended differently adds what is different.
pub(super) struct Batch<'a> {
    pub(super) import_id: ImportId,
    pub(super) mapping: &'a str,
    pub(super) file_sha256: &'a str,
    pub(super) actor: &'a Actor,
    pub(super) now: Timestamp,
}

impl Batch<'_> {
    pub(super) fn started(&self) -> Append {
        let started = ImportBatchStarted {
            import_id: self.import_id,
            mapping: self.mapping.to_owned(),
            file_sha256: self.file_sha256.to_owned(),
        };
        self.append("started", started.into())
    }

    pub(super) fn rejected(&self, row: &RejectedRow) -> Append {
        let rejected = ImportRowRejected {
            import_id: self.import_id,
            line: row.line,
            reason: row.reason.clone(),
        };
        self.append(&format!("rejected:{}:{}", row.line, row.reason), rejected.into())
    }

    pub(super) fn completed(&self, counted: Counted) -> Append {
        let completed = ImportBatchCompleted {
            import_id: self.import_id,
            mapping: self.mapping.to_owned(),
            file_sha256: self.file_sha256.to_owned(),
            rows: counted.rows,
            interactions: counted.interactions,
            skipped: counted.skipped,
            rejected: counted.rejected,
        };
        let name = format!(
            "completed:{}:{}:{}:{}",
            completed.rows, completed.interactions, completed.skipped, completed.rejected
        );
        self.append(&name, completed.into())
    }

    fn append(&self, name: &str, event: Event) -> Append {
        let id = EventId::derived(self.import_id.uuid(), name);
        let new = NewEvent {
            id,
            stream: StreamId::import(self.import_id),
            event_type: event.event_type().into(),
            time: self.now,
            command_id: CommandId::new(id.uuid()),
            correlation_id: CorrelationId::new(self.import_id.uuid()),
            causation_id: None,
            actor: self.actor.clone(),
            config_position: Position::START,
            traceparent: None,
            data_subject_id: None,
            payload: event.encode(),
        };
        Append { events: vec![new], expected: Vec::new() }
    }
}
