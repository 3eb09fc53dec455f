//! When a report is due, on the clocks of a time zone.
//!
//! A local time that the clocks skip is due at the first instant after it; of one that comes twice the first counts.
//! Hours are those that pass: a day of 23 hours has 23 of them, one of 25 has 25.

use chrono::{
    DateTime, Datelike as _, Days, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, TimeZone as _,
    Timelike as _, Utc,
};
use chrono_tz::Tz;
use ledgerline_schemas::Timestamp;
use ledgerline_schemas::config::report_schedule::{ScheduleWhen, Weekday};

/// Due times that are looked at, at most, to catch up; older ones count as skipped.
pub const CATCH_UP_MAX: usize = 1_000;
/// Days that are looked at for the next due time: more than any month.
const DAYS_AHEAD: u64 = 70;

/// Due times of one schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    when: ScheduleWhen,
    zone: Tz,
}

impl Due {
    /// Due times on the clocks of a zone.
    ///
    /// # Errors
    /// When there is no zone of that name, or a time of day is none.
    pub fn new(when: &ScheduleWhen, timezone: &str) -> Result<Self, String> {
        let zone = timezone
            .parse()
            .map_err(|_| format!("timezone: {timezone:?} is not known; use an IANA name"))?;
        if let ScheduleWhen::Daily { at }
        | ScheduleWhen::Weekly { at, .. }
        | ScheduleWhen::Monthly { at, .. } = when
        {
            time_of_day(at).ok_or_else(|| format!("when: {at:?} is no time of day"))?;
        }
        Ok(Self { when: when.clone(), zone })
    }

    /// The zone.
    #[must_use]
    pub const fn zone(&self) -> Tz {
        self.zone
    }

    /// The first due time after an instant; `None` beyond the calendar.
    #[must_use]
    pub fn after(&self, instant: Timestamp) -> Option<Timestamp> {
        let instant = utc(instant)?;
        let found = match &self.when {
            ScheduleWhen::EveryMinutes(minutes) => every(*minutes, instant),
            ScheduleWhen::Hourly { minute } => self.hourly(*minute, instant),
            _ => self.by_day(instant),
        };
        found.map(|it| Timestamp::from_micros(it.timestamp_micros()))
    }

    /// The due times after `after` up to and with `until`, oldest first: at most the newest [`CATCH_UP_MAX`], and how
    /// many more there are.
    #[must_use]
    pub fn between(&self, after: Timestamp, until: Timestamp) -> (Vec<Timestamp>, u32) {
        let mut found = std::collections::VecDeque::new();
        let mut more = 0_u32;
        let mut at = after;
        while let Some(next) = self.after(at).filter(|next| *next <= until) {
            if found.len() == CATCH_UP_MAX {
                found.pop_front();
                more = more.saturating_add(1);
            }
            found.push_back(next);
            at = next;
        }
        (found.into(), more)
    }

    fn hourly(&self, minute: u32, instant: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let whole = instant.with_second(0)?.with_nanosecond(0)?;
        // Offsets of zones are whole minutes, and change by whole half-hours at most by a few hours.
        (1..=240).find_map(|step| {
            let candidate = whole.checked_add_signed(TimeDelta::minutes(step))?;
            let local = candidate.with_timezone(&self.zone);
            (local.minute() == minute).then_some(candidate)
        })
    }

    fn by_day(&self, instant: DateTime<Utc>) -> Option<DateTime<Utc>> {
        // A local time that is skipped may be due on the day after: so the day before is looked at too.
        let first = instant.with_timezone(&self.zone).date_naive().pred_opt()?;
        (0..=DAYS_AHEAD).find_map(|step| {
            let day = first.checked_add_days(Days::new(step))?;
            let at = self.on(day)?;
            let due = self.instant(day.and_time(time_of_day(at)?))?;
            (due > instant).then_some(due)
        })
    }

    /// The time of day at which it is due on a day, if it is.
    fn on(&self, day: NaiveDate) -> Option<&str> {
        match &self.when {
            ScheduleWhen::Daily { at } => Some(at),
            ScheduleWhen::Weekly { on, at } => {
                on.iter().any(|it| same_day(*it, day.weekday())).then_some(at)
            }
            ScheduleWhen::Monthly { day: wanted, at } => {
                (day.day() == (*wanted).min(last_day(day)?)).then_some(at)
            }
            ScheduleWhen::EveryMinutes(_) | ScheduleWhen::Hourly { .. } => None,
        }
    }

    fn instant(&self, local: NaiveDateTime) -> Option<DateTime<Utc>> {
        if let Some(found) = self.zone.from_local_datetime(&local).earliest() {
            return Some(found.to_utc());
        }
        // Skipped: the first minute that exists. Gaps are shorter than two days (a zone that crossed the date line).
        (1..=2 * 24 * 60).find_map(|step| {
            let later = local.checked_add_signed(TimeDelta::minutes(step))?;
            self.zone.from_local_datetime(&later).earliest().map(|it| it.to_utc())
        })
    }
}

/// An instant of the vocabulary as one of the calendar.
#[must_use]
pub fn utc(instant: Timestamp) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp_micros(instant.micros())
}

fn every(minutes: u32, instant: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let step = i64::from(minutes.max(1)).checked_mul(60)?;
    let next = instant.timestamp().div_euclid(step).checked_add(1)?.checked_mul(step)?;
    DateTime::from_timestamp(next, 0)
}

fn time_of_day(text: &str) -> Option<NaiveTime> {
    NaiveTime::parse_from_str(text, "%H:%M").ok()
}

fn last_day(day: NaiveDate) -> Option<u32> {
    let (year, month) = match day.month() {
        12 => (day.year().checked_add(1)?, 1),
        month => (day.year(), month + 1),
    };
    Some(NaiveDate::from_ymd_opt(year, month, 1)?.pred_opt()?.day())
}

const fn same_day(day: Weekday, other: chrono::Weekday) -> bool {
    matches!(
        (day, other),
        (Weekday::Monday, chrono::Weekday::Mon)
            | (Weekday::Tuesday, chrono::Weekday::Tue)
            | (Weekday::Wednesday, chrono::Weekday::Wed)
            | (Weekday::Thursday, chrono::Weekday::Thu)
            | (Weekday::Friday, chrono::Weekday::Fri)
            | (Weekday::Saturday, chrono::Weekday::Sat)
            | (Weekday::Sunday, chrono::Weekday::Sun)
    )
}
