//! Random commands in virtual time. `Scenario::run` checks every step; here the whole must come to rest,
//! give the same bytes again, and survive a snapshot.

use ledgerline_routing_core::{MediaPhase, RunWait, next_timeout, snapshot};
use ledgerline_schemas::command::Command;
use ledgerline_schemas::config::{ChannelType, EntityKind};
use ledgerline_schemas::event::agent::{AgentStateName, SignOutReason, SlotState};
use ledgerline_schemas::event::media::MediaSide;
use ledgerline_schemas::event::monitor::MonitorMode;
use ledgerline_schemas::id::MediaLegId;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::scenario::{
    Scenario, accept, answers, assigns, available, calls, chats, connected, customer, ends, hold,
    idle, left, listens, login_as, media_ended, moves, prioritizes, put, queue, reject,
    stops_listening, team, transfers, turns, unhold, user, wraps_up, writes,
};

const AGENTS: [(&str, &str); 3] = [("ann", "one"), ("bob", "one"), ("cat", "two")];
const QUEUES: [&str; 3] = ["sales", "support", "chats"];
const CUSTOMERS: u32 = 8;
const MODES: [MonitorMode; 3] = [MonitorMode::Silent, MonitorMode::Whisper, MonitorMode::Barge];

/// One thing that may happen; numbers are taken modulo what there is.
#[derive(Clone, Debug)]
enum Op {
    Arrives(u32),
    Agent {
        what: u8,
        agent: u8,
        customer: u32,
        queue: u8,
    },
    Edge {
        what: u8,
        customer: u32,
        status: u16,
    },
    Configure {
        what: u8,
        wait_ms: u64,
    },
    /// Something the state allows now, picked from all of it.
    Fitting(u16),
    /// The same of a supervisor.
    Supervises(u16),
    /// The same of a supervisor who listens.
    Listens(u16),
    Passes(u64),
    PassesUnnoticed(u64),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => (0..CUSTOMERS).prop_map(Op::Arrives),
        30 => any::<u16>().prop_map(Op::Fitting),
        3 => any::<u16>().prop_map(Op::Supervises),
        12 => any::<u16>().prop_map(Op::Listens),
        2 => (0_u8..16, 0_u8..3, 0..CUSTOMERS, 0_u8..3)
            .prop_map(|(what, agent, customer, queue)| Op::Agent { what, agent, customer, queue }),
        2 => (0_u8..10, 0..CUSTOMERS, prop_oneof![Just(486_u16), Just(503), Just(600)])
            .prop_map(|(what, customer, status)| Op::Edge { what, customer, status }),
        1 => (0_u8..4, 0_u64..20_000).prop_map(|(what, wait_ms)| Op::Configure { what, wait_ms }),
        3 => (0_u64..30_000).prop_map(Op::Passes),
        1 => (0_u64..60_000).prop_map(Op::PassesUnnoticed),
    ]
}

/// A flow with everything in it: menu, priority, two queues, treatment that never ends.
fn long_flow() -> Value {
    json!({"start": "menu", "activities": {
        "menu": {
            "does": {"menu": {"media": "menu", "timeout_ms": 5_000}},
            "next": {"1": "urgent", "2": "queue", "no_input": "menu", "no_match": "goodbye"},
        },
        "urgent": {"does": {"set_priority": {"priority": 2}}, "next": {"next": "queue"}},
        "queue": {
            "does": {"queue_contact": {"queue_id": queue("sales")}},
            "next": {"queued": "music", "error": "goodbye"},
        },
        "music": {
            "does": {"play_music": {"media": "jazz", "duration_ms": 8_000}},
            "next": {"next": "comfort"},
        },
        "comfort": {"does": {"play_message": {"media": "comfort"}}, "next": {"next": "pause"}},
        "pause": {"does": {"wait": {"duration_ms": 3_000}}, "next": {"next": "move"}},
        "move": {
            "does": {"queue_contact": {"queue_id": queue("support")}},
            "next": {"queued": "music", "error": "music"},
        },
        "goodbye": {"does": {"play_message": {"media": "goodbye"}}, "next": {"next": "bye"}},
        "bye": {"does": {"disconnect": {}}},
    }})
}

fn agent_command(what: u8, agent: u8, n: u32, to: u8) -> Command {
    let (name, of) = AGENTS[usize::from(agent) % AGENTS.len()];
    let to = QUEUES[usize::from(to) % QUEUES.len()];
    match what {
        0 => login_as(name, of, u128::from(n % 2) + 1),
        1 | 2 => available(name),
        3 => idle(name),
        4 | 5 => accept(name, n),
        6 => reject(name, n),
        7 => hold(name, n),
        8 => unhold(name, n),
        9 => ends(name, n),
        10 => wraps_up(name, n),
        11 => transfers(name, n, to),
        12 => prioritizes(n, agent + 9),
        13 => assigns(n, name),
        14 => moves(n, to),
        _ if n == 0 => {
            Command::AgentLogout { agent_id: user(name), reason: SignOutReason::Supervisor }
        }
        _ if n == 1 => Command::AgentLogout { agent_id: user(name), reason: SignOutReason::Agent },
        _ => answers(name, n, "text"),
    }
}

/// What customer `n` and the edges could do next.
fn fitting_customer(scenario: &Scenario, n: u32, commands: &mut Vec<Command>) {
    let Some(interaction) = scenario.state.interaction(customer(n)) else { return };
    let interaction_id = customer(n);
    let media = &interaction.customer;
    if media.as_ref().is_some_and(|media| media.phase == MediaPhase::Ringing) {
        commands.extend([connected(n), connected(n), connected(n)]);
    }
    if let Some(run) = &interaction.run {
        let (run_id, seq) = (run.run_id, run.seq);
        if run.waits == RunWait::Prompt {
            commands.push(Command::PromptFinished { interaction_id, run_id, seq });
        }
        if run.waits == RunWait::Input {
            for choice in ["1", "2", "1", "2", "no_input", "9"] {
                let (choice, input) = (choice.to_owned(), None);
                commands.push(Command::InputCollected {
                    interaction_id,
                    run_id,
                    seq,
                    choice,
                    input,
                });
            }
        }
    }
    for (media_leg_id, media) in &interaction.agent_media {
        let (media_leg_id, side, offer_id) = (*media_leg_id, MediaSide::Agent, None);
        if media.phase == MediaPhase::Ringing {
            let codec = "pcmu".to_owned();
            let answered =
                Command::MediaLegAnswered { interaction_id, media_leg_id, side, offer_id, codec };
            commands.extend([answered.clone(), answered.clone(), answered]);
            for sip_status in [486, 503] {
                commands.push(Command::MediaLegFailed {
                    interaction_id,
                    media_leg_id,
                    side,
                    offer_id,
                    sip_status,
                });
            }
        } else {
            commands.push(media_ended(n, media_leg_id, side));
        }
    }
    if interaction.ended {
        commands.push(media_ended(n, crate::scenario::customer_media(n), MediaSide::Customer));
    }
}

/// What the agents could do next.
fn fitting_agent(scenario: &Scenario, name: &str, of: &str, commands: &mut Vec<Command>) {
    let Some(agent) = scenario.state.agent(user(name)) else {
        commands.extend([login_as(name, of, 1), login_as(name, of, 1)]);
        return;
    };
    if agent.state != AgentStateName::Available {
        commands.extend([available(name), available(name), available(name)]);
    }
    for work in agent.work.values() {
        let Some(n) = (0..CUSTOMERS).find(|n| customer(*n) == work.interaction_id) else {
            continue;
        };
        let digital = work.channel_type == ChannelType::Chat;
        match work.slot {
            SlotState::Reserved if digital => {
                commands.extend([accept(name, n), accept(name, n), reject(name, n)]);
            }
            SlotState::Reserved => commands.extend([reject(name, n), idle(name)]),
            SlotState::Wrapup => commands.push(wraps_up(name, n)),
            SlotState::Hold => commands.extend([unhold(name, n), ends(name, n)]),
            _ if digital => commands.extend([
                answers(name, n, "text"),
                writes(n, "text"),
                transfers(name, n, "chats"),
                ends(name, n),
            ]),
            _ => commands.extend([
                hold(name, n),
                transfers(name, n, "support"),
                transfers(name, n, "sales"),
                ends(name, n),
            ]),
        }
    }
}

/// What a supervisor could try next with who waits or is served; some of it is refused.
fn fitting_supervisor(scenario: &Scenario) -> Vec<Command> {
    let mut commands = Vec::new();
    for n in 0..CUSTOMERS {
        let interaction = scenario.state.interaction(customer(n));
        let Some(leg) = interaction.and_then(|it| it.leg.as_ref()) else { continue };
        if leg.waits() {
            commands.extend([prioritizes(n, 1), prioritizes(n, 7)]);
        }
        commands.extend(AGENTS.map(|(name, _)| assigns(n, name)));
        commands.extend(QUEUES.map(|to| moves(n, to)));
    }
    commands
}

/// What listening supervisors and their phones could do next; some of it is refused.
fn fitting_monitor(scenario: &Scenario) -> Vec<Command> {
    let mut commands = Vec::new();
    for n in 0..CUSTOMERS {
        let Some(interaction) = scenario.state.interaction(customer(n)) else { continue };
        if interaction.connection().is_some() && interaction.monitor().is_none() {
            // Calls, and now and then a chat, which is refused.
            let names = AGENTS.iter().take(if n % 2 == 0 { 3 } else { 1 });
            commands.extend(names.map(|(name, _)| listens(name, n, MODES[(n as usize + 1) % 3])));
        }
        for (media_leg_id, monitor) in &interaction.monitors {
            let (interaction_id, media_leg_id) = (customer(n), *media_leg_id);
            let (side, offer_id, codec) = (MediaSide::Supervisor, None, "pcmu".to_owned());
            let answered =
                Command::MediaLegAnswered { interaction_id, media_leg_id, side, offer_id, codec };
            let failed = Command::MediaLegFailed {
                interaction_id,
                media_leg_id,
                side,
                offer_id,
                sip_status: 486,
            };
            match monitor.phase {
                MediaPhase::Ringing => {
                    commands.extend(vec![answered; 8]);
                    commands.push(failed);
                }
                MediaPhase::Up => {
                    for (name, _) in AGENTS {
                        let own = monitor.supervisor_id == user(name);
                        for mode in MODES.repeat(if own { 8 } else { 1 }) {
                            commands.push(turns(name, n, mode));
                        }
                        commands.push(stops_listening(name, n));
                    }
                }
                MediaPhase::Releasing => commands.push(media_ended(n, media_leg_id, side)),
                MediaPhase::Ended => {}
            }
        }
    }
    commands
}

fn fitting(scenario: &Scenario) -> Vec<Command> {
    let mut commands = Vec::new();
    for n in 0..CUSTOMERS {
        fitting_customer(scenario, n, &mut commands);
    }
    for (name, of) in AGENTS {
        fitting_agent(scenario, name, of, &mut commands);
    }
    commands
}

fn agent_media(scenario: &Scenario, n: u32) -> Option<MediaLegId> {
    let interaction = scenario.state.interaction(customer(n))?;
    interaction.agent_media.keys().next().copied()
}

fn edge(scenario: &mut Scenario, what: u8, n: u32, status: u16) {
    let run = scenario.state.interaction(customer(n)).and_then(|it| it.run.clone());
    let media = agent_media(scenario, n);
    let command = match (what, run, media) {
        (0 | 1, ..) => connected(n),
        (2, ..) => left(n),
        (3, ..) => writes(n, "text"),
        (4 | 5, Some(run), _) if what == 4 => {
            let (run_id, seq) = (run.run_id, run.seq);
            Command::PromptFinished { interaction_id: customer(n), run_id, seq }
        }
        (5, Some(run), _) => Command::InputCollected {
            interaction_id: customer(n),
            run_id: run.run_id,
            seq: run.seq,
            choice: ["1", "2", "no_input", "9"][usize::from(status) % 4].to_owned(),
            input: None,
        },
        (6 | 7, _, Some(media_leg_id)) => Command::MediaLegAnswered {
            interaction_id: customer(n),
            media_leg_id,
            side: MediaSide::Agent,
            offer_id: None,
            codec: "pcmu".to_owned(),
        },
        (8, _, Some(media_leg_id)) if status != 600 => Command::MediaLegFailed {
            interaction_id: customer(n),
            media_leg_id,
            side: MediaSide::Agent,
            offer_id: None,
            sip_status: status,
        },
        (8, _, Some(media_leg_id)) => media_ended(n, media_leg_id, MediaSide::Agent),
        _ => media_ended(n, crate::scenario::customer_media(n), MediaSide::Customer),
    };
    scenario.run(command);
}

fn configure(scenario: &mut Scenario, what: u8, wait_ms: u64) {
    let groups = json!([
        {"team_ids": [team("one")], "wait_ms": wait_ms},
        {"team_ids": [team("two")]},
    ]);
    let document = match what {
        0 => json!({"channel_type": "voice", "call_distribution_groups": groups}),
        1 => json!({
            "channel_type": "voice",
            "call_distribution_groups": groups,
            "max_time_in_queue_ms": wait_ms + 1,
            "overflow_queue_id": queue("support"),
            "wrapup_ms": 0,
        }),
        2 => json!({
            "channel_type": "voice",
            "call_distribution_groups": [{"team_ids": [team("two")]}],
            "max_active_interactions": 3,
            "wait_credits": [{"priority": 2, "credit_ms": wait_ms}],
        }),
        _ => return scenario.run(put(EntityKind::Flow, "main", long_flow())),
    };
    scenario.run(put(EntityKind::Queue, "sales", document));
}

fn play(ops: &[Op]) -> Scenario {
    play_from(Scenario::new(), ops)
}

fn play_from(scenario: Scenario, ops: &[Op]) -> Scenario {
    let mut scenario = scenario.with(EntityKind::Flow, "main", long_flow());
    for op in ops {
        scenario = match op.clone() {
            // Even customers call, odd ones chat.
            Op::Arrives(n) if n % 2 == 0 => scenario.when(calls(n)),
            Op::Arrives(n) => scenario.when(chats(n)),
            Op::Agent { what, agent, customer, queue } => {
                scenario.when(agent_command(what, agent, customer, queue))
            }
            Op::Edge { what, customer, status } => {
                edge(&mut scenario, what, customer, status);
                scenario
            }
            Op::Configure { what, wait_ms } => {
                configure(&mut scenario, what, wait_ms);
                scenario
            }
            Op::Fitting(pick) | Op::Supervises(pick) | Op::Listens(pick) => {
                let mut fitting = match op {
                    Op::Supervises(_) => fitting_supervisor(&scenario),
                    Op::Listens(_) => fitting_monitor(&scenario),
                    _ => fitting(&scenario),
                };
                if fitting.is_empty() {
                    continue;
                }
                let index = usize::from(pick) % fitting.len();
                scenario.when(fitting.swap_remove(index))
            }
            Op::Passes(ms) => scenario.after(ms),
            Op::PassesUnnoticed(ms) => scenario.wait(ms).when(Command::Tick),
        };
    }
    scenario
}

/// Everybody leaves, every phone is put down, every wrap-up is ended.
fn come_to_rest(mut scenario: Scenario) -> Scenario {
    for n in 0..CUSTOMERS {
        scenario = scenario.given([left(n)]).wire_is_down(n);
        for (name, _) in AGENTS {
            scenario = scenario.when(wraps_up(name, n));
        }
    }
    scenario.after(3_600_000)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_the_rules_hold(ops in prop::collection::vec(op(), 1..120)) {
        let scenario = play(&ops);
        let bytes = snapshot::encode(&scenario.state);
        let again = play_from(Scenario::new().unchecked(), &ops);
        prop_assert_eq!(&again.log, &scenario.log, "the same inputs give the same events");
        prop_assert_eq!(&snapshot::encode(&again.state), &bytes, "and the same bytes");
        let restored = snapshot::decode(&bytes).expect("a snapshot");
        prop_assert!(restored == scenario.state, "a snapshot rebuilds every index");

        let rested = come_to_rest(scenario);
        prop_assert_eq!(rested.state.interactions().count(), 0, "a stuck interaction");
        prop_assert!(rested.state.agents().all(|agent| agent.work.is_empty()), "a stuck slot");
        prop_assert_eq!(next_timeout(&rested.state), None, "a timer that never fires");
    }
}

/// Facts the random commands must reach for the property above to mean something.
const REACHED: &[&str] = &[
    "agent_session.ended",
    "flow.error",
    "flow.input_collected",
    "hold.ended",
    "hold.started",
    "interaction.priority_set",
    "leg.connected",
    "leg.disconnected",
    "media_leg.bridged",
    "media_leg.failed",
    "message.received",
    "message.sent",
    "monitor.barged_in",
    "monitor.ended",
    "monitor.failed",
    "monitor.silenced",
    "monitor.started",
    "monitor.whispered",
    "offer.accepted",
    "offer.failed",
    "offer.rejected",
    "offer.rescinded",
    "offer.timed_out",
    "prompt.finished",
    "queue.group_escalated",
    "queue.left",
    "routing.manual_assigned",
    "transfer.completed",
    "wrapup.code_set",
    "wrapup.ended",
    "wrapup.started",
];

#[test]
fn the_random_commands_reach_every_corner() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let mut reached = std::collections::BTreeMap::<&str, u32>::new();
    for _ in 0..40 {
        let tree = prop::collection::vec(op(), 120).new_tree(&mut runner).expect("a value");
        for event in play(&tree.current()).log {
            *reached.entry(event.event.event_type()).or_default() += 1;
        }
    }
    let missed: Vec<_> = REACHED.iter().filter(|name| !reached.contains_key(*name)).collect();
    assert!(missed.is_empty(), "not reached: {missed:?} of {reached:?}");
}
