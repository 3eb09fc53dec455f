//! What a supervisor did, in the rows.

use ledgerline_schemas::event::interaction::InteractionPrioritySet;
use ledgerline_schemas::event::queue::{QueueEntered, QueueLeaveReason, QueueSource};

use crate::tests::call::{CALL, CARE, LEG1, LEG2, SALES, created, entered, left};
use crate::tests::details::told;
use crate::tests::script::{Script, fold};

#[test]
fn a_changed_priority_is_that_of_the_stay_under_way_and_of_no_earlier_one() {
    let mut script = Script::new();
    let set = |old, new| InteractionPrioritySet { interaction_id: CALL, old, new };
    script.at(0, created(CALL));
    script.at(1_000, entered(CALL, LEG1, SALES, QueueSource::Flow));
    script.at(2_000, set(10, 3));
    script.at(3_000, left(CALL, LEG1, SALES, QueueLeaveReason::Moved, 2_000));
    let second = entered(CALL, LEG2, CARE, QueueSource::Flow);
    script.at(3_000, QueueEntered { priority: 3, ..second });
    script.at(4_000, set(3, 1));
    let waiting = fold(&script);
    assert_eq!(told(&waiting, "queue_leg", &["leg_no", "priority"]), ["1 3", "2 1"]);
    assert_eq!(told(&waiting, "interaction_live", &["priority"]), ["1"]);
    script.at(5_000, left(CALL, LEG2, CARE, QueueLeaveReason::Assigned, 2_000));
    script.at(6_000, set(1, 5));
    let served = fold(&script);
    assert_eq!(told(&served, "queue_leg", &["leg_no", "priority"]), ["1 3", "2 1"]);
    assert_eq!(told(&served, "customer_session", &["priority"]), ["5"]);
}
