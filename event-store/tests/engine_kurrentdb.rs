//! The KurrentDB carrier against our own endpoint, over a second embedded log, with connections that break.
#![cfg(feature = "kurrentdb")]
#![allow(clippy::expect_used, reason = "a test that cannot go on should fail")]

mod kurrent_support;
mod proxy;

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt as _;
use kurrent_support::{Engine, Running};
use ledgerline_event_store::capability::{ConcurrencyControl, Durability};
use ledgerline_event_store::engine::kurrentdb::{APPEND_BYTES_MAX, Config, KurrentCarrier};
use ledgerline_event_store::engine::{Carried, Carrier, CarrierError, Offset};
use ledgerline_schemas::{StreamId, Version};
use proxy::Proxy;

const STREAM: &str = "external-carried";

fn config(address: SocketAddr) -> Config {
    let options = "tls=false&maxDiscoverAttempts=2&discoveryInterval=5&gossipTimeout=2000";
    Config::new(format!("kurrentdb://manager:secret@{address}?{options}"), STREAM)
}

/// A limit that only a server that is not there reaches.
fn impatient(address: SocketAddr) -> Config {
    Config { timeout: Duration::from_millis(400), ..config(address) }
}

async fn open(address: SocketAddr) -> KurrentCarrier {
    KurrentCarrier::open(config(address)).await.expect("opens")
}

fn entry(number: usize, bytes: usize) -> Bytes {
    let mut entry = number.to_be_bytes().to_vec();
    entry.resize(bytes.max(8), u8::try_from(number % 251).expect("small"));
    entry.into()
}

/// So many entries; begins again behind what it has got when a connection is lost.
async fn take(carrier: &KurrentCarrier, from: u64, count: usize) -> Vec<Carried> {
    let mut taken = Vec::new();
    while taken.len() < count {
        let mut follower = carrier.follow(Offset(from + taken.len() as u64));
        while taken.len() < count {
            match follower.next().await.expect("an item") {
                Ok(carried) => taken.push(carried),
                Err(CarrierError::Unavailable { .. }) => break,
                Err(error) => panic!("entries, not {error}"),
            }
        }
    }
    taken
}

/// What the stream holds has to be exactly this, each once, in order.
async fn holds(carrier: &KurrentCarrier, entries: &[Bytes]) {
    assert_eq!(carrier.end().await.expect("an end"), Offset(entries.len() as u64));
    for (place, (carried, entry)) in
        take(carrier, 0, entries.len()).await.iter().zip(entries).enumerate()
    {
        assert_eq!(carried.offset, Offset(place as u64));
        assert!(carried.entry == entry, "another entry at {place}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn entries_come_back_as_they_were_appended() {
    let engine = Engine::embedded();
    let server = Running::start(&engine).await;
    let carrier = open(server.address).await;
    assert_eq!(carrier.end().await, Ok(Offset(0)));

    // The largest there is, an empty one, and more than one append holds.
    let largest = carrier.entry_bytes_max();
    let mut entries = vec![entry(0, largest), Bytes::new(), entry(2, 1)];
    carrier.append(entries.clone(), Offset(0)).await.expect("appended");
    let more: Vec<Bytes> = (3..8).map(|number| entry(number, 400_000)).collect();
    carrier.append(more.clone(), Offset(3)).await.expect("appended");
    entries.extend(more);
    holds(&carrier, &entries).await;
    let head = engine.log().stream_head(&StreamId::new(STREAM)).expect("reads");
    assert_eq!(head, Some(Version(7)));

    // When one more byte is asked for, then nothing is written.
    let refused = carrier.append(vec![entry(8, largest + 1)], Offset(8)).await;
    assert!(matches!(refused, Err(CarrierError::Refused { .. })), "{refused:?}");
    assert_eq!(take(&carrier, 5, 3).await.len(), 3);
    assert_eq!(carrier.end().await, Ok(Offset(8)));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_writers_one_hears_that_the_end_moved() {
    let engine = Engine::memory();
    let server = Running::start(&engine).await;
    let (one, two) = (open(server.address).await, open(server.address).await);
    let mut kept = Vec::new();
    for round in 0..20_usize {
        let at = Offset(kept.len() as u64);
        let mine = vec![entry(round * 2, 50), entry(round * 2, 60)];
        let yours = vec![entry(round * 2 + 1, 50)];
        let (a, b) = tokio::join!(one.append(mine.clone(), at), two.append(yours.clone(), at));
        match (a, b) {
            (Ok(()), Err(CarrierError::Moved { end })) => {
                kept.extend(mine);
                assert_eq!(end, Offset(kept.len() as u64));
            }
            (Err(CarrierError::Moved { end }), Ok(())) => {
                kept.extend(yours);
                assert_eq!(end, Offset(kept.len() as u64));
            }
            other => panic!("one of them wins: {other:?}"),
        }
    }
    // Then too early and too late are refused as well.
    for wrong in [0, kept.len() as u64 + 1] {
        let end = Offset(kept.len() as u64);
        let moved = one.append(vec![entry(99, 9)], Offset(wrong)).await;
        assert_eq!(moved, Err(CarrierError::Moved { end }), "at {wrong}");
    }
    holds(&two, &kept).await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repeated_append_is_the_same_append() {
    let engine = Engine::embedded();
    let server = Running::start(&engine).await;
    let carrier = open(server.address).await;
    // The same bytes twice in a row, as heartbeats are.
    let entries = vec![entry(1, 30), entry(1, 30)];
    for _ in 0..3 {
        carrier.append(entries.clone(), Offset(0)).await.expect("appended");
    }
    carrier.append(entries.clone(), Offset(2)).await.expect("appended at another place");
    holds(&carrier, &[entries.clone(), entries].concat()).await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_are_cut_in_an_append_lose_and_double_nothing() {
    let engine = Engine::memory();
    let server = Running::start(&engine).await;
    let proxy = Proxy::start(server.address).await;
    let carrier = open(proxy.address).await;
    let mut entries = Vec::new();
    let mut cuts = 0;
    for round in 0..40_usize {
        // Given a connection that breaks somewhere in the request, or with the answer on its way;
        let batch: Vec<Bytes> = (0..3).map(|it| entry(round * 3 + it, 20_000)).collect();
        match round % 4 {
            0 => proxy.cut_request_after(round * 2_000),
            1 => proxy.cut_answer_after(0),
            2 => proxy.cut_answer_after(round * 3),
            _ => {}
        }
        // when entries are appended over it;
        carrier.append(batch.clone(), Offset(entries.len() as u64)).await.expect("appended");
        // then they are there once.
        entries.extend(batch);
        cuts = proxy.cuts();
    }
    assert!(cuts >= 20, "only {cuts} connections were cut");
    holds(&carrier, &entries).await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_was_gone_is_found_again() {
    let engine = Engine::memory();
    let server = Running::start(&engine).await;
    let address = server.address;
    let carrier = KurrentCarrier::open(impatient(address)).await.expect("opens");
    let mut follower = carrier.follow(Offset(0));
    carrier.append(vec![entry(0, 10)], Offset(0)).await.expect("appended");
    assert_eq!(follower.next().await.expect("goes on").expect("an entry").entry, entry(0, 10));

    // When the server is away for longer than the client looks for it,
    server.stop().await;
    let lost = carrier.append(vec![entry(1, 10)], Offset(1)).await;
    assert!(matches!(lost, Err(CarrierError::Unavailable { .. })), "{lost:?}");
    assert!(matches!(carrier.end().await, Err(CarrierError::Unavailable { .. })));
    let cut = follower.next().await.expect("an item");
    assert!(matches!(cut, Err(CarrierError::Unavailable { .. })), "{cut:?}");
    assert!(follower.next().await.is_none(), "it ends after an error");

    // then the same carrier goes on when it is back, and so does a new follower.
    let server = Running::start_at(&engine, address).await;
    carrier.append(vec![entry(1, 10)], Offset(1)).await.expect("appended");
    assert_eq!(take(&carrier, 1, 1).await, [Carried { offset: Offset(1), entry: entry(1, 10) }]);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_restart_in_the_middle_is_not_noticed_by_a_patient_writer() {
    let engine = Engine::memory();
    let server = Running::start(&engine).await;
    let address = server.address;
    let carrier = open(address).await;
    let writing = tokio::spawn({
        let carrier = carrier.clone();
        async move {
            for number in 0..200 {
                carrier.append(vec![entry(number, 100)], Offset(number as u64)).await?;
            }
            Ok::<(), CarrierError>(())
        }
    });
    // Restarted twice, each time after the writer has got somewhere.
    let mut server = server;
    for reached in [40_usize, 120] {
        take(&carrier, 0, reached).await;
        server.stop().await;
        server = Running::start_at(&engine, address).await;
    }
    writing.await.expect("no panic").expect("all appended");
    holds(&carrier, &(0..200).map(|number| entry(number, 100)).collect::<Vec<_>>()).await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_never_answers_is_unavailable() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let open = KurrentCarrier::open(impatient(address)).await;
    assert!(matches!(open, Err(CarrierError::Unavailable { .. })), "{open:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_will_not_get_better_is_refused() {
    let engine = Engine::memory();
    let server = Running::start(&engine).await;
    let refused = |outcome: Result<KurrentCarrier, CarrierError>| match outcome {
        Err(CarrierError::Refused { reason }) => reason,
        other => panic!("refused, not {other:?}"),
    };
    let good = config(server.address);
    let wrong = good.connection.replace("secret", "guessed");
    let reason = refused(KurrentCarrier::open(Config { connection: wrong, ..good.clone() }).await);
    assert!(reason.contains("access denied"), "{reason}");
    let reason = refused(KurrentCarrier::open(Config::new("manager:secret@", STREAM)).await);
    assert!(!reason.contains("secret@"), "the reason shows the password: {reason}");
    assert!(!format!("{good:?}").contains("secret"), "{good:?}");
    let small = Config { append_bytes_max: 100, ..good.clone() };
    assert!(refused(KurrentCarrier::open(small).await).contains("append_bytes_max"));

    // A stream that is not ours to write is noticed with the first append.
    let carrier = KurrentCarrier::open(Config { stream: "org-1".into(), ..good }).await;
    let denied = carrier.expect("opens").append(vec![entry(0, 10)], Offset(0)).await;
    assert!(matches!(denied, Err(CarrierError::Refused { .. })), "{denied:?}");

    // A place that the stream does not reach was lost there.
    let carrier = open(server.address).await;
    carrier.append(vec![entry(0, 10)], Offset(0)).await.expect("appended");
    let lost = carrier.follow(Offset(2)).next().await.expect("an item");
    assert!(matches!(lost, Err(CarrierError::Refused { .. })), "{lost:?}");
    server.stop().await;
}

#[test]
fn capabilities_follow_from_the_connection() {
    let durability = |connection: &str| Config::new(connection, "org-1").durability;
    assert_eq!(durability("kurrentdb://a:2113?tls=true"), Durability::FsyncBeforeAck);
    assert_eq!(durability("kurrentdb://a:2113,b:2113,c:2113"), Durability::QuorumFsync);
    assert_eq!(durability("kurrentdb+discover://cluster:2113"), Durability::QuorumFsync);
    assert_eq!(Config::new("x", "y").append_bytes_max, APPEND_BYTES_MAX);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let engine = Engine::memory();
        let server = Running::start(&engine).await;
        let capabilities = open(server.address).await.capabilities();
        assert_eq!(capabilities.concurrency, ConcurrencyControl::Native);
        assert_eq!(capabilities.durability, Durability::FsyncBeforeAck);
        server.stop().await;
    });
}
