//! The same questions to us and to a real PostgreSQL, whose answers `cargo xtask postgresql-goldens` has written
//! down (`tests/clients/sql/goldens`): clocks of five zones around the days on which they move, and what analysts
//! write every day where engines differ. What differs is on a list, with its reason, and does differ.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on should stop where it is"
)]

mod support;

use std::collections::BTreeMap;
use std::path::Path;

use ledgerline_analyzer_api::pgwire::{Config, serve};
use serde_json::Value;
use support::tls::Tls;
use support::{PASSWORD, world};
use tokio::net::TcpStream;
use tokio_postgres::{Client, SimpleQueryMessage};
use tokio_util::sync::CancellationToken;

type Rows = Vec<Vec<Option<String>>>;

fn golden(file: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/clients/sql/goldens");
    std::fs::read_to_string(folder.join(file)).unwrap()
}

async fn ask(client: &Client, sql: &str) -> Result<Rows, String> {
    let messages = client.simple_query(sql).await.map_err(|error| {
        let code = error.code().map(|code| code.code().to_owned());
        code.unwrap_or_else(|| error.to_string())
    })?;
    let rows = messages.iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(row),
        _ => None,
    });
    Ok(rows.map(|row| (0..row.len()).map(|at| row.get(at).map(str::to_owned)).collect()).collect())
}

/// Numbers by value, times without zeros at the end of their fraction: the same value has one text here.
fn plain(text: &str) -> String {
    if let Ok(number) = text.parse::<f64>() {
        return if text.contains(['.', 'e']) { number.to_string() } else { text.to_owned() };
    }
    let Some((whole, rest)) = text.split_once('.') else { return text.to_owned() };
    let is_time = whole.ends_with(|c: char| c.is_ascii_digit()) && whole.contains(':');
    if !is_time {
        return text.to_owned();
    }
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let (fraction, zone) = rest.split_at(end);
    match fraction.trim_end_matches('0') {
        "" => format!("{whole}{zone}"),
        fraction => format!("{whole}.{fraction}{zone}"),
    }
}

fn plain_rows(rows: &Rows) -> Rows {
    let cell = |cell: &Option<String>| cell.as_deref().map(plain);
    rows.iter().map(|row| row.iter().map(cell).collect()).collect()
}

/// Errors are the same when their class is (`22`: what a value cannot be).
fn class(code: &str) -> &str {
    code.get(..2).unwrap_or(code)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_are_those_of_postgresql_or_on_the_list() {
    let world = world();
    let shutdown = CancellationToken::new();
    let config = Config {
        listen: "127.0.0.1:0".parse().unwrap(),
        certificate: None,
        data_dir: world.dir.path().to_owned(),
        connections_max: 8,
    };
    let (address, _task) = serve(config, world.state.clone(), shutdown.clone()).await.unwrap();
    let tls = Tls::trusting(&world.dir.path().join("pgwire-certificate.pem"));
    let config = format!(
        "host=127.0.0.1 port={} user=acme-analyst password='{PASSWORD}' dbname=ledgerline sslmode=require",
        address.port()
    );
    let config: tokio_postgres::Config = config.parse().unwrap();
    let socket = TcpStream::connect(address).await.unwrap();
    let (client, connection) = config.connect_raw(socket, tls).await.unwrap();
    tokio::spawn(connection);

    let mut differences: BTreeMap<String, String> =
        serde_json::from_str(&golden("differences.json")).unwrap();
    let (mut asked, mut failures) = (0, Vec::new());
    for line in golden("answers.jsonl").lines() {
        let answer: Value = serde_json::from_str(line).unwrap();
        let sql = answer["ours"].as_str().unwrap();
        let theirs: Result<Rows, String> = match answer["error"].as_str() {
            Some(code) => Err(code.to_owned()),
            None => Ok(serde_json::from_value(answer["rows"].clone()).unwrap()),
        };
        let ours = ask(&client, sql).await;
        asked += 1;
        let same = match (&ours, &theirs) {
            (Ok(ours), Ok(theirs)) => plain_rows(ours) == plain_rows(theirs),
            (Err(ours), Err(theirs)) => class(ours) == class(theirs),
            _ => false,
        };
        match (same, differences.remove(sql)) {
            (true, None) | (false, Some(_)) => {}
            (true, Some(_)) => {
                failures.push(format!("{sql}\n  is on the list and does not differ"))
            }
            (false, None) => {
                failures.push(format!("{sql}\n  ours   {ours:?}\n  theirs {theirs:?}"))
            }
        }
    }
    shutdown.cancel();
    assert!(asked > 70, "{asked} answers");
    assert!(differences.is_empty(), "differences that nobody asked for: {differences:?}");
    assert!(failures.is_empty(), "{} of {asked}:\n{}", failures.len(), failures.join("\n"));
}
