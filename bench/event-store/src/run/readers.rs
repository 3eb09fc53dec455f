//! Replays and subscriptions.

use std::path::Path;
use std::time::{Duration, Instant};

use super::Bench;
use crate::child::{self, Task};
use crate::load::{Load, RARE_EVERY, Streams};
use crate::machine::disk;
use crate::measure::replay::{FillSpec, Filled, Read, ReadSpec};
use crate::measure::subscribe;
use crate::outcome::Outcome;
use crate::report::results::{Replayed, Restarted, Subscription, What};
use crate::servers::{self, Server};
use crate::stores::{Kind, Place};

/// Events of our replayed logs.
const OUR_EVENTS: u64 = 2_000_000;
/// Events of the peers' replayed stores: filling some of them is slow.
const PEERS_EVENTS: u64 = 200_000;
/// Events of an append while a peer is filled.
const PEERS_BATCH: u64 = 500;
/// Bytes of a payload.
const PAYLOAD_BYTES: usize = 256;
/// A step that takes longer is given up.
const PATIENCE: Duration = Duration::from_secs(120);
/// Writers of the subscription rows.
const WRITERS: u64 = 64;
/// Before it counts, ms.
const WARM_MS: u64 = 500;
/// While it counts, ms.
const MEASURED_MS: u64 = 3_000;

/// Replays of our log: frames of one event, as live appends make them, and of four.
pub(crate) async fn replay_ours(bench: &mut Bench) -> Outcome<()> {
    if !bench.options.wants_store(Kind::Ledgerline) {
        return Ok(());
    }
    for batch in [1, 4] {
        let what = format!("replay of our log, {batch} events a frame");
        if bench.time_for(&what, Duration::from_secs(25)) {
            bench.tell(&what);
            let folder = bench.folder()?;
            if let Err(error) = replay_log(bench, &folder, batch).await {
                fail(bench, &what, &error.to_string());
            }
            std::fs::remove_dir_all(&folder)?;
        }
    }
    Ok(())
}

fn fail(bench: &mut Bench, what: &str, reason: &str) {
    bench.tell(&format!("failed: {reason}"));
    bench.results.failures.push(format!("{what}: {reason}"));
}

async fn replay_log(bench: &mut Bench, folder: &Path, batch: u64) -> Outcome<()> {
    let (kind, place) = (Kind::Ledgerline, servers::place(folder, None));
    let filled = fill(kind, &place, OUR_EVENTS, batch).await?;
    note(
        bench,
        kind,
        batch,
        What::Fill,
        false,
        Read { events: filled.events, seconds: filled.seconds, ..Read::default() },
    );
    let rounds = bench.options.rounds.max(1);
    for (what, cold) in [(What::Verify, true), (What::All, true), (What::Rare, false)] {
        // The last one warm only: what it reads from the disk is what the others read.
        for cold in if cold { vec![true, false] } else { vec![false] } {
            for _ in 0..if cold { 1 } else { rounds } {
                let spec = read_spec(kind, &place, what, filled.events, cold);
                let task = if what == What::Verify { Task::Verify(spec) } else { Task::Read(spec) };
                let read: Read = child::run(&task, PATIENCE).await?;
                note(bench, kind, batch, what, cold, read);
            }
        }
    }
    Ok(())
}

async fn fill(kind: Kind, place: &Place, events: u64, batch: u64) -> Outcome<Filled> {
    let spec = FillSpec { kind, place: place.clone(), events, batch, payload_bytes: PAYLOAD_BYTES };
    child::run(&Task::Fill(spec), PATIENCE).await
}

fn read_spec(kind: Kind, place: &Place, what: What, events: u64, cold: bool) -> ReadSpec {
    let filtered = what == What::Rare;
    let expected = if filtered { events / RARE_EVERY } else { events };
    ReadSpec { kind, place: place.clone(), filtered, expected, cold }
}

fn note(bench: &mut Bench, kind: Kind, batch: u64, what: What, cold: bool, read: Read) {
    bench.results.replays.push(Replayed { kind, batch, what, cold, read });
}

/// Replays of the peers, and their restarts after a kill on the way.
pub(crate) async fn replay_peers(bench: &mut Bench) -> Outcome<()> {
    let kinds: Vec<Kind> = bench
        .stores(&Kind::ALL)
        .into_iter()
        .filter(|kind| kind.durable() && *kind != Kind::Ledgerline)
        .collect();
    for kind in kinds {
        let what = format!("replay: {}", kind.label());
        if bench.time_for(&what, Duration::from_secs(15)) {
            bench.tell(&what);
            let folder = bench.folder()?;
            if let Err(error) = replay_peer(bench, kind, &folder).await {
                fail(bench, &what, &error.to_string());
            }
            std::fs::remove_dir_all(&folder)?;
        }
    }
    Ok(())
}

async fn replay_peer(bench: &mut Bench, kind: Kind, folder: &Path) -> Outcome<()> {
    let mut server = Server::start(kind, &bench.programs, folder).await?;
    let place = servers::place(folder, server.as_ref());
    let filled = fill(kind, &place, PEERS_EVENTS, PEERS_BATCH).await?;
    let as_read = Read { events: filled.events, seconds: filled.seconds, ..Read::default() };
    note(bench, kind, PEERS_BATCH, What::Fill, false, as_read);
    if let Some(running) = server.take() {
        running.kill().await?;
        disk::drop_caches();
        let began = Instant::now();
        server = Server::start(kind, &bench.programs, folder).await?;
        let open_s = began.elapsed().as_secs_f64();
        bench.results.restarts.push(Restarted::peer(kind, filled.events, open_s));
    }
    let place = servers::place(folder, server.as_ref());
    for (what, cold) in [(What::All, true), (What::All, false), (What::Rare, false)] {
        // A server that has just been started over an empty page cache is cold already.
        let here = cold && server.is_none();
        let task = Task::Read(read_spec(kind, &place, what, filled.events, here));
        let read: Read = child::run(&task, PATIENCE).await?;
        note(bench, kind, PEERS_BATCH, what, cold, read);
    }
    if let Some(server) = server {
        server.stop().await?;
    }
    Ok(())
}

/// From an append to a subscriber, at half of what the store took with as many writers.
pub(crate) async fn subscriptions(bench: &mut Bench) -> Outcome<()> {
    let load = Load { writers: WRITERS, batch: 1, payload_bytes: 256, streams: Streams::Spread };
    for kind in bench.stores(&Kind::ALL) {
        let Some(full) = bench.results.median_events_per_s(kind, &load, false) else { continue };
        let what = format!("subscription at half load: {}", kind.label());
        // SQLite and PostgreSQL have none: whoever follows them asks again and again.
        let has = !matches!(kind, Kind::Sqlite | Kind::Postgres | Kind::PostgresAsync);
        if has && bench.time_for(&what, Duration::from_secs(8)) {
            bench.tell(&what);
            let folder = bench.folder()?;
            match subscribed(bench, kind, load, full / 2.0, &folder).await {
                Ok(Some(subscribed)) => {
                    bench.results.subscriptions.push(Subscription { kind, subscribed });
                }
                Ok(None) => {}
                Err(error) => fail(bench, &what, &error.to_string()),
            }
            std::fs::remove_dir_all(&folder)?;
        }
    }
    Ok(())
}

async fn subscribed(
    bench: &Bench,
    kind: Kind,
    load: Load,
    events_per_s: f64,
    folder: &Path,
) -> Outcome<Option<subscribe::Subscribed>> {
    let server = Server::start(kind, &bench.programs, folder).await?;
    let task = Task::Subscribe(subscribe::Spec {
        kind,
        place: servers::place(folder, server.as_ref()),
        load,
        events_per_s,
        warm_ms: WARM_MS,
        measured_ms: MEASURED_MS,
    });
    let outcome = child::run(&task, PATIENCE).await;
    if let Some(server) = server {
        server.stop().await?;
    }
    outcome
}
