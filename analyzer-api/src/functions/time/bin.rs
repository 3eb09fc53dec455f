//! Bins of time on the clock of a time zone.
//!
//! Bins of whole days or months begin at the first instant of their first day. Shorter bins begin
//! whenever the clock shows the start of a bin, or jumps forward over one: where the clock is put back
//! by an hour, that hour is there twice and its bins are apart.

use chrono::{Datelike, Months, NaiveDateTime};
use chrono_tz::Tz;
use datafusion::arrow::datatypes::IntervalMonthDayNano;
use datafusion::error::Result;

use super::zone::{DAY, naive, offset, reading, shown};
use crate::functions::spec::Spec;

/// Where bins begin unless told: Monday, 2001-01-01 00:00, the first day of a week, month, quarter, year.
pub(crate) const ORIGIN: i64 = 978_307_200_000_000;

/// Length of a bin on the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stride {
    /// Calendar months.
    Months(i64),
    /// Calendar days.
    Days(i64),
    /// Less than a day, in microseconds.
    Micros(i64),
}

impl Stride {
    /// # Errors
    /// Naming the argument `interval`: not positive, below a microsecond, mixed, or over a day without
    /// being whole days.
    pub(crate) fn new(spec: &Spec, interval: IntervalMonthDayNano) -> Result<Self> {
        let IntervalMonthDayNano { months, days, nanoseconds } = interval;
        let wrong = |what: &str| Err(spec.wrong("interval", what));
        if months < 0 || days < 0 || nanoseconds < 0 {
            return wrong("must be positive");
        }
        if nanoseconds % 1_000 != 0 {
            return wrong("must be whole microseconds");
        }
        let micros = nanoseconds / 1_000;
        match (i64::from(months), i64::from(days), micros) {
            (0, 0, 0) => wrong("must be positive"),
            (months, 0, 0) => Ok(Self::Months(months)),
            (0, days, 0) => Ok(Self::Days(days)),
            (0, 0, micros) if micros < DAY => Ok(Self::Micros(micros)),
            (0, 0, micros) if micros % DAY == 0 => Ok(Self::Days(micros / DAY)),
            _ => wrong("must be whole months, or whole days, or a time below 24 hours"),
        }
    }

    /// The reading at which the bin of a reading begins; `None` out of range.
    fn begin(self, local: i64, origin: i64) -> Option<i64> {
        match self {
            Self::Months(months) => begin_of_months(months, local, origin),
            Self::Days(days) => begin_of_time(days.checked_mul(DAY)?, local, origin),
            Self::Micros(micros) => begin_of_time(micros, local, origin),
        }
    }
}

fn begin_of_time(micros: i64, local: i64, origin: i64) -> Option<i64> {
    let since = local.checked_sub(origin)?;
    since.div_euclid(micros).checked_mul(micros)?.checked_add(origin)
}

fn begin_of_months(months: i64, local: i64, origin: i64) -> Option<i64> {
    let (local, origin) = (naive(local)?, naive(origin)?);
    let number = |time: NaiveDateTime| i64::from(time.year()) * 12 + i64::from(time.month0());
    let mut between = number(local) - number(origin);
    if plus_months(origin, between)? > local {
        between -= 1;
    }
    let begin = plus_months(origin, between.div_euclid(months).checked_mul(months)?)?;
    Some(begin.and_utc().timestamp_micros())
}

fn plus_months(time: NaiveDateTime, months: i64) -> Option<NaiveDateTime> {
    let count = Months::new(u32::try_from(months.unsigned_abs()).ok()?);
    if months < 0 { time.checked_sub_months(count) } else { time.checked_add_months(count) }
}

/// The instant at which the bin of an instant begins; `None` out of range.
pub(crate) fn begin(stride: Stride, zone: Tz, origin: i64, instant: i64) -> Option<i64> {
    if !matches!(stride, Stride::Micros(_)) {
        let begin = stride.begin(reading(zone, instant)?, origin)?;
        return Some(shown(zone, begin)?.first());
    }
    let mut instant = instant;
    loop {
        let offset_now = offset(zone, instant)?;
        let local = instant.checked_add(offset_now)?;
        let begin = stride.begin(local, origin)?;
        let candidate = instant.checked_sub(local - begin)?;
        if offset(zone, candidate)? == offset_now {
            return Some(candidate);
        }
        // The clock was moved since. Did it show the same bin before?
        let moved = change(zone, candidate, instant)?;
        let before = moved.checked_sub(1)?;
        if stride.begin(reading(zone, before)?, origin)? != begin {
            return Some(moved);
        }
        instant = before;
    }
}

/// The instant after the bin of an instant; `None` out of range.
pub(crate) fn end(stride: Stride, zone: Tz, origin: i64, instant: i64) -> Option<i64> {
    let local = stride.begin(reading(zone, instant)?, origin)?;
    // Two days further is another bin for any time below a day, whatever the clock does.
    let mut beyond = match stride {
        Stride::Months(months) => {
            let next = plus_months(naive(local)?, months)?.and_utc().timestamp_micros();
            return Some(shown(zone, next)?.first());
        }
        Stride::Days(days) => {
            let next = local.checked_add(days.checked_mul(DAY)?)?;
            return Some(shown(zone, next)?.first());
        }
        Stride::Micros(_) => instant.checked_add(2 * DAY)?,
    };
    if let Stride::Micros(micros) = stride {
        // Without a move of the clock until the next start of a bin, that is where it ends.
        let offset_now = offset(zone, instant)?;
        let next = local.checked_add(micros)?.checked_sub(offset_now)?;
        if offset(zone, next)? == offset_now {
            return Some(next);
        }
    }
    let this = begin(stride, zone, origin, instant)?;
    let mut inside = instant;
    while beyond - inside > 1 {
        let middle = inside + (beyond - inside) / 2;
        if begin(stride, zone, origin, middle)? == this {
            inside = middle;
        } else {
            beyond = middle;
        }
    }
    Some(beyond)
}

/// The first instant after `from`, up to `to`, with the offset of `to`. Within a day a clock is moved
/// once at most: checked for every zone from 1900 to 2040, of which the test below repeats a part.
fn change(zone: Tz, from: i64, to: i64) -> Option<i64> {
    let after = offset(zone, to)?;
    let (mut before, mut moved) = (from, to);
    while moved - before > 1 {
        let middle = before + (moved - before) / 2;
        if offset(zone, middle)? == after {
            moved = middle;
        } else {
            before = middle;
        }
    }
    Some(moved)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::functions::time::zone::SECOND;
    use proptest::prelude::*;

    const HOUR: i64 = 3_600 * SECOND;

    #[test]
    fn a_clock_is_moved_once_a_day_at_most() {
        let first = 0; // 1970
        let last = 2_208_988_800 * SECOND; // 2040
        for zone in chrono_tz::TZ_VARIANTS.into_iter().step_by(9) {
            let mut moves = Vec::new();
            let mut at = first;
            // Any move of less than 12 hours' life would be seen by its neighbours in this walk.
            while at < last {
                let next = at + 12 * HOUR;
                if offset(zone, at) != offset(zone, next) {
                    moves.push(change(zone, at, next).unwrap());
                }
                at = next;
            }
            for pair in moves.windows(2) {
                assert!(pair[1] - pair[0] > DAY, "{zone}: moved at {} and {}", pair[0], pair[1]);
            }
        }
    }

    /// The next move of the clock after an instant, or the instant itself where there is none for a year.
    fn next_move(zone: Tz, at: i64) -> i64 {
        let mut steps = (0..800).map(|step| at + step * 12 * HOUR);
        let step = |from: &i64| offset(zone, *from) != offset(zone, *from + 12 * HOUR);
        let from = steps.find(step);
        from.and_then(|from| change(zone, from, from + 12 * HOUR)).unwrap_or(at)
    }

    fn zone() -> impl Strategy<Value = Tz> {
        prop_oneof![
            Just(Tz::Europe__Brussels),
            Just(Tz::America__New_York),
            Just(Tz::America__St_Johns),
            Just(Tz::Australia__Lord_Howe),
            Just(Tz::America__Havana),
            Just(Tz::America__Asuncion),
            Just(Tz::Asia__Kathmandu),
            Just(Tz::Africa__Casablanca),
            Just(Tz::UTC),
        ]
    }

    fn stride() -> impl Strategy<Value = Stride> {
        prop_oneof![
            prop::sample::select(vec![1_i64, 5, 7, 15, 30, 45, 60, 120, 240, 720])
                .prop_map(|minutes| Stride::Micros(minutes * 60 * SECOND)),
            (1_i64..40).prop_map(Stride::Days),
            (1_i64..14).prop_map(Stride::Months),
        ]
    }

    proptest! {
        /// Bins cover time without gap or overlap: a bin begins at or before each of its instants, its
        /// begin is in it, and the next bin begins where it ends.
        #[test]
        fn bins_partition_time(
            zone in zone(), stride in stride(), at in 1_500_000_000_i64..2_000_000_000,
            minutes in -300_i64..300,
        ) {
            let at = next_move(zone, at * SECOND) + minutes * 60 * SECOND + 1;
            let this = begin(stride, zone, ORIGIN, at).unwrap();
            let next = end(stride, zone, ORIGIN, at).unwrap();
            prop_assert!(this <= at && at < next, "{} {} {}", this, at, next);
            prop_assert_eq!(begin(stride, zone, ORIGIN, this), Some(this));
            prop_assert_eq!(begin(stride, zone, ORIGIN, next - 1), Some(this));
            prop_assert_eq!(begin(stride, zone, ORIGIN, next), Some(next));
        }
    }
}
