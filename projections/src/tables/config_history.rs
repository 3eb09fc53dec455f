//! `config_history`: one row per version of a configuration entity.

use std::sync::Arc;

use ledgerline_schemas::config::EntityKind;
use ledgerline_schemas::event::ConfigVerb;
use ledgerline_schemas::id::EntityId;
use ledgerline_schemas::{ActorType, Position, Timestamp};

use crate::column::Json;

table! {
    /// Every version of every configuration entity, with the time and the positions it was in force. What is
    /// in force now has no `to_position`; `config_entity` shows the same versions.
    ConfigHistory = "config_history", key (EntityKind, EntityId, Position) = [kind, entity_id, from_position], sort [kind, entity_id, from_position], live false;
    /// site, team, user, queue, entry_point, flow and so on.
    kind: EntityKind,
    /// The entity.
    entity_id: EntityId,
    /// Position of the event that made this version.
    from_position: Position,
    /// Position of the event that made the next version; null while this one is the last.
    to_position: Option<Position>,
    /// When this version came into force.
    valid_from: Timestamp,
    /// When the next version came into force; null while this one is the last.
    valid_to: Option<Timestamp>,
    /// Version of the entity, from 1.
    entity_version: u32,
    /// What happened: created, updated, activated, deactivated, deleted.
    verb: ConfigVerb,
    /// Name of the entity in this version; the last one if it was deleted.
    name: Option<Arc<str>>,
    /// The document (JSON); null after deletion.
    document: Option<Json>,
    /// JSON pointers of what changed (JSON array of text).
    changed_paths: Json,
    /// Why, as whoever changed it put it.
    reason: Option<Arc<str>>,
    /// Kind of party that changed it.
    changed_by_type: ActorType,
    /// Which one.
    changed_by_id: Arc<str>,
}
