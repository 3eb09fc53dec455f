//! Followers: a stream of one partition, in which every offset follows the one before.
//!
//! What this process appended is handed on as soon as the leader has acknowledged it, with the offsets the
//! leader gave; when it comes from the partition, it has to be the same.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use fluvio::consumer::Record;
use futures::stream::BoxStream;
use futures::{FutureExt as _, StreamExt as _};
use tokio::sync::watch;
use tokio::time::Instant;

use super::Shared;
use super::records::{Records, begin, end, failure, unavailable};
use super::session::Session;
use crate::engine::carrying::{self, Following};
use crate::engine::{Carried, CarrierError, Offset};

/// Silence after which a follower looks whether the partition has gone on without it.
const SILENCE: Duration = Duration::from_secs(5);
/// Most entries handed on before they came from the partition.
const UNSEEN_MAX: usize = 1 << 16;
const ENDED: &str = "the stream of records ended";

/// What a follower waited for.
enum Arrival {
    Record(Record),
    /// This process appended.
    Append,
    /// Nothing for too long.
    Nothing,
    Error(CarrierError),
}

/// A follower's place, with a connection of its own: appends do not wait for it.
struct Follower {
    shared: Arc<Shared>,
    /// The next offset to hand on.
    next: u64,
    reading: Option<(Session, Records)>,
    /// The next offset to come from the partition.
    due: u64,
    /// Whether a record came since the records were opened.
    delivered: bool,
    /// Acknowledged entries, from `next` on.
    ahead: VecDeque<Bytes>,
    /// CRC-32C of what was handed on and did not come yet, from `due` on.
    unseen: VecDeque<u32>,
    /// When a record came last, or was due first.
    heard: Instant,
    appended: watch::Receiver<u64>,
}

pub(super) fn follow(
    shared: Arc<Shared>,
    from: u64,
) -> BoxStream<'static, Result<Carried, CarrierError>> {
    let follower = Follower {
        appended: shared.acknowledged.watch(),
        shared,
        next: from,
        reading: None,
        due: from,
        delivered: false,
        ahead: VecDeque::new(),
        unseen: VecDeque::new(),
        heard: Instant::now(),
    };
    carrying::stream(follower)
}

impl Following for Follower {
    async fn next(&mut self) -> Result<Carried, CarrierError> {
        if self.reading.is_none() {
            self.reading = Some(begin(&self.shared, self.next).await?);
            self.heard = Instant::now();
        }
        let mut gone_on = false;
        loop {
            if let Some(carried) = self.at_hand()? {
                return Ok(carried);
            }
            match self.arrival().await {
                Arrival::Record(record) => {
                    gone_on = false;
                    if let Some(carried) = self.take(&record)? {
                        return Ok(carried);
                    }
                }
                Arrival::Append => {}
                Arrival::Error(error) => return Err(error),
                // What came between the look and now is still on its way: the next silence decides.
                Arrival::Nothing if !gone_on && self.unseen.is_empty() => {
                    gone_on = end(&self.shared).await? > self.due;
                    self.heard = Instant::now();
                }
                Arrival::Nothing => {
                    return Err(unavailable(format!(
                        "the partition went on, but nothing comes from {}",
                        self.due
                    )));
                }
            }
        }
    }
}

impl Follower {
    /// What needs no waiting: records that are here, then what was acknowledged.
    fn at_hand(&mut self) -> Result<Option<Carried>, CarrierError> {
        while let Some((_, records)) = &mut self.reading {
            let carried = match records.next().now_or_never() {
                None => break,
                Some(None) => return Err(unavailable(ENDED)),
                Some(Some(Err(code))) => return Err(failure(code)),
                Some(Some(Ok(record))) => self.take(&record)?,
            };
            if carried.is_some() {
                return Ok(carried);
            }
        }
        self.appended.borrow_and_update();
        if self.unseen.len() >= UNSEEN_MAX {
            return Ok(None);
        }
        if self.ahead.is_empty() {
            self.ahead = self.shared.acknowledged.from(self.next).into();
        }
        Ok(self.ahead.pop_front().map(|entry| {
            if self.unseen.is_empty() {
                self.heard = Instant::now();
            }
            let offset = Offset(self.next);
            self.unseen.push_back(crc32c::crc32c(&entry));
            self.next = self.next.saturating_add(1);
            Carried { offset, entry }
        }))
    }

    /// Waits for something to happen.
    async fn arrival(&mut self) -> Arrival {
        let Some((_, records)) = &mut self.reading else { return Arrival::Nothing };
        tokio::select! {
            biased;
            record = tokio::time::timeout_at(self.heard + SILENCE, records.next()) => match record {
                Ok(Some(Ok(record))) => Arrival::Record(record),
                Ok(Some(Err(code))) => Arrival::Error(failure(code)),
                Ok(None) => Arrival::Error(unavailable(ENDED)),
                Err(_) => Arrival::Nothing,
            },
            // The sender is in what this follower holds.
            _ = self.appended.changed() => Arrival::Append,
        }
    }

    /// A record that came: `None` when it was handed on before.
    fn take(&mut self, record: &Record) -> Result<Option<Carried>, CarrierError> {
        let offset = u64::try_from(record.offset()).unwrap_or(0);
        if offset != self.due {
            let (from, first) = (Offset(self.due), Offset(offset));
            return Err(if offset > self.due && !self.delivered {
                CarrierError::Gone { from, first }
            } else {
                // Not served: the caller begins again behind what it has got.
                unavailable(format!("records {from} to {first} were skipped by the client"))
            });
        }
        self.due = offset.saturating_add(1);
        self.delivered = true;
        self.heard = Instant::now();
        if let Some(checksum) = self.unseen.pop_front() {
            if crc32c::crc32c(record.value()) == checksum {
                return Ok(None);
            }
            return Err(unavailable(format!(
                "at {offset} is another record than the one that was acknowledged there"
            )));
        }
        // Nothing is ahead of what comes from the partition.
        self.ahead.clear();
        self.next = self.due;
        let entry = Bytes::copy_from_slice(record.value());
        Ok(Some(Carried { offset: Offset(offset), entry }))
    }
}
