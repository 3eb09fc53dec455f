//! Reading a carrier: every entry once, in order, through the rule, and never past a loss unnoticed.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream::BoxStream;

use super::carrier::{Carried, Carrier, CarrierError, Offset};
use super::cursor::{self, Saved, Tail};
use super::error::EngineError;
use super::rule::{Rule, Verdict};

type Entries = BoxStream<'static, Result<Carried, CarrierError>>;

/// A place in a carrier, and the rule's state there.
pub(crate) struct Reader {
    carrier: Arc<dyn Carrier>,
    pub(crate) rule: Rule,
    next: Offset,
    tail: Tail,
    entries: Option<Entries>,
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").field("next", &self.next).finish_non_exhaustive()
    }
}

impl Reader {
    pub(crate) fn new(carrier: Arc<dyn Carrier>, from: Saved) -> Self {
        let Saved { next, rule, tail } = from;
        Self { carrier, rule, next, tail, entries: None }
    }

    /// The place of the next entry.
    pub(crate) const fn next(&self) -> Offset {
        self.next
    }

    pub(crate) const fn tail(&self) -> &Tail {
        &self.tail
    }

    /// Gives the connection up; the next one begins with a look whether the last entries are still there.
    pub(crate) fn disconnect(&mut self) {
        self.entries = None;
    }

    /// Connects if it is not connected, and makes sure that the last entries are still there. Without it, being
    /// at the engine's end says nothing: other entries may be there now.
    ///
    /// # Errors
    /// [`EngineError::Carrier`], [`EngineError::TailLost`].
    pub(crate) async fn verify(&mut self) -> Result<(), EngineError> {
        if self.entries.is_none() {
            self.entries = Some(self.connect().await?);
        }
        Ok(())
    }

    async fn connect(&mut self) -> Result<Entries, EngineError> {
        let lost = EngineError::TailLost { read: self.next };
        if self.carrier.end().await? < self.next {
            return Err(lost);
        }
        let mut at = Offset(self.next.0.saturating_sub(self.tail.len()));
        let mut entries = self.carrier.follow(at);
        for print in self.tail.prints() {
            let carried = next_of(&mut entries).await?;
            if carried.offset != at || cursor::print(&carried.entry) != print {
                return Err(lost);
            }
            at = Offset(at.0 + 1);
        }
        Ok(entries)
    }

    /// Waits for the next entry. Cancel-safe.
    ///
    /// # Errors
    /// [`EngineError::Carrier`], [`EngineError::Skipped`], [`EngineError::TailLost`].
    pub(crate) async fn step(&mut self) -> Result<Verdict, EngineError> {
        loop {
            let entries = match &mut self.entries {
                Some(entries) => entries,
                None => {
                    let entries = self.connect().await?;
                    self.entries.insert(entries)
                }
            };
            let carried = match next_of(entries).await {
                Ok(carried) => carried,
                Err(error) => {
                    self.entries = None;
                    return Err(error.into());
                }
            };
            if carried.offset < self.next {
                continue;
            }
            if carried.offset > self.next {
                self.entries = None;
                return Err(EngineError::Skipped { expected: self.next, found: carried.offset });
            }
            return Ok(self.take(&carried.entry));
        }
    }

    /// Takes the entry at the next place, however it is known to be there.
    pub(crate) fn take(&mut self, entry: &Bytes) -> Verdict {
        self.next = Offset(self.next.0 + 1);
        self.tail.push(entry);
        let verdict = self.rule.fold(entry);
        if let Verdict::Ignored(reason) = verdict {
            let name = reason.name();
            metrics::counter!("ledgerline_engine_ignored_entries_total", "reason" => name)
                .increment(1);
        }
        verdict
    }
}

async fn next_of(entries: &mut Entries) -> Result<Carried, CarrierError> {
    entries.next().await.unwrap_or_else(|| {
        Err(CarrierError::Unavailable { reason: "the engine ended the entries".to_owned() })
    })
}
