//! The two real months: every figure computed from the events alone.
//!
//! "Anonymous Bank" call-center data, documented by Ilan Guedj and Avi Mandelbaum, Technion - Israel
//! Institute of Technology, 9 February 2000. The files are not part of the repository: they are looked for
//! in `$LEDGERLINE_TESTDATA/bank`, else in `../shared/testdata/bank` beside the workspace.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ledgerline_event_store::EventReader as _;
use ledgerline_ingest::import::{ImportReport, Quirk};
use ledgerline_schemas::Timestamp;
use ledgerline_schemas::event::Event;
use ledgerline_schemas::event::queue::QueueLeaveReason;
use ledgerline_schemas::id::InteractionId;

use crate::support::Bench;

fn month(name: &str) -> Option<Vec<u8>> {
    let folder = std::env::var_os("LEDGERLINE_TESTDATA").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/testdata"),
        PathBuf::from,
    );
    let path = folder.join("bank").join(name);
    if !path.exists() {
        println!("skipped: no test data at {}", path.display());
        return None;
    }
    Some(std::fs::read(path).expect("readable test data"))
}

/// What the events tell about one call.
#[derive(Clone, Debug, Default)]
struct Call {
    service_type: String,
    day: u32,
    waited_s: Option<u64>,
    abandoned: bool,
    served_s: Option<u64>,
}

/// The bank's local day in winter, two hours ahead of UTC; independent of any time zone table.
fn day(time: Timestamp) -> u32 {
    let local = time.plus_ms(2 * 3_600_000).to_string();
    local.get(8..10).and_then(|day| day.parse().ok()).expect("a day")
}

fn calls(bench: &Bench) -> Vec<Call> {
    let mut calls: BTreeMap<InteractionId, Call> = BTreeMap::new();
    for (time, event) in bench.facts() {
        match event {
            Event::InteractionCreated(it) => {
                let call = calls.entry(it.interaction_id).or_default();
                call.day = day(time);
                call.service_type = it.reason.expect("a type");
            }
            Event::QueueLeft(it) => {
                let call = calls.entry(it.interaction_id).or_default();
                assert_eq!(call.waited_s, None, "one stay a call");
                call.waited_s = Some(it.wait_ms / 1_000);
                call.abandoned = it.reason == QueueLeaveReason::Abandoned;
            }
            Event::LegDisconnected(it) => {
                let call = calls.entry(it.interaction_id).or_default();
                call.served_s = Some(it.connected_ms / 1_000);
            }
            _ => {}
        }
    }
    calls.into_values().collect()
}

/// The figures of one month or one service type.
#[derive(Debug, Default, PartialEq, Eq)]
struct Figures {
    calls: u64,
    ivr_ended: u64,
    answered: u64,
    answered_after_wait: u64,
    abandoned: u64,
    wait_answered_s: u64,
    longest_wait_answered_s: u64,
    wait_abandoned_s: u64,
    longest_wait_abandoned_s: u64,
    abandoned_within_5_s: u64,
    service_s: u64,
    longest_service_s: u64,
    answered_within_20_s: u64,
    answered_within_60_s: u64,
    abandoned_within_20_s: u64,
    abandoned_within_60_s: u64,
}

fn figures<'a>(calls: impl IntoIterator<Item = &'a Call>) -> Figures {
    let mut sum = Figures::default();
    for call in calls {
        sum.calls += 1;
        let Some(wait) = call.waited_s else {
            sum.ivr_ended += 1;
            continue;
        };
        if call.abandoned {
            assert_eq!(call.served_s, None);
            sum.abandoned += 1;
            sum.wait_abandoned_s += wait;
            sum.longest_wait_abandoned_s = sum.longest_wait_abandoned_s.max(wait);
            sum.abandoned_within_5_s += u64::from(wait <= 5);
            sum.abandoned_within_20_s += u64::from(wait <= 20);
            sum.abandoned_within_60_s += u64::from(wait <= 60);
        } else {
            let service = call.served_s.expect("a conversation");
            sum.answered += 1;
            sum.answered_after_wait += u64::from(wait > 0);
            sum.wait_answered_s += wait;
            sum.longest_wait_answered_s = sum.longest_wait_answered_s.max(wait);
            sum.answered_within_20_s += u64::from(wait <= 20);
            sum.answered_within_60_s += u64::from(wait <= 60);
            sum.service_s += service;
            sum.longest_service_s = sum.longest_service_s.max(service);
        }
    }
    sum
}

/// Type, calls, answered, abandoned, ended in the IVR, wait of answered, service, answered and abandoned
/// within 20 s.
type OfType = (&'static str, [u64; 8]);

fn of_types(calls: &[Call], expected: &[OfType]) {
    let mut all = 0;
    for (name, expected) in expected {
        let sum = figures(calls.iter().filter(|call| call.service_type == *name));
        let actual = [
            sum.calls,
            sum.answered,
            sum.abandoned,
            sum.ivr_ended,
            sum.wait_answered_s,
            sum.service_s,
            sum.answered_within_20_s,
            sum.abandoned_within_20_s,
        ];
        assert_eq!(actual, *expected, "type {name}");
        all += sum.calls;
    }
    assert_eq!(all, calls.len() as u64, "no other type");
}

/// The published counts of each day include the rows the mapping skips; the events do not.
fn of_days(calls: &[Call], published: &[(u32, u64)], skipped: u64) {
    let mut missing = 0;
    for (day, rows) in published {
        let there = calls.iter().filter(|call| call.day == *day).count() as u64;
        assert!(there <= *rows, "day {day}: {there} of {rows}");
        missing += rows - there;
    }
    assert_eq!(missing, skipped, "skipped rows of all days");
}

/// Counted over the rows that are not skipped. Where the published count of a quirk differs, its rule also
/// counts skipped rows, callers who hung up, or absent starts as the time 0:00:00.
fn of_quirks(report: &ImportReport, expected: &[(Quirk, u64)]) {
    assert_eq!(report.quirks.iter().collect::<Vec<_>>(), expected);
}

async fn import(bench: &Bench, bytes: &[u8], rows: u64, skipped: u64) -> ImportReport {
    let report = bench.import_into(&bench.log, bytes).await.expect("imported");
    assert_eq!((report.rows, report.skipped), (rows, skipped));
    assert_eq!(report.rejected, []);
    assert_eq!(report.interactions, rows - skipped);
    no_names(bench, bytes);
    let head = bench.log.head();
    let again = bench.import_into(&bench.log, bytes).await.expect("imported again");
    assert_eq!((again.already_there, again.events_appended), (rows - skipped, 0));
    assert_eq!(bench.log.head(), head);
    report
}

/// Agents' names are in no event. JSON shows what MessagePack packs; ids in it are lower case, names are
/// not, so that nothing matches by chance.
fn no_names(bench: &Bench, bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let names: std::collections::BTreeSet<&str> = text
        .lines()
        .skip(1)
        .filter_map(|line| line.split('\t').next_back())
        .map(str::trim)
        .filter(|name| *name != "NO_SERVER" && !name.is_empty())
        .collect();
    assert!(names.len() > 20, "the file names agents");
    for recorded in bench.recorded() {
        let Ok(event) = recorded.decode() else { panic!("an event does not decode") };
        if matches!(event, Event::FlowStarted(_) | Event::FlowEnded(_) | Event::QueueLeft(_)) {
            continue;
        }
        let told = event.to_json().to_string();
        assert!(
            !names.iter().any(|name| told.contains(&format!("\"{name}\""))),
            "an event tells an agent's name"
        );
    }
}

#[tokio::test]
async fn january_1999_has_exactly_the_published_figures() {
    let Some(bytes) = month("january.txt") else { return };
    let bench = Bench::bank();
    let report = import(&bench, &bytes, 31_599, 240).await;
    let calls = calls(&bench);
    assert_eq!(
        figures(&calls),
        Figures {
            calls: 31_359,
            ivr_ended: 1_198,
            answered: 27_060,
            answered_after_wait: 13_585,
            abandoned: 3_101,
            wait_answered_s: 947_857,
            longest_wait_answered_s: 1_500,
            wait_abandoned_s: 188_305,
            longest_wait_abandoned_s: 1_482,
            abandoned_within_5_s: 195,
            service_s: 4_964_204,
            longest_service_s: 5_300,
            answered_within_20_s: 16_402,
            answered_within_60_s: 21_442,
            abandoned_within_20_s: 1_006,
            abandoned_within_60_s: 2_103,
        }
    );
    of_types(
        &calls,
        &[
            ("PS", [22_828, 20_374, 1_659, 795, 658_943, 3_911_504, 12_612, 575]),
            ("PE", [163, 134, 22, 7, 6_233, 31_209, 74, 4]),
            ("IN", [292, 207, 58, 27, 15_914, 54_684, 90, 5]),
            ("NE", [1_583, 1_476, 84, 23, 62_683, 477_301, 858, 18]),
            ("NW", [5_564, 4_017, 1_216, 331, 189_789, 427_670, 2_106, 382]),
            ("TT", [927, 852, 62, 13, 14_295, 61_836, 662, 22]),
            ("AA", [2, 0, 0, 2, 0, 0, 0, 0]),
        ],
    );
    of_days(
        &calls,
        &[
            (1, 600),
            (2, 253),
            (3, 2_111),
            (4, 1_834),
            (5, 1_629),
            (6, 1_405),
            (7, 1_655),
            (8, 439),
            (9, 201),
            (10, 1_987),
            (13, 1_757),
            (14, 1_657),
            (15, 500),
            (16, 207),
            (17, 1_602),
            (18, 1_567),
            (19, 1_456),
            (20, 1_310),
            (21, 1_426),
            (22, 381),
            (23, 194),
            (24, 1_174),
            (25, 1_099),
            (26, 1_185),
            (27, 1_009),
            (28, 1_191),
            (29, 375),
            (30, 159),
            (31, 1_236),
        ],
        240,
    );
    of_quirks(
        &report,
        &[
            (Quirk::CrLf, 31_599),
            (Quirk::NotInTimeOrder, 26),
            (Quirk::DayWithoutRows, 2),
            (Quirk::NegativeFlowTime, 32),
            (Quirk::QueuedForNoTime, 21),
            (Quirk::QueueCrossesMidnight, 1),
            (Quirk::ServiceCrossesMidnight, 21),
            (Quirk::ServiceBeforeQueueEnd, 10_515),
            (Quirk::ServiceBeforeFlowEnd, 10_139),
            (Quirk::ServiceStartAbsent, 42),
            (Quirk::AnsweredForNoTime, 277),
            (Quirk::AnsweredByUnnamed, 490),
            (Quirk::OverlappingServices, 209),
            (Quirk::HungUpWithService, 82),
            (Quirk::HungUpWithAgent, 1),
            (Quirk::CustomerNotANumber, 24),
            (Quirk::AnsweredAtOnceUnidentified, 13_014),
            (Quirk::UnlistedQueue, 2),
        ],
    );
}

#[tokio::test]
async fn october_1999_has_exactly_the_published_figures() {
    let Some(bytes) = month("october.txt") else { return };
    let bench = Bench::bank();
    let report = import(&bench, &bytes, 34_625, 147).await;
    let calls = calls(&bench);
    assert_eq!(
        figures(&calls),
        Figures {
            calls: 34_478,
            ivr_ended: 1_511,
            answered: 30_861,
            answered_after_wait: 9_811,
            abandoned: 2_106,
            wait_answered_s: 715_766,
            longest_wait_answered_s: 1_750,
            wait_abandoned_s: 166_021,
            longest_wait_abandoned_s: 1_903,
            abandoned_within_5_s: 137,
            service_s: 5_558_279,
            longest_service_s: 7_416,
            answered_within_20_s: 23_546,
            answered_within_60_s: 27_017,
            abandoned_within_20_s: 593,
            abandoned_within_60_s: 1_247,
        }
    );
    of_types(
        &calls,
        &[
            ("PS", [23_023, 21_423, 743, 857, 382_355, 3_388_496, 16_843, 244]),
            ("PE", [141, 111, 19, 11, 6_858, 25_835, 58, 3]),
            ("IN", [2_980, 2_490, 350, 140, 112_485, 1_100_256, 1_804, 47]),
            ("NE", [2_811, 2_720, 58, 33, 67_413, 663_522, 1_942, 14]),
            ("NW", [5_212, 3_828, 914, 470, 143_296, 350_448, 2_655, 277]),
            ("TT", [311, 289, 22, 0, 3_359, 29_722, 244, 8]),
        ],
    );
    of_days(
        &calls,
        &[
            (1, 512),
            (2, 230),
            (3, 1_824),
            (4, 1_805),
            (5, 1_617),
            (6, 1_330),
            (7, 1_608),
            (8, 593),
            (9, 233),
            (10, 1_746),
            (11, 1_607),
            (12, 1_487),
            (13, 1_445),
            (14, 1_285),
            (15, 615),
            (16, 254),
            (17, 1_560),
            (18, 1_531),
            (19, 1_267),
            (20, 1_235),
            (21, 1_396),
            (22, 499),
            (23, 222),
            (24, 1_166),
            (25, 1_356),
            (26, 1_363),
            (27, 1_184),
            (28, 1_227),
            (29, 525),
            (30, 210),
            (31, 1_693),
        ],
        147,
    );
    of_quirks(
        &report,
        &[
            (Quirk::BlanksForDelimiter, 2),
            (Quirk::NotInTimeOrder, 27),
            (Quirk::NegativeFlowTime, 4),
            (Quirk::QueuedForNoTime, 17),
            (Quirk::QueueCrossesMidnight, 5),
            (Quirk::ServiceCrossesMidnight, 30),
            (Quirk::ServiceBeforeQueueEnd, 7_509),
            (Quirk::ServiceBeforeFlowEnd, 16_008),
            (Quirk::ServiceStartAbsent, 22),
            (Quirk::ServiceStartsAtMidnight, 1),
            (Quirk::AnsweredForNoTime, 66),
            (Quirk::AnsweredByUnnamed, 517),
            (Quirk::OverlappingServices, 185),
            (Quirk::HungUpWithService, 67),
            (Quirk::CustomerNotANumber, 14),
            (Quirk::AnsweredAtOnceUnidentified, 20_975),
        ],
    );
}
