//! Cancel requests: they come on a connection of their own and name another by number and secret.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use pgwire::api::cancel::CancelHandler;
use pgwire::messages::cancel::CancelRequest;
use pgwire::messages::startup::SecretKey;
use tokio_util::sync::CancellationToken;

/// The queries that can be cancelled, by connection number.
#[derive(Debug, Default)]
pub(super) struct Cancels(Mutex<BTreeMap<i32, (i32, CancellationToken)>>);

impl Cancels {
    fn with<T>(&self, work: impl FnOnce(&mut BTreeMap<i32, (i32, CancellationToken)>) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Makes the running query of a connection known.
    pub(super) fn set(&self, pid: i32, secret: i32, token: CancellationToken) {
        self.with(|known| known.insert(pid, (secret, token)));
    }

    /// Forgets a connection.
    pub(super) fn forget(&self, pid: i32) {
        self.with(|known| known.remove(&pid));
    }
}

#[async_trait]
impl CancelHandler for Cancels {
    async fn on_cancel_request(&self, request: CancelRequest) {
        let token = self.with(|known| match known.get(&request.pid) {
            Some((secret, token)) if SecretKey::I32(*secret).eq_value(&request.secret_key) => {
                Some(token.clone())
            }
            _ => None,
        });
        if let Some(token) = token {
            token.cancel();
        }
    }
}
