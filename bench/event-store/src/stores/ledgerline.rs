//! The embedded log, used as the engine uses it.

use std::path::Path;
use std::sync::Arc;

use futures::future::BoxFuture;
use futures::stream::BoxStream;
use futures::{FutureExt as _, StreamExt as _};
use ledgerline_event_store::{
    Append, Delivery, Direction, EmbeddedLog, EventReader as _, EventWriter as _, Filter, Options,
    Subscription,
};
use ledgerline_schemas::id::{CommandId, CorrelationId, EventId, OrgId};
use ledgerline_schemas::{Actor, NewEvent, Position, StreamId, Timestamp};

use super::{Client, Stored, TaskWriter, ThreadWriter, Want, Writer};
use crate::load::{Batch, Event, Load, RARE_TYPE, due_ns};
use crate::outcome::{Fault, Outcome};

/// The organization of the measured log.
pub(crate) const ORG: OrgId = OrgId::from_u128(1);
/// Up to so many writers are threads, more are tasks: nobody starts 512 threads for 512 customers.
const THREADS_MAX: u64 = 8;
/// Events of a page of a filtered read.
const PAGE_EVENTS: usize = 1_000;

/// An open log.
pub(crate) struct Embedded {
    pub(crate) log: EmbeddedLog,
}

impl Embedded {
    /// Opens or makes it.
    pub(crate) fn open(directory: &Path) -> Outcome<Self> {
        Ok(Self { log: EmbeddedLog::open(directory, ORG, Options::default())? })
    }
}

/// An append of ours: what the engine hands over for one decision.
pub(crate) fn append_of(batch: &Batch) -> Append {
    let stream = batch.stream_id();
    let events = batch.events().map(|event| new_event(&stream, event)).collect();
    Append { events, expected: Vec::new() }
}

fn new_event(stream: &StreamId, event: Event) -> NewEvent {
    NewEvent {
        id: EventId::from_u128(event.id),
        stream: stream.clone(),
        event_type: event.event_type.into(),
        time: Timestamp::from_millis(i64::try_from(event.number).unwrap_or(0)),
        command_id: CommandId::from_u128(u128::from(event.number)),
        correlation_id: CorrelationId::from_u128(u128::from(event.number)),
        causation_id: None,
        actor: Actor::router(),
        config_position: Position::START,
        traceparent: None,
        data_subject_id: None,
        payload: event.payload,
    }
}

struct Blocking(EmbeddedLog);

impl ThreadWriter for Blocking {
    fn append(&mut self, batch: Batch) -> Outcome<()> {
        self.0.submit(append_of(&batch))?.wait_blocking()?;
        Ok(())
    }
}

struct Awaiting(EmbeddedLog);

impl TaskWriter for Awaiting {
    fn append(&mut self, batch: Batch) -> BoxFuture<'_, Outcome<()>> {
        async move {
            self.0.submit(append_of(&batch))?.await?;
            Ok(())
        }
        .boxed()
    }
}

impl Client for Embedded {
    fn stored(&self) -> Outcome<Option<Stored>> {
        let verified = self.log.verify()?;
        let (frames, events, bytes) = (verified.frames, verified.events, verified.bytes);
        Ok(Some(Stored { frames, events, bytes }))
    }

    fn writer(&self, load: &Load, _index: u64) -> BoxFuture<'_, Outcome<Writer>> {
        let log = self.log.clone();
        let writer = if load.writers <= THREADS_MAX {
            Writer::Thread(Box::new(Blocking(log)))
        } else {
            Writer::Task(Box::new(Awaiting(log)))
        };
        std::future::ready(Ok(writer)).boxed()
    }

    fn read(&self, want: Want, _expected: u64) -> BoxFuture<'_, Outcome<u64>> {
        let read = match want {
            Want::All => self.scan(),
            Want::Rare => self.filtered(),
        };
        std::future::ready(read).boxed()
    }

    fn subscribe(&self) -> BoxFuture<'_, Outcome<Option<BoxStream<'static, Outcome<u64>>>>> {
        let subscription =
            Subscription::new(Arc::new(self.log.clone()), self.log.head(), Filter::all());
        let events = futures::stream::unfold(subscription, |mut subscription| async move {
            let delivery = subscription.next().await;
            Some((delivery, subscription))
        });
        let due = events.filter_map(|delivery| {
            std::future::ready(match delivery {
                Ok(Delivery::Event(event)) => Some(Ok(due_ns(&event.payload))),
                Ok(Delivery::CaughtUp(_)) => None,
                Err(error) => Some(Err(Fault::from(error))),
            })
        });
        std::future::ready(Ok(Some(due.boxed()))).boxed()
    }
}

impl Embedded {
    fn scan(&self) -> Outcome<u64> {
        let mut events = 0;
        for event in self.log.scan(Position::START) {
            std::hint::black_box(due_ns(&event?.payload));
            events += 1;
        }
        Ok(events)
    }

    fn filtered(&self) -> Outcome<u64> {
        let filter =
            Filter { stream_prefixes: Vec::new(), type_prefixes: vec![RARE_TYPE.to_owned()] };
        let (mut events, mut from) = (0, Position::START);
        while from < self.log.head() {
            let page = self.log.read_all(from, Direction::Forward, &filter, PAGE_EVENTS)?;
            events += page.events.len() as u64;
            from = page.scanned_to;
        }
        Ok(events)
    }
}
