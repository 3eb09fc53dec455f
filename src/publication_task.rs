//! A server publishes its tables again and again.

use std::time::Duration;

use ledgerline_event_store::archive::Depot;
use ledgerline_projections::Projections;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

use crate::data_dir::Known;
use crate::publication::{Choice, publish};
use crate::settings::TableCopies;

/// Publishes until the task is aborted; `is_encrypted` says that new files are here. What cannot be published now is tried again at the next turn.
pub(crate) fn keep(
    known: &Known,
    tables: Projections,
    depot: Depot,
    settings: &TableCopies,
    is_encrypted: bool,
) -> JoinHandle<()> {
    let name = known.name.clone();
    let choice = Choice { is_encrypted, in_clear: settings.publish_in_clear, ..Choice::default() };
    let mut ticks = tokio::time::interval(Duration::from_secs(settings.publish_every_s));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    tokio::spawn(async move {
        let mut last = None;
        loop {
            ticks.tick().await;
            let snapshot = tables.at_rest().await;
            if last == Some(snapshot.position) {
                continue;
            }
            let (position, depot, choice) = (snapshot.position, depot.clone(), choice.clone());
            let round = tokio::task::spawn_blocking(move || publish(&depot, &snapshot, &choice));
            match round.await {
                Ok(Ok(done)) => {
                    last = Some(position);
                    metrics::gauge!("ledgerline_publication_position", "org" => name.clone())
                        .set(position.0 as f64);
                    let (files, bytes) = done.stored;
                    tracing::debug!(organization = %name, %position, files, bytes, "tables were published");
                }
                Ok(Err(error)) => {
                    metrics::counter!("ledgerline_publication_failures_total", "org" => name.clone())
                        .increment(1);
                    tracing::warn!(organization = %name, %error, "publishing the tables failed; it is tried again");
                }
                Err(error) => {
                    tracing::error!(organization = %name, %error, "publishing the tables ended badly");
                }
            }
        }
    })
}
