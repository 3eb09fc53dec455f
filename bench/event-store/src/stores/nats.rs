//! NATS JetStream through `async-nats`: one stream, a subject for each stream of events.
//!
//! Several events of one append are an atomic batch: the messages carry the batch's id and their number in
//! it, the last one asks for the commit and is the only one that is answered.

use async_nats::header::HeaderMap;
use async_nats::jetstream::consumer::{DeliverPolicy, push};
use async_nats::jetstream::{self, stream};
use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use futures::{FutureExt as _, StreamExt as _};
use serde::Deserialize;

use super::{Client, TaskWriter, Want, Writer};
use crate::load::{Batch, Load, RARE_TYPE, due_ns};
use crate::outcome::{Fault, Outcome};

/// Writers are spread over so many connections, like those of the other servers.
const CONNECTIONS: usize = 8;
/// Name of the JetStream stream.
const STREAM: &str = "EVENTS";

/// Connections to the server.
pub(crate) struct Nats {
    connections: Vec<async_nats::Client>,
}

impl Nats {
    pub(crate) async fn connect(address: &str) -> Outcome<Self> {
        let mut connections = Vec::new();
        for _ in 0..CONNECTIONS {
            connections.push(async_nats::connect(address).await?);
        }
        let nats = Self { connections };
        nats.context()?
            .get_or_create_stream(stream::Config {
                name: STREAM.to_owned(),
                subjects: vec!["events.>".to_owned()],
                storage: stream::StorageType::File,
                allow_atomic_publish: true,
                ..stream::Config::default()
            })
            .await?;
        Ok(nats)
    }

    fn at(&self, index: u64) -> Outcome<&async_nats::Client> {
        let at = usize::try_from(index).unwrap_or(0) % CONNECTIONS;
        self.connections.get(at).ok_or_else(|| "no connection".into())
    }

    fn context(&self) -> Outcome<jetstream::Context> {
        Ok(jetstream::new(self.at(0)?.clone()))
    }

    /// Messages of the stream, in order.
    async fn messages(
        &self,
        filter: &str,
        deliver_policy: DeliverPolicy,
    ) -> Outcome<BoxStream<'static, Outcome<u64>>> {
        let config = push::OrderedConfig {
            deliver_subject: self.at(0)?.new_inbox(),
            filter_subject: filter.to_owned(),
            deliver_policy,
            ..push::OrderedConfig::default()
        };
        let consumer = self.context()?.get_stream(STREAM).await?.create_consumer(config).await?;
        let messages = consumer.messages().await?;
        let due = messages.map(|message| -> Outcome<u64> { Ok(due_ns(&message?.payload)) });
        Ok(due.boxed())
    }
}

struct Publisher {
    client: async_nats::Client,
    context: jetstream::Context,
    /// Part of the batches' ids.
    writer: u64,
}

/// The answer to a commit.
#[derive(Deserialize)]
struct Committed {
    error: Option<serde_json::Value>,
    seq: Option<u64>,
}

fn subject(batch: &Batch, event_type: &str) -> String {
    batch.stream_name(&format!("events.{event_type}."))
}

impl Publisher {
    async fn one(&self, batch: &Batch) -> Outcome<()> {
        for event in batch.events() {
            let subject = subject(batch, event.event_type);
            self.context.publish(subject, Bytes::from(event.payload)).await?.await?;
        }
        Ok(())
    }

    async fn atomic(&self, batch: &Batch) -> Outcome<()> {
        let id = format!("{}-{}", self.writer, batch.first);
        for (event, place) in batch.events().zip(1..) {
            let mut headers = HeaderMap::new();
            headers.insert("Nats-Batch-Id", id.as_str());
            headers.insert("Nats-Batch-Sequence", place.to_string());
            let (subject, payload) = (subject(batch, event.event_type), Bytes::from(event.payload));
            if place < batch.events {
                self.client.publish_with_headers(subject, headers, payload).await?;
                continue;
            }
            headers.insert("Nats-Batch-Commit", "1");
            let answer = self.client.request_with_headers(subject, headers, payload).await?;
            let committed: Committed = serde_json::from_slice(&answer.payload)?;
            if committed.error.is_some() || committed.seq.is_none() {
                let text = String::from_utf8_lossy(&answer.payload).into_owned();
                return Err(Fault::from(format!("the batch was not committed: {text}")));
            }
        }
        Ok(())
    }
}

impl TaskWriter for Publisher {
    fn append(&mut self, batch: Batch) -> BoxFuture<'_, Outcome<()>> {
        async move {
            if batch.events == 1 { self.one(&batch).await } else { self.atomic(&batch).await }
        }
        .boxed()
    }
}

impl Client for Nats {
    fn writer(&self, _load: &Load, index: u64) -> BoxFuture<'_, Outcome<Writer>> {
        async move {
            let client = self.at(index)?.clone();
            let context = jetstream::new(client.clone());
            Ok(Writer::Task(Box::new(Publisher { client, context, writer: index })))
        }
        .boxed()
    }

    fn read(&self, want: Want, expected: u64) -> BoxFuture<'_, Outcome<u64>> {
        async move {
            let filter = match want {
                Want::All => "events.>".to_owned(),
                Want::Rare => format!("events.{RARE_TYPE}.>"),
            };
            let mut messages = self.messages(&filter, DeliverPolicy::All).await?;
            let mut events = 0;
            // A consumer has no end: it waits for what is published next.
            while events < expected {
                let Some(message) = messages.next().await else { break };
                std::hint::black_box(message?);
                events += 1;
            }
            Ok(events)
        }
        .boxed()
    }

    fn subscribe(&self) -> BoxFuture<'_, Outcome<Option<BoxStream<'static, Outcome<u64>>>>> {
        async move { Ok(Some(self.messages("events.>", DeliverPolicy::New).await?)) }.boxed()
    }
}
