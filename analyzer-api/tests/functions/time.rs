//! Time on the clocks of a zone. The expected values come from Python's `zoneinfo`: for bins by walking the
//! clock minute by minute, for opening hours by looking for the first minute at which the clock shows
//! begin and end of each range.

use crate::ask::{cell, cells, refusal};

/// Zone, first instant of a day and of the next, minutes between, bins of 15, 30, 60, 120 minutes in it.
/// Days of 23, 23.5, 24, 24.5 and 25 hours; clocks moved at midnight (Havana, Cairo, Santiago), by half an
/// hour (Lord Howe), in a zone of half hours (St. John's), never (Kathmandu).
const DAYS: [(&str, &str, &str, i64, [i64; 4]); 16] = [
    ("Europe/Brussels", "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z", 1380, [92, 46, 23, 12]),
    ("Europe/Brussels", "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z", 1500, [100, 50, 25, 13]),
    ("America/New_York", "2026-03-08T05:00:00Z", "2026-03-09T04:00:00Z", 1380, [92, 46, 23, 12]),
    ("America/New_York", "2026-11-01T04:00:00Z", "2026-11-02T05:00:00Z", 1500, [100, 50, 25, 12]),
    ("Australia/Lord_Howe", "2026-04-04T13:00:00Z", "2026-04-05T13:30:00Z", 1470, [98, 49, 24, 12]),
    ("Australia/Lord_Howe", "2026-10-03T13:30:00Z", "2026-10-04T13:00:00Z", 1410, [94, 47, 24, 12]),
    ("America/Havana", "2025-03-09T05:00:00Z", "2025-03-10T04:00:00Z", 1380, [92, 46, 23, 12]),
    ("America/Havana", "2025-11-02T04:00:00Z", "2025-11-03T05:00:00Z", 1500, [100, 50, 25, 13]),
    ("Africa/Cairo", "2024-04-25T22:00:00Z", "2024-04-26T21:00:00Z", 1380, [92, 46, 23, 12]),
    ("Africa/Cairo", "2024-10-31T22:00:00Z", "2024-11-01T22:00:00Z", 1440, [96, 48, 24, 12]),
    ("Africa/Cairo", "2024-10-30T21:00:00Z", "2024-10-31T22:00:00Z", 1500, [100, 50, 25, 12]),
    ("America/St_Johns", "2026-03-08T03:30:00Z", "2026-03-09T02:30:00Z", 1380, [92, 46, 23, 12]),
    ("America/St_Johns", "2026-11-01T02:30:00Z", "2026-11-02T03:30:00Z", 1500, [100, 50, 25, 12]),
    ("America/Santiago", "2024-04-06T03:00:00Z", "2024-04-07T04:00:00Z", 1500, [100, 50, 25, 12]),
    ("America/Santiago", "2024-09-08T04:00:00Z", "2024-09-09T03:00:00Z", 1380, [92, 46, 23, 12]),
    ("Asia/Kathmandu", "2026-03-28T18:15:00Z", "2026-03-29T18:15:00Z", 1440, [96, 48, 24, 12]),
];

/// Zone, interval, instant, begin of its bin.
const BINS: [(&str, &str, &str, &str); 58] = [
    ("Europe/Brussels", "30 minutes", "2026-03-29T00:59:00Z", "2026-03-29T00:30:00Z"),
    ("Europe/Brussels", "30 minutes", "2026-03-29T01:00:00Z", "2026-03-29T01:00:00Z"),
    ("Europe/Brussels", "30 minutes", "2026-03-29T01:44:00Z", "2026-03-29T01:30:00Z"),
    ("Europe/Brussels", "30 minutes", "2026-10-25T00:40:00Z", "2026-10-25T00:30:00Z"),
    ("Europe/Brussels", "30 minutes", "2026-10-25T01:10:00Z", "2026-10-25T01:00:00Z"),
    ("Europe/Brussels", "30 minutes", "2026-10-25T01:40:00Z", "2026-10-25T01:30:00Z"),
    ("Europe/Brussels", "30 minutes", "2026-10-25T02:10:00Z", "2026-10-25T02:00:00Z"),
    ("Europe/Brussels", "120 minutes", "2026-03-29T01:10:00Z", "2026-03-29T01:00:00Z"),
    ("Europe/Brussels", "120 minutes", "2026-10-25T00:59:00Z", "2026-10-25T00:00:00Z"),
    ("Europe/Brussels", "120 minutes", "2026-10-25T01:00:00Z", "2026-10-25T01:00:00Z"),
    ("Europe/Brussels", "120 minutes", "2026-10-25T02:59:00Z", "2026-10-25T01:00:00Z"),
    ("Europe/Brussels", "120 minutes", "2026-10-25T03:00:00Z", "2026-10-25T03:00:00Z"),
    ("Europe/Brussels", "240 minutes", "2026-03-29T01:10:00Z", "2026-03-28T23:00:00Z"),
    ("Europe/Brussels", "240 minutes", "2026-10-25T01:10:00Z", "2026-10-24T22:00:00Z"),
    ("Europe/Brussels", "45 minutes", "2026-10-25T00:59:00Z", "2026-10-25T00:15:00Z"),
    ("Europe/Brussels", "45 minutes", "2026-10-25T01:05:00Z", "2026-10-25T01:00:00Z"),
    ("Europe/Brussels", "45 minutes", "2026-10-25T01:20:00Z", "2026-10-25T01:15:00Z"),
    ("America/New_York", "60 minutes", "2026-03-08T06:59:00Z", "2026-03-08T06:00:00Z"),
    ("America/New_York", "60 minutes", "2026-03-08T07:00:00Z", "2026-03-08T07:00:00Z"),
    ("America/New_York", "60 minutes", "2026-11-01T05:30:00Z", "2026-11-01T05:00:00Z"),
    ("America/New_York", "60 minutes", "2026-11-01T06:30:00Z", "2026-11-01T06:00:00Z"),
    ("America/New_York", "60 minutes", "2026-11-01T07:30:00Z", "2026-11-01T07:00:00Z"),
    ("America/New_York", "120 minutes", "2026-11-01T06:30:00Z", "2026-11-01T04:00:00Z"),
    ("America/New_York", "120 minutes", "2026-03-08T07:30:00Z", "2026-03-08T07:00:00Z"),
    ("Australia/Lord_Howe", "60 minutes", "2026-04-04T14:59:00Z", "2026-04-04T14:00:00Z"),
    ("Australia/Lord_Howe", "60 minutes", "2026-04-04T15:10:00Z", "2026-04-04T14:00:00Z"),
    ("Australia/Lord_Howe", "60 minutes", "2026-04-04T15:29:00Z", "2026-04-04T14:00:00Z"),
    ("Australia/Lord_Howe", "60 minutes", "2026-04-04T15:30:00Z", "2026-04-04T15:30:00Z"),
    ("Australia/Lord_Howe", "60 minutes", "2026-10-03T15:29:00Z", "2026-10-03T14:30:00Z"),
    ("Australia/Lord_Howe", "60 minutes", "2026-10-03T15:30:00Z", "2026-10-03T15:30:00Z"),
    ("Australia/Lord_Howe", "60 minutes", "2026-10-03T15:59:00Z", "2026-10-03T15:30:00Z"),
    ("Australia/Lord_Howe", "60 minutes", "2026-10-03T16:00:00Z", "2026-10-03T16:00:00Z"),
    ("Australia/Lord_Howe", "15 minutes", "2026-04-04T14:50:00Z", "2026-04-04T14:45:00Z"),
    ("Australia/Lord_Howe", "15 minutes", "2026-04-04T15:05:00Z", "2026-04-04T15:00:00Z"),
    ("Africa/Cairo", "60 minutes", "2024-04-25T21:59:00Z", "2024-04-25T21:00:00Z"),
    ("Africa/Cairo", "60 minutes", "2024-04-25T22:00:00Z", "2024-04-25T22:00:00Z"),
    ("Africa/Cairo", "60 minutes", "2024-10-31T20:30:00Z", "2024-10-31T20:00:00Z"),
    ("Africa/Cairo", "60 minutes", "2024-10-31T21:30:00Z", "2024-10-31T21:00:00Z"),
    ("Africa/Cairo", "60 minutes", "2024-10-31T22:30:00Z", "2024-10-31T22:00:00Z"),
    ("Asia/Kathmandu", "60 minutes", "2026-03-29T00:00:00Z", "2026-03-28T23:15:00Z"),
    ("Asia/Kathmandu", "60 minutes", "2026-03-29T00:15:00Z", "2026-03-29T00:15:00Z"),
    ("America/St_Johns", "30 minutes", "2026-11-01T03:45:00Z", "2026-11-01T03:30:00Z"),
    ("America/St_Johns", "30 minutes", "2026-11-01T04:45:00Z", "2026-11-01T04:30:00Z"),
    ("America/St_Johns", "30 minutes", "2026-03-08T05:45:00Z", "2026-03-08T05:30:00Z"),
    ("Europe/Brussels", "1 day", "2026-03-29T12:00:00Z", "2026-03-28T23:00:00Z"),
    ("Europe/Brussels", "1 day", "2026-10-25T22:59:00Z", "2026-10-24T22:00:00Z"),
    ("America/Havana", "1 day", "2025-11-02T04:30:00Z", "2025-11-02T04:00:00Z"),
    ("America/Havana", "1 day", "2025-11-02T05:30:00Z", "2025-11-02T04:00:00Z"),
    ("America/Havana", "1 day", "2025-03-09T05:00:00Z", "2025-03-09T05:00:00Z"),
    ("Africa/Cairo", "1 day", "2024-04-26T10:00:00Z", "2024-04-25T22:00:00Z"),
    ("Africa/Cairo", "1 day", "2024-10-31T21:30:00Z", "2024-10-30T21:00:00Z"),
    ("America/Santiago", "1 day", "2024-04-07T03:30:00Z", "2024-04-06T03:00:00Z"),
    ("America/Santiago", "1 day", "2024-09-08T12:00:00Z", "2024-09-08T04:00:00Z"),
    ("Europe/Brussels", "7 days", "2026-04-01T10:00:00Z", "2026-03-29T22:00:00Z"),
    ("America/New_York", "7 days", "2026-03-09T03:30:00Z", "2026-03-02T05:00:00Z"),
    ("Europe/Brussels", "1 month", "2026-03-31T22:30:00Z", "2026-03-31T22:00:00Z"),
    ("Australia/Lord_Howe", "3 months", "2026-05-20T00:00:00Z", "2026-03-31T13:00:00Z"),
    ("Africa/Cairo", "1 year", "2024-06-01T00:00:00Z", "2023-12-31T22:00:00Z"),
];

/// Zone, instant, what the clock shows.
const READINGS: [(&str, &str, &str); 28] = [
    ("Europe/Brussels", "2024-07-01T18:00:00Z", "2024-07-01T20:00:00"),
    ("Europe/Brussels", "2026-03-29T01:00:00Z", "2026-03-29T03:00:00"),
    ("Europe/Brussels", "2026-10-25T00:59:59Z", "2026-10-25T02:59:59"),
    ("Europe/Brussels", "2026-10-25T01:00:00Z", "2026-10-25T02:00:00"),
    ("America/New_York", "2024-07-01T18:00:00Z", "2024-07-01T14:00:00"),
    ("America/New_York", "2026-03-29T01:00:00Z", "2026-03-28T21:00:00"),
    ("America/New_York", "2026-10-25T00:59:59Z", "2026-10-24T20:59:59"),
    ("America/New_York", "2026-10-25T01:00:00Z", "2026-10-24T21:00:00"),
    ("Australia/Lord_Howe", "2024-07-01T18:00:00Z", "2024-07-02T04:30:00"),
    ("Australia/Lord_Howe", "2026-03-29T01:00:00Z", "2026-03-29T12:00:00"),
    ("Australia/Lord_Howe", "2026-10-25T00:59:59Z", "2026-10-25T11:59:59"),
    ("Australia/Lord_Howe", "2026-10-25T01:00:00Z", "2026-10-25T12:00:00"),
    ("America/Havana", "2024-07-01T18:00:00Z", "2024-07-01T14:00:00"),
    ("America/Havana", "2026-03-29T01:00:00Z", "2026-03-28T21:00:00"),
    ("America/Havana", "2026-10-25T00:59:59Z", "2026-10-24T20:59:59"),
    ("America/Havana", "2026-10-25T01:00:00Z", "2026-10-24T21:00:00"),
    ("Africa/Cairo", "2024-07-01T18:00:00Z", "2024-07-01T21:00:00"),
    ("Africa/Cairo", "2026-03-29T01:00:00Z", "2026-03-29T03:00:00"),
    ("Africa/Cairo", "2026-10-25T00:59:59Z", "2026-10-25T03:59:59"),
    ("Africa/Cairo", "2026-10-25T01:00:00Z", "2026-10-25T04:00:00"),
    ("America/St_Johns", "2024-07-01T18:00:00Z", "2024-07-01T15:30:00"),
    ("America/St_Johns", "2026-03-29T01:00:00Z", "2026-03-28T22:30:00"),
    ("America/St_Johns", "2026-10-25T00:59:59Z", "2026-10-24T22:29:59"),
    ("America/St_Johns", "2026-10-25T01:00:00Z", "2026-10-24T22:30:00"),
    ("Asia/Kathmandu", "2024-07-01T18:00:00Z", "2024-07-01T23:45:00"),
    ("Asia/Kathmandu", "2026-03-29T01:00:00Z", "2026-03-29T06:45:00"),
    ("Asia/Kathmandu", "2026-10-25T00:59:59Z", "2026-10-25T06:44:59"),
    ("Asia/Kathmandu", "2026-10-25T01:00:00Z", "2026-10-25T06:45:00"),
];

/// Zone, what the clock shows, instant; twice-shown and skipped readings by PostgreSQL's rule.
const INSTANTS: [(&str, &str, &str); 11] = [
    ("Europe/Brussels", "2026-07-01T12:00:00", "2026-07-01T10:00:00Z"),
    ("Europe/Brussels", "2026-03-29T02:30:00", "2026-03-29T01:30:00Z"),
    ("Europe/Brussels", "2026-10-25T02:30:00", "2026-10-25T01:30:00Z"),
    ("America/New_York", "2024-11-03T01:30:00", "2024-11-03T06:30:00Z"),
    ("America/New_York", "2024-03-10T02:30:00", "2024-03-10T07:30:00Z"),
    ("Australia/Lord_Howe", "2026-04-05T01:45:00", "2026-04-04T15:15:00Z"),
    ("Australia/Lord_Howe", "2026-10-04T02:15:00", "2026-10-03T15:45:00Z"),
    ("Africa/Cairo", "2024-04-26T00:30:00", "2024-04-25T22:30:00Z"),
    ("Africa/Cairo", "2024-10-31T23:30:00", "2024-10-31T21:30:00Z"),
    ("America/Havana", "2025-11-02T00:30:00", "2025-11-02T05:30:00Z"),
    ("Asia/Kathmandu", "2026-01-01T05:45:00", "2026-01-01T00:00:00Z"),
];

const OFFICE: &str = r#"{"time_zone": "Europe/Brussels", "holidays": ["2026-05-01"], "weekdays": {
    "monday": ["09:00-12:00", "13:00-17:30"], "tuesday": ["09:00-12:00", "13:00-17:30"],
    "wednesday": ["09:00-12:00", "13:00-17:30"], "thursday": ["09:00-12:00", "13:00-17:30"],
    "friday": ["09:00-16:00"]}}"#;
const ALWAYS: &str = r#"{"time_zone": "America/New_York", "weekdays": {
    "monday": ["00:00-24:00"], "tuesday": ["00:00-24:00"], "wednesday": ["00:00-24:00"],
    "thursday": ["00:00-24:00"], "friday": ["00:00-24:00"], "saturday": ["00:00-24:00"],
    "sunday": ["00:00-24:00"]}}"#;
const NIGHT: &str = r#"{"time_zone": "Australia/Lord_Howe", "weekdays": {
    "saturday": ["00:00-01:45", "02:15-06:00", "22:00-24:00"],
    "sunday": ["00:00-01:45", "02:15-06:00", "22:00-24:00"]}}"#;

/// Calendar, from, to, seconds open.
const OPEN: [(&str, &str, &str, f64); 10] = [
    (OFFICE, "2026-04-27T06:30:00Z", "2026-04-27T15:30:00Z", 27000.0),
    (OFFICE, "2026-04-30T14:00:00Z", "2026-05-04T08:00:00Z", 9000.0),
    (OFFICE, "2026-03-01T00:00:00Z", "2026-04-01T00:00:00Z", 586800.0),
    (OFFICE, "2026-04-25T00:00:00Z", "2026-04-26T20:00:00Z", 0.0),
    (ALWAYS, "2026-03-08T00:00:00Z", "2026-03-10T00:00:00Z", 172800.0),
    (ALWAYS, "2026-11-01T04:00:00Z", "2026-11-02T05:00:00Z", 90000.0),
    (ALWAYS, "2026-11-01T05:30:00Z", "2026-11-01T06:30:00Z", 3600.0),
    (NIGHT, "2026-04-04T13:00:00Z", "2026-04-05T13:30:00Z", 27000.0),
    (NIGHT, "2026-10-03T13:30:00Z", "2026-10-04T13:00:00Z", 26100.0),
    (NIGHT, "2026-04-04T14:50:00Z", "2026-04-04T15:20:00Z", 0.0),
];

/// `VALUES` with these rows of text.
fn values<const N: usize>(rows: impl IntoIterator<Item = [String; N]>) -> String {
    let row = |row: [String; N]| {
        let quoted = row.map(|text| format!("'{}'", text.replace('\'', "''")));
        format!("({})", quoted.join(", "))
    };
    rows.into_iter().map(row).collect::<Vec<_>>().join(", ")
}

/// Runs a query whose first two columns must be equal in each of so many rows.
async fn all_equal(sql: &str, expected_rows: usize) {
    let rows = cells(sql).await;
    assert_eq!(rows.len(), expected_rows, "{sql}");
    for row in rows {
        assert!(!row[0].is_empty(), "{row:?}");
        assert_eq!(row[0], row[1], "{row:?}");
    }
}

#[tokio::test]
async fn clocks_show_what_zoneinfo_says() {
    let rows = values(READINGS.map(|(tz, ts, local)| [tz, ts, local].map(str::to_owned)));
    let sql = format!(
        "SELECT cc_local(ts, tz), CAST(local AS timestamp), tz, ts FROM (VALUES {rows}) t(tz, ts, local)"
    );
    all_equal(&sql, READINGS.len()).await;
}

#[tokio::test]
async fn readings_become_instants_as_in_postgresql() {
    let rows = values(INSTANTS.map(|(tz, local, ts)| [tz, local, ts].map(str::to_owned)));
    let sql = format!(
        "SELECT cc_utc(local, tz), CAST(ts AS timestamptz), tz, local FROM (VALUES {rows}) t(tz, local, ts)"
    );
    all_equal(&sql, INSTANTS.len()).await;
}

#[tokio::test]
async fn bins_begin_where_the_clock_says() {
    let rows = values(BINS.map(|(tz, width, ts, begin)| [tz, width, ts, begin].map(str::to_owned)));
    let sql = format!(
        "SELECT cc_bin(width, ts, tz), CAST(begins AS timestamptz), tz, width, ts \
         FROM (VALUES {rows}) t(tz, width, ts, begins)"
    );
    all_equal(&sql, BINS.len()).await;
}

#[tokio::test]
async fn days_have_as_many_bins_as_they_have_time() {
    for (tz, from, to, minutes, counts) in DAYS {
        let sql = format!(
            "SELECT count(*), count(DISTINCT cc_bin(interval '1 day', ts, '{tz}')), \
             min(cc_bin(interval '1 day', ts, '{tz}')) = CAST('{from}' AS timestamptz), \
             count(DISTINCT cc_interval_start(ts, 15, '{tz}')), \
             count(DISTINCT cc_interval_start(ts, 30, '{tz}')), \
             count(DISTINCT cc_bin(interval '1 hour', ts, '{tz}')), \
             count(DISTINCT cc_bin(interval '2 hours', ts, '{tz}')), \
             count(DISTINCT cc_interval_start(ts, 1440, '{tz}')), \
             cc_bin(interval '1 day', CAST('{to}' AS timestamptz), '{tz}') = CAST('{to}' AS timestamptz) \
             FROM (SELECT to_timestamp(CAST(extract(epoch FROM CAST('{from}' AS timestamptz)) AS bigint) \
                                       + value * 60) AS ts FROM generate_series(0, {minutes} - 1))"
        );
        let mut expected = vec![minutes.to_string(), "1".to_owned(), "true".to_owned()];
        expected.extend(counts.map(|count| count.to_string()));
        expected.extend(["1".to_owned(), "true".to_owned()]);
        assert_eq!(cells(&sql).await, [expected], "{tz} {from}");
    }
}

#[tokio::test]
async fn bins_begin_at_the_origin_that_is_given() {
    for (sql, expected) in [
        // A working day from six to six.
        (
            "cc_bin(interval '1 day', '2026-03-29T03:30:00Z', 'Europe/Brussels', '2001-01-01 06:00:00')",
            "2026-03-28T05:00:00Z",
        ),
        // Weeks from Sunday.
        (
            "cc_bin(interval '7 days', '2026-04-01T10:00:00Z', 'Europe/Brussels', timestamp '2000-01-02')",
            "2026-03-28T23:00:00Z",
        ),
        // Years from April.
        (
            "cc_bin(interval '1 year', '2026-02-01T00:00:00Z', 'UTC', timestamp '2001-04-01')",
            "2025-04-01T00:00:00Z",
        ),
        (
            "cc_bin(interval '24 hours', '2026-10-25T22:59:00Z', 'Europe/Brussels')",
            "2026-10-24T22:00:00Z",
        ),
        ("cc_bin('15 minutes', timestamp '2026-01-01 10:44:59', 'UTC')", "2026-01-01T10:30:00Z"),
    ] {
        let sql = format!("SELECT {sql} = CAST('{expected}' AS timestamptz)");
        assert_eq!(cell(&sql).await, "true", "{sql}");
    }
}

#[tokio::test]
async fn null_gives_null() {
    for sql in [
        "cc_local(NULL, 'UTC')",
        "cc_local(now(), NULL)",
        "cc_utc(NULL, 'UTC')",
        "cc_bin(NULL, now(), 'UTC')",
        "cc_bin(interval '1 day', now(), 'UTC', NULL)",
        "cc_interval_start(now(), NULL, 'UTC')",
        "cc_business_seconds(now(), NULL, '{}')",
    ] {
        assert_eq!(cell(&format!("SELECT {sql} IS NULL")).await, "true", "{sql}");
    }
}

#[tokio::test]
async fn opening_hours_are_those_that_passed() {
    let rows = values(OPEN.map(|(calendar, from, to, seconds)| {
        [calendar.to_owned(), from.to_owned(), to.to_owned(), seconds.to_string()]
    }));
    let sql = format!(
        "SELECT cc_business_seconds(f, t, calendar), CAST(seconds AS double precision), f, t \
         FROM (VALUES {rows}) v(calendar, f, t, seconds)"
    );
    all_equal(&sql, OPEN.len()).await;
    let (calendar, from, to, seconds) = OPEN[0];
    let sql = format!("SELECT cc_business_seconds('{to}', '{from}', '{calendar}')");
    assert_eq!(cell(&sql).await.parse(), Ok(-seconds));
}

#[tokio::test]
async fn what_is_wrong_is_named() {
    for (sql, expected) in [
        ("cc_local(1, 'UTC')", "function cc_local: ts must be a timestamp, not Int64"),
        ("cc_local(now())", "function cc_local takes (ts, tz), got 1 argument"),
        (
            "cc_local(now(), 'Mars/Olympus')",
            "cc_local: tz 'Mars/Olympus' is not an IANA time zone name",
        ),
        ("cc_utc(now(), 'UTC')", "cc_utc: local must be a timestamp without time zone"),
        ("cc_bin(now(), now(), 'UTC')", "cc_bin: interval must be an interval"),
        ("cc_bin(interval '0 seconds', now(), 'UTC')", "cc_bin: interval must be positive"),
        ("cc_bin(interval '-1 day', now(), 'UTC')", "cc_bin: interval must be positive"),
        (
            "cc_bin(interval '1 month 1 day', now(), 'UTC')",
            "interval must be whole months, or whole days",
        ),
        ("cc_bin(interval '36 hours', now(), 'UTC')", "a time below 24 hours"),
        ("cc_interval_start(now(), 7, 'UTC')", "minutes must divide a day (1440), got 7"),
        ("cc_interval_start(now(), 0, 'UTC')", "minutes must divide a day (1440), got 0"),
        ("cc_interval_start(now(), 1.5, 'UTC')", "minutes must be a whole number"),
        ("cc_business_seconds(now(), now(), '{}')", "calendar: missing field `time_zone`"),
        ("cc_business_seconds(now(), now(), 5)", "calendar must be text"),
        (
            "cc_business_seconds(now(), '2300-01-01', '{\"time_zone\": \"UTC\", \"weekdays\": {}}')",
            "from and to must lie in the years 1900 to 2200",
        ),
    ] {
        let error = refusal(&format!("SELECT {sql}")).await;
        assert!(error.contains(expected), "{sql}: {error}");
    }
}
