//! Records of the partition: opening a stream of them, and where they end.

use std::pin::Pin;

use fluvio::consumer::{
    ConsumerConfigExt, ConsumerConfigExtBuilder, ConsumerStream, Record, RetryMode,
};
use fluvio::dataplane::link::ErrorCode;
use fluvio::{Isolation, Offset as Start};
use futures::StreamExt as _;

use super::Shared;
use super::session::{Session, Trouble, deadline};
use crate::engine::{CarrierError, Offset, carrying};

pub(super) type Records = Pin<Box<dyn ConsumerStream<Item = Result<Record, ErrorCode>> + Send>>;

pub(super) fn unavailable(reason: impl Into<String>) -> CarrierError {
    CarrierError::Unavailable { reason: reason.into() }
}

/// How records are read. The client's own reconnection jumps over what was evicted: it is off.
fn reading(
    topic: &str,
    start: Start,
    session: &Session,
    whole: bool,
) -> Result<ConsumerConfigExt, CarrierError> {
    ConsumerConfigExtBuilder::default()
        .topic(topic)
        .partition(0)
        .offset_start(start)
        .isolation(Isolation::ReadCommitted)
        .max_bytes(session.fetch_bytes)
        .disable_continuous(whole)
        .retry_mode(RetryMode::Disabled)
        .build()
        .map_err(|error| unavailable(error.to_string()))
}

/// Opens a stream of records.
async fn open(
    session: &Session,
    topic: &str,
    start: Start,
    whole: bool,
) -> Result<Records, CarrierError> {
    let config = reading(topic, start, session, whole)?;
    match session.fluvio.consumer_with_config(config).await {
        Ok(records) => Ok(Box::pin(records)),
        Err(error) => Err(match Trouble::any(&error) {
            Trouble::Refused(reason) => CarrierError::Refused { reason },
            Trouble::NotYet(reason) | Trouble::Unknown(reason) => unavailable(reason),
        }),
    }
}

/// Offset behind the last record: read from the last record itself, for the client has no call for it.
pub(super) async fn end(shared: &Shared) -> Result<u64, CarrierError> {
    let looking = async {
        let session = shared.sessions.get().await?;
        let mut records = open(&session, &shared.config.topic, Start::from_end(1), true).await?;
        let mut end = 0;
        while let Some(record) = records.next().await {
            let record = record.map_err(failure)?;
            end = u64::try_from(record.offset()).unwrap_or(0).saturating_add(1);
        }
        Ok(end)
    };
    let outcome = tokio::time::timeout_at(deadline(&shared.config), looking).await;
    let outcome = outcome.unwrap_or_else(|_| {
        Err(unavailable(format!("no answer within {:?}", shared.config.timeout)))
    });
    if matches!(outcome, Err(CarrierError::Unavailable { .. })) {
        shared.sessions.forget().await;
    }
    outcome
}

pub(super) fn failure(code: ErrorCode) -> CarrierError {
    match code {
        ErrorCode::OffsetEvicted { offset, next_available } => CarrierError::Gone {
            from: Offset(u64::try_from(offset).unwrap_or(0)),
            first: Offset(u64::try_from(next_available).unwrap_or(0)),
        },
        other => match Trouble::code(&other) {
            Trouble::Refused(reason) => CarrierError::Refused { reason },
            Trouble::NotYet(reason) | Trouble::Unknown(reason) => unavailable(reason),
        },
    }
}

/// Connects and opens the records from a place on, which has to be there or to be the next one.
pub(super) async fn begin(shared: &Shared, from: u64) -> Result<(Session, Records), CarrierError> {
    let end = end(shared).await?;
    if end < from {
        return Err(carrying::lost(&format!("topic {}", shared.config.topic), end, from));
    }
    let session = Session::connect(&shared.config).await?;
    let start = i64::try_from(from)
        .ok()
        .and_then(|from| Start::absolute(from).ok())
        .ok_or_else(|| CarrierError::Refused { reason: format!("there is no offset {from}") })?;
    let opening = open(&session, &shared.config.topic, start, false);
    let records = tokio::time::timeout_at(deadline(&shared.config), opening)
        .await
        .map_err(|_| unavailable(format!("no answer within {:?}", shared.config.timeout)))??;
    Ok((session, records))
}
