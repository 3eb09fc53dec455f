//! Catch-up subscriptions: from a position through history into the live tail, without gap or duplicate.

use std::collections::VecDeque;
use std::sync::Arc;

use ledgerline_schemas::{Position, Recorded};
use tokio::sync::watch;

use crate::log::{Direction, EventReader, Filter, ReadError};

/// Events read at a time.
const PAGE_EVENTS: usize = 1_000;

/// What a subscription yields.
#[derive(Clone, Debug)]
pub enum Delivery {
    /// An event.
    Event(Box<Recorded>),
    /// Everything up to this position was delivered (or filtered out), and it is the head: the
    /// subscription waits for new events now.
    CaughtUp(Position),
}

/// A running subscription. Its position is the only state: it holds no buffer that could overflow, so a
/// slow reader is never dropped.
#[derive(Debug)]
pub struct Subscription {
    reader: Arc<dyn EventReader>,
    filter: Filter,
    after: Position,
    ready: VecDeque<Recorded>,
    head: watch::Receiver<Position>,
    told: Option<Position>,
}

impl Subscription {
    /// Subscribes to events after `after`.
    #[must_use]
    pub fn new(reader: Arc<dyn EventReader>, after: Position, filter: Filter) -> Self {
        let head = reader.watch_head();
        Self { reader, filter, after, ready: VecDeque::new(), head, told: None }
    }

    /// Everything up to here was yielded or filtered out once [`Subscription::next`] has drained its page.
    #[must_use]
    pub const fn position(&self) -> Position {
        self.after
    }

    /// The next delivery. Cancel-safe.
    ///
    /// # Errors
    /// [`ReadError`]; [`ReadError::Closed`] when the log is closed and everything was delivered.
    pub async fn next(&mut self) -> Result<Delivery, ReadError> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Ok(Delivery::Event(Box::new(event)));
            }
            let head = *self.head.borrow_and_update();
            if self.after < head {
                let page = self.reader.read_all(
                    self.after,
                    Direction::Forward,
                    &self.filter,
                    PAGE_EVENTS,
                )?;
                self.after = page.scanned_to;
                self.ready.extend(page.events);
                continue;
            }
            if self.told != Some(self.after) {
                self.told = Some(self.after);
                return Ok(Delivery::CaughtUp(self.after));
            }
            if self.head.changed().await.is_err() {
                return Err(ReadError::Closed);
            }
        }
    }
}
