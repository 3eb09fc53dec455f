//! Every event of calls: given these lines, then these events.

use ledgerline_ingest::import::QueueLogQuirk;

use super::{Bench, lines};

struct Case {
    name: &'static str,
    /// After `1000|c1|sales|NONE|ENTERQUEUE||5550100|1`.
    given: &'static [&'static str],
    /// After `interaction.created` and `queue.entered`.
    then: &'static [&'static str],
    /// Open at the end: waiting, connected, left, transferred.
    open: [u64; 4],
}

const CASES: &[Case] = &[
    Case {
        name: "the caller ends the conversation",
        given: &[
            "1012|c1|sales|SIP/101|CONNECT|12|c1.2|4",
            "1073|c1|sales|SIP/101|COMPLETECALLER|12|61|1",
        ],
        then: &[
            "1008 offer.made 4000",
            "1012 offer.accepted",
            "1012 queue.left assigned 12000",
            "1012 leg.connected",
            "1073 leg.disconnected customer_left 61000",
            "1073 interaction.ended connected customer_left",
        ],
        open: [0, 0, 0, 0],
    },
    Case {
        name: "the agent ends it, and the figures of the log count, not its times",
        given: &[
            "1013|c1|sales|SIP/101|CONNECT|12|c1.2|4",
            "1080|c1|sales|SIP/101|COMPLETEAGENT|12|66|1",
        ],
        then: &[
            "1009 offer.made 4000",
            "1013 offer.accepted",
            "1013 queue.left assigned 12000",
            "1013 leg.connected",
            "1080 leg.disconnected agent_ended 66000",
            "1080 interaction.ended connected agent_ended",
        ],
        open: [0, 0, 0, 0],
    },
    Case {
        name: "abandoned",
        given: &["1030|c1|sales|NONE|ABANDON|1|1|29"],
        then: &["1030 queue.left abandoned 29000", "1030 interaction.ended queue customer_left"],
        open: [0, 0, 0, 0],
    },
    Case {
        name: "nobody answers, then the caller leaves while it rings",
        given: &[
            "1015|c1|sales|SIP/101|RINGNOANSWER|15000",
            "1020|c1|sales|SIP/102|RINGCANCELED|2500",
            "1020|c1|sales|NONE|ABANDON|1|1|20",
        ],
        then: &[
            "1000 offer.made 15000",
            "1015 offer.timed_out",
            "1017 offer.made 2500",
            "1020 offer.rescinded customer_left",
            "1020 queue.left abandoned 20000",
            "1020 interaction.ended offer customer_left",
        ],
        open: [0, 0, 0, 0],
    },
    Case {
        name: "the longest wait passed",
        given: &["1300|c1|sales|NONE|EXITWITHTIMEOUT|2|3|300"],
        then: &["1300 queue.left max_time 300000"],
        open: [0, 0, 1, 0],
    },
    Case {
        name: "the caller pressed a key",
        given: &["1010|c1|sales|NONE|EXITWITHKEY|1|2|3|9"],
        then: &["1010 queue.left escape_key 9000"],
        open: [0, 0, 1, 0],
    },
    Case {
        name: "the queue had no agents",
        given: &["1010|c1|sales|NONE|EXITEMPTY|1|1|10"],
        then: &["1010 queue.left flow 10000"],
        open: [0, 0, 1, 0],
    },
    Case {
        name: "an administrator took it out",
        given: &["1010|c1|sales|NONE|WITHDRAW|1|1|10|because"],
        then: &["1010 queue.left flow 10000"],
        open: [0, 0, 1, 0],
    },
    Case {
        name: "the agent hung up during the announcement, the next one did not",
        given: &["1005|c1|sales|SIP/101|AGENTDUMP|", "1012|c1|sales|SIP/102|CONNECT|12|c1.3|4"],
        then: &[
            "1005 attributes import_quirks",
            "1005 offer.made 0",
            "1005 offer.rejected declined",
            "1008 offer.made 4000",
            "1012 offer.accepted",
            "1012 queue.left assigned 12000",
            "1012 leg.connected",
        ],
        open: [0, 1, 0, 0],
    },
    Case {
        name: "media that do not fit",
        given: &["1005|c1|sales|SIP/101|SYSCOMPAT|", "1005|c1|sales|NONE|ABANDON|1|1|5"],
        then: &[
            "1005 attributes import_quirks",
            "1005 offer.made 0",
            "1005 offer.failed incompatible_media",
            "1005 queue.left abandoned 5000",
            "1005 interaction.ended queue customer_left",
        ],
        open: [0, 0, 0, 0],
    },
    Case {
        name: "transferred to another queue",
        given: &[
            "1012|c1|sales|SIP/101|CONNECT|12|c1.2|4",
            "1042|c1|sales|SIP/101|BLINDTRANSFER|200|internal|12|30|1",
            "1043|c1|support|NONE|ENTERQUEUE||5550100|1",
            "1044|c1|support|NONE|ABANDON|1|1|1",
        ],
        then: &[
            "1008 offer.made 4000",
            "1012 offer.accepted",
            "1012 queue.left assigned 12000",
            "1012 leg.connected",
            "1042 transfer.requested blind",
            "1042 leg.disconnected transferred 30000",
            "1042 transfer.completed",
            "1043 queue.entered 2 transfer",
            "1044 queue.left abandoned 1000",
            "1044 interaction.ended queue customer_left",
        ],
        open: [0, 0, 0, 0],
    },
    Case {
        name: "transferred after a consult, whatever the method's data",
        given: &[
            "1012|c1|sales|SIP/101|CONNECT|12|c1.2|4",
            "1052|c1|sales|SIP/101|ATTENDEDTRANSFER|LINK|SIP/1-0000000a|SIP/2-0000000b|12|40|1",
        ],
        then: &[
            "1008 offer.made 4000",
            "1012 offer.accepted",
            "1012 queue.left assigned 12000",
            "1012 leg.connected",
            "1052 transfer.requested consult",
            "1052 leg.disconnected transferred 40000",
            "1052 transfer.completed",
        ],
        open: [0, 0, 0, 1],
    },
    Case {
        name: "an old transfer",
        given: &[
            "1012|c1|sales|SIP/101|CONNECT|12|c1.2|4",
            "1042|c1|sales|SIP/101|TRANSFER|200|internal|12|30|1",
        ],
        then: &[
            "1008 offer.made 4000",
            "1012 offer.accepted",
            "1012 queue.left assigned 12000",
            "1012 leg.connected",
            "1042 transfer.requested blind",
            "1042 leg.disconnected transferred 30000",
            "1042 transfer.completed",
        ],
        open: [0, 0, 0, 1],
    },
    Case {
        name: "lines of old versions have fewer figures: the clock stands in, and it is said",
        given: &[
            "1012|c1|sales|SIP/101-0000002a|CONNECT|",
            "1042|c1|sales|SIP/101-0000002a|TRANSFER|200|internal",
        ],
        then: &[
            "1012 attributes import_quirks",
            "1012 offer.made 0",
            "1012 offer.accepted",
            "1012 queue.left assigned 12000",
            "1012 leg.connected",
            "1042 attributes import_quirks",
            "1042 transfer.requested blind",
            "1042 leg.disconnected transferred 30000",
            "1042 transfer.completed",
        ],
        open: [0, 0, 0, 1],
    },
    Case {
        name: "the next queue after a timeout",
        given: &[
            "1030|c1|sales|NONE|EXITWITHTIMEOUT|1|1|30",
            "1031|c1|support|NONE|ENTERQUEUE||5550100|1",
            "1041|c1|support|SIP/101|CONNECT|10|c1.2|2",
        ],
        then: &[
            "1030 queue.left max_time 30000",
            "1031 queue.entered 2 import",
            "1039 offer.made 2000",
            "1041 offer.accepted",
            "1041 queue.left assigned 10000",
            "1041 leg.connected",
        ],
        open: [0, 1, 0, 0],
    },
    Case {
        name: "a stay whose end is missing is over when the next begins",
        given: &["1050|c1|support|NONE|ENTERQUEUE||5550100|1"],
        then: &[
            "1050 attributes import_quirks",
            "1050 queue.left moved 50000",
            "1050 queue.entered 2 import",
        ],
        open: [1, 0, 0, 0],
    },
    Case {
        name: "a conversation whose end is missing is over when the next stay begins",
        given: &[
            "1012|c1|sales|SIP/101|CONNECT|12|c1.2|4",
            "1050|c1|support|NONE|ENTERQUEUE||5550100|1",
        ],
        then: &[
            "1008 offer.made 4000",
            "1012 offer.accepted",
            "1012 queue.left assigned 12000",
            "1012 leg.connected",
            "1050 attributes import_quirks",
            "1050 leg.disconnected unknown 38000",
            "1050 queue.entered 2 import",
        ],
        open: [1, 0, 0, 0],
    },
    Case {
        name: "a call that goes on after its end is another interaction",
        given: &[
            "1012|c1|sales|SIP/101|CONNECT|12|c1.2|4",
            "1042|c1|sales|SIP/101|COMPLETEAGENT|12|30|1",
            "1043|c1|survey|NONE|ENTERQUEUE||5550100|1",
            "1050|c1|survey|NONE|ABANDON|1|1|7",
            "1060|c1|survey|NONE|ENTERQUEUE||5550100|1",
        ],
        then: &[
            "1008 offer.made 4000",
            "1012 offer.accepted",
            "1012 queue.left assigned 12000",
            "1012 leg.connected",
            "1042 leg.disconnected agent_ended 30000",
            "1042 interaction.ended connected agent_ended",
            "1043 interaction.created c1 child",
            "1043 attributes import_quirks",
            "1043 queue.entered 1 import",
            "1050 queue.left abandoned 7000",
            "1050 interaction.ended queue customer_left",
            "1060 interaction.created c1 child",
            "1060 attributes import_quirks",
            "1060 queue.entered 1 import",
        ],
        open: [1, 0, 0, 0],
    },
    Case {
        name: "the agent dumped a caller who was connected",
        given: &["1012|c1|sales|SIP/101|CONNECT|12|c1.2|4", "1015|c1|sales|SIP/101|AGENTDUMP|"],
        then: &[
            "1008 offer.made 4000",
            "1012 offer.accepted",
            "1012 queue.left assigned 12000",
            "1012 leg.connected",
            "1015 attributes import_quirks",
            "1015 leg.disconnected agent_ended 3000",
            "1015 interaction.ended connected agent_ended",
        ],
        open: [0, 0, 0, 0],
    },
    Case {
        name: "a clock that was set back gives figures that count as nothing",
        given: &["400|c1|sales|NONE|ABANDON|1|1|-600"],
        then: &[
            "400 attributes import_quirks",
            "400 queue.left abandoned 0",
            "400 interaction.ended queue customer_left",
        ],
        open: [0, 0, 0, 0],
    },
    Case {
        name: "the number is known later",
        given: &["1001|c1|sales|NONE|DID|5550199"],
        then: &["1001 attributes did"],
        open: [1, 0, 0, 0],
    },
];

/// Attributes without their values: those have a test of their own.
fn short(story: &[String]) -> Vec<String> {
    let plain = |line: &String| match line.split_once(" interaction.attributes_set ") {
        Some((second, rest)) => {
            format!("{second} attributes {}", rest.split(' ').next().unwrap_or_default())
        }
        None => line.clone(),
    };
    story.iter().map(plain).collect()
}

#[tokio::test]
async fn lines_of_calls_become_their_events() {
    for case in CASES {
        let bench = Bench::new();
        let mut given = vec!["1000|c1|sales|NONE|ENTERQUEUE||5550100|1"];
        given.extend(case.given);
        let report = bench.import(&lines(&given)).await;
        assert_eq!(report.counts().rejected, 0, "{}: {report}", case.name);
        let mut then = vec!["1000 interaction.created c1", "1000 queue.entered 1 import"];
        then.extend(case.then);
        assert_eq!(short(&bench.calls()), then, "{}", case.name);
        let open = &report.open;
        assert_eq!(
            [open.waiting, open.connected, open.left, open.transferred],
            case.open,
            "{}",
            case.name
        );
    }
}

#[tokio::test]
async fn what_was_chosen_is_noted_and_adds_up() {
    let bench = Bench::new();
    let report = bench
        .import(&lines(&[
            "1000|c1|sales|NONE|ENTERQUEUE||5550100",
            "1012|c1|sales|NONE|CONNECT|",
            "1042|c1|sales|SIP/101|COMPLETECALLER|||",
        ]))
        .await;
    let noted: Vec<String> =
        bench.calls().into_iter().filter(|line| line.contains("attributes_set")).collect();
    assert_eq!(
        noted,
        [
            "1012 interaction.attributes_set import_quirks \
             wait_from_clock,ring_time_not_recorded,answered_by_unnamed",
            "1042 interaction.attributes_set import_quirks \
             wait_from_clock,ring_time_not_recorded,answered_by_unnamed,service_from_clock",
        ]
    );
    assert_eq!(report.quirks.of(QueueLogQuirk::OtherAgentNamed), 1);
    assert_eq!(report.quirks.of(QueueLogQuirk::WaitFromClock), 1);
}

#[tokio::test]
async fn a_number_that_was_called_comes_with_the_interaction() {
    let bench = Bench::new();
    let report = bench
        .import(&lines(&[
            "995|c1|sales|NONE|DID|5550199",
            "996|c2|sales|NONE|DID|5550199",
            "1000|c1|sales|NONE|ENTERQUEUE||5550100|1",
        ]))
        .await;
    let story = bench.calls();
    assert_eq!(story, ["995 interaction.created c1 5550199", "1000 queue.entered 1 import"]);
    assert_eq!((report.counts().information, report.counts().mapped), (2, 1));
    assert_eq!((report.open.arrived, report.open.waiting), (1, 1));
}

#[tokio::test]
async fn calls_interleave() {
    let bench = Bench::new();
    let report = bench
        .import(&lines(&[
            "1000|c1|sales|NONE|ENTERQUEUE||5550100|1",
            "1001|c2|sales|NONE|ENTERQUEUE||5550101|2",
            "1002|c3|support|NONE|ENTERQUEUE||5550102|1",
            "1005|c2|sales|NONE|ABANDON|2|2|4",
            "1006|c1|sales|SIP/101|CONNECT|6|c1.2|3",
            "1007|c3|support|SIP/102|CONNECT|5|c3.2|3",
            "1010|c3|support|SIP/102|COMPLETEAGENT|5|3|1",
            "1016|c1|sales|SIP/101|COMPLETECALLER|6|10|1",
        ]))
        .await;
    assert_eq!(report.counts().rejected, 0, "{report}");
    assert_eq!(report.files.iter().map(|file| file.interactions).sum::<u64>(), 3);
    assert_eq!(report.open.total(), 0);
    let ended = bench.calls().iter().filter(|line| line.contains("interaction.ended")).count();
    assert_eq!(ended, 3);
}

#[tokio::test]
async fn open_interactions_are_named_and_ended_only_on_request() {
    let text = lines(&[
        "1000|w|sales|NONE|ENTERQUEUE||5550100|1",
        "2000|t|sales|NONE|ENTERQUEUE||5550101|1",
        "2010|t|sales|SIP/101|CONNECT|10|t.2|2",
        "3000|x|sales|NONE|ENTERQUEUE||5550102|1",
        "3030|x|sales|NONE|EXITWITHTIMEOUT|1|1|30",
        "9000|late|sales|NONE|ENTERQUEUE||5550103|1",
    ]);
    let mut bench = Bench::new();
    let report = bench.import(&text).await;
    assert_eq!(report.open.total(), 4);
    assert_eq!(report.open.calls, ["w", "t", "late"]);
    assert!(!bench.calls().iter().any(|line| line.contains("interaction.ended")));

    bench.end_open = Some(1);
    let report = bench.import(&text).await;
    assert_eq!((report.ended_on_request, report.open.total()), (3, 1));
    let story = bench.calls();
    let at_the_end = story.get(story.len() - 8..).expect("events");
    let mut at_the_end = at_the_end.to_vec();
    at_the_end.sort();
    assert_eq!(
        at_the_end,
        [
            "1000 interaction.attributes_set import_quirks ended_on_request",
            "1000 interaction.ended queue unknown",
            "1000 queue.left error 0",
            "2010 interaction.attributes_set import_quirks ended_on_request",
            "2010 interaction.ended connected unknown",
            "2010 leg.disconnected unknown 0",
            "3030 interaction.attributes_set import_quirks ended_on_request",
            "3030 interaction.ended queue unknown",
        ]
    );
    let head = bench.recorded().len();
    let report = bench.import(&text).await;
    assert_eq!((report.ended_on_request, report.events_appended), (0, 0));
    assert_eq!(bench.recorded().len(), head);
}
