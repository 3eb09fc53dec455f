//! `agent_interval`: time split at the borders of the quarters, worked out by hand and for random days.

use std::collections::BTreeMap;

use ledgerline_event_store::EventReader as _;
use ledgerline_schemas::config::ChannelType;
use ledgerline_schemas::event::agent::{
    AgentSessionEnded, AgentStateName, SignOutReason, StateCause,
};
use ledgerline_schemas::event::external::ExternalEvent;
use ledgerline_schemas::event::interaction::InteractionCreated;
use ledgerline_schemas::event::leg::{
    ConferenceEnded, ConferenceStarted, HoldEnded, HoldStarted, LegConnected, LegDisconnected,
    LegEndReason,
};
use ledgerline_schemas::event::offer::{OfferAccepted, OfferMade, OfferTimedOut};
use ledgerline_schemas::event::queue::QueueSource;
use ledgerline_schemas::event::wrapup::{WrapUpEnded, WrapUpEndedBy, WrapUpStarted};
use ledgerline_schemas::id::{
    AgentSessionId, ConferenceId, EntityId, InteractionId, LegId, OfferId, QueueId, TeamId, UserId,
};
use ledgerline_schemas::sensitive::Blob;
use ledgerline_schemas::{Position, Timestamp};
use proptest::prelude::*;

use crate::checksum::checksum;
use crate::snapshot::Snapshot;
use crate::tests::call::{
    ANN, BOB, CALL, LEG1, SALES, SITE, TEAM, become_state, created, entered, log_in, offer,
};
use crate::tests::script::{
    Cells, START, Script, advance, fold, open, open_with, options, pick, rows,
};
use crate::tests::storage::unsynced;

const MINUTE: i64 = 60_000;
const QUARTER: i64 = 15 * MINUTE;

fn connected(id: InteractionId, leg_id: LegId, agent: u128) -> LegConnected {
    LegConnected {
        interaction_id: id,
        leg_id,
        queue_id: QueueId::from_u128(SALES),
        agent_id: UserId::from_u128(agent),
        agent_session_id: None,
        team_id: None,
        site_id: None,
        offer_id: None,
    }
}

fn disconnected(id: InteractionId, leg_id: LegId, agent: u128) -> LegDisconnected {
    LegDisconnected {
        interaction_id: id,
        leg_id,
        agent_id: UserId::from_u128(agent),
        reason: LegEndReason::AgentEnded,
        connected_ms: 1,
    }
}

fn chat(number: u128) -> InteractionCreated {
    let id = InteractionId::from_u128(number);
    InteractionCreated { channel_type: ChannelType::Chat, ..created(id) }
}

/// Ann logs in a minute before nine, takes a call over the quarter, is on hold, wraps up, becomes idle.
fn morning() -> Script {
    let mut script = Script::new();
    script.queue(EntityId::from_u128(SALES), "sales", 20_000, TeamId::from_u128(TEAM));
    script.now = -MINUTE;
    log_in(&mut script, ANN);
    let s = &mut script;
    let agent_id = UserId::from_u128(ANN);
    let (interaction_id, leg_id) = (CALL, LEG1);
    s.at(880_000, created(CALL));
    s.at(880_000, entered(CALL, LEG1, SALES, QueueSource::Transfer));
    s.at(890_000, offer(1, LEG1, SALES, ANN));
    let offer_id = OfferId::from_u128(1);
    s.at(898_000, OfferAccepted { offer_id, interaction_id, leg_id, agent_id });
    s.at(898_000, connected(CALL, LEG1, ANN));
    s.at(905_000, HoldStarted { interaction_id, leg_id, agent_id });
    s.at(910_000, HoldEnded { interaction_id, leg_id, agent_id });
    s.at(1_000_000, disconnected(CALL, LEG1, ANN));
    s.at(1_000_000, WrapUpStarted { interaction_id, leg_id, agent_id, auto_end_at: None });
    let by = WrapUpEndedBy::Agent;
    s.at(1_020_000, WrapUpEnded { interaction_id, leg_id, agent_id, by });
    become_state(s, 1_900_000, ANN, AgentStateName::Idle, StateCause::Agent);
    script
}

const AGENT: [&str; 8] = [
    "interval_start",
    "channel_type",
    "logged_in_ms",
    "available_ms",
    "idle_ms",
    "not_responding_ms",
    "ready_ms",
    "any_contact_ms",
];

const CHANNEL: [&str; 13] = [
    "interval_start",
    "channel_type",
    "channel_contact_ms",
    "sum_contact_ms",
    "ringing_ms",
    "connected_ms",
    "hold_ms",
    "wrapup_ms",
    "handled",
    "offered",
    "accepted",
    "transfers_in",
    "transfers_out",
];

fn told(snapshot: &Snapshot, columns: &[&str], of_channel: bool) -> Vec<String> {
    rows(snapshot, "agent_interval")
        .iter()
        .filter(|row| row.contains_key("channel_type") == of_channel)
        .map(|row| pick(row, columns).join(" ").replace("2024-03-01T", "").replace(":00Z", ""))
        .collect()
}

#[test]
fn times_are_split_at_the_quarters() {
    let mut script = morning();
    let snapshot = fold(&script);
    // What lasts is counted up to the border before the newest event: of the quarter of 9:30 only what is
    // over, ready and available.
    assert_eq!(
        told(&snapshot, &AGENT, false),
        [
            "08:45 - 60000 60000 0 0 60000 0",
            "09:00 - 900000 900000 0 0 890000 2000",
            "09:15 - 900000 900000 0 0 780000 120000",
            "09:30 - 0 100000 0 0 100000 0",
        ]
    );
    assert_eq!(
        told(&snapshot, &CHANNEL, true),
        [
            "09:00 voice 2000 2000 8000 2000 0 0 0 1 1 1 0",
            "09:15 voice 120000 120000 0 95000 5000 20000 1 0 0 0 0",
        ]
    );
    // Any event of the next quarter completes the one before.
    script.at(2_750_000, chat(9));
    assert_eq!(
        told(&fold(&script), &AGENT, false)[3..],
        ["09:30 - 900000 100000 800000 0 100000 0"]
    );
    // Times of other systems' events are no clock.
    let (external_type, content_type) = ("thing".into(), "text/plain".into());
    let (data, metadata) = (Blob(Vec::new()), Blob(Vec::new()));
    script.at(10_000_000, ExternalEvent { external_type, content_type, data, metadata });
    assert_eq!(told(&fold(&script), &AGENT, false).len(), 4);
}

#[test]
fn conversations_at_once_count_once_and_summed() {
    let mut script = Script::new();
    script.queue(EntityId::from_u128(SALES), "chats", 20_000, TeamId::from_u128(TEAM));
    log_in(&mut script, BOB);
    let legs = [(1, 0x21, 0, 100_000), (2, 0x22, 50_000, 150_000)];
    for (number, leg, _, _) in legs {
        script.at(0, chat(number));
        let (id, leg_id) = (InteractionId::from_u128(number), LegId::from_u128(leg));
        script.at(0, entered(id, leg_id, SALES, QueueSource::Flow));
    }
    let mut events = Vec::new();
    for (number, leg, from, to) in legs {
        let (id, leg_id) = (InteractionId::from_u128(number), LegId::from_u128(leg));
        events.push((from, connected(id, leg_id, BOB).into()));
        events.push((to, disconnected(id, leg_id, BOB).into()));
    }
    events.sort_by_key(|(at, _)| *at);
    for (at, event) in events {
        let event: ledgerline_schemas::Event = event;
        script.at(at, event);
    }
    script.at(QUARTER, chat(3));
    let snapshot = fold(&script);
    assert_eq!(
        told(&snapshot, &CHANNEL, true),
        ["09:00 chat 150000 200000 0 200000 0 0 2 0 0 0 0"]
    );
    assert_eq!(told(&snapshot, &AGENT, false), ["09:00 - 900000 900000 0 0 750000 150000"]);
    let row = &rows(&snapshot, "agent_interval")[0];
    let site = ledgerline_schemas::id::SiteId::from_u128(SITE).to_string();
    assert_eq!(pick(row, &["team_id", "site_id"]), [TeamId::from_u128(TEAM).to_string(), site]);
}

#[test]
fn what_was_counted_too_far_is_taken_back() {
    let mut script = Script::new();
    script.queue(EntityId::from_u128(SALES), "sales", 20_000, TeamId::from_u128(TEAM));
    script.at(0, created(CALL));
    script.at(0, entered(CALL, LEG1, SALES, QueueSource::Flow));
    script.at(1_000, connected(CALL, LEG1, ANN));
    // Somebody else's event is dated two quarters on, then the conversation ends, dated before it.
    script.at(2 * QUARTER + 5, chat(9));
    let columns = ["connected_ms", "any_contact_ms", "channel_contact_ms", "sum_contact_ms"];
    let sums = |script: &Script| {
        let all = rows(&fold(script), "agent_interval");
        columns.map(|name| crate::tests::script::sum(&all, name))
    };
    assert_eq!(sums(&script), [2 * QUARTER - 1_000; 4]);
    script.at(61_000, disconnected(CALL, LEG1, ANN));
    assert_eq!(sums(&script), [60_000; 4]);
}

#[test]
fn who_never_logs_out_is_counted_for_seven_days() {
    let mut script = Script::new();
    log_in(&mut script, ANN);
    script.at(40 * 24 * 60 * MINUTE, chat(9));
    let all = rows(&fold(&script), "agent_interval");
    assert_eq!(all.len(), 7 * 96);
    assert!(all.iter().all(|row| row["logged_in_ms"] == "900000"));
}

#[test]
fn final_quarters_go_to_files_and_are_not_counted_again() {
    let mut script = morning();
    let reason = SignOutReason::Agent;
    let (agent_id, agent_session_id) =
        (UserId::from_u128(ANN), AgentSessionId::from_u128(ANN + 0x1000));
    script.at(2_000_000, AgentSessionEnded { agent_session_id, agent_id, reason });
    for number in 10..20 {
        script.at(2_700_000, chat(number));
    }
    let expected = rows(&fold(&script), "agent_interval");
    let dir = tempfile::tempdir().unwrap();
    let mut engine = open(dir.path(), options(5, 5));
    advance(&mut engine, &script.log, script.log.head(), 3).unwrap();
    let snapshot = engine.snapshot().unwrap();
    assert!(!snapshot.tables["agent_interval"].cold.is_empty());
    assert_eq!(rows(&snapshot, "agent_interval"), expected);
    // Dated into a final quarter: in the log, and in no row.
    script.at(10_000, offer(7, LEG1, SALES, ANN));
    advance(&mut engine, &script.log, script.log.head(), 3).unwrap();
    assert_eq!(rows(&engine.snapshot().unwrap(), "agent_interval"), expected);
}

/// Something that happens to one of three agents and one of six legs.
#[derive(Clone, Copy, Debug)]
struct Happening {
    agent: u128,
    leg: u128,
    /// Microseconds since the one before.
    after: i64,
    /// It is dated so many minutes too early.
    early: i64,
    what: u8,
}

fn happening(early: i64) -> impl Strategy<Value = Happening> {
    let after = prop_oneof![0..3_i64, 0..90_000_000_i64, 0..2_400_000_000_i64];
    (0..3_u128, 0..6_u128, after, prop_oneof![4 => Just(0), 1 => 0..=early], 0..13_u8)
        .prop_map(|(agent, leg, after, early, what)| Happening { agent, leg, after, early, what })
}

/// Whatever may be said of agents and legs, whether it makes sense or not.
fn day(happenings: &[Happening]) -> Script {
    let mut script = Script::new();
    script.queue(EntityId::from_u128(SALES), "sales", 20_000, TeamId::from_u128(TEAM));
    let ids = |leg: u128| (InteractionId::from_u128(0x100 + leg), LegId::from_u128(0x200 + leg));
    for leg in 0..6 {
        let (id, leg_id) = ids(leg);
        let channel_type = if leg < 2 { ChannelType::Voice } else { ChannelType::Chat };
        script.at(0, InteractionCreated { channel_type, ..created(id) });
        script.at(0, entered(id, leg_id, SALES, QueueSource::Flow));
    }
    let (mut clock, mut serial) = (0_i64, 0_u128);
    let mut sessions = [0_u128; 3];
    for it in happenings {
        clock += it.after;
        serial += 1;
        let dated = clock - it.early * MINUTE * 1_000;
        script.micros = dated.rem_euclid(1_000);
        let now = dated.div_euclid(1_000);
        let (interaction_id, leg_id) = ids(it.leg);
        let agent_id = UserId::from_u128(0x90 + it.agent);
        let session = &mut sessions[it.agent as usize];
        if it.what == 0 {
            *session = serial;
        }
        let agent_session_id = AgentSessionId::from_u128(0x1000 + *session);
        let to_state = |script: &mut Script, to| {
            use ledgerline_schemas::event::agent::AgentStateChanged;
            let from = AgentStateName::LoggedOut;
            let change = AgentStateChanged {
                agent_session_id,
                agent_id,
                from,
                to,
                aux_code_id: None,
                cause: StateCause::Agent,
                requested_by: None,
                requested_while_busy: false,
            };
            script.at(now, change);
        };
        match it.what {
            0 => {
                use ledgerline_schemas::event::agent::{AgentSessionStarted, DeviceType};
                let started = AgentSessionStarted {
                    agent_session_id,
                    agent_id,
                    team_id: TeamId::from_u128(TEAM),
                    site_id: Default::default(),
                    device_type: DeviceType::Extension,
                    dn: "1".into(),
                    multimedia_profile_id: Default::default(),
                    profile_config_position: Default::default(),
                    skills: Vec::new(),
                };
                script.at(now, started);
                to_state(&mut script, AgentStateName::Available);
            }
            1 => {
                let reason = SignOutReason::Agent;
                script.at(now, AgentSessionEnded { agent_session_id, agent_id, reason });
            }
            2 => to_state(&mut script, AgentStateName::Available),
            3 => to_state(&mut script, AgentStateName::Idle),
            4 => to_state(&mut script, AgentStateName::NotResponding),
            5 => {
                let made = OfferMade {
                    offer_id: OfferId::from_u128(serial),
                    interaction_id,
                    agent_id,
                    agent_session_id,
                    channel_type: if it.leg < 2 { ChannelType::Voice } else { ChannelType::Chat },
                    ..offer(serial, leg_id, SALES, ANN)
                };
                script.at(now, made);
            }
            6 => {
                let offer_id = OfferId::from_u128(serial);
                script.at(now, OfferTimedOut { offer_id, interaction_id, leg_id, agent_id });
            }
            7 => {
                script.at(now, connected(interaction_id, leg_id, 0x90 + it.agent));
            }
            8 => {
                script.at(now, HoldStarted { interaction_id, leg_id, agent_id });
            }
            9 => {
                script.at(now, HoldEnded { interaction_id, leg_id, agent_id });
            }
            10 => {
                let conference_id = ConferenceId::from_u128(it.leg);
                script.at(now, ConferenceStarted { interaction_id, conference_id, agent_id });
                script.at(now + 1, ConferenceEnded { interaction_id, conference_id });
            }
            11 => {
                script.at(now, disconnected(interaction_id, leg_id, 0x90 + it.agent));
                script
                    .at(now, WrapUpStarted { interaction_id, leg_id, agent_id, auto_end_at: None });
            }
            _ => {
                let by = WrapUpEndedBy::Agent;
                script.at(now, WrapUpEnded { interaction_id, leg_id, agent_id, by });
            }
        }
    }
    // A quarter of its own, so that everything that lasts is counted up to its begin.
    script.micros = 0;
    script.at(clock / 1_000 + 2 * QUARTER, chat(0x999));
    script
}

fn time(cells: &Cells, column: &str) -> Option<Timestamp> {
    cells.get(column).map(|text| Timestamp::parse(text).expect("a time"))
}

/// Time by quarter, agent, channel (text, empty without) and state.
type Times = BTreeMap<(Timestamp, String, String, String), i64>;

/// The rows of `agent_activity`, cut at the quarters.
fn cut(activities: &[Cells], border: Timestamp) -> Times {
    let mut times = Times::new();
    for row in activities {
        let start = time(row, "start_time").expect("a begin");
        let end = time(row, "end_time").unwrap_or(border);
        let mut at = start;
        while at < end {
            let quarter = at.micros() - at.micros().rem_euclid(QUARTER * 1_000);
            let next = end.min(Timestamp::from_micros(quarter + QUARTER * 1_000));
            let channel = row.get("channel_type").cloned().unwrap_or_default();
            let key = (
                Timestamp::from_micros(quarter),
                row["agent_id"].clone(),
                channel,
                row["state"].clone(),
            );
            *times.entry(key).or_default() +=
                next.ms_since(start) as i64 - at.ms_since(start) as i64;
            at = next;
        }
    }
    times.retain(|_, ms| *ms != 0);
    times
}

/// The same from `agent_interval`.
fn intervals(rows: &[Cells]) -> Times {
    let states = [
        ("available", "available_ms"),
        ("idle", "idle_ms"),
        ("not_responding", "not_responding_ms"),
        ("ringing", "ringing_ms"),
        ("connected", "connected_ms"),
        ("hold", "hold_ms"),
        ("consulting", "consult_ms"),
        ("conference", "conference_ms"),
        ("wrapup", "wrapup_ms"),
    ];
    let mut times = Times::new();
    for row in rows {
        for (state, column) in states {
            let channel = row.get("channel_type").cloned().unwrap_or_default();
            let start = time(row, "interval_start").expect("a begin");
            let key = (start, row["agent_id"].clone(), channel, state.to_owned());
            times.insert(key, row[column].parse().expect("a number"));
        }
    }
    times.retain(|_, ms| *ms != 0);
    times
}

fn check_bounds(rows: &[Cells]) {
    for row in rows {
        let of = |column: &str| row[column].parse::<i64>().expect("a number");
        let exclusive = of("available_ms") + of("idle_ms") + of("not_responding_ms");
        let single = ["logged_in_ms", "ready_ms", "any_contact_ms", "channel_contact_ms"].map(of);
        assert!(exclusive <= QUARTER, "{row:?}");
        assert!(single.iter().all(|ms| (0..=QUARTER).contains(ms)), "{row:?}");
        // Each is whole milliseconds of its own stretches, of which there are at most 80.
        assert!(of("ready_ms") <= of("available_ms") + 80, "{row:?}");
        let parts = ["connected_ms", "hold_ms", "consult_ms", "conference_ms", "wrapup_ms"].map(of);
        assert_eq!(of("sum_contact_ms"), parts.iter().sum::<i64>(), "{row:?}");
        assert!(of("channel_contact_ms") <= of("sum_contact_ms") + 80, "{row:?}");
        assert!((of("channel_contact_ms") > 80) <= (of("sum_contact_ms") > 0), "{row:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Whatever happens, the quarters hold the activities cut at their borders, to the millisecond, also
    /// when events are dated back.
    #[test]
    fn quarters_hold_the_activities_cut_at_their_borders(
        happenings in prop::collection::vec(happening(50), 1..80),
    ) {
        let script = day(&happenings);
        let snapshot = fold(&script);
        let last = Timestamp::from_millis(START + script.now);
        let border = Timestamp::from_micros(
            last.micros() - last.micros().rem_euclid(QUARTER * 1_000),
        );
        let all = rows(&snapshot, "agent_interval");
        prop_assert_eq!(intervals(&all), cut(&rows(&snapshot, "agent_activity"), border));
    }

    /// Rows that are final early, pages and a restart change nothing, as long as nothing is dated back; then
    /// no quarter holds more than its length of what excludes each other.
    #[test]
    fn quarters_are_the_same_however_the_log_is_read(
        happenings in prop::collection::vec(happening(0), 1..80),
        page in 1..30_usize,
        flush in 3..20_u64,
        settle in 0..10_u64,
        cut in 0.0..1.0_f64,
    ) {
        let script = day(&happenings);
        let head = script.log.head();
        let of = |snapshot: &Snapshot| checksum(snapshot).unwrap()["agent_interval"].clone();
        let whole = fold(&script);
        check_bounds(&rows(&whole, "agent_interval"));
        let expected = of(&whole);
        let dir = tempfile::tempdir().unwrap();
        let settings = options(flush, settle);
        let mut first = open_with(unsynced(), dir.path(), settings).unwrap();
        advance(&mut first, &script.log, Position((head.0 as f64 * cut) as u64), page).unwrap();
        drop(first);
        let mut again = open_with(unsynced(), dir.path(), settings).unwrap();
        advance(&mut again, &script.log, head, page).unwrap();
        prop_assert_eq!(of(&again.snapshot().unwrap()), expected);
    }
}
