//! A calendar of opening hours, and how long it was open between two instants.
//!
//! The document is JSON:
//!
//! ```json
//! {"time_zone": "Europe/Brussels",
//!  "weekdays": {"monday": ["09:00-12:00", "13:00-17:30"], "saturday": ["10:00-24:00"]},
//!  "holidays": ["2026-12-25"]}
//! ```
//!
//! Ranges are wall-clock times of one day, ascending, half-open; `24:00` ends a day. Weekdays that are not
//! named are closed, holidays too. A range ends at the first instant at which the clock shows its end, and
//! begins likewise, so that it has as many seconds as really passed on a day on which clocks are moved.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{Datelike, NaiveDate};
use chrono_tz::Tz;
use serde::Deserialize;

use super::zone::{DAY, SECOND, reading, shown};

const WEEKDAYS: [&str; 7] =
    ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

/// Years for which opening hours are computed.
const YEARS: std::ops::RangeInclusive<i32> = 1900..=2200;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    time_zone: String,
    weekdays: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    holidays: Vec<String>,
}

/// Opening hours, with what was computed of them.
#[derive(Clone, Debug)]
pub(crate) struct Calendar {
    zone: Tz,
    /// Begin and end of each range since midnight, in microseconds of the clock, by weekday from Monday.
    weekdays: [Vec<(i64, i64)>; 7],
    /// Days since 1970-01-01.
    holidays: BTreeSet<i64>,
    /// Day of the first of `sums`.
    first_day: i64,
    /// Microseconds open before the day `first_day + index`, counted from `first_day`.
    sums: Vec<i64>,
}

impl Calendar {
    /// # Errors
    /// What is wrong in which field.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let document: Document = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let zone = document.time_zone.parse::<Tz>().map_err(|_| {
            format!("time_zone: '{}' is not an IANA time zone name", document.time_zone)
        })?;
        let mut weekdays: [Vec<(i64, i64)>; 7] = Default::default();
        for (name, ranges) in &document.weekdays {
            let Some(number) = WEEKDAYS.iter().position(|weekday| weekday == name) else {
                let known = WEEKDAYS.join(", ");
                return Err(format!("weekdays: '{name}' is not one of {known}"));
            };
            let mut open = Vec::new();
            for (index, range) in ranges.iter().enumerate() {
                let field = format!("weekdays.{name}[{index}]");
                let (begin, end) = parse_range(range).ok_or_else(|| {
                    format!("{field}: '{range}' is not a range such as 09:00-17:30")
                })?;
                if begin >= end {
                    return Err(format!(
                        "{field}: '{range}' does not end after it begins; split a range over midnight at 24:00"
                    ));
                }
                if open.last().is_some_and(|&(_, before)| begin < before) {
                    return Err(format!(
                        "{field}: '{range}' begins before the range before it ends"
                    ));
                }
                open.push((begin, end));
            }
            if let Some(weekday) = weekdays.get_mut(number) {
                *weekday = open;
            }
        }
        let mut holidays = BTreeSet::new();
        for (index, date) in document.holidays.iter().enumerate() {
            let parsed = NaiveDate::parse_from_str(date, "%Y-%m-%d")
                .map_err(|_| format!("holidays[{index}]: '{date}' is not a date YYYY-MM-DD"))?;
            holidays.insert(day_number(parsed));
        }
        Ok(Self { zone, weekdays, holidays, first_day: 0, sums: Vec::new() })
    }

    /// Microseconds open from one instant to another; negative when the second is the earlier one.
    ///
    /// # Errors
    /// An instant outside of the years 1900 to 2200.
    pub(crate) fn open_between(&mut self, from: i64, to: i64) -> Result<i64, &'static str> {
        let (first, last) = (self.day(from)?, self.day(to)?);
        self.prepare(first.min(last) - 2, first.max(last) + 2);
        Ok(self.open_until(to, last) - self.open_until(from, first))
    }

    /// The day that the clock shows.
    fn day(&self, instant: i64) -> Result<i64, &'static str> {
        const RANGE: &str = "must lie in the years 1900 to 2200";
        let local = reading(self.zone, instant).ok_or(RANGE)?;
        let date = super::zone::naive(local).ok_or(RANGE)?.date();
        if YEARS.contains(&date.year()) { Ok(local.div_euclid(DAY)) } else { Err(RANGE) }
    }

    /// Computes the sums of these days, and keeps those that are there.
    fn prepare(&mut self, first: i64, last: i64) {
        let have = self.first_day..self.first_day + self.sums.len() as i64;
        if have.contains(&first) && have.contains(&last) {
            return;
        }
        let (first, last) = if self.sums.is_empty() {
            (first, last)
        } else {
            (first.min(have.start), last.max(have.end))
        };
        let mut sum = 0;
        let sums = (first..=last).map(|day| {
            let before = sum;
            sum += self.ranges(day).map(|(begin, end)| end - begin).sum::<i64>();
            before
        });
        self.sums = sums.collect();
        self.first_day = first;
    }

    /// Microseconds open from the first prepared day to an instant of this day.
    fn open_until(&self, instant: i64, day: i64) -> i64 {
        // Where a clock is put back over midnight, the day before goes on and this one has begun.
        let whole = usize::try_from(day - 1 - self.first_day).ok();
        let whole = whole.and_then(|index| self.sums.get(index)).copied().unwrap_or(0);
        let partial = (day - 1..=day + 1).flat_map(|day| self.ranges(day));
        whole + partial.map(|(begin, end)| (instant.min(end) - begin).max(0)).sum::<i64>()
    }

    /// The ranges of a day as instants.
    fn ranges(&self, day: i64) -> impl Iterator<Item = (i64, i64)> + '_ {
        // 1970-01-01 was a Thursday, the fourth day from Monday.
        let weekday = usize::try_from((day + 3).rem_euclid(7)).unwrap_or(0);
        let open = match self.weekdays.get(weekday) {
            Some(open) if !self.holidays.contains(&day) => open.as_slice(),
            _ => &[],
        };
        open.iter().filter_map(move |&(begin, end)| {
            let at = |time: i64| Some(shown(self.zone, day * DAY + time)?.first());
            Some((at(begin)?, at(end)?))
        })
    }
}

fn day_number(date: NaiveDate) -> i64 {
    date.signed_duration_since(NaiveDate::default()).num_days()
}

/// `09:00-17:30` in microseconds since midnight.
fn parse_range(text: &str) -> Option<(i64, i64)> {
    let (begin, end) = text.split_once('-')?;
    Some((parse_time(begin)?, parse_time(end)?))
}

fn parse_time(text: &str) -> Option<i64> {
    let (hour, minute) = text.split_once(':')?;
    let digits = |text: &str| {
        let two = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        if two { text.parse::<i64>().ok() } else { None }
    };
    let (hour, minute) = (digits(hour)?, digits(minute)?);
    let minutes = hour * 60 + minute;
    (minute < 60 && minutes <= 24 * 60).then_some(minutes * 60 * SECOND)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const OFFICE: &str = r#"{"time_zone": "Europe/Brussels", "holidays": ["2026-05-01"], "weekdays": {
        "monday": ["09:00-12:00", "13:00-17:30"], "tuesday": ["09:00-17:30"],
        "friday": ["00:00-24:00"], "sunday": ["00:00-02:30", "02:30-06:00"]}}"#;

    #[test]
    fn what_is_wrong_is_named() {
        for (text, expected) in [
            ("[]", "expected struct Document"),
            (r#"{"time_zone": "UTC"}"#, "missing field `weekdays`"),
            (r#"{"time_zone": "UTC", "weekdays": {}, "open": 1}"#, "unknown field `open`"),
            (r#"{"time_zone": "Mars/Olympus", "weekdays": {}}"#, "time_zone: 'Mars/Olympus'"),
            (r#"{"time_zone": "UTC", "weekdays": {"Monday": []}}"#, "weekdays: 'Monday'"),
            (
                r#"{"time_zone": "UTC", "weekdays": {"monday": ["9-17"]}}"#,
                "weekdays.monday[0]: '9-17'",
            ),
            (r#"{"time_zone": "UTC", "weekdays": {"monday": ["09:00-25:00"]}}"#, "monday[0]"),
            (
                r#"{"time_zone": "UTC", "weekdays": {"monday": ["22:00-06:00"]}}"#,
                "split a range over midnight",
            ),
            (
                r#"{"time_zone": "UTC", "weekdays": {"monday": ["09:00-12:00", "11:00-13:00"]}}"#,
                "weekdays.monday[1]: '11:00-13:00' begins before",
            ),
            (
                r#"{"time_zone": "UTC", "weekdays": {}, "holidays": ["2026-02-30"]}"#,
                "holidays[0]: '2026-02-30'",
            ),
        ] {
            let error = Calendar::parse(text).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }

    #[test]
    fn instants_out_of_range_are_refused() {
        let mut calendar = Calendar::parse(OFFICE).unwrap();
        assert!(calendar.open_between(0, i64::MAX).is_err());
        assert!(calendar.open_between(-3_000_000_000 * SECOND, 0).is_err());
    }

    proptest! {
        /// Whatever was asked before: open time adds up, never runs backwards, and is what counting
        /// minute by minute gives.
        #[test]
        fn open_time_adds_up(
            times in prop::collection::vec(25_000_000_i64..31_000_000, 3),
            offset in 0_i64..3_000,
        ) {
            let [a, b, c] = [times[0], times[1], times[2]].map(|minute| minute * 60 * SECOND);
            let mut calendar = Calendar::parse(OFFICE).unwrap();
            let mut between = |from, to| calendar.open_between(from, to).unwrap();
            prop_assert_eq!(between(a, b) + between(b, c), between(a, c));
            prop_assert_eq!(between(a, b), -between(b, a));
            let open = between(a, a + offset * 60 * SECOND);
            let counted = (0..offset)
                .map(|minute| between(a + minute * 60 * SECOND, a + (minute + 1) * 60 * SECOND))
                .sum::<i64>();
            prop_assert!((0..=offset * 60 * SECOND).contains(&open));
            prop_assert_eq!(open, counted);
        }
    }
}
