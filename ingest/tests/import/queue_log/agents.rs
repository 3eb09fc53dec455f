//! Log-ins, memberships and pauses.

use ledgerline_ingest::import::QueueLogQuirk;
use ledgerline_schemas::event::{ConfigChange, Event};

use super::{Bench, lines};

struct Case {
    name: &'static str,
    given: &'static [&'static str],
    then: &'static [&'static str],
    /// Lines that are information only.
    information: u64,
}

const CASES: &[Case] = &[
    Case {
        name: "a member of two queues is logged in from the first to the last",
        given: &[
            "1000|NONE|sales|SIP/101|ADDMEMBER|",
            "1000|NONE|support|SIP/101|ADDMEMBER|",
            "1500|NONE|sales|SIP/101|REMOVEMEMBER|",
            "1900|NONE|support|SIP/101|REMOVEMEMBER|",
        ],
        then: &[
            "1000 agent_session.started",
            "1000 agent_state.changed available login",
            "1900 agent_state.changed logged_out logout",
            "1900 agent_session.ended agent",
        ],
        information: 2,
    },
    Case {
        name: "a member who is added paused is idle",
        given: &["1000|MANAGER|sales|SIP/101|ADDMEMBER|PAUSED", "1010|NONE|sales|SIP/101|UNPAUSE|"],
        then: &[
            "1000 agent_session.started",
            "1000 agent_state.changed idle login",
            "1010 agent_state.changed available agent",
        ],
        information: 0,
    },
    Case {
        name: "paused in one of two queues is not idle, paused in both is",
        given: &[
            "1000|NONE|sales|SIP/101|ADDMEMBER|",
            "1000|NONE|support|SIP/101|ADDMEMBER|",
            "1100|NONE|sales|SIP/101|PAUSE|Lunch",
            "1200|NONE|support|SIP/101|PAUSE|Lunch",
            "1300|NONE|support|SIP/101|UNPAUSE|",
            "1400|NONE|sales|SIP/101|UNPAUSE|",
        ],
        then: &[
            "1000 agent_session.started",
            "1000 agent_state.changed available login",
            "1200 agent_state.changed idle agent",
            "1300 agent_state.changed available agent",
        ],
        information: 3,
    },
    Case {
        name: "all queues at once, as Asterisk writes it: each queue, then all",
        given: &[
            "1000|NONE|sales|SIP/101|ADDMEMBER|",
            "1000|NONE|support|SIP/101|ADDMEMBER|",
            "1100|NONE|sales|SIP/101|PAUSE|Lunch",
            "1100|NONE|support|SIP/101|PAUSE|Lunch",
            "1100|NONE|NONE|SIP/101|PAUSEALL|",
            "1200|NONE|sales|SIP/101|UNPAUSE|",
            "1200|NONE|support|SIP/101|UNPAUSE|",
            "1200|NONE|NONE|SIP/101|UNPAUSEALL|",
        ],
        then: &[
            "1000 agent_session.started",
            "1000 agent_state.changed available login",
            "1100 agent_state.changed idle agent",
            "1200 agent_state.changed available agent",
        ],
        information: 5,
    },
    Case {
        name: "another reason is another interval",
        given: &[
            "1000|NONE|sales|SIP/101|ADDMEMBER|",
            "1100|NONE|NONE|SIP/101|PAUSEALL|Lunch",
            "1200|NONE|NONE|SIP/101|PAUSEALL|Training",
            "1300|NONE|NONE|SIP/101|PAUSEALL|Training",
            "1400|NONE|NONE|SIP/101|UNPAUSEALL|",
        ],
        then: &[
            "1000 agent_session.started",
            "1000 agent_state.changed available login",
            "1100 agent_state.changed idle agent",
            "1200 agent_state.changed idle agent",
            "1400 agent_state.changed available agent",
        ],
        information: 1,
    },
    Case {
        name: "the switch pauses who does not answer",
        given: &["1000|NONE|sales|SIP/101|ADDMEMBER|", "1100|NONE|sales|SIP/101|PAUSE|Auto-Pause"],
        then: &[
            "1000 agent_session.started",
            "1000 agent_state.changed available login",
            "1100 agent_state.changed idle rona",
        ],
        information: 0,
    },
    Case {
        name: "log-ins of the agents' module",
        given: &[
            "1000|a.1|NONE|Agent/7|AGENTLOGIN|SIP/101-0000000a",
            "1100|NONE|NONE|Agent/7|AGENTLOGOFF|SIP/101-0000000a|100",
            "1200|a.2|NONE|Agent/7|AGENTCALLBACKLOGIN|101@agents",
            "1300|NONE|NONE|Agent/7|AGENTCALLBACKLOGOFF|101@agents|100|CommandLogoff",
            "1300|NONE|sales|Agent/7|UNPAUSE|",
            "1400|a.3|NONE|Agent/7|AGENTCALLBACKLOGIN|101@agents",
            "1500|NONE|NONE|Agent/7|AGENTCALLBACKLOGOFF|101@agents|100|Autologoff",
        ],
        then: &[
            "1000 agent_session.started",
            "1000 agent_state.changed available login",
            "1100 agent_state.changed logged_out logout",
            "1100 agent_session.ended agent",
            "1200 agent_session.started",
            "1200 agent_state.changed available login",
            "1300 agent_state.changed logged_out logout",
            "1300 agent_session.ended supervisor",
            "1400 agent_session.started",
            "1400 agent_state.changed available login",
            "1500 agent_state.changed logged_out logout",
            "1500 agent_session.ended system",
        ],
        information: 1,
    },
    Case {
        name: "who was a member all along is there from the first ring",
        given: &[
            "1000|c1|sales|NONE|ENTERQUEUE||5550100|1",
            "1010|c1|sales|SIP/101|RINGNOANSWER|8000",
            "1020|c1|sales|SIP/101|RINGNOANSWER|8000",
        ],
        then: &["1002 agent_session.started", "1002 agent_state.changed available login"],
        information: 0,
    },
    Case {
        name: "or from the first pause",
        given: &["1000|NONE|sales|SIP/101|PAUSE|Lunch", "1100|NONE|sales|SIP/101|UNPAUSE|"],
        then: &[
            "1000 agent_session.started",
            "1000 agent_state.changed idle login",
            "1100 agent_state.changed available agent",
        ],
        information: 0,
    },
    Case {
        name: "who leaves without having come leaves no trace but the lines",
        given: &[
            "1000|NONE|sales|SIP/101|REMOVEMEMBER|",
            "1001|NONE|sales|SIP/101|UNPAUSE|",
            "1002|NONE|NONE|Agent/7|AGENTLOGOFF|SIP/101-0000000a|100",
        ],
        then: &[],
        information: 3,
    },
];

#[tokio::test]
async fn lines_of_agents_become_their_events() {
    for case in CASES {
        let bench = Bench::new();
        let report = bench.import(&lines(case.given)).await;
        assert_eq!(report.counts().rejected, 0, "{}: {report}", case.name);
        assert_eq!(bench.agents(), case.then, "{}", case.name);
        assert_eq!(report.counts().information, case.information, "{}", case.name);
        let ended = |line: &&&str| line.contains("agent_session.ended");
        let started = |line: &&&str| line.contains("agent_session.started");
        let open =
            case.then.iter().filter(started).count() - case.then.iter().filter(ended).count();
        assert_eq!(report.open.agents, open as u64, "{}", case.name);
    }
}

#[tokio::test]
async fn sessions_that_no_log_in_began_are_counted() {
    let bench = Bench::new();
    let report = bench
        .import(&lines(&[
            "1000|c1|sales|NONE|ENTERQUEUE||5550100|1",
            "1010|c1|sales|SIP/101|RINGNOANSWER|8000",
            "1020|NONE|sales|SIP/102|ADDMEMBER|",
            "1030|NONE|sales|SIP/103|REMOVEMEMBER|",
        ]))
        .await;
    assert_eq!(report.quirks.of(QueueLogQuirk::LogInNotRecorded), 1);
    assert_eq!(report.quirks.of(QueueLogQuirk::AgentNotLoggedIn), 1);
    assert_eq!(report.open.agents, 2);
}

#[tokio::test]
async fn reasons_of_pauses_are_idle_codes() {
    let text = lines(&[
        "1000|NONE|sales|SIP/101|ADDMEMBER|",
        "1100|NONE|sales|SIP/101|PAUSE|l",
        "1200|NONE|sales|SIP/101|PAUSE|Training",
        "1300|NONE|sales|SIP/101|PAUSE|",
    ]);
    for (mapping, expected) in [
        ("", vec![Some("l"), Some("Training"), None]),
        ("[[pause]]\nvalue = \"l\"\nname = \"Lunch\"", vec![Some("Lunch"), Some("Training"), None]),
        (
            "[pauses]\nunknown = \"uncoded\"\n[[pause]]\nvalue = \"l\"\nname = \"Lunch\"",
            vec![Some("Lunch"), None],
        ),
    ] {
        let bench = Bench::mapped(mapping);
        bench.import(&text).await;
        let (mut names, mut idle) = (std::collections::BTreeMap::new(), Vec::new());
        for recorded in bench.recorded() {
            match recorded.decode().expect("decodes") {
                Event::Config(ConfigChange { entity_id, after: Some(after), .. }) => {
                    let document: serde_json::Value = after.parse().expect("json");
                    let name = document["name"].as_str().unwrap_or_default().to_owned();
                    names.insert(entity_id.uuid(), name);
                }
                Event::AgentStateChanged(it) if it.to.name() == "idle" => {
                    idle.push(it.aux_code_id.map(|id| names.get(&id.uuid()).cloned()));
                }
                _ => {}
            }
        }
        let idle: Vec<Option<String>> = idle.into_iter().map(|name| name.flatten()).collect();
        let found: Vec<Option<&str>> = idle.iter().map(Option::as_deref).collect();
        assert_eq!(found, expected, "{mapping}");
    }
}

#[tokio::test]
async fn every_entity_is_configured_before_it_is_named() {
    let bench = Bench::new();
    bench
        .import(&lines(&[
            "1000|NONE|sales|SIP/101|ADDMEMBER|",
            "1010|c1|support|NONE|ENTERQUEUE||5550100|1",
            "1015|NONE|sales|SIP/101|PAUSE|Lunch",
            "1020|c1|support|SIP/102|CONNECT|10|c1.2|2",
        ]))
        .await;
    let mut configured = Vec::new();
    let mut seen = 0;
    for recorded in bench.recorded() {
        match recorded.decode().expect("decodes") {
            Event::Config(change) => {
                let document = change.after.clone().expect("a document");
                ledgerline_schemas::config::Entity::parse(change.kind, &document).expect("fits");
                configured.push(change.entity_id.uuid());
            }
            Event::QueueEntered(it) => assert!(configured.contains(&it.queue_id.uuid())),
            Event::AgentStateChanged(it) => {
                let code = it.aux_code_id.map(|id| id.uuid());
                assert!(code.is_none_or(|code| configured.contains(&code)));
            }
            Event::AgentSessionStarted(it) => {
                seen += 1;
                for id in [
                    it.agent_id.uuid(),
                    it.team_id.uuid(),
                    it.site_id.uuid(),
                    it.multimedia_profile_id.uuid(),
                ] {
                    assert!(configured.contains(&id));
                }
            }
            _ => {}
        }
    }
    assert_eq!(seen, 2);
    configured.sort_unstable();
    let all = configured.len();
    configured.dedup();
    assert_eq!(configured.len(), all, "created once");
}
