//! What an event says, as a sentence without full stop.

use ledgerline_schemas::Event;
use ledgerline_schemas::event::interaction::TerminatingEnd;
use ledgerline_schemas::event::offer::OfferRejectReason;

use super::names::Names;

pub(super) fn sentence(event: &Event, names: &Names) -> String {
    interaction(event, names)
        .or_else(|| queue(event, names))
        .or_else(|| agent(event, names))
        .or_else(|| media(event, names))
        .unwrap_or_else(|| event.event_type().replace(['.', '_'], " "))
}

fn interaction(event: &Event, names: &Names) -> Option<String> {
    Some(match event {
        Event::InteractionCreated(it) => {
            let mut text =
                format!("{} {} interaction created", it.direction.name(), it.channel_type.name());
            if let Some(entry_point) = it.entry_point_id {
                text.push_str(&format!(" at entry point {}", names.of(entry_point)));
            }
            if let Some(destination) = &it.destination {
                text.push_str(&format!(" for {destination}"));
            }
            if let Some(origin) = &it.origin {
                text.push_str(&format!(", caller sealed with key {}", origin.key_id));
            }
            text
        }
        Event::InteractionAttributesSet(it) => {
            let names: Vec<&str> =
                it.changes.keys().chain(it.sensitive.keys()).map(String::as_str).collect();
            format!("attributes set: {}", names.join(", "))
        }
        Event::InteractionPrioritySet(it) => {
            format!("priority changed from {} to {}", it.old, it.new)
        }
        Event::InteractionMerged(it) => format!("merged into interaction {}", it.into),
        Event::InteractionOwnerChanged(it) => match it.to_agent_id {
            Some(agent) => format!("agent {} owns the interaction", names.of(agent)),
            None => "nobody owns the interaction any more".to_owned(),
        },
        Event::InteractionEnded(it) if it.terminating_end == TerminatingEnd::Unknown => {
            format!("the interaction ended in stage {}", it.last_stage.name())
        }
        Event::InteractionEnded(it) => format!(
            "the {} ended the interaction in stage {}",
            it.terminating_end.name(),
            it.last_stage.name()
        ),
        Event::InteractionFailed(it) => format!("the interaction failed with {}", it.code),
        Event::FlowStarted(it) => {
            format!("flow {} started in version {}", names.of(it.flow_id), it.flow_version)
        }
        Event::FlowStepEntered(it) => {
            format!("flow step {} entered: {} ({})", it.seq, it.activity_name, it.activity_type)
        }
        Event::FlowStepExited(it) => format!(
            "flow step {} left by branch {} after {} ms",
            it.seq, it.branch_taken, it.duration_ms
        ),
        Event::FlowInputCollected(it) => {
            format!("input collected at {}: {}", it.activity_id, it.outcome)
        }
        Event::FlowHttpCalled(it) => {
            format!(
                "{} {} answered {} in {} ms",
                it.method, it.url_template, it.status, it.latency_ms
            )
        }
        Event::FlowError(it) => format!("flow activity {} failed with {}", it.activity_id, it.code),
        Event::FlowHandlerTriggered(it) => format!("flow handler {} began", it.handler),
        Event::FlowEnded(it) => format!("the flow ended: {}", it.exit.name()),
        Event::CorrectionRecorded(_) => "an earlier fact was corrected".to_owned(),
        _ => return None,
    })
}

fn queue(event: &Event, names: &Names) -> Option<String> {
    Some(match event {
        Event::QueueEntered(it) => format!(
            "stay {} began in queue {} with priority {} (from {})",
            it.leg_no,
            names.of(it.queue_id),
            it.priority,
            it.source.name()
        ),
        Event::QueueGroupEscalated(it) => format!(
            "the search in queue {} widened from group {} to {}",
            names.of(it.queue_id),
            it.from_group,
            it.to_group
        ),
        Event::QueueRequirementsRelaxed(it) => {
            format!("skill requirements relaxed, step {}", it.step)
        }
        Event::QueueLeft(it) => format!(
            "left queue {} ({}) after {} ms",
            names.of(it.queue_id),
            it.reason.name(),
            it.wait_ms
        ),
        Event::QueuePositionTold(it) => format!("the customer was told place {}", it.position),
        Event::QueueOverflowed(it) => {
            format!("overflowed from queue {} to {}", names.of(it.queue_id), it.number)
        }
        Event::RoutingDecisionMade(it) => match it.chosen_agent_id {
            Some(agent) => format!("agent {} was chosen", names.of(agent)),
            None => "no agent could be chosen".to_owned(),
        },
        Event::RoutingManualAssigned(it) => {
            format!("assigned by hand to agent {}", names.of(it.agent_id))
        }
        Event::OfferMade(it) => {
            format!("offered to agent {} for {} ms", names.of(it.agent_id), it.ring_timeout_ms)
        }
        Event::OfferAccepted(it) => format!("agent {} accepted", names.of(it.agent_id)),
        Event::OfferRejected(it) => {
            let how = match it.reason {
                OfferRejectReason::Declined => "declined",
                OfferRejectReason::Busy => "was busy",
                OfferRejectReason::DeviceUnreachable => "could not be reached",
            };
            format!("agent {} {how}", names.of(it.agent_id))
        }
        Event::OfferTimedOut(it) => format!("agent {} did not answer", names.of(it.agent_id)),
        Event::OfferRescinded(it) => {
            format!("the offer to agent {} was taken back", names.of(it.agent_id))
        }
        Event::OfferFailed(it) => {
            format!("the offer to agent {} failed with {}", names.of(it.agent_id), it.code)
        }
        Event::TimerFired(it) => format!("timer for {} fired", it.kind.name()),
        _ => return None,
    })
}

fn agent(event: &Event, names: &Names) -> Option<String> {
    Some(match event {
        Event::LegConnected(it) => {
            format!(
                "connected to agent {} from queue {}",
                names.of(it.agent_id),
                names.of(it.queue_id)
            )
        }
        Event::LegDisconnected(it) => {
            format!("agent {} disconnected after {} ms", names.of(it.agent_id), it.connected_ms)
        }
        Event::HoldStarted(it) => {
            format!("agent {} put the customer on hold", names.of(it.agent_id))
        }
        Event::HoldEnded(it) => format!("agent {} ended the hold", names.of(it.agent_id)),
        Event::ConsultRequested(it) => format!(
            "agent {} asked {} {}",
            names.of(it.agent_id),
            it.to_type.name(),
            names.of(&it.to_id)
        ),
        Event::ConsultFailed(it) => format!("the consult failed with {}", it.code),
        Event::TransferRequested(it) => format!(
            "agent {} asked for a {} transfer to {} {}",
            names.of(it.agent_id),
            it.kind.name(),
            it.to_type.name(),
            names.of(&it.to_id)
        ),
        Event::TransferCompleted(_) => "the transfer is complete".to_owned(),
        Event::TransferFailed(it) => format!("the transfer failed with {}", it.code),
        Event::WrapUpStarted(it) => format!("agent {} began to wrap up", names.of(it.agent_id)),
        Event::WrapUpExtended(it) => {
            format!("agent {} extended the wrap-up", names.of(it.agent_id))
        }
        Event::WrapUpCodeSet(it) => format!(
            "agent {} set wrap-up code {}",
            names.of(it.agent_id),
            it.reason.clone().unwrap_or_else(|| names.of(it.aux_code_id))
        ),
        Event::WrapUpEnded(it) => format!("agent {} finished the wrap-up", names.of(it.agent_id)),
        Event::AgentSessionStarted(it) => {
            format!("agent {} logged in to team {}", names.of(it.agent_id), names.of(it.team_id))
        }
        Event::AgentSessionEnded(it) => format!("agent {} logged out", names.of(it.agent_id)),
        Event::AgentStateChanged(it) => format!(
            "agent {} went from {} to {}",
            names.of(it.agent_id),
            it.from.name(),
            it.to.name()
        ),
        Event::AgentStateForced(it) => format!(
            "supervisor {} forced agent {} to {}",
            names.of(it.by),
            names.of(it.agent_id),
            it.to.name()
        ),
        Event::AgentNextStateQueued(it) => {
            format!("agent {} will be {} after this work", names.of(it.agent_id), it.to.name())
        }
        _ => return None,
    })
}

fn media(event: &Event, names: &Names) -> Option<String> {
    Some(match event {
        Event::MediaLegOffered(it) => {
            format!("the {}'s media leg arrived over {}", it.side.name(), it.transport)
        }
        Event::MediaLegDialled(it) => format!("{} dialled for the {}", it.dn, it.side.name()),
        Event::MediaLegAnswered(it) => {
            format!("the {}'s media leg was answered with {}", it.side.name(), it.codec)
        }
        Event::MediaLegFailed(it) => {
            format!("the {}'s media leg failed with status {}", it.side.name(), it.sip_status)
        }
        Event::MediaLegBridged(_) => "two media legs hear each other".to_owned(),
        Event::MediaLegEnded(it) => format!(
            "the {}'s media leg ended ({} packets received, {} sent, {} lost)",
            it.side.name(),
            it.packets_received,
            it.packets_sent,
            it.packets_lost
        ),
        Event::PromptStarted(it) if it.looped => format!("{} began to play in a loop", it.media),
        Event::PromptStarted(it) => format!("prompt {} began", it.media),
        Event::PromptFinished(it) if it.interrupted => format!("prompt {} was cut short", it.media),
        Event::PromptFinished(it) => format!("prompt {} finished", it.media),
        Event::MessageReceived(it) => {
            format!("the customer wrote message {} (sealed)", it.message_id)
        }
        Event::MessageSent(it) => match it.agent_id {
            Some(agent) => {
                format!("agent {} wrote message {} (sealed)", names.of(agent), it.message_id)
            }
            None => format!("message {} was sent (sealed)", it.message_id),
        },
        Event::MessageFailed(it) => format!("message {} failed with {}", it.message_id, it.code),
        _ => return None,
    })
}
