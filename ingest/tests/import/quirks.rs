//! What each kind of odd row becomes.

use ledgerline_ingest::import::{ImportReport, Quirk};
use ledgerline_schemas::event::Event;

use crate::support::{ABANDONED, AT_ONCE, Bench, file, row, with};

async fn told(set: &[(&str, &str)]) -> (Vec<String>, ImportReport) {
    let bench = Bench::bank();
    let report = bench.import(&file(&[row(1, set)])).await;
    (bench.story(), report)
}

fn occurred(report: &ImportReport) -> Vec<(Quirk, u64)> {
    report.quirks.iter().collect()
}

#[tokio::test]
async fn a_call_that_waited_and_was_answered() {
    let (story, report) = told(&[("priority", "2")]).await;
    assert_eq!(
        story,
        [
            "05 09:00:00 interaction.created",
            "05 09:00:00 flow.started",
            "05 09:00:10 flow.ended queued",
            "05 09:00:10 queue.entered credit 90000 ms",
            "05 09:00:40 queue.left assigned after 30000 ms",
            "05 09:00:40 leg.connected",
            "05 09:02:40 leg.disconnected after 120000 ms",
            "05 09:02:40 interaction.ended connected unknown",
        ]
    );
    assert_eq!(occurred(&report), []);
}

#[tokio::test]
async fn a_call_answered_at_once_enters_the_queue_and_leaves_it_after_nothing() {
    let (story, report) = told(&with(AT_ONCE, &[("ser_start", "9:00:09")])).await;
    assert_eq!(
        story.get(2..6).expect("four"),
        [
            "05 09:00:10 flow.ended queued",
            "05 09:00:10 queue.entered credit 0 ms",
            "05 09:00:10 queue.left assigned after 0 ms",
            "05 09:00:09 leg.connected",
        ]
    );
    assert_eq!(
        occurred(&report),
        [(Quirk::ServiceBeforeFlowEnd, 1), (Quirk::AnsweredAtOnceUnidentified, 1)]
    );
}

#[tokio::test]
async fn a_call_abandoned_in_the_queue() {
    let (story, report) = told(ABANDONED).await;
    assert_eq!(
        story.get(3..).expect("the rest"),
        [
            "05 09:00:10 queue.entered credit 0 ms",
            "05 09:00:40 queue.left abandoned after 30000 ms",
            "05 09:00:40 interaction.ended queue customer_left",
        ]
    );
    assert_eq!(occurred(&report), []);
}

#[tokio::test]
async fn a_call_that_ended_in_the_ivr_has_no_queue() {
    let (story, _) = told(&with(ABANDONED, AT_ONCE)).await;
    assert_eq!(
        story,
        [
            "05 09:00:00 interaction.created",
            "05 09:00:00 flow.started",
            "05 09:00:10 flow.ended customer_left",
            "05 09:00:10 interaction.ended ivr customer_left",
        ]
    );
}

#[tokio::test]
async fn a_start_in_the_queue_without_a_wait_is_abandoned_after_nothing() {
    let (story, report) = told(&with(ABANDONED, &[("q_exit", "9:00:10"), ("q_time", "0")])).await;
    assert!(story.contains(&"05 09:00:10 queue.left abandoned after 0 ms".to_owned()));
    assert_eq!(occurred(&report), [(Quirk::QueuedForNoTime, 1)]);
}

#[tokio::test]
async fn stays_and_services_cross_midnight() {
    let (story, report) = told(&[
        ("vru_entry", "23:59:30"),
        ("vru_exit", "23:59:50"),
        ("vru_time", "20"),
        ("q_start", "23:59:50"),
        ("q_exit", "0:00:20"),
        ("q_time", "30"),
        ("ser_start", "0:00:19"),
        ("ser_exit", "0:02:19"),
    ])
    .await;
    assert_eq!(
        story.get(3..7).expect("four"),
        [
            "05 23:59:50 queue.entered credit 0 ms",
            "06 00:00:20 queue.left assigned after 30000 ms",
            "06 00:00:19 leg.connected",
            "06 00:02:19 leg.disconnected after 120000 ms",
        ]
    );
    assert_eq!(
        occurred(&report),
        [(Quirk::QueueCrossesMidnight, 1), (Quirk::ServiceBeforeQueueEnd, 1)]
    );

    let (story, report) = told(&[
        ("vru_entry", "23:58:00"),
        ("vru_exit", "23:58:10"),
        ("q_start", "23:58:10"),
        ("q_exit", "23:58:40"),
        ("ser_start", "23:58:40"),
        ("ser_exit", "0:00:40"),
    ])
    .await;
    assert!(story.contains(&"06 00:00:40 leg.disconnected after 120000 ms".to_owned()));
    assert_eq!(occurred(&report), [(Quirk::ServiceCrossesMidnight, 1)]);
}

#[tokio::test]
async fn a_service_that_really_starts_at_midnight_keeps_its_recorded_time() {
    let late = [("vru_entry", "23:59:40"), ("vru_exit", "23:59:50"), ("vru_time", "10")];
    let service = [("ser_start", "0:00:00"), ("ser_exit", "0:00:48"), ("ser_time", "0")];
    let (story, report) = told(&with(&with(AT_ONCE, &late), &service)).await;
    assert_eq!(
        story.iter().filter(|line| line.contains("leg.")).collect::<Vec<_>>(),
        ["06 00:00:00 leg.connected", "06 00:00:48 leg.disconnected after 0 ms"]
    );
    assert_eq!(report.quirks.of(Quirk::ServiceStartsAtMidnight), 1);
    assert_eq!(report.quirks.of(Quirk::ServiceStartAbsent), 0);
}

#[tokio::test]
async fn an_absent_service_start_takes_the_end_of_the_queue_else_of_the_flow() {
    let absent = [("ser_start", "0:00:00"), ("ser_exit", "0:00:00"), ("ser_time", "0")];
    let (story, report) = told(&absent).await;
    assert!(story.contains(&"05 09:00:40 leg.connected".to_owned()), "{story:?}");
    assert!(story.contains(&"05 09:00:40 leg.disconnected after 0 ms".to_owned()));
    assert!(
        story.contains(&"05 09:00:00 interaction.attributes_set service_start_absent".to_owned())
    );
    assert_eq!(occurred(&report), [(Quirk::ServiceStartAbsent, 1), (Quirk::AnsweredForNoTime, 1)]);
    let (story, _) = told(&with(AT_ONCE, &absent)).await;
    assert!(story.contains(&"05 09:00:10 leg.connected".to_owned()), "{story:?}");
}

#[tokio::test]
async fn a_negative_time_in_the_flow_is_kept_and_counted() {
    let (story, report) =
        told(&with(&with(ABANDONED, AT_ONCE), &[("vru_exit", "8:59:44"), ("vru_time", "-16")]))
            .await;
    assert!(story.contains(&"05 08:59:44 flow.ended customer_left".to_owned()));
    assert_eq!(occurred(&report), [(Quirk::NegativeFlowTime, 1)]);
}

#[tokio::test]
async fn a_service_or_agent_of_a_caller_who_hung_up_is_ignored() {
    let (story, report) = told(&[("outcome", "HANG")]).await;
    assert!(!story.iter().any(|line| line.contains("leg.")));
    assert!(story.contains(&"05 09:00:40 interaction.ended queue customer_left".to_owned()));
    assert_eq!(occurred(&report), [(Quirk::HungUpWithService, 1), (Quirk::HungUpWithAgent, 1)]);
    assert_eq!(report.agents, 0);
}

#[tokio::test]
async fn the_unnamed_agent_has_a_code_of_its_own() {
    let bench = Bench::bank();
    let report = bench.import(&file(&[row(1, &[("server", "NO_SERVER")]), row(2, &[])])).await;
    assert_eq!(occurred(&report), [(Quirk::AnsweredByUnnamed, 1)]);
    assert_eq!(report.agents, 2);
    let names: Vec<String> = users(&bench);
    assert!(names.contains(&"no-server".to_owned()), "{names:?}");
    assert!(names.iter().any(|name| name.starts_with("agent-") && name.len() == 16), "{names:?}");
}

fn users(bench: &Bench) -> Vec<String> {
    bench
        .recorded()
        .iter()
        .filter(|it| &*it.header.event_type == "config.user.created")
        .map(|it| match it.decode() {
            Ok(Event::Config(change)) => {
                let document = change.after.expect("a document");
                document.parse::<ledgerline_schemas::config::User>().expect("a user").name
            }
            other => panic!("{other:?}"),
        })
        .collect()
}

#[tokio::test]
async fn ids_in_scientific_notation_identify_nobody() {
    let bench = Bench::bank();
    let rows = [
        row(1, &[("customer_id", "6.02E+11")]),
        row(2, &[]),
        row(3, &[]),
        row(4, &[("customer_id", "0")]),
    ];
    let report = bench.import(&file(&rows)).await;
    assert_eq!(report.quirks.of(Quirk::CustomerNotANumber), 1);
    let codes: Vec<Option<String>> = bench
        .facts()
        .into_iter()
        .filter_map(|(_, event)| match event {
            Event::InteractionCreated(it) => Some(it.customer_code),
            _ => None,
        })
        .collect();
    let [None, Some(one), Some(two), None] = codes.as_slice() else { panic!("{codes:?}") };
    assert_eq!(one, two);
    assert!(one.starts_with("customer-"), "{one}");
}

#[tokio::test]
async fn an_unlisted_type_is_kept_in_the_ivr_and_refused_in_a_queue() {
    let bench = Bench::bank();
    let rows = [
        row(1, &with(&with(ABANDONED, AT_ONCE), &[("type", "AA")])),
        row(2, &[("type", "AA")]),
        row(3, &[]),
    ];
    let report = bench.import(&file(&rows)).await;
    assert_eq!(report.interactions, 2);
    assert_eq!(report.quirks.of(Quirk::UnlistedQueue), 1);
    let [refused] = report.rejected.as_slice() else { panic!("{:?}", report.rejected) };
    assert_eq!(
        (refused.line, &*refused.reason),
        (3, "column type has a value that no [[queue]] lists")
    );
}

#[tokio::test]
async fn blanks_for_a_tab_and_cr_lf_are_repaired() {
    let bench = Bench::bank();
    let text =
        file(&[row(1, &[]).replacen("1\tPS", "1  PS", 1), row(2, &[("server", "OTTOLINE")])])
            .replace('\n', "\r\n");
    let report = bench.import(&text).await;
    assert_eq!(report.interactions, 2);
    assert_eq!(occurred(&report), [(Quirk::CrLf, 2), (Quirk::BlanksForDelimiter, 1)]);
    let unix = Bench::bank();
    unix.import(&file(&[row(1, &[]), row(2, &[("server", "OTTOLINE")])])).await;
    let story: Vec<String> =
        bench.story().into_iter().filter(|line| !line.contains("attributes_set")).collect();
    assert_eq!(story, unix.story());
}

#[tokio::test]
async fn rows_are_appended_in_the_order_they_began() {
    let bench = Bench::bank();
    let later = [
        ("vru_entry", "10:00:00"),
        ("vru_exit", "10:00:10"),
        ("q_start", "10:00:10"),
        ("q_exit", "10:00:40"),
        ("ser_start", "10:00:40"),
        ("ser_exit", "10:02:40"),
    ];
    let report = bench.import(&file(&[row(1, &later), row(2, &[])])).await;
    assert_eq!(occurred(&report), [(Quirk::NotInTimeOrder, 1)]);
    let began: Vec<String> =
        bench.story().into_iter().filter(|line| line.contains("created")).collect();
    assert_eq!(began, ["05 09:00:00 interaction.created", "05 10:00:00 interaction.created"]);
}

#[tokio::test]
async fn days_without_rows_and_overlapping_services_are_counted() {
    let bench = Bench::bank();
    let rows = [
        row(1, &[]),
        row(2, &[("ser_start", "9:02:38")]),
        row(3, &[("ser_start", "9:02:38"), ("server", "OTTOLINE")]),
        row(4, &[("date", "990108")]),
    ];
    let report = bench.import(&file(&rows)).await;
    assert_eq!(occurred(&report), [(Quirk::DayWithoutRows, 2), (Quirk::OverlappingServices, 1)]);
}

#[tokio::test]
async fn skipped_rows_are_counted_apart_whatever_they_hold() {
    let bench = Bench::bank();
    let phantom = [("outcome", "PHANTOM"), ("q_time", "25245"), ("ser_time", "61437")];
    let report = bench.import(&file(&[row(1, &phantom), row(2, &[])])).await;
    assert_eq!((report.rows, report.skipped, report.interactions), (2, 1, 1));
}

#[tokio::test]
async fn refused_rows_are_reported_with_line_and_reason_and_are_on_the_log() {
    let bench = Bench::bank();
    let rows = [
        row(1, &[]),
        row(2, &[("vru_entry", "25:00:00")]),
        row(3, &[("date", "990231")]),
        row(4, &[("q_time", "many")]),
        row(5, &[("ser_time", "-3")]),
        row(6, &[("outcome", "LOST")]),
        row(7, &[("priority", "7")]),
        "AA0101\t8\tfew fields".to_owned(),
        row(1, &[("server", "OTTOLINE")]),
    ];
    let report = bench.import(&file(&rows)).await;
    let refused: Vec<(u64, &str)> =
        report.rejected.iter().map(|row| (row.line, &*row.reason)).collect();
    let expected = [
        (3, "column vru_entry is not a time of the form %H:%M:%S"),
        (4, "column date is not a date of the form %y%m%d"),
        (5, "column q_time is not a whole number"),
        (6, "column ser_time is negative"),
        (7, "column outcome has a value that outcome does not list"),
        (8, "column priority has a value that priority.values does not list"),
        (9, "has 3 fields, expected 17"),
        (10, "has the same key as line 2"),
    ];
    assert_eq!(refused, expected);
    let on_the_log: Vec<(u64, String)> = bench
        .recorded()
        .iter()
        .filter_map(|it| match it.decode() {
            Ok(Event::ImportRowRejected(it)) => Some((it.line, it.reason)),
            _ => None,
        })
        .collect();
    assert_eq!(on_the_log, expected.map(|(line, reason)| (line, reason.to_owned())));
    assert_eq!(report.interactions, 1);
}

#[tokio::test]
async fn people_appear_nowhere() {
    let bench = Bench::bank();
    let mut rows: Vec<String> = ["QUILLAN", "OTTOLINE"]
        .iter()
        .enumerate()
        .map(|(index, name)| row(index as u32, &[("server", name)]))
        .collect();
    rows.push(row(7, &[("server", "OTTOLINE"), ("q_time", "OTTOLINE")]));
    let report = bench.import(&file(&rows)).await;
    let mut told = format!("{report} {report:?}");
    for recorded in bench.recorded() {
        told.push_str(&recorded.to_json().to_string());
        told.push_str(&String::from_utf8_lossy(&recorded.payload));
    }
    for secret in ["QUILLAN", "OTTOLINE", "4711004711"] {
        assert!(!told.contains(secret), "{secret} was told");
    }
    assert!(told.contains("agent-"), "codes stand in their place");
    let elsewhere = Bench::bank();
    elsewhere.import(&file(&rows)).await;
    assert_ne!(users(&bench), users(&elsewhere), "codes depend on the organization's key");
}
