//! What becomes an event: an endpoint that is gone or taken up again, an event that was given up.

use ledgerline_schemas::event::webhook::{WebhookDisabled, WebhookEnabled, WebhookGivenUp};
use ledgerline_schemas::{Event, Timestamp};

use super::{Disabled, Endpoint, EndpointError, Item};

impl Endpoint {
    pub(super) async fn disable(&self, reason: &str, now: Timestamp) -> Result<(), EndpointError> {
        let (subscription, done_position, config_position) = {
            let state = self.state();
            (state.document.name.clone(), state.outbox.done(), state.document_position)
        };
        let event = WebhookDisabled {
            subscription_id: self.id,
            subscription,
            reason: reason.to_owned(),
            done_position,
        };
        self.record(event.into()).await?;
        let mut state = self.state();
        state.disabled = Some(Disabled { at: now, reason: reason.to_owned(), config_position });
        state.is_unsaved = true;
        Ok(())
    }

    pub(super) async fn tell_given_up(
        &self,
        item: &Item,
        reason: &str,
    ) -> Result<(), EndpointError> {
        let event = WebhookGivenUp {
            subscription_id: self.id,
            subscription: self.document().name.clone(),
            event_id: item.event_id,
            position: item.position,
            event_type: item.event_type.clone(),
            attempts: item.attempts.saturating_add(1),
            reason: reason.to_owned(),
        };
        self.record(event.into()).await
    }

    pub(super) fn enabled(&self, requested_by: Option<String>) -> Event {
        let state = self.state();
        let subscription = state.document.name.clone();
        let done_position = state.outbox.done();
        WebhookEnabled { subscription_id: self.id, subscription, requested_by, done_position }
            .into()
    }

    pub(super) async fn tell_enabled(&self) -> Result<(), EndpointError> {
        if !self.state().is_enabled_untold {
            return Ok(());
        }
        self.record(self.enabled(None)).await?;
        let mut state = self.state();
        state.is_enabled_untold = false;
        state.is_unsaved = true;
        Ok(())
    }

    pub(super) async fn record(&self, event: Event) -> Result<(), EndpointError> {
        let recording = self.parts.recorder.record(self.org_id(), self.id, event);
        recording.await.map_err(EndpointError::Record)
    }
}
