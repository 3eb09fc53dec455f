//! Alert rules, watched over the tables of this process; what fires or clears goes to the log.

use std::sync::Arc;

use futures::future::BoxFuture;
use ledgerline_event_store::{Append, EmbeddedLog, EventReader as _, EventWriter as _};
use ledgerline_projections::Projections;
use ledgerline_realtime::ProjectionsFeed;
use ledgerline_realtime::alerts::{AlertFact, AlertRecorder, evaluate};
use ledgerline_schemas::id::{CommandId, CorrelationId, OrgId};
use ledgerline_schemas::{Actor, NewEvent, Position, StreamId};
use tokio::task::JoinHandle;

use crate::organization::now;

/// Watches the rules of an organization until the task is ended.
pub(crate) fn watch(log: &Arc<EmbeddedLog>, projections: &Projections) -> JoinHandle<()> {
    let (log, projections) = (Arc::clone(log), projections.clone());
    tokio::spawn(async move {
        // What is open is taken from the tables: they have to know all that was recorded before.
        if let Err(error) = projections.wait_for(log.head()).await {
            tracing::debug!(%error, "no alert rules are watched");
            return;
        }
        let source = Arc::new(ProjectionsFeed::new(projections));
        evaluate(source, Arc::new(Recorder(log)), Arc::new(now)).await;
    })
}

/// Tells the log.
#[derive(Debug)]
struct Recorder(Arc<EmbeddedLog>);

impl AlertRecorder for Recorder {
    fn record(&self, _: OrgId, fact: AlertFact) -> BoxFuture<'_, Result<(), String>> {
        let append = Append { events: vec![alert_event(&fact)], expected: Vec::new() };
        Box::pin(async move {
            let submitted = self.0.submit(append).map_err(|error| error.to_string())?;
            submitted.await.map(|_| ()).map_err(|error| error.to_string())
        })
    }
}

/// A fact, ready to be appended. Its ids follow from it: however often it is appended, it is there once.
fn alert_event(fact: &AlertFact) -> NewEvent {
    NewEvent {
        id: fact.id,
        stream: StreamId::alerts(fact.rule_id),
        event_type: fact.event.event_type().into(),
        time: fact.time,
        command_id: CommandId::new(fact.id.uuid()),
        correlation_id: CorrelationId::new(fact.id.uuid()),
        causation_id: None,
        actor: Actor::system("alerts"),
        config_position: Position::START,
        traceparent: None,
        data_subject_id: None,
        payload: fact.event.encode(),
    }
}

#[cfg(test)]
mod tests {
    use ledgerline_event_store::{Direction, Filter, Options};
    use ledgerline_schemas::event::alert::{AlertCleared, AlertFired};
    use ledgerline_schemas::id::{EntityId, EventId};
    use ledgerline_schemas::{Event, Timestamp};

    use super::*;

    #[tokio::test]
    async fn a_fact_is_on_the_log_once_however_often_it_is_recorded() {
        let folder = tempfile::tempdir().expect("folder");
        let org_id = OrgId::from_u128(1);
        let log = EmbeddedLog::open(folder.path(), org_id, Options::default()).expect("log");
        let recorder = Recorder(Arc::new(log));
        let fact = |id: u128, event: Event| AlertFact {
            id: EventId::from_u128(id),
            rule_id: EntityId::from_u128(7),
            time: Timestamp::EPOCH,
            event,
        };
        let fired = fact(1, AlertFired::default().into());
        let cleared = fact(2, AlertCleared::default().into());
        for fact in [&fired, &fired, &cleared, &fired] {
            recorder.record(org_id, fact.clone()).await.expect("recorded");
        }
        let all = recorder.0.read_all(Position::START, Direction::Forward, &Filter::all(), 10);
        let events = all.expect("read").events;
        let told: Vec<Event> = events.iter().map(|it| it.decode().expect("decodes")).collect();
        assert_eq!(told, [fired.event, cleared.event]);
    }
}
