//! One import, from the bytes of a file to its report.

use std::collections::BTreeMap;

use ledgerline_event_store::crypt::KeyRing;
use ledgerline_event_store::{Append, Appended, Direction, EventReader, EventWriter, Filter};
use ledgerline_schemas::{Actor, ActorType, NewEvent, Position, Timestamp};
use sha2::{Digest as _, Sha256};

use super::across;
use super::batch::{Batch, Counted};
use super::codes::Coder;
use super::configuration::Configuration;
use super::entities::EntityMaker;
use super::error::{ImportError, RowError};
use super::events::EventMaker;
use super::ids::Ids;
use super::mapping::Mapping;
use super::pipeline::{Pipeline, Taken};
use super::quirk::{Quirk, QuirkCounts};
use super::report::{ImportReport, Phase, Progress, RejectedRow};
use super::row::{Outcome, Row, RowReader};
use super::table::Table;

/// Rows between two reports of progress.
const PROGRESS_ROWS: u64 = 256;

/// A file of call records.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// Its name, for the report and for messages.
    pub name: &'a str,
    /// Its content.
    pub bytes: &'a [u8],
    /// When the import happens; the time of the import's own events.
    pub imported_at: Timestamp,
}

/// Imports call records into the log of the organization `writer` belongs to.
///
/// Rows are sorted by when they began; each row is one append. When the future resolves, everything is on
/// stable storage. After an error, or a crash, importing the same file again goes on where it stopped.
///
/// # Errors
/// [`ImportError`] if the file does not have the mapping's columns, or the log or the key ring fail. A row
/// that cannot be understood is no error: it is in [`ImportReport::rejected`] and on the log.
pub async fn call_records(
    writer: &dyn EventWriter,
    keyring: &KeyRing,
    mapping: &Mapping,
    source: Source<'_>,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<ImportReport, ImportError> {
    let org_id = writer.org_id();
    let ids = Ids::new(org_id, mapping.name());
    let file_sha256 = hex(&Sha256::digest(source.bytes));
    let import_id = ids.import(&file_sha256);
    let actor = Actor::new(ActorType::Importer, mapping.name());

    let table = Table::read(mapping, source.name, source.bytes)?;
    let coder = Coder { keyring, org_id };
    let reader = RowReader { mapping, columns: &table.columns, coder };
    let mut read = Read::default();
    read.all(&reader, &table, progress)?;
    let header_lines = u64::from(mapping.spec.file.header);
    read.quirks.add(Quirk::CrLf, count_cr_lf(source.bytes).saturating_sub(header_lines));
    let Read { mut rows, skipped, rejected, quirks } = read;
    rows.sort_by_key(|row| (row.began, row.line));

    let mut pipeline = Pipeline::new(writer);
    let batch = Batch {
        import_id,
        mapping: mapping.name(),
        file_sha256: &file_sha256,
        actor: &actor,
        now: source.imported_at,
    };
    pipeline.append(0, batch.started()).await?;
    let since = rows.first().map_or(source.imported_at, |row| row.began);
    let log: &dyn EventReader = writer;
    let name = mapping.name();
    let configuration = Configuration { log, org_id, name, ids, actor: &actor, since };
    let maker = EntityMaker { configuration, mapping };
    let entities = maker.make(&rows, &mut pipeline).await?;

    let mut report = ImportReport {
        import_id,
        mapping: mapping.name().to_owned(),
        file: source.name.to_owned(),
        file_sha256: file_sha256.clone(),
        rows: table.records.len() as u64,
        interactions: 0,
        already_there: 0,
        skipped,
        rejected,
        queues: entities.queues.len() as u64,
        agents: entities.agents.len() as u64,
        quirks,
        events_appended: 0,
    };
    let events =
        EventMaker { channel: mapping.spec.channel, ids, actor: &actor, entities: &entities };
    append_rows(log, &events, &rows, &mut pipeline, &mut report, progress).await?;
    for row in &report.rejected {
        pipeline.append(row.line, batch.rejected(row)).await?;
    }
    let counted = Counted {
        rows: report.rows,
        interactions: report.interactions,
        skipped: report.skipped,
        rejected: report.rejected.len() as u64,
    };
    pipeline.append(0, batch.completed(counted)).await?;
    pipeline.settle().await?;
    report.events_appended = pipeline.events;
    Ok(report)
}

async fn append_rows(
    log: &dyn EventReader,
    events: &EventMaker<'_>,
    rows: &[Row],
    pipeline: &mut Pipeline<'_>,
    report: &mut ImportReport,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<(), ImportError> {
    let total = rows.len() as u64;
    for (done, row) in (0_u64..).zip(rows) {
        if done.is_multiple_of(PROGRESS_ROWS) {
            progress(Progress { phase: Phase::Appending, done, total });
        }
        let append = Append { events: events.events(row), expected: Vec::new() };
        let as_before = match pipeline.submit(row.line, append).await? {
            Taken::New(_) => {
                report.interactions += 1;
                continue;
            }
            Taken::Duplicate(appended) => {
                // The earlier append may still be on its way, and only durable events can be read.
                pipeline.settle().await?;
                same(log, &appended, &events.events(row))?
            }
            Taken::Partial => false,
        };
        if as_before {
            report.interactions += 1;
            report.already_there += 1;
        } else {
            report
                .rejected
                .push(RejectedRow { line: row.line, reason: RowError::Conflict.to_string() });
        }
    }
    report.rejected.sort_by_key(|row| row.line);
    progress(Progress { phase: Phase::Appending, done: total, total });
    Ok(())
}

/// Whether the log holds exactly these events where it says it does.
fn same(
    log: &dyn EventReader,
    appended: &Appended,
    events: &[NewEvent],
) -> Result<bool, ImportError> {
    let before = Position(appended.first.0.saturating_sub(1));
    let page = log.read_all(before, Direction::Forward, &Filter::all(), events.len())?;
    Ok(page.events.len() == events.len()
        && page.events.iter().zip(events).all(|(recorded, event)| {
            recorded.header.id == event.id
                && recorded.header.event_type == event.event_type
                && recorded.header.time == event.time
                && recorded.payload == event.payload
        }))
}

#[derive(Default)]
struct Read {
    rows: Vec<Row>,
    skipped: u64,
    rejected: Vec<RejectedRow>,
    quirks: QuirkCounts,
}

impl Read {
    fn all(
        &mut self,
        reader: &RowReader<'_>,
        table: &Table,
        progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<(), ImportError> {
        let total = table.records.len() as u64;
        let mut lines: BTreeMap<String, u64> = BTreeMap::new();
        for (done, record) in (0_u64..).zip(&table.records) {
            if done.is_multiple_of(PROGRESS_ROWS) {
                progress(Progress { phase: Phase::Reading, done, total });
            }
            let line = record.position().map_or(0, csv::Position::line);
            let error = match reader.read(line, record)? {
                Outcome::Skipped => {
                    self.skipped += 1;
                    continue;
                }
                Outcome::Row(row) => match lines.get(&row.key) {
                    None => {
                        lines.insert(row.key.clone(), line);
                        self.quirks.add_row(row.quirks);
                        self.rows.push(*row);
                        continue;
                    }
                    Some(first) => RowError::SameKey { line: *first },
                },
                Outcome::Rejected(error) => error,
            };
            self.rejected.push(RejectedRow { line, reason: error.to_string() });
        }
        progress(Progress { phase: Phase::Reading, done: total, total });
        across::not_in_time_order(&self.rows, &mut self.quirks);
        across::days_without_rows(&self.rows, &mut self.quirks);
        across::overlapping_services(&self.rows, &mut self.quirks);
        Ok(())
    }
}

fn count_cr_lf(bytes: &[u8]) -> u64 {
    bytes.windows(2).filter(|pair| *pair == b"\r\n").count() as u64
}

/// Lower-case hex.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
