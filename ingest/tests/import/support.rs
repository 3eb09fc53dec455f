//! A log, a key ring and rows in the format of the built-in mapping. All people and calls are invented.

use std::collections::BTreeMap;

use ledgerline_event_store::crypt::KeyRing;
use ledgerline_event_store::memory::MemoryLog;
use ledgerline_event_store::{Direction, EventReader, EventWriter, Filter};
use ledgerline_ingest::import::{self, ImportError, ImportReport, Mapping, Source};
use ledgerline_schemas::event::Event;
use ledgerline_schemas::id::OrgId;
use ledgerline_schemas::{Position, Recorded, Timestamp};

pub(crate) const HEADER: &str = "vru+line\tcall_id\tcustomer_id\tpriority\ttype\tdate\tvru_entry\tvru_exit\t\
    vru_time\tq_start\tq_exit\tq_time\toutcome\tser_start\tser_exit\tser_time\tserver";

pub(crate) const ORG: OrgId = OrgId::from_u128(0x0a11);

pub(crate) fn now() -> Timestamp {
    Timestamp::from_micros(1_700_000_000_000_000)
}

/// A row of the built-in mapping's format; `set` changes fields by name.
pub(crate) fn row(call_id: u32, set: &[(&str, &str)]) -> String {
    let mut fields: BTreeMap<&str, String> = BTreeMap::new();
    let answered_after_a_wait = [
        ("vru+line", "AA0101"),
        ("customer_id", "4711004711"),
        ("priority", "1"),
        ("type", "PS"),
        ("date", "990105"),
        ("vru_entry", "9:00:00"),
        ("vru_exit", "9:00:10"),
        ("vru_time", "10"),
        ("q_start", "9:00:10"),
        ("q_exit", "9:00:40"),
        ("q_time", "30"),
        ("outcome", "AGENT"),
        ("ser_start", "9:00:40"),
        ("ser_exit", "9:02:40"),
        ("ser_time", "120"),
        ("server", "QUILLAN"),
    ];
    for (name, value) in answered_after_a_wait.iter().chain(set) {
        fields.insert(name, (*value).to_owned());
    }
    fields.insert("call_id", call_id.to_string());
    let values: Vec<String> =
        HEADER.split('\t').map(|name| fields.get(name).cloned().expect("a column")).collect();
    values.join("\t")
}

/// A call that was answered without waiting.
pub(crate) const AT_ONCE: &[(&str, &str)] =
    &[("customer_id", "0"), ("q_start", "0:00:00"), ("q_exit", "0:00:00"), ("q_time", "0")];

/// A call that was abandoned in the queue.
pub(crate) const ABANDONED: &[(&str, &str)] = &[
    ("outcome", "HANG"),
    ("ser_start", "0:00:00"),
    ("ser_exit", "0:00:00"),
    ("ser_time", "0"),
    ("server", "NO_SERVER"),
];

/// Both lists of changes, the second on top.
pub(crate) fn with<'a>(
    base: &[(&'a str, &'a str)],
    more: &[(&'a str, &'a str)],
) -> Vec<(&'a str, &'a str)> {
    base.iter().chain(more).copied().collect()
}

pub(crate) fn file(rows: &[String]) -> String {
    let mut text = String::from(HEADER);
    for row in rows {
        text.push('\n');
        text.push_str(row);
    }
    text.push('\n');
    text
}

pub(crate) struct Bench {
    pub(crate) log: MemoryLog,
    pub(crate) keyring: KeyRing,
    pub(crate) mapping: Mapping,
}

impl Bench {
    pub(crate) fn new(mapping: Mapping) -> Self {
        let keyring = KeyRing::in_memory().expect("a key ring");
        Self { log: MemoryLog::new(ORG, now), keyring, mapping }
    }

    pub(crate) fn bank() -> Self {
        Self::new(Mapping::named("anonymous-bank").expect("built in"))
    }

    pub(crate) async fn try_import(&self, text: &str) -> Result<ImportReport, ImportError> {
        self.import_into(&self.log, text.as_bytes()).await
    }

    pub(crate) async fn import_into(
        &self,
        writer: &dyn EventWriter,
        bytes: &[u8],
    ) -> Result<ImportReport, ImportError> {
        let source = Source { name: "calls.txt", bytes, imported_at: now() };
        import::call_records(writer, &self.keyring, &self.mapping, source, &mut |_| {}).await
    }

    pub(crate) async fn import(&self, text: &str) -> ImportReport {
        let report = self.try_import(text).await.expect("imported");
        let parts = report.interactions + report.skipped + report.rejected.len() as u64;
        assert_eq!(report.rows, parts, "rows = interactions + skipped + rejected");
        report
    }

    pub(crate) fn recorded(&self) -> Vec<Recorded> {
        let everything = Filter::all();
        self.log
            .read_all(Position::START, Direction::Forward, &everything, usize::MAX)
            .expect("readable")
            .events
    }

    /// Time and event of all interaction streams.
    pub(crate) fn facts(&self) -> Vec<(Timestamp, Event)> {
        self.recorded()
            .iter()
            .filter(|it| it.header.stream.as_str().starts_with("interaction-"))
            .map(|it| (it.header.time, it.decode().expect("decodes")))
            .collect()
    }

    /// One line per fact: local time of the bank in winter, type, and what matters of it.
    pub(crate) fn story(&self) -> Vec<String> {
        self.facts().iter().map(|(time, event)| tell(*time, event)).collect()
    }
}

fn tell(time: Timestamp, event: &Event) -> String {
    let local = time.plus_ms(2 * 3_600_000).to_string();
    let at = local.get(8..19).expect("day and time").replace('T', " ");
    let detail = match event {
        Event::QueueEntered(it) => format!(" credit {} ms", it.wait_credit_ms),
        Event::QueueLeft(it) => format!(" {} after {} ms", it.reason.name(), it.wait_ms),
        Event::FlowEnded(it) => format!(" {}", it.exit.name()),
        Event::LegDisconnected(it) => format!(" after {} ms", it.connected_ms),
        Event::InteractionEnded(it) => format!(" {} {}", it.last_stage.name(), it.reason.name()),
        Event::InteractionAttributesSet(it) => {
            let noted = it.changes.get("import_quirks").and_then(|change| change.new.clone());
            format!(" {}", noted.unwrap_or_default())
        }
        _ => String::new(),
    };
    format!("{at} {}{detail}", event.event_type())
}
