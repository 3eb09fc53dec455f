//! `ledgerline audit verify`.

use std::fs;
use std::io;
use std::path::Path;

use ledgerline_event_store::custody::origin;
use ledgerline_event_store::custody::verify::{
    self, Checkpoint, Evidence, PublicKey, Report, notes,
};

use super::{hold, is_about, own_key, progress_bar, read, show};
use crate::cli::AuditVerify;
use crate::data_dir::{DataDir, Known};
use crate::failure::Failure;
use crate::organization::open_log_to_read;
use crate::output::say;

/// Holds the logs against checkpoints.
pub(super) fn run(arguments: &AuditVerify) -> Result<(), Failure> {
    let (data, _held) = hold(&arguments.local.data)?;
    let known = data.choose_or_all(arguments.local.org.as_deref())?;
    let given = Given::read(arguments, &known)?;
    let mut wrong = Vec::new();
    for known in &known {
        let found = organization(&data, known, &given, arguments)?;
        if found > 0 {
            wrong.push(format!("{} ({found} findings)", known.name));
        }
    }
    if wrong.is_empty() {
        return Ok(());
    }
    Err(Failure::data(format!("the log is not what was signed: {}", wrong.join(", "))))
}

/// What the caller trusts.
struct Given {
    keys: Vec<PublicKey>,
    /// File, byte where it begins, signed note.
    notes: Vec<(String, usize, String)>,
}

impl Given {
    fn read(arguments: &AuditVerify, known: &[Known]) -> Result<Self, Failure> {
        let keys = arguments.key.iter().map(|key| {
            PublicKey::parse(key).map_err(|error| Failure::data(format!("--key {key}: {error}")))
        });
        let mut given = Self { keys: keys.collect::<Result<_, _>>()?, notes: Vec::new() };
        for path in &arguments.checkpoint {
            let text = read(path)?;
            let file = path.display().to_string();
            let before = given.notes.len();
            given.notes.extend(notes(&text).map(|(at, note)| (file.clone(), at, note.to_owned())));
            if given.notes.len() == before {
                return Err(Failure::data(format!("{file}: there is no checkpoint in it")));
            }
        }
        let names: Vec<&str> = known.iter().map(|known| known.name.as_str()).collect();
        for (file, at, note) in &given.notes {
            if !known.iter().any(|known| is_about(note, known)) {
                return Err(Failure::data(format!(
                    "{file}, byte {at}: it is not a checkpoint of {}; its first line is {:?}",
                    names.join(" or "),
                    note.lines().next().unwrap_or_default()
                )));
            }
        }
        Ok(given)
    }

    fn key(&self, known: &Known) -> Option<PublicKey> {
        let origin = origin(known.org_id);
        self.keys.iter().find(|key| key.name() == origin).cloned()
    }

    /// The checkpoints of an organization from outside.
    fn checkpoints(&self, known: &Known, key: &PublicKey) -> Result<Vec<Checkpoint>, Failure> {
        let about = self.notes.iter().filter(|(_, _, note)| is_about(note, known));
        about
            .map(|(file, at, note)| {
                Checkpoint::open(note, key)
                    .map_err(|error| Failure::data(format!("{file}, byte {at}: {error}")))
            })
            .collect()
    }
}

/// The organization's own checkpoints, and what is wrong with the files they are in.
fn own(folder: &Path, key: &PublicKey) -> Result<(Vec<Checkpoint>, Vec<String>), Failure> {
    let text = |name: &str| match fs::read(folder.join(name)) {
        Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        Err(error) => Err(Failure::file(format!("{}: {error}", folder.join(name).display()))),
    };
    let mut checkpoints = Vec::new();
    let mut wrong = Vec::new();
    for (at, note) in notes(&text("checkpoints")?) {
        match Checkpoint::open(note, key) {
            Ok(checkpoint) => checkpoints.push(checkpoint),
            Err(error) => wrong.push(format!("custody/checkpoints, byte {at}: {error}")),
        }
    }
    let published = text("checkpoint")?;
    if published.is_empty() {
        if !checkpoints.is_empty() {
            wrong.push("custody/checkpoint: the published checkpoint is missing".to_owned());
        }
    } else {
        match Checkpoint::open(&published, key) {
            Ok(checkpoint) if checkpoints.contains(&checkpoint) => {}
            Ok(checkpoint) => {
                wrong.push(format!(
                    "custody/checkpoints: the published checkpoint of size {} is not in it",
                    checkpoint.size
                ));
                checkpoints.push(checkpoint);
            }
            Err(error) => wrong.push(format!("custody/checkpoint: {error}")),
        }
    }
    Ok((checkpoints, wrong))
}

/// Verifies one organization; how many things are wrong.
fn organization(
    data: &DataDir,
    known: &Known,
    given: &Given,
    arguments: &AuditVerify,
) -> Result<usize, Failure> {
    let key = match given.key(known) {
        Some(key) => Some(key),
        None => own_key(data, known)?,
    };
    let folder = data.organization_dir(known.org_id).join("custody");
    let (outside, own, mut wrong) = match &key {
        Some(key) => {
            let (own, wrong) = own(&folder, key)?;
            (given.checkpoints(known, key)?, own, wrong)
        }
        None if given.notes.is_empty() => (Vec::new(), Vec::new(), Vec::new()),
        None => {
            return Err(Failure::data(format!(
                "organization {}: the data directory has no custody.key; say with --key which public key \
                 to trust",
                known.name
            )));
        }
    };
    let log = open_log_to_read(data, known)?;
    let tiles: Vec<&Path> =
        arguments.tiles.iter().map(std::path::PathBuf::as_path).chain([folder.as_path()]).collect();
    let evidence = Evidence { outside: &outside, own: Some(&own), tiles: &tiles };
    let bar = progress_bar("verifying", "events");
    let report = verify::log(&*log, &evidence, &mut |at, of| show(&bar, at, of));
    bar.finish_and_clear();
    wrong.extend(report.findings.iter().map(ToString::to_string));
    say(&format!(
        "organization {}: {} events read, up to position {}",
        known.name, report.events, report.head
    ));
    tell("checkpoints from outside", &report.outside, outside.len());
    tell("checkpoints of its own", &report.own, own.len());
    for finding in &wrong {
        say(&format!("  WRONG {finding}"));
    }
    if wrong.is_empty() {
        say(&format!("  {}", verdict(&report)));
    }
    Ok(wrong.len())
}

fn tell(what: &str, fitting: &[u64], all: usize) {
    if all > 0 {
        let newest =
            fitting.last().map_or_else(String::new, |size| format!(", newest at position {size}"));
        say(&format!("  fits {} of {all} {what}{newest}", fitting.len()));
    }
}

fn verdict(report: &Report) -> String {
    if let Some(size) = report.outside.last() {
        return format!("unchanged up to position {size}");
    }
    let kept = "keep checkpoints elsewhere and give them with --checkpoint";
    match report.own.last() {
        Some(size) => format!(
            "unchanged up to position {size}, as far as its own checkpoints tell; whoever has the files and the \
             key can replace those: {kept}"
        ),
        None => format!(
            "whole in itself; there is no checkpoint to hold it against: `ledgerline audit checkpoint` signs \
             one; {kept}"
        ),
    }
}
