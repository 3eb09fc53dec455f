//! Given events, then rows, worked out by hand.

use ledgerline_schemas::event::flow::{FlowEnded, FlowExit, FlowStarted};
use ledgerline_schemas::event::interaction::{
    InteractionEnded, LastStage, TerminatingEnd, TerminationReason,
};
use ledgerline_schemas::event::leg::{LegConnected, LegDisconnected, LegEndReason};
use ledgerline_schemas::event::queue::{QueueLeaveReason, QueueSource};
use ledgerline_schemas::id::{EntityId, InteractionId, LegId, QueueId, TeamId, UserId};
use ledgerline_schemas::{Actor, ActorType, Timestamp};

use crate::tests::call::{
    ANN, CALL, CARE, LEG1, LEG2, SALES, TEAM, created, entered, left, log_in, long_call, offer,
};
use crate::tests::script::{START, Script, fold, pick, rows};

#[test]
fn a_call_with_rona_hold_transfer_abandon_and_wrapup_gives_its_legs() {
    let snapshot = fold(&long_call());
    let legs = rows(&snapshot, "queue_leg");
    let columns = [
        "leg_no",
        "queue_name",
        "outcome",
        "leave_reason",
        "queue_duration_ms",
        "sl_threshold_ms",
        "offers",
        "ronas",
        "rescinds",
        "ringing_duration_ms",
        "agent_name",
        "team_name",
        "site_name",
        "connected_duration_ms",
        "hold_count",
        "hold_duration_ms",
        "wrapup_duration_ms",
        "wrapup_code",
        "handle_duration_ms",
        "handle_type",
        "transfer_kind",
        "source",
    ];
    assert_eq!(
        pick(&legs[0], &columns),
        [
            "1",
            "sales",
            "answered",
            "assigned",
            "14000",
            "20000",
            "2",
            "1",
            "0",
            "13000",
            "bob",
            "first",
            "Haifa",
            "21000",
            "1",
            "5000",
            "20000",
            "sold",
            "41000",
            "transferred",
            "vteam",
            "flow"
        ]
    );
    assert_eq!(
        pick(&legs[1], &columns),
        [
            "2",
            "care",
            "abandoned",
            "abandoned",
            "10000",
            "5000",
            "1",
            "0",
            "1",
            "8000",
            "-",
            "-",
            "-",
            "-",
            "0",
            "0",
            "-",
            "-",
            "-",
            "-",
            "-",
            "transfer"
        ]
    );
    assert_eq!(legs[0]["next_leg_id"], LEG2.to_string());
    assert_eq!(legs[1]["prev_leg_id"], LEG1.to_string());
    assert_eq!(legs[0]["next_destination_id"], QueueId::from_u128(CARE).to_string());
    assert_eq!(legs.len(), 2);
}

#[test]
fn the_session_of_that_call_adds_up_its_legs() {
    let snapshot = fold(&long_call());
    let session = &rows(&snapshot, "customer_session")[0];
    let columns = [
        "state",
        "is_active",
        "duration_ms",
        "abandoned_type",
        "is_offered",
        "is_handled",
        "is_ivr_ended",
        "queue_count",
        "queue_duration_ms",
        "self_service_duration_ms",
        "offer_count",
        "rona_count",
        "ringing_duration_ms",
        "connected_duration_ms",
        "hold_duration_ms",
        "wrapup_count",
        "wrapup_duration_ms",
        "transfer_count",
        "last_queue_name",
        "last_agent_name",
        "last_stage",
    ];
    assert_eq!(
        pick(session, &columns),
        [
            "ended", "false", "49000", "offer", "true", "true", "false", "2", "24000", "4000", "3",
            "1", "21000", "21000", "5000", "1", "20000", "1", "care", "bob", "offer"
        ]
    );
}

#[test]
fn its_steps_follow_each_other_without_gap() {
    let snapshot = fold(&long_call());
    let mut steps = rows(&snapshot, "customer_activity");
    steps.sort_by_key(|step| step["seq"].parse::<u32>().unwrap());
    let told: Vec<_> = steps
        .iter()
        .map(|step| {
            format!("{} {}>{}", step["event_name"], step["previous_state"], step["next_state"])
        })
        .collect();
    assert_eq!(
        told,
        [
            "interaction.created new>new",
            "flow.started new>ivr",
            "queue.entered ivr>queued",
            "offer.made queued>offered",
            "offer.timed_out offered>queued",
            "offer.made queued>offered",
            "offer.accepted offered>offered",
            "queue.left offered>offered",
            "leg.connected offered>connected",
            "hold.started connected>hold",
            "hold.ended hold>connected",
            "transfer.requested connected>connected",
            "leg.disconnected connected>disconnected",
            "wrapup.started disconnected>wrapup",
            "queue.entered wrapup>queued",
            "transfer.completed queued>queued",
            "offer.made queued>offered",
            "offer.rescinded offered>queued",
            "queue.left queued>queued",
            "interaction.ended queued>ended",
            "wrapup.ended ended>ended",
        ]
    );
    for pair in steps.windows(2) {
        assert_eq!(pair[0]["next_state"], pair[1]["previous_state"]);
        if pair[0]["next_state"] != "ended" {
            assert_eq!(pair[0]["ended_time"], pair[1]["created_time"]);
        }
    }
    assert!(steps.iter().all(|step| step.contains_key("ended_time")));
}

#[test]
fn intervals_and_live_queues_count_that_call() {
    let snapshot = fold(&long_call());
    let columns = [
        "queue_name",
        "offered",
        "open",
        "answered",
        "answered_in_sl",
        "abandoned",
        "abandoned_in_sl",
        "transferred_in",
        "offers",
        "ronas",
        "handled",
        "transferred_out",
        "sum_wait_answered_ms",
        "sum_wait_abandoned_ms",
        "sum_connected_ms",
        "sum_hold_ms",
        "wrapups",
        "sum_wrapup_ms",
    ];
    let intervals = rows(&snapshot, "queue_interval");
    assert_eq!(
        pick(&intervals[0], &columns),
        [
            "sales", "1", "0", "1", "1", "0", "0", "0", "2", "1", "1", "1", "14000", "0", "21000",
            "5000", "1", "20000"
        ]
    );
    assert_eq!(
        pick(&intervals[1], &columns),
        [
            "care", "1", "0", "0", "0", "1", "0", "1", "1", "0", "0", "0", "0", "10000", "0", "0",
            "0", "0"
        ]
    );
    let columns = [
        "queue_name",
        "in_queue_now",
        "connected_now",
        "wrapup_now",
        "offered",
        "answered",
        "abandoned",
        "other",
        "open",
        "answered_in_sl",
        "abandoned_in_sl",
        "ronas",
        "logged_on_agents",
        "available_agents",
        "oldest_leg_id",
    ];
    let live = rows(&snapshot, "queue_live");
    assert_eq!(
        pick(&live[0], &columns),
        ["sales", "0", "0", "0", "1", "1", "0", "0", "0", "1", "0", "1", "2", "2", "-"]
    );
    assert_eq!(
        pick(&live[1], &columns),
        ["care", "0", "0", "0", "1", "0", "1", "0", "0", "0", "0", "0", "2", "2", "-"]
    );
}

#[test]
fn agents_have_sessions_activities_and_a_present_state() {
    let snapshot = fold(&long_call());
    let sessions = rows(&snapshot, "agent_session");
    let columns = [
        "agent_name",
        "current_state",
        "available_count",
        "available_duration_ms",
        "not_responding_duration_ms",
        "offer_count",
        "rona_count",
        "ringing_duration_ms",
        "connected_count",
        "connected_duration_ms",
        "hold_duration_ms",
        "wrapup_duration_ms",
    ];
    assert_eq!(
        pick(&sessions[0], &columns),
        ["ann", "available", "2", "16000", "25000", "2", "1", "18000", "0", "0", "0", "0"]
    );
    assert_eq!(
        pick(&sessions[1], &columns),
        ["bob", "available", "1", "0", "0", "1", "0", "3000", "2", "16000", "5000", "20000"]
    );
    let mut told: Vec<_> = rows(&snapshot, "agent_activity")
        .iter()
        .filter(|row| row["agent_name"] == "bob")
        .map(|row| (row["start_time"].clone(), pick(row, &["state", "duration_ms"]).join(" ")))
        .collect();
    told.sort();
    let told: Vec<_> = told.into_iter().map(|(_, told)| told).collect();
    assert_eq!(
        told,
        [
            "available -",
            "ringing 3000",
            "connected 6000",
            "hold 5000",
            "connected 10000",
            "wrapup 20000"
        ]
    );
    let live = rows(&snapshot, "agent_live");
    let columns =
        ["agent_name", "state", "voice_count", "interactions", "team_name", "device_type"];
    assert_eq!(pick(&live[0], &columns), ["ann", "available", "0", "[]", "first", "extension"]);
}

#[test]
fn what_is_under_way_shows_as_under_way() {
    let mut script = Script::new();
    script.queue(EntityId::from_u128(SALES), "sales", 20_000, TeamId::from_u128(TEAM));
    log_in(&mut script, ANN);
    script.at(0, created(CALL));
    script.at(1_000, entered(CALL, LEG1, SALES, QueueSource::Flow));
    script.at(2_000, offer(1, LEG1, SALES, ANN));
    let snapshot = fold(&script);
    let queue = &rows(&snapshot, "queue_live")[0];
    let columns = ["in_queue_now", "open", "logged_on_agents", "available_agents", "oldest_leg_id"];
    assert_eq!(pick(queue, &columns), ["1", "1", "1", "0", &LEG1.to_string()]);
    let entered = Timestamp::from_millis(START + 1_000).micros();
    let def = snapshot.tables["queue_live"].def;
    let live = &snapshot.live["queue_live"][QueueId::from_u128(SALES).to_string().as_str()];
    let oldest = def.column("oldest_entered_time").unwrap();
    assert_eq!(live[oldest], crate::table::Value::Time(entered));
    let agent = &rows(&snapshot, "agent_live")[0];
    let columns = ["state", "voice_count", "ringing_count", "interactions"];
    assert_eq!(pick(agent, &columns), ["available", "1", "1", &format!("[\"{CALL}\"]")]);
    assert_eq!(rows(&snapshot, "queue_leg")[0]["outcome"], "open");
}

#[test]
fn imported_history_is_folded_like_any_other() {
    let mut script = Script::new();
    script.actor = Actor::new(ActorType::Importer, "anonymous-bank");
    let ids: Vec<_> = (1..=3).map(InteractionId::from_u128).collect();
    for (index, id) in ids.iter().enumerate() {
        let leg_id = LegId::from_u128(0x20 + index as u128);
        let interaction_id = *id;
        script.at(0, created(*id));
        let (flow_id, run_id) = Default::default();
        script.at(
            0,
            FlowStarted { interaction_id, flow_id, flow_version: 0, flow_tag: None, run_id },
        );
        script.at(10_000, FlowEnded { interaction_id, run_id, exit: FlowExit::Ended });
        let (end, last_stage) = match index {
            0 => {
                script.at(10_000, entered(*id, leg_id, SALES, QueueSource::Import));
                script.at(10_000, left(*id, leg_id, SALES, QueueLeaveReason::Assigned, 0));
                let agent_id = UserId::from_u128(ANN);
                script.at(
                    10_000,
                    LegConnected {
                        interaction_id,
                        leg_id,
                        queue_id: QueueId::from_u128(SALES),
                        agent_id,
                        agent_session_id: None,
                        team_id: None,
                        site_id: None,
                        offer_id: None,
                    },
                );
                let reason = LegEndReason::Unknown;
                script.at(
                    99_000,
                    // The recorded figure, not the difference of the clocks.
                    LegDisconnected {
                        interaction_id,
                        leg_id,
                        agent_id,
                        reason,
                        connected_ms: 90_000,
                    },
                );
                (99_000, LastStage::Connected)
            }
            1 => {
                script.at(10_000, entered(*id, leg_id, SALES, QueueSource::Import));
                script.at(75_000, left(*id, leg_id, SALES, QueueLeaveReason::Abandoned, 65_000));
                (75_000, LastStage::Queue)
            }
            _ => (10_000, LastStage::Ivr),
        };
        script.at(
            end,
            InteractionEnded {
                interaction_id,
                terminating_end: TerminatingEnd::Customer,
                reason: TerminationReason::Unknown,
                last_stage,
            },
        );
    }
    let snapshot = fold(&script);
    let columns = ["outcome", "queue_duration_ms", "connected_duration_ms", "sl_threshold_ms"];
    let legs: Vec<_> =
        rows(&snapshot, "queue_leg").iter().map(|leg| pick(leg, &columns).join(" ")).collect();
    assert_eq!(legs, ["answered 0 90000 -", "abandoned 65000 - -"]);
    let columns = ["is_ivr_ended", "is_offered", "is_handled", "abandoned_type", "state"];
    let sessions: Vec<_> = rows(&snapshot, "customer_session")
        .iter()
        .map(|row| pick(row, &columns).join(" "))
        .collect();
    assert_eq!(
        sessions,
        ["false true true - ended", "false true false queue ended", "true false false ivr ended"]
    );
    assert!(rows(&snapshot, "agent_live").is_empty(), "nobody has logged in");
    let activity = &rows(&snapshot, "agent_activity")[0];
    assert_eq!(
        pick(activity, &["state", "duration_ms", "changed_by_type"]),
        ["connected", "89000", "importer"]
    );
    let interval = &rows(&snapshot, "queue_interval")[0];
    let columns = ["offered", "answered", "answered_in_sl", "abandoned", "waited"];
    assert_eq!(pick(interval, &columns), ["2", "1", "0", "1", "1"]);
}

#[test]
fn the_event_log_has_every_event_and_personal_data_stays_sealed() {
    let mut script = long_call();
    script.raw("external.thing", vec![0xff, 0x00]);
    // A known type whose bytes do not fit.
    script.raw("queue.left", vec![0xc1]);
    let snapshot = fold(&script);
    let log = rows(&snapshot, "event_log");
    assert_eq!(log.len() as u64, snapshot.position.0);
    let by = |event_type: &str| log.iter().find(|row| row["event_type"] == event_type).unwrap();
    assert_eq!(pick(by("external.thing"), &["data", "data_base64"]), ["-", "/wA="]);
    assert!(by("interaction.created")["data"].contains("ciphertext"));
    assert_eq!(by("offer.made")["leg_id"], LEG1.to_string());
    assert_eq!(by("offer.made")["agent_id"], UserId::from_u128(ANN).to_string());
    let data: serde_json::Value = serde_json::from_str(&by("hold.started")["data"]).unwrap();
    assert_eq!(data["leg_id"], LEG1.to_string());
    for table in snapshot.tables.keys().filter(|name| **name != "event_log") {
        for row in rows(&snapshot, table) {
            assert!(row.values().all(|value| !value.contains("ciphertext")), "{table}");
        }
    }
}
