//! Where events are carried to.

use std::future::Future;

use ledgerline_schemas::Recorded;

/// Why a batch was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SinkError {
    /// It may be taken later: the other side is down, busy or unreachable.
    #[error("not taken now: {0}")]
    Later(String),
    /// It will not be taken as it is; somebody has to look.
    #[error("refused: {0}")]
    Refused(String),
}

/// Takes events. [`Recorded::to_json`] is their `CloudEvents` form.
pub trait Sink: Send {
    /// Takes events in order. `Ok` means that all of them are kept by the other side, durably.
    ///
    /// After an error, or when the future is dropped, any part of the batch may have been taken; the same
    /// events come again. Their `id` and `position` tell.
    fn deliver(
        &mut self,
        events: &[Recorded],
    ) -> impl Future<Output = Result<(), SinkError>> + Send;
}
