//! Two processes on one engine: what a standby needs that is not on the log.
//!
//! Keys, the key of tokens and the database users are files of the data directory. The process that writes
//! offers them ([`door`]); a standby copies them and follows ([`copier`]), and carries out erasures that the
//! log names ([`erased`]). [`until`] remembers whose keys a directory has, so that no standby takes over without
//! those it needs.

mod copier;
mod door;
mod erased;
#[cfg(test)]
mod tests;
mod until;

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use ledgerline_access::scram::USERS_FILE;
use ledgerline_access::token::KEY_FILE;
use ledgerline_event_store::crypt::KeyRing;
use ledgerline_schemas::id::OrgId;

pub(crate) use copier::Standing;
pub(crate) use door::Door;

use copier::Copier;
use erased::Erasures;
use until::Until;

use crate::data_dir::DataDir;
use crate::failure::Failure;
use crate::keys;
use crate::ops::{Followed, Probes};
use crate::organization::{Served, lead};
use crate::settings::Settings;

/// Files of the data directory that are copied besides the keys.
const FILES: [&str; 2] = [KEY_FILE, USERS_FILE];
/// Path of the door.
const PATH: &str = "/v1/standby/keys";
/// Least length of the shared secret, characters.
const TOKEN_MIN: usize = 32;

/// Reads the secret that both sides share.
fn token(path: &Path) -> Result<String, Failure> {
    let unusable = |reason: String| {
        Failure::config(format!("engine.keys_token_file {}: {reason}", path.display()))
    };
    let mode = std::fs::metadata(path).map_err(|error| unusable(error.to_string()))?.permissions();
    if mode.mode() & 0o077 != 0 {
        return Err(unusable(
            "others may read it; make it the owner's alone: chmod 600".to_owned(),
        ));
    }
    let text = std::fs::read_to_string(path).map_err(|error| unusable(error.to_string()))?;
    let token = text.trim().to_owned();
    let plain = token.bytes().all(|byte| byte.is_ascii_graphic());
    if token.len() < TOKEN_MIN || !plain {
        return Err(unusable(format!("{TOKEN_MIN} or more ASCII characters without spaces")));
    }
    Ok(token)
}

/// Follows the logs, and copies keys if that is configured, until this process leads.
pub(crate) async fn stand_by(
    settings: &Settings,
    data: &DataDir,
    served: &mut [Served],
    probes: &Probes,
) -> Result<(), Failure> {
    let copying = if settings.engine.keys_from.is_empty() {
        None
    } else {
        let keys = keys::open(data, settings.keys.kek_folder.as_deref())?;
        let mirrors = served.iter();
        let mirrors =
            mirrors.filter_map(|it| Some((it.known.org_id, it.mirror.clone()?))).collect();
        let copier = Copier::start(&settings.engine, data, &keys, mirrors)?;
        let logs = served.iter().map(|it| it.log.clone()).collect();
        Some((copier, Erasures::follow(&keys, logs)))
    };
    let standing = copying.as_ref().map(|(copier, _)| copier.watch());
    let followed = served.iter().filter_map(|it| {
        Some(Followed {
            name: it.known.name.clone(),
            org_id: it.known.org_id,
            log: it.log.clone(),
            mirror: it.mirror.as_ref()?.watch(),
            keys: standing.clone(),
        })
    });
    probes.show(followed.collect());
    let Some((copier, erasures)) = copying else { return lead(served, true).await };
    copier.complete().await;
    lead(served, true).await?;
    let standing = copier.stop().await;
    erasures.finish().await?;
    if !standing.copied {
        tracing::warn!(
            "this process takes over with keys that were copied in an earlier life: those that were made since, \
             while it was away, are not here"
        );
    }
    for Served { known, epoch, .. } in served {
        let had = standing.epochs.get(&known.org_id).copied().unwrap_or(0);
        if had + 1 < *epoch {
            metrics::counter!("ledgerline_key_copy_gaps_total").increment(1);
            tracing::error!(
                organization = %known.name, epoch, had,
                "another process led in between, and its keys are not here: what it sealed does not open"
            );
        }
    }
    Ok(())
}

/// Offers keys to standbys, if that is configured.
pub(crate) fn offer(
    settings: &Settings,
    data: &DataDir,
    keys: &KeyRing,
    served: &[Served],
) -> Result<Option<Door>, Failure> {
    let engine = &settings.engine;
    if engine.is_embedded() {
        return Ok(None);
    }
    let epochs: BTreeMap<OrgId, u64> =
        served.iter().map(|it| (it.known.org_id, it.epoch)).collect();
    if engine.keys_listen.is_some() || !engine.keys_from.is_empty() {
        // Whoever leads has all keys there are from now on.
        Until::of(data).set(&epochs)?;
    }
    let (Some(listen), Some(path), Some(first)) =
        (engine.keys_listen, &engine.keys_token_file, served.first())
    else {
        return Ok(None);
    };
    let token = token(path)?;
    let patience = Duration::from_millis(engine.keys_patience_ms);
    let feed = keys.feed(patience, epochs).map_err(Failure::software)?;
    Door::open(listen, &token, data, keys, first.known.org_id, feed).map(Some)
}
