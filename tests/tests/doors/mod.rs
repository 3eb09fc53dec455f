//! A serving process and the doors it answers questions at, each with a client of its own kind.

#![allow(
    unreachable_pub,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on should stop where it is"
)]

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use arrow::util::display::array_value_to_string;
use arrow_flight::sql::client::FlightSqlServiceClient;
use futures::TryStreamExt as _;
use ledgerline_tests::{Server, csv, succeed};
use serde_json::{Value, json};
use tonic::transport::{Channel, Endpoint};

/// The doors that take SQL.
pub const SQL: [&str; 3] = ["HTTP", "PostgreSQL", "Flight SQL"];

/// A serving process with somebody who may ask at every door.
pub struct Doors {
    server: Server,
    token: String,
    password: String,
    client: reqwest::Client,
    flight: FlightSqlServiceClient<Channel>,
}

/// Half a million events are folded by an unoptimized build, beside other tests.
const GIVES_UP: Duration = Duration::from_secs(900);

impl Doors {
    /// Serves an organization of a data directory, once its tables hold so many interactions.
    pub async fn open(data: &Path, organization: &str, sessions: u64) -> Self {
        let settings = data.with_extension("toml");
        std::fs::write(&settings, format!("organizations = [\"{organization}\"]\n"))
            .expect("written");
        let server = Server::start(data, Some(&settings));
        let folder = data.to_string_lossy();
        let analyst = ["token", "--data", &folder, "--role", "analyst", "--subject", "ann"];
        let token = succeed(&analyst).trim().to_owned();
        let said = succeed(&[&analyst[..], &["--sql-user"]].concat());
        let password = said.lines().find_map(|line| line.strip_prefix("password "));
        let password = password.expect("a password").to_owned();
        let endpoint =
            Endpoint::from_shared(format!("http://{}", server.flight)).expect("an address");
        let mut flight = FlightSqlServiceClient::new(endpoint.connect().await.expect("connects"));
        flight.handshake("ann", &password).await.expect("let in");
        let doors = Self { server, token, password, client: reqwest::Client::new(), flight };
        // A server answers from what its tables hold so far; these are built from nothing.
        let began = Instant::now();
        while doors.http("select count(*) from customer_session").await != [[sessions.to_string()]]
        {
            assert!(began.elapsed() < GIVES_UP, "the tables do not get there");
        }
        doors
    }

    /// The rows of an answer, each value as text. Nulls are empty.
    pub async fn ask(&mut self, door: &str, sql: &str) -> Vec<Vec<String>> {
        match door {
            "HTTP" => self.http(sql).await,
            "PostgreSQL" => self.psql(sql),
            "Flight SQL" => self.flight(sql).await,
            _ => panic!("there is no door {door}"),
        }
    }

    async fn http(&self, sql: &str) -> Vec<Vec<String>> {
        let url = format!("{}/v1/sql", self.server.url());
        let request = self.client.post(url).bearer_auth(&self.token).header("accept", "text/csv");
        let answer = request.json(&json!({"sql": sql})).send().await.expect("answers");
        let status = answer.status();
        let text = answer.text().await.expect("text");
        assert_eq!(status, 200, "{sql}\n{text}");
        csv(&text).split_off(1)
    }

    fn psql(&self, sql: &str) -> Vec<Vec<String>> {
        let address = self.server.sql;
        let connection = format!(
            "host={} port={} user=ann dbname=ledgerline sslmode=require",
            address.ip(),
            address.port()
        );
        let shown = Command::new("psql")
            .args([&connection, "-X", "--csv", "--tuples-only", "-c", sql])
            .env("PGPASSWORD", &self.password)
            .output()
            .expect("psql cannot be run; `cargo xtask test` installs it (postgresql-client)");
        let error = String::from_utf8_lossy(&shown.stderr);
        assert!(shown.status.success(), "{sql}\n{error}");
        csv(&String::from_utf8_lossy(&shown.stdout))
    }

    async fn flight(&mut self, sql: &str) -> Vec<Vec<String>> {
        let info = self.flight.execute(sql.to_owned(), None).await.expect("planned");
        let mut rows = Vec::new();
        for endpoint in info.endpoint {
            let ticket = endpoint.ticket.expect("a ticket");
            let batches: Vec<_> = self
                .flight
                .do_get(ticket)
                .await
                .expect("answers")
                .try_collect()
                .await
                .expect("rows");
            for batch in batches {
                let cell = |at: usize| {
                    batch
                        .columns()
                        .iter()
                        .map(|column| array_value_to_string(column, at).expect("a value"))
                        .collect()
                };
                rows.extend((0..batch.num_rows()).map(cell));
            }
        }
        rows
    }

    /// The `data` of a search that has no errors.
    pub async fn search(&self, query: &str, variables: Value) -> Value {
        let url = format!("{}/v1/search", self.server.url());
        let body = json!({"query": query, "variables": variables});
        let request = self.client.post(url).bearer_auth(&self.token).json(&body);
        let mut answer: Value = request.send().await.expect("answers").json().await.expect("json");
        assert!(answer["errors"].is_null(), "{}", answer["errors"]);
        answer["data"].take()
    }

    /// Stops the process.
    pub fn close(self) {
        assert_eq!(self.server.stop(), 0);
    }
}
