//! `ledgerline backup`.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use ledgerline_event_store::archive::Depot;
use ledgerline_event_store::custody::{CustodyKey, origin};
use ledgerline_event_store::{ArchiveReader, LogFiles, backup};
use ledgerline_schemas::Position;

use crate::at_rest;
use crate::backup_set::{BackupSet, KEYS, KeyFile, OrganizationCopy, key_files};
use crate::cli::Backup;
use crate::data_dir::{DataDir, Known};
use crate::failure::Failure;
use crate::keys;
use crate::organization::now;
use crate::output::say;
use crate::storage::{self, failed, progress_bar, show};

/// Copies what is new.
pub(crate) async fn run(arguments: Backup) -> Result<(), Failure> {
    tokio::task::spawn_blocking(move || back_up(&arguments)).await.map_err(Failure::software)?
}

fn back_up(arguments: &Backup) -> Result<(), Failure> {
    let data = DataDir::existing(&arguments.data)?;
    // The log is written to in a way that can be copied meanwhile; the key file is not.
    let _held = match arguments.with_keys {
        false => None,
        true => Some(data.hold().map_err(|failure| {
            Failure::busy(format!(
                "--with-keys: keys are copied of a stopped server only: {failure}"
            ))
        })?),
    };
    let depot = Depot::open(&arguments.destination).map_err(failed)?;
    let archive = storage::remembered(&data)?;
    let taken_at = now();
    let mut organizations = Vec::new();
    for known in data.organizations()? {
        if let Some(copy) = organization(&data, known, &depot, archive.as_ref())? {
            organizations.push(copy);
        }
    }
    let keys = if arguments.with_keys { copy_keys(&data, &depot)? } else { Vec::new() };
    let set = BackupSet::new(taken_at, organizations, keys);
    set.store(&depot)?;
    for copy in &set.organizations {
        backup::tidy(&depot, copy.org_id, &copy.log).map_err(failed)?;
    }
    for object in depot.list(KEYS).map_err(failed)? {
        if !set.keys.iter().any(|key| key.object == object) {
            depot.remove(&object).map_err(failed)?;
        }
    }
    let keys = match set.keys.len() {
        0 => "without keys: what is sealed or encrypted in it cannot be opened".to_owned(),
        count => format!("with {count} files of keys: whoever can read it can read personal data"),
    };
    say(&format!("backup in {}, {keys}", depot.address()));
    Ok(())
}

fn organization(
    data: &DataDir,
    known: Known,
    depot: &Depot,
    archive: Option<&Depot>,
) -> Result<Option<OrganizationCopy>, Failure> {
    let folder = data.organization_dir(known.org_id);
    let log = folder.join("log");
    let unreadable =
        |path: &Path, error: io::Error| Failure::file(format!("{}: {error}", path.display()));
    if !log.is_dir() {
        return Ok(None);
    }
    let archive = archive.map(|depot| Arc::new(depot.clone()) as Arc<dyn ArchiveReader>);
    let keys = at_rest::storage_keys_beside(data, known.org_id)?;
    let files = LogFiles::reading(&log, archive, keys).map_err(|error| unreadable(&log, error))?;
    // Before the log: what is signed is then in the copy of it.
    let path = folder.join("custody").join("checkpoints");
    let checkpoints = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(unreadable(&path, error)),
    };
    let key = CustodyKey::open(data.root()).map_err(Failure::file)?;
    let bar = progress_bar(format!("copying {}", known.name));
    let copied = backup::copy(depot, known.org_id, &files, now(), &mut |at: Position, of| {
        show(&bar, at, of);
    });
    bar.finish_and_clear();
    let (copy, archived) = copied.map_err(failed)?;
    say(&format!(
        "organization {}: up to position {}; {} sealed segments copied now, {} before",
        known.name, copy.head, archived.segments, archived.before
    ));
    let vkey = key.map(|key| key.vkey(&origin(known.org_id)));
    let Known { org_id, name } = known;
    Ok(Some(OrganizationCopy { org_id, name, log: copy, vkey, checkpoints }))
}

fn copy_keys(data: &DataDir, depot: &Depot) -> Result<Vec<KeyFile>, Failure> {
    let folder = keys::kek_folder(data, None)?;
    let files = key_files(data.root(), &folder)
        .map_err(|error| Failure::file(format!("{}: {error}", folder.display())))?;
    let mut copied = Vec::new();
    for (path, from) in files {
        let bytes = fs::read(&from)
            .map_err(|error| Failure::file(format!("{}: {error}", from.display())))?;
        let sha256 = backup::sha256_hex(&bytes);
        let object = format!("{KEYS}{sha256}");
        depot.put(&object, &bytes).map_err(failed)?;
        copied.push(KeyFile { path, object, sha256 });
    }
    Ok(copied)
}
