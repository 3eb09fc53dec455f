//! What an import of queue logs did with every line.

use std::collections::BTreeMap;
use std::fmt;

use ledgerline_schemas::id::ImportId;

use super::quirk::QueueLogQuirkCounts;
use super::state::{Phase, State};
use crate::import::report::RejectedRow;

/// What became of lines. `lines = mapped + information + rejected`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LineCounts {
    /// Lines that hold anything.
    pub lines: u64,
    /// Lines that became events of interactions or agents.
    pub mapped: u64,
    /// Lines that are kept as information only.
    pub information: u64,
    /// Lines that were refused.
    pub rejected: u64,
}

impl LineCounts {
    pub(super) fn add(&mut self, other: &Self) {
        self.lines += other.lines;
        self.mapped += other.mapped;
        self.information += other.information;
        self.rejected += other.rejected;
    }
}

/// What became of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileReport {
    /// The batch: the same for the same mapping and content, packed or not.
    pub import_id: ImportId,
    /// Name of the file as given.
    pub file: String,
    /// SHA-256 of the unpacked content, lower-case hex.
    pub file_sha256: String,
    /// Another file that begins with all that is in this one: this one was not read.
    pub contained_in: Option<String>,
    /// Its lines.
    pub counts: LineCounts,
    /// Of these, lines that were on the log already, refused ones included.
    pub already_there: u64,
    /// Lines that hold nothing; they are in no other count.
    pub blank: u64,
    /// Interactions that began.
    pub interactions: u64,
    /// Lines refused, in order.
    pub rejected: Vec<RejectedRow>,
}

/// Interactions and sessions that had not ended where the log ends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OpenInteractions {
    /// Known by the number they came to only; they are no interactions yet.
    pub arrived: u64,
    /// Waiting in a queue.
    pub waiting: u64,
    /// Connected to an agent.
    pub connected: u64,
    /// They left a queue by timeout, key or because it had no agents; what came then is not in the log.
    pub left: u64,
    /// Transferred by an agent; what came then is not in the log.
    pub transferred: u64,
    /// Calls of those that wait or are connected, in order of time, at most [`OpenInteractions::CALLS_MAX`].
    pub calls: Vec<String>,
    /// Agents who had not logged out.
    pub agents: u64,
}

impl OpenInteractions {
    /// Most calls that are named.
    pub const CALLS_MAX: usize = 20;

    pub(super) fn of(state: &State) -> Self {
        let mut open =
            Self { arrived: state.arrived(), agents: state.sessions(), ..Self::default() };
        let mut calls = Vec::new();
        for (_, call) in state.open() {
            match call.phase {
                Phase::Waiting { .. } => open.waiting += 1,
                Phase::Talking { .. } => open.connected += 1,
                Phase::Left => open.left += 1,
                Phase::Transferred => open.transferred += 1,
                Phase::Over => {}
            }
            if matches!(call.phase, Phase::Waiting { .. } | Phase::Talking { .. }) {
                calls.push((call.last, call.call.clone()));
            }
        }
        calls.sort();
        calls.truncate(Self::CALLS_MAX);
        open.calls = calls.into_iter().map(|(_, call)| call).collect();
        open
    }

    /// Interactions that had not ended.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.waiting + self.connected + self.left + self.transferred
    }
}

/// What an import of queue logs did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueLogReport {
    /// Name of the mapping.
    pub mapping: String,
    /// The files in the order in which they were read.
    pub files: Vec<FileReport>,
    /// What became of the lines, by event. What is no event that is known is under `(other)`.
    pub by_event: BTreeMap<String, LineCounts>,
    /// What had not ended at the end.
    pub open: OpenInteractions,
    /// Interactions that were ended because that was asked for.
    pub ended_on_request: u64,
    /// What was odd, counted over the lines that were new.
    pub quirks: QueueLogQuirkCounts,
    /// Events appended by this import; 0 when everything was there already.
    pub events_appended: u64,
}

impl QueueLogReport {
    /// All lines of all files.
    #[must_use]
    pub fn counts(&self) -> LineCounts {
        let mut all = LineCounts::default();
        for file in &self.files {
            all.add(&file.counts);
        }
        all
    }
}

impl fmt::Display for QueueLogReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for file in &self.files {
            writeln!(f, "{file}")?;
        }
        let counts = self.counts();
        writeln!(
            f,
            "{} lines = {} mapped + {} information + {} rejected; {} events appended",
            counts.lines, counts.mapped, counts.information, counts.rejected, self.events_appended
        )?;
        writeln!(f, "  {:<20} {:>9} {:>12} {:>9}", "event", "mapped", "information", "rejected")?;
        for (event, of) in &self.by_event {
            let LineCounts { mapped, information, rejected, .. } = of;
            writeln!(f, "  {event:<20} {mapped:>9} {information:>12} {rejected:>9}")?;
        }
        let open = &self.open;
        writeln!(
            f,
            "not ended: {} interactions ({} waiting, {} connected, {} left a queue, {} transferred), \
             {} agents logged in",
            open.total(),
            open.waiting,
            open.connected,
            open.left,
            open.transferred,
            open.agents
        )?;
        if !open.calls.is_empty() {
            let named = open.calls.len() as u64;
            let more = open.waiting + open.connected - named;
            let and = if more > 0 { format!(" and {more} more") } else { String::new() };
            writeln!(f, "  waiting or connected: {}{and}", open.calls.join(", "))?;
        }
        if open.arrived > 0 {
            writeln!(f, "  {} calls arrived and entered no queue", open.arrived)?;
        }
        if self.ended_on_request > 0 {
            writeln!(f, "{} interactions ended because that was asked for", self.ended_on_request)?;
        }
        for (quirk, count) in self.quirks.iter() {
            writeln!(f, "  {:<30} {count:>9}", quirk.name())?;
        }
        for file in &self.files {
            for row in &file.rejected {
                writeln!(f, "{} line {} rejected: {}", file.file, row.line, row.reason)?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for FileReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(other) = &self.contained_in {
            return write!(f, "{}: {other} begins with all of it and is read instead", self.file);
        }
        write!(
            f,
            "{} (import {}): {} lines, {} of them on the log already, {} blank; {} interactions began",
            self.file,
            self.import_id,
            self.counts.lines,
            self.already_there,
            self.blank,
            self.interactions
        )
    }
}
