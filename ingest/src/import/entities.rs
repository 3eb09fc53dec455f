//! Configuration entities that imported history refers to, so that its ids have names.

use std::collections::{BTreeMap, BTreeSet};

use ledgerline_event_store::{Append, Direction, EventReader};
use ledgerline_schemas::config::{
    Activity, ActivityKind, EntityKind, EntryPoint, Flow, Queue, User, WaitCredit,
};
use ledgerline_schemas::document::Document;
use ledgerline_schemas::event::{ConfigChange, ConfigVerb, Event};
use ledgerline_schemas::id::{CommandId, CorrelationId, EntityId, EntryPointId, FlowId, QueueId};
use ledgerline_schemas::id::{OrgId, UserId};
use ledgerline_schemas::{Actor, NewEvent, Position, StreamId, Timestamp, Version};
use serde::Serialize;

use super::error::ImportError;
use super::ids::Ids;
use super::mapping::Mapping;
use super::pipeline::Pipeline;
use super::row::Row;
use super::spec::QueueSpec;

/// The queue of one value of the queue column.
#[derive(Clone, Debug)]
pub(super) struct ImportedQueue {
    pub(super) queue_id: QueueId,
    wait_credits: Vec<WaitCredit>,
}

impl ImportedQueue {
    /// Waiting time the queue's configuration credits to a priority, ms.
    pub(super) fn credit_ms(&self, priority: u8) -> u64 {
        self.wait_credits
            .iter()
            .find(|credit| credit.priority == priority)
            .map_or(0, |credit| credit.credit_ms)
    }
}

/// Where the events of rows point to.
#[derive(Clone, Debug)]
pub(super) struct Entities {
    pub(super) flow: Option<(EntryPointId, FlowId)>,
    pub(super) queues: BTreeMap<String, ImportedQueue>,
    pub(super) agents: BTreeMap<String, UserId>,
    /// Position of the newest configuration event among them.
    pub(super) config_position: Position,
}

/// Creates entities that are not there yet.
pub(super) struct EntityMaker<'a> {
    pub(super) log: &'a dyn EventReader,
    pub(super) org_id: OrgId,
    pub(super) mapping: &'a Mapping,
    pub(super) ids: Ids,
    pub(super) actor: &'a Actor,
    /// When the imported history begins: from then on the configuration is in force.
    pub(super) since: Timestamp,
}

impl EntityMaker<'_> {
    pub(super) async fn make(
        &self,
        rows: &[Row],
        pipeline: &mut Pipeline<'_>,
    ) -> Result<Entities, ImportError> {
        let mut newest = Position::START;
        let flow = self.flow(pipeline, &mut newest).await?;
        let mut queues = BTreeMap::new();
        let used: BTreeSet<&str> =
            rows.iter().filter(|row| row.stay.is_some()).map(|row| row.queue.as_str()).collect();
        let listed = self.mapping.spec.queue.iter().cloned();
        let unlisted = used.into_iter().filter(|value| self.mapping.queue(value).is_none());
        for spec in listed.chain(unlisted.map(QueueSpec::unlisted)) {
            let queue = self.queue(&spec, pipeline, &mut newest).await?;
            queues.insert(spec.value, queue);
        }
        let codes: BTreeSet<&str> = rows
            .iter()
            .filter_map(|row| row.stay.as_ref()?.service.as_ref())
            .map(|service| service.agent.as_str())
            .collect();
        let mut agents = BTreeMap::new();
        for code in codes {
            let user = User {
                name: code.to_owned(),
                team_ids: Vec::new(),
                multimedia_profile_id: None,
                skill_profile_id: None,
                default_dn: None,
                active: true,
            };
            let (id, _) = self.entity(EntityKind::User, code, &user, pipeline, &mut newest).await?;
            agents.insert(code.to_owned(), UserId::new(id.uuid()));
        }
        Ok(Entities { flow, queues, agents, config_position: newest })
    }

    /// The flow's steps are not in the data, so its document has a single activity that ends it; no number
    /// leads to the entry point, so it never runs.
    async fn flow(
        &self,
        pipeline: &mut Pipeline<'_>,
        newest: &mut Position,
    ) -> Result<Option<(EntryPointId, FlowId)>, ImportError> {
        let Some(spec) = &self.mapping.spec.flow else { return Ok(None) };
        let activity = Activity {
            name: "steps are not in the imported data".to_owned(),
            does: ActivityKind::Disconnect {},
            next: BTreeMap::new(),
        };
        let flow = Flow {
            name: spec.name.clone(),
            start: "imported".to_owned(),
            activities: BTreeMap::from([("imported".to_owned(), activity)]),
        };
        let (flow_id, _) =
            self.entity(EntityKind::Flow, &flow.name, &flow, pipeline, newest).await?;
        let flow_id = FlowId::new(flow_id.uuid());
        let entry_point = EntryPoint {
            name: spec.entry_point.clone(),
            channel_type: self.mapping.spec.channel,
            numbers: Vec::new(),
            flow_id,
            max_active_interactions: None,
            active: true,
        };
        let (id, _) = self
            .entity(EntityKind::EntryPoint, &spec.entry_point, &entry_point, pipeline, newest)
            .await?;
        Ok(Some((EntryPointId::new(id.uuid()), flow_id)))
    }

    async fn queue(
        &self,
        spec: &QueueSpec,
        pipeline: &mut Pipeline<'_>,
        newest: &mut Position,
    ) -> Result<ImportedQueue, ImportError> {
        let defaults = serde_json::json!({
            "name": spec.name(),
            "channel_type": self.mapping.spec.channel,
            "routing_type": spec.routing_type,
            "service_level_threshold_ms": spec.service_level_threshold_ms,
            "wait_credits": spec.wait_credits,
            "timezone": self.mapping.spec.timezone,
        });
        let queue: Queue =
            serde_json::from_value(defaults).map_err(|error| ImportError::Document {
                entity: format!("queue {:?}", spec.name()),
                reason: error.to_string(),
            })?;
        let (id, in_force) =
            self.entity(EntityKind::Queue, spec.name(), &queue, pipeline, newest).await?;
        Ok(ImportedQueue {
            queue_id: QueueId::new(id.uuid()),
            wait_credits: in_force.map_or(queue.wait_credits, |queue: Queue| queue.wait_credits),
        })
    }

    /// The id of an entity and, if somebody configured it before, the document in force.
    async fn entity<T: Serialize + serde::de::DeserializeOwned>(
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
            reason: Some(format!("import by mapping {}", self.mapping.name())),
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
