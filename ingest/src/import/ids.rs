//! Ids that an import derives: the same file under the same mapping always gives the same ids.

use ledgerline_schemas::id::{
    AgentSessionId, CommandId, CorrelationId, EventId, ImportId, InteractionId, LegId, OfferId,
    OrgId, RunId, TransferId, derive_id,
};
use uuid::Uuid;

/// The root of all ids of one mapping in one organization.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ids {
    mapping: Uuid,
}

impl Ids {
    pub(super) fn new(org_id: OrgId, mapping: &str) -> Self {
        Self { mapping: derive_id(org_id.uuid(), &format!("import:{mapping}")) }
    }

    pub(super) fn import(self, file_sha256: &str) -> ImportId {
        ImportId::derived(self.mapping, &format!("file:{file_sha256}"))
    }

    pub(super) fn row(self, key: &str) -> RowIds {
        RowIds { row: derive_id(self.mapping, &format!("row:{key}")) }
    }

    /// The first interaction of a call of a queue log.
    pub(super) fn call(self, call: &str) -> InteractionId {
        InteractionId::derived(self.mapping, &format!("call:{call}"))
    }

    /// A line of a queue log, by a keyed hash of its bytes: numbers and names in it cannot be guessed from
    /// the id.
    pub(super) fn line(self, hash: [u8; 32]) -> LineIds {
        let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        LineIds { line: derive_id(self.mapping, &format!("line:{hash}")) }
    }

    /// The end of an interaction that no line records.
    pub(super) fn end(self, interaction_id: InteractionId) -> LineIds {
        LineIds { line: derive_id(interaction_id.uuid(), "end") }
    }

    pub(super) fn entity(self, kind: &str, name: &str) -> EventId {
        EventId::derived(self.mapping, &format!("entity:{kind}:{name}"))
    }
}

/// The ids of one row.
#[derive(Clone, Copy, Debug)]
pub(super) struct RowIds {
    row: Uuid,
}

impl RowIds {
    pub(super) fn interaction(self) -> InteractionId {
        InteractionId::derived(self.row, "interaction")
    }

    pub(super) fn leg(self) -> LegId {
        LegId::derived(self.row, "leg")
    }

    pub(super) fn run(self) -> RunId {
        RunId::derived(self.row, "run")
    }

    pub(super) fn event(self, index: usize) -> EventId {
        EventId::derived(self.row, &format!("event:{index}"))
    }

    pub(super) const fn command(self) -> CommandId {
        CommandId::new(self.row)
    }

    pub(super) fn correlation(self) -> CorrelationId {
        CorrelationId::new(self.interaction().uuid())
    }
}

/// The ids of one line of a queue log.
#[derive(Clone, Copy, Debug)]
pub(super) struct LineIds {
    line: Uuid,
}

impl LineIds {
    pub(super) fn event(self, index: usize) -> EventId {
        EventId::derived(self.line, &format!("event:{index}"))
    }

    /// By it the line is known again.
    pub(super) const fn command(self) -> CommandId {
        CommandId::new(self.line)
    }

    pub(super) fn offer(self) -> OfferId {
        OfferId::derived(self.line, "offer")
    }

    pub(super) fn transfer(self) -> TransferId {
        TransferId::derived(self.line, "transfer")
    }

    pub(super) fn session(self) -> AgentSessionId {
        AgentSessionId::derived(self.line, "session")
    }
}
