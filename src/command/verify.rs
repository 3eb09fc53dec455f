//! `ledgerline verify`: the log is whole, and the routing state equals its replay.

use ledgerline_event_store::EventReader as _;
use ledgerline_ingest::engine::replay;
use ledgerline_routing_core::snapshot;

use crate::cli::Verify;
use crate::data_dir::DataDir;
use crate::failure::Failure;
use crate::organization::open_log_to_read;
use crate::output::say;

/// Checks every frame of the log and replays the routing state.
pub(crate) async fn run(arguments: Verify) -> Result<(), Failure> {
    let data = DataDir::existing(&arguments.local.data)?;
    let _held = data.hold()?;
    for known in data.choose_or_all(arguments.local.org.as_deref())? {
        let log = open_log_to_read(&data, &known)?;
        let name = known.name.clone();
        let (head, hash) = tokio::task::spawn_blocking(move || {
            log.verify().map_err(|error| Failure::file(format!("organization {name}: {error}")))?;
            let (state, _) = replay(&*log).map_err(Failure::software)?;
            Ok::<_, Failure>((log.head(), snapshot::hash(&state)))
        })
        .await
        .map_err(Failure::software)??;
        let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        say(&format!(
            "organization {}: log verified up to position {head}, routing state {hash}",
            known.name
        ));
    }
    Ok(())
}
