//! Applying a configuration file: each entity on its own, in an order in which references lead to what is
//! there already.

use std::collections::BTreeMap;

use ledgerline_schemas::command::{Command, Commanded};
use ledgerline_schemas::config::EntityKind;
use ledgerline_schemas::document::Document;
use ledgerline_schemas::event::{ConfigVerb, Event};
use ledgerline_schemas::id::{CommandId, CorrelationId, EntityId, OrgId};
use ledgerline_schemas::{Actor, Position};
use serde::Serialize;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::document::normalized;
use super::file::ConfigFile;
use super::reference::{FieldError, Known, resolve};
use crate::http::port::{EnginePort, EntityView, PortError, submit_surely};
use crate::http::problem::rejected_field;

/// Kinds that others refer to come first; the rest follows in any order.
const ORDER: [EntityKind; 12] = [
    EntityKind::Site,
    EntityKind::MultimediaProfile,
    EntityKind::Skill,
    EntityKind::SkillProfile,
    EntityKind::AuxCode,
    EntityKind::Team,
    EntityKind::Queue,
    EntityKind::Flow,
    EntityKind::EntryPoint,
    EntityKind::ResourceCollection,
    EntityKind::UserProfile,
    EntityKind::User,
];

/// How a file is applied.
#[derive(Clone, Debug, Default)]
pub struct ApplyOptions {
    /// Check and compare only. The core's own rules are not asked.
    pub dry_run: bool,
    /// Why, for the history.
    pub reason: Option<String>,
}

/// An entity that is as the file says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Applied {
    /// Its kind.
    pub kind: EntityKind,
    /// Its name.
    pub name: String,
    /// Its id.
    pub id: EntityId,
}

/// An entity that could not be put.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Failed {
    /// Its kind.
    pub kind: EntityKind,
    /// Its name; empty when it has none.
    pub name: String,
    /// The field, as written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// Stable code.
    pub code: &'static str,
    /// Why.
    pub reason: String,
}

/// What became of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ApplyReport {
    /// True when nothing was written.
    pub dry_run: bool,
    /// New entities.
    pub created: Vec<Applied>,
    /// Entities whose document changed.
    pub updated: Vec<Applied>,
    /// Entities that were like this already.
    pub unchanged: Vec<Applied>,
    /// Entities that could not be put; the others are.
    pub failed: Vec<Failed>,
    /// Position of the last change; 0 without one.
    pub position: Position,
}

/// One entity on its way.
struct Entry {
    kind: EntityKind,
    name: String,
    id: EntityId,
    object: Map<String, Value>,
}

/// Puts every entity of a file. Each succeeds or fails alone; what refers to one that failed fails too.
///
/// # Errors
/// [`PortError`] if the engine cannot be read; nothing was put then.
pub async fn apply(
    engine: &dyn EnginePort,
    org_id: OrgId,
    actor: &Actor,
    file: ConfigFile,
    options: &ApplyOptions,
) -> Result<ApplyReport, PortError> {
    let mut existing = BTreeMap::new();
    let mut known = Known::default();
    for kind in EntityKind::ALL {
        for view in engine.entities(*kind).await? {
            known.add(*kind, &name_of(&view.document), view.id);
            existing.insert((*kind, view.id), view);
        }
    }
    let mut apply = Apply {
        engine,
        org_id,
        actor,
        options,
        existing,
        known,
        report: ApplyReport { dry_run: options.dry_run, ..ApplyReport::default() },
    };
    let entries = apply.plan(file);
    for entry in entries {
        apply.put(entry).await;
    }
    Ok(apply.report)
}

fn name_of(document: &Document) -> String {
    match document.to_value().get("name") {
        Some(Value::String(name)) => name.clone(),
        _ => String::new(),
    }
}

struct Apply<'a> {
    engine: &'a dyn EnginePort,
    org_id: OrgId,
    actor: &'a Actor,
    options: &'a ApplyOptions,
    existing: BTreeMap<(EntityKind, EntityId), EntityView>,
    known: Known,
    report: ApplyReport,
}

impl Apply<'_> {
    /// Names, ids and order of the file's entities.
    fn plan(&mut self, mut file: ConfigFile) -> Vec<Entry> {
        let mut entries = Vec::with_capacity(file.len());
        let rest = EntityKind::ALL.iter().copied().filter(|kind| !ORDER.contains(kind));
        for kind in ORDER.into_iter().chain(rest) {
            let mut of_kind = Vec::new();
            for object in file.entities.remove(&kind).unwrap_or_default() {
                match self.entry(kind, object, &of_kind) {
                    Ok(entry) => of_kind.push(entry),
                    Err((name, error)) => self.fail(kind, name, error),
                }
            }
            for entry in &of_kind {
                self.known.add(kind, &entry.name, entry.id);
            }
            if kind == EntityKind::Queue {
                of_kind = self.overflow_last(of_kind);
            }
            entries.append(&mut of_kind);
        }
        entries
    }

    fn entry(
        &self,
        kind: EntityKind,
        mut object: Map<String, Value>,
        others: &[Entry],
    ) -> Result<Entry, (String, FieldError)> {
        let name = match object.get("name") {
            Some(Value::String(name)) => name.clone(),
            Some(_) => return Err((String::new(), FieldError::new("name", "has to be text"))),
            None => return Err((String::new(), FieldError::new("name", "missing field `name`"))),
        };
        let id = match object.remove("id") {
            Some(Value::String(text)) => text
                .parse()
                .map_err(|_| (name.clone(), FieldError::new("id", "has to be a UUID")))?,
            Some(_) => return Err((name, FieldError::new("id", "has to be a UUID"))),
            None => self
                .known
                .by_name(kind, &name)
                .unwrap_or_else(|| kind.derive_id(self.org_id, &name)),
        };
        let twice = |same: bool, field: &str| {
            let reason = format!("occurs twice among the file's {}s", kind.name());
            if same { Err((name.clone(), FieldError::new(field, reason))) } else { Ok(()) }
        };
        twice(others.iter().any(|other| other.name == name), "name")?;
        twice(others.iter().any(|other| other.id == id), "id")?;
        Ok(Entry { kind, name, id, object })
    }

    /// Queues in an order in which an overflow queue comes before those that name it. In a circle some
    /// queue has to be first; the core then says whether it takes a reference to a later one.
    fn overflow_last(&self, mut waiting: Vec<Entry>) -> Vec<Entry> {
        let target = |entry: &Entry| {
            let value = entry
                .object
                .get("overflow_queue")
                .or_else(|| entry.object.get("overflow_queue_id"));
            value.and_then(Value::as_str).map(str::to_owned)
        };
        let mut ordered = Vec::with_capacity(waiting.len());
        while !waiting.is_empty() {
            let free = waiting.iter().position(|entry| {
                target(entry).is_none_or(|target| {
                    !waiting
                        .iter()
                        .any(|other| other.name == target || other.id.to_string() == target)
                })
            });
            ordered.push(waiting.remove(free.unwrap_or(0)));
        }
        ordered
    }

    async fn put(&mut self, entry: Entry) {
        let Entry { kind, name, id, mut object } = entry;
        let document =
            match resolve(&self.known, kind, &mut object).and_then(|()| normalized(kind, object)) {
                Ok(document) => document,
                Err(error) => {
                    self.give_up(kind, id);
                    return self.fail(kind, name, error);
                }
            };
        let before = self.existing.get(&(kind, id));
        let applied = Applied { kind, name: name.clone(), id };
        if before.is_some_and(|before| before.document == document) {
            self.report.unchanged.push(applied);
            return;
        }
        if self.options.dry_run {
            let list =
                if before.is_some() { &mut self.report.updated } else { &mut self.report.created };
            list.push(applied);
            return;
        }
        match submit_surely(self.engine, self.command(kind, id, document)).await {
            Ok(accepted) => {
                let verb = accepted.events.iter().find_map(|event| match event {
                    Event::Config(change) => Some(change.verb),
                    _ => None,
                });
                let list = match verb {
                    Some(ConfigVerb::Created) => &mut self.report.created,
                    Some(_) => &mut self.report.updated,
                    None => &mut self.report.unchanged,
                };
                list.push(applied);
                if verb.is_some() {
                    self.report.position = self.report.position.max(accepted.position);
                }
            }
            Err(error) => {
                self.give_up(kind, id);
                let (code, field) = match &error {
                    PortError::Rejected(rejection) => {
                        (rejection.code.name(), rejected_field(rejection).map(str::to_owned))
                    }
                    PortError::Busy => ("busy", None),
                    PortError::Unavailable(_) => ("unavailable", None),
                };
                let reason = error.to_string();
                self.report.failed.push(Failed { kind, name, field, code, reason });
            }
        }
    }

    fn command(&self, kind: EntityKind, id: EntityId, document: Document) -> Commanded {
        let command_id = CommandId::new(Uuid::now_v7());
        Commanded {
            org_id: self.org_id,
            command_id,
            correlation_id: CorrelationId::new(command_id.uuid()),
            actor: self.actor.clone(),
            traceparent: None,
            data_subject_id: None,
            command: Command::PutEntity {
                kind,
                entity_id: Some(id),
                document,
                reason: self.options.reason.clone(),
            },
        }
    }

    /// What refers to an entity that was to be made and could not be must fail as well.
    fn give_up(&mut self, kind: EntityKind, id: EntityId) {
        if !self.existing.contains_key(&(kind, id)) {
            self.known.remove(kind, id);
        }
    }

    fn fail(&mut self, kind: EntityKind, name: String, error: FieldError) {
        let field = Some(error.field).filter(|field| !field.is_empty());
        self.report.failed.push(Failed {
            kind,
            name,
            field,
            code: "invalid",
            reason: error.reason,
        });
    }
}
