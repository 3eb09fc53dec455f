//! One row understood: what happened to one interaction, and what is odd about how it was recorded.

use chrono::NaiveDate;
use csv::ByteRecord;
use ledgerline_schemas::Timestamp;
use ledgerline_schemas::limits::{NAME_CHARS_MAX, PRIORITY_DEFAULT};

use super::clock::Moment;
use super::codes::Coder;
use super::error::{ImportError, RowError};
use super::mapping::Mapping;
use super::quirk::{Quirk, Quirks};
use super::spec::UnknownQueue;
use super::table::{Columns, StageColumns};

/// What a row says.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) line: u64,
    pub(super) key: String,
    pub(super) day: NaiveDate,
    pub(super) began: Timestamp,
    pub(super) flow_ended: Timestamp,
    pub(super) queue: String,
    pub(super) customer: Option<String>,
    pub(super) priority: u8,
    pub(super) stay: Option<Stay>,
    pub(super) quirks: Quirks,
}

/// A stay in a queue; abandoned when no conversation follows.
#[derive(Clone, Debug)]
pub(super) struct Stay {
    pub(super) entered: Timestamp,
    pub(super) left: Timestamp,
    pub(super) wait_ms: u64,
    pub(super) service: Option<Service>,
}

/// A conversation.
#[derive(Clone, Debug)]
pub(super) struct Service {
    pub(super) agent: String,
    pub(super) began: Timestamp,
    pub(super) ended: Timestamp,
    pub(super) service_ms: u64,
}

/// What became of a record.
pub(super) enum Outcome {
    Row(Box<Row>),
    Skipped,
    Rejected(RowError),
}

/// Understands the records of one file.
pub(super) struct RowReader<'a> {
    pub(super) mapping: &'a Mapping,
    pub(super) columns: &'a Columns,
    pub(super) coder: Coder<'a>,
}

/// A refused row goes on to the next; a failed key ring stops the import.
enum Stop {
    Row(RowError),
    Import(ImportError),
}

impl From<RowError> for Stop {
    fn from(error: RowError) -> Self {
        Self::Row(error)
    }
}

/// Times and figure of one stage as recorded.
struct Stage {
    start: Moment,
    end: Moment,
    duration_ms: Option<i64>,
}

impl Stage {
    const fn has_start(&self) -> bool {
        matches!(self.start, Moment::OfDay(_) | Moment::At(_))
    }

    const fn has_end(&self) -> bool {
        matches!(self.end, Moment::OfDay(_) | Moment::At(_))
    }

    /// "Absent" is also how midnight is written: with an end, the start really is midnight.
    const fn starts_at_midnight(&self) -> bool {
        matches!(self.start, Moment::Doubtful(_)) && self.has_end()
    }

    fn crosses_midnight(&self) -> bool {
        match (self.start, self.end) {
            (Moment::OfDay(start), Moment::OfDay(end)) => end < start,
            _ => false,
        }
    }
}

impl RowReader<'_> {
    pub(super) fn read(&self, line: u64, record: &ByteRecord) -> Result<Outcome, ImportError> {
        match self.understand(line, record) {
            Ok(outcome) => Ok(outcome),
            Err(Stop::Row(error)) => Ok(Outcome::Rejected(error)),
            Err(Stop::Import(error)) => Err(error),
        }
    }

    fn understand(&self, line: u64, record: &ByteRecord) -> Result<Outcome, Stop> {
        let spec = &self.mapping.spec;
        let (fields, repaired) = self.columns.fields(record, spec.file.repair_blanks)?;
        let outcome = field(&fields, self.columns.outcome);
        let lists = |values: &[String]| values.iter().any(|value| value == outcome);
        if lists(&spec.outcome.skipped) {
            return Ok(Outcome::Skipped);
        }
        let answered = lists(&spec.outcome.answered);
        if !answered && !lists(&spec.outcome.hung_up) {
            return Err(
                RowError::Outcome { column: self.columns.name(self.columns.outcome) }.into()
            );
        }
        let mut quirks = Quirks::default();
        quirks.add_if(repaired, Quirk::BlanksForDelimiter);

        let flow = self.stage(&fields, self.columns.flow)?;
        let wait = self.stage(&fields, self.columns.wait)?;
        let service = self.stage(&fields, self.columns.service)?;
        let (day, began) = self.began(&fields, &flow, &wait)?;
        let flow_ended = self.flow_ended(began, &flow, &mut quirks)?;
        let stay = self.stay(&fields, answered, flow_ended, &wait, &service, &mut quirks)?;
        let queue = self.queue(&fields, stay.is_some(), &mut quirks)?;
        let customer = self.customer(&fields, &mut quirks)?;
        if let Some(stay) = &stay {
            quirks.add_if(wait.has_start() && stay.wait_ms == 0, Quirk::QueuedForNoTime);
            let at_once = stay.service.is_some() && stay.wait_ms == 0;
            let unidentified = customer.is_none() && !quirks.has(Quirk::CustomerNotANumber);
            quirks.add_if(at_once && unidentified, Quirk::AnsweredAtOnceUnidentified);
        }
        Ok(Outcome::Row(Box::new(Row {
            line,
            key: self.key(&fields)?,
            day,
            began,
            flow_ended,
            queue,
            customer,
            priority: self.priority(&fields)?,
            stay,
            quirks,
        })))
    }

    fn key(&self, fields: &[&str]) -> Result<String, RowError> {
        let mut key = String::new();
        for column in &self.columns.key {
            let part = field(fields, *column);
            if part.is_empty() {
                return Err(RowError::Empty { column: self.columns.name(*column) });
            }
            if !key.is_empty() {
                key.push('/');
            }
            key.push_str(part);
        }
        Ok(key)
    }

    fn began(
        &self,
        fields: &[&str],
        flow: &Stage,
        wait: &Stage,
    ) -> Result<(NaiveDate, Timestamp), RowError> {
        let clock = &self.mapping.clock;
        let (column, moment) = match self.columns.flow.start {
            Some(column) => (column, flow.start),
            None => (self.columns.wait.start.unwrap_or_default(), wait.start),
        };
        let at = match moment {
            Moment::Absent => {
                return Err(RowError::Empty { column: self.columns.name(column) });
            }
            Moment::At(at) => at,
            Moment::Doubtful(time) | Moment::OfDay(time) => {
                let column = self.columns.date.unwrap_or_default();
                let day = clock.day(field(fields, column)).ok_or_else(|| RowError::Date {
                    column: self.columns.name(column),
                    format: clock.date.as_ref().map_or("", |format| format.text()).to_owned(),
                })?;
                let at = clock.at(day, time).ok_or(RowError::OutOfRange)?;
                return Ok((day, at));
            }
        };
        Ok((clock.local_day(at).ok_or(RowError::OutOfRange)?, at))
    }

    fn flow_ended(
        &self,
        began: Timestamp,
        flow: &Stage,
        quirks: &mut Quirks,
    ) -> Result<Timestamp, RowError> {
        let duration = flow.duration_ms.unwrap_or(0);
        quirks.add_if(duration < 0, Quirk::NegativeFlowTime);
        let expected = if duration < 0 {
            began.minus_ms(duration.unsigned_abs())
        } else {
            began.plus_ms(duration.unsigned_abs())
        };
        Ok(self.place(flow.end, expected)?.unwrap_or_else(|| expected.max(began)))
    }

    fn stay(
        &self,
        fields: &[&str],
        answered: bool,
        flow_ended: Timestamp,
        wait: &Stage,
        service: &Stage,
        quirks: &mut Quirks,
    ) -> Result<Option<Stay>, Stop> {
        let recorded_wait = self.figure(wait, self.columns.wait)?;
        let recorded_service = self.figure(service, self.columns.service)?;
        let starts = wait.has_start() || wait.starts_at_midnight();
        if !answered {
            quirks.add_if(recorded_service.unwrap_or(0) > 0, Quirk::HungUpWithService);
            quirks.add_if(self.agent(fields).is_some(), Quirk::HungUpWithAgent);
            if !starts && recorded_wait.unwrap_or(0) == 0 {
                return Ok(None);
            }
        }
        let entered = if starts { self.place_real(wait.start, flow_ended)? } else { flow_ended };
        let expected = entered.plus_ms(recorded_wait.unwrap_or(0));
        let left = self.place(wait.end, expected)?.unwrap_or(expected);
        let wait_ms = recorded_wait.unwrap_or_else(|| left.ms_since(entered));
        quirks.add_if(wait.crosses_midnight(), Quirk::QueueCrossesMidnight);
        if !answered {
            return Ok(Some(Stay { entered, left, wait_ms, service: None }));
        }

        let recorded = service.has_start() || service.starts_at_midnight();
        quirks.add_if(service.starts_at_midnight(), Quirk::ServiceStartsAtMidnight);
        let named = self.columns.service.start.is_some();
        quirks.add_if(named && !recorded, Quirk::ServiceStartAbsent);
        let began = if recorded { self.place_real(service.start, left)? } else { left };
        let expected = began.plus_ms(recorded_service.unwrap_or(0));
        let ended = self.place(service.end, expected)?.unwrap_or(expected);
        let service_ms = recorded_service.unwrap_or_else(|| ended.ms_since(began));
        quirks.add_if(service.crosses_midnight(), Quirk::ServiceCrossesMidnight);
        quirks.add_if(service_ms == 0, Quirk::AnsweredForNoTime);
        quirks.add_if(wait_ms > 0 && began < left, Quirk::ServiceBeforeQueueEnd);
        quirks.add_if(wait_ms == 0 && began < flow_ended, Quirk::ServiceBeforeFlowEnd);
        let agent = match self.agent(fields) {
            Some(name) => self.coder.agent(name).map_err(|error| Stop::Import(error.into()))?,
            None => {
                quirks.add(Quirk::AnsweredByUnnamed);
                self.mapping
                    .spec
                    .agent
                    .as_ref()
                    .map_or_else(super::spec::unnamed, |agent| agent.unnamed_code.clone())
            }
        };
        let service = Some(Service { agent, began, ended, service_ms });
        Ok(Some(Stay { entered, left, wait_ms, service }))
    }

    fn agent<'f>(&self, fields: &[&'f str]) -> Option<&'f str> {
        let spec = self.mapping.spec.agent.as_ref()?;
        let name = field(fields, self.columns.agent?);
        (!name.is_empty() && !spec.unnamed.iter().any(|it| it == name)).then_some(name)
    }

    fn queue(
        &self,
        fields: &[&str],
        queued: bool,
        quirks: &mut Quirks,
    ) -> Result<String, RowError> {
        let value = field(fields, self.columns.queue);
        if self.mapping.queue(value).is_none() {
            let column = || self.columns.name(self.columns.queue);
            if queued && value.is_empty() {
                return Err(RowError::Empty { column: column() });
            }
            if queued && self.mapping.spec.queues.unknown == UnknownQueue::Reject {
                return Err(RowError::Queue { column: column() });
            }
            if value.chars().count() > NAME_CHARS_MAX {
                return Err(RowError::TooLong { column: column(), limit: NAME_CHARS_MAX });
            }
            quirks.add_if(!value.is_empty(), Quirk::UnlistedQueue);
        }
        Ok(value.to_owned())
    }

    fn customer(&self, fields: &[&str], quirks: &mut Quirks) -> Result<Option<String>, Stop> {
        let Some(spec) = &self.mapping.spec.customer else { return Ok(None) };
        let id = self.columns.customer.map_or("", |column| field(fields, column));
        if id.is_empty() || spec.unidentified.iter().any(|it| it == id) {
            return Ok(None);
        }
        if spec.digits_only && !id.bytes().all(|byte| byte.is_ascii_digit()) {
            quirks.add(Quirk::CustomerNotANumber);
            return Ok(None);
        }
        self.coder.customer(id).map(Some).map_err(|error| Stop::Import(error.into()))
    }

    fn priority(&self, fields: &[&str]) -> Result<u8, RowError> {
        let Some(spec) = &self.mapping.spec.priority else { return Ok(PRIORITY_DEFAULT) };
        let Some(column) = self.columns.priority else { return Ok(spec.default) };
        match field(fields, column) {
            "" => Ok(spec.default),
            value => spec
                .values
                .get(value)
                .copied()
                .ok_or_else(|| RowError::Priority { column: self.columns.name(column) }),
        }
    }

    fn stage(&self, fields: &[&str], columns: StageColumns) -> Result<Stage, RowError> {
        let duration_ms = match columns.duration {
            Some(column) if !field(fields, column).is_empty() => {
                let unit = self.mapping.spec.time.unit.in_ms();
                let value = field(fields, column).parse::<i64>().ok();
                Some(
                    value
                        .and_then(|value| value.checked_mul(unit))
                        .ok_or_else(|| RowError::Number { column: self.columns.name(column) })?,
                )
            }
            _ => None,
        };
        let start = self.moment(fields, columns.start)?;
        let end = self.moment(fields, columns.end)?;
        Ok(Stage { start, end, duration_ms })
    }

    fn moment(&self, fields: &[&str], column: Option<usize>) -> Result<Moment, RowError> {
        let Some(column) = column else { return Ok(Moment::Absent) };
        let clock = &self.mapping.clock;
        clock.moment(field(fields, column)).ok_or_else(|| RowError::Time {
            column: self.columns.name(column),
            format: clock.format.text().to_owned(),
        })
    }

    /// The recorded figure of a stage: it counts, not a difference of clock times.
    fn figure(&self, stage: &Stage, columns: StageColumns) -> Result<Option<u64>, RowError> {
        match (stage.duration_ms.map(u64::try_from), columns.duration) {
            (None, _) => Ok(None),
            (Some(Ok(ms)), _) => Ok(Some(ms)),
            (Some(Err(_)), column) => {
                Err(RowError::Negative { column: self.columns.name(column.unwrap_or_default()) })
            }
        }
    }

    /// The instant of a recorded time; `None` when it is absent.
    fn place(&self, moment: Moment, expected: Timestamp) -> Result<Option<Timestamp>, RowError> {
        match moment {
            Moment::Absent | Moment::Doubtful(_) => Ok(None),
            present => self.place_real(present, expected).map(Some),
        }
    }

    /// The instant of a time that is known to be recorded.
    fn place_real(&self, moment: Moment, expected: Timestamp) -> Result<Timestamp, RowError> {
        match moment {
            Moment::Absent => Ok(expected),
            Moment::At(at) => Ok(at),
            Moment::Doubtful(time) | Moment::OfDay(time) => {
                self.mapping.clock.near(expected, time).ok_or(RowError::OutOfRange)
            }
        }
    }
}

/// The field of a column; rows were checked to have all of them.
fn field<'f>(fields: &[&'f str], column: usize) -> &'f str {
    fields.get(column).copied().unwrap_or("")
}
