//! One configuration entity: the one that is there, or a new one.

use ledgerline_event_store::{Append, Direction, EventReader};
use ledgerline_schemas::config::EntityKind;
use ledgerline_schemas::document::Document;
use ledgerline_schemas::event::{ConfigChange, ConfigVerb, Event};
use ledgerline_schemas::id::{CommandId, CorrelationId, EntityId, OrgId};
use ledgerline_schemas::{Actor, NewEvent, Position, StreamId, Timestamp, Version};
use serde::Serialize;

use super::error::ImportError;
use super::ids::Ids;
use super::pipeline::Pipeline;

/// Finds entities and creates those that are not there.
#[derive(Clone, Copy)]
pub(super) struct Configuration<'a> {
    pub(super) log: &'a dyn EventReader,
    pub(super) org_id: OrgId,
    /// The mapping's.
    pub(super) name: &'a str,
    pub(super) ids: Ids,
    pub(super) actor: &'a Actor,
    /// When the imported history begins: from then on the configuration is in force.
    pub(super) since: Timestamp,
}

impl Configuration<'_> {
    /// The id of an entity and, if somebody configured it before, the document in force.
    pub(super) async fn entity<T: Serialize + serde::de::DeserializeOwned>(
        &self,
        kind: EntityKind,
        name: &str,
        document: &T,
        pipeline: &mut Pipeline<'_>,
        newest: &mut Position,
    ) -> Result<(EntityId, Option<T>), ImportError> {
        let invalid = |error: serde_json::Error| ImportError::Document {
            entity: format!("{} {name:?}", kind.name()),
            reason: error.to_string(),
        };
        let entity_id = kind.derive_id(self.org_id, name);
        let stream = StreamId::config(entity_id);
        let last = self.log.read_stream(&stream, Version(u64::MAX), Direction::Backward, 1)?.pop();
        if let Some(recorded) = last {
            *newest = (*newest).max(recorded.header.position);
            let in_force = match recorded.decode() {
                Ok(Event::Config(ConfigChange { after: Some(after), .. })) => {
                    Some(after.parse().map_err(invalid)?)
                }
                _ => None,
            };
            return Ok((entity_id, in_force));
        }
        let id = self.ids.entity(kind.name(), name);
        let event = Event::Config(ConfigChange {
            kind,
            verb: ConfigVerb::Created,
            entity_id,
            entity_version: 1,
            before_sha256: None,
            after: Some(Document::of(document).map_err(invalid)?),
            changed_paths: vec![String::new()],
            reason: Some(format!("import by mapping {}", self.name)),
        });
        let new = NewEvent {
            id,
            stream,
            event_type: event.event_type().into(),
            time: self.since,
            command_id: CommandId::new(id.uuid()),
            correlation_id: CorrelationId::new(entity_id.uuid()),
            causation_id: None,
            actor: self.actor.clone(),
            config_position: *newest,
            traceparent: None,
            data_subject_id: None,
            payload: event.encode(),
        };
        let appended = pipeline.append(0, Append { events: vec![new], expected: vec![] }).await?;
        *newest = (*newest).max(appended.last);
        Ok((entity_id, None))
    }
}
