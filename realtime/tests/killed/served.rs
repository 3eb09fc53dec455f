//! The server as a process of its own: a log on disk, folds, the doors, and a day that happens at a rate.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use ledgerline_access::{Grant, Role, TokenIssuer};
use ledgerline_event_store::EmbeddedLog;
use ledgerline_event_store::log::{Append, EventReader, EventWriter as _};
use ledgerline_projections::{Options, Projections};
use ledgerline_realtime::{Limits, ProjectionsFeed, RealtimeState, router};
use ledgerline_schemas::id::OrgId;

use crate::day::{Day, Pace};
use crate::number;

pub const ORG: OrgId = OrgId::from_u128(0xA);
/// Where the process works; without it its test does nothing.
pub const FOLDER: &str = "LEDGERLINE_SERVED_FOLDER";
/// Before the line that says that the process serves, and where.
const SAID: &str = "serving ";

pub fn log(folder: &Path) -> Arc<EmbeddedLog> {
    Arc::new(EmbeddedLog::open(&folder.join("log"), ORG, Default::default()).unwrap())
}

pub fn options() -> Options {
    Options::default()
}

/// Serves until it is killed.
pub fn run(folder: &Path) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let log = log(folder);
        let reader: Arc<dyn EventReader> = Arc::clone(&log) as _;
        let mut day = Day::new(ORG, number("LEDGERLINE_SEED", 1), log.head().0, Pace::Now);
        if log.head().0 == 0 {
            let events = day.configuration();
            log.submit(Append { events, expected: vec![] }).unwrap().await.unwrap();
        }
        let tables =
            Projections::start(Arc::clone(&reader), folder.join("tables"), options()).unwrap();
        tables.wait_for(log.head()).await.unwrap();
        let state = RealtimeState::new(issuer(folder), Limits::default()).unwrap();
        state.add_organization(Arc::new(ProjectionsFeed::new(tables)), Some(reader));
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let mut out = std::io::stdout();
        writeln!(out, "\n{SAID}{}", listener.local_addr().unwrap()).unwrap();
        out.flush().unwrap();
        tokio::spawn(async move { axum::serve(listener, router(state)).await.unwrap() });
        happen(&log, &mut day, number("LEDGERLINE_RATE", 200)).await;
    });
}

/// Appends at a rate, for ever.
async fn happen(log: &EmbeddedLog, day: &mut Day, rate: u64) {
    let began = tokio::time::Instant::now();
    let mut appended = 0;
    loop {
        let due = began + Duration::from_secs_f64(appended as f64 / rate as f64);
        tokio::time::sleep_until(due).await;
        let events = day.step();
        appended += events.len();
        // Not waited for: a server has many appends under way.
        tokio::spawn(log.submit(Append { events, expected: vec![] }).unwrap());
    }
}

fn issuer(folder: &Path) -> TokenIssuer {
    TokenIssuer::open(folder).unwrap()
}

/// A server that runs.
pub struct Served {
    child: Child,
    pub address: SocketAddr,
    pub token: String,
}

impl Served {
    pub fn start(folder: &Path, rate: u64, seed: u64) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "the_server_that_is_killed", "--nocapture"])
            .env(FOLDER, folder)
            .env("LEDGERLINE_SEED", seed.to_string())
            .env("LEDGERLINE_RATE", rate.to_string())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let address =
            lines.find_map(|line| Some(line.unwrap().strip_prefix(SAID)?.parse().unwrap()));
        // What it says besides is not of interest, but has to go somewhere.
        std::thread::spawn(move || lines.for_each(drop));
        let grant = Grant {
            org_id: ORG,
            subject: "someone".to_owned(),
            roles: BTreeSet::from([Role::Supervisor]),
            user_id: None,
            user_profile_id: None,
            ttl_s: 3_600,
        };
        let token = issuer(folder).issue(&grant).unwrap();
        Self { child, address: address.unwrap(), token }
    }

    /// `kill -9`.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // It is gone already after `kill`.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
