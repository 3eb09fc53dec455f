//! Subscribers of the change feed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ledgerline_schemas::Position;
use tokio::sync::mpsc;

use crate::change::ChangeBatch;

/// Batches a subscriber may be behind before it has to start over with a snapshot.
pub const FEED_BATCHES_MAX: usize = 1_024;

/// The feed has nothing more to give.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FeedError {
    /// The subscriber fell more than [`FEED_BATCHES_MAX`] batches behind: it must take a new snapshot.
    #[error("the subscriber fell behind and must take a new snapshot")]
    Lagged,
    /// The projections are stopped.
    #[error("the projections are stopped")]
    Closed,
}

/// Every batch of changes after a position, in order, without gap or duplicate.
#[derive(Debug)]
pub struct ChangeFeed {
    after: Position,
    receiver: mpsc::Receiver<Arc<ChangeBatch>>,
    lagged: Arc<AtomicBool>,
}

impl ChangeFeed {
    /// The feed tells everything after this position. A snapshot to start from must be at or after it
    /// (`Projections::follow` sees to that).
    #[must_use]
    pub const fn start(&self) -> Position {
        self.after
    }

    /// Leaves out batches up to `position`; used when a snapshot already contains them. Snapshots always
    /// stand at the end of a batch.
    pub fn skip_to(&mut self, position: Position) {
        self.after = self.after.max(position);
    }

    /// The next batch. Cancel-safe.
    ///
    /// # Errors
    /// [`FeedError`]; no batch follows after an error.
    pub async fn next(&mut self) -> Result<Arc<ChangeBatch>, FeedError> {
        loop {
            if self.lagged.load(Ordering::Acquire) {
                return Err(FeedError::Lagged);
            }
            match self.receiver.recv().await {
                Some(batch) if batch.to <= self.after => {}
                Some(batch) => {
                    self.after = batch.to;
                    return Ok(batch);
                }
                None if self.lagged.load(Ordering::Acquire) => return Err(FeedError::Lagged),
                None => return Err(FeedError::Closed),
            }
        }
    }
}

#[derive(Debug)]
struct Subscriber {
    sender: mpsc::Sender<Arc<ChangeBatch>>,
    lagged: Arc<AtomicBool>,
}

/// The sending side: who listens, and how far the fold is.
#[derive(Debug)]
pub(crate) struct Hub {
    /// Everything up to here was folded and sent.
    folded: Position,
    subscribers: Vec<Subscriber>,
    closed: bool,
}

impl Hub {
    /// Nobody listens yet; everything up to `folded` came before.
    pub(crate) const fn new(folded: Position) -> Self {
        Self { folded, subscribers: Vec::new(), closed: false }
    }

    /// Everything up to here was folded.
    pub(crate) const fn folded(&self) -> Position {
        self.folded
    }

    /// A new subscriber; it hears everything after [`Hub::folded`].
    pub(crate) fn subscribe(&mut self) -> ChangeFeed {
        let (sender, receiver) = mpsc::channel(FEED_BATCHES_MAX);
        let lagged = Arc::new(AtomicBool::new(false));
        if !self.closed {
            self.subscribers.push(Subscriber { sender, lagged: Arc::clone(&lagged) });
        }
        ChangeFeed { after: self.folded, receiver, lagged }
    }

    /// Whether anybody listens; forgets those who are gone.
    pub(crate) fn is_heard(&mut self) -> bool {
        self.subscribers.retain(|subscriber| !subscriber.sender.is_closed());
        !self.subscribers.is_empty()
    }

    /// Sends a batch to everybody; whoever has no room is told to start over.
    pub(crate) fn send(&mut self, batch: &Arc<ChangeBatch>) {
        self.folded = batch.to;
        self.subscribers.retain(|subscriber| match subscriber.sender.try_send(Arc::clone(batch)) {
            Ok(()) => true,
            Err(mpsc::error::TrySendError::Full(_)) => {
                subscriber.lagged.store(true, Ordering::Release);
                false
            }
            Err(mpsc::error::TrySendError::Closed(_)) => false,
        });
    }

    /// Nothing follows.
    pub(crate) fn close(&mut self) {
        self.closed = true;
        self.subscribers.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(from: u64, to: u64) -> Arc<ChangeBatch> {
        Arc::new(ChangeBatch { from: Position(from), to: Position(to), changes: Vec::new() })
    }

    #[tokio::test]
    async fn a_subscriber_hears_everything_after_its_start_once() {
        let mut hub = Hub::new(Position::START);
        hub.send(&batch(0, 3));
        let mut feed = hub.subscribe();
        assert_eq!(feed.start(), Position(3));
        hub.send(&batch(3, 4));
        hub.send(&batch(4, 9));
        feed.skip_to(Position(4));
        assert_eq!(feed.next().await.map(|batch| batch.to), Ok(Position(9)));
        hub.close();
        assert_eq!(feed.next().await.map(|batch| batch.to), Err(FeedError::Closed));
    }

    #[tokio::test]
    async fn a_slow_subscriber_is_told_to_start_over_and_others_lose_nothing() {
        let mut hub = Hub::new(Position::START);
        let mut slow = hub.subscribe();
        let mut fast = hub.subscribe();
        for to in 1..=FEED_BATCHES_MAX as u64 + 1 {
            hub.send(&batch(to - 1, to));
            assert_eq!(fast.next().await.map(|batch| batch.to), Ok(Position(to)));
        }
        assert_eq!(slow.next().await.map(|batch| batch.to), Err(FeedError::Lagged));
        assert!(hub.is_heard());
        drop(fast);
        assert!(!hub.is_heard());
    }
}
