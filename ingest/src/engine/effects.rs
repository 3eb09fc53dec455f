//! Who carries out which effects.

use ledgerline_routing_core::{Effect, EffectId, State};
use ledgerline_schemas::config::ChannelType;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// An effect on its way to an edge.
pub type Delivery = (EffectId, Effect);

/// Which edge an effect is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Routed {
    /// The voice edge.
    Voice,
    /// The chat edge.
    Chat,
    /// The desktop's pushes.
    Desktop,
}

/// The edges' inboxes. They are unbounded: effects follow from durable events and may not be lost; the
/// bounded command queue in front of the engine is what limits how many there can be.
#[derive(Clone, Debug, Default)]
pub struct EffectSinks {
    voice: Option<UnboundedSender<Delivery>>,
    chat: Option<UnboundedSender<Delivery>>,
    desktop: Option<UnboundedSender<Delivery>>,
}

impl EffectSinks {
    /// Opens the inbox of an edge.
    pub fn open(&mut self, edge: Routed) -> UnboundedReceiver<Delivery> {
        let (sender, receiver) = unbounded_channel();
        match edge {
            Routed::Voice => self.voice = Some(sender),
            Routed::Chat => self.chat = Some(sender),
            Routed::Desktop => self.desktop = Some(sender),
        }
        receiver
    }

    pub(super) fn deliver(&self, edge: Routed, delivery: Delivery) {
        let sink = match edge {
            Routed::Voice => &self.voice,
            Routed::Chat => &self.chat,
            Routed::Desktop => &self.desktop,
        };
        if let Some(sink) = sink
            && sink.send(delivery).is_err()
        {
            tracing::debug!(?edge, "an effect found its edge closed");
        }
    }
}

/// The edge for an effect; `state` is a state that still knows the interaction.
pub(super) fn route(state: &State, effect: &Effect) -> Routed {
    let Some(interaction_id) = effect.interaction_id() else { return Routed::Desktop };
    match state.interaction(interaction_id).map(|it| it.channel_type) {
        Some(ChannelType::Voice) => Routed::Voice,
        Some(_) => Routed::Chat,
        // Only the release of a finished interaction's last leg can outlive it; calls have such legs.
        None => Routed::Voice,
    }
}
