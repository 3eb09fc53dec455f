//! Followers: page after page, each revision once.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use eventstore::{ReadStreamOptions, StreamPosition};
use futures::stream::BoxStream;
use tokio::sync::watch;

use super::Shared;
use super::link::Failure;
use crate::engine::carrying::{self, Following};
use crate::engine::{Carried, CarrierError, Offset};

/// Events of one page: with the largest entries 64 MiB.
const PAGE: usize = 64;
/// Shortest and longest pause of a follower that has read everything.
const PAUSE: [Duration; 2] = [Duration::from_millis(1), Duration::from_millis(50)];

/// A follower's place.
#[derive(Debug)]
struct Follower {
    shared: Arc<Shared>,
    next: u64,
    page: VecDeque<Carried>,
    appended: watch::Receiver<u64>,
    pause: Duration,
    /// Whether the stream is known to reach up to `next`.
    begun: bool,
}

pub(super) fn follow(
    shared: Arc<Shared>,
    from: u64,
) -> BoxStream<'static, Result<Carried, CarrierError>> {
    let appended = shared.end.subscribe();
    let follower = Follower {
        shared,
        next: from,
        page: VecDeque::new(),
        appended,
        pause: PAUSE[0],
        begun: false,
    };
    carrying::stream(follower)
}

impl Following for Follower {
    async fn next(&mut self) -> Result<Carried, CarrierError> {
        if !self.begun {
            self.begin().await?;
        }
        loop {
            if let Some(carried) = self.page.pop_front() {
                return Ok(carried);
            }
            self.read().await?;
            if self.page.is_empty() {
                self.wait().await;
            } else {
                self.pause = PAUSE[0];
            }
        }
    }
}

impl Follower {
    /// A stream that ends before the place asked for has lost events.
    async fn begin(&mut self) -> Result<(), CarrierError> {
        let end = self.shared.end().await?;
        if end < self.next {
            let stream = format!("stream {}", self.shared.config.stream);
            return Err(carrying::lost(&stream, end, self.next));
        }
        self.begun = true;
        Ok(())
    }

    async fn read(&mut self) -> Result<(), CarrierError> {
        // What this process appended so far is in the page, so it need not wake anybody.
        self.appended.borrow_and_update();
        let options = ReadStreamOptions::default()
            .position(StreamPosition::Position(self.next))
            .forwards()
            .max_count(PAGE);
        let events = match self.shared.link.read_once(&self.shared.config.stream, &options).await {
            Ok(events) => events,
            Err(Failure::NoStream) if self.next == 0 => Vec::new(),
            Err(failure) => return Err(failure.into()),
        };
        for event in events {
            if event.revision != self.next {
                let (from, first) = (Offset(self.next), Offset(event.revision));
                return Err(CarrierError::Gone { from, first });
            }
            self.page.push_back(Carried { offset: Offset(event.revision), entry: event.data });
            self.next = self.next.saturating_add(1);
        }
        Ok(())
    }

    /// Until this process appends, or a while.
    async fn wait(&mut self) {
        // Fails only when the carrier is gone; the follower holds it.
        let _ = tokio::time::timeout(self.pause, self.appended.changed()).await;
        self.pause = (self.pause * 2).min(PAUSE[1]);
    }
}
