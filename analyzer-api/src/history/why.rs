//! Why something happened, from what the event itself recorded.

use ledgerline_schemas::Event;
use ledgerline_schemas::event::agent::StateCause;
use ledgerline_schemas::event::queue::QueueLeaveReason;
use ledgerline_schemas::event::routing::{Candidate, RoutingDecisionMade, TieBreak};
use ledgerline_schemas::id::DecisionId;

use super::names::Names;

pub(super) fn reason(event: &Event, names: &Names) -> Option<String> {
    Some(match event {
        Event::RoutingDecisionMade(decision) => explain(decision, names),
        Event::InteractionEnded(it) => it.reason.name().replace('_', " "),
        Event::InteractionFailed(it) => it.reason.clone(),
        Event::QueueLeft(it) => match it.reason {
            QueueLeaveReason::Assigned => "an agent was assigned".to_owned(),
            QueueLeaveReason::Abandoned => "the customer left while waiting".to_owned(),
            QueueLeaveReason::MaxTime => "the longest time in queue passed".to_owned(),
            other => other.name().replace('_', " "),
        },
        Event::QueueGroupEscalated(it) => {
            format!("the wait of the group was over ({})", it.trigger.name())
        }
        Event::OfferMade(it) if it.decision_id == DecisionId::default() => {
            "how the agent was chosen is not recorded (imported)".to_owned()
        }
        Event::OfferMade(it) => {
            format!(
                "decision {} chose this agent; it rings until {}",
                it.decision_id, it.expires_at
            )
        }
        Event::OfferRejected(it) => it.reason.name().replace('_', " "),
        Event::OfferTimedOut(_) => "it rang for the whole ring time without an answer".to_owned(),
        Event::OfferRescinded(it) => it.reason.name().replace('_', " "),
        Event::RoutingManualAssigned(it) => match it.by {
            Some(by) => format!("{} assigned it", names.of(by)),
            None => "a supervisor assigned it".to_owned(),
        },
        Event::LegDisconnected(it) => it.reason.name().replace('_', " "),
        Event::WrapUpEnded(it) => format!("ended by {}", it.by.name()),
        Event::AgentSessionEnded(it) => format!("by {}", it.reason.name()),
        Event::AgentStateChanged(it) => match (it.cause, it.requested_by) {
            (StateCause::Rona, _) => "the agent did not answer an offer".to_owned(),
            (StateCause::OfferFailed, _) => "the agent's device failed".to_owned(),
            (cause, Some(by)) => format!("{}, asked by {}", cause.name(), names.of(by)),
            (cause, None) => cause.name().replace('_', " "),
        },
        Event::TimerFired(it) => format!("it was due at {}", it.due_at),
        Event::MediaLegEnded(it) => {
            format!("released by the {} side with status {}", it.released_by.name(), it.sip_status)
        }
        _ => return None,
    })
}

/// A routing decision as its own record tells it: trigger, rule, candidates, exclusions, tie break.
fn explain(it: &RoutingDecisionMade, names: &Names) -> String {
    let mut lines = vec![format!(
        "triggered by {}; rule {} version {}, configuration at position {}, state at position {}",
        it.trigger.name(),
        it.policy,
        it.policy_version,
        it.config_position,
        it.input_position
    )];
    if it.waiting_total > 0 {
        lines.push(headline(it.waiting_total, it.waiting.len(), "waiting"));
        lines.extend(it.waiting.iter().map(|leg| {
            let who = if Some(leg.interaction_id) == it.interaction_id {
                "this interaction".to_owned()
            } else {
                format!("interaction {}", leg.interaction_id)
            };
            format!("  {}. {who}, priority {}, since {}", leg.rank, leg.priority, leg.entered_at)
        }));
    }
    if it.candidates_total > 0 {
        lines.push(headline(it.candidates_total, it.candidates.len(), "candidates"));
        lines.extend(it.candidates.iter().map(|one| candidate(one, names)));
    } else {
        lines.push("no candidates".to_owned());
    }
    if !it.excluded.is_empty() {
        let counts: Vec<String> = it
            .excluded
            .iter()
            .map(|(reason, count)| format!("{count} {}", reason.name().replace('_', " ")))
            .collect();
        lines.push(format!("excluded: {}", counts.join(", ")));
    }
    if it.chosen_agent_id.is_some() {
        lines.push(match it.tie_break {
            TieBreak::None => "there was no other candidate".to_owned(),
            TieBreak::LongestAvailable => "chosen as the longest available".to_owned(),
            TieBreak::AgentId => {
                "available equally long as another; the lower user id decided".to_owned()
            }
            TieBreak::Order => "chosen by the order of the team".to_owned(),
            TieBreak::SkillScore => "chosen for the higher skill score".to_owned(),
        });
    }
    if it.shadow {
        lines.push("computed for comparison only".to_owned());
    }
    lines.join("\n")
}

/// How many there were, and how many of them the decision recorded.
fn headline(total: u32, recorded: usize, what: &str) -> String {
    if u32::try_from(recorded).is_ok_and(|recorded| recorded == total) {
        format!("{total} {what}:")
    } else {
        format!("{total} {what}, {recorded} recorded:")
    }
}

fn candidate(one: &Candidate, names: &Names) -> String {
    let mut text = format!(
        "  {}. {} of team {} in group {}, available since {}, {} free",
        one.rank,
        names.of(one.agent_id),
        names.of(one.team_id),
        one.group,
        one.available_since,
        one.free_capacity
    );
    if one.skill_score != 0 {
        text.push_str(&format!(", skill score {}", one.skill_score));
    }
    text
}
