//! Times of a file: local wall-clock text to instants.

use chrono::format::{Item, Parsed, StrftimeItems, parse};
use chrono::{Duration, MappedLocalTime, NaiveDate, NaiveDateTime, NaiveTime, Offset, TimeZone};
use chrono_tz::Tz;
use ledgerline_schemas::Timestamp;

/// A parsed `strftime` format and its text.
#[derive(Clone, Debug)]
pub(super) struct Format {
    text: String,
    items: Vec<Item<'static>>,
}

impl Format {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let items = StrftimeItems::new(text)
            .parse_to_owned()
            .map_err(|_| format!("{text:?} is no strftime format"))?;
        if items.iter().all(|item| matches!(item, Item::Literal(_) | Item::OwnedLiteral(_))) {
            return Err(format!("{text:?} has no time field"));
        }
        Ok(Self { text: text.to_owned(), items })
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    fn read(&self, text: &str) -> Option<Parsed> {
        let mut parsed = Parsed::new();
        parse(&mut parsed, text, self.items.iter()).ok()?;
        Some(parsed)
    }
}

/// A time column of one row, before it has a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    /// The column holds nothing.
    Absent,
    /// The column holds the text for "absent", which is also a time of day: the row decides which it is.
    Doubtful(NaiveTime),
    /// A time of day; the day follows from the neighbours.
    OfDay(NaiveTime),
    /// An instant.
    At(Timestamp),
}

/// Reads the times of one mapping.
#[derive(Clone, Debug)]
pub(super) struct Clock {
    pub(super) zone: Tz,
    pub(super) format: Format,
    pub(super) date: Option<Format>,
    pub(super) absent: Vec<String>,
}

impl Clock {
    /// The day in the date column.
    pub(super) fn day(&self, text: &str) -> Option<NaiveDate> {
        self.date.as_ref()?.read(text)?.to_naive_date().ok()
    }

    /// A time column; `None` if the text is neither a time nor a text for "absent".
    pub(super) fn moment(&self, text: &str) -> Option<Moment> {
        let absent = text.is_empty() || self.absent.iter().any(|it| it == text);
        if self.date.is_none() {
            return if absent { Some(Moment::Absent) } else { self.instant(text).map(Moment::At) };
        }
        let time = self.format.read(text).and_then(|parsed| parsed.to_naive_time().ok());
        match (absent, time) {
            (true, Some(time)) => Some(Moment::Doubtful(time)),
            (true, None) => Some(Moment::Absent),
            (false, time) => time.map(Moment::OfDay),
        }
    }

    fn instant(&self, text: &str) -> Option<Timestamp> {
        let parsed = self.format.read(text)?;
        if parsed.offset().is_some() || parsed.timestamp().is_some() {
            let offset = parsed.offset().unwrap_or(0);
            let local = parsed.to_naive_datetime_with_offset(offset).ok()?;
            let utc = local.checked_sub_signed(Duration::seconds(offset.into()))?;
            return Some(of_utc(utc));
        }
        self.to_utc(parsed.to_naive_datetime_with_offset(0).ok()?)
    }

    /// A local time of the given day.
    pub(super) fn at(&self, day: NaiveDate, time: NaiveTime) -> Option<Timestamp> {
        self.to_utc(day.and_time(time))
    }

    /// The local day of an instant.
    pub(super) fn local_day(&self, at: Timestamp) -> Option<NaiveDate> {
        let utc = chrono::DateTime::from_timestamp_micros(at.micros())?;
        Some(utc.with_timezone(&self.zone).date_naive())
    }

    /// A time of day on the day that brings it nearest to `expected`: a stage that crosses midnight ends on
    /// the next day, and one that seems to begin a second early stays where it is.
    pub(super) fn near(&self, expected: Timestamp, time: NaiveTime) -> Option<Timestamp> {
        let day = self.local_day(expected)?;
        [day.pred_opt(), Some(day), day.succ_opt()]
            .into_iter()
            .flatten()
            .filter_map(|day| self.at(day, time))
            .min_by_key(|at| at.micros().abs_diff(expected.micros()))
    }

    /// Local time to UTC. When clocks go back, a time that occurs twice is the first one; when they go
    /// forward, a time that does not occur is read with the offset before the change.
    fn to_utc(&self, local: NaiveDateTime) -> Option<Timestamp> {
        match self.zone.from_local_datetime(&local) {
            MappedLocalTime::Single(at) | MappedLocalTime::Ambiguous(at, _) => {
                Some(of_utc(at.naive_utc()))
            }
            MappedLocalTime::None => {
                let before = local.checked_sub_signed(Duration::hours(3))?;
                let offset = self
                    .zone
                    .offset_from_local_datetime(&before)
                    .earliest()?
                    .fix()
                    .local_minus_utc();
                Some(of_utc(local.checked_sub_signed(Duration::seconds(offset.into()))?))
            }
        }
    }
}

fn of_utc(utc: NaiveDateTime) -> Timestamp {
    Timestamp::from_micros(utc.and_utc().timestamp_micros())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock(zone: Tz, format: &str, date: Option<&str>) -> Clock {
        Clock {
            zone,
            format: Format::parse(format).expect("format"),
            date: date.map(|date| Format::parse(date).expect("format")),
            absent: vec!["0:00:00".to_owned()],
        }
    }

    fn local(text: &str) -> NaiveDateTime {
        NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S").expect("local time")
    }

    #[test]
    fn a_time_that_occurs_twice_is_the_first_and_one_in_the_gap_uses_the_offset_before() {
        let berlin = clock(chrono_tz::Europe::Berlin, "%H:%M:%S", None);
        for (text, utc) in [
            ("2024-10-27 02:30:00", "2024-10-27T00:30:00Z"),
            ("2024-10-27 03:30:00", "2024-10-27T02:30:00Z"),
            ("2024-03-31 02:30:00", "2024-03-31T01:30:00Z"),
            ("2024-03-31 03:30:00", "2024-03-31T01:30:00Z"),
        ] {
            assert_eq!(berlin.to_utc(local(text)), Timestamp::parse(utc).ok(), "{text}");
        }
    }

    #[test]
    fn a_time_of_day_falls_on_the_nearest_day() {
        let bank = clock(chrono_tz::Asia::Jerusalem, "%H:%M:%S", Some("%y%m%d"));
        let day = bank.day("990105").expect("day");
        let late = bank.at(day, NaiveTime::from_hms_opt(23, 59, 50).expect("time")).expect("at");
        let near = |hour, minute, second| {
            let time = NaiveTime::from_hms_opt(hour, minute, second).expect("time");
            bank.near(late, time).map(|at| (at.micros() - late.micros()) / 1_000_000)
        };
        assert_eq!(near(0, 0, 5), Some(15));
        assert_eq!(near(23, 59, 48), Some(-2));
        assert_eq!(near(23, 59, 50), Some(0));
    }

    #[test]
    fn the_text_for_absent_is_doubtful_only_where_it_could_be_a_time() {
        let bank = clock(chrono_tz::Asia::Jerusalem, "%H:%M:%S", Some("%y%m%d"));
        assert!(matches!(bank.moment("0:00:00"), Some(Moment::Doubtful(_))));
        assert!(matches!(bank.moment("7:05:09"), Some(Moment::OfDay(_))));
        assert_eq!(bank.moment(""), Some(Moment::Absent));
        assert_eq!(bank.moment("25:00:00"), None);
        assert_eq!(bank.moment("7:05"), None);
    }

    #[test]
    fn full_times_take_offsets_and_epoch_seconds() {
        let utc = Timestamp::parse("2024-07-01T10:00:00Z").ok();
        for (format, text) in [
            ("%Y-%m-%dT%H:%M:%S%z", "2024-07-01T12:00:00+0200"),
            ("%s", "1719828000"),
            ("%d.%m.%Y %H:%M", "01.07.2024 12:00"),
        ] {
            let clock = clock(chrono_tz::Europe::Berlin, format, None);
            assert_eq!(clock.moment(text), utc.map(Moment::At), "{format}");
        }
    }
}
