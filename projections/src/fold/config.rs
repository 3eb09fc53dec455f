//! `config_entity`, `config_history`, and what the other folds need to know of the configuration in force.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ledgerline_schemas::config::{ChannelType, EntityKind, Named, Queue};
use ledgerline_schemas::event::{ConfigChange, ConfigVerb};
use ledgerline_schemas::id::{QueueId, TeamId};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::column::Json;
use crate::fold::{At, Fold, text};
use crate::hashed::Hashed;
use crate::tables::{ConfigEntity, ConfigHistory};

/// The configuration in force.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Config {
    names: Hashed<Uuid, Arc<str>>,
    pub(super) queues: BTreeMap<QueueId, QueueConfig>,
}

/// What a queue's document says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct QueueConfig {
    pub(super) channel_type: ChannelType,
    pub(super) threshold_ms: u64,
    pub(super) teams: BTreeSet<TeamId>,
}

impl Config {
    /// Name of an entity of any kind; the last one if it was deleted.
    pub(super) fn name(&self, id: Uuid) -> Option<Arc<str>> {
        self.names.get(&id).cloned()
    }
}

impl Fold {
    pub(super) fn config_changed(&mut self, at: &mut At<'_>, it: &ConfigChange) {
        let id = it.entity_id.uuid();
        let named = it.after.as_ref().and_then(|document| document.parse::<Named>().ok());
        if let Some(named) = &named {
            self.config.names.insert(id, text(&named.name));
        }
        let is_active = match (it.verb, &it.after) {
            (ConfigVerb::Deleted | ConfigVerb::Deactivated, _) | (_, None) => false,
            (_, Some(document)) => {
                document.to_value().get("active").and_then(serde_json::Value::as_bool)
                    != Some(false)
            }
        };
        let document = it.after.as_ref().map(|document| Json(text(document.as_str())));
        self.config_version(at, it, document.clone());
        let row = ConfigEntity {
            kind: it.kind,
            entity_id: it.entity_id,
            name: self.config.name(id),
            entity_version: it.entity_version,
            is_active,
            is_deleted: it.verb == ConfigVerb::Deleted,
            document,
            changed_time: at.time(),
            changed_by_type: at.header.actor.kind,
            changed_by_id: text(&at.header.actor.id),
            valid_from_position: at.header.position,
        };
        self.tables.config_entity.put(at.sink, row);
        self.retention_configured(at, it);
        match it.kind {
            EntityKind::Queue => self.queue_configured(at, QueueId::new(id), it),
            EntityKind::MetricDefinition => self.metric_configured(at, it, is_active),
            _ => {}
        }
    }

    /// Ends the version before and begins this one.
    fn config_version(&mut self, at: &mut At<'_>, it: &ConfigChange, document: Option<Json>) {
        let (time, position) = (at.time(), at.header.position);
        let last = self.tables.config_entity.get(&(it.kind, it.entity_id));
        if let Some(from_position) = last.map(|row| row.valid_from_position) {
            let key = (it.kind, it.entity_id, from_position);
            self.tables.config_history.change(at.sink, &key, |row| {
                row.to_position = Some(position);
                row.valid_to = Some(time);
            });
        }
        let row = ConfigHistory {
            kind: it.kind,
            entity_id: it.entity_id,
            from_position: position,
            to_position: None,
            valid_from: time,
            valid_to: None,
            entity_version: it.entity_version,
            verb: it.verb,
            name: self.config.name(it.entity_id.uuid()),
            document,
            changed_paths: Json::of(&it.changed_paths),
            reason: it.reason.as_deref().map(text),
            changed_by_type: at.header.actor.kind,
            changed_by_id: text(&at.header.actor.id),
            valid_from_position: position,
        };
        self.tables.config_history.put(at.sink, row);
    }

    fn queue_configured(&mut self, at: &mut At<'_>, queue_id: QueueId, it: &ConfigChange) {
        let queue = it.after.as_ref().and_then(|document| document.parse::<Queue>().ok());
        if let Some(queue) = queue {
            let groups = queue.call_distribution_groups.into_iter();
            self.config.queues.insert(
                queue_id,
                QueueConfig {
                    channel_type: queue.channel_type,
                    threshold_ms: queue.service_level_threshold_ms,
                    teams: groups.flat_map(|group| group.team_ids).collect(),
                },
            );
        } else if it.verb == ConfigVerb::Deleted
            && let Some(queue) = self.config.queues.get_mut(&queue_id)
        {
            // Its figures stay; agents no longer reach it.
            queue.teams.clear();
        }
        self.queue_live_configured(at, queue_id);
    }
}
