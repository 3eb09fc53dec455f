//! `ledgerline archive`: copies of sealed segments in object storage.

use ledgerline_event_store::archive::{Archive, Depot, Retention};
use ledgerline_event_store::{ArchiveReader, Kept, LogFiles};
use std::sync::Arc;

use crate::at_rest;
use crate::cli::{ArchiveList, ArchiveRun, ArchiveVerb};
use crate::data_dir::{DataDir, Known};
use crate::failure::Failure;
use crate::organization::open_log_with;
use crate::output::say;
use crate::settings::Storage;
use crate::storage::{self, failed, progress_bar, show};

/// Runs one of the verbs.
pub(crate) async fn run(arguments: crate::cli::Archive) -> Result<(), Failure> {
    tokio::task::spawn_blocking(move || match arguments.verb {
        ArchiveVerb::Run(arguments) => store(&arguments),
        ArchiveVerb::List(arguments) => list(&arguments),
        ArchiveVerb::Verify(arguments) => verify(&arguments),
    })
    .await
    .map_err(Failure::software)?
}

fn no_archive() -> Failure {
    Failure::config("--to: this data directory remembers no archive; name one")
}

fn store(arguments: &ArchiveRun) -> Result<(), Failure> {
    let data = DataDir::existing(&arguments.local.data)?;
    let _held = data.hold()?;
    let depot = storage::open(&data, arguments.to.as_deref())?.ok_or_else(no_archive)?;
    let retention = Retention {
        keep_segments: arguments.keep_local_segments,
        keep_days: arguments.keep_local_days,
    };
    let settings = Storage { pack_after_segments: 0, ..Storage::default() };
    for known in data.choose_or_all(arguments.local.org.as_deref())? {
        let log = open_log_with(&data, &known, &settings, Some(depot.clone()))?;
        let mut archive = Archive::open(depot.clone(), known.org_id).map_err(failed)?;
        let bar = progress_bar(format!("archiving {}", known.name));
        let done = storage::archive(&log, &mut archive, retention, &mut |at, of| {
            show(&bar, at, of);
        });
        bar.finish_and_clear();
        let (archived, dropped) = done.map_err(failed)?;
        say(&format!(
            "organization {}: {} segments archived now ({} bytes), {} before; up to position {} in {}",
            known.name,
            archived.segments,
            archived.bytes,
            archived.before,
            archive.manifest().next_position() - 1,
            depot.address()
        ));
        for it in dropped {
            say(&format!(
                "  dropped here: positions {} to {}, {} bytes; in the archive as {}",
                it.base_position,
                it.next_position.saturating_sub(1),
                it.local_bytes,
                it.object
            ));
        }
    }
    Ok(())
}

/// The files of an organization's log, which a server may have open.
fn files(data: &DataDir, known: &Known, depot: Option<&Depot>) -> Result<LogFiles, Failure> {
    let folder = data.organization_dir(known.org_id).join("log");
    let archive = depot.map(|depot| Arc::new(depot.clone()) as Arc<dyn ArchiveReader>);
    let keys = at_rest::storage_keys_beside(data, known.org_id)?;
    LogFiles::reading(&folder, archive, keys)
        .map_err(|error| Failure::file(format!("{}: {error}", folder.display())))
}

fn list(arguments: &ArchiveList) -> Result<(), Failure> {
    let data = DataDir::existing(&arguments.local.data)?;
    let depot = storage::remembered(&data)?;
    for known in data.choose_or_all(arguments.local.org.as_deref())? {
        let archive = depot
            .as_ref()
            .map(|depot| Archive::open(depot.clone(), known.org_id).map_err(failed))
            .transpose()?;
        let place = depot.as_ref().map_or("no archive", Depot::address);
        say(&format!("organization {} ({place})", known.name));
        say("  first position      here      bytes here  archived");
        let segments = files(&data, &known, depot.as_ref())?
            .list()
            .map_err(|error| Failure::file(format!("organization {}: {error}", known.name)))?;
        for segment in segments {
            let entry = archive.as_ref().and_then(|it| it.manifest().entry(segment.base_position));
            let archived = match (&segment.kept, entry) {
                (Kept::Archived { since, .. }, Some(entry)) => {
                    format!("{} bytes, {}; only there since {since}", entry.bytes, entry.sha256)
                }
                (Kept::Archived { object, .. }, None) => {
                    format!("MISSING in the manifest: {object}")
                }
                (_, Some(entry)) => format!("{} bytes, {}", entry.bytes, entry.sha256),
                (_, None) => "no".to_owned(),
            };
            let here = match segment.kept {
                Kept::Raw if segment.active => "written",
                Kept::Raw => "raw",
                Kept::Packed => "packed",
                _ => "dropped",
            };
            let (base, bytes) = (segment.base_position, segment.local_bytes);
            say(&format!("  {base:>14}      {here:<8} {bytes:>11}  {archived}"));
        }
    }
    Ok(())
}

fn verify(arguments: &ArchiveList) -> Result<(), Failure> {
    let data = DataDir::existing(&arguments.local.data)?;
    let depot = storage::remembered(&data)?.ok_or_else(no_archive)?;
    for known in data.choose_or_all(arguments.local.org.as_deref())? {
        let archive = Archive::open(depot.clone(), known.org_id).map_err(failed)?;
        let bar = progress_bar(format!("verifying {}", known.name));
        let keys = at_rest::storage_keys_beside(&data, known.org_id)?;
        let verified = archive.verify(keys.as_ref(), &mut |at, of| show(&bar, at, of));
        bar.finish_and_clear();
        let verified = verified.map_err(failed)?;
        let here = files(&data, &known, Some(&depot))?;
        let compared = archive.compare(&here).map_err(failed)?;
        say(&format!(
            "organization {}: {} segments, {} events, {} bytes verified in {}; {compared} of them \
             compared with this data directory",
            known.name,
            verified.segments,
            verified.events,
            verified.bytes,
            depot.address()
        ));
    }
    Ok(())
}
