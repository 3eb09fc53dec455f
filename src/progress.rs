//! Bars for long work.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use ledgerline_projections::{ProjectionError, Projections};
use ledgerline_schemas::Position;

/// So many events are folded before anybody looks for a bar.
const WORTH_A_BAR: u64 = 20_000;
/// How often it is brought up to date.
const TICK: Duration = Duration::from_millis(200);

/// A bar of events.
pub(crate) fn events() -> ProgressBar {
    let bar = ProgressBar::new(0);
    if let Ok(style) =
        ProgressStyle::with_template("{bar:40} {pos}/{len} events  {per_sec}  {eta} left")
    {
        bar.set_style(style);
    }
    bar
}

/// Waits until the tables contain everything up to `head`; shows how far they are where that takes long.
///
/// # Errors
/// As [`Projections::wait_for`].
pub(crate) async fn folded(tables: &Projections, head: Position) -> Result<(), ProjectionError> {
    let mut done = std::pin::pin!(tables.wait_for(head));
    if head.0.saturating_sub(tables.folded().0) < WORTH_A_BAR {
        return done.await;
    }
    let bar = events();
    bar.set_length(head.0);
    bar.set_position(tables.folded().0);
    bar.reset_eta();
    let mut ticks = tokio::time::interval(TICK);
    let outcome = loop {
        tokio::select! {
            outcome = &mut done => break outcome,
            _ = ticks.tick() => bar.set_position(tables.folded().0),
        }
    };
    bar.finish_and_clear();
    outcome
}
