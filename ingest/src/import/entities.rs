//! Configuration entities that imported history refers to, so that its ids have names.

use std::collections::{BTreeMap, BTreeSet};

use ledgerline_schemas::Position;
use ledgerline_schemas::config::{
    Activity, ActivityKind, ChannelType, EntityKind, EntryPoint, Flow, Queue, User, WaitCredit,
};
use ledgerline_schemas::id::{EntryPointId, FlowId, QueueId, UserId};

use super::configuration::Configuration;
use super::error::ImportError;
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
    pub(super) configuration: Configuration<'a>,
    pub(super) mapping: &'a Mapping,
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
                user_profile_id: None,
                active: true,
            };
            let made =
                self.configuration.entity(EntityKind::User, code, &user, pipeline, &mut newest);
            let (id, _) = made.await?;
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
        let (flow_id, _) = self
            .configuration
            .entity(EntityKind::Flow, &flow.name, &flow, pipeline, newest)
            .await?;
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
            .configuration
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
        let queue = queue(spec, self.mapping.spec.channel, &self.mapping.spec.timezone)?;
        let (id, in_force) = self
            .configuration
            .entity(EntityKind::Queue, spec.name(), &queue, pipeline, newest)
            .await?;
        Ok(ImportedQueue {
            queue_id: QueueId::new(id.uuid()),
            wait_credits: in_force.map_or(queue.wait_credits, |queue: Queue| queue.wait_credits),
        })
    }
}

/// The document of a queue.
pub(super) fn queue(
    spec: &QueueSpec,
    channel: ChannelType,
    timezone: &str,
) -> Result<Queue, ImportError> {
    let document = serde_json::json!({
        "name": spec.name(),
        "channel_type": channel,
        "routing_type": spec.routing_type,
        "service_level_threshold_ms": spec.service_level_threshold_ms,
        "wait_credits": spec.wait_credits,
        "timezone": timezone,
    });
    serde_json::from_value(document).map_err(|error| ImportError::Document {
        entity: format!("queue {:?}", spec.name()),
        reason: error.to_string(),
    })
}
