//! `ledgerline rebuild`.

use ledgerline_projections::{Options, rebuild_encrypted, tables};

use crate::at_rest;
use crate::cli::Rebuild;
use crate::data_dir::DataDir;
use crate::failure::Failure;
use crate::organization::open_log_to_read;
use crate::output::say;
use crate::progress;

/// Builds the tables anew in the shadow, compares and switches.
pub(crate) async fn run(arguments: Rebuild) -> Result<(), Failure> {
    if let Some(table) = &arguments.table
        && !tables::ALL.iter().any(|known| known.name == table)
    {
        let names: Vec<&str> = tables::ALL.iter().map(|known| known.name).collect();
        return Err(Failure::data(format!("no table {table:?}; there are: {}", names.join(", "))));
    }
    let data = DataDir::existing(&arguments.local.data)?;
    let _held = data.hold()?;
    let mut differ = Vec::new();
    for known in data.choose_or_all(arguments.local.org.as_deref())? {
        let log = open_log_to_read(&data, &known)?;
        let dir = data.organization_dir(known.org_id).join("tables");
        let cipher = at_rest::cipher(&data, known.org_id)?;
        let bar = progress::events();
        let shown = bar.clone();
        let rebuilt = tokio::task::spawn_blocking(move || {
            rebuild_encrypted(&*log, &dir, Options::default(), cipher, |at, head| {
                shown.set_length(head.0);
                shown.set_position(at.0);
            })
        })
        .await
        .map_err(Failure::software)?
        .map_err(|error| Failure::file(format!("organization {}: {error}", known.name)))?;
        bar.finish_and_clear();
        say(&format!("organization {} at position {}", known.name, rebuilt.position));
        let before = match &rebuilt.before {
            None => None,
            Some(Ok(before)) => Some(before),
            Some(Err(error)) => {
                say(&format!("the old tables could not be read: {error}"));
                None
            }
        };
        for (table, after) in &rebuilt.after {
            if arguments.table.as_ref().is_some_and(|wanted| wanted != table) {
                continue;
            }
            let verdict = match before.and_then(|before| before.get(table)) {
                None => "built",
                Some(before) if before == after => "identical",
                Some(_) => {
                    differ.push(format!("{}.{table}", known.name));
                    "DIFFERS"
                }
            };
            say(&format!("  {table:<20} {verdict:<10} {:>9} rows  {}", after.rows, after.sha256));
        }
    }
    if differ.is_empty() {
        return Ok(());
    }
    Err(Failure::software(format!("tables differed from their rebuild: {}", differ.join(", "))))
}
