//! What real clients sent, sent again: `cargo xtask clients --record` writes the statements of each client down
//! (`tests/clients/sql/transcripts`), with the columns that it got. The same columns come back here without it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test that cannot go on should stop where it is"
)]

mod morning;
mod support;

use std::collections::BTreeMap;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::pin::pin;

use bytes::BytesMut;
use futures::{StreamExt as _, TryStreamExt as _};
use ledgerline_analyzer_api::Limits;
use ledgerline_analyzer_api::pgwire::{Config, serve};
use morning::Morning;
use serde_json::Value;
use support::tls::Tls;
use support::{PASSWORD, world_over};
use tokio::net::TcpStream;
use tokio_postgres::types::{Format, IsNull, ToSql, Type, to_sql_checked};
use tokio_postgres::{Client, SimpleQueryMessage};
use tokio_util::sync::CancellationToken;

/// A value as the client encoded it.
#[derive(Debug)]
struct Raw {
    bytes: Option<Vec<u8>>,
    format: Format,
}

impl ToSql for Raw {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        let Some(bytes) = &self.bytes else { return Ok(IsNull::Yes) };
        out.extend_from_slice(bytes);
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn encode_format(&self, _: &Type) -> Format {
        self.format
    }

    to_sql_checked!();
}

fn raw(value: &Value) -> Raw {
    if let Some(text) = value["text"].as_str() {
        return Raw { bytes: Some(text.as_bytes().to_vec()), format: Format::Text };
    }
    let bytes = value["binary"].as_str().map(|digits| {
        let pairs = digits.as_bytes().chunks(2);
        let pair = |pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
        pairs.map(pair).collect()
    });
    Raw { bytes, format: Format::Binary }
}

/// Names of columns, and ids of their types where the protocol tells them.
type Columns = Vec<(String, Option<u64>)>;

/// Sends one statement as its client did; its columns and whether there were rows.
async fn send(client: &Client, entry: &Value) -> Result<(Columns, bool), tokio_postgres::Error> {
    let sql = entry["sql"].as_str().unwrap();
    if entry["tag"].as_str() == Some("COPY") {
        let pieces = client.copy_out(sql).await?;
        let pieces: Vec<_> = pieces.try_collect().await?;
        return Ok((Vec::new(), !pieces.is_empty()));
    }
    if entry["protocol"] == "simple" {
        let mut columns = Vec::new();
        let mut rows = false;
        for message in client.simple_query(sql).await? {
            match message {
                SimpleQueryMessage::RowDescription(described) if columns.is_empty() => {
                    columns = described.iter().map(|it| (it.name().to_owned(), None)).collect();
                }
                SimpleQueryMessage::Row(_) => rows = true,
                _ => {}
            }
        }
        return Ok((columns, rows));
    }
    let oid = |oid: &Value| Type::from_oid(u32::try_from(oid.as_u64().unwrap()).unwrap());
    let types: Vec<Type> = entry["types"].as_array().unwrap().iter().filter_map(oid).collect();
    let statement = client.prepare_typed(sql, &types).await?;
    let columns = statement.columns().iter();
    let columns =
        columns.map(|it| (it.name().to_owned(), Some(u64::from(it.type_().oid())))).collect();
    let values: Vec<Raw> = entry["values"].as_array().unwrap().iter().map(raw).collect();
    let mut found = pin!(client.query_raw(&statement, &values).await?);
    let mut rows = false;
    while let Some(row) = found.next().await {
        row?;
        rows = true;
    }
    Ok((columns, rows))
}

fn recorded_columns(entry: &Value) -> Columns {
    let column = |column: &Value| {
        let simple = entry["protocol"] == "simple";
        (column[0].as_str().unwrap().to_owned(), (!simple).then(|| column[1].as_u64().unwrap()))
    };
    entry["columns"].as_array().unwrap().iter().map(column).collect()
}

/// What is different from then; `None` if nothing is.
async fn difference(client: &Client, entry: &Value) -> Option<String> {
    match (send(client, entry).await, entry["error"].as_str()) {
        (Ok(_), Some(code)) => Some(format!("it was refused with {code} and is answered now")),
        (Ok((columns, rows)), None) => {
            let before = recorded_columns(entry);
            if !before.is_empty() && columns != before {
                return Some(format!("columns {columns:?} were {before:?}"));
            }
            let sql = entry["sql"].as_str().unwrap_or_default();
            // Catalogs have the same rows here; tables, and what is said of connections, have others.
            let same = sql.contains("pg_") && !sql.contains("queue_leg") && !sql.contains("pid");
            (same && rows != (entry["rows"] == true))
                .then(|| format!("rows: {rows}, then: {}", entry["rows"]))
        }
        (Err(error), recorded) => {
            let code = error.code().map(|code| code.code().to_owned());
            let now = error.as_db_error().map_or_else(|| error.to_string(), ToString::to_string);
            (code.as_deref() != recorded).then(|| format!("{now} ({code:?}, then {recorded:?})"))
        }
    }
}

fn transcripts() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/clients/sql/transcripts");
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|it| it == "jsonl"))
        .collect();
    files.sort();
    files
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_real_clients_sent_is_answered_as_it_was() {
    let morning = Morning::new().await;
    let dir = tempfile::tempdir().unwrap();
    let world = world_over(Limits::default(), dir, morning.snapshot());
    let shutdown = CancellationToken::new();
    let config = Config {
        listen: "127.0.0.1:0".parse().unwrap(),
        certificate: None,
        data_dir: world.dir.path().to_owned(),
        connections_max: 100,
    };
    let (address, _task) = serve(config, world.state.clone(), shutdown.clone()).await.unwrap();
    let tls = Tls::trusting(&world.dir.path().join("pgwire-certificate.pem"));
    let connect = async || {
        let config = format!(
            "host=127.0.0.1 port={} user=acme-administrator password='{PASSWORD}' dbname=ledgerline sslmode=require",
            address.port()
        );
        let config: tokio_postgres::Config = config.parse().unwrap();
        let socket = TcpStream::connect(address).await.unwrap();
        let (client, connection) = config.connect_raw(socket, tls.clone()).await.unwrap();
        tokio::spawn(connection);
        client
    };
    let files = transcripts();
    assert!(files.len() >= 8, "transcripts are missing: {files:?}");
    let (mut sent, mut failures) = (0, Vec::new());
    for file in files {
        let mut clients: BTreeMap<u64, Client> = BTreeMap::new();
        let text = std::fs::read_to_string(&file).unwrap();
        for (number, line) in text.lines().enumerate() {
            let entry: Value = serde_json::from_str(line).unwrap();
            // One that ran until somebody cancelled it.
            if entry["error"] == "57014" {
                continue;
            }
            let connection = entry["connection"].as_u64().unwrap();
            if let std::collections::btree_map::Entry::Vacant(place) = clients.entry(connection) {
                place.insert(connect().await);
            }
            sent += 1;
            if let Some(difference) = difference(&clients[&connection], &entry).await {
                let name = file.file_name().unwrap().to_string_lossy().into_owned();
                failures.push(format!("{name}:{}: {difference}\n  {}", number + 1, entry["sql"]));
            }
        }
    }
    shutdown.cancel();
    println!("{sent} statements");
    assert!(failures.is_empty(), "{} of {sent}:\n{}", failures.len(), failures.join("\n"));
}
