//! Events that were sent as often as the schedule says and never taken.

use std::collections::BTreeMap;

use ledgerline_schemas::id::EventId;
use ledgerline_schemas::{Position, StreamId, Timestamp};
use serde::{Deserialize, Serialize};

use super::journal::Item;

/// Dead letters that are kept of a subscription. Of older ones the log's `webhook.given_up` tells.
pub const DEAD_LETTERS_MAX: usize = 500;

/// An event that was given up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetter {
    /// Where it is.
    pub position: Position,
    /// The event.
    pub event_id: EventId,
    /// Its stream.
    pub stream: StreamId,
    /// The type it was sent as.
    pub event_type: String,
    /// Attempts.
    pub attempts: u32,
    /// When it was given up.
    pub at: Timestamp,
    /// Why the last attempt failed.
    pub reason: String,
}

/// The dead letters of a subscription, by position.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetters {
    letters: BTreeMap<Position, DeadLetter>,
    /// How many were too many and are no longer kept.
    pub dropped: u64,
}

impl DeadLetters {
    /// In order.
    pub fn iter(&self) -> impl Iterator<Item = &DeadLetter> {
        self.letters.values()
    }

    /// How many are kept.
    #[must_use]
    pub fn len(&self) -> usize {
        self.letters.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.letters.is_empty()
    }

    /// Keeps one; the oldest goes when there are too many.
    pub fn add(&mut self, item: Item, at: Timestamp) {
        let Item { position, event_id, stream, event_type, attempts, reason, .. } = item;
        let letter = DeadLetter { position, event_id, stream, event_type, attempts, at, reason };
        self.letters.insert(position, letter);
        while self.letters.len() > DEAD_LETTERS_MAX {
            self.letters.pop_first();
            self.dropped += 1;
        }
    }

    /// Takes out those at these positions; all without any, at most `max`.
    pub fn take(&mut self, positions: Option<&[Position]>, max: usize) -> Vec<DeadLetter> {
        let known = self.letters.keys().copied();
        let wanted: Vec<Position> = known
            .filter(|position| positions.is_none_or(|wanted| wanted.contains(position)))
            .take(max)
            .collect();
        wanted.iter().filter_map(|position| self.letters.remove(position)).collect()
    }
}
