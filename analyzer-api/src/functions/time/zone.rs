//! Instants and what the clocks of a time zone show. All values are microseconds: an instant since
//! 1970-01-01 UTC, a reading as if it were UTC.

use chrono::{DateTime, NaiveDateTime, Offset, TimeZone};
use chrono_tz::{GapInfo, Tz};
use datafusion::error::Result;

use crate::functions::spec::Spec;

/// Microseconds of a second.
pub(crate) const SECOND: i64 = 1_000_000;
/// Microseconds of a day of 24 hours.
pub(crate) const DAY: i64 = 86_400 * SECOND;

/// The time zone of that name in the IANA database.
pub(crate) fn parse(spec: &Spec, argument: &str, name: &str) -> Result<Tz> {
    let parsed = name.trim().parse::<Tz>();
    parsed.map_err(|_| spec.wrong(argument, format!("'{name}' is not an IANA time zone name")))
}

/// The instants at which a clock shows a reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shown {
    Once(i64),
    /// The clock was put back over it: first and second time.
    Twice(i64, i64),
    /// The clock was put forward over it.
    Never {
        /// When it was put forward.
        skip: i64,
        /// The instant the reading would be if the clock had not been put forward.
        unmoved: i64,
    },
}

impl Shown {
    /// The first instant at which the clock shows the reading or a later one.
    pub(crate) const fn first(self) -> i64 {
        match self {
            Self::Once(instant) | Self::Twice(instant, _) => instant,
            Self::Never { skip, .. } => skip,
        }
    }

    /// The instant PostgreSQL takes for the reading: the second one of two, and for one that was never
    /// shown the instant by the offset before (`DetermineTimeZoneOffset` in its `datetime.c`).
    pub(crate) const fn as_postgres(self) -> i64 {
        match self {
            Self::Once(instant) | Self::Twice(_, instant) => instant,
            Self::Never { unmoved, .. } => unmoved,
        }
    }
}

/// The calendar form of a value; `None` beyond the years -262143 to 262142.
pub(crate) fn naive(micros: i64) -> Option<NaiveDateTime> {
    DateTime::from_timestamp_micros(micros).map(|time| time.naive_utc())
}

/// What has to be added to an instant to get the reading; `None` out of range.
pub(crate) fn offset(zone: Tz, instant: i64) -> Option<i64> {
    let offset = zone.offset_from_utc_datetime(&naive(instant)?);
    Some(i64::from(offset.fix().local_minus_utc()) * SECOND)
}

/// What the clock shows at an instant; `None` out of range.
pub(crate) fn reading(zone: Tz, instant: i64) -> Option<i64> {
    instant.checked_add(offset(zone, instant)?)
}

/// When the clock shows a reading; `None` out of range.
pub(crate) fn shown(zone: Tz, reading: i64) -> Option<Shown> {
    let local = naive(reading)?;
    let instant = |offset: &<Tz as TimeZone>::Offset| {
        reading.checked_sub(i64::from(offset.fix().local_minus_utc()) * SECOND)
    };
    Some(match zone.offset_from_local_datetime(&local) {
        chrono::LocalResult::Single(offset) => Shown::Once(instant(&offset)?),
        chrono::LocalResult::Ambiguous(first, second) => {
            Shown::Twice(instant(&first)?, instant(&second)?)
        }
        chrono::LocalResult::None => {
            let gap = GapInfo::new(&local, &zone)?;
            let (begin, before) = gap.begin?;
            let skip = begin.and_utc().timestamp_micros()
                - i64::from(before.fix().local_minus_utc()) * SECOND;
            Shown::Never { skip, unmoved: instant(&before)? }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utc(text: &str) -> i64 {
        text.parse::<DateTime<chrono::Utc>>().unwrap().timestamp_micros()
    }

    #[test]
    fn readings_that_are_shown_twice_or_never() {
        let brussels = Tz::Europe__Brussels;
        let at = |text| shown(brussels, utc(text)).unwrap();
        assert_eq!(at("2026-07-01T12:00:00Z"), Shown::Once(utc("2026-07-01T10:00:00Z")));
        let twice = Shown::Twice(utc("2026-10-25T00:30:00Z"), utc("2026-10-25T01:30:00Z"));
        assert_eq!(at("2026-10-25T02:30:00Z"), twice);
        let (skip, unmoved) = (utc("2026-03-29T01:00:00Z"), utc("2026-03-29T01:30:00Z"));
        assert_eq!(at("2026-03-29T02:30:00Z"), Shown::Never { skip, unmoved });
    }

    #[test]
    fn beyond_the_calendar_is_nothing() {
        assert_eq!(reading(Tz::UTC, i64::MAX), None);
        assert_eq!(shown(Tz::UTC, i64::MIN), None);
    }
}
