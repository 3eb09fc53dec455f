//! What a flow must keep to be published.

use std::collections::BTreeSet;

use ledgerline_schemas::config::{Activity, ActivityKind, Flow};
use ledgerline_schemas::limits::FLOW_ACTIVITIES_MAX;

use crate::rejection::{Rejection, RejectionCode};

fn invalid(message: String) -> Rejection {
    Rejection::new(RejectionCode::Invalid, message)
}

/// Checks the graph: every branch known and leading somewhere, every activity reachable, no way round
/// in which no time can pass.
pub(crate) fn check(flow: &Flow) -> Result<(), Rejection> {
    let count = flow.activities.len();
    if count > FLOW_ACTIVITIES_MAX {
        let message = format!("activities: has {count}, the limit is {FLOW_ACTIVITIES_MAX}");
        return Err(invalid(message));
    }
    if !flow.activities.contains_key(&flow.start) {
        return Err(invalid(format!("start: no activity {:?}", flow.start)));
    }
    for (id, activity) in &flow.activities {
        check_activity(id, activity)?;
        for (branch, target) in &activity.next {
            if !flow.activities.contains_key(target) {
                return Err(invalid(format!(
                    "activities/{id}/next/{branch}: no activity {target:?}"
                )));
            }
        }
    }
    check_reachable(flow)?;
    check_progress(flow)
}

fn check_activity(id: &str, activity: &Activity) -> Result<(), Rejection> {
    let branches: &[&str] = match &activity.does {
        // A menu's other branches are its choices.
        ActivityKind::Menu { timeout_ms: 0, .. } => {
            return Err(invalid(format!("activities/{id}/does/timeout_ms: must be at least 1")));
        }
        ActivityKind::Menu { .. } => return Ok(()),
        ActivityKind::PlayMessage { .. } | ActivityKind::PlayMusic { .. } => &["next", "error"],
        ActivityKind::Wait { duration_ms: 0 } => {
            return Err(invalid(format!("activities/{id}/does/duration_ms: must be at least 1")));
        }
        ActivityKind::Wait { .. } => &["next"],
        ActivityKind::SetPriority { priority } => {
            if !(1..=10).contains(priority) {
                let message =
                    format!("activities/{id}/does/priority: is {priority}, must be 1 to 10");
                return Err(invalid(message));
            }
            &["next"]
        }
        ActivityKind::QueueContact { .. } => &["queued", "error"],
        ActivityKind::Disconnect {} => &[],
    };
    match activity.next.keys().find(|branch| !branches.contains(&branch.as_str())) {
        Some(branch) => {
            let kind = activity.does.type_name();
            Err(invalid(format!("activities/{id}/next/{branch}: {kind} has no such branch")))
        }
        None => Ok(()),
    }
}

fn check_reachable(flow: &Flow) -> Result<(), Rejection> {
    let mut seen = BTreeSet::new();
    let mut open = vec![&flow.start];
    while let Some(id) = open.pop() {
        if seen.insert(id)
            && let Some(activity) = flow.activities.get(id)
        {
            open.extend(activity.next.values());
        }
    }
    match flow.activities.keys().find(|id| !seen.contains(id)) {
        Some(id) => Err(invalid(format!("activities/{id}: no branch leads to it"))),
        None => Ok(()),
    }
}

/// Whether the activity is done in no time.
const fn is_immediate(kind: &ActivityKind) -> bool {
    matches!(
        kind,
        ActivityKind::SetPriority { .. }
            | ActivityKind::QueueContact { .. }
            | ActivityKind::Disconnect {}
    )
}

/// Refuses a way round through immediate activities only: takes activities away whose immediate
/// successors are all gone until nothing changes; what is left goes in circles.
fn check_progress(flow: &Flow) -> Result<(), Rejection> {
    let mut left: BTreeSet<&String> = flow
        .activities
        .iter()
        .filter(|(_, activity)| is_immediate(&activity.does))
        .map(|(id, _)| id)
        .collect();
    loop {
        let before = left.len();
        let stays: BTreeSet<&String> = left
            .iter()
            .copied()
            .filter(|id| {
                let next = flow.activities.get(*id).map(|activity| &activity.next);
                next.is_some_and(|next| next.values().any(|target| left.contains(target)))
            })
            .collect();
        left = stays;
        match left.first() {
            None => return Ok(()),
            Some(id) if left.len() == before => {
                return Err(invalid(format!("activities/{id}: goes in circles without waiting")));
            }
            Some(_) => {}
        }
    }
}
