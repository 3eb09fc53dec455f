//! What of the log is to be sent to one endpoint, and when. It does no input or output and reads no clock.
//!
//! A lane is one stream: of an interaction, of an agent. Of a lane only its oldest event is sent; the others wait behind
//! it, and other lanes do not wait. What waits is bounded: when there are too many lanes or events, nothing more is
//! read, and the log is the buffer.

use std::collections::{BTreeMap, BTreeSet};

use ledgerline_schemas::id::EntityId;
use ledgerline_schemas::{DurationMs, Position, StreamId, Timestamp};

use super::body::message_id;
use super::journal::Item;
use super::retry;

/// Failures in a row after which an endpoint counts as down.
const DOWN_FAILURES: u32 = 3;
/// What was tried less than this before is not tried again because the endpoint is back, ms.
const RECENT_MS: DurationMs = 60_000;

/// What may wait at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Lanes.
    pub lanes_max: usize,
    /// Events.
    pub open_max: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { lanes_max: 200, open_max: 1_000 }
    }
}

/// What is open at one endpoint.
#[derive(Debug)]
pub struct Outbox {
    subscription_id: EntityId,
    bounds: Bounds,
    read: Position,
    open: BTreeMap<Position, Item>,
    lanes: BTreeMap<StreamId, BTreeSet<Position>>,
    in_flight: BTreeSet<Position>,
    /// Failures since the last success.
    failures: u32,
    /// What may be tried before its time, for the endpoint is back.
    early: BTreeSet<Position>,
}

impl Outbox {
    /// From what was saved.
    #[must_use]
    pub fn new(
        subscription_id: EntityId,
        read: Position,
        open: impl IntoIterator<Item = Item>,
        bounds: Bounds,
    ) -> Self {
        let mut outbox = Self {
            subscription_id,
            bounds,
            read,
            open: BTreeMap::new(),
            lanes: BTreeMap::new(),
            in_flight: BTreeSet::new(),
            failures: 0,
            early: BTreeSet::new(),
        };
        open.into_iter().for_each(|item| outbox.put(item));
        outbox
    }

    /// Everything up to here was read.
    #[must_use]
    pub const fn read(&self) -> Position {
        self.read
    }

    /// Everything up to here is done.
    #[must_use]
    pub fn done(&self) -> Position {
        match self.open.keys().next() {
            Some(first) => Position(first.0.saturating_sub(1)).min(self.read),
            None => self.read,
        }
    }

    /// What is not done, in order.
    pub fn open(&self) -> impl Iterator<Item = &Item> {
        self.open.values()
    }

    /// How much is not done.
    #[must_use]
    pub fn open_len(&self) -> usize {
        self.open.len()
    }

    /// How many lanes have something to send.
    #[must_use]
    pub fn lanes_len(&self) -> usize {
        self.lanes.len()
    }

    /// Events that may be read now.
    #[must_use]
    pub fn room(&self) -> usize {
        let lanes = self.bounds.lanes_max.saturating_sub(self.lanes.len());
        let open = self.bounds.open_max.saturating_sub(self.open.len());
        lanes.min(open)
    }

    /// Events in lanes that nothing holds up.
    #[must_use]
    pub fn flowing(&self) -> usize {
        let lanes = self.lanes.values();
        let flowing = lanes.filter(|lane| self.head(lane).is_some_and(|head| head.attempts == 0));
        flowing.map(BTreeSet::len).sum()
    }

    fn head(&self, lane: &BTreeSet<Position>) -> Option<&Item> {
        self.open.get(lane.first()?)
    }

    /// Adds an event: one that was read, or a dead letter that is sent again.
    pub fn put(&mut self, item: Item) {
        self.lanes.entry(item.stream.clone()).or_default().insert(item.position);
        self.open.insert(item.position, item);
    }

    /// Says how far was read.
    pub fn read_to(&mut self, position: Position) {
        self.read = self.read.max(position);
    }

    /// Takes what may be sent now, oldest first; it is in flight until [`Self::delivered`], [`Self::failed`] or
    /// [`Self::returned`].
    pub fn due(&mut self, now: Timestamp, max: usize) -> Vec<Item> {
        let max = max.saturating_sub(self.in_flight.len());
        let mut due: Vec<Item> = Vec::new();
        for lane in self.lanes.values() {
            if lane.iter().any(|position| self.in_flight.contains(position)) {
                continue;
            }
            let Some(head) = self.head(lane) else { continue };
            if head.next_at <= now || self.early.contains(&head.position) {
                due.push(head.clone());
            }
        }
        due.sort_by_key(|item| item.position);
        due.truncate(max);
        self.in_flight.extend(due.iter().map(|item| item.position));
        due
    }

    /// When something is due next, of what is not in flight.
    #[must_use]
    pub fn next_at(&self) -> Option<Timestamp> {
        let lanes = self.lanes.values();
        let heads = lanes.filter_map(|lane| self.head(lane));
        heads.filter(|head| !self.in_flight.contains(&head.position)).map(|head| head.next_at).min()
    }

    /// An event was taken.
    pub fn delivered(&mut self, position: Position, now: Timestamp) {
        self.remove(position);
        let was_down = self.failures >= DOWN_FAILURES;
        self.failures = 0;
        if was_down {
            // Whoever is back after a day is not kept waiting for the rest of it.
            let lanes = self.lanes.values();
            let heads = lanes.filter_map(|lane| self.head(lane));
            let waiting =
                heads.filter(|it| it.attempts > 0 && now.ms_since(it.tried_at) > RECENT_MS);
            self.early = waiting.map(|it| it.position).collect();
        }
    }

    /// Whether another failure of this event would be its last.
    #[must_use]
    pub fn is_last(&self, position: Position, now: Timestamp) -> bool {
        let Some(item) = self.open.get(&position) else { return false };
        !self.is_before_time(item, now) && item.attempts.saturating_add(1) >= retry::ATTEMPTS_MAX
    }

    fn is_before_time(&self, item: &Item, now: Timestamp) -> bool {
        self.early.contains(&item.position) && now < item.next_at
    }

    /// An attempt failed; gives the event back when nothing more will be tried.
    pub fn failed(&mut self, position: Position, reason: String, now: Timestamp) -> Option<Item> {
        self.in_flight.remove(&position);
        self.failures = self.failures.saturating_add(1);
        let id = self.subscription_id;
        let is_early = self.open.get(&position).is_some_and(|item| self.is_before_time(item, now));
        self.early.remove(&position);
        let item = self.open.get_mut(&position)?;
        item.reason = reason;
        item.tried_at = now;
        if is_early {
            // It does not count: the schedule goes on as it was.
            return None;
        }
        item.attempts = item.attempts.saturating_add(1);
        match retry::next(message_id(item.event_id, id), item.attempts, now) {
            Some(next_at) => {
                item.next_at = next_at;
                None
            }
            None => self.remove(position),
        }
    }

    /// An attempt was not made after all.
    pub fn returned(&mut self, position: Position) {
        self.in_flight.remove(&position);
    }

    /// No attempt is being made: those that were begun were broken off.
    pub fn nothing_in_flight(&mut self) {
        self.in_flight.clear();
    }

    /// Everything is to be tried now.
    pub fn hurry(&mut self) {
        self.early = self.open.keys().copied().collect();
    }

    fn remove(&mut self, position: Position) -> Option<Item> {
        self.in_flight.remove(&position);
        self.early.remove(&position);
        let item = self.open.remove(&position)?;
        if let Some(lane) = self.lanes.get_mut(&item.stream) {
            lane.remove(&position);
            if lane.is_empty() {
                self.lanes.remove(&item.stream);
            }
        }
        Some(item)
    }
}

#[cfg(test)]
mod tests {
    use ledgerline_schemas::id::EventId;

    use super::*;

    fn item(position: u64, stream: &str) -> Item {
        Item {
            position: Position(position),
            event_id: EventId::from_u128(u128::from(position)),
            stream: StreamId::new(stream),
            event_type: "task.created".to_owned(),
            attempts: 0,
            tried_at: Timestamp::EPOCH,
            next_at: Timestamp::EPOCH,
            reason: String::new(),
        }
    }

    fn outbox(items: impl IntoIterator<Item = Item>) -> Outbox {
        let bounds = Bounds { lanes_max: 3, open_max: 6 };
        Outbox::new(EntityId::from_u128(1), Position(100), items, bounds)
    }

    fn due(outbox: &mut Outbox, now: Timestamp) -> Vec<u64> {
        outbox.due(now, 10).iter().map(|item| item.position.0).collect()
    }

    #[test]
    fn a_lane_waits_for_its_first_and_others_do_not() {
        let now = Timestamp::EPOCH;
        let mut it = outbox([item(1, "a"), item(2, "a"), item(3, "b"), item(4, "b")]);
        assert_eq!(it.done(), Position(0));
        assert_eq!(due(&mut it, now), [1, 3]);
        assert_eq!(due(&mut it, now), [0; 0]);
        assert_eq!(it.failed(Position(1), "down".into(), now), None);
        it.delivered(Position(3), now);
        assert_eq!(due(&mut it, now), [4]);
        it.delivered(Position(4), now);
        assert_eq!(due(&mut it, now), [0; 0]);
        assert_eq!((it.open_len(), it.lanes_len(), it.done()), (2, 1, Position(0)));
        let later = it.next_at().unwrap();
        assert!(later > now);
        assert_eq!(due(&mut it, later), [1]);
        it.delivered(Position(1), later);
        assert_eq!(it.done(), Position(1));
        assert_eq!(due(&mut it, later), [2]);
        it.delivered(Position(2), later);
        assert_eq!((it.done(), it.next_at()), (Position(100), None));
    }

    #[test]
    fn reading_pauses_when_too_much_waits() {
        let mut it = outbox([item(1, "a"), item(2, "b")]);
        assert_eq!(it.room(), 1);
        it.put(item(3, "c"));
        assert_eq!(it.room(), 0);
        it.delivered(Position(3), Timestamp::EPOCH);
        assert_eq!(it.room(), 1);
        (4..8).for_each(|position| it.put(item(position, "a")));
        assert_eq!(it.room(), 0);
    }

    #[test]
    fn the_last_failure_gives_the_event_up() {
        let mut it = outbox([item(1, "a"), item(2, "a")]);
        let mut now = Timestamp::EPOCH;
        for attempt in 1..retry::ATTEMPTS_MAX {
            assert_eq!(due(&mut it, now), [1], "attempt {attempt}");
            assert!(!it.is_last(Position(1), now));
            assert_eq!(it.failed(Position(1), "down".into(), now), None, "attempt {attempt}");
            now = it.next_at().unwrap();
        }
        assert_eq!(due(&mut it, now), [1]);
        assert!(it.is_last(Position(1), now));
        let given_up = it.failed(Position(1), "down".into(), now).unwrap();
        assert_eq!(given_up.attempts, retry::ATTEMPTS_MAX);
        assert_eq!(due(&mut it, now), [2]);
    }

    #[test]
    fn whoever_is_back_is_not_kept_waiting_and_the_schedule_stays() {
        let mut it = outbox([item(1, "a"), item(2, "b"), item(3, "c")]);
        let mut now = Timestamp::EPOCH;
        for _ in 0..4 {
            for position in due(&mut it, now) {
                it.failed(Position(position), "down".into(), now);
            }
            now = it.open().map(|item| item.next_at).max().unwrap();
        }
        // Only the first is due; with it the others come, though their time is an hour ahead.
        let first = it.next_at().unwrap();
        let at = due(&mut it, first)[0];
        it.delivered(Position(at), first);
        let rest = due(&mut it, first);
        assert_eq!(rest.len(), 2);
        let before: Vec<_> = it.open().map(|item| (item.attempts, item.next_at)).collect();
        for position in rest {
            assert_eq!(it.failed(Position(position), "not this one".into(), first), None);
        }
        let after: Vec<_> = it.open().map(|item| (item.attempts, item.next_at)).collect();
        assert_eq!(before, after);
        // One that fails for its own reasons is not tried with every success of others.
        it.put(item(4, "d"));
        assert_eq!(due(&mut it, first), [4]);
        it.delivered(Position(4), first);
        assert_eq!(due(&mut it, first), [0; 0]);
    }
}
