//! UmaDB through its Rust client. Events carry their stream as a tag; appends carry no condition, which
//! spares it the search for conflicts.

use std::sync::Arc;

use futures::future::BoxFuture;
use futures::stream::BoxStream;
use futures::{FutureExt as _, StreamExt as _};
use umadb_client::AsyncUmaDbClient;
use umadb_dcb::{DcbEvent, DcbEventStoreAsync as _, DcbQuery, DcbQueryItem};
use uuid::Uuid;

use super::{Client, TaskWriter, Want, Writer};
use crate::load::{Batch, Load, RARE_TYPE, due_ns};
use crate::outcome::Outcome;

/// Writers are spread over so many connections, like those of the other servers.
const CONNECTIONS: usize = 8;

/// Connections to the server.
pub(crate) struct Uma {
    connections: Vec<Arc<AsyncUmaDbClient>>,
}

impl Uma {
    pub(crate) async fn connect(address: &str) -> Outcome<Self> {
        let mut connections = Vec::new();
        for _ in 0..CONNECTIONS {
            let url = format!("http://{address}");
            let connection = AsyncUmaDbClient::connect(url, None, None, None).await?;
            connections.push(Arc::new(connection));
        }
        Ok(Self { connections })
    }

    fn at(&self, index: u64) -> Outcome<&Arc<AsyncUmaDbClient>> {
        let at = usize::try_from(index).unwrap_or(0) % CONNECTIONS;
        self.connections.get(at).ok_or_else(|| "no connection".into())
    }
}

struct Appender(Arc<AsyncUmaDbClient>);

impl TaskWriter for Appender {
    fn append(&mut self, batch: Batch) -> BoxFuture<'_, Outcome<()>> {
        async move {
            let tag = batch.stream_name("interaction-");
            let events = batch
                .events()
                .map(|event| DcbEvent {
                    event_type: event.event_type.to_owned(),
                    tags: vec![tag.clone()],
                    data: event.payload,
                    uuid: Some(Uuid::from_u128(event.id)),
                    metadata: Vec::new(),
                })
                .collect();
            self.0.append(events, None, None).await?;
            Ok(())
        }
        .boxed()
    }
}

impl Client for Uma {
    fn writer(&self, _load: &Load, index: u64) -> BoxFuture<'_, Outcome<Writer>> {
        async move { Ok(Writer::Task(Box::new(Appender(Arc::clone(self.at(index)?))))) }.boxed()
    }

    fn read(&self, want: Want, expected: u64) -> BoxFuture<'_, Outcome<u64>> {
        async move {
            let rare = || DcbQuery {
                items: vec![DcbQueryItem { types: vec![RARE_TYPE.to_owned()], tags: Vec::new() }],
            };
            let query = (want == Want::Rare).then(rare);
            let mut stream = self.at(0)?.read(query, None, false, None).await?;
            let mut events = 0;
            while events < expected {
                let Some(event) = stream.next().await else { break };
                std::hint::black_box(due_ns(&event?.event.data));
                events += 1;
            }
            Ok(events)
        }
        .boxed()
    }

    fn subscribe(&self) -> BoxFuture<'_, Outcome<Option<BoxStream<'static, Outcome<u64>>>>> {
        async move {
            let client = self.at(0)?;
            let head = client.head().await?;
            let events = client.subscribe(None, head).await?;
            let due = events.map(|event| -> Outcome<u64> { Ok(due_ns(&event?.event.data)) });
            Ok(Some(due.boxed()))
        }
        .boxed()
    }
}
