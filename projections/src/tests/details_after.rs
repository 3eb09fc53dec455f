//! Tables of what accompanies and follows a conversation: recordings, monitoring, surveys, campaigns.

use ledgerline_schemas::event::campaign::{
    CampaignContactDialled, CampaignContactLoaded, CampaignContactPreviewed,
    CampaignContactReserved, CampaignContactResult, CampaignContactSuppressed, SuppressionReason,
};
use ledgerline_schemas::event::media::{
    RecordingAvailable, RecordingDeleted, RecordingPaused, RecordingResumed, RecordingStarted,
    RecordingStopped,
};
use ledgerline_schemas::event::monitor::{
    MonitorBargedIn, MonitorEnded, MonitorStarted, MonitorType, MonitorWhispered,
};
use ledgerline_schemas::event::quality::{
    FeedbackAnswer, FeedbackAnswered, FeedbackCompleted, FeedbackOffered,
};
use ledgerline_schemas::id::{CampaignContactId, MonitorId, RecordingId, UserId};

use crate::tests::call::{ANN, BOB, CALL, created};
use crate::tests::details::{sealed, told};
use crate::tests::script::{Script, fold};

#[test]
fn a_recording_knows_its_pauses() {
    let mut script = Script::new();
    let (interaction_id, recording_id) = (CALL, RecordingId::from_u128(1));
    script.at(0, created(CALL));
    script.at(1_000, RecordingStarted { interaction_id, recording_id });
    script.at(2_000, RecordingPaused { interaction_id, recording_id });
    script.at(5_000, RecordingResumed { interaction_id, recording_id, auto: true });
    script.at(8_000, RecordingPaused { interaction_id, recording_id });
    script.at(9_000, RecordingStopped { interaction_id, recording_id });
    script.at(
        10_000,
        RecordingAvailable {
            interaction_id,
            recording_id,
            reference: "r/1.wav".into(),
            bytes: 99,
            sha256: "h".into(),
        },
    );
    script.at(11_000, RecordingDeleted { interaction_id, recording_id });
    let columns = [
        "started_time",
        "stopped_time",
        "duration_ms",
        "pause_count",
        "paused_duration_ms",
        "auto_resume_count",
        "paused_since",
        "available_time",
        "reference",
        "bytes",
        "deleted_time",
    ];
    assert_eq!(
        told(&fold(&script), "recording", &columns),
        ["01Z 09Z 4000 2 4000 1 - 10Z r/1.wav 99 11Z"]
    );
}

#[test]
fn a_monitoring_session_has_its_length() {
    let mut script = Script::new();
    let monitor_id = MonitorId::from_u128(1);
    script.at(
        1_000,
        MonitorStarted {
            monitor_id,
            interaction_id: Some(CALL),
            supervisor_id: UserId::from_u128(BOB),
            agent_id: Some(UserId::from_u128(ANN)),
            monitor_type: MonitorType::Midcall,
            invisible: true,
        },
    );
    script.at(2_000, MonitorWhispered { monitor_id, interaction_id: Some(CALL) });
    script.at(3_000, MonitorBargedIn { monitor_id, interaction_id: Some(CALL) });
    script.at(4_000, MonitorBargedIn { monitor_id, interaction_id: Some(CALL) });
    script.at(8_000, MonitorEnded { monitor_id, interaction_id: Some(CALL), reason: None });
    let columns = [
        "monitor_type",
        "interaction_id",
        "is_invisible",
        "whisper_count",
        "barged_in_time",
        "duration_ms",
    ];
    assert_eq!(told(&fold(&script), "monitor_session", &columns), ["midcall CALL true 1 03Z 7000"]);
}

#[test]
fn a_survey_counts_each_question_once() {
    let mut script = Script::new();
    let interaction_id = CALL;
    script.at(0, created(CALL));
    let answer = |question: &str, score| FeedbackAnswer {
        question_id: question.into(),
        score,
        text: score.is_none().then(sealed),
    };
    let (csat, after) = (|| "csat".to_owned(), || "after".to_owned());
    script.at(1_000, FeedbackOffered { interaction_id, survey: csat() });
    script.at(
        2_000,
        FeedbackAnswered { interaction_id, survey: csat(), answer: answer("q1", Some(2)) },
    );
    script.at(
        3_000,
        FeedbackAnswered { interaction_id, survey: csat(), answer: answer("q1", Some(4)) },
    );
    script
        .at(4_000, FeedbackAnswered { interaction_id, survey: csat(), answer: answer("q2", None) });
    let answers = vec![answer("q1", Some(5)), answer("q3", Some(1))];
    script.at(5_000, FeedbackCompleted { interaction_id, survey: after(), answers });
    let columns = [
        "survey",
        "offered_time",
        "answered_time",
        "completed_time",
        "answer_count",
        "score_count",
        "score_sum",
        "scores",
    ];
    assert_eq!(
        told(&fold(&script), "feedback", &columns),
        [
            "after - 05Z 05Z 2 2 6 {\"q1\":5,\"q3\":1}",
            "csat 01Z 02Z - 2 1 4 {\"q1\":4,\"q2\":null}",
        ]
    );
}

#[test]
fn a_campaign_contact_stands_as_its_last_events_say() {
    let mut script = Script::new();
    let contact = CampaignContactId::from_u128;
    for number in [1, 2] {
        script.at(
            1_000,
            CampaignContactLoaded {
                campaign_contact_id: contact(number),
                campaign_id: Default::default(),
                number: sealed(),
            },
        );
    }
    let campaign_contact_id = contact(1);
    let agent_id = UserId::from_u128(ANN);
    script.at(2_000, CampaignContactReserved { campaign_contact_id, agent_id });
    script.at(3_000, CampaignContactPreviewed { campaign_contact_id, agent_id });
    script.at(4_000, CampaignContactDialled { campaign_contact_id, interaction_id: CALL });
    script.at(5_000, CampaignContactResult { campaign_contact_id, cpa_status: "busy".into() });
    script.at(6_000, CampaignContactDialled { campaign_contact_id, interaction_id: CALL });
    let reason = SuppressionReason::Dnc;
    script.at(7_000, CampaignContactSuppressed { campaign_contact_id: contact(2), reason });
    let columns = [
        "reserved_time",
        "previewed_time",
        "dial_count",
        "dialled_time",
        "interaction_id",
        "cpa_status",
        "suppression_reason",
    ];
    assert_eq!(
        told(&fold(&script), "campaign_contact", &columns),
        ["02Z 03Z 2 06Z CALL - -", "- - 0 - - - dnc"]
    );
}
