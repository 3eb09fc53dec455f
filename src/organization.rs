//! One organization, opened: log, tables, engine.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use ledgerline_event_store::{EmbeddedLog, EventReader, EventWriter, OpenError};
use ledgerline_ingest::engine::{EffectSinks, Engine};
use ledgerline_projections::Projections;
use ledgerline_schemas::Timestamp;

use crate::at_rest;
use crate::data_dir::{DataDir, Known};
use crate::failure::Failure;

/// The system's clock.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

/// Opens the log of an organization.
pub(crate) fn open_log(data: &DataDir, known: &Known) -> Result<Arc<EmbeddedLog>, Failure> {
    let dir = data.organization_dir(known.org_id).join("log");
    let log = EmbeddedLog::open(&dir, known.org_id, ledgerline_event_store::Options::default());
    log.map(Arc::new).map_err(|error| match error {
        OpenError::Locked { .. } => Failure::busy(error),
        _ => Failure::file(format!("organization {}: {error}", known.name)),
    })
}

/// Opens the tables of an organization.
pub(crate) fn open_tables(
    data: &DataDir,
    known: &Known,
    log: &Arc<EmbeddedLog>,
) -> Result<Projections, Failure> {
    let reader: Arc<dyn EventReader> = log.clone();
    let dir = data.organization_dir(known.org_id).join("tables");
    let options = ledgerline_projections::Options::default();
    let cipher = at_rest::cipher(data, known.org_id)?;
    Projections::start_encrypted(reader, dir, options, cipher)
        .map_err(|error| Failure::file(format!("organization {}: {error}", known.name)))
}

/// Starts the engine of an organization.
pub(crate) fn start_engine(
    data: &DataDir,
    known: &Known,
    log: &Arc<EmbeddedLog>,
    sinks: EffectSinks,
) -> Result<Engine, Failure> {
    let snapshots = data.organization_dir(known.org_id).join("snapshots");
    let mut options = ledgerline_ingest::engine::Options::new(snapshots, now);
    options.cipher = at_rest::cipher(data, known.org_id)?;
    let writer: Arc<dyn EventWriter> = log.clone();
    Engine::start(known.org_id, writer, sinks, options)
        .map_err(|error| Failure::software(format!("organization {}: {error}", known.name)))
}
