//! Durable appends: rows × rounds × stores, the disk's limits measured anew beside each.

use std::time::Duration;

use super::Bench;
use super::plan::Row;
use crate::child::{self, Task};
use crate::load::Streams;
use crate::machine::awake::Spinner;
use crate::machine::disk;
use crate::measure::append::{Appended, Spec};
use crate::measure::raw;
use crate::outcome::Outcome;
use crate::report::results::Cell;
use crate::servers::{self, Server};
use crate::stores::Kind;

/// Before it counts.
const WARM: Duration = Duration::from_millis(300);
/// For the disk's limits beside a row.
const RAW: Duration = Duration::from_millis(500);
/// What a row takes beside its measured time, roughly.
const AROUND: Duration = Duration::from_millis(2_000);
/// A row that takes so much longer is given up.
const PATIENCE: Duration = Duration::from_secs(60);

/// Measures rows. The stores take turns: what the machine does to one it does to all.
pub(crate) async fn measure(bench: &mut Bench, rows: &[Row]) -> Outcome<()> {
    let most = rows.iter().map(|row| row.rounds).max().unwrap_or(0);
    for round in 1..=most {
        for row in rows.iter().filter(|row| row.rounds >= round) {
            for kind in stores(bench, row, round) {
                let shown = describe(row, kind, round);
                let takes = Duration::from_secs_f64(bench.options.seconds) + AROUND;
                if bench.time_for(&shown, takes) {
                    bench.tell(&shown);
                    cell(bench, row, kind, round).await?;
                }
            }
        }
    }
    Ok(())
}

/// What does not sync is shown, once, not compared.
fn stores(bench: &Bench, row: &Row, round: u32) -> Vec<Kind> {
    let mut kinds = bench.stores(&Kind::ALL);
    let all = bench.options.full || !bench.options.stores.is_empty();
    kinds.retain(|kind| all || kind.durable() || (round == 1 && row.rounds > 1 && !row.awake));
    kinds
}

fn describe(row: &Row, kind: Kind, round: u32) -> String {
    let Row { load, awake, rounds } = row;
    let streams = match load.streams {
        Streams::Hot => "one stream",
        Streams::Spread => "spread",
    };
    format!(
        "{} writers × {} × {} B, {streams}{}: {} ({round}/{rounds})",
        load.writers,
        load.batch,
        load.payload_bytes,
        if *awake { ", awake" } else { "" },
        kind.label()
    )
}

async fn cell(bench: &mut Bench, row: &Row, kind: Kind, round: u32) -> Outcome<()> {
    let folder = bench.folder()?;
    let _spinner = if row.awake { Some(Spinner::start()?) } else { None };
    let raw = raw::measure(&folder, RAW)?;
    let outcome = appended(bench, row, kind, &folder).await;
    let (appended, failed) = match outcome {
        Ok(appended) => (Some(appended), None),
        Err(error) => {
            bench.tell(&format!("failed: {error}"));
            (None, Some(error.to_string()))
        }
    };
    bench.results.cells.push(Cell {
        kind,
        load: row.load,
        awake: row.awake,
        round,
        raw,
        appended,
        failed,
    });
    std::fs::remove_dir_all(&folder)?;
    disk::settle(bench.scratch())
}

async fn appended(
    bench: &Bench,
    row: &Row,
    kind: Kind,
    folder: &std::path::Path,
) -> Outcome<Appended> {
    let server = Server::start(kind, &bench.programs, folder).await?;
    disk::settle(folder)?;
    let measured = Duration::from_secs_f64(bench.options.seconds);
    let task = Task::Append(Spec {
        kind,
        place: servers::place(folder, server.as_ref()),
        load: row.load,
        warm_ms: u64::try_from(WARM.as_millis())?,
        measured_ms: u64::try_from(measured.as_millis())?,
        server: server.as_ref().map(Server::pid),
    });
    let outcome = child::run(&task, measured + PATIENCE).await;
    if let Some(server) = server {
        server.stop().await?;
    }
    outcome
}
