//! Lines that are refused, kept as information, or odd.

use ledgerline_ingest::import::{FileReport, QueueLogMapping, QueueLogQuirk};
use ledgerline_schemas::event::Event;

use super::{Bench, lines};

/// One line that cannot be taken, after a call that waits in `sales` and one that is over.
const REFUSED: &[(&str, &str)] = &[
    ("1010|c1|sales", "has 3 fields, expected at least 5"),
    ("not a log at all", "has 1 fields, expected at least 5"),
    ("then|c1|sales|NONE|ABANDON|1|1|1", "begins with no time in seconds since 1970"),
    (
        "1010|c1|sales|NONE|CALLSTATUS|1",
        "has an event that is not known; the mapping's events.information may list it",
    ),
    ("1010|NONE|sales|NONE|ENTERQUEUE||5550100|1", "ENTERQUEUE names no call"),
    ("1010|c9|NONE|NONE|ENTERQUEUE||5550100|1", "ENTERQUEUE names no queue"),
    (
        "1010|c9|sales|SIP/101|CONNECT|5|c9.2|2",
        "CONNECT is of a call whose ENTERQUEUE is not in the log",
    ),
    (
        "1010|c9|sales|SIP/101|COMPLETEAGENT|5|20|1",
        "COMPLETEAGENT is of a call whose ENTERQUEUE is not in the log",
    ),
    ("1010|over|sales|NONE|ABANDON|1|1|1", "ABANDON is of a call that is over"),
    ("1010|over|sales|NONE|DID|5550199", "DID is of a call that is over"),
    (
        "1010|c1|sales|SIP/101|COMPLETECALLER|5|20|1",
        "COMPLETECALLER is of a call that is not connected to an agent",
    ),
    (
        "1010|c1|support|SIP/101|CONNECT|5|c1.2|2",
        "CONNECT names another queue than the one the call is in",
    ),
    (
        "1010|c1|sales|SIP/101|CONNECT|soon|c1.2|2",
        "CONNECT has a holdtime that is not a whole number",
    ),
    (
        "1010|c1|sales|SIP/101|CONNECT|5|c1.2|99999999999999999",
        "CONNECT has a ringtime that is not a whole number",
    ),
    ("1010|c1|sales|NONE|DID|", "DID names no number"),
    ("1010|NONE|sales|NONE|ADDMEMBER|", "ADDMEMBER names no agent"),
    ("1010|NONE|NONE|SIP/101|ADDMEMBER|", "ADDMEMBER names no queue"),
    ("1010|NONE|sales|NONE|PENALTY|5", "PENALTY names no agent"),
    ("1010|NONE|sales|SIP/101|PENALTY|high", "PENALTY has a value that is not a whole number"),
];

#[tokio::test]
async fn lines_that_cannot_be_taken_are_refused_with_a_reason_and_change_nothing() {
    let before = [
        "1000|over|sales|NONE|ENTERQUEUE||5550100|1",
        "1001|over|sales|NONE|ABANDON|1|1|1",
        "1002|c1|sales|NONE|ENTERQUEUE||5550100|1",
    ];
    let plain = Bench::new();
    plain.import(&lines(&before)).await;
    for (line, reason) in REFUSED {
        let bench = Bench::new();
        let report = bench.import(&lines(&[before[0], before[1], before[2], line])).await;
        let [FileReport { rejected, .. }] = report.files.as_slice() else { panic!("{report}") };
        let found: Vec<_> = rejected.iter().map(|row| (row.line, row.reason.as_str())).collect();
        assert_eq!(found, [(4, *reason)], "{line}");
        assert_eq!((bench.calls(), bench.agents()), (plain.calls(), plain.agents()), "{line}");
        let on_the_log = bench.recorded().iter().any(|recorded| {
            matches!(recorded.decode(), Ok(Event::ImportRowRejected(it)) if it.line == 4 && it.reason == *reason)
        });
        assert!(on_the_log, "{line}");
        assert!(report.to_string().contains(&format!("queue_log line 4 rejected: {reason}")));
    }
}

#[tokio::test]
async fn long_names_are_refused_at_the_limit() {
    for (length, rejected) in [(79, 0), (80, 0), (81, 1)] {
        let name = "q".repeat(length);
        for line in [
            format!("1000|c1|{name}|NONE|ENTERQUEUE||5550100|1"),
            format!("1000|NONE|sales|SIP/101|PAUSE|{name}"),
        ] {
            let report = Bench::new().import(&format!("{line}\n")).await;
            assert_eq!(report.counts().rejected, rejected, "{length}: {report}");
        }
    }
    let line = |bytes: usize| {
        let head = "1000|c1|sales|NONE|ENTERQUEUE|";
        format!("{head}{}||1\n", "u".repeat(bytes - head.len() - 3))
    };
    for (bytes, rejected) in [(65_535, 0), (65_536, 0), (65_537, 1)] {
        let report = Bench::new().import(&line(bytes)).await;
        assert_eq!(report.counts().rejected, rejected, "{bytes}");
    }
}

#[tokio::test]
async fn what_no_event_of_ours_says_is_kept_as_information() {
    let text = lines(&[
        "1000|NONE|NONE|NONE|QUEUESTART|",
        "1001|NONE|NONE|NONE|CONFIGRELOAD|",
        "1002|NONE|sales|SIP/101|PENALTY|5",
        "1003|NONE|sales|SIP/101|RINGINUSE|0",
        "1004|c1|sales|SIP/101|CALLSTATUS|happy Mr Quillan",
    ]);
    let bench = Bench::mapped("[events]\ninformation = [\"CALLSTATUS\"]");
    let report = bench.import(&text).await;
    let counts = report.counts();
    assert_eq!((counts.information, counts.mapped, counts.rejected), (5, 0, 0), "{report}");
    assert_eq!(
        bench.story("external-asterisk-queue-log"),
        [
            "1000 external.event asterisk.QUEUESTART",
            "1001 external.event asterisk.CONFIGRELOAD",
            "1002 external.event asterisk.PENALTY",
            "1003 external.event asterisk.RINGINUSE",
            "1004 external.event asterisk.CALLSTATUS",
        ]
    );
    let data: Vec<serde_json::Value> = bench
        .recorded()
        .iter()
        .filter_map(|recorded| match recorded.decode() {
            Ok(Event::ExternalEvent(it)) => serde_json::from_slice(&it.data.0).ok(),
            _ => None,
        })
        .collect();
    let value = |index: usize| data.get(index).and_then(|it| it.get("value")).cloned();
    assert_eq!(value(2), Some(5.into()));
    assert_eq!(value(3), Some(0.into()));
    assert_eq!(data.get(4), Some(&serde_json::json!({})), "its data may be anything");
    assert_eq!(report.by_event.get("CALLSTATUS").map(|of| of.information), Some(1));
}

#[tokio::test]
async fn a_restart_ends_nothing_and_says_what_was_open() {
    let bench = Bench::new();
    let report = bench
        .import(&lines(&[
            "1000|c1|sales|NONE|ENTERQUEUE||5550100|1",
            "1001|c2|sales|NONE|ENTERQUEUE||5550101|2",
            "1002|c3|sales|NONE|ENTERQUEUE||5550102|3",
            "1003|c2|sales|SIP/101|CONNECT|2|c2.2|1",
            "1004|c3|sales|NONE|ABANDON|1|3|2",
            "1100|NONE|NONE|NONE|QUEUESTART|",
        ]))
        .await;
    assert_eq!(report.quirks.of(QueueLogQuirk::OpenAtRestart), 2);
    assert_eq!((report.open.waiting, report.open.connected), (1, 1));
    assert_eq!(bench.calls().iter().filter(|it| it.contains("interaction.ended")).count(), 1);
}

#[tokio::test]
async fn a_clock_that_goes_back_is_reported_and_figures_hold() {
    let bench = Bench::new();
    let report = bench
        .import(&lines(&[
            "5000|c1|sales|NONE|ENTERQUEUE||5550100|1",
            "1400|c1|sales|SIP/101|CONNECT|9|c1.2|3",
            "1460|c1|sales|SIP/101|COMPLETECALLER|9|60|1",
        ]))
        .await;
    assert_eq!(report.quirks.of(QueueLogQuirk::ClockWentBack), 1);
    assert_eq!(report.counts().rejected, 0);
    let story = bench.calls();
    assert!(story.contains(&"1400 queue.left assigned 9000".to_owned()), "{story:?}");
    assert!(story.contains(&"1460 leg.disconnected customer_left 60000".to_owned()), "{story:?}");
}

#[tokio::test]
async fn lines_of_one_second_keep_their_order() {
    let bench = Bench::new();
    let report = bench
        .import(&lines(&[
            "1000|c1|sales|NONE|ENTERQUEUE||5550100|1",
            "1000|c1|sales|SIP/101|RINGNOANSWER|0",
            "1000|c1|sales|SIP/101|RINGNOANSWER|0",
            "1000|c1|sales|SIP/102|CONNECT|0|c1.2|0",
            "1000|c1|sales|SIP/102|COMPLETECALLER|0|0|1",
        ]))
        .await;
    assert_eq!((report.counts().mapped, report.counts().rejected), (5, 0), "{report}");
    let offers = bench.calls().iter().filter(|line| line.contains("offer.timed_out")).count();
    assert_eq!(offers, 2, "equal lines are two lines");
}

#[tokio::test]
async fn text_of_any_making_is_read() {
    let text = "\u{feff}1000|c1|B\u{fc}ro|NONE|ENTERQUEUE||5550100|1\r\n\r\n1010|c1|B\u{fc}ro|NONE|ABANDON|1|1|10\r\n";
    let latin1: Vec<u8> =
        text.chars().skip(1).map(|it| u8::try_from(u32::from(it)).expect("Latin-1")).collect();
    for (bytes, not_utf8) in [(text.as_bytes(), 0), (latin1.as_slice(), 2)] {
        let bench = Bench::new();
        let report = bench.files(&[("queue_log", bytes)]).await;
        assert_eq!(report.counts().mapped, 2, "{report}");
        assert_eq!(report.quirks.of(QueueLogQuirk::CrLf), 2);
        assert_eq!(report.quirks.of(QueueLogQuirk::NotUtf8), not_utf8);
        assert_eq!(report.files.iter().map(|file| file.blank).sum::<u64>(), 1);
        let named = bench.recorded().iter().any(|recorded| {
            matches!(recorded.decode(), Ok(Event::Config(it))
                if it.after.as_ref().is_some_and(|document| document.as_str().contains("Büro")))
        });
        assert!(named);
    }
}

#[tokio::test]
async fn queues_are_listed_or_created_or_refused() {
    let text = lines(&[
        "1000|c1|600|NONE|ENTERQUEUE||5550100|1",
        "1001|c2|601|NONE|ENTERQUEUE||5550101|1",
    ]);
    let listed = "[[queue]]\nvalue = \"600\"\nname = \"Sales\"\n";
    for (mapping, refused) in
        [(listed.to_owned(), 0), (format!("[queues]\nunknown = \"reject\"\n{listed}"), 1)]
    {
        let bench = Bench::mapped(&mapping);
        let report = bench.import(&text).await;
        assert_eq!(report.counts().rejected, refused, "{report}");
        let reason = "ENTERQUEUE names a queue that no [[queue]] of the mapping lists";
        assert_eq!(report.to_string().contains(reason), refused == 1);
    }
}

#[test]
fn mappings_are_refused_with_the_key() {
    for (toml, key) in [
        ("name = \"Big Name\"", "name"),
        ("timezone = \"Berlin\"", "timezone"),
        ("[agents]\nteam = \"\"", "agents.team"),
        ("[[agent]]\nvalues = [\"a\", \"a\"]\nname = \"x\"", "agent.values"),
        ("[[agent]]\nvalues = [\"a\"]\nname = \" \"", "agent.name"),
        (
            "[[pause]]\nvalue = \"a\"\nname = \"x\"\n[[pause]]\nvalue = \"a\"\nname = \"y\"",
            "pause.value",
        ),
        ("[[queue]]\nvalue = \"1\"\n[[queue]]\nvalue = \"1\"", "queue.value"),
        ("[events]\ninformation = [\"\"]", "events.information"),
        ("[callers]\nnumber = \"clear\"", "clear"),
        ("colour = 1", "colour"),
    ] {
        let error = QueueLogMapping::from_toml(toml).expect_err(toml).to_string();
        assert!(error.contains(key), "{toml}: {error}");
    }
    assert_eq!(QueueLogMapping::from_toml("").expect("defaults").name(), "asterisk-queue-log");
}
