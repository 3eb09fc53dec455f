//! Configuration commands: create, update, delete, with everything that refuses them.

use std::collections::BTreeSet;

use ledgerline_schemas::StreamId;
use ledgerline_schemas::config::metric::MetricDefinition;
use ledgerline_schemas::config::report::ReportDefinition;
use ledgerline_schemas::config::{Entity, EntityKind};
use ledgerline_schemas::document::Document;
use ledgerline_schemas::event::flow::FlowPublished;
use ledgerline_schemas::event::{ConfigChange, ConfigVerb};
use ledgerline_schemas::id::{EntityId, EntryPointId, FlowId, QueueId, TeamId, UserId};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{Decision, config_check};
use crate::rejection::{Rejection, RejectionCode};
use crate::state::config::Config;

impl Decision<'_> {
    pub(super) fn put_entity(
        &mut self,
        kind: EntityKind,
        entity_id: Option<EntityId>,
        document: &Document,
        reason: Option<&str>,
    ) -> Result<(), Rejection> {
        let entity = Entity::parse(kind, document).map_err(|error| {
            Rejection::new(RejectionCode::Invalid, format!("{}: {error}", kind.name()))
        })?;
        if kind == EntityKind::ReportDefinition {
            // Only here: the core has no use for it, and what older logs hold stays what it is.
            document.parse::<ReportDefinition>().map_err(|error| {
                Rejection::new(RejectionCode::Invalid, format!("{}: {error}", kind.name()))
            })?;
        }
        if kind == EntityKind::MetricDefinition {
            let parsed = document.parse::<MetricDefinition>().map_err(|error| error.to_string());
            parsed.and_then(|metric| metric.check()).map_err(|error| {
                Rejection::new(RejectionCode::Invalid, format!("{}: {error}", kind.name()))
            })?;
        }
        let id = self.entity_id(kind, entity_id, &entity.name())?;
        config_check::check(&self.state.config, id, &entity)?;

        let before = self.state.config.entities.get(&id);
        if before.is_some_and(|record| record.document == *document) {
            return Ok(());
        }
        let changed_paths =
            before.map_or_else(Vec::new, |record| changed_paths(&record.document, document));
        let verb = match before {
            None => ConfigVerb::Created,
            Some(_) if changed_paths == ["/active"] => match document.to_value().get("active") {
                Some(Value::Bool(false)) => ConfigVerb::Deactivated,
                _ => ConfigVerb::Activated,
            },
            Some(_) => ConfigVerb::Updated,
        };
        let version = before.map_or(1, |record| record.version.saturating_add(1));
        let change = ConfigChange {
            kind,
            verb,
            entity_id: id,
            entity_version: version,
            before_sha256: before.map(|record| sha256_hex(&record.document)),
            after: Some(document.clone()),
            changed_paths,
            reason: reason.map(str::to_owned),
        };
        let index = self.record(StreamId::config(id), None, None, change.into());
        if kind == EntityKind::Flow {
            self.cause = Some(index);
            let published = FlowPublished {
                flow_id: FlowId::new(id.uuid()),
                flow_version: version,
                sha256: sha256_hex(document),
            };
            self.record(StreamId::config(id), None, None, published.into());
        }
        Ok(())
    }

    /// The id the document goes to: the given one, the one of the entity that has the name, or the one
    /// derived from the name.
    fn entity_id(
        &self,
        kind: EntityKind,
        given: Option<EntityId>,
        name: &str,
    ) -> Result<EntityId, Rejection> {
        let config = &self.state.config;
        let conflict = |message: String| Rejection::new(RejectionCode::Conflict, message);
        let named = config.named(kind, name);
        if let Some(id) = given {
            if let Some(other) = named.filter(|other| *other != id) {
                let kind = kind.name();
                return Err(conflict(format!("name: {kind} {other} has this name already")));
            }
            return match config.entities.get(&id) {
                Some(record) if record.kind != kind => {
                    let found = record.kind.name();
                    Err(conflict(format!("entity_id: {id} is a {found}, not a {}", kind.name())))
                }
                _ => Ok(id),
            };
        }
        if let Some(id) = named {
            return Ok(id);
        }
        let id = kind.derive_id(self.command.org_id, name);
        if config.entities.contains_key(&id) {
            return Err(conflict(format!(
                "name: the {} that had this name was renamed; give entity_id",
                kind.name()
            )));
        }
        Ok(id)
    }

    pub(super) fn delete_entity(
        &mut self,
        kind: EntityKind,
        id: EntityId,
        reason: Option<&str>,
    ) -> Result<(), Rejection> {
        let config = &self.state.config;
        let Some(record) = config.entities.get(&id).filter(|record| record.kind == kind) else {
            let message = format!("entity_id: no {} has id {id}", kind.name());
            return Err(Rejection::new(RejectionCode::NotFound, message));
        };
        self.check_unused(kind, id)?;
        let change = ConfigChange {
            kind,
            verb: ConfigVerb::Deleted,
            entity_id: id,
            entity_version: record.version.saturating_add(1),
            before_sha256: Some(sha256_hex(&record.document)),
            after: None,
            changed_paths: Vec::new(),
            reason: reason.map(str::to_owned),
        };
        self.record(StreamId::config(id), None, None, change.into());
        Ok(())
    }

    fn check_unused(&self, kind: EntityKind, id: EntityId) -> Result<(), Rejection> {
        let conflict = |message: String| Err(Rejection::new(RejectionCode::Conflict, message));
        for (other, record) in &self.state.config.entities {
            let Ok(entity) = Entity::parse(record.kind, &record.document) else { continue };
            let found = Config::references(&entity);
            if let Some((field, ..)) = found.iter().find(|(_, _, to)| *to == id && *other != id) {
                return conflict(format!(
                    "{} is used by {field} of {} {:?}",
                    kind.name(),
                    record.kind.name(),
                    entity.name()
                ));
            }
        }
        let uuid = id.uuid();
        let in_use = match kind {
            EntityKind::Queue => self.state.active_in(QueueId::new(uuid)) > 0,
            EntityKind::EntryPoint => {
                self.state.index.entry_points.contains_key(&EntryPointId::new(uuid))
            }
            EntityKind::User => self.state.agents.contains_key(&UserId::new(uuid)),
            EntityKind::Team => {
                let team = TeamId::new(uuid);
                self.state.agents.values().any(|agent| agent.team_id == team)
            }
            _ => false,
        };
        if in_use {
            return conflict(format!(
                "{} {id} is in use by live interactions or agents",
                kind.name()
            ));
        }
        Ok(())
    }
}

/// SHA-256 of a canonical document, lower-case hex.
fn sha256_hex(document: &Document) -> String {
    use std::fmt::Write as _;
    let mut hex = String::with_capacity(64);
    for byte in Sha256::digest(document.as_str().as_bytes()) {
        // Writing to a string cannot fail.
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}

/// JSON pointers (RFC 6901) of everything that differs, sorted; an array that differs counts as one.
fn changed_paths(before: &Document, after: &Document) -> Vec<String> {
    let mut paths = BTreeSet::new();
    compare("", &before.to_value(), &after.to_value(), &mut paths);
    paths.into_iter().collect()
}

fn compare(path: &str, before: &Value, after: &Value, paths: &mut BTreeSet<String>) {
    if let (Value::Object(old), Value::Object(new)) = (before, after) {
        for key in old.keys().chain(new.keys()) {
            let path = format!("{path}/{}", key.replace('~', "~0").replace('/', "~1"));
            match (old.get(key), new.get(key)) {
                (Some(old), Some(new)) => compare(&path, old, new, paths),
                _ => drop(paths.insert(path)),
            }
        }
    } else if before != after {
        paths.insert(path.to_owned());
    }
}
