//! Cancel requests: they come on a connection of their own and name another by number and secret.

use std::sync::Arc;

use async_trait::async_trait;
use pgwire::api::cancel::CancelHandler;
use pgwire::messages::cancel::CancelRequest;

use crate::backends::Backends;

/// Carries cancel requests out.
#[derive(Debug)]
pub(super) struct Cancels(pub(super) Arc<Backends>);

#[async_trait]
impl CancelHandler for Cancels {
    async fn on_cancel_request(&self, request: CancelRequest) {
        self.0.cancel_with_secret(request.pid, &request.secret_key);
    }
}
