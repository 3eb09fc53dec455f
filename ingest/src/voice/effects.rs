//! From the core's effects to the legs that carry them out.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use ledgerline_routing_core::{Effect, EffectId};
use ledgerline_schemas::event::media::MediaSide;
use ledgerline_schemas::id::MediaLegId;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio_util::sync::CancellationToken;

use super::agent::{Dial, dial};
use super::edge::{Door, Edge};
use super::registry::LegInput;

/// How many effects are remembered to see a repetition.
const SEEN_MAX: usize = 65_536;

#[derive(Default)]
struct Seen {
    ids: BTreeSet<EffectId>,
    order: VecDeque<EffectId>,
}

impl Seen {
    fn is_new(&mut self, id: EffectId) -> bool {
        if !self.ids.insert(id) {
            return false;
        }
        self.order.push_back(id);
        if self.order.len() > SEEN_MAX
            && let Some(old) = self.order.pop_front()
        {
            self.ids.remove(&old);
        }
        true
    }
}

/// Runs the effects of one organization in their order until `stopped`.
pub(super) async fn run(
    edge: Arc<Edge>,
    door: Door,
    mut effects: UnboundedReceiver<(EffectId, Effect)>,
    stopped: CancellationToken,
) {
    let mut seen = Seen::default();
    loop {
        let next = tokio::select! {
            () = stopped.cancelled() => return,
            next = effects.recv() => next,
        };
        let Some((id, effect)) = next else { return };
        if seen.is_new(id) {
            carry_out(&edge, &door, effect);
        }
    }
}

fn carry_out(edge: &Arc<Edge>, door: &Door, effect: Effect) {
    let Some(media_leg_id) = leg_of(&effect) else { return };
    match effect {
        Effect::DialAgent {
            interaction_id,
            media_leg_id,
            customer_media_leg_id,
            offer_id,
            agent_id,
            dn,
        } => {
            let wanted = Dial {
                interaction_id,
                media_leg_id,
                near_media_leg_id: customer_media_leg_id,
                side: MediaSide::Agent,
                offer_id: Some(offer_id),
                user_id: agent_id,
                dn,
            };
            edge.tasks.spawn(dial(Arc::clone(edge), door.clone(), wanted));
        }
        Effect::DialSupervisor {
            interaction_id,
            media_leg_id,
            agent_media_leg_id,
            supervisor_id,
            dn,
        } => {
            let wanted = Dial {
                interaction_id,
                media_leg_id,
                near_media_leg_id: agent_media_leg_id,
                side: MediaSide::Supervisor,
                offer_id: None,
                user_id: supervisor_id,
                dn,
            };
            edge.tasks.spawn(dial(Arc::clone(edge), door.clone(), wanted));
        }
        effect => {
            let sent = edge
                .registry
                .leg(media_leg_id)
                .is_some_and(|leg| leg.inbox.send(LegInput::Effect(Box::new(effect))).is_ok());
            if !sent {
                // The leg ended and said so; what was wanted of it meanwhile has no object.
                metrics::counter!("ledgerline_voice_effects_without_leg_total").increment(1);
            }
        }
    }
}

/// The leg that carries an effect out; bridges are the customer's, whose other effects they must not
/// overtake.
const fn leg_of(effect: &Effect) -> Option<MediaLegId> {
    match effect {
        Effect::AnswerCustomer { media_leg_id, .. }
        | Effect::Play { media_leg_id, .. }
        | Effect::StopPlay { media_leg_id, .. }
        | Effect::CollectInput { media_leg_id, .. }
        | Effect::DialAgent { media_leg_id, .. }
        | Effect::DialSupervisor { media_leg_id, .. }
        | Effect::Listen { media_leg_id, .. }
        | Effect::Release { media_leg_id, .. } => Some(*media_leg_id),
        Effect::Bridge { customer, .. } | Effect::Unbridge { customer, .. } => Some(*customer),
        Effect::DeliverMessage { .. } | Effect::Push { .. } | Effect::ShowBroadcast { .. } => None,
    }
}
