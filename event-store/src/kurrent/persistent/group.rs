//! A running group: one task that loads events, hands them out and writes down what is settled.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use ledgerline_schemas::{Position, Recorded, StreamId, Version};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;
use tonic::Status;
use uuid::Uuid;

use super::info;
use super::queue::{Action, Change, ConsumerId, Queue};
use super::settings::Settings;
use super::store::{Key, Store, StoreError, Stored};
use crate::kurrent::event::{Shown, UuidForm};
use crate::kurrent::filter::Matcher;
use crate::kurrent::outlet::Outlet;
use crate::kurrent::read::{PAGE_EVENTS, blocking, failed, passes};
use crate::kurrent::refusal;
use crate::kurrent::wire::persistent::{ReadResp, SubscriptionInfo};
use crate::log::{Direction, EventReader, EventWriter, Filter};

/// A consumer that wants in.
#[derive(Debug)]
pub(crate) struct Joining {
    pub(crate) slots: usize,
    pub(crate) form: UuidForm,
    pub(crate) username: String,
    pub(crate) from: String,
    pub(crate) outlet: Arc<Outlet<ReadResp>>,
    pub(crate) reply: oneshot::Sender<Option<ConsumerId>>,
}

/// What a group is told.
#[derive(Debug)]
pub(crate) enum Command {
    Join(Joining),
    Leave(ConsumerId),
    Ack {
        consumer: ConsumerId,
        events: Vec<Uuid>,
    },
    Nack {
        consumer: ConsumerId,
        events: Vec<Uuid>,
        action: Action,
        reason: String,
        stop: bool,
    },
    Replay {
        limit: usize,
        reply: oneshot::Sender<()>,
    },
    Info(oneshot::Sender<SubscriptionInfo>),
    /// Ends: consumers hear this status. Answered when everything is written down.
    Close(Status, oneshot::Sender<()>),
}

/// A consumer as the group knows it beyond its queue.
#[derive(Debug)]
pub(crate) struct Connected {
    pub(crate) username: String,
    pub(crate) from: String,
    form: UuidForm,
    outlet: Arc<Outlet<ReadResp>>,
}

/// A running group.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) key: Key,
    pub(crate) stored: Stored,
    pub(crate) settings: Settings,
    pub(crate) queue: Queue,
    pub(crate) connected: BTreeMap<ConsumerId, Connected>,
    pub(crate) saved: u64,
    pub(crate) parked: usize,
    log: Arc<dyn EventWriter>,
    store: Arc<Store>,
    matcher: Option<Arc<Matcher>>,
    saved_at: Instant,
    settled_at_save: u64,
    /// The log had no more the last time we looked.
    dry: bool,
}

fn unusable(error: &StoreError) -> Status {
    tracing::error!(%error, "a persistent subscription stopped");
    Status::internal("the state of the persistent subscription cannot be stored")
}

impl Group {
    pub(crate) fn new(
        key: Key,
        stored: Stored,
        log: Arc<dyn EventWriter>,
        store: Arc<Store>,
    ) -> Result<Self, Status> {
        let settings = Settings::read(&stored.settings)?;
        let matcher = stored.filter.as_deref().map(Matcher::decode).transpose()?.map(Arc::new);
        let parked = store.parked(&key).map_err(|error| unusable(&error))?.len();
        let next = stored.next.unwrap_or(stored.start);
        Ok(Self {
            queue: Queue::new(settings.clone(), next),
            connected: BTreeMap::new(),
            saved: next,
            parked,
            saved_at: Instant::now(),
            settled_at_save: 0,
            dry: false,
            key,
            stored,
            settings,
            log,
            store,
            matcher,
        })
    }

    /// Runs until it is closed or the server stops.
    pub(crate) async fn run(
        mut self,
        mut commands: mpsc::Receiver<Command>,
        closing: CancellationToken,
    ) {
        let mut head = self.log.watch_head();
        let (status, reply) = match self.work(&mut commands, &mut head, &closing).await {
            Ok(Ended::Stopped) => (refusal::closing(), None),
            Ok(Ended::Closed(status, reply)) => (status, Some(reply)),
            Err(status) => (status, None),
        };
        if let Err(status) = self.save(true).await {
            tracing::warn!(%status, group = self.key.group, "its position was not saved at the end");
        }
        for consumer in self.connected.values() {
            consumer.outlet.fail_now(status.clone());
        }
        if let Some(reply) = reply {
            let _ = reply.send(());
        }
    }

    async fn work(
        &mut self,
        commands: &mut mpsc::Receiver<Command>,
        head: &mut watch::Receiver<Position>,
        closing: &CancellationToken,
    ) -> Result<Ended, Status> {
        loop {
            self.load(head).await?;
            self.hand_out();
            let late = self.queue.deadline();
            let save_due = (self.queue.checkpoint() != self.saved)
                .then(|| self.saved_at + self.settings.checkpoint_after);
            tokio::select! {
                biased;
                () = closing.cancelled() => return Ok(Ended::Stopped),
                command = commands.recv() => match command {
                    None => return Ok(Ended::Stopped),
                    Some(Command::Close(status, reply)) => return Ok(Ended::Closed(status, reply)),
                    Some(command) => self.obey(command).await?,
                },
                () = at(late) => {
                    let change = self.queue.expire(Instant::now());
                    self.write(change).await?;
                }
                () = at(save_due) => self.save(false).await?,
                changed = head.changed(), if self.queue.wants() > 0 => {
                    if changed.is_err() {
                        return Ok(Ended::Stopped);
                    }
                    self.dry = false;
                }
            }
        }
    }

    async fn obey(&mut self, command: Command) -> Result<(), Status> {
        match command {
            Command::Join(joining) => {
                let id = self.queue.join(joining.slots);
                if let Some(id) = id {
                    let Joining { form, username, from, outlet, .. } = joining;
                    self.connected.insert(id, Connected { username, from, form, outlet });
                    // What was appended while nobody was here.
                    self.dry = false;
                }
                let _ = joining.reply.send(id);
            }
            Command::Leave(id) => {
                self.queue.leave(id);
                self.connected.remove(&id);
                if self.connected.is_empty() {
                    self.save(true).await?;
                }
            }
            Command::Ack { consumer, events } => {
                let change = self.queue.ack(consumer, &events);
                self.write(change).await?;
                if self.queue.settled - self.settled_at_save >= self.settings.checkpoint_max {
                    self.save(true).await?;
                }
            }
            Command::Nack { consumer, events, action, reason, .. } => {
                let change = self.queue.nack(consumer, &events, action, &reason);
                self.write(change).await?;
            }
            Command::Replay { limit, reply } => {
                self.replay(limit).await?;
                let _ = reply.send(());
            }
            Command::Info(reply) => {
                let _ = reply.send(info::of(self, self.log.as_ref()));
            }
            Command::Close(..) => {}
        }
        Ok(())
    }

    /// Loads what the consumers may soon take.
    async fn load(&mut self, head: &mut watch::Receiver<Position>) -> Result<(), Status> {
        while !self.dry && self.queue.wants() > 0 {
            let seen = *head.borrow_and_update();
            let max = self.queue.wants().min(PAGE_EVENTS);
            let (next, matcher) = (self.queue.next(), self.matcher.clone());
            let stream = self.key.stream.as_deref().map(StreamId::new);
            let (events, after, dry) = blocking(&self.log, move |log| match stream {
                Some(stream) => of_stream(log, &stream, next, max),
                None => of_all(log, matcher.as_deref(), next, max, seen),
            })
            .await?;
            self.dry = dry;
            self.queue.loaded(events, after);
        }
        Ok(())
    }

    fn hand_out(&mut self) {
        for dispatch in self.queue.dispatch(Instant::now()) {
            let Some(consumer) = self.connected.get(&dispatch.consumer) else { continue };
            let shown = Shown::of(Recorded::clone(&dispatch.event));
            let message = shown.into_delivery(consumer.form, dispatch.retries);
            if !consumer.outlet.send_now(message) {
                self.queue.give_back(&dispatch);
                // It reads too slowly or is gone; its connection will say so. Others go on.
                break;
            }
        }
    }

    /// Writes down what is parked before its position can be passed.
    async fn write(&mut self, change: Change) -> Result<(), Status> {
        if change.is_empty() {
            return Ok(());
        }
        let (store, key) = (Arc::clone(&self.store), self.key.clone());
        self.parked = blocking(&self.log, move |_| {
            store.park(&key, &change.park, &change.unpark).map_err(|error| unusable(&error))?;
            store.parked(&key).map(|it| it.len()).map_err(|error| unusable(&error))
        })
        .await?;
        Ok(())
    }

    /// Saves the position: now, or if enough was settled since.
    async fn save(&mut self, now: bool) -> Result<(), Status> {
        let next = self.queue.checkpoint();
        self.saved_at = Instant::now();
        let settled = self.queue.settled - self.settled_at_save;
        if next == self.saved || (!now && settled < self.settings.checkpoint_min) {
            return Ok(());
        }
        let (store, key) = (Arc::clone(&self.store), self.key.clone());
        blocking(&self.log, move |_| store.save_next(&key, next).map_err(|error| unusable(&error)))
            .await?;
        self.saved = next;
        self.settled_at_save = self.queue.settled;
        Ok(())
    }

    /// Takes parked events again, the oldest `limit` of them.
    async fn replay(&mut self, limit: usize) -> Result<(), Status> {
        let (store, key) = (Arc::clone(&self.store), self.key.clone());
        let parked =
            blocking(&self.log, move |_| store.parked(&key).map_err(|error| unusable(&error)))
                .await?;
        let again: Vec<u64> =
            parked.into_iter().filter(|it| !self.queue.is_replaying(*it)).take(limit).collect();
        let stream = self.key.stream.as_deref().map(StreamId::new);
        let events = blocking(&self.log, move |log| {
            again.into_iter().map(|ordinal| one(log, stream.as_ref(), ordinal)).collect()
        })
        .await?;
        let events: Vec<Option<(u64, Recorded)>> = events;
        self.queue.replay(events.into_iter().flatten().collect());
        Ok(())
    }
}

enum Ended {
    Stopped,
    Closed(Status, oneshot::Sender<()>),
}

async fn at(instant: Option<Instant>) {
    match instant {
        Some(instant) => tokio::time::sleep_until(instant.into()).await,
        None => std::future::pending().await,
    }
}

type Loaded = (Vec<(u64, Recorded)>, u64, bool);

fn of_stream(
    log: &dyn EventReader,
    stream: &StreamId,
    next: u64,
    max: usize,
) -> Result<Loaded, Status> {
    let events = log.read_stream(stream, Version(next), Direction::Forward, max).map_err(failed)?;
    let dry = events.len() < max;
    let after = events.last().map_or(next, |it| it.header.version.0.saturating_add(1));
    Ok((events.into_iter().map(|it| (it.header.version.0, it)).collect(), after, dry))
}

fn of_all(
    log: &dyn EventReader,
    matcher: Option<&Matcher>,
    next: u64,
    max: usize,
    seen: Position,
) -> Result<Loaded, Status> {
    let after = Position(next.saturating_sub(1));
    if after >= seen {
        return Ok((Vec::new(), next, true));
    }
    let filter = matcher.map_or_else(Filter::all, Matcher::narrowed);
    let page = log.read_all(after, Direction::Forward, &filter, max).map_err(failed)?;
    let mut events = Vec::new();
    for event in page.events {
        if passes(matcher, &event)? {
            events.push((event.header.position.0, event));
        }
    }
    Ok((events, page.scanned_to.0.saturating_add(1), page.scanned_to >= seen))
}

fn one(
    log: &dyn EventReader,
    stream: Option<&StreamId>,
    ordinal: u64,
) -> Result<Option<(u64, Recorded)>, Status> {
    let events = match stream {
        Some(stream) => {
            log.read_stream(stream, Version(ordinal), Direction::Forward, 1).map_err(failed)?
        }
        None => {
            let before = Position(ordinal.saturating_sub(1));
            log.read_all(before, Direction::Forward, &Filter::all(), 1).map_err(failed)?.events
        }
    };
    Ok(events.into_iter().next().map(|event| (ordinal, event)))
}
