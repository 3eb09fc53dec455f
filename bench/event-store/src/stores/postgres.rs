//! PostgreSQL: a plain table of events with unique ids and unique versions in each stream.
//!
//! Where the writer knows the next version, an append is one multi-row `INSERT` in its own transaction:
//! the least that PostgreSQL can do, and less than an event store promises (its identity column has holes,
//! and commits out of order). Where it does not (several writers, one stream), a function takes a lock on
//! the stream, finds the version and inserts; the lock ends with the commit, so a hot stream has a sync an
//! append.

use std::sync::Arc;

use futures::future::BoxFuture;
use futures::stream::BoxStream;
use futures::{FutureExt as _, TryStreamExt as _};
use tokio_postgres::{Client as Connection, NoTls, Statement};
use uuid::Uuid;

use super::{Client, TaskWriter, Want, Writer};
use crate::load::{Batch, Load, RARE_TYPE, due_ns};
use crate::outcome::Outcome;

/// Most connections: PostgreSQL's own default. More writers share them, their statements queue.
const CONNECTIONS_MAX: u64 = 100;

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS events (
        position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        id uuid NOT NULL UNIQUE,
        stream text NOT NULL,
        version bigint NOT NULL,
        type text NOT NULL,
        payload bytea NOT NULL,
        recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        UNIQUE (stream, version));
    CREATE OR REPLACE FUNCTION append(to_stream text, ids uuid[], types text[], payloads bytea[])
    RETURNS void LANGUAGE plpgsql AS $$
    DECLARE next bigint;
    BEGIN
        PERFORM pg_advisory_xact_lock(hashtextextended(to_stream, 0));
        SELECT coalesce(max(version) + 1, 0) INTO next FROM events WHERE stream = to_stream;
        INSERT INTO events (id, stream, version, type, payload)
        SELECT u.id, to_stream, next + u.place - 1, u.type, u.payload
        FROM unnest(ids, types, payloads) WITH ORDINALITY AS u (id, type, payload, place);
    END $$;";

const INSERT: &str = "
    INSERT INTO events (id, stream, version, type, payload)
    SELECT u.id, $1::text, $2::bigint + u.place - 1, u.type, u.payload
    FROM unnest($3::uuid[], $4::text[], $5::bytea[]) WITH ORDINALITY AS u (id, type, payload, place)";

const APPEND: &str = "SELECT append($1, $2, $3, $4)";

/// Connections to the server.
pub(crate) struct Postgres {
    connections: Vec<Arc<Connection>>,
}

impl Postgres {
    pub(crate) async fn connect(address: &str, writers: u64, asynchronous: bool) -> Outcome<Self> {
        let mut connections = Vec::new();
        for index in 0..writers.clamp(1, CONNECTIONS_MAX) {
            let connection = open(address).await?;
            if index == 0 {
                connection.batch_execute(SCHEMA).await?;
            }
            if asynchronous {
                connection.batch_execute("SET synchronous_commit = off").await?;
            }
            connections.push(Arc::new(connection));
        }
        Ok(Self { connections })
    }

    fn first(&self) -> Outcome<&Connection> {
        self.connections.first().map(AsRef::as_ref).ok_or_else(|| "no connection".into())
    }
}

/// Opens one connection, which lives as long as its client.
pub(crate) async fn open(address: &str) -> Outcome<Connection> {
    let (host, port) = address.split_once(':').ok_or("an address has a port")?;
    let settings = format!("host={host} port={port} user=bench dbname=postgres");
    let (client, connection) = tokio_postgres::connect(&settings, NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

struct Inserter {
    connection: Arc<Connection>,
    insert: Statement,
    append: Statement,
}

impl TaskWriter for Inserter {
    fn append(&mut self, batch: Batch) -> BoxFuture<'_, Outcome<()>> {
        async move {
            let stream = batch.stream_name("interaction-");
            let (mut ids, mut types, mut payloads) = (Vec::new(), Vec::new(), Vec::new());
            for event in batch.events() {
                ids.push(Uuid::from_u128(event.id));
                types.push(event.event_type);
                payloads.push(event.payload);
            }
            match batch.version {
                Some(version) => {
                    let version = i64::try_from(version)?;
                    let values: [&(dyn tokio_postgres::types::ToSql + Sync); 5] =
                        [&stream, &version, &ids, &types, &payloads];
                    self.connection.execute(&self.insert, &values).await?;
                }
                None => {
                    let values: [&(dyn tokio_postgres::types::ToSql + Sync); 4] =
                        [&stream, &ids, &types, &payloads];
                    self.connection.query(&self.append, &values).await?;
                }
            }
            Ok(())
        }
        .boxed()
    }
}

impl Client for Postgres {
    fn writer(&self, _load: &Load, index: u64) -> BoxFuture<'_, Outcome<Writer>> {
        async move {
            let at = usize::try_from(index)? % self.connections.len();
            let connection = Arc::clone(self.connections.get(at).ok_or("no connection")?);
            let insert = connection.prepare(INSERT).await?;
            let append = connection.prepare(APPEND).await?;
            Ok(Writer::Task(Box::new(Inserter { connection, insert, append })))
        }
        .boxed()
    }

    fn read(&self, want: Want, _expected: u64) -> BoxFuture<'_, Outcome<u64>> {
        async move {
            let (filter, parameters) = match want {
                Want::All => ("", Vec::new()),
                Want::Rare => ("WHERE type = $1", vec![RARE_TYPE]),
            };
            let select = format!(
                "SELECT position, id, stream, version, type, payload FROM events {filter} \
                 ORDER BY position"
            );
            let rows = self.first()?.query_raw(&select, parameters).await?;
            let mut rows = std::pin::pin!(rows);
            let mut events = 0;
            while let Some(row) = rows.try_next().await? {
                let stream: &str = row.try_get(2)?;
                std::hint::black_box((stream.len(), due_ns(row.try_get(5)?)));
                events += 1;
            }
            Ok(events)
        }
        .boxed()
    }

    fn subscribe(&self) -> BoxFuture<'_, Outcome<Option<BoxStream<'static, Outcome<u64>>>>> {
        std::future::ready(Ok(None)).boxed()
    }
}
