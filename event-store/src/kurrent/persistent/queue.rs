//! Who has which event: the state of a group without input or output.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use ledgerline_schemas::Recorded;
use uuid::Uuid;

use super::settings::{Settings, Strategy};

/// A connected consumer.
pub(crate) type ConsumerId = u64;

/// An event on its way through the group. `ordinal` is its version in the stream, or its position.
#[derive(Clone, Debug)]
struct Item {
    ordinal: u64,
    retries: u32,
    /// It was parked and is tried again: it stays parked until it is settled.
    replayed: bool,
    event: Arc<Recorded>,
}

#[derive(Debug)]
struct Held {
    item: Item,
    until: Option<Instant>,
}

#[derive(Debug)]
struct Consumer {
    slots: usize,
    in_flight: BTreeMap<Uuid, Held>,
    served: u64,
}

/// An event for a consumer.
#[derive(Clone, Debug)]
pub(crate) struct Dispatch {
    pub(crate) consumer: ConsumerId,
    pub(crate) event: Arc<Recorded>,
    pub(crate) retries: u32,
}

/// What a consumer says of an event it did not handle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Park,
    Retry,
    Skip,
}

/// What must be written down.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) park: Vec<(u64, String)>,
    pub(crate) unpark: Vec<u64>,
}

impl Change {
    pub(crate) fn is_empty(&self) -> bool {
        self.park.is_empty() && self.unpark.is_empty()
    }
}

/// The state of a group.
#[derive(Debug)]
pub(crate) struct Queue {
    settings: Settings,
    /// The first version or position that was not loaded yet.
    next: u64,
    ready: VecDeque<Item>,
    consumers: BTreeMap<ConsumerId, Consumer>,
    last_id: ConsumerId,
    last_served: ConsumerId,
    /// Loaded, and neither acknowledged, skipped nor parked.
    unsettled: BTreeSet<u64>,
    replaying: BTreeSet<u64>,
    pub(crate) settled: u64,
}

impl Queue {
    pub(crate) fn new(settings: Settings, next: u64) -> Self {
        Self {
            settings,
            next,
            ready: VecDeque::new(),
            consumers: BTreeMap::new(),
            last_id: 0,
            last_served: 0,
            unsettled: BTreeSet::new(),
            replaying: BTreeSet::new(),
            settled: 0,
        }
    }

    pub(crate) const fn next(&self) -> u64 {
        self.next
    }

    /// Everything before this is settled.
    pub(crate) fn checkpoint(&self) -> u64 {
        self.unsettled.first().copied().unwrap_or(self.next)
    }

    /// How many events to load; 0 when nobody is there to get them.
    pub(crate) fn wants(&self) -> usize {
        if self.consumers.is_empty() {
            return 0;
        }
        self.settings.read_batch.saturating_sub(self.ready.len())
    }

    /// Takes events in order; everything before `next` was looked at.
    pub(crate) fn loaded(&mut self, events: Vec<(u64, Recorded)>, next: u64) {
        for (ordinal, event) in events {
            self.unsettled.insert(ordinal);
            let event = Arc::new(event);
            self.ready.push_back(Item { ordinal, retries: 0, replayed: false, event });
        }
        self.next = self.next.max(next);
    }

    /// Takes parked events again.
    pub(crate) fn replay(&mut self, events: Vec<(u64, Recorded)>) {
        for (ordinal, event) in events.into_iter().rev() {
            if self.replaying.insert(ordinal) {
                let event = Arc::new(event);
                self.ready.push_front(Item { ordinal, retries: 0, replayed: true, event });
            }
        }
    }

    pub(crate) fn is_replaying(&self, ordinal: u64) -> bool {
        self.replaying.contains(&ordinal)
    }

    pub(crate) fn replaying(&self) -> usize {
        self.replaying.len()
    }

    /// A consumer comes; `None`: there is no place for it.
    pub(crate) fn join(&mut self, slots: usize) -> Option<ConsumerId> {
        let max = self.settings.max_consumers;
        if max > 0 && self.consumers.len() >= max {
            return None;
        }
        self.last_id += 1;
        let consumer = Consumer { slots: slots.max(1), in_flight: BTreeMap::new(), served: 0 };
        self.consumers.insert(self.last_id, consumer);
        Some(self.last_id)
    }

    /// A consumer goes: what it had goes to others, in order, and not as a repetition of theirs.
    pub(crate) fn leave(&mut self, id: ConsumerId) {
        let Some(consumer) = self.consumers.remove(&id) else { return };
        let mut items: Vec<Item> = consumer.in_flight.into_values().map(|it| it.item).collect();
        items.sort_by_key(|item| item.ordinal);
        for item in items.into_iter().rev() {
            self.ready.push_front(item);
        }
    }

    /// Hands out what can be handed out.
    pub(crate) fn dispatch(&mut self, now: Instant) -> Vec<Dispatch> {
        let until = self.settings.message_timeout.and_then(|it| now.checked_add(it));
        let mut out = Vec::new();
        let mut kept = VecDeque::new();
        while let Some(item) = self.ready.pop_front() {
            if self.consumers.values().all(|it| it.in_flight.len() >= it.slots) {
                kept.push_back(item);
                break;
            }
            let Some(id) = self.choose(&item) else {
                kept.push_back(item);
                continue;
            };
            let Some(consumer) = self.consumers.get_mut(&id) else { continue };
            self.last_served = id;
            consumer.served += 1;
            let (event, retries) = (Arc::clone(&item.event), item.retries);
            consumer.in_flight.insert(event.header.id.uuid(), Held { item, until });
            out.push(Dispatch { consumer: id, event, retries });
        }
        while let Some(item) = kept.pop_back() {
            self.ready.push_front(item);
        }
        out
    }

    fn choose(&self, item: &Item) -> Option<ConsumerId> {
        let free =
            |(id, it): (&ConsumerId, &Consumer)| (it.in_flight.len() < it.slots).then_some(*id);
        match self.settings.strategy {
            Strategy::DispatchToSingle => self.consumers.iter().find_map(free),
            Strategy::RoundRobin => {
                let after = self.last_served.saturating_add(1);
                let mut turn = self.consumers.range(after..).chain(self.consumers.range(..after));
                turn.find_map(free)
            }
            Strategy::Pinned => {
                let hash = crc32c::crc32c(item.event.header.stream.as_str().as_bytes()) as usize;
                let at = hash.checked_rem(self.consumers.len())?;
                self.consumers.iter().nth(at).and_then(free)
            }
        }
    }

    /// An event could not be handed over after all.
    pub(crate) fn give_back(&mut self, dispatch: &Dispatch) {
        let held = self
            .consumers
            .get_mut(&dispatch.consumer)
            .and_then(|it| it.in_flight.remove(&dispatch.event.header.id.uuid()));
        if let Some(held) = held {
            self.ready.push_front(held.item);
        }
    }

    fn take(&mut self, id: ConsumerId, events: &[Uuid]) -> Vec<Item> {
        let Some(consumer) = self.consumers.get_mut(&id) else { return Vec::new() };
        events
            .iter()
            .filter_map(|event| consumer.in_flight.remove(event))
            .map(|it| it.item)
            .collect()
    }

    fn settle(&mut self, item: &Item, change: &mut Change) {
        self.unsettled.remove(&item.ordinal);
        self.settled += 1;
        if item.replayed {
            self.replaying.remove(&item.ordinal);
            change.unpark.push(item.ordinal);
        }
    }

    fn park(&mut self, item: &Item, reason: &str, change: &mut Change) {
        self.unsettled.remove(&item.ordinal);
        self.replaying.remove(&item.ordinal);
        self.settled += 1;
        change.park.push((item.ordinal, reason.to_owned()));
    }

    fn retry(&mut self, mut item: Item, reason: &str, change: &mut Change) {
        item.retries += 1;
        if item.retries > self.settings.max_retries {
            self.park(&item, reason, change);
        } else {
            self.ready.push_front(item);
        }
    }

    /// A consumer has handled events. What it does not hold is passed over: it may have timed out.
    pub(crate) fn ack(&mut self, id: ConsumerId, events: &[Uuid]) -> Change {
        let mut change = Change::default();
        for item in self.take(id, events) {
            self.settle(&item, &mut change);
        }
        change
    }

    /// A consumer has not handled events.
    pub(crate) fn nack(
        &mut self,
        id: ConsumerId,
        events: &[Uuid],
        action: Action,
        reason: &str,
    ) -> Change {
        let mut change = Change::default();
        for item in self.take(id, events).into_iter().rev() {
            match action {
                Action::Park => self.park(&item, reason, &mut change),
                Action::Skip => self.settle(&item, &mut change),
                Action::Retry => self.retry(item, reason, &mut change),
            }
        }
        change
    }

    /// Takes back what consumers kept too long.
    pub(crate) fn expire(&mut self, now: Instant) -> Change {
        let mut late = Vec::new();
        for consumer in self.consumers.values_mut() {
            let over = |held: &Held| held.until.is_some_and(|until| until <= now);
            let ids: Vec<Uuid> = consumer
                .in_flight
                .iter()
                .filter(|(_, held)| over(held))
                .map(|(id, _)| *id)
                .collect();
            late.extend(ids.iter().filter_map(|id| consumer.in_flight.remove(id)));
        }
        late.sort_by_key(|held| held.item.ordinal);
        let mut change = Change::default();
        for held in late.into_iter().rev() {
            self.retry(held.item, "timed out", &mut change);
        }
        change
    }

    /// When [`Queue::expire`] has work next.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.consumers.values().flat_map(|it| it.in_flight.values()).filter_map(|it| it.until).min()
    }

    pub(crate) fn ready(&self) -> usize {
        self.ready.len()
    }

    /// Events waiting for another try.
    pub(crate) fn retrying(&self) -> usize {
        self.ready.iter().filter(|item| item.retries > 0).count()
    }

    /// Slots, events in flight and events served, of a consumer.
    pub(crate) fn load_of(&self, id: ConsumerId) -> (usize, usize, u64) {
        self.consumers.get(&id).map_or((0, 0, 0), |it| (it.slots, it.in_flight.len(), it.served))
    }

    pub(crate) fn in_flight(&self) -> usize {
        self.consumers.values().map(|it| it.in_flight.len()).sum()
    }
}
