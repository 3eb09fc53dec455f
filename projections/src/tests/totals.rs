//! Random histories: whatever happens, every table counts the same legs.

use std::collections::BTreeMap;

use ledgerline_event_store::EventReader;
use ledgerline_schemas::Position;
use ledgerline_schemas::config::ChannelType;
use ledgerline_schemas::event::Event;
use ledgerline_schemas::event::agent::{
    AgentSessionEnded, AgentSessionStarted, AgentStateChanged, AgentStateName, DeviceType,
    SignOutReason, StateCause,
};
use ledgerline_schemas::event::flow::FlowStarted;
use ledgerline_schemas::event::interaction::{
    Direction, InteractionCreated, InteractionEnded, LastStage, Relationship, TerminatingEnd,
    TerminationReason,
};
use ledgerline_schemas::event::leg::{
    HoldEnded, HoldStarted, LegConnected, LegDisconnected, LegEndReason,
};
use ledgerline_schemas::event::offer::{
    OfferMade, OfferRejectReason, OfferRejected, OfferRescinded, OfferTimedOut, RescindReason,
};
use ledgerline_schemas::event::queue::{QueueEntered, QueueLeaveReason, QueueLeft, QueueSource};
use ledgerline_schemas::event::wrapup::{WrapUpEnded, WrapUpEndedBy, WrapUpStarted};
use ledgerline_schemas::id::{
    AgentSessionId, EntityId, EntryPointId, InteractionId, LegId, OfferId, QueueId, TeamId, UserId,
};
use proptest::prelude::*;

use crate::checksum::checksum;
use crate::snapshot::Snapshot;
use crate::tests::live;
use crate::tests::script::{Cells, Script, advance, open_with, options, rows, sum};
use crate::tests::storage::unsynced;

const TEAM: TeamId = TeamId::from_u128(0x77);

/// How a stay in a queue goes on.
#[derive(Clone, Copy, Debug)]
enum Stay {
    Open,
    Abandoned,
    AbandonedWhileOffered,
    Other(usize),
    Answered { hold: bool, wrapup: Option<i64>, then_transfer: bool, ends: bool },
}

/// One interaction's plan.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    start: i64,
    chat: bool,
    imported: bool,
    ends_in_ivr: bool,
    stays: Vec<(u128, i64, u8, Stay)>,
}

const OTHERS: [QueueLeaveReason; 8] = [
    QueueLeaveReason::MaxTime,
    QueueLeaveReason::OptOut,
    QueueLeaveReason::EscapeKey,
    QueueLeaveReason::Moved,
    QueueLeaveReason::CallbackRequested,
    QueueLeaveReason::Overflow,
    QueueLeaveReason::Flow,
    QueueLeaveReason::Error,
];

fn stay() -> impl Strategy<Value = Stay> {
    prop_oneof![
        1 => Just(Stay::Open),
        2 => Just(Stay::Abandoned),
        2 => Just(Stay::AbandonedWhileOffered),
        2 => (0..OTHERS.len()).prop_map(Stay::Other),
        5 => (any::<bool>(), prop::option::of(0..40_000_i64), any::<bool>(), any::<bool>()).prop_map(
            |(hold, wrapup, then_transfer, ends)| Stay::Answered { hold, wrapup, then_transfer, ends }
        ),
    ]
}

pub(super) fn plan() -> impl Strategy<Value = Plan> {
    let stays = prop::collection::vec((0..3_u128, 0..90_000_i64, 0..3_u8, stay()), 1..4);
    (0..3_600_000_i64, any::<bool>(), any::<bool>(), prop::bool::weighted(0.15), stays).prop_map(
        |(start, chat, imported, ends_in_ivr, stays)| Plan {
            start,
            chat,
            imported,
            ends_in_ivr,
            stays,
        },
    )
}

/// The events of a plan with their instants; events of one decision share an instant.
fn play(number: u128, plan: &Plan) -> Vec<(i64, Event)> {
    let interaction_id = InteractionId::from_u128(number);
    let channel_type = if plan.chat { ChannelType::Chat } else { ChannelType::Voice };
    let mut events: Vec<(i64, Event)> = Vec::new();
    let mut now = plan.start;
    let ended = |last_stage, customer| {
        Event::from(InteractionEnded {
            interaction_id,
            terminating_end: if customer {
                TerminatingEnd::Customer
            } else {
                TerminatingEnd::System
            },
            reason: TerminationReason::CustomerLeft,
            last_stage,
        })
    };
    events.push((
        now,
        InteractionCreated {
            interaction_id,
            channel_type,
            channel_sub_type: None,
            direction: Direction::Inbound,
            entry_point_id: (!number.is_multiple_of(4))
                .then(|| EntryPointId::from_u128(number % 2)),
            origin: None,
            destination: None,
            customer_code: None,
            parent_interaction_id: None,
            relationship: Relationship::None,
            reason: None,
            preferred_agent_id: None,
            campaign_id: None,
            media_ref: None,
        }
        .into(),
    ));
    let flow_id = Default::default();
    let run_id = Default::default();
    events.push((
        now,
        FlowStarted { interaction_id, flow_id, flow_version: 1, flow_tag: None, run_id }.into(),
    ));
    now += 3_000;
    if plan.ends_in_ivr {
        events.push((now, ended(LastStage::Ivr, true)));
        return events;
    }
    for (index, (queue, wait, ronas, stay)) in plan.stays.iter().enumerate() {
        let queue_id = QueueId::from_u128(0x50 + queue);
        let leg_id = LegId::from_u128(number * 16 + index as u128);
        let agent = |turn: u8| UserId::from_u128(0x90 + (number + u128::from(turn)) % 3);
        let source = match (plan.imported, index) {
            (true, _) => QueueSource::Import,
            (_, 0) => QueueSource::Flow,
            _ => QueueSource::Transfer,
        };
        events.push((
            now,
            QueueEntered {
                interaction_id,
                leg_id,
                queue_id,
                leg_no: index as u32 + 1,
                priority: 10,
                wait_credit_ms: 0,
                requirements: Vec::new(),
                preferred_agent_id: None,
                source,
            }
            .into(),
        ));
        let mut offers = 0;
        let mut offer = |now: i64, turn: u8, events: &mut Vec<(i64, Event)>| {
            let offer_id = OfferId::from_u128(number * 256 + index as u128 * 16 + offers);
            offers += 1;
            let made = OfferMade {
                offer_id,
                interaction_id,
                leg_id,
                queue_id,
                decision_id: Default::default(),
                agent_id: agent(turn),
                agent_session_id: AgentSessionId::from_u128(0x1000),
                team_id: TEAM,
                site_id: None,
                channel_type,
                ring_timeout_ms: 1_000,
                expires_at: Default::default(),
            };
            events.push((now, made.into()));
            offer_id
        };
        if !plan.imported {
            for turn in 0..*ronas {
                let offer_id = offer(now, turn, &mut events);
                now += 1_000;
                let agent_id = agent(turn);
                events.push((
                    now,
                    if turn == 1 {
                        let reason = OfferRejectReason::Declined;
                        OfferRejected { offer_id, interaction_id, leg_id, agent_id, reason }.into()
                    } else {
                        OfferTimedOut { offer_id, interaction_id, leg_id, agent_id }.into()
                    },
                ));
            }
        }
        now += wait;
        let left = |reason| {
            Event::from(QueueLeft {
                interaction_id,
                leg_id,
                queue_id,
                reason,
                wait_ms: *wait as u64 + 1_000 * u64::from(*ronas),
            })
        };
        match *stay {
            Stay::Open => return events,
            Stay::Abandoned => {
                events.push((now, left(QueueLeaveReason::Abandoned)));
                events.push((now, ended(LastStage::Queue, true)));
                return events;
            }
            Stay::AbandonedWhileOffered => {
                if !plan.imported {
                    let offer_id = offer(now, 0, &mut events);
                    now += 500;
                    events.push((
                        now,
                        OfferRescinded {
                            offer_id,
                            interaction_id,
                            leg_id,
                            agent_id: agent(0),
                            reason: RescindReason::CustomerLeft,
                        }
                        .into(),
                    ));
                }
                events.push((now, left(QueueLeaveReason::Abandoned)));
                events.push((now, ended(LastStage::Offer, true)));
                return events;
            }
            Stay::Other(reason) => events.push((now, left(OTHERS[reason]))),
            Stay::Answered { hold, wrapup, then_transfer, ends } => {
                let agent_id = agent(0);
                if !plan.imported {
                    offer(now, 0, &mut events);
                }
                events.push((now, left(QueueLeaveReason::Assigned)));
                events.push((
                    now,
                    LegConnected {
                        interaction_id,
                        leg_id,
                        queue_id,
                        agent_id,
                        agent_session_id: None,
                        team_id: Some(TEAM),
                        site_id: None,
                        offer_id: None,
                    }
                    .into(),
                ));
                if hold {
                    now += 2_000;
                    events.push((now, HoldStarted { interaction_id, leg_id, agent_id }.into()));
                    now += 2_000;
                    events.push((now, HoldEnded { interaction_id, leg_id, agent_id }.into()));
                }
                now += 7_000;
                if !then_transfer && !ends {
                    return events;
                }
                let reason = if then_transfer {
                    LegEndReason::Transferred
                } else {
                    LegEndReason::AgentEnded
                };
                events.push((
                    now,
                    LegDisconnected {
                        interaction_id,
                        leg_id,
                        agent_id,
                        reason,
                        connected_ms: 7_000,
                    }
                    .into(),
                ));
                if let Some(length) = wrapup {
                    let auto_end_at = None;
                    events.push((
                        now,
                        WrapUpStarted { interaction_id, leg_id, agent_id, auto_end_at }.into(),
                    ));
                    let by = WrapUpEndedBy::Timer;
                    events.push((
                        now + length,
                        WrapUpEnded { interaction_id, leg_id, agent_id, by }.into(),
                    ));
                }
                if !then_transfer {
                    events.push((now, ended(LastStage::Connected, false)));
                    return events;
                }
            }
        }
    }
    events.push((now, ended(LastStage::Ivr, false)));
    events
}

/// A log of several interactions side by side, with agents who come and go.
fn log(plans: &[Plan]) -> Script {
    log_from(0, plans)
}

/// The same from so many milliseconds after the usual begin.
pub(super) fn log_from(began: i64, plans: &[Plan]) -> Script {
    let mut script = Script::new();
    script.now = began;
    for queue in 0..2_u128 {
        script.queue(EntityId::from_u128(0x50 + queue), "queue", 20_000 * (queue as u64 + 1), TEAM);
    }
    let mut all: Vec<(i64, Event)> = Vec::new();
    for agent in 0..3_u128 {
        let agent_id = UserId::from_u128(0x90 + agent);
        let agent_session_id = AgentSessionId::from_u128(0x1000 + agent);
        let started = AgentSessionStarted {
            agent_session_id,
            agent_id,
            team_id: TEAM,
            site_id: Default::default(),
            device_type: DeviceType::Extension,
            dn: "1".into(),
            multimedia_profile_id: Default::default(),
            profile_config_position: Default::default(),
            skills: Vec::new(),
        };
        all.push((0, started.into()));
        let changed = AgentStateChanged {
            agent_session_id,
            agent_id,
            from: AgentStateName::LoggedOut,
            to: AgentStateName::Available,
            aux_code_id: None,
            cause: StateCause::Login,
            requested_by: None,
            requested_while_busy: false,
        };
        all.push((0, changed.into()));
        let reason = SignOutReason::Agent;
        if agent == 2 {
            all.push((1_800_000, AgentSessionEnded { agent_session_id, agent_id, reason }.into()));
        }
    }
    for (index, plan) in plans.iter().enumerate() {
        all.extend(play(index as u128 + 1, plan));
    }
    all.sort_by_key(|(at, _)| *at);
    for (at, event) in all {
        script.at(began + at, event);
    }
    script
}

fn counted(log: &[Cells], event_type: &str, reason: Option<&str>) -> i64 {
    let wanted = |row: &&Cells| {
        row["event_type"] == event_type
            && reason.is_none_or(|reason| {
                let data: serde_json::Value = serde_json::from_str(&row["data"]).unwrap();
                data["reason"] == reason
            })
    };
    log.iter().filter(wanted).count() as i64
}

fn check_totals(snapshot: &Snapshot) {
    let (log, legs) = (rows(snapshot, "event_log"), rows(snapshot, "queue_leg"));
    let (live, intervals) = (rows(snapshot, "queue_live"), rows(snapshot, "queue_interval"));
    let of = |outcome: &str| legs.iter().filter(|leg| leg["outcome"] == outcome).count() as i64;
    let others = counted(&log, "queue.left", None)
        - counted(&log, "queue.left", Some("assigned"))
        - counted(&log, "queue.left", Some("abandoned"));
    for (name, from_log, from_legs) in [
        ("offered", counted(&log, "queue.entered", None), legs.len() as i64),
        ("answered", counted(&log, "queue.left", Some("assigned")), of("answered")),
        ("abandoned", counted(&log, "queue.left", Some("abandoned")), of("abandoned")),
        ("other", others, of("other")),
        (
            "open",
            counted(&log, "queue.entered", None) - counted(&log, "queue.left", None),
            of("open"),
        ),
    ] {
        assert_eq!(from_log, from_legs, "{name}: event_log and queue_leg");
        assert_eq!(from_legs, sum(&live, name), "{name}: queue_leg and queue_live");
        assert_eq!(from_legs, sum(&intervals, name), "{name}: queue_leg and queue_interval");
    }
    for row in &live {
        let mine: Vec<Cells> =
            legs.iter().filter(|leg| leg["queue_id"] == row["queue_id"]).cloned().collect();
        let one = std::slice::from_ref(row);
        assert_eq!(sum(one, "offered"), mine.len() as i64);
        let parts = ["answered", "abandoned", "other", "open"].map(|name| sum(one, name));
        assert_eq!(sum(one, "offered"), parts.iter().sum::<i64>());
        assert_eq!(sum(one, "in_queue_now"), sum(one, "open"));
        let connected = mine.iter().filter(|leg| {
            leg.contains_key("connected_time") && !leg.contains_key("disconnected_time")
        });
        assert_eq!(sum(one, "connected_now"), connected.count() as i64);
        let oldest = mine.iter().filter(|leg| leg["outcome"] == "open");
        let oldest = oldest.map(|leg| leg["entered_time"].clone()).min();
        assert_eq!(row.get("oldest_entered_time"), oldest.as_ref());
        let within = |leg: &&Cells| {
            leg["outcome"] == "answered"
                && leg.get("sl_threshold_ms").is_some_and(|limit| {
                    leg["queue_duration_ms"].parse::<i64>().unwrap() <= limit.parse().unwrap()
                })
        };
        assert_eq!(sum(one, "answered_in_sl"), mine.iter().filter(within).count() as i64);
    }
    assert_eq!(sum(&intervals, "ronas"), counted(&log, "offer.timed_out", None));
    assert_eq!(sum(&legs, "offers"), counted(&log, "offer.made", None));
    assert_eq!(rows(snapshot, "offer").len() as i64, counted(&log, "offer.made", None));
    let agents = rows(snapshot, "agent_interval");
    for (of_agents, of_queues) in [
        ("handled", "handled"),
        ("transfers_out", "transferred_out"),
        ("offered", "offers"),
        ("rejected", "rejects"),
        ("ronas", "ronas"),
    ] {
        let (left, right) = (sum(&agents, of_agents), sum(&intervals, of_queues));
        assert_eq!(left, right, "{of_agents}: agent_interval and queue_interval");
    }
    for name in ["connected_duration_ms", "hold_duration_ms", "wrapup_duration_ms"] {
        let sessions = rows(snapshot, "customer_session");
        assert_eq!(sum(&legs, name), sum(&sessions, name), "{name}");
    }
    assert_eq!(sum(&legs, "connected_duration_ms"), sum(&intervals, "sum_connected_ms"));
    assert_eq!(sum(&legs, "wrapup_duration_ms"), sum(&intervals, "sum_wrapup_ms"));
}

fn agents_in_hand(snapshot: &Snapshot) -> BTreeMap<String, i64> {
    let live = rows(snapshot, "agent_live");
    let columns = ["voice_count", "chat_count", "other_count"];
    live.iter()
        .map(|row| {
            let one = std::slice::from_ref(row);
            (row["agent_id"].clone(), columns.iter().map(|name| sum(one, name)).sum())
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// One log, four ways to fold it: at once in memory; by single events and small commits; by pages that
    /// straddle commits; with a restart in the middle. All agree in every row, and the totals agree.
    #[test]
    fn every_table_counts_the_same_legs_however_the_log_is_read(
        plans in prop::collection::vec(plan(), 1..25),
        page in 1..40_usize,
        flush in 7..60_u64,
        cut in 0.0..1.0_f64,
    ) {
        let script = log(&plans);
        let head = script.log.head();
        let dirs: Vec<_> = (0..3).map(|_| tempfile::tempdir().unwrap()).collect();
        // Everything may settle at once only where nothing comes late: here wrap-up ends up to 40 s after
        // the conversation, so rows settle after more positions than the log has until then.
        let settings = options(flush, 150);

        let mut whole = open_with(unsynced(), dirs[0].path(), options(u64::MAX, u64::MAX)).unwrap();
        advance(&mut whole, &script.log, head, 1_000).unwrap();
        let snapshot = whole.snapshot().unwrap();
        check_totals(&snapshot);
        live::check(&snapshot);
        let expected = checksum(&snapshot).unwrap();

        let mut paged = open_with(unsynced(), dirs[1].path(), settings).unwrap();
        advance(&mut paged, &script.log, head, page).unwrap();
        let snapshot = paged.snapshot().unwrap();
        check_totals(&snapshot);
        prop_assert_eq!(&checksum(&snapshot).unwrap(), &expected);

        let middle = Position((head.0 as f64 * cut) as u64);
        let mut first = open_with(unsynced(), dirs[2].path(), settings).unwrap();
        advance(&mut first, &script.log, middle, 1_000).unwrap();
        drop(first);
        let mut again = open_with(unsynced(), dirs[2].path(), settings).unwrap();
        prop_assert!(again.fold.position <= middle);
        advance(&mut again, &script.log, head, 3).unwrap();
        let snapshot = again.snapshot().unwrap();
        prop_assert_eq!(&checksum(&snapshot).unwrap(), &expected);
        prop_assert_eq!(agents_in_hand(&snapshot), agents_in_hand(&whole.snapshot().unwrap()));
    }
}
