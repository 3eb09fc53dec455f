//! Webhooks over the logs of this process: the subscriptions of each organization, and what tells the log of them.

use std::fs;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use ledgerline_event_store::{Append, EventWriter};
use ledgerline_realtime::webhook::{
    Bounds, Parts, Recording, SystemClock, WebhookRecorder, WebhookSettings, WebhookState, Webhooks,
};
use ledgerline_schemas::config::EntityKind;
use ledgerline_schemas::id::{CommandId, CorrelationId, EntityId, EventId, OrgId};
use ledgerline_schemas::{Actor, Event, NewEvent, Position, StreamId, Timestamp};
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::data_dir::DataDir;
use crate::failure::Failure;
use crate::ports::Opened;

/// Starts the webhooks of each organization.
pub(crate) async fn start(
    state: &WebhookState,
    settings: &WebhookSettings,
    data: &DataDir,
    opened: &Opened,
    organizations: impl Iterator<Item = OrgId>,
) -> Result<Vec<JoinHandle<()>>, Failure> {
    if !settings.enabled {
        return Ok(Vec::new());
    }
    let sender = settings.open().map_err(|error| Failure::config(format!("webhooks.{error}")))?;
    let sender = Arc::new(sender);
    let mut tasks = Vec::new();
    for org_id in organizations {
        let Some(open) = opened.get(org_id) else { continue };
        let folder = data.organization_dir(org_id).join("webhooks");
        fs::create_dir_all(&folder)
            .map_err(|error| Failure::file(format!("{}: {error}", folder.display())))?;
        let known = open.projections.snapshot();
        let ids = known.config_ids(EntityKind::WebhookSubscription);
        let parts = Parts {
            reader: open.log,
            sender: Arc::clone(&sender),
            recorder: Arc::new(Recorder(opened.clone())),
            clock: Arc::new(SystemClock),
            bounds: Bounds::default(),
            folder,
        };
        let webhooks = Webhooks::open(parts, &ids, known.position).await.map_err(Failure::file)?;
        let webhooks = Arc::new(webhooks);
        state.add_organization(org_id, Arc::clone(&webhooks));
        tasks.push(tokio::spawn(async move { webhooks.work().await }));
    }
    Ok(tasks)
}

/// Tells the log.
#[derive(Debug)]
struct Recorder(Opened);

impl WebhookRecorder for Recorder {
    fn record(&self, org_id: OrgId, subscription_id: EntityId, event: Event) -> Recording<'_> {
        let log: Option<Arc<dyn EventWriter>> = self.0.get(org_id).map(|open| open.log);
        Box::pin(async move {
            let log = log.ok_or("the organization has no log")?;
            let append =
                Append { events: vec![told(subscription_id, &event)], expected: Vec::new() };
            let submitted = log.submit(append).map_err(|error| error.to_string())?;
            submitted.await.map_err(|error| error.to_string())?;
            Ok(())
        })
    }
}

fn told(subscription_id: EntityId, event: &Event) -> NewEvent {
    let command = Uuid::now_v7();
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    NewEvent {
        id: EventId::derived(command, "0"),
        stream: StreamId::webhook(subscription_id),
        event_type: event.event_type().into(),
        time: Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX)),
        command_id: CommandId::new(command),
        correlation_id: CorrelationId::new(command),
        causation_id: None,
        actor: Actor::system("webhooks"),
        config_position: Position::START,
        traceparent: None,
        data_subject_id: None,
        payload: event.encode(),
    }
}
