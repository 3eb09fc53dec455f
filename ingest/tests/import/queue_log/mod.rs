//! Importing queue logs of Asterisk. All people and calls are invented.

mod agents;
mod calls;
mod files;
mod lines;
mod people;
mod repeat;

use ledgerline_event_store::EventWriter;
use ledgerline_event_store::crypt::KeyRing;
use ledgerline_event_store::memory::MemoryLog;
use ledgerline_event_store::{Direction, EventReader as _, Filter};
use ledgerline_ingest::import::{ImportError, QueueLogMapping, QueueLogReport, Source, queue_logs};
use ledgerline_schemas::event::Event;
use ledgerline_schemas::{Position, Recorded};

use crate::support::{ORG, now};

pub(crate) struct Bench {
    pub(crate) log: MemoryLog,
    pub(crate) keyring: KeyRing,
    pub(crate) mapping: QueueLogMapping,
    pub(crate) end_open: Option<u64>,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self {
            log: MemoryLog::new(ORG, now),
            keyring: KeyRing::in_memory().expect("a key ring"),
            mapping: QueueLogMapping::default(),
            end_open: None,
        }
    }

    pub(crate) fn mapped(toml: &str) -> Self {
        Self { mapping: QueueLogMapping::from_toml(toml).expect("a mapping"), ..Self::new() }
    }

    pub(crate) async fn import_into(
        &self,
        writer: &dyn EventWriter,
        files: &[(&str, &[u8])],
    ) -> Result<QueueLogReport, ImportError> {
        let sources: Vec<Source<'_>> =
            files.iter().map(|(name, bytes)| Source { name, bytes, imported_at: now() }).collect();
        queue_logs(writer, &self.keyring, &self.mapping, &sources, self.end_open, &mut |_| {}).await
    }

    /// Imports files; every line is accounted for.
    pub(crate) async fn files(&self, files: &[(&str, &[u8])]) -> QueueLogReport {
        let report = self.import_into(&self.log, files).await.expect("imported");
        let counts = report.counts();
        assert_eq!(counts.lines, counts.mapped + counts.information + counts.rejected);
        for file in &report.files {
            assert_eq!(file.counts.rejected, file.rejected.len() as u64);
        }
        let by_event: u64 = report.by_event.values().map(|of| of.lines).sum();
        assert_eq!(by_event, counts.lines);
        report
    }

    pub(crate) async fn import(&self, text: &str) -> QueueLogReport {
        self.files(&[("queue_log", text.as_bytes())]).await
    }

    pub(crate) fn recorded(&self) -> Vec<Recorded> {
        let everything = Filter::all();
        self.log
            .read_all(Position::START, Direction::Forward, &everything, usize::MAX)
            .expect("readable")
            .events
    }

    /// One line per event of the streams that begin so: second, type, and what matters of it.
    pub(crate) fn story(&self, streams: &str) -> Vec<String> {
        self.recorded()
            .iter()
            .filter(|it| it.header.stream.as_str().starts_with(streams))
            .map(|it| {
                let second = it.header.time.micros() / 1_000_000;
                let event = it.decode().expect("decodes");
                format!("{second} {}{}", event.event_type(), tell(&event))
            })
            .collect()
    }

    pub(crate) fn calls(&self) -> Vec<String> {
        self.story("interaction-")
    }

    pub(crate) fn agents(&self) -> Vec<String> {
        self.story("agent-")
    }
}

fn tell(event: &Event) -> String {
    let words: Vec<String> = match event {
        Event::InteractionCreated(it) => {
            let parent = it.parent_interaction_id.map(|_| "child".to_owned());
            it.media_ref.iter().chain(&it.destination).cloned().chain(parent).collect()
        }
        Event::InteractionAttributesSet(it) => it
            .changes
            .iter()
            .flat_map(|(name, change)| [name.clone(), change.new.clone().unwrap_or_default()])
            .collect(),
        Event::QueueEntered(it) => vec![it.leg_no.to_string(), it.source.name().to_owned()],
        Event::QueueLeft(it) => vec![it.reason.name().to_owned(), it.wait_ms.to_string()],
        Event::OfferMade(it) => vec![it.ring_timeout_ms.to_string()],
        Event::OfferRescinded(it) => vec![it.reason.name().to_owned()],
        Event::OfferRejected(it) => vec![it.reason.name().to_owned()],
        Event::OfferFailed(it) => vec![it.code.clone()],
        Event::LegDisconnected(it) => {
            vec![it.reason.name().to_owned(), it.connected_ms.to_string()]
        }
        Event::TransferRequested(it) => vec![it.kind.name().to_owned()],
        Event::InteractionEnded(it) => {
            vec![it.last_stage.name().to_owned(), it.reason.name().to_owned()]
        }
        Event::AgentStateChanged(it) => vec![it.to.name().to_owned(), it.cause.name().to_owned()],
        Event::AgentSessionEnded(it) => vec![it.reason.name().to_owned()],
        Event::ExternalEvent(it) => vec![it.external_type.clone()],
        _ => Vec::new(),
    };
    words.iter().map(|word| format!(" {word}")).collect()
}

/// Lines of a log, each with its end.
pub(crate) fn lines(lines: &[&str]) -> String {
    lines.iter().map(|line| format!("{line}\n")).collect()
}
