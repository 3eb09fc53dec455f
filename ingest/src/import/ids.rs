//! Ids that an import derives: the same file under the same mapping always gives the same ids.

use ledgerline_schemas::id::{
    CommandId, CorrelationId, EventId, ImportId, InteractionId, LegId, OrgId, RunId, derive_id,
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
