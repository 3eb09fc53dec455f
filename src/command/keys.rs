//! `ledgerline keys`.

use std::collections::BTreeSet;

use ledgerline_event_store::crypt::KeyStatus;
use ledgerline_schemas::id::SubjectId;

use crate::cli::{Keys, KeysRotate, KeysVerb, Local};
use crate::data_dir::{DataDir, Known};
use crate::failure::Failure;
use crate::keys;
use crate::output::say;

/// Runs the command.
pub(crate) fn run(arguments: Keys) -> Result<(), Failure> {
    match arguments.verb {
        KeysVerb::List(local) => list(&local),
        KeysVerb::RotateKek(local) => rotate_kek(&local),
        KeysVerb::Rotate(arguments) => rotate(&arguments),
        KeysVerb::RotateStorage(local) => rotate_storage(&local),
    }
}

fn list(local: &Local) -> Result<(), Failure> {
    let data = DataDir::existing(&local.data)?;
    let _held = data.hold()?;
    let ring = keys::open(&data, None)?;
    for known in data.choose_or_all(local.org.as_deref())? {
        show(&known, &ring.status(known.org_id).map_err(Failure::file)?);
    }
    Ok(())
}

fn show(known: &Known, status: &KeyStatus) {
    say(&format!("organization {} ({})", known.name, known.org_id));
    say(&format!("  key-encryption keys in {}", status.place));
    for (kek, wraps) in &status.keks {
        let state = if *kek == status.current { "in force" } else { "older" };
        say(&format!("  {kek}  {state}, wraps {wraps} data keys"));
    }
    say(&format!("  {} data keys of {} persons", status.data_keys, status.subjects));
    let newest = status.storage_keys.last();
    for key in &status.storage_keys {
        let state = if Some(key) == newest { "for new files" } else { "older" };
        say(&format!("  storage key {key}  {state}"));
    }
}

fn rotate_storage(local: &Local) -> Result<(), Failure> {
    let data = DataDir::existing(&local.data)?;
    let _held = data.hold()?;
    let ring = keys::open(&data, None)?;
    for known in data.choose_or_all(local.org.as_deref())? {
        let key = ring.rotate_storage(known.org_id).map_err(Failure::file)?;
        say(&format!(
            "organization {}: files are encrypted with storage key {key} from now on, where encryption is on",
            known.name
        ));
    }
    Ok(())
}

fn rotate_kek(local: &Local) -> Result<(), Failure> {
    let data = DataDir::existing(&local.data)?;
    let _held = data.hold()?;
    let ring = keys::open(&data, None)?;
    for known in data.choose_or_all(local.org.as_deref())? {
        let rotated = ring.rotate_kek(known.org_id).map_err(Failure::file)?;
        say(&format!(
            "organization {}: key-encryption key {} in force, {} keys wrapped anew",
            known.name, rotated.kek, rotated.rewrapped
        ));
        for kek in rotated.destroyed {
            say(&format!("destroyed {kek}; older copies of keys.redb are of no use now"));
        }
    }
    Ok(())
}

fn rotate(arguments: &KeysRotate) -> Result<(), Failure> {
    let data = DataDir::existing(&arguments.local.data)?;
    let _held = data.hold()?;
    let known = data.choose(arguments.local.org.as_deref())?;
    let ring = keys::open(&data, None)?;
    let named = arguments.person.named().subjects(&ring, known.org_id).map_err(Failure::data)?;
    // A new key for somebody of whom there is nothing would only be noise.
    let keys = ring.keys_of(known.org_id, &named).map_err(Failure::file)?;
    let subjects: BTreeSet<SubjectId> = keys.into_iter().map(|(subject, _)| subject).collect();
    if subjects.is_empty() {
        return Err(Failure::data("there is no key of this person in this organization"));
    }
    for subject in &subjects {
        let key = ring.rotate_subject(known.org_id, *subject).map_err(Failure::file)?;
        say(&format!("person {subject}: new values are sealed with key {key}"));
    }
    Ok(())
}
