//! `ledgerline audit`: custody of the log.

mod server;
mod verify;

use std::path::Path;
use std::sync::Arc;

use indicatif::{ProgressBar, ProgressStyle};
use ledgerline_access::{Principal, Role};
use ledgerline_analyzer_api::record::access_event;
use ledgerline_event_store::custody::verify::{Checkpoint, PublicKey};
use ledgerline_event_store::custody::{Custody, CustodyError, CustodyKey, origin};
use ledgerline_event_store::{Append, Direction, EmbeddedLog, EventReader as _, EventWriter as _};
use ledgerline_schemas::event::access::AccessHistoryViewed;
use ledgerline_schemas::id::InteractionId;
use ledgerline_schemas::{Event, Position, StreamId, Version};

use crate::cli::{Audit, AuditCheckpoint, AuditExport, AuditKey, AuditProve, AuditVerb, Target};
use crate::command::client::Server;
use crate::data_dir::{DataDir, Held, Known};
use crate::failure::Failure;
use crate::organization::open_log_to_read;
use crate::output::{print, say};

/// Runs one of the verbs.
pub(crate) async fn run(arguments: Audit) -> Result<(), Failure> {
    if let Some(server) = arguments.verb.target().map(Server::of).transpose()?.flatten() {
        return match &arguments.verb {
            AuditVerb::Key(_) => server::key(&server).await,
            AuditVerb::Checkpoint(arguments) => server::checkpoint(&server, arguments).await,
            AuditVerb::Prove(arguments) => server::prove(&server, arguments).await,
            AuditVerb::Export(arguments) => server::export(&server, arguments).await,
            AuditVerb::Verify(_) => Ok(()),
        };
    }
    tokio::task::spawn_blocking(move || match arguments.verb {
        AuditVerb::Key(arguments) => key(&arguments),
        AuditVerb::Checkpoint(arguments) => checkpoint(&arguments),
        AuditVerb::Prove(arguments) => prove(&arguments),
        AuditVerb::Verify(arguments) => verify::run(&arguments),
        AuditVerb::Export(arguments) => export(&arguments),
    })
    .await
    .map_err(Failure::software)?
}

/// The data directory, for this process alone.
fn hold(path: &Path) -> Result<(DataDir, Held), Failure> {
    let data = DataDir::existing(path)?;
    match data.hold() {
        Ok(held) => Ok((data, held)),
        Err(failure) if failure.code() == Failure::busy("").code() => Err(Failure::busy(format!(
            "{}: a running server (or another command) uses this data directory; this reads the files \
             themselves: stop the server first, or audit a copy; `key`, `checkpoint`, `prove` and `export` also \
             ask a running server (--server)",
            path.display()
        ))),
        Err(failure) => Err(failure),
    }
}

fn failed(known: &Known) -> impl Fn(CustodyError) -> Failure + use<> {
    let name = known.name.clone();
    move |error| {
        let message = format!("organization {name}: {error}");
        match error {
            CustodyError::LogCut { .. }
            | CustodyError::LogChanged { .. }
            | CustodyError::ProofFails { .. } => {
                Failure::data(format!("{message}; `ledgerline audit verify` says where"))
            }
            CustodyError::NoEvents { .. } | CustodyError::NotCovered { .. } => {
                Failure::data(message)
            }
            _ => Failure::file(message),
        }
    }
}

/// One organization's log and its custody.
struct Kept {
    known: Known,
    log: Arc<EmbeddedLog>,
    custody: Custody,
}

impl Kept {
    fn open(data: &DataDir, known: Known) -> Result<Self, Failure> {
        let failed = failed(&known);
        let key = CustodyKey::open_or_create(data.root()).map_err(Failure::file)?;
        let log = open_log_to_read(data, &known)?;
        let folder = data.organization_dir(known.org_id).join("custody");
        let custody = Custody::open(&folder, known.org_id, key).map_err(failed)?;
        Ok(Self { known, log, custody })
    }

    fn one(target: &Target) -> Result<(Self, Held), Failure> {
        let (data, held) = hold(target.data())?;
        let known = data.choose(target.org.as_deref())?;
        Ok((Self::open(&data, known)?, held))
    }

    fn sign(&mut self) -> Result<Checkpoint, Failure> {
        let bar = progress_bar("reading", "events");
        let signed = self.custody.checkpoint(&*self.log, &mut |at, of| show(&bar, at, of));
        bar.finish_and_clear();
        signed.map_err(failed(&self.known))
    }

    /// Signs a checkpoint if the newest one does not cover the interaction; the interaction's stream.
    fn cover(&mut self, interaction: InteractionId) -> Result<StreamId, Failure> {
        let stream = StreamId::interaction(interaction);
        let last = self.log.read_stream(&stream, Version(u64::MAX), Direction::Backward, 1);
        let last = last.map_err(|error| failed(&self.known)(error.into()))?;
        let last = last.first().map(|event| event.header.position).ok_or_else(|| {
            Failure::data(format!(
                "organization {}: there is no interaction {interaction}",
                self.known.name
            ))
        })?;
        if self.custody.newest().is_none_or(|newest| newest.size < last.0) {
            self.sign()?;
        }
        Ok(stream)
    }
}

fn interaction(text: &str) -> Result<InteractionId, Failure> {
    text.parse().map_err(|error| Failure::data(format!("INTERACTION is not an id: {error}")))
}

fn read(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path)
        .map_err(|error| Failure::file(format!("{}: {error}", path.display())))
}

fn key(arguments: &AuditKey) -> Result<(), Failure> {
    let data = DataDir::existing(arguments.target.data())?;
    let key = match CustodyKey::open(data.root()).map_err(Failure::file)? {
        Some(key) => key,
        None => {
            // Reading it needs nobody's leave; of two that make one, only one may.
            let (data, _held) = hold(arguments.target.data())?;
            CustodyKey::open_or_create(data.root()).map_err(Failure::file)?
        }
    };
    for known in data.choose_or_all(arguments.target.org.as_deref())? {
        say(&key.vkey(&origin(known.org_id)));
    }
    Ok(())
}

fn checkpoint(arguments: &AuditCheckpoint) -> Result<(), Failure> {
    let (data, _held) = hold(arguments.target.data())?;
    let since = arguments.since.as_deref().map(|path| Ok((path, read(path)?))).transpose()?;
    let mut printed = 0;
    for known in data.choose_or_all(arguments.target.org.as_deref())? {
        if since.as_ref().is_some_and(|(_, note)| !is_about(note, &known)) {
            continue;
        }
        let mut kept = Kept::open(&data, known)?;
        let signed = kept.sign()?;
        let text = match &since {
            None => signed.note,
            Some((path, note)) => kept.continues(path, note)?,
        };
        // One after the other, with an empty line between: `--checkpoint` reads such a file.
        print(&format!("{}{text}", if printed > 0 { "\n" } else { "" }));
        printed += 1;
    }
    match since {
        Some((path, _)) if printed == 0 => Err(Failure::data(format!(
            "{}: it is not a checkpoint of an organization here",
            path.display()
        ))),
        _ => Ok(()),
    }
}

fn is_about(note: &str, known: &Known) -> bool {
    note.lines().next() == Some(&origin(known.org_id))
}

impl Kept {
    /// The proof that the newest checkpoint continues this one.
    fn continues(&mut self, path: &Path, note: &str) -> Result<String, Failure> {
        let old = Checkpoint::open(note, self.custody.public_key())
            .map_err(|error| Failure::data(format!("{}: {error}", path.display())))?;
        let bar = progress_bar("reading", "events");
        let proof =
            self.custody.prove_consistency(&*self.log, &old, &mut |at, of| show(&bar, at, of));
        bar.finish_and_clear();
        proof.map_err(failed(&self.known))
    }
}

fn prove(arguments: &AuditProve) -> Result<(), Failure> {
    let interaction = interaction(&arguments.interaction)?;
    let (mut kept, _held) = Kept::one(&arguments.target)?;
    let failed = failed(&kept.known);
    let stream = kept.cover(interaction)?;
    let events = kept.custody.covered(&*kept.log, &stream).map_err(&failed)?;
    if let Some(out) = &arguments.out {
        std::fs::create_dir_all(out)
            .map_err(|error| Failure::file(format!("{}: {error}", out.display())))?;
    }
    let count = events.len();
    for (number, event) in events.iter().enumerate() {
        let proof = kept.custody.prove(&*kept.log, event, &mut |_, _| {}).map_err(&failed)?;
        match &arguments.out {
            None => print(&format!("{}{proof}", if number > 0 { "\n" } else { "" })),
            Some(out) => {
                let path = out.join(format!("{}.tlog-proof", event.header.position));
                std::fs::write(&path, proof)
                    .map_err(|error| Failure::file(format!("{}: {error}", path.display())))?;
            }
        }
    }
    if let Some(out) = &arguments.out {
        let size = kept.custody.newest().map_or(0, |newest| newest.size);
        say(&format!("{count} proofs under the checkpoint of size {size} in {}", out.display()));
    }
    Ok(())
}

fn export(arguments: &AuditExport) -> Result<(), Failure> {
    let interaction = interaction(&arguments.interaction)?;
    let (mut kept, _held) = Kept::one(&arguments.target)?;
    let failed = failed(&kept.known);
    let since = arguments.since.as_deref().map(|path| Ok((path, read(path)?))).transpose()?;
    let stream = kept.cover(interaction)?;
    let since = since.map(|(path, note)| Ok((kept.continues(path, &note)?, note))).transpose()?;
    // Whoever takes a history away has looked at it. On the log before anything is written.
    let operator = Principal {
        org_id: kept.known.org_id,
        subject: "operator".to_owned(),
        roles: [Role::Auditor].into(),
        user_id: None,
        user_profile_id: None,
    };
    let viewed =
        AccessHistoryViewed { principal: operator.subject.clone(), interaction_id: interaction };
    let events = vec![access_event(&operator, &Event::from(viewed))];
    let recorded = kept.log.submit(Append { events, expected: Vec::new() });
    recorded.and_then(|submitted| submitted.wait_blocking()).map_err(Failure::software)?;
    let bar = progress_bar("proving", "events");
    let exported =
        kept.custody.export(&*kept.log, &stream, &arguments.out, &mut |at, of| show(&bar, at, of));
    bar.finish_and_clear();
    let exported = exported.map_err(failed)?;
    if let Some((proof, note)) = since {
        for (name, text) in [("older-checkpoint", note), ("consistency-proof", proof)] {
            let path = arguments.out.join(name);
            std::fs::write(&path, text)
                .map_err(|error| Failure::file(format!("{}: {error}", path.display())))?;
        }
    }
    say(&format!(
        "{} events of interaction {interaction} under the checkpoint of size {}, in {}",
        exported.events,
        exported.size,
        arguments.out.display()
    ));
    say("README.md there says how to verify it; in short: python3 verify.py, in that folder");
    say(&format!("public key, to be given by another way: {}", kept.custody.vkey()));
    Ok(())
}

/// The public key of the data directory for an organization, if it has a key.
fn own_key(data: &DataDir, known: &Known) -> Result<Option<PublicKey>, Failure> {
    let key = CustodyKey::open(data.root()).map_err(Failure::file)?;
    let Some(key) = key else { return Ok(None) };
    PublicKey::parse(&key.vkey(&origin(known.org_id))).map(Some).map_err(Failure::software)
}

fn progress_bar(what: &'static str, of: &str) -> ProgressBar {
    let bar = ProgressBar::new(0);
    let template = format!("{{msg}} {{bar:40}} {{pos}}/{{len}} {of}  {{per_sec}}  {{eta}} left");
    if let Ok(style) = ProgressStyle::with_template(&template) {
        bar.set_style(style);
    }
    bar.set_message(what);
    bar
}

fn show(bar: &ProgressBar, at: Position, of: Position) {
    bar.set_length(of.0);
    bar.set_position(at.0);
}
