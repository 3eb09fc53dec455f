//! `ledgerline restore`.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Component, Path};

use ledgerline_event_store::archive::Depot;
use ledgerline_event_store::backup::{self, Until};
use ledgerline_event_store::crypt::at_rest::StorageKeys;
use ledgerline_event_store::custody::verify::{self, Checkpoint, Evidence, PublicKey};
use ledgerline_event_store::{EmbeddedLog, EventReader as _};
use ledgerline_schemas::Position;

use crate::at_rest;
use crate::backup_set::{BackupSet, KeyFile, OrganizationCopy};
use crate::cli::Restore;
use crate::data_dir::DataDir;
use crate::failure::Failure;
use crate::keys;
use crate::output::say;
use crate::storage::{failed, progress_bar, show};

/// Where checkpoints are put that the restored directory does not continue.
const SET_ASIDE: &str = "custody-before-restore";
const CUSTODY_KEY: &str = "custody.key";

/// Makes a data directory and verifies it.
pub(crate) async fn run(arguments: Restore) -> Result<(), Failure> {
    tokio::task::spawn_blocking(move || restore(&arguments)).await.map_err(Failure::software)?
}

fn trouble(path: &Path, error: &io::Error) -> Failure {
    Failure::file(format!("{}: {error}", path.display()))
}

/// One organization, restored and verified.
struct Done<'a> {
    copy: &'a OrganizationCopy,
    checkpoints: Vec<Checkpoint>,
    head: Position,
    encrypted: bool,
}

impl Done<'_> {
    /// Whether the log is shorter than what was signed of it.
    fn is_cut(&self) -> bool {
        self.checkpoints.last().is_some_and(|newest| newest.size > self.head.0)
    }
}

fn restore(arguments: &Restore) -> Result<(), Failure> {
    let depot = Depot::existing(&arguments.source).map_err(failed)?;
    let set = BackupSet::load(&depot)?;
    let chosen = chosen(&set, arguments)?;
    let until = match (arguments.to, arguments.to_time) {
        (Some(position), _) => Until::Position(Position(position)),
        (None, Some(time)) => Until::Time(time),
        (None, None) => Until::End,
    };
    let data = empty_directory(&arguments.data, set.keys.is_empty())?;
    // First of all: the log may be encrypted.
    for key in set.keys.iter().filter(|key| key.path != CUSTODY_KEY) {
        restore_key(&data, &depot, key)?;
    }
    let mut done = Vec::new();
    for copy in chosen {
        done.push(organization(&data, &depot, copy, until)?);
    }
    if done.iter().any(|it| it.encrypted) {
        at_rest::turned_on(&data)?;
    }
    // One key signs for every organization: if one of them goes back, it would sign another history.
    let custody_key =
        set.keys.iter().find(|key| key.path == CUSTODY_KEY && !done.iter().any(Done::is_cut));
    let continues = custody_key.is_some();
    if let Some(key) = custody_key {
        restore_key(&data, &depot, key)?;
    }
    for it in &done {
        keep_checkpoints(&data, it, continues)?;
    }
    data.mark()?;
    let keys = match set.keys.len() {
        0 if keys::are_there(&data) => "with the keys that were there",
        0 => {
            "no keys in the backup: sealed personal data cannot be opened, tokens are to be made anew"
        }
        _ => "keys restored",
    };
    say(&format!("restored to {}; {keys}", arguments.data.display()));
    say("its tables are built at the next start, or by `ledgerline rebuild`");
    Ok(())
}

fn chosen<'a>(
    set: &'a BackupSet,
    arguments: &Restore,
) -> Result<Vec<&'a OrganizationCopy>, Failure> {
    let all = &set.organizations;
    let names = || all.iter().map(|copy| copy.name.as_str()).collect::<Vec<_>>().join(", ");
    let chosen: Vec<_> = match &arguments.org {
        Some(wanted) => {
            all.iter().filter(|it| it.name == *wanted || it.org_id.to_string() == *wanted).collect()
        }
        None => all.iter().collect(),
    };
    if chosen.is_empty() {
        return Err(Failure::data(format!("--org: not in the backup; there are: {}", names())));
    }
    if arguments.to.is_some() && chosen.len() > 1 {
        return Err(Failure::data(format!(
            "--to: positions are those of one organization; say which with --org: {}",
            names()
        )));
    }
    Ok(chosen)
}

/// An empty directory, made if it is not there. For a backup without keys it may hold those.
fn empty_directory(path: &Path, keys_may_be_there: bool) -> Result<DataDir, Failure> {
    match fs::read_dir(path) {
        Ok(entries) => {
            for entry in entries {
                let name = entry.map_err(|error| trouble(path, &error))?.file_name();
                let given = keys::GIVEN.iter().any(|given| name == *given);
                if !(given && keys_may_be_there) {
                    return Err(Failure::file(format!("--data: {} is not empty", path.display())));
                }
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(path)
                .map_err(|error| trouble(path, &error))?;
        }
        Err(error) => return Err(trouble(path, &error)),
    }
    Ok(DataDir::unmarked(path))
}

fn organization<'a>(
    data: &DataDir,
    depot: &Depot,
    copy: &'a OrganizationCopy,
    until: Until,
) -> Result<Done<'a>, Failure> {
    data.name_organization(copy.org_id, &copy.name)?;
    let folder = data.organization_dir(copy.org_id).join("log");
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&folder)
        .map_err(|error| trouble(&folder, &error))?;
    let bar = progress_bar(format!("restoring {}", copy.name));
    let keys = at_rest::restored_keys(data, copy.org_id)?;
    let mut progress = |at, of| show(&bar, at, of);
    let restored = backup::restore(
        depot,
        copy.org_id,
        &copy.log,
        until,
        &folder,
        keys.as_ref(),
        &mut progress,
    );
    bar.finish_and_clear();
    let restored = restored.map_err(failed)?;
    let checkpoints = checkpoints(copy)?;
    let verified = verify((&folder, keys), copy, &checkpoints, restored.head)?;
    say(&format!(
        "organization {}: position {} of {}, {} segments; {verified}",
        copy.name, restored.head, copy.log.head, restored.segments
    ));
    if let Some((first, last)) = restored.left_out {
        say(&format!(
            "  positions {first} to {last} were appended together: the last append that ends at or \
             before the position asked for ends at {}",
            restored.head
        ));
    }
    Ok(Done { copy, checkpoints, head: restored.head, encrypted: restored.encrypted })
}

/// The checkpoints in the backup, verified with its public key.
fn checkpoints(copy: &OrganizationCopy) -> Result<Vec<Checkpoint>, Failure> {
    let Some(vkey) = copy.vkey.as_ref().filter(|_| !copy.checkpoints.is_empty()) else {
        return Ok(Vec::new());
    };
    let bad = |error: verify::VerifyError| {
        Failure::data(format!("organization {}: a checkpoint of the backup: {error}", copy.name))
    };
    let key = PublicKey::parse(vkey).map_err(bad)?;
    let notes = verify::notes(&copy.checkpoints);
    notes.map(|(_, note)| Checkpoint::open(note, &key).map_err(bad)).collect()
}

/// Every frame, every position and version, and the root at each checkpoint that the log reaches.
fn verify(
    (folder, keys): (&Path, Option<StorageKeys>),
    copy: &OrganizationCopy,
    checkpoints: &[Checkpoint],
    head: Position,
) -> Result<String, Failure> {
    let wrong = |what: String| Failure::data(format!("organization {}: {what}", copy.name));
    let options = ledgerline_event_store::Options {
        raw_segments: None,
        keys,
        ..ledgerline_event_store::Options::default()
    };
    let log = EmbeddedLog::open(folder, copy.org_id, options)
        .map_err(|error| wrong(error.to_string()))?;
    log.verify().map_err(|error| wrong(error.to_string()))?;
    if log.head() != head {
        return Err(wrong(format!("the log ends at {}, restored was up to {head}", log.head())));
    }
    let reached: Vec<Checkpoint> =
        checkpoints.iter().filter(|it| it.size <= head.0).cloned().collect();
    let bar = progress_bar(format!("verifying {}", copy.name));
    let evidence = Evidence { outside: &[], own: Some(&reached), tiles: &[] };
    let report = verify::log(&log, &evidence, &mut |at, of| show(&bar, at, of));
    bar.finish_and_clear();
    if let Some(finding) = report.findings.first() {
        return Err(wrong(format!("the restored log is not what was signed: {finding}")));
    }
    Ok(match reached.last() {
        Some(newest) => format!("verified; it has the signed root at position {}", newest.size),
        None => "verified; there is no checkpoint up to there".to_owned(),
    })
}

fn restore_key(data: &DataDir, depot: &Depot, key: &KeyFile) -> Result<(), Failure> {
    let bytes = depot.get(&key.object).map_err(failed)?;
    if backup::sha256_hex(&bytes) != key.sha256 {
        return Err(Failure::data(format!(
            "{}: its SHA-256 is not the one of the backup",
            key.object
        )));
    }
    let below = Path::new(&key.path);
    if !below.components().all(|part| matches!(part, Component::Normal(_))) {
        return Err(Failure::data(format!(
            "backup.json: {:?} is no path below the directory",
            key.path
        )));
    }
    write(&data.root().join(below), &bytes)
}

/// Continues the history of checkpoints, or keeps it beside.
fn keep_checkpoints(data: &DataDir, done: &Done<'_>, continues: bool) -> Result<(), Failure> {
    let Some(newest) = done.checkpoints.last() else { return Ok(()) };
    let copy = done.copy;
    let organization = data.organization_dir(copy.org_id);
    let all: String = done.checkpoints.iter().map(|it| format!("{}\n", it.note)).collect();
    if continues {
        let folder = organization.join("custody");
        write(&folder.join("checkpoints"), all.as_bytes())?;
        return write(&folder.join("checkpoint"), newest.note.as_bytes());
    }
    let folder = organization.join(SET_ASIDE);
    write(&folder.join("checkpoints"), all.as_bytes())?;
    let vkey = copy.vkey.clone().unwrap_or_default();
    write(&folder.join("vkey"), format!("{vkey}\n").as_bytes())?;
    say(&format!(
        "organization {}: checkpoints begin anew with another key; those before are in {}",
        copy.name,
        folder.display()
    ));
    Ok(())
}

/// Writes a file for its owner only, durably.
fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let write = || -> io::Result<()> {
        if let Some(parent) = path.parent() {
            DirBuilder::new().recursive(true).mode(0o700).create(parent)?;
        }
        let mut file = File::options().write(true).create_new(true).mode(0o600).open(path)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        path.parent().map_or(Ok(()), |parent| File::open(parent)?.sync_all())
    };
    write().map_err(|error| trouble(path, &error))
}
