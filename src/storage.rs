//! The archive of a data directory: where it is, and what is done with it while a server runs.
//!
//! Where it is is remembered in the directory (`archive`), so that commands which read no configuration
//! can read segments that are there only.

use std::fs;
use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use ledgerline_event_store::archive::{Archive, ArchiveError, Archived, Depot, Dropped, Retention};
use ledgerline_event_store::{Append, ArchiveReader, EmbeddedLog, EventWriter as _};
use ledgerline_schemas::event::checkpoint::LogSegmentDropped;
use ledgerline_schemas::id::{CommandId, CorrelationId, EventId};
use ledgerline_schemas::{Actor, Event, NewEvent, Position, StreamId};
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;
use uuid::Uuid;

use crate::data_dir::{DataDir, Known};
use crate::failure::Failure;
use crate::organization::now;
use crate::output::complain;
use crate::settings::Storage;

const REMEMBERED: &str = "archive";

/// The exit code that fits.
pub(crate) fn failed(error: ArchiveError) -> Failure {
    match error {
        ArchiveError::Address { .. } => Failure::config(error),
        ArchiveError::Store { .. } => Failure::unavailable(error),
        ArchiveError::OtherHistory { .. }
        | ArchiveError::NoBackup { .. }
        | ArchiveError::BehindEnd { .. } => Failure::data(error),
        ArchiveError::Record(_) => Failure::software(error),
        _ => Failure::file(error),
    }
}

/// The address of the archive that the directory remembers.
fn address(data: &DataDir) -> Result<Option<String>, Failure> {
    let path = data.root().join(REMEMBERED);
    match fs::read_to_string(&path) {
        Ok(text) => Ok(Some(text.trim_end_matches('\n').to_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Failure::file(format!("{}: {error}", path.display()))),
    }
}

/// The archive that the directory remembers. One that is away is missed by what is there only.
pub(crate) fn remembered(data: &DataDir) -> Result<Option<Depot>, Failure> {
    let Some(address) = address(data)? else { return Ok(None) };
    match Depot::existing(&address) {
        Ok(depot) => Ok(Some(depot)),
        Err(error) => {
            complain(&format!("the archive of this data directory is away: {error}"));
            Ok(None)
        }
    }
}

/// The archive that the configuration names, remembered from now on; without one, the remembered one.
///
/// A remembered one that is away keeps nothing from starting: what is there only is missed when it is read.
pub(crate) fn open(data: &DataDir, configured: Option<&str>) -> Result<Option<Depot>, Failure> {
    let Some(configured) = configured else { return remembered(data) };
    let known = address(data)?;
    if known.as_deref() == Some(configured) {
        return remembered(data);
    }
    let depot = Depot::open(configured).map_err(failed)?;
    if known.as_deref() != Some(depot.address()) {
        data.remember(REMEMBERED, std::path::Path::new(depot.address()))?;
    }
    Ok(Some(depot))
}

/// Where segments are read that are in the archive only: `depot`, or the name of the place that is away.
pub(crate) fn reader(
    data: &DataDir,
    depot: Option<Depot>,
) -> Result<Option<Arc<dyn ArchiveReader>>, Failure> {
    Ok(match depot {
        Some(depot) => Some(Arc::new(depot)),
        None => address(data)?.map(|address| Arc::new(Away(address)) as Arc<dyn ArchiveReader>),
    })
}

/// An archive that was not there when the process began.
#[derive(Debug)]
struct Away(String);

impl ArchiveReader for Away {
    fn read(&self, object: &str, _: Range<u64>) -> io::Result<Vec<u8>> {
        Err(io::Error::other(format!(
            "it was away when this process began; {object} was not asked for"
        )))
    }

    fn name(&self) -> String {
        self.0.clone()
    }
}

/// Archives what is sealed and drops what the retention lets go, each drop recorded as an event before.
pub(crate) fn archive(
    log: &EmbeddedLog,
    archive: &mut Archive,
    retention: Retention,
    progress: &mut dyn FnMut(Position, Position),
) -> Result<(Archived, Vec<Dropped>), ArchiveError> {
    let Some(files) = log.files() else { return Ok(Default::default()) };
    let archived = archive.run(&files, now(), progress)?;
    let address = archive.depot().address().to_owned();
    let mut record = |dropped: &Dropped| record(log, &address, dropped);
    let gone = archive.drop_local(&files, retention, now(), &mut record)?;
    Ok((archived, gone))
}

fn record(log: &EmbeddedLog, archive: &str, dropped: &Dropped) -> Result<(), String> {
    let event = Event::from(LogSegmentDropped {
        first_position: Position(dropped.base_position),
        last_position: Position(dropped.next_position.saturating_sub(1)),
        local_bytes: dropped.local_bytes,
        archive: archive.to_owned(),
        object: dropped.object.clone(),
        sha256: dropped.sha256.clone(),
    });
    let command = Uuid::now_v7();
    let new = NewEvent {
        id: EventId::derived(command, "0"),
        stream: StreamId::new("storage"),
        event_type: event.event_type().into(),
        time: now(),
        command_id: CommandId::new(command),
        correlation_id: CorrelationId::new(command),
        causation_id: None,
        actor: Actor::system("storage"),
        config_position: Position::START,
        traceparent: None,
        data_subject_id: None,
        payload: event.encode(),
    };
    let submitted = log.submit(Append { events: vec![new], expected: Vec::new() });
    submitted
        .and_then(|submitted| submitted.wait_blocking())
        .map(|_| ())
        .map_err(|error| error.to_string())
}

/// Archives again and again, until the task is aborted.
pub(crate) fn keep(
    known: &Known,
    log: &Arc<EmbeddedLog>,
    depot: Depot,
    settings: &Storage,
) -> JoinHandle<()> {
    let (known, log, retention) = (known.clone(), Arc::clone(log), settings.retention());
    let mut ticks = tokio::time::interval(Duration::from_secs(settings.archive_every_s));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    tokio::spawn(async move {
        // Opened anew after an error: another process may have used the archive meanwhile.
        let mut kept: Option<Archive> = None;
        loop {
            ticks.tick().await;
            let (depot, log, org_id) = (depot.clone(), Arc::clone(&log), known.org_id);
            let before = kept.take();
            let round = tokio::task::spawn_blocking(move || {
                let mut opened = match before {
                    Some(opened) => opened,
                    None => Archive::open(depot, org_id)?,
                };
                let done = archive(&log, &mut opened, retention, &mut |_, _| {})?;
                Ok::<_, ArchiveError>((opened, done))
            });
            match round.await {
                Ok(Ok((opened, (archived, _)))) => {
                    let head = opened.manifest().next_position() - 1;
                    metrics::gauge!("ledgerline_archive_position", "org" => known.name.clone())
                        .set(head as f64);
                    if archived.segments > 0 {
                        tracing::info!(
                            organization = %known.name,
                            segments = archived.segments,
                            bytes = archived.bytes,
                            position = head,
                            "segments were archived"
                        );
                    }
                    kept = Some(opened);
                }
                Ok(Err(error)) => {
                    metrics::counter!("ledgerline_archive_failures_total", "org" => known.name.clone())
                        .increment(1);
                    tracing::warn!(organization = %known.name, %error, "archiving failed; it is tried again");
                }
                Err(error) => {
                    tracing::error!(organization = %known.name, %error, "archiving ended badly");
                }
            }
        }
    })
}

/// A bar over positions.
pub(crate) fn progress_bar(what: String) -> ProgressBar {
    let bar = ProgressBar::new(0);
    let template = "{msg} {bar:40} {pos}/{len} events  {per_sec}  {eta} left";
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.set_message(what);
    bar
}

/// Moves a bar.
pub(crate) fn show(bar: &ProgressBar, at: Position, of: Position) {
    bar.set_length(of.0);
    bar.set_position(at.0);
}
