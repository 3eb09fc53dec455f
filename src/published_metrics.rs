//! The product's metrics are on the log: what a figure of an earlier moment meant can be read there.

use std::collections::BTreeMap;
use std::fmt::Display;

use ledgerline_analyzer_api::report::metric::METRICS;
use ledgerline_event_store::{
    Append, Direction, EmbeddedLog, EventReader as _, EventWriter as _, Expected, ReadError,
};
use ledgerline_schemas::event::metric::MetricDefinitionPublished;
use ledgerline_schemas::id::{CommandId, CorrelationId, EventId};
use ledgerline_schemas::{Actor, Event, NewEvent, Position, StreamId, Version};
use uuid::Uuid;

use crate::failure::Failure;
use crate::organization::now;

/// The stream that holds every version of every metric of the product.
const STREAM: &str = "metric_definitions";
/// Versions read at a time.
const PAGE: usize = 1_000;

/// Puts on the log what it does not know yet of the product's metrics. A version that is there stays what it is, also
/// when this program is older than the one that wrote it.
pub(crate) async fn publish(log: &EmbeddedLog) -> Result<(), Failure> {
    let stream = StreamId::new(STREAM);
    let (known, last) = known(log, &stream).map_err(failed)?;
    let command = Uuid::now_v7();
    let mut events = Vec::new();
    for published in METRICS.iter().map(|metric| metric.published()) {
        match known.get(&published.name) {
            Some(it) if it.definition_version > published.definition_version => continue,
            Some(it) if it.definition_version == published.definition_version => {
                if it.sql_sha256 != published.sql_sha256 {
                    let (name, version) = (&published.name, published.definition_version);
                    tracing::warn!(name, version, "the log has another formula; reports use that");
                }
                continue;
            }
            _ => {}
        }
        let event = Event::from(published);
        events.push(NewEvent {
            id: EventId::derived(command, &events.len().to_string()),
            stream: stream.clone(),
            event_type: event.event_type().into(),
            time: now(),
            command_id: CommandId::new(command),
            correlation_id: CorrelationId::new(command),
            causation_id: None,
            actor: Actor::system("metrics"),
            config_position: Position::START,
            traceparent: None,
            data_subject_id: None,
            payload: event.encode(),
        });
    }
    if events.is_empty() {
        return Ok(());
    }
    let expected = vec![(stream, last.map_or(Expected::NoStream, Expected::Exact))];
    let submitted = log.submit(Append { events, expected }).map_err(failed)?;
    submitted.await.map(|_| ()).map_err(failed)
}

fn failed(error: impl Display) -> Failure {
    Failure::file(format!("definitions of metrics: {error}"))
}

/// The newest version of each metric on the log, and the version of the stream's last event.
fn known(
    log: &EmbeddedLog,
    stream: &StreamId,
) -> Result<(BTreeMap<String, MetricDefinitionPublished>, Option<Version>), ReadError> {
    let (mut known, mut last) = (BTreeMap::new(), None::<Version>);
    loop {
        let from = last.map_or(Version(0), |last| Version(last.0 + 1));
        let page = log.read_stream(stream, from, Direction::Forward, PAGE)?;
        for recorded in &page {
            last = Some(recorded.header.version);
            if let Ok(Event::MetricDefinitionPublished(it)) = recorded.decode() {
                known.insert(it.name.clone(), it);
            }
        }
        if page.len() < PAGE {
            return Ok((known, last));
        }
    }
}

#[cfg(test)]
mod tests {
    use ledgerline_event_store::Options;
    use ledgerline_schemas::id::OrgId;

    use super::*;

    #[tokio::test]
    async fn what_the_log_knows_is_not_told_again() {
        let folder = tempfile::tempdir().expect("folder");
        let open = || EmbeddedLog::open(folder.path(), OrgId::from_u128(1), Options::default());
        let log = open().expect("log");
        publish(&log).await.expect("published");
        assert_eq!(log.head(), Position(METRICS.len() as u64));
        publish(&log).await.expect("published");
        drop(log);
        let log = open().expect("log");
        publish(&log).await.expect("published");
        assert_eq!(log.head(), Position(METRICS.len() as u64));
        let (known, _) = known(&log, &StreamId::new(STREAM)).expect("read");
        let of_program: BTreeMap<_, _> =
            METRICS.iter().map(|it| (it.name.to_owned(), it.published())).collect();
        assert_eq!(known, of_program);
    }
}
