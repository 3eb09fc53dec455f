//! `ledgerline tables`.

use std::sync::Arc;

use ledgerline_event_store::EventReader;
use ledgerline_projections::{Options, maintain};

use crate::at_rest;
use crate::cli::{Compact, Tables, TablesVerb};
use crate::command::publish;
use crate::data_dir::DataDir;
use crate::failure::Failure;
use crate::organization::open_log_to_read;
use crate::output::say;

pub(crate) async fn run(arguments: Tables) -> Result<(), Failure> {
    match arguments.verb {
        TablesVerb::Compact(arguments) => compact(arguments).await,
        TablesVerb::Publish(arguments) => publish::run(arguments).await,
    }
}

/// Takes rows that are no longer kept out of the files, merges them, and looks at every one of them.
async fn compact(arguments: Compact) -> Result<(), Failure> {
    let data = DataDir::existing(&arguments.local.data)?;
    let _held = data.hold()?;
    for known in data.choose_or_all(arguments.local.org.as_deref())? {
        let log: Arc<dyn EventReader> = open_log_to_read(&data, &known)?;
        let dir = data.organization_dir(known.org_id).join("tables");
        let cipher = at_rest::cipher(&data, known.org_id)?;
        let work = move || maintain(log, &dir, Options::default(), cipher);
        let done = tokio::task::spawn_blocking(work)
            .await
            .map_err(Failure::software)?
            .map_err(|error| Failure::file(format!("organization {}: {error}", known.name)))?;
        say(&format!(
            "organization {}: {} merged files, {} made again from the log, {} looked at, {} rows removed",
            known.name, done.merged, done.mended, done.verified, done.removed_rows
        ));
        for (table, after) in &done.after {
            let before = done.before.get(table).copied().unwrap_or_default();
            say(&format!(
                "  {table:<20} {:>5} -> {:>4} files  {:>10} rows  {:>12} bytes",
                before.files, after.files, after.rows, after.bytes
            ));
        }
    }
    Ok(())
}
