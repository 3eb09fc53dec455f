//! Rows that used to stay in memory for ever: intervals of queues and entry points, contacts of campaigns.

use ledgerline_event_store::EventReader as _;
use ledgerline_schemas::event::campaign::{
    CampaignContactDialled, CampaignContactLoaded, CampaignContactResult,
    CampaignContactSuppressed, SuppressionReason,
};
use ledgerline_schemas::event::interaction::InteractionCreated;
use ledgerline_schemas::event::queue::{QueueLeaveReason, QueueLeft};
use ledgerline_schemas::id::{CampaignContactId, EntryPointId, InteractionId, LegId, QueueId};

use crate::rebuild::rebuild;
use crate::snapshot::Snapshot;
use crate::tests::details::sealed;
use crate::tests::script::{Script, advance, fold, open, options, rows, sum};
use crate::tests::storage::{created_like, entered_like, more_calls};

const MINUTE: i64 = 60_000;

/// A call of a queue that begins at an instant and gives up ten seconds later, or waits still.
fn call(script: &mut Script, number: u128, at: i64, is_over: bool) {
    let interaction_id = InteractionId::from_u128(number);
    let (leg_id, queue_id) = (LegId::from_u128(number), QueueId::from_u128(number % 3));
    let entry_point_id = Some(EntryPointId::from_u128(7));
    script.at(at, InteractionCreated { entry_point_id, ..created_like(number) });
    script.at(at, entered_like(number));
    if is_over {
        let reason = QueueLeaveReason::Abandoned;
        let left = QueueLeft { interaction_id, leg_id, queue_id, reason, wait_ms: 10_000 };
        script.at(at + 10_000, left);
        script.at(at + 10_000, crate::tests::storage::ended_like(number));
    }
}

fn hot(snapshot: &Snapshot, table: &str) -> usize {
    snapshot.tables[table].hot.iter().map(|batch| batch.num_rows()).sum()
}

#[test]
fn intervals_become_final_and_what_is_late_is_a_row_of_its_own() {
    let mut script = Script::new();
    // One still waits: its quarter may be corrected yet.
    call(&mut script, 3, 0, false);
    for number in 4..240 {
        call(&mut script, number, number as i64 * MINUTE, true);
    }
    let dir = tempfile::tempdir().unwrap();
    let settings = options(50, 20);
    let mut engine = open(dir.path(), settings);
    advance(&mut engine, &script.log, script.log.head(), 16).unwrap();
    let snapshot = engine.snapshot().unwrap();
    let intervals = rows(&snapshot, "queue_interval");
    assert_eq!(intervals.len(), 16 * 3);
    assert!(hot(&snapshot, "queue_interval") < 10, "{}", hot(&snapshot, "queue_interval"));
    assert!(hot(&snapshot, "entry_point_interval") < 4);
    assert_eq!(sum(&intervals, "offered"), 237);
    let first = |rows: &[crate::tests::script::Cells]| -> Vec<(String, i64)> {
        let of_first = rows.iter().filter(|row| row["interval_start"].contains("T09:00"));
        of_first.map(|row| (row["queue_id"].clone(), row["offered"].parse().unwrap())).collect()
    };
    assert_eq!(first(&intervals).len(), 3);

    // Calls of the first quarter come in, as from an import; and the one that waited gives up at last.
    for number in 1_000..1_006 {
        call(&mut script, number, 5 * MINUTE, true);
    }
    let (interaction_id, leg_id) = (InteractionId::from_u128(3), LegId::from_u128(3));
    let (queue_id, reason) = (QueueId::from_u128(0), QueueLeaveReason::Abandoned);
    let wait_ms = 240 * 60_000;
    script.at(240 * MINUTE, QueueLeft { interaction_id, leg_id, queue_id, reason, wait_ms });
    advance(&mut engine, &script.log, script.log.head(), 16).unwrap();
    let snapshot = engine.snapshot().unwrap();
    let intervals = rows(&snapshot, "queue_interval");
    assert_eq!(sum(&intervals, "offered"), 243);
    assert_eq!(sum(&intervals, "abandoned"), 243);
    assert_eq!(sum(&intervals, "open"), 0);
    assert!(intervals.iter().all(|row| row["open"] == "0"), "no row is left with half of a leg");
    // Two queues have one more row; that of the leg that waited was still open.
    assert_eq!(first(&intervals).len(), 5);
    let keys: std::collections::BTreeSet<_> = intervals
        .iter()
        .map(|row| ["interval_start", "queue_id", "first_position"].map(|name| row[name].clone()))
        .collect();
    assert_eq!(keys.len(), intervals.len());
    let entry_points = rows(&snapshot, "entry_point_interval");
    assert_eq!(sum(&entry_points, "created"), 243);
    assert_eq!(entry_points.len(), 17);

    drop(engine);
    let built = rebuild(&script.log, dir.path(), settings, |_, _| {}).unwrap();
    assert_eq!(built.before.unwrap().unwrap(), built.after);
}

#[test]
fn contacts_that_must_not_be_called_any_more_are_final_and_others_are_not() {
    let mut script = Script::new();
    let contact = CampaignContactId::from_u128;
    for number in 1..=5 {
        script.at(
            0,
            CampaignContactLoaded {
                campaign_contact_id: contact(number),
                campaign_id: Default::default(),
                number: sealed(),
            },
        );
    }
    let suppressed =
        |number, reason| CampaignContactSuppressed { campaign_contact_id: contact(number), reason };
    script.at(1_000, suppressed(1, SuppressionReason::Dnc));
    script.at(1_000, suppressed(2, SuppressionReason::Attempts));
    script.at(1_000, suppressed(3, SuppressionReason::Hours));
    let (campaign_contact_id, interaction_id) = (contact(4), InteractionId::from_u128(1));
    script.at(1_000, CampaignContactDialled { campaign_contact_id, interaction_id });
    script.at(1_000, CampaignContactResult { campaign_contact_id, cpa_status: "busy".into() });
    more_calls(&mut script, 100, 30);
    // Called again, long after.
    script.at(500_000, CampaignContactDialled { campaign_contact_id, interaction_id });
    let dir = tempfile::tempdir().unwrap();
    let mut engine = open(dir.path(), options(50, 20));
    advance(&mut engine, &script.log, script.log.head(), 16).unwrap();
    let snapshot = engine.snapshot().unwrap();
    assert_eq!(hot(&snapshot, "campaign_contact"), 3);
    assert_eq!(rows(&snapshot, "campaign_contact"), rows(&fold(&script), "campaign_contact"));
    assert_eq!(rows(&snapshot, "campaign_contact")[3]["dial_count"], "2");
}
