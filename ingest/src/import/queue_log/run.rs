//! One import of queue logs, from the files to the report.

use std::collections::BTreeMap;

use ledgerline_event_store::crypt::KeyRing;
use ledgerline_event_store::{Append, EventReader, EventWriter};
use ledgerline_schemas::event::Event;
use ledgerline_schemas::id::{CommandId, InteractionId, SubjectId};
use ledgerline_schemas::{Actor, ActorType, NewEvent, Timestamp};

use super::decide::{Decider, Decision, Fact, Stop, end};
use super::files::{LogFile, RawLine, UNPACKED_BYTES_MAX, in_order};
use super::line::{Line, LineError};
use super::mapping::{CallerNumber, QueueLogMapping};
use super::quirk::{QueueLogQuirk, QueueLogQuirkCounts};
use super::recover::{Earlier, Seen};
use super::report::{FileReport, LineCounts, OpenInteractions, QueueLogReport};
use super::roster::Roster;
use super::verb::Verb;
use crate::import::batch::{Batch, Counted};
use crate::import::codes::Coder;
use crate::import::configuration::Configuration;
use crate::import::error::ImportError;
use crate::import::ids::{Ids, LineIds};
use crate::import::pipeline::Pipeline;
use crate::import::report::{Phase, Progress, RejectedRow};
use crate::import::run::Source;

/// Lines that are looked at together: new callers among them get their keys in one step.
const CHUNK_LINES: usize = 1_024;
/// In the report, lines without an event that is known.
const OTHER: &str = "(other)";
/// Tells hashes of lines from other keyed hashes.
const LINE_MARK: &[u8] = b"import\0line\0";
const MS_PER_HOUR: u64 = 3_600_000;

/// Imports queue logs of Asterisk into the log of the organization `writer` belongs to.
///
/// Files may be packed with gzip and come in any order; they are read in order of time. When the future
/// resolves, everything is on stable storage. After an error, or a crash, importing the same files again goes
/// on where it stopped. `end_open_hours` ends, at their last line, interactions that are open at the end
/// and of which no line came in that many hours before it; `None` leaves them open.
///
/// # Errors
/// [`ImportError`] if a file cannot be unpacked, or the log or the key ring fail. A line that cannot be
/// understood is no error: it is in [`FileReport::rejected`] and on the log.
pub async fn queue_logs(
    writer: &dyn EventWriter,
    keyring: &KeyRing,
    mapping: &QueueLogMapping,
    sources: &[Source<'_>],
    end_open_hours: Option<u64>,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<QueueLogReport, ImportError> {
    let org_id = writer.org_id();
    let ids = Ids::new(org_id, mapping.name());
    let actor = Actor::new(ActorType::Importer, mapping.name());
    let coder = Coder { keyring, org_id };
    let log: &dyn EventReader = writer;

    let files = sources.iter().map(|source| LogFile::read(*source, UNPACKED_BYTES_MAX));
    let files = in_order(files.collect::<Result<Vec<_>, _>>()?);
    let key_mark = ids.line(keyring.keyed_hash(org_id, b"import\0key mark")?).command();
    let earlier = Earlier::read(log, &actor, key_mark)?;

    let first = files.iter().find_map(LogFile::first_time);
    let imported_at = sources.first().map(|source| source.imported_at);
    let since = first.or(imported_at).unwrap_or(Timestamp::EPOCH);
    let configuration =
        Configuration { log, org_id, name: mapping.name(), ids, actor: &actor, since };
    let mut run = Run {
        mapping,
        ids,
        actor: &actor,
        coder,
        log_ends: earlier.state.newest,
        roster: Roster::new(configuration, mapping, earlier.config_position),
        earlier,
        pipeline: Pipeline::new(writer),
        key_mark,
        above: None,
        by_event: BTreeMap::new(),
        quirks: QueueLogQuirkCounts::default(),
        total: files.iter().map(|file| file.lines().count() as u64).sum(),
        done: 0,
    };
    let mut reports = Vec::new();
    for file in &files {
        reports.push(run.file(file, progress).await?);
    }
    let ended_on_request = match end_open_hours {
        Some(hours) => run.end_open(hours).await?,
        None => 0,
    };
    run.pipeline.settle().await?;
    progress(Progress { phase: Phase::Appending, done: run.done, total: run.total });
    Ok(QueueLogReport {
        mapping: mapping.name().to_owned(),
        files: reports,
        by_event: run.by_event,
        open: OpenInteractions::of(&run.earlier.state),
        ended_on_request,
        quirks: run.quirks,
        events_appended: run.pipeline.events,
    })
}

/// An import under way.
struct Run<'a> {
    mapping: &'a QueueLogMapping,
    ids: Ids,
    actor: &'a Actor,
    coder: Coder<'a>,
    /// Earlier imports, and this one as far as it came.
    earlier: Earlier,
    /// Time of the newest event of earlier imports.
    log_ends: Option<Timestamp>,
    roster: Roster<'a>,
    pipeline: Pipeline<'a>,
    key_mark: CommandId,
    /// Time of the line above.
    above: Option<Timestamp>,
    by_event: BTreeMap<String, LineCounts>,
    quirks: QueueLogQuirkCounts,
    total: u64,
    done: u64,
}

/// A line that was looked at.
struct Looked<'f> {
    raw: RawLine<'f>,
    line: Result<Line, LineError>,
    ids: LineIds,
}

impl Run<'_> {
    async fn file(
        &mut self,
        file: &LogFile<'_>,
        progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<FileReport, ImportError> {
        let import_id = self.ids.import(&file.sha256);
        let mut report = FileReport {
            import_id,
            file: file.source.name.to_owned(),
            file_sha256: file.sha256.clone(),
            contained_in: file.contained_in.clone(),
            counts: LineCounts::default(),
            already_there: 0,
            blank: file.blank_lines(),
            interactions: 0,
            rejected: Vec::new(),
        };
        if report.contained_in.is_some() {
            self.total = self.total.saturating_sub(file.lines().count() as u64);
            return Ok(report);
        }
        let batch = Batch {
            import_id,
            mapping: self.mapping.name(),
            file_sha256: &file.sha256,
            actor: self.actor,
            now: file.source.imported_at,
        };
        let mut started = batch.started();
        for event in &mut started.events {
            event.command_id = self.key_mark;
        }
        self.pipeline.append(0, started).await?;
        let mut times: BTreeMap<[u8; 32], u64> = BTreeMap::new();
        let mut lines = file.lines().peekable();
        while lines.peek().is_some() {
            let mut chunk = Vec::with_capacity(CHUNK_LINES);
            for raw in lines.by_ref().take(CHUNK_LINES) {
                chunk.push(self.look(raw, &mut times)?);
            }
            self.prepare_keys(&chunk)?;
            for looked in chunk {
                self.line(looked, &batch, &mut report).await?;
                self.done += 1;
            }
            progress(Progress { phase: Phase::Appending, done: self.done, total: self.total });
        }
        let counted = Counted {
            rows: report.counts.lines,
            interactions: report.interactions,
            skipped: report.counts.information,
            rejected: report.counts.rejected,
        };
        self.pipeline.append(0, batch.completed(counted)).await?;
        Ok(report)
    }

    /// Takes a line apart and gives it its ids. Equal lines of one file are told apart by their number.
    fn look<'f>(
        &self,
        raw: RawLine<'f>,
        times: &mut BTreeMap<[u8; 32], u64>,
    ) -> Result<Looked<'f>, ImportError> {
        let line = if raw.finished { Line::parse(raw.bytes) } else { Err(LineError::Unfinished) };
        let Coder { keyring, org_id } = self.coder;
        let hash = keyring.keyed_hash(org_id, &[LINE_MARK, raw.bytes].concat())?;
        let time = times.entry(hash).or_default();
        *time += 1;
        let hash = match *time {
            1 => hash,
            more => {
                let named = [LINE_MARK, hash.as_slice(), &more.to_be_bytes()].concat();
                keyring.keyed_hash(org_id, &named)?
            }
        };
        Ok(Looked { raw, line, ids: self.ids.line(hash) })
    }

    /// Makes the keys of new callers in one durable step.
    fn prepare_keys(&self, chunk: &[Looked<'_>]) -> Result<(), ImportError> {
        if self.mapping.callers.number != CallerNumber::Sealed {
            return Ok(());
        }
        let Coder { keyring, org_id } = self.coder;
        let mut subjects: Vec<SubjectId> = Vec::new();
        for looked in chunk {
            let Ok(line) = &looked.line else { continue };
            let enters = matches!(Verb::parse(line.event()), Some((_, Verb::Enter)));
            let is_new = !self.earlier.lines.contains_key(&looked.ids.command());
            if enters && is_new && self.mapping.identifies(line.data(1)) {
                subjects.push(keyring.subject_id(org_id, "phone", line.data(1))?);
            }
        }
        subjects.sort_unstable();
        subjects.dedup();
        Ok(keyring.prepare(org_id, subjects)?)
    }

    async fn line(
        &mut self,
        looked: Looked<'_>,
        batch: &Batch<'_>,
        report: &mut FileReport,
    ) -> Result<(), ImportError> {
        let Looked { raw, line, ids } = looked;
        let name = line.as_ref().ok().and_then(|line| self.name(line));
        let above = self.above;
        if let Ok(line) = &line {
            self.above = Some(line.time);
        }
        if let Some(seen) = self.earlier.lines.get(&ids.command()).copied() {
            report.already_there += 1;
            self.counted(name, seen, report);
            return Ok(());
        }
        if let Some(reason) = self.earlier.rejected.get(&(report.import_id, raw.number)).cloned() {
            report.already_there += 1;
            self.rejected(name, RejectedRow { line: raw.number, reason }, report);
            return Ok(());
        }
        match self.decided(&line, ids)? {
            Ok(mut decision) => {
                let seen = Seen { mapped: decision.is_mapped(), begins: decision.begins() };
                self.odd(&raw, line.as_ref().ok(), above, &decision);
                for need in &decision.needs {
                    self.roster.provide(need, &mut self.pipeline).await?;
                }
                // Only now, so that it is the same when an import stopped between the two.
                for fact in &mut decision.facts {
                    if let Event::AgentSessionStarted(it) = &mut fact.event {
                        it.profile_config_position = self.roster.newest;
                    }
                }
                self.append(raw.number, decision.facts, ids).await?;
                self.earlier.lines.insert(ids.command(), seen);
                self.counted(name, seen, report);
            }
            Err(error) => {
                let row = RejectedRow { line: raw.number, reason: error.to_string() };
                self.pipeline.append(raw.number, batch.rejected(&row)).await?;
                self.rejected(name, row, report);
            }
        }
        Ok(())
    }

    fn decided(
        &self,
        line: &Result<Line, LineError>,
        ids: LineIds,
    ) -> Result<Result<Decision, LineError>, ImportError> {
        let line = match line {
            Ok(line) => line,
            Err(error) => return Ok(Err(*error)),
        };
        let decider = Decider {
            mapping: self.mapping,
            coder: self.coder,
            ids: self.ids,
            state: &self.earlier.state,
        };
        match decider.decide(line, ids) {
            Ok(decision) => Ok(Ok(decision)),
            Err(Stop::Line(error)) => Ok(Err(error)),
            Err(Stop::Import(error)) => Err(error),
        }
    }

    /// Name under which the report counts a line.
    fn name(&self, line: &Line) -> Option<String> {
        let event = line.event();
        let known = Verb::parse(event).is_some() || self.mapping.is_information(event);
        known.then(|| event.to_owned())
    }

    fn tally(&mut self, name: Option<String>, one: &LineCounts, report: &mut FileReport) {
        report.counts.add(one);
        self.by_event.entry(name.unwrap_or_else(|| OTHER.to_owned())).or_default().add(one);
    }

    fn counted(&mut self, name: Option<String>, seen: Seen, report: &mut FileReport) {
        let mapped = u64::from(seen.mapped);
        let one = LineCounts { lines: 1, mapped, information: 1 - mapped, rejected: 0 };
        self.tally(name, &one, report);
        report.interactions += u64::from(seen.begins);
    }

    fn rejected(&mut self, name: Option<String>, row: RejectedRow, report: &mut FileReport) {
        self.tally(name, &LineCounts { lines: 1, rejected: 1, ..LineCounts::default() }, report);
        report.rejected.push(row);
    }

    fn odd(
        &mut self,
        raw: &RawLine<'_>,
        line: Option<&Line>,
        above: Option<Timestamp>,
        decision: &Decision,
    ) {
        let time = line.map(|line| line.time);
        let latin1 = line.is_some_and(|line| line.latin1);
        for (is_odd, quirk) in [
            (raw.cr_lf, QueueLogQuirk::CrLf),
            (latin1, QueueLogQuirk::NotUtf8),
            (time < above, QueueLogQuirk::ClockWentBack),
            (time < self.log_ends, QueueLogQuirk::OlderThanLog),
        ] {
            self.quirks.add(quirk, u64::from(is_odd));
        }
        for quirk in &decision.quirks {
            self.quirks.add(*quirk, 1);
        }
        self.quirks.add(QueueLogQuirk::OpenAtRestart, decision.open_at_restart);
    }

    /// Appends the facts of a line together, and takes them over.
    async fn append(
        &mut self,
        line: u64,
        facts: Vec<Fact>,
        ids: LineIds,
    ) -> Result<(), ImportError> {
        let events = facts.iter().enumerate().map(|(index, fact)| NewEvent {
            id: ids.event(index),
            stream: fact.stream.clone(),
            event_type: fact.event.event_type().into(),
            time: fact.time,
            command_id: ids.command(),
            correlation_id: fact.correlation_id,
            causation_id: None,
            actor: self.actor.clone(),
            config_position: self.roster.newest,
            traceparent: None,
            data_subject_id: fact.subject_id,
            payload: fact.event.encode(),
        });
        let append = Append { events: events.collect(), expected: Vec::new() };
        self.pipeline.append(line, append).await?;
        for fact in &facts {
            self.earlier.state.evolve(fact.time, &fact.event);
        }
        Ok(())
    }

    /// Ends what has been open for so many hours without a line.
    async fn end_open(&mut self, hours: u64) -> Result<u64, ImportError> {
        let Some(newest) = self.earlier.state.newest else { return Ok(0) };
        let before = newest.minus_ms(hours.saturating_mul(MS_PER_HOUR));
        let open: Vec<(InteractionId, Timestamp, Vec<Event>)> = self
            .earlier
            .state
            .open()
            .filter(|(_, call)| call.last <= before)
            .map(|(id, call)| (id, call.last, end(id, call)))
            .collect();
        let count = open.len() as u64;
        for (id, time, events) in open {
            let facts = events.into_iter().map(|event| Fact::of(id, time, event)).collect();
            self.append(0, facts, self.ids.end(id)).await?;
        }
        self.quirks.add(QueueLogQuirk::EndedOnRequest, count);
        Ok(count)
    }
}
