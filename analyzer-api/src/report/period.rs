//! Which time a report covers.

use chrono::{
    DateTime, Datelike, Days, Months, NaiveDate, NaiveDateTime, TimeDelta, TimeZone as _,
    Timelike as _, Utc,
};
use chrono_tz::Tz;

use super::error::ReportError;

/// A half-open span of time in a time zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period {
    /// Its first instant.
    pub from: DateTime<Utc>,
    /// The first instant after it.
    pub to: DateTime<Utc>,
    /// The zone whose clocks it follows.
    pub zone: Tz,
}

/// Names of periods that depend on the day or hour.
pub use ledgerline_schemas::config::report_schedule::PERIODS as NAMED;

fn wrong(text: impl Into<String>) -> ReportError {
    ReportError::Period(text.into())
}

/// A zone by its IANA name.
///
/// # Errors
/// [`ReportError::Period`].
pub fn zone(name: &str) -> Result<Tz, ReportError> {
    name.parse().map_err(|_| wrong(format!("timezone '{name}' is not known; use an IANA name")))
}

/// The first instant of a local day or time. Of a time that is skipped it is the one by the clock before.
fn instant(local: NaiveDateTime, zone: Tz) -> DateTime<Utc> {
    let found = zone.from_local_datetime(&local);
    let skipped = || zone.from_utc_datetime(&local).to_utc();
    found.earliest().map_or_else(skipped, |it| it.to_utc())
}

/// A moment: an instant of RFC 3339, or a day (`2026-03-01`) or time (`2026-03-01T08:00`) on the clocks of the zone.
fn moment(name: &str, text: &str, zone: Tz) -> Result<DateTime<Utc>, ReportError> {
    if let Ok(instant) = DateTime::parse_from_rfc3339(text) {
        return Ok(instant.to_utc());
    }
    if let Ok(day) = text.parse::<NaiveDate>() {
        return Ok(instant(day.and_time(chrono::NaiveTime::MIN), zone));
    }
    for form in ["%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S"] {
        if let Ok(local) = NaiveDateTime::parse_from_str(text, form) {
            return Ok(instant(local, zone));
        }
    }
    Err(wrong(format!(
        "{name} is '{text}'; use a day such as 2026-03-01, a local time or RFC 3339"
    )))
}

impl Period {
    /// From one moment to another.
    ///
    /// # Errors
    /// [`ReportError::Period`] when one is none, or the second is not after the first.
    pub fn between(from: &str, to: &str, zone: Tz) -> Result<Self, ReportError> {
        let period = Self { from: moment("from", from, zone)?, to: moment("to", to, zone)?, zone };
        if period.from >= period.to {
            return Err(wrong(format!("to ({to}) must be after from ({from})")));
        }
        Ok(period)
    }

    /// One of [`NAMED`] as of an instant.
    ///
    /// # Errors
    /// [`ReportError::Period`] when there is none of that name.
    pub fn named(name: &str, now: DateTime<Utc>, zone: Tz) -> Result<Self, ReportError> {
        let unknown = || wrong(format!("period '{name}' is not known; use {}", NAMED.join(", ")));
        let local = now.with_timezone(&zone);
        if name == "last-hour" {
            // An hour that passed, on the day clocks change too.
            let into = TimeDelta::seconds(i64::from(local.minute() * 60 + local.second()))
                + TimeDelta::nanoseconds(i64::from(local.nanosecond()));
            let to = now - into;
            return Ok(Self { from: to - TimeDelta::hours(1), to, zone });
        }
        let today = local.date_naive();
        let week = today - Days::new(u64::from(today.weekday().num_days_from_monday()));
        let month = today.with_day(1).unwrap_or(today);
        let tomorrow = today + Days::new(1);
        let (from, to) = match name {
            "today" => (today, tomorrow),
            "yesterday" => (today - Days::new(1), today),
            "this-week" => (week, week + Days::new(7)),
            "last-week" => (week - Days::new(7), week),
            "this-month" => (month, month + Months::new(1)),
            "last-month" => (month - Months::new(1), month),
            "last-7-days" => (today - Days::new(7), today),
            "last-30-days" => (today - Days::new(30), today),
            _ => return Err(unknown()),
        };
        let at = |day: NaiveDate| instant(day.and_time(chrono::NaiveTime::MIN), zone);
        Ok(Self { from: at(from), to: at(to), zone })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(period: Period) -> String {
        format!("{} {}", period.from.to_rfc3339(), period.to.to_rfc3339())
    }

    #[test]
    fn days_are_those_of_the_zone() {
        let brussels = zone("Europe/Brussels").unwrap();
        // A day of 23 hours.
        let day = Period::between("2026-03-29", "2026-03-30", brussels).unwrap();
        assert_eq!(text(day), "2026-03-28T23:00:00+00:00 2026-03-29T22:00:00+00:00");
        let hours = Period::between("2026-01-05 08:30", "2026-01-05T09:00:00Z", brussels).unwrap();
        assert_eq!(text(hours), "2026-01-05T07:30:00+00:00 2026-01-05T09:00:00+00:00");
        for (from, to) in [("2026-01-02", "2026-01-02"), ("x", "2026-01-02"), ("2026-01-02", "")] {
            assert!(Period::between(from, to, brussels).is_err());
        }
        assert!(zone("Brussels").is_err());
    }

    #[test]
    fn names_follow_the_day() {
        let now = DateTime::parse_from_rfc3339("2026-03-31T22:30:00Z").unwrap().to_utc();
        let brussels = zone("Europe/Brussels").unwrap();
        for (name, expected) in [
            // It is 1 April there already, a Wednesday.
            ("today", "2026-03-31T22:00:00+00:00 2026-04-01T22:00:00+00:00"),
            ("yesterday", "2026-03-30T22:00:00+00:00 2026-03-31T22:00:00+00:00"),
            ("this-week", "2026-03-29T22:00:00+00:00 2026-04-05T22:00:00+00:00"),
            ("last-week", "2026-03-22T23:00:00+00:00 2026-03-29T22:00:00+00:00"),
            ("this-month", "2026-03-31T22:00:00+00:00 2026-04-30T22:00:00+00:00"),
            ("last-month", "2026-02-28T23:00:00+00:00 2026-03-31T22:00:00+00:00"),
            ("last-7-days", "2026-03-24T23:00:00+00:00 2026-03-31T22:00:00+00:00"),
            ("last-30-days", "2026-03-01T23:00:00+00:00 2026-03-31T22:00:00+00:00"),
            ("last-hour", "2026-03-31T21:00:00+00:00 2026-03-31T22:00:00+00:00"),
        ] {
            assert_eq!(text(Period::named(name, now, brussels).unwrap()), expected, "{name}");
        }
        assert!(Period::named("tomorrow", now, brussels).is_err());
    }
}
