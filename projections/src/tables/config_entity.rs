//! `config_entity`: the present form of every configuration entity.

use std::sync::Arc;

use ledgerline_schemas::config::EntityKind;
use ledgerline_schemas::id::EntityId;
use ledgerline_schemas::{ActorType, Timestamp};

use crate::column::Json;

table! {
    /// Configuration entities as they are now; earlier versions are in `config_history`.
    ConfigEntity = "config_entity", key (EntityKind, EntityId) = [kind, entity_id], sort [kind, entity_id], live false;
    /// site, team, user, queue, entry_point, flow and so on.
    kind: EntityKind,
    /// The entity.
    entity_id: EntityId,
    /// Its name; the last one if it was deleted.
    name: Option<Arc<str>>,
    /// Version of the entity, from 1.
    entity_version: u32,
    /// Whether it exists and is switched on.
    is_active: bool,
    /// Whether it was deleted.
    is_deleted: bool,
    /// The document (JSON); null after deletion.
    document: Option<Json>,
    /// When it was changed last.
    changed_time: Timestamp,
    /// Kind of party that changed it.
    changed_by_type: ActorType,
    /// Which one.
    changed_by_id: Arc<str>,
}
