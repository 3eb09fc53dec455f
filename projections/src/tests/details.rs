//! Tables of details: offers, what decisions ranked, flow steps, messages, callbacks.

use std::collections::BTreeMap;

use ledgerline_event_store::EventReader as _;
use ledgerline_schemas::Timestamp;
use ledgerline_schemas::event::callback::{
    CallbackCancelled, CallbackCompleted, CallbackConnected, CallbackDialling, CallbackFailed,
    CallbackRequested, CallbackType,
};
use ledgerline_schemas::event::flow::{
    FlowError, FlowHttpCalled, FlowInputCollected, FlowStarted, FlowStepEntered, FlowStepExited,
};
use ledgerline_schemas::event::interaction::{
    InteractionEnded, LastStage, TerminatingEnd, TerminationReason,
};
use ledgerline_schemas::event::media::RecordingStarted;
use ledgerline_schemas::event::message::{
    Attachment, MessageAuthor, MessageDelivered, MessageFailed, MessageRead, MessageReceived,
    MessageSent,
};
use ledgerline_schemas::event::offer::{OfferFailed, OfferMade, OfferRejectReason, OfferRejected};
use ledgerline_schemas::event::quality::FeedbackOffered;
use ledgerline_schemas::event::queue::QueueSource;
use ledgerline_schemas::event::routing::{
    Candidate, DecisionTrigger, RoutingDecisionMade, TieBreak, WaitingLeg,
};
use ledgerline_schemas::id::{
    AgentSessionId, CallbackId, DecisionId, FlowId, InteractionId, LegId, MessageId, OfferId,
    QueueId, RecordingId, RunId, TeamId, UserId,
};
use ledgerline_schemas::sensitive::SealScheme;
use ledgerline_schemas::{Position, Sensitive};

use crate::snapshot::Snapshot;
use crate::tests::call::{
    ANN, BOB, CALL, LEG1, LEG2, SALES, TEAM, created, entered, long_call, offer,
};
use crate::tests::script::{START, Script, advance, fold, open, options, pick, rows};

pub(super) fn sealed() -> Sensitive<String> {
    let scheme = SealScheme::XChaCha20Poly1305V1;
    Sensitive::from_parts(Default::default(), scheme, vec![7; 24], b"sealed-number".to_vec())
}

pub(super) fn told(snapshot: &Snapshot, table: &str, columns: &[&str]) -> Vec<String> {
    let short =
        |text: String| text.replace("2024-03-01T09:00:", "").replace(&CALL.to_string(), "CALL");
    rows(snapshot, table).iter().map(|row| short(pick(row, columns).join(" "))).collect()
}

#[test]
fn an_offer_has_its_outcome_and_the_time_it_rang() {
    let mut script = long_call();
    let (interaction_id, leg_id, agent_id) = (CALL, LEG2, UserId::from_u128(BOB));
    let offer_id = OfferId::from_u128;
    script.at(61_000, offer(4, LEG2, SALES, BOB));
    let reason = OfferRejectReason::Busy;
    script.at(
        62_000,
        OfferRejected { offer_id: offer_id(4), interaction_id, leg_id, agent_id, reason },
    );
    script.at(63_000, offer(5, LEG2, SALES, BOB));
    let code = "sip_503".to_owned();
    script
        .at(63_500, OfferFailed { offer_id: offer_id(5), interaction_id, leg_id, agent_id, code });
    script.at(64_000, offer(6, LEG2, SALES, BOB));
    // Of an interaction that nobody knows.
    let interaction_id = InteractionId::from_u128(0x999);
    script.at(65_000, OfferMade { interaction_id, ..offer(7, LEG2, SALES, BOB) });
    // It is over already.
    let code = "late".to_owned();
    script
        .at(66_000, OfferFailed { offer_id: offer_id(1), interaction_id, leg_id, agent_id, code });
    let columns =
        ["agent_name", "outcome", "reason", "made_time", "ended_time", "ring_duration_ms"];
    assert_eq!(
        told(&fold(&script), "offer", &columns),
        [
            "ann timed_out no_answer 06Z 16Z 10000",
            "bob accepted - 16Z 19Z 3000",
            "ann rescinded customer_left 42Z 50Z 8000",
            "bob rejected busy 2024-03-01T09:01:01Z 2024-03-01T09:01:02Z 1000",
            "bob failed sip_503 2024-03-01T09:01:03Z 2024-03-01T09:01:03.500Z 500",
            "bob ringing - 2024-03-01T09:01:04Z - -",
        ]
    );
}

#[test]
fn a_decision_ranks_candidates_and_waiting_legs() {
    let mut script = Script::new();
    let candidate = |rank: u32, agent: u128, since: i64| Candidate {
        agent_id: UserId::from_u128(agent),
        agent_session_id: AgentSessionId::from_u128(agent + 0x1000),
        team_id: TeamId::from_u128(TEAM),
        group: rank - 1,
        rank,
        available_since: Timestamp::from_millis(START + since),
        free_capacity: 1,
        skill_score: 0,
    };
    let waiting = |rank: u32, leg_id: LegId, entered: i64, wait_credit_ms: u64| WaitingLeg {
        leg_id,
        interaction_id: CALL,
        rank,
        priority: 10,
        entered_at: Timestamp::from_millis(START + entered),
        wait_credit_ms,
    };
    let decision = RoutingDecisionMade {
        decision_id: DecisionId::from_u128(1),
        trigger: DecisionTrigger::AgentAvailable,
        interaction_id: Some(CALL),
        queue_id: Some(QueueId::from_u128(SALES)),
        leg_id: Some(LEG1),
        policy: "longest_available_agent".into(),
        policy_version: 1,
        config_position: Position(1),
        input_position: Position(1),
        waiting: vec![waiting(1, LEG1, 2_000, 90_000), waiting(2, LEG2, 1_000, 0)],
        waiting_total: 2,
        candidates: vec![candidate(1, BOB, 4_000), candidate(2, ANN, 9_000)],
        candidates_total: 2,
        excluded: BTreeMap::new(),
        chosen_agent_id: Some(UserId::from_u128(BOB)),
        tie_break: TieBreak::LongestAvailable,
        wait_ms: 8_000,
        shadow: false,
    };
    script.at(10_000, decision);
    let snapshot = fold(&script);
    let columns = ["rank", "is_chosen", "available_duration_ms", "group_no", "free_capacity"];
    // In the order of the agents' ids.
    assert_eq!(
        told(&snapshot, "routing_candidate", &columns),
        ["2 false 1000 1 1", "1 true 6000 0 1"]
    );
    let columns = ["rank", "is_considered", "effective_wait_ms", "priority", "interaction_id"];
    assert_eq!(
        told(&snapshot, "routing_order", &columns),
        ["1 true 98000 10 CALL", "2 false 9000 10 CALL"]
    );
}

#[test]
fn a_flow_run_leaves_its_steps() {
    let mut script = Script::new();
    let (interaction_id, run_id) = (CALL, RunId::from_u128(1));
    script.at(0, created(CALL));
    let flow_id = FlowId::from_u128(0xf);
    script.at(0, FlowStarted { interaction_id, flow_id, flow_version: 3, flow_tag: None, run_id });
    let enter = |script: &mut Script, at: i64, seq: u32, activity_id: &str, activity_type: &str| {
        script.at(
            at,
            FlowStepEntered {
                interaction_id,
                run_id,
                seq,
                activity_id: activity_id.into(),
                activity_type: activity_type.into(),
                activity_name: activity_id.to_uppercase(),
            },
        );
    };
    let exit =
        |script: &mut Script, at: i64, seq: u32, activity_id: &str, branch: &str, duration_ms| {
            script.at(
                at,
                FlowStepExited {
                    interaction_id,
                    run_id,
                    seq,
                    activity_id: activity_id.into(),
                    branch_taken: branch.into(),
                    variables_changed: BTreeMap::new(),
                    sensitive_changed: BTreeMap::new(),
                    duration_ms,
                },
            );
        };
    enter(&mut script, 1_000, 0, "ask", "menu");
    script.at(
        3_000,
        FlowInputCollected {
            interaction_id,
            run_id,
            activity_id: "ask".into(),
            outcome: "match:1".into(),
            input_masked: "*".into(),
            input: Some(sealed()),
        },
    );
    exit(&mut script, 3_000, 0, "ask", "1", 2_000);
    enter(&mut script, 3_000, 1, "look", "http_request");
    script.at(
        3_250,
        FlowHttpCalled {
            interaction_id,
            run_id,
            activity_id: "look".into(),
            method: "GET".into(),
            url_template: "http://x/{{ id }}".into(),
            status: 503,
            latency_ms: 250,
            response_ref: None,
        },
    );
    let activity_id = "look".to_owned();
    script.at(3_250, FlowError { interaction_id, run_id, activity_id, code: "http_503".into() });
    // Another activity's error does not land on this step.
    let activity_id = "elsewhere".to_owned();
    script.at(3_250, FlowError { interaction_id, run_id, activity_id, code: "wrong".into() });
    exit(&mut script, 3_250, 1, "look", "error", 250);
    enter(&mut script, 3_250, 2, "bye", "play_message");
    let columns = [
        "seq",
        "flow_version",
        "activity_id",
        "activity_type",
        "activity_name",
        "entered_time",
        "exited_time",
        "duration_ms",
        "branch",
        "input_outcome",
        "error_code",
        "http_method",
        "http_status",
        "http_latency_ms",
    ];
    assert_eq!(
        told(&fold(&script), "flow_trace", &columns),
        [
            "0 3 ask menu ASK 01Z 03Z 2000 1 match:1 - - - -",
            "1 3 look http_request LOOK 03Z 03.250Z 250 error - http_503 GET 503 250",
            "2 3 bye play_message BYE 03.250Z - - - - - - - -",
        ]
    );
}

#[test]
fn messages_have_times_and_no_text() {
    let mut script = Script::new();
    let interaction_id = CALL;
    script.at(0, created(CALL));
    let received = |number: u128, interaction_id| MessageReceived {
        interaction_id,
        message_id: MessageId::from_u128(number),
        body: Some(sealed()),
        body_ref: None,
        sha256: "h".into(),
        external_message_id: None,
        thread_external_id: None,
        author_external_id: None,
        attachments: vec![Attachment {
            name: sealed(),
            media_type: "image/png".into(),
            bytes: 70,
            sha256: "h".into(),
            reference: "r".into(),
        }],
    };
    script.at(1_000, received(1, CALL));
    script.at(1_500, received(9, InteractionId::from_u128(0x999)));
    script.at(2_000, entered(CALL, LEG1, SALES, QueueSource::Flow));
    for (number, author, agent_id) in
        [(2, MessageAuthor::Agent, Some(UserId::from_u128(ANN))), (3, MessageAuthor::System, None)]
    {
        script.at(
            3_000,
            MessageSent {
                interaction_id,
                message_id: MessageId::from_u128(number),
                author,
                agent_id,
                body: None,
                body_ref: None,
                sha256: "h".into(),
                attachments: Vec::new(),
            },
        );
    }
    let message_id = MessageId::from_u128(2);
    script.at(4_000, MessageDelivered { interaction_id, message_id });
    script.at(5_000, MessageRead { interaction_id, message_id });
    let message_id = MessageId::from_u128(3);
    script.at(6_000, MessageFailed { interaction_id, message_id, code: "gone".into() });
    let columns = [
        "author",
        "agent_id",
        "queue_id",
        "time",
        "attachment_count",
        "attachment_bytes",
        "delivered_time",
        "read_time",
        "failed_time",
        "failure_code",
    ];
    let snapshot = fold(&script);
    let (ann, sales) = (UserId::from_u128(ANN), QueueId::from_u128(SALES));
    assert_eq!(
        told(&snapshot, "message", &columns),
        [
            "customer - - 01Z 1 70 - - - -".to_owned(),
            format!("agent {ann} {sales} 03Z 0 0 04Z 05Z - -"),
            format!("system - {sales} 03Z 0 0 - - 06Z gone"),
        ]
    );
    let counts = ["message_received_count", "message_sent_count"];
    assert_eq!(told(&snapshot, "customer_session", &counts), ["1 2"]);
}

#[test]
fn a_callback_goes_from_request_to_completion_or_cancellation() {
    let mut script = Script::new();
    script.at(0, created(CALL));
    let requested = |number: u128, interaction_id, callback_type| CallbackRequested {
        callback_id: CallbackId::from_u128(number),
        interaction_id,
        callback_type,
        number: sealed(),
        queue_id: QueueId::from_u128(SALES),
        keeps_leg_id: None,
        not_before: None,
        not_after: None,
    };
    let callback_id = CallbackId::from_u128(1);
    script.at(1_000, requested(1, Some(CALL), CallbackType::Courtesy));
    script.at(2_000, CallbackDialling { callback_id, attempt: 1 });
    script.at(3_000, CallbackFailed { callback_id, attempt: 1, code: "busy".into() });
    script.at(4_000, CallbackDialling { callback_id, attempt: 2 });
    let (interaction_id, agent_id) = (InteractionId::from_u128(2), Some(UserId::from_u128(ANN)));
    script.at(5_000, CallbackConnected { callback_id, interaction_id, agent_id });
    script.at(9_000, CallbackCompleted { callback_id });
    let callback_id = CallbackId::from_u128(2);
    script.at(1_000, requested(2, None, CallbackType::Web));
    script.at(6_000, CallbackCancelled { callback_id, code: "withdrawn".into() });
    script.at(7_000, requested(3, None, CallbackType::Scheduled));
    let columns = [
        "callback_type",
        "state",
        "attempts",
        "first_dialled_time",
        "connected_time",
        "ended_time",
        "code",
        "interaction_id",
    ];
    let expected = [
        "courtesy completed 2 02Z 05Z 09Z busy CALL",
        "web cancelled 0 - - 06Z withdrawn -",
        "scheduled requested 0 - - - - -",
    ];
    assert_eq!(told(&fold(&script), "callback", &columns), expected);
    let dir = tempfile::tempdir().unwrap();
    let mut engine = open(dir.path(), options(2, 0));
    advance(&mut engine, &script.log, script.log.head(), 1).unwrap();
    let snapshot = engine.snapshot().unwrap();
    assert_eq!(told(&snapshot, "callback", &columns), expected);
    assert!(!snapshot.tables["callback"].cold.is_empty());
}

#[test]
fn details_go_to_files_with_their_interaction() {
    let mut script = long_call();
    let (interaction_id, run_id) = (CALL, RunId::from_u128(1));
    let recording_id = RecordingId::from_u128(1);
    script.at(
        70_000,
        FlowStepEntered {
            interaction_id,
            run_id,
            seq: 0,
            activity_id: "a".into(),
            activity_type: "menu".into(),
            activity_name: "A".into(),
        },
    );
    script.at(70_000, RecordingStarted { interaction_id, recording_id });
    script.at(70_000, FeedbackOffered { interaction_id, survey: "csat".into() });
    script.at(
        71_000,
        InteractionEnded {
            interaction_id,
            terminating_end: TerminatingEnd::Customer,
            reason: TerminationReason::CustomerLeft,
            last_stage: LastStage::Offer,
        },
    );
    for number in 10..30 {
        script.at(80_000, created(InteractionId::from_u128(number)));
    }
    let dir = tempfile::tempdir().unwrap();
    let mut engine = open(dir.path(), options(10, 5));
    advance(&mut engine, &script.log, script.log.head(), 7).unwrap();
    let (snapshot, whole) = (engine.snapshot().unwrap(), fold(&script));
    for (table, count) in [("offer", 3), ("flow_trace", 1), ("recording", 1), ("feedback", 1)] {
        let cold: u64 = snapshot.tables[table].cold.iter().map(|file| file.rows).sum();
        assert_eq!(cold, count, "{table}");
        assert_eq!(rows(&snapshot, table), rows(&whole, table), "{table}");
    }
    // What comes after that changes nothing any more.
    script.at(90_000, RecordingStarted { interaction_id, recording_id });
    advance(&mut engine, &script.log, script.log.head(), 7).unwrap();
    assert_eq!(rows(&engine.snapshot().unwrap(), "recording"), rows(&whole, "recording"));
}
