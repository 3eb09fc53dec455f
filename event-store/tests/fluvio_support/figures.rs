//! Measured figures of the carrier.

use std::time::{Duration, Instant};

use futures::StreamExt as _;
use ledgerline_event_store::engine::{Carrier, Offset};

use super::scenarios::entry;
use super::{Cluster, Outcome, text};

/// One row of the table.
pub(crate) struct Figure {
    pub(crate) what: String,
    pub(crate) value: String,
}

fn figure(what: &str, value: String) -> Figure {
    Figure { what: what.to_owned(), value }
}

fn percentile(sorted: &[Duration], per_mille: usize) -> f64 {
    let at = sorted.len().saturating_sub(1) * per_mille / 1_000;
    sorted.get(at).map_or(0.0, |it| it.as_secs_f64() * 1e3)
}

/// Latency of single appends, throughput of large ones, and replay.
pub(crate) async fn measure(cluster: &Cluster) -> Outcome<Vec<Figure>> {
    const SINGLE: u64 = 5_000;
    const GROUPS: u64 = 200;
    const GROUP: u64 = 1_000;
    let carrier = cluster.open("figures").await?;
    let mut figures = Vec::new();

    let mut times = Vec::new();
    let began = Instant::now();
    for number in 0..SINGLE {
        let one = Instant::now();
        carrier.append(vec![entry(number, 256)], Offset(0)).await.map_err(text)?;
        times.push(one.elapsed());
    }
    let rate = SINGLE as f64 / began.elapsed().as_secs_f64();
    times.sort();
    figures.push(figure(
        "1 writer, one entry of 256 B an append, each waited for",
        format!(
            "{rate:.0} appends/s; p50 {:.2} ms, p99 {:.2} ms, p99.9 {:.2} ms",
            percentile(&times, 500),
            percentile(&times, 990),
            percentile(&times, 999)
        ),
    ));

    let began = Instant::now();
    for group in 0..GROUPS {
        let entries = (0..GROUP).map(|it| entry(group * GROUP + it, 256)).collect();
        carrier.append(entries, Offset(0)).await.map_err(text)?;
    }
    let seconds = began.elapsed().as_secs_f64();
    let entries = (GROUPS * GROUP) as f64;
    figures.push(figure(
        "1 writer, 1,000 entries of 256 B an append, each append waited for",
        format!(
            "{:.0} entries/s, {:.1} MiB/s",
            entries / seconds,
            entries * 256.0 / seconds / 1_048_576.0
        ),
    ));

    let end = carrier.end().await.map_err(text)?;
    let began = Instant::now();
    let mut follower = carrier.follow(Offset(0));
    let mut first = None;
    for _ in 0..end.0 {
        follower.next().await.ok_or("the follower ended")?.map_err(text)?;
        first.get_or_insert_with(|| began.elapsed());
    }
    let seconds = began.elapsed().as_secs_f64();
    figures.push(figure(
        "follower from offset 0, warm",
        format!(
            "{:.0} entries/s; the first after {:.0} ms (connection, topic checked, stream opened)",
            end.0 as f64 / seconds,
            first.unwrap_or_default().as_secs_f64() * 1e3
        ),
    ));

    let mut times = Vec::new();
    for number in 0..1_000 {
        let one = Instant::now();
        let entries = vec![entry(number, 256)];
        let (appended, seen) = tokio::join!(carrier.append(entries, Offset(0)), follower.next());
        appended.map_err(text)?;
        seen.ok_or("the follower ended")?.map_err(text)?;
        times.push(one.elapsed());
    }
    times.sort();
    figures.push(figure(
        "append and read-back of the same entry by a live follower",
        format!("p50 {:.2} ms, p99 {:.2} ms", percentile(&times, 500), percentile(&times, 990)),
    ));
    Ok(figures)
}
