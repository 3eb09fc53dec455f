//! SQLite in this process: WAL, `synchronous = FULL`. It has one writer at a time and no group commit, so
//! all writers share one connection behind a mutex: more connections only add lock waits.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::FutureExt as _;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use rusqlite::Connection;

use super::{Client, ThreadWriter, Want, Writer};
use crate::load::{Batch, Load, RARE_TYPE, due_ns};
use crate::outcome::Outcome;

/// An open database.
pub(crate) struct Sqlite {
    connection: Arc<Mutex<Connection>>,
}

fn lock(connection: &Mutex<Connection>) -> MutexGuard<'_, Connection> {
    connection.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Sqlite {
    pub(crate) fn open(directory: &Path) -> Outcome<Self> {
        std::fs::create_dir_all(directory)?;
        let connection = Connection::open(directory.join("events.sqlite"))?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.execute_batch(
            "CREATE TABLE IF NOT EXISTS events (
                position INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE, stream TEXT NOT NULL,
                version INTEGER NOT NULL, type TEXT NOT NULL, payload BLOB NOT NULL,
                UNIQUE (stream, version))",
        )?;
        Ok(Self { connection: Arc::new(Mutex::new(connection)) })
    }
}

struct Inserter(Arc<Mutex<Connection>>);

impl ThreadWriter for Inserter {
    fn append(&mut self, batch: Batch) -> Outcome<()> {
        let stream = batch.stream_name("interaction-");
        let mut connection = lock(&self.0);
        let transaction = connection.transaction()?;
        {
            let next = "SELECT coalesce(max(version) + 1, 0) FROM events WHERE stream = ?1";
            let version: i64 = match batch.version {
                Some(version) => i64::try_from(version)?,
                None => transaction.prepare_cached(next)?.query_row([&stream], |row| row.get(0))?,
            };
            let mut insert = transaction.prepare_cached(
                "INSERT INTO events (id, stream, version, type, payload) VALUES (?1, ?2, ?3, ?4, ?5)",
            )?;
            for (event, version) in batch.events().zip(version..) {
                let id = event.id.to_be_bytes();
                insert.execute((&id, &stream, version, event.event_type, &event.payload))?;
            }
        }
        transaction.commit()?;
        Ok(())
    }
}

impl Client for Sqlite {
    fn writer(&self, _load: &Load, _index: u64) -> BoxFuture<'_, Outcome<Writer>> {
        let writer = Writer::Thread(Box::new(Inserter(Arc::clone(&self.connection))));
        std::future::ready(Ok(writer)).boxed()
    }

    fn read(&self, want: Want, _expected: u64) -> BoxFuture<'_, Outcome<u64>> {
        std::future::ready(self.select(want)).boxed()
    }

    fn subscribe(&self) -> BoxFuture<'_, Outcome<Option<BoxStream<'static, Outcome<u64>>>>> {
        std::future::ready(Ok(None)).boxed()
    }
}

impl Sqlite {
    fn select(&self, want: Want) -> Outcome<u64> {
        let (filter, parameters) = match want {
            Want::All => ("", Vec::new()),
            Want::Rare => ("WHERE type = ?1", vec![RARE_TYPE]),
        };
        let connection = lock(&self.connection);
        let mut select = connection.prepare(&format!(
            "SELECT position, id, stream, version, type, payload FROM events {filter} \
             ORDER BY position"
        ))?;
        let mut rows = select.query(rusqlite::params_from_iter(parameters))?;
        let mut events = 0;
        while let Some(row) = rows.next()? {
            let stream = row.get_ref(2)?.as_str()?.len();
            std::hint::black_box((stream, due_ns(row.get_ref(5)?.as_blob()?)));
            events += 1;
        }
        Ok(events)
    }
}
