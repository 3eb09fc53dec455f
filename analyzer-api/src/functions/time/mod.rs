//! Time on the clocks of a time zone: readings, bins, opening hours.

pub(crate) mod bin;
mod calendar;
mod trunc;
pub(crate) mod zone;

use std::sync::Arc;

use chrono_tz::Tz;
use datafusion::arrow::array::{ArrayRef, Float64Array, TimestampMicrosecondArray};
use datafusion::arrow::datatypes::{
    Int64Type, IntervalMonthDayNanoType, TimestampMicrosecondType as Micros,
};
use datafusion::error::Result;
use datafusion::logical_expr::ScalarUDF;

use self::bin::{ORIGIN, Stride};
use self::calendar::Calendar;
use self::zone::SECOND;
use super::scalar::{Inputs, Memo, scalar};
use super::spec::{Spec, Type, argument};

const TS: super::spec::Argument = argument("ts", Type::Time);
const TZ: super::spec::Argument = argument("tz", Type::Text);

static LOCAL: Spec = Spec {
    name: "cc_local",
    arguments: &[TS, TZ],
    optional: 0,
    result: Type::LocalTime,
    doc: "what the clocks of time zone tz show at ts",
};

static UTC: Spec = Spec {
    name: "cc_utc",
    arguments: &[argument("local", Type::LocalTime), TZ],
    optional: 0,
    result: Type::Time,
    doc: "when the clocks of time zone tz show local; of two instants the second, and for a time that is \
          skipped the instant by the offset before, as PostgreSQL does",
};

static BIN: Spec = Spec {
    name: "cc_bin",
    arguments: &[argument("interval", Type::Interval), TS, TZ, argument("origin", Type::LocalTime)],
    optional: 1,
    result: Type::Time,
    doc: "when the bin of ts began: bins of the interval's length on the clocks of time zone tz, from \
          origin (2001-01-01 00:00, a Monday)",
};

static INTERVAL_START: Spec = Spec {
    name: "cc_interval_start",
    arguments: &[TS, argument("minutes", Type::Int), TZ],
    optional: 0,
    result: Type::Time,
    doc: "when the interval of ts began: intervals of so many minutes, a divisor of 1440, from local \
          midnight in time zone tz",
};

static BUSINESS_SECONDS: Spec = Spec {
    name: "cc_business_seconds",
    arguments: &[
        argument("from", Type::Time),
        argument("to", Type::Time),
        argument("calendar", Type::Text),
    ],
    optional: 0,
    result: Type::Number,
    doc: "seconds between from and to that are opening hours by the calendar, a JSON text",
};

/// The functions of this module.
pub(super) fn functions() -> Vec<ScalarUDF> {
    vec![
        scalar(&LOCAL, local),
        scalar(&UTC, utc),
        scalar(&BIN, bin),
        scalar(&INTERVAL_START, interval_start),
        scalar(&BUSINESS_SECONDS, business_seconds),
        trunc::function(),
    ]
}

/// Their descriptions.
pub(super) fn specs() -> [&'static Spec; 5] {
    [&LOCAL, &UTC, &BIN, &INTERVAL_START, &BUSINESS_SECONDS]
}

type Zones = Memo<Tz>;

fn zone(spec: &Spec, zones: &mut Zones, name: &str) -> Result<Tz> {
    Ok(*zones.get(name, |name| zone::parse(spec, "tz", name))?)
}

/// Computes each row by `of`, which gives `None` for NULL.
fn times(
    inputs: &Inputs,
    mut of: impl FnMut(usize) -> Result<Option<i64>>,
) -> Result<TimestampMicrosecondArray> {
    let rows = (0..inputs.rows).map(&mut of).collect::<Result<Vec<_>>>()?;
    Ok(TimestampMicrosecondArray::from(rows))
}

fn out_of_range(spec: &Spec, argument: &str) -> datafusion::error::DataFusionError {
    spec.wrong(argument, "is out of range")
}

fn local(spec: &'static Spec, inputs: &Inputs) -> Result<ArrayRef> {
    let mut zones = Zones::new();
    let array = times(inputs, |row| {
        let (Some(ts), Some(tz)) = (inputs.primitive::<Micros>(0, row)?, inputs.text(1, row)?)
        else {
            return Ok(None);
        };
        let zone = zone(spec, &mut zones, tz)?;
        zone::reading(zone, ts).map(Some).ok_or_else(|| out_of_range(spec, "ts"))
    })?;
    Ok(Arc::new(array))
}

fn utc(spec: &'static Spec, inputs: &Inputs) -> Result<ArrayRef> {
    let mut zones = Zones::new();
    let array = times(inputs, |row| {
        let (Some(local), Some(tz)) = (inputs.primitive::<Micros>(0, row)?, inputs.text(1, row)?)
        else {
            return Ok(None);
        };
        let zone = zone(spec, &mut zones, tz)?;
        let shown = zone::shown(zone, local).ok_or_else(|| out_of_range(spec, "local"))?;
        Ok(Some(shown.as_postgres()))
    })?;
    Ok(Arc::new(array.with_timezone("UTC")))
}

fn bin(spec: &'static Spec, inputs: &Inputs) -> Result<ArrayRef> {
    let mut zones = Zones::new();
    let array = times(inputs, |row| {
        let origin = match inputs.has(3) {
            true => inputs.primitive::<Micros>(3, row)?,
            false => Some(ORIGIN),
        };
        let (Some(interval), Some(ts), Some(tz), Some(origin)) = (
            inputs.primitive::<IntervalMonthDayNanoType>(0, row)?,
            inputs.primitive::<Micros>(1, row)?,
            inputs.text(2, row)?,
            origin,
        ) else {
            return Ok(None);
        };
        let stride = Stride::new(spec, interval)?;
        let zone = zone(spec, &mut zones, tz)?;
        bin::begin(stride, zone, origin, ts).map(Some).ok_or_else(|| out_of_range(spec, "ts"))
    })?;
    Ok(Arc::new(array.with_timezone("UTC")))
}

fn interval_start(spec: &'static Spec, inputs: &Inputs) -> Result<ArrayRef> {
    let mut zones = Zones::new();
    let array = times(inputs, |row| {
        let (Some(ts), Some(minutes), Some(tz)) = (
            inputs.primitive::<Micros>(0, row)?,
            inputs.primitive::<Int64Type>(1, row)?,
            inputs.text(2, row)?,
        ) else {
            return Ok(None);
        };
        if !(1..=1_440).contains(&minutes) || 1_440 % minutes != 0 {
            return Err(spec.wrong("minutes", format!("must divide a day (1440), got {minutes}")));
        }
        let stride = match minutes {
            1_440 => Stride::Days(1),
            minutes => Stride::Micros(minutes * 60 * SECOND),
        };
        let zone = zone(spec, &mut zones, tz)?;
        bin::begin(stride, zone, ORIGIN, ts).map(Some).ok_or_else(|| out_of_range(spec, "ts"))
    })?;
    Ok(Arc::new(array.with_timezone("UTC")))
}

fn business_seconds(spec: &'static Spec, inputs: &Inputs) -> Result<ArrayRef> {
    let mut calendars = Memo::<Calendar>::new();
    let rows = (0..inputs.rows).map(|row| {
        let (Some(from), Some(to), Some(text)) = (
            inputs.primitive::<Micros>(0, row)?,
            inputs.primitive::<Micros>(1, row)?,
            inputs.text(2, row)?,
        ) else {
            return Ok(None);
        };
        let parse =
            |text: &str| Calendar::parse(text).map_err(|error| spec.wrong("calendar:", error));
        let open = calendars.get(text, parse)?.open_between(from, to);
        let open = open.map_err(|error| spec.wrong("from and to", error))?;
        Ok(Some(open as f64 / SECOND as f64))
    });
    Ok(Arc::new(Float64Array::from(rows.collect::<Result<Vec<_>>>()?)))
}
