//! What somebody asks of a subscription: to try it, to take it up again, to send dead letters again, how it is.

use ledgerline_access::outbound::shown;
use ledgerline_schemas::config::WebhookSubscription;
use ledgerline_schemas::event::webhook::WebhookReplayed;
use ledgerline_schemas::id::derive_id;
use ledgerline_schemas::{Position, Timestamp};

use super::{Endpoint, EndpointError, Item, Message};
use crate::webhook::body::of_test;
use crate::webhook::dead_letter::DeadLetter;
use crate::webhook::status::{
    AttemptStatus, DisabledStatus, EndpointState, FAILING_MAX, FailingStatus, SubscriptionStatus,
};

impl Endpoint {
    /// Takes up an endpoint again that was gone, and tries at once whatever waits.
    ///
    /// # Errors
    /// [`EndpointError`].
    pub async fn enable(&self, requested_by: &str) -> Result<(), EndpointError> {
        if self.state().disabled.is_some() {
            self.record(self.enabled(Some(requested_by.to_owned()))).await?;
        }
        {
            let mut state = self.state();
            state.disabled = None;
            state.is_enabled_untold = false;
            state.is_unsaved = true;
            state.outbox.hurry();
        }
        self.save(true).await?;
        self.wake.notify_one();
        Ok(())
    }

    /// The dead letters, in order, and how many are no longer kept.
    #[must_use]
    pub fn dead_letters(&self) -> (Vec<DeadLetter>, u64) {
        let state = self.state();
        (state.dead.iter().cloned().collect(), state.dead.dropped)
    }

    /// Sends dead letters again, all or those at these positions, from the first attempt on; how many. Those for which
    /// there is no room stay what they are.
    ///
    /// # Errors
    /// [`EndpointError`].
    pub async fn replay(
        &self,
        positions: Option<&[Position]>,
        requested_by: &str,
    ) -> Result<usize, EndpointError> {
        let (subscription, room, count) = {
            let state = self.state();
            let room = self.parts.bounds.open_max.saturating_sub(state.outbox.open_len());
            let mut dead = state.dead.clone();
            (state.document.name.clone(), room, dead.take(positions, room).len())
        };
        if count == 0 {
            return Ok(0);
        }
        let event = WebhookReplayed {
            subscription_id: self.id,
            subscription,
            count: u32::try_from(count).unwrap_or(u32::MAX),
            requested_by: requested_by.to_owned(),
        };
        self.record(event.into()).await?;
        let replayed = {
            let mut state = self.state();
            let letters = state.dead.take(positions, room);
            let replayed = letters.len();
            letters.into_iter().for_each(|letter| state.outbox.put(again(letter)));
            state.is_unsaved = true;
            replayed
        };
        self.save(true).await?;
        self.wake.notify_one();
        Ok(replayed)
    }

    /// Sends an event that only tries the subscription, once and now, whatever its state.
    pub async fn test(&self) -> AttemptStatus {
        let document = self.document();
        let at = self.parts.clock.now();
        let id = derive_id(self.id.uuid(), &format!("test:{}", at.micros()));
        let body = of_test(self.org_id(), id, &document.name, at);
        let outcome = self.parts.sender.send(&document, Message { id, at, body }).await;
        AttemptStatus::of(&outcome, self.parts.clock.now())
    }

    /// How it is.
    #[must_use]
    pub fn status(&self) -> SubscriptionStatus {
        let head = self.parts.reader.head();
        let state = self.state();
        let failing = state.outbox.open().filter(|item| item.attempts > 0).take(FAILING_MAX);
        SubscriptionStatus {
            id: self.id,
            name: state.document.name.clone(),
            url: origin(&state.document),
            state: match (&state.disabled, state.document.active) {
                (_, false) => EndpointState::Off,
                (Some(_), true) => EndpointState::Disabled,
                (None, true) => EndpointState::On,
            },
            disabled: state.disabled.as_ref().map(DisabledStatus::from),
            problem: None,
            done_position: state.outbox.done(),
            read_position: state.outbox.read(),
            lag_events: head.0.saturating_sub(state.outbox.done().0),
            open_events: state.outbox.open_len(),
            open_streams: state.outbox.lanes_len(),
            is_paused: state.outbox.room() == 0,
            failing: failing.map(failing_status).collect(),
            dead_letters: state.dead.len(),
            dead_letters_dropped: state.dead.dropped,
            last: state.last.clone(),
        }
    }
}

/// Scheme, host and port of a subscription's URL.
pub(in crate::webhook) fn origin(document: &WebhookSubscription) -> String {
    reqwest::Url::parse(&document.url).map_or_else(|_| "no URL".to_owned(), |url| shown(&url))
}

fn again(letter: DeadLetter) -> Item {
    let DeadLetter { position, event_id, stream, event_type, reason, .. } = letter;
    let (tried_at, next_at) = (Timestamp::EPOCH, Timestamp::EPOCH);
    Item { position, event_id, stream, event_type, attempts: 0, tried_at, next_at, reason }
}

fn failing_status(item: &Item) -> FailingStatus {
    FailingStatus {
        position: item.position,
        stream: item.stream.clone(),
        event_type: item.event_type.clone(),
        attempts: item.attempts,
        next_at: item.next_at,
        reason: item.reason.clone(),
    }
}
