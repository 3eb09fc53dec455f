//! The live line, from a subscription to `queue_live`.

use std::collections::BTreeMap;
use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use ledgerline_simulation::Tally;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::figures::{Counts, Door};
use crate::failure::Failure;
use crate::live::{Dataset, Live};

/// The dataset the line is made of.
const DATASET: &str = "queue_live";

/// The rows of `queue_live`.
struct Rows<'a>(Vec<&'a Value>);

impl<'a> Rows<'a> {
    fn of(live: &'a Live) -> Self {
        Self(live.dataset(DATASET).into_iter().flat_map(Dataset::rows).collect())
    }

    fn sum(&self, column: &str) -> i64 {
        self.0.iter().filter_map(|row| row.get(column).and_then(Value::as_i64)).sum()
    }

    fn counts(&self) -> BTreeMap<String, Counts> {
        let mut channels: BTreeMap<String, Counts> = BTreeMap::new();
        for row in &self.0 {
            let int = |name: &str| row.get(name).and_then(Value::as_i64).unwrap_or(0);
            let channel = row.get("channel_type").and_then(Value::as_str).unwrap_or_default();
            let counts = channels.entry(channel.to_owned()).or_default();
            counts.offered += int("offered");
            counts.answered += int("answered");
            counts.abandoned += int("abandoned");
            counts.other += int("other");
            counts.open += int("open");
        }
        channels
    }
}

async fn subscribe(door: &Door) -> Result<Live, Failure> {
    Live::open(&door.base, &door.token, &[DATASET], 2.0).await
}

/// The totals of a fresh snapshot of `queue_live`, by channel.
pub(super) async fn snapshot(door: &Door) -> Result<BTreeMap<String, Counts>, Failure> {
    let mut live = subscribe(door).await?;
    while !live.is_whole() {
        live.next().await?;
    }
    Ok(Rows::of(&live).counts())
}

/// Shows one line of figures until `stop`.
pub(super) async fn show(door: Door, tally: Tally, stop: CancellationToken) {
    let terminal = std::io::stdout().is_terminal();
    let mut ticks = tokio::time::interval(if terminal {
        Duration::from_secs(1)
    } else {
        Duration::from_secs(10)
    });
    let Ok(mut live) = subscribe(&door).await else { return };
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            taken = live.next() => if taken.is_err() {
                break;
            },
            _ = ticks.tick() => line(&Rows::of(&live), &tally, terminal),
        }
    }
    if terminal {
        let _ = writeln!(std::io::stdout());
    }
}

fn line(rows: &Rows<'_>, tally: &Tally, terminal: bool) {
    let totals = tally.totals();
    let text = format!(
        "waiting {:>3}  connected {:>3}  available agents {:>2} | offered {:>5}  answered {:>5}  \
         abandoned {:>4}  other {:>4} | rtp packets {:>8}",
        rows.sum("in_queue_now"),
        rows.sum("connected_now"),
        rows.0
            .iter()
            .filter_map(|row| row.get("available_agents").and_then(Value::as_i64))
            .max()
            .unwrap_or(0),
        rows.sum("offered"),
        rows.sum("answered"),
        rows.sum("abandoned"),
        rows.sum("other"),
        totals.rtp_received,
    );
    let mut out = std::io::stdout();
    let _ = if terminal { write!(out, "\r{text}") } else { writeln!(out, "{text}") };
    let _ = out.flush();
}
