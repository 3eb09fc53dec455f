//! Who is who right now: legs by id, dialogs by Call-ID and tag.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ledgerline_routing_core::Effect;
use ledgerline_schemas::id::MediaLegId;
use tokio::sync::mpsc::UnboundedSender;
use tokio::time::Instant;

use super::media::session::Session;
use super::sip::port::Incoming;

/// How long an ended dialog is remembered: 64 times T1.
const RETIREMENT: Duration = Duration::from_secs(32);

/// What a leg's task takes from outside.
#[derive(Debug)]
pub enum LegInput {
    /// Work of the core.
    Effect(Box<Effect>),
    /// A request within the leg's dialog.
    Request(Box<Incoming>),
}

/// A leg as others see it.
#[derive(Clone, Debug)]
pub struct LegHandle {
    /// The leg's task.
    pub inbox: UnboundedSender<LegInput>,
    /// Its media.
    pub session: Arc<Session>,
    /// The number that calls, if it is known and may be shown.
    pub caller: Option<String>,
}

/// The live legs and dialogs of the edge.
#[derive(Debug, Default)]
pub struct Registry {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    legs: BTreeMap<MediaLegId, LegHandle>,
    dialogs: BTreeMap<String, BTreeMap<String, UnboundedSender<LegInput>>>,
    retired: BTreeSet<(String, String)>,
    retired_order: VecDeque<(Instant, (String, String))>,
}

impl Registry {
    /// Adds a leg.
    pub fn add_leg(&self, id: MediaLegId, leg: LegHandle) {
        self.state().legs.insert(id, leg);
    }

    /// Removes a leg.
    pub fn remove_leg(&self, id: MediaLegId) {
        self.state().legs.remove(&id);
    }

    /// A leg.
    #[must_use]
    pub fn leg(&self, id: MediaLegId) -> Option<LegHandle> {
        self.state().legs.get(&id).cloned()
    }

    /// How many legs are alive.
    #[must_use]
    pub fn legs(&self) -> usize {
        self.state().legs.len()
    }

    /// Adds a dialog by its Call-ID and our tag.
    pub fn add_dialog(&self, call_id: &str, local_tag: &str, inbox: UnboundedSender<LegInput>) {
        let mut state = self.state();
        let tags = state.dialogs.entry(call_id.to_owned()).or_default();
        tags.insert(local_tag.to_owned(), inbox);
    }

    /// Removes a dialog; it is remembered for a while.
    pub fn remove_dialog(&self, call_id: &str, local_tag: &str) {
        let mut state = self.state();
        if let Some(tags) = state.dialogs.get_mut(call_id) {
            tags.remove(local_tag);
            if tags.is_empty() {
                state.dialogs.remove(call_id);
            }
        }
        let now = Instant::now();
        let key = (call_id.to_owned(), local_tag.to_owned());
        state.retired.insert(key.clone());
        state.retired_order.push_back((now, key));
        while state.retired_order.front().is_some_and(|(at, _)| now - *at > RETIREMENT) {
            if let Some((_, old)) = state.retired_order.pop_front() {
                state.retired.remove(&old);
            }
        }
    }

    /// True for a dialog that ended not long ago: a BYE that crossed ours still gets its 200.
    #[must_use]
    pub fn is_retired(&self, call_id: &str, local_tag: &str) -> bool {
        self.state().retired.contains(&(call_id.to_owned(), local_tag.to_owned()))
    }

    /// The task that owns a dialog.
    #[must_use]
    pub fn dialog(&self, call_id: &str, local_tag: &str) -> Option<UnboundedSender<LegInput>> {
        self.state().dialogs.get(call_id)?.get(local_tag).cloned()
    }

    /// True if some dialog of this Call-ID is alive.
    #[must_use]
    pub fn has_call(&self, call_id: &str) -> bool {
        self.state().dialogs.contains_key(call_id)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
