//! One organization, opened: log, tables, engine.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use ledgerline_event_store::archive::Depot;
use ledgerline_event_store::crypt::at_rest::StorageKeys;
use ledgerline_event_store::engine::Mirror;
use ledgerline_event_store::{
    ArchiveReader, EmbeddedLog, EventReader, EventWriter, OpenError, Options,
};
use ledgerline_ingest::engine::{EffectSinks, Engine};
use ledgerline_projections::Projections;
use ledgerline_schemas::Timestamp;

use crate::at_rest;
use crate::data_dir::{DataDir, Known};
use crate::engine;
use crate::failure::Failure;
use crate::settings::{Settings, Storage};
use crate::storage;

/// The system's clock.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

/// How the log of an organization is opened.
fn options(
    settings: &Storage,
    archive: Option<Arc<dyn ArchiveReader>>,
    keys: Option<StorageKeys>,
) -> Options {
    let after = settings.pack_after_segments;
    Options {
        segment_bytes: settings.segment_bytes,
        raw_segments: (after > 0).then_some(after),
        archive,
        keys,
        ..Options::default()
    }
}

/// How a command opens it, which reads no settings: nothing is packed, and the archive is the one that the data
/// directory remembers, as is whether files are encrypted.
pub(crate) fn plain_options(data: &DataDir, known: &Known) -> Result<Options, Failure> {
    let settings = Storage { pack_after_segments: 0, ..Storage::default() };
    let keys = at_rest::storage_keys(data, known.org_id)?;
    let archive = storage::reader(data, storage::remembered(data)?)?;
    Ok(options(&settings, archive, keys))
}

/// Opens the log of an organization to append to it. A mirror of another engine's log is refused: what is
/// appended to it alone would be lost.
pub(crate) fn open_log(data: &DataDir, known: &Known) -> Result<Arc<EmbeddedLog>, Failure> {
    let dir = data.organization_dir(known.org_id).join("log");
    let log = EmbeddedLog::open(&dir, known.org_id, plain_options(data, known)?);
    log.map(Arc::new).map_err(|error| not_opened(known, &error))
}

/// Opens the log of an organization as the settings say.
pub(crate) fn open_log_with(
    data: &DataDir,
    known: &Known,
    settings: &Storage,
    archive: Option<Depot>,
) -> Result<Arc<EmbeddedLog>, Failure> {
    let dir = data.organization_dir(known.org_id).join("log");
    let keys = at_rest::storage_keys(data, known.org_id)?;
    let options = options(settings, storage::reader(data, archive)?, keys);
    let log = EmbeddedLog::open(&dir, known.org_id, options);
    log.map(Arc::new).map_err(|error| not_opened(known, &error))
}

/// Opens the log of an organization, whatever engine it has, to look at it: a mirror takes no appends.
pub(crate) fn open_log_to_read(data: &DataDir, known: &Known) -> Result<Arc<EmbeddedLog>, Failure> {
    let dir = data.organization_dir(known.org_id).join("log");
    let options = plain_options(data, known)?;
    let log = match EmbeddedLog::open(&dir, known.org_id, options.clone()) {
        Err(OpenError::Mirror { .. }) => EmbeddedLog::open_to_read(&dir, known.org_id, options),
        opened => opened,
    };
    log.map(Arc::new).map_err(|error| not_opened(known, &error))
}

fn not_opened(known: &Known, error: &OpenError) -> Failure {
    match error {
        OpenError::Locked { .. } => Failure::busy(error),
        OpenError::Mirror { .. } => Failure::config(format!(
            "organization {}: {error}; ask the server that writes it with --server, where this command can",
            known.name
        )),
        _ => Failure::file(format!("organization {}: {error}", known.name)),
    }
}

/// A log that is served, and the mirror it is, if another engine keeps it.
pub(crate) struct Served {
    pub(crate) known: Known,
    pub(crate) log: Arc<EmbeddedLog>,
    pub(crate) mirror: Option<Mirror>,
    /// The claim that this process leads by; 0 before it does, and with the embedded log.
    pub(crate) epoch: u64,
}

/// Opens the logs of the configured organizations. Those that another engine keeps are followed from now on, and
/// take appends after [`lead`].
pub(crate) async fn open_logs(
    settings: &Settings,
    data: &DataDir,
    archive: Option<&Depot>,
) -> Result<Vec<Served>, Failure> {
    let mut served = Vec::new();
    for name in &settings.organizations {
        let known = data.make_organization(name)?;
        if settings.engine.is_embedded() {
            let log = open_log_with(data, &known, &settings.storage, archive.cloned())?;
            settings.engine.check_promises(&log.capabilities())?;
            served.push(Served { known, log, mirror: None, epoch: 0 });
            continue;
        }
        let carrier = settings.engine.connect(known.org_id).await?;
        let keys = at_rest::storage_keys(data, known.org_id)?;
        let reader = storage::reader(data, archive.cloned())?;
        let mirror = Mirror::open(
            &data.organization_dir(known.org_id).join("log"),
            known.org_id,
            options(&settings.storage, reader, keys),
            carrier,
            settings.engine.mirror_options(known.org_id),
        )
        .map_err(|error| engine::failed(name, &error))?;
        let log = Arc::new(mirror.log().clone());
        served.push(Served { known, log, mirror: Some(mirror), epoch: 0 });
    }
    Ok(served)
}

/// Waits until this process may write all of the logs: `standby` for as long as another one does.
///
/// They are claimed in the order of the configuration: of two processes the one that gets the first gets all.
pub(crate) async fn lead(served: &mut [Served], standby: bool) -> Result<(), Failure> {
    for Served { known, mirror, epoch, .. } in served {
        let Some(mirror) = mirror else { continue };
        let led = if standby { mirror.stand_by().await } else { mirror.lead().await };
        let takeover = led.map_err(|error| engine::failed(&known.name, &error))?;
        *epoch = takeover.epoch;
        tracing::info!(
            organization = %known.name,
            epoch = takeover.epoch,
            head = takeover.head.0,
            healed = takeover.healed_events,
            "this process writes the log"
        );
    }
    Ok(())
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
