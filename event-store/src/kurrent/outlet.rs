//! The way out of a streamed answer: bounded, so that a slow reader slows its own reading only.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use futures::{Stream, StreamExt as _};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{Code, Status};

use super::refusal;

/// Messages made ahead of the reader.
const AHEAD: usize = 16;

/// A streamed answer.
pub(crate) type Answer<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// Nobody listens any more, or the stream has to end: stop working.
#[derive(Debug)]
pub(crate) struct Stop;

/// The sending side.
#[derive(Debug)]
pub(crate) struct Outlet<T> {
    sender: mpsc::Sender<Result<T, Status>>,
    closing: CancellationToken,
    until: Option<Instant>,
    finished: Arc<AtomicBool>,
}

/// An outlet and the answer it feeds. When the sender goes away without [`Outlet::finish`], the client
/// hears UNAVAILABLE: an answer that was cut short must not look whole.
pub(crate) fn outlet<T: Send + 'static>(
    closing: CancellationToken,
    until: Option<Instant>,
) -> (Outlet<T>, Answer<T>) {
    outlet_of(closing, until, AHEAD)
}

/// Like [`outlet`], with room for so many messages.
pub(crate) fn outlet_of<T: Send + 'static>(
    closing: CancellationToken,
    until: Option<Instant>,
    ahead: usize,
) -> (Outlet<T>, Answer<T>) {
    let (sender, receiver) = mpsc::channel(ahead);
    let finished = Arc::new(AtomicBool::new(false));
    let whole = Arc::clone(&finished);
    let last = futures::stream::iter(std::iter::from_fn(move || {
        (!whole.swap(true, Ordering::AcqRel)).then(|| Err(refusal::closing()))
    }));
    let answer: Answer<T> = Box::pin(ReceiverStream::new(receiver).chain(last));
    (Outlet { sender, closing, until, finished }, answer)
}

impl<T> Outlet<T> {
    /// Sends a message, as fast as the client reads.
    pub(crate) async fn send(&self, message: T) -> Result<(), Stop> {
        tokio::select! {
            biased;
            stop = self.ended() => Err(stop),
            sent = self.sender.send(Ok(message)) => sent.map_err(|_| Stop),
        }
    }

    /// Sends a message if there is room; false: there is none, or nobody listens.
    pub(crate) fn send_now(&self, message: T) -> bool {
        self.sender.try_send(Ok(message)).is_ok()
    }

    /// Ends the answer with a status if there is room for it; otherwise with UNAVAILABLE.
    pub(crate) fn fail_now(&self, status: Status) {
        let _ = self.sender.try_send(Err(status));
    }

    /// Ends the answer well.
    pub(crate) fn finish(self) {
        self.finished.store(true, Ordering::Release);
    }

    /// Ends the answer with a status.
    pub(crate) async fn fail(&self, status: Status) {
        tokio::select! {
            biased;
            () = self.closing.cancelled() => {
                let _ = self.sender.try_send(Err(refusal::closing()));
            }
            _ = self.sender.send(Err(status)) => {}
        }
    }

    /// Resolves when the answer has to end: the client is gone, the server stops, the token is over.
    pub(crate) async fn ended(&self) -> Stop {
        let over = async {
            match self.until {
                Some(until) => tokio::time::sleep_until(until.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = self.closing.cancelled() => {
                let _ = self.sender.try_send(Err(refusal::closing()));
            }
            () = self.sender.closed() => {}
            () = over => {
                let status = Status::new(Code::Unauthenticated, "the credentials have expired");
                let _ = self.sender.try_send(Err(status));
            }
        }
        Stop
    }
}
