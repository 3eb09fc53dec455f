//! The embedded log through its KurrentDB endpoint, with the official Rust client.

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use futures::{FutureExt as _, StreamExt as _};
use kurrentdb::{
    AppendToStreamOptions, Authentication, Client as Connection, EventData, ReadAllOptions,
    StreamPosition, SubscribeToAllOptions, SubscriptionFilter,
};
use uuid::Uuid;

use super::{Client, TaskWriter, Want, Writer};
use crate::load::{Batch, Load, RARE_TYPE, due_ns};
use crate::outcome::Outcome;

/// The token that the measured endpoint lets in.
pub(crate) const TOKEN: &str = "bench";
/// The endpoint takes 256 calls at once on a connection: writers are spread over so many connections.
const CONNECTIONS: usize = 8;

/// Connections to the endpoint.
pub(crate) struct Kurrent {
    connections: Vec<Connection>,
}

fn token() -> Authentication {
    Authentication::bearer(TOKEN)
}

impl Kurrent {
    pub(crate) fn connect(address: &str) -> Outcome<Self> {
        let one = |_| -> Outcome<Connection> {
            let settings = format!("kurrentdb://{address}?tls=false").parse()?;
            Connection::new(settings).map_err(|error| error.to_string().into())
        };
        Ok(Self { connections: (0..CONNECTIONS).map(one).collect::<Outcome<_>>()? })
    }

    fn first(&self) -> Outcome<&Connection> {
        self.connections.first().ok_or_else(|| "no connection".into())
    }
}

struct Appender {
    connection: Connection,
    options: AppendToStreamOptions,
}

impl TaskWriter for Appender {
    fn append(&mut self, batch: Batch) -> BoxFuture<'_, Outcome<()>> {
        async move {
            let events: Vec<EventData> = batch
                .events()
                .map(|event| {
                    EventData::binary(event.event_type, Bytes::from(event.payload))
                        .id(Uuid::from_u128(event.id))
                })
                .collect();
            let stream = batch.stream_name("external-");
            self.connection.append_to_stream(stream, &self.options, events).await?;
            Ok(())
        }
        .boxed()
    }
}

impl Client for Kurrent {
    fn writer(&self, _load: &Load, index: u64) -> BoxFuture<'_, Outcome<Writer>> {
        let at = usize::try_from(index).unwrap_or(0) % CONNECTIONS;
        async move {
            let connection = self.connections.get(at).ok_or("no connection")?.clone();
            // The client connects at its first call, and takes half a second over it.
            let options = ReadAllOptions::default().max_count(1).authenticated(token());
            while connection.read_all(&options).await?.next().await?.is_some() {}
            let options = AppendToStreamOptions::default().authenticated(token());
            Ok(Writer::Task(Box::new(Appender { connection, options })))
        }
        .boxed()
    }

    fn read(&self, want: Want, expected: u64) -> BoxFuture<'_, Outcome<u64>> {
        async move {
            let most = usize::try_from(expected).unwrap_or(usize::MAX);
            let mut options = ReadAllOptions::default().max_count(most).authenticated(token());
            if want == Want::Rare {
                options = options.filter(SubscriptionFilter::on_event_type().add_prefix(RARE_TYPE));
            }
            let mut stream = self.first()?.read_all(&options).await?;
            let mut events = 0;
            while let Some(event) = stream.next().await? {
                std::hint::black_box(due_ns(&event.get_original_event().data));
                events += 1;
            }
            Ok(events)
        }
        .boxed()
    }

    fn subscribe(&self) -> BoxFuture<'_, Outcome<Option<BoxStream<'static, Outcome<u64>>>>> {
        async move {
            let options = SubscribeToAllOptions::default()
                .position(StreamPosition::End)
                .authenticated(token());
            let subscription = self.first()?.subscribe_to_all(&options).await;
            let events = futures::stream::unfold(subscription, |mut subscription| async move {
                let event = subscription.next().await;
                Some((event, subscription))
            });
            let due = events
                .map(|event| -> Outcome<u64> { Ok(due_ns(&event?.get_original_event().data)) });
            Ok(Some(due.boxed()))
        }
        .boxed()
    }
}
