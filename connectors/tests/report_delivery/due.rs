//! Due times as tables: both changes of the clocks in several zones, ends of months, and how many hours a day has.

use ledgerline_connectors::reports::due::{CATCH_UP_MAX, Due};
use ledgerline_schemas::Timestamp;
use ledgerline_schemas::config::report_schedule::{ScheduleWhen, Weekday};

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

fn daily(at: &str) -> ScheduleWhen {
    ScheduleWhen::Daily { at: at.to_owned() }
}

fn monthly(day: u32, at: &str) -> ScheduleWhen {
    ScheduleWhen::Monthly { day, at: at.to_owned() }
}

#[test]
fn due_times_follow_the_clocks_of_the_zone() {
    let week =
        ScheduleWhen::Weekly { on: vec![Weekday::Monday, Weekday::Friday], at: "08:00".into() };
    let hourly = |minute| ScheduleWhen::Hourly { minute };
    let table: Vec<(ScheduleWhen, &str, &str, &[&str])> = vec![
        // Brussels, clocks go forward from 02:00 to 03:00 on 29 March: 02:30 is skipped.
        (
            daily("02:30"),
            "Europe/Brussels",
            "2026-03-27T12:00:00Z",
            &["2026-03-28T01:30", "2026-03-29T01:00", "2026-03-30T00:30"],
        ),
        // And back from 03:00 to 02:00 on 25 October: 02:30 comes twice, the first counts.
        (
            daily("02:30"),
            "Europe/Brussels",
            "2026-10-23T12:00:00Z",
            &["2026-10-24T00:30", "2026-10-25T00:30", "2026-10-26T01:30"],
        ),
        // New York, forward on 8 March, back on 1 November.
        (
            daily("02:30"),
            "America/New_York",
            "2026-03-06T12:00:00Z",
            &["2026-03-07T07:30", "2026-03-08T07:00", "2026-03-09T06:30"],
        ),
        (
            daily("01:30"),
            "America/New_York",
            "2026-10-30T12:00:00Z",
            &["2026-10-31T05:30", "2026-11-01T05:30", "2026-11-02T06:30"],
        ),
        (
            daily("06:00"),
            "America/New_York",
            "2026-10-31T12:00:00Z",
            &["2026-11-01T11:00", "2026-11-02T11:00"],
        ),
        (
            hourly(15),
            "America/New_York",
            "2026-11-01T04:20:00Z",
            &["2026-11-01T05:15", "2026-11-01T06:15", "2026-11-01T07:15"],
        ),
        (
            hourly(15),
            "Europe/Brussels",
            "2026-03-29T00:20:00Z",
            &["2026-03-29T01:15", "2026-03-29T02:15"],
        ),
        // Half an hour back: two full hours are an hour and a half apart.
        (
            hourly(0),
            "Australia/Lord_Howe",
            "2026-04-04T13:30:00Z",
            &["2026-04-04T14:00", "2026-04-04T15:30", "2026-04-04T16:30"],
        ),
        (
            hourly(0),
            "Asia/Kathmandu",
            "2026-01-01T00:00:00Z",
            &["2026-01-01T00:15", "2026-01-01T01:15"],
        ),
        // A day that did not exist.
        (
            daily("06:00"),
            "Pacific/Apia",
            "2011-12-29T12:00:00Z",
            &["2011-12-29T16:00", "2011-12-30T10:00", "2011-12-30T16:00"],
        ),
        // Ends of months.
        (
            monthly(31, "06:00"),
            "UTC",
            "2026-01-30T00:00:00Z",
            &["2026-01-31T06:00", "2026-02-28T06:00", "2026-03-31T06:00", "2026-04-30T06:00"],
        ),
        (
            monthly(30, "06:00"),
            "UTC",
            "2027-12-31T00:00:00Z",
            &["2028-01-30T06:00", "2028-02-29T06:00", "2028-03-30T06:00"],
        ),
        (
            monthly(1, "00:00"),
            "Europe/Brussels",
            "2026-12-15T00:00:00Z",
            &["2026-12-31T23:00", "2027-01-31T23:00"],
        ),
        (
            week,
            "Europe/Brussels",
            "2026-03-26T12:00:00Z",
            &["2026-03-27T07:00", "2026-03-30T06:00", "2026-04-03T06:00"],
        ),
        (
            ScheduleWhen::EveryMinutes(15),
            "UTC",
            "2026-01-01T00:00:00Z",
            &["2026-01-01T00:15", "2026-01-01T00:30"],
        ),
        (
            ScheduleWhen::EveryMinutes(1_440),
            "Asia/Tokyo",
            "2026-01-01T10:00:00Z",
            &["2026-01-02T00:00", "2026-01-03T00:00"],
        ),
        // Exactly at a due time: the next one.
        (daily("00:00"), "UTC", "2026-01-01T00:00:00Z", &["2026-01-02T00:00"]),
    ];
    for (when, zone, after, expected) in table {
        let due = Due::new(&when, zone).unwrap();
        let mut instant = at(after);
        for next in expected {
            instant = due.after(instant).unwrap();
            assert_eq!(instant, at(&format!("{next}:00Z")), "{when:?} {zone} after {after}");
        }
    }
}

#[test]
fn days_have_the_hours_that_pass() {
    let due = Due::new(&ScheduleWhen::Hourly { minute: 0 }, "Europe/Brussels").unwrap();
    // From just before local midnight to just before the next.
    for (from, to, hours) in [
        ("2026-03-28T22:59:59Z", "2026-03-29T21:59:59Z", 23),
        ("2026-10-24T21:59:59Z", "2026-10-25T22:59:59Z", 25),
        ("2026-06-01T21:59:59Z", "2026-06-02T21:59:59Z", 24),
    ] {
        assert_eq!(due.between(at(from), at(to)).0.len(), hours, "{from}");
    }
}

#[test]
fn catching_up_has_a_limit_and_says_what_it_left_out() {
    let due = Due::new(&ScheduleWhen::EveryMinutes(5), "UTC").unwrap();
    let (times, more) = due.between(at("2026-01-01T00:00:00Z"), at("2026-01-08T00:00:00Z"));
    assert_eq!((times.len(), more), (CATCH_UP_MAX, 7 * 288 - CATCH_UP_MAX as u32));
    assert_eq!(times.last(), Some(&at("2026-01-08T00:00:00Z")));
    let none = due.between(at("2026-01-01T00:00:00Z"), at("2025-01-01T00:00:00Z"));
    assert_eq!(none, (Vec::new(), 0));
}

#[test]
fn what_is_no_zone_or_time_is_said() {
    assert!(Due::new(&daily("06:00"), "Brussels").unwrap_err().contains("timezone"));
    assert!(Due::new(&daily("24:00"), "UTC").unwrap_err().contains("24:00"));
}
