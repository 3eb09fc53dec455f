//! Dropping rows that policies no longer keep: what is due is worked out by the tables, and becomes events here.

use std::sync::Arc;
use std::time::Duration;

use ledgerline_event_store::{Append, EmbeddedLog, EventReader as _, EventWriter as _};
use ledgerline_projections::Projections;
use ledgerline_projections::retention::{Counted, Due, count};
use ledgerline_schemas::event::retention::RetentionApplied;
use ledgerline_schemas::id::{CommandId, CorrelationId, EventId};
use ledgerline_schemas::{Actor, Event, NewEvent, Position, StreamId, Timestamp};
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;
use uuid::Uuid;

use crate::data_dir::Known;
use crate::organization::now;

/// How often a server looks whether a run is due: once a day, and when a hold ended. Looking reads no row.
const EVERY: Duration = Duration::from_secs(60);

/// A run that is due, and what it means to the rows that are there.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) due: Due,
    pub(crate) counted: Counted,
    /// Position of the tables in which rows were counted.
    position: Position,
}

/// What is due now.
///
/// # Errors
/// A message, when the tables do not follow the log or cannot be read.
pub(crate) async fn due(
    log: &EmbeddedLog,
    projections: &Projections,
    now: Timestamp,
) -> Result<Vec<Found>, String> {
    projections.wait_for(log.head()).await.map_err(|error| error.to_string())?;
    let (snapshot, retention) = (projections.snapshot(), projections.past().retention());
    let work = move || -> Result<Vec<Found>, String> {
        let mut found = Vec::new();
        for due in retention.due(now) {
            let Some(table) = snapshot.tables.get(due.table) else { continue };
            let counted = count(table, &due).map_err(|error| error.to_string())?;
            found.push(Found { due, counted, position: snapshot.position });
        }
        Ok(found)
    };
    tokio::task::spawn_blocking(work).await.map_err(|error| error.to_string())?
}

/// Drops what was found, in one append; durable when this returns.
///
/// # Errors
/// A message, when the log does not take it; nothing is dropped then.
pub(crate) async fn apply(
    log: &EmbeddedLog,
    found: &[Found],
    actor: &Actor,
    now: Timestamp,
) -> Result<Position, String> {
    let command = Uuid::now_v7();
    let event = |(index, found): (usize, &Found)| {
        let event = Event::from(RetentionApplied {
            table: found.due.table.to_owned(),
            before: found.due.before,
            past_before: found.due.past_before,
            policy_id: found.due.policy_id,
            rows_dropped: found.counted.dropped,
            rows_held: found.counted.held,
            counted_position: found.position,
        });
        NewEvent {
            id: EventId::derived(command, &index.to_string()),
            stream: StreamId::new("retention"),
            event_type: event.event_type().into(),
            time: now,
            command_id: CommandId::new(command),
            correlation_id: CorrelationId::new(command),
            causation_id: None,
            actor: actor.clone(),
            config_position: Position::START,
            traceparent: None,
            data_subject_id: None,
            payload: event.encode(),
        }
    };
    let events = found.iter().enumerate().map(event).collect();
    let submitted = log.submit(Append { events, expected: Vec::new() });
    submitted.map_err(|error| error.to_string())?.await.map_err(|error| error.to_string())?;
    Ok(log.head())
}

/// Drops what is due again and again, until the task is aborted.
pub(crate) fn keep(
    known: &Known,
    log: &Arc<EmbeddedLog>,
    projections: &Projections,
) -> JoinHandle<()> {
    let (known, log, projections) = (known.clone(), Arc::clone(log), projections.clone());
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    tokio::spawn(async move {
        loop {
            ticks.tick().await;
            match round(&log, &projections).await {
                Ok(found) => {
                    for Found { due, counted, .. } in found {
                        tracing::info!(
                            organization = %known.name,
                            table = due.table,
                            before = %due.before,
                            dropped = counted.dropped,
                            held = counted.held,
                            "rows that are no longer kept were dropped"
                        );
                    }
                }
                Err(error) => {
                    metrics::counter!("ledgerline_retention_failures_total", "org" => known.name.clone())
                        .increment(1);
                    tracing::warn!(organization = %known.name, %error, "nothing was dropped; it is tried again");
                }
            }
        }
    })
}

async fn round(log: &EmbeddedLog, projections: &Projections) -> Result<Vec<Found>, String> {
    let now = now();
    let found = due(log, projections, now).await?;
    if !found.is_empty() {
        apply(log, &found, &Actor::system("retention"), now).await?;
    }
    Ok(found)
}
