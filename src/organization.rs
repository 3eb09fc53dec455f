//! One organization, opened: log, tables, engine.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use ledgerline_event_store::archive::Depot;
use ledgerline_event_store::{ArchiveReader, EmbeddedLog, EventReader, EventWriter, OpenError};
use ledgerline_ingest::engine::{EffectSinks, Engine};
use ledgerline_projections::Projections;
use ledgerline_schemas::Timestamp;

use crate::data_dir::{DataDir, Known};
use crate::failure::Failure;
use crate::settings::Storage;
use crate::storage;

/// The system's clock.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

/// Opens the log of an organization, with the archive that the data directory remembers.
pub(crate) fn open_log(data: &DataDir, known: &Known) -> Result<Arc<EmbeddedLog>, Failure> {
    // A command that reads no settings packs nothing.
    let settings = Storage { pack_after_segments: 0, ..Storage::default() };
    open_log_with(data, known, &settings, storage::remembered(data)?)
}

/// Opens the log of an organization.
pub(crate) fn open_log_with(
    data: &DataDir,
    known: &Known,
    settings: &Storage,
    archive: Option<Depot>,
) -> Result<Arc<EmbeddedLog>, Failure> {
    let dir = data.organization_dir(known.org_id).join("log");
    let after = settings.pack_after_segments;
    let options = ledgerline_event_store::Options {
        segment_bytes: settings.segment_bytes,
        raw_segments: (after > 0).then_some(after),
        archive: archive.map(|depot| Arc::new(depot) as Arc<dyn ArchiveReader>),
        ..ledgerline_event_store::Options::default()
    };
    let log = EmbeddedLog::open(&dir, known.org_id, options);
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
    Projections::start(reader, dir, ledgerline_projections::Options::default())
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
    let options = ledgerline_ingest::engine::Options::new(snapshots, now);
    let writer: Arc<dyn EventWriter> = log.clone();
    Engine::start(known.org_id, writer, sinks, options)
        .map_err(|error| Failure::software(format!("organization {}: {error}", known.name)))
}
