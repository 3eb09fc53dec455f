//! The log's one suite over a mirror of the KurrentDB carrier, against our own endpoint over a second embedded log; and a
//! takeover.
#![cfg(feature = "kurrentdb")]
#![allow(clippy::expect_used, reason = "a test that cannot go on should fail")]

mod kurrent_support;
mod proxy;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use kurrent_support::{Engine, ORG, Running, internal};
use ledgerline_event_store::conformance::carrier::{self, CarrierSubject};
use ledgerline_event_store::conformance::{self, Log, Outcome, Subject};
use ledgerline_event_store::engine::kurrentdb::{Config, KurrentCarrier};
use ledgerline_event_store::engine::{Carrier, Mirror, MirrorOptions};
use ledgerline_event_store::{
    Append, Direction, EventReader as _, EventWriter as _, Filter, Options,
};
use ledgerline_schemas::Position;
use ledgerline_schemas::id::EventId;
use proxy::Proxy;
use std::net::SocketAddr;
use tempfile::TempDir;

async fn open(address: SocketAddr, stream: u32) -> Result<KurrentCarrier, String> {
    let connection = format!("kurrentdb://manager:secret@{address}?tls=false");
    let config = Config::new(connection, format!("external-{stream}"));
    KurrentCarrier::open(config).await.map_err(|error| error.to_string())
}

fn mirror(directory: &TempDir, carrier: KurrentCarrier, lease: Duration) -> Mirror {
    let options =
        Options { segment_bytes: 256 << 10, reserve_step_bytes: 64 << 10, ..Options::default() };
    let of_mirror = MirrorOptions { lease, ..MirrorOptions::new("kurrentdb") };
    Mirror::open(directory.path(), ORG, options, Arc::new(carrier), of_mirror).expect("opens")
}

/// Each log is on a stream of its own.
struct OnStreams {
    address: SocketAddr,
    stream: u32,
    directory: TempDir,
}

impl OnStreams {
    fn new(address: SocketAddr) -> Self {
        Self { address, stream: 0, directory: tempfile::tempdir().expect("a directory") }
    }

    async fn log(&self) -> Result<Log, String> {
        let carrier = open(self.address, self.stream).await?;
        let mirror = mirror(&self.directory, carrier, Duration::from_secs(2));
        mirror.lead().await.map_err(|error| error.to_string())?;
        Ok(Arc::new(mirror.log().clone()))
    }
}

#[async_trait]
impl Subject for OnStreams {
    fn name(&self) -> String {
        "mirror of KurrentDB's protocol".to_owned()
    }

    async fn fresh(&mut self) -> Result<Log, String> {
        self.stream += 1;
        self.directory = tempfile::tempdir().expect("a directory");
        self.log().await
    }

    async fn reopen(&mut self) -> Result<Option<Log>, String> {
        self.log().await.map(Some)
    }
}

#[async_trait]
impl CarrierSubject for OnStreams {
    fn name(&self) -> String {
        "KurrentDB's protocol".to_owned()
    }

    async fn fresh(&mut self) -> Result<Arc<dyn Carrier>, String> {
        self.stream += 1;
        CarrierSubject::again(self).await
    }

    async fn again(&mut self) -> Result<Arc<dyn Carrier>, String> {
        Ok(Arc::new(open(self.address, self.stream).await?))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mirror_of_it_keeps_the_contract_of_logs() {
    let engine = Engine::embedded();
    let server = Running::start(&engine).await;
    let report = conformance::run(&mut OnStreams::new(server.address)).await;
    assert!(report.is_passed(), "{report}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_keeps_the_contract_of_carriers() {
    let engine = Engine::embedded();
    let server = Running::start(&engine).await;
    let report = carrier::run(&mut OnStreams::new(server.address)).await;
    assert!(report.is_passed(), "{report}");
    // Nothing is left out: its concurrency control is native.
    assert!(!report.cases.iter().any(|it| matches!(it.1, Outcome::Skipped(_))), "{report}");
    server.stop().await;
}

async fn append(mirror: &Mirror, number: u128) -> bool {
    let append = Append { events: vec![internal(number, "interaction-1")], expected: Vec::new() };
    match mirror.log().submit(append) {
        Ok(submitted) => submitted.await.is_ok(),
        Err(_) => false,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_takes_over_when_the_leader_is_cut_off() {
    let engine = Engine::embedded();
    let server = Running::start(&engine).await;
    // Given a leader behind a proxy, and a standby that follows;
    let proxy = Proxy::start(server.address).await;
    let lease = Duration::from_millis(1_500);
    let folders = [tempfile::tempdir().expect("one"), tempfile::tempdir().expect("two")];
    let leader = mirror(&folders[0], open(proxy.address, 1).await.expect("opens"), lease);
    leader.lead().await.expect("leads");
    let standby = mirror(&folders[1], open(server.address, 1).await.expect("opens"), lease);
    let standing = tokio::spawn({
        let standby = standby.clone();
        async move { standby.stand_by().await }
    });
    let mut acknowledged = Vec::new();
    for number in 1..=100 {
        assert!(append(&leader, number).await, "event {number}");
        acknowledged.push(EventId::from_u128(number));
    }
    // when the leader's machine is cut off;
    proxy.stop();
    let took = standing.await.expect("no panic").expect("leads");
    assert_eq!((took.epoch, took.head), (2, Position(100)));
    // then what was acknowledged is there, and the old leader writes nothing more.
    assert!(append(&standby, 200).await);
    proxy.go_on();
    assert!(!append(&leader, 300).await, "the old leader was acknowledged");
    let page = standby
        .log()
        .read_all(Position::START, Direction::Forward, &Filter::all(), 1_000)
        .expect("reads");
    acknowledged.push(EventId::from_u128(200));
    let found: Vec<_> = page.events.iter().map(|it| it.header.id).collect();
    assert_eq!(found, acknowledged);
    drop((leader, standby));
    server.stop().await;
}
