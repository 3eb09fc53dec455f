//! `ledgerline tables publish`.

use clap::Args;
use indicatif::ProgressBar;
use ledgerline_event_store::archive::Depot;

use crate::cli::Local;
use crate::command::local::LocalOrganization;
use crate::failure::Failure;
use crate::output::say;
use crate::publication::{Choice, FOR_AUDITORS, PublishError, publish};
use crate::storage;

#[derive(Debug, Args)]
pub(crate) struct Publish {
    #[command(flatten)]
    local: Local,
    /// Where to: a folder or s3://BUCKET/PREFIX.
    #[arg(long, value_name = "ADDRESS")]
    to: String,
    /// Only this table; may be repeated. Without it all but event_log and access_log.
    #[arg(long = "table", value_name = "NAME")]
    tables: Vec<String>,
    /// Publish tables that are encrypted here: copies are in clear.
    #[arg(long)]
    in_clear: bool,
}

pub(crate) fn failed(error: PublishError) -> Failure {
    match error {
        PublishError::Store(error) => storage::failed(error),
        PublishError::Tables(error) => Failure::file(error),
        PublishError::Refused(reason) => Failure::data(reason),
    }
}

pub(crate) async fn run(arguments: Publish) -> Result<(), Failure> {
    let local =
        LocalOrganization::open(&arguments.local.data, arguments.local.org.as_deref()).await?;
    let snapshot = local.projections.at_rest().await;
    let choice = Choice {
        tables: arguments.tables.into_iter().collect(),
        is_encrypted: local.is_encrypted()?,
        in_clear: arguments.in_clear,
    };
    let bar = ProgressBar::new_spinner().with_message("publishing");
    bar.enable_steady_tick(std::time::Duration::from_millis(200));
    let to = arguments.to;
    let outcome = tokio::task::spawn_blocking(move || {
        let depot = Depot::open(&to).map_err(storage::failed)?;
        let done = publish(&depot, &snapshot, &choice).map_err(failed)?;
        Ok::<_, Failure>((depot.address().to_owned(), done))
    })
    .await
    .map_err(Failure::software);
    bar.finish_and_clear();
    local.close().await;
    let (address, done) = outcome??;
    let publication = &done.publication;
    for (name, table) in &publication.tables {
        let rows: u64 = table.files.iter().map(|file| file.rows).sum();
        let bytes: u64 = table.files.iter().map(|file| file.bytes).sum();
        let files = table.files.len();
        say(&format!("  {name:<20} {files:>5} files  {rows:>10} rows  {bytes:>12} bytes"));
    }
    say(&format!(
        "{address}: {} tables at position {}; {} files stored ({} bytes), {} objects removed",
        publication.tables.len(),
        publication.position,
        done.stored.0,
        done.stored.1,
        done.removed
    ));
    let left_out: Vec<&str> =
        FOR_AUDITORS.into_iter().filter(|name| !publication.tables.contains_key(*name)).collect();
    if !left_out.is_empty() {
        say(&format!("not among them: {} (--table)", left_out.join(", ")));
    }
    Ok(())
}
