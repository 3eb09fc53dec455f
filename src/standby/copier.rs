//! A standby's copy of the keys: fetched whole, then kept up with every change.

use std::collections::BTreeMap;
use std::io;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ledgerline_event_store::crypt::KeyRing;
use ledgerline_event_store::crypt::copy::{Delivery, Place, TakenFile};
use ledgerline_event_store::engine::Mirror;
use ledgerline_schemas::id::OrgId;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::door::Asked;
use super::{FILES, PATH, Until, token};
use crate::data_dir::DataDir;
use crate::engine::Engine;
use crate::failure::Failure;

/// How long an answer may wait for something new.
const WAIT: Duration = Duration::from_secs(10);
/// Pause after nobody of those who may lead gave anything.
const PAUSE: Duration = Duration::from_millis(200);
/// Longest time for an answer beyond [`WAIT`]: a whole copy may be large.
const TRANSFER: Duration = Duration::from_secs(120);

/// How the copy stands.
#[derive(Clone, Debug, Default)]
pub(crate) struct Standing {
    /// The claims whose holders' keys are here.
    pub(crate) epochs: BTreeMap<OrgId, u64>,
    /// Whether the last thing that was asked was answered.
    pub(crate) connected: bool,
    /// Whether anything was copied in this life of the process.
    pub(crate) copied: bool,
}

/// The mirrors of the organizations whose keys are copied.
type Mirrors = Vec<(OrgId, Mirror)>;

/// Copies until it is stopped.
#[derive(Debug)]
pub(crate) struct Copier {
    standing: watch::Receiver<Standing>,
    mirrors: Arc<Mirrors>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Copier {
    /// Begins to copy from whoever of `keys_from` leads.
    pub(crate) fn start(
        settings: &Engine,
        data: &DataDir,
        keys: &KeyRing,
        mirrors: Mirrors,
    ) -> Result<Self, Failure> {
        let path = settings.keys_token_file.as_deref();
        let token = token(path.unwrap_or(Path::new("")))?;
        let client = reqwest::Client::builder()
            .no_proxy()
            .connect_timeout(Duration::from_secs(2))
            .build()
            .map_err(Failure::software)?;
        let until = Until::of(data);
        let epochs = until.epochs()?;
        let (told, standing) = watch::channel(Standing { epochs, ..Standing::default() });
        let mirrors = Arc::new(mirrors);
        let copying = Copying {
            client,
            token,
            doors: settings
                .keys_from
                .iter()
                .map(|url| url.trim_end_matches('/').to_owned())
                .collect(),
            name: Uuid::new_v4(),
            data: data.clone(),
            until,
            keys: keys.clone(),
            mirrors: Arc::clone(&mirrors),
            told,
        };
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let task = tokio::spawn(async move { copying.run(&stopped).await });
        Ok(Self { standing, mirrors, stop, task })
    }

    /// A watch on how it stands.
    pub(crate) fn watch(&self) -> watch::Receiver<Standing> {
        self.standing.clone()
    }

    /// Resolves when the keys of the last process that wrote are here, for every organization: then, and only
    /// then, this one may take over.
    pub(crate) async fn complete(&self) {
        for (org_id, mirror) in self.mirrors.iter() {
            let (mut standing, mut status) = (self.standing.clone(), mirror.watch());
            let mut said = false;
            loop {
                let (caught_up, epoch, ended) = {
                    let status = status.borrow_and_update();
                    (status.caught_up, status.epoch, status.failure.is_some())
                };
                let has = standing.borrow_and_update().epochs.get(org_id).copied().unwrap_or(0);
                // A mirror that ended says why when it is asked to lead.
                if ended || (caught_up && epoch <= has) {
                    break;
                }
                if caught_up && !said {
                    said = true;
                    tracing::info!(
                        %org_id, epoch, has,
                        "the keys of the process that writes are not here yet; no takeover before they are"
                    );
                }
                let gone = tokio::select! {
                    changed = status.changed() => changed.is_err(),
                    changed = standing.changed() => changed.is_err(),
                };
                if gone {
                    break;
                }
            }
        }
    }

    /// Ends copying; what was being taken is taken.
    pub(crate) async fn stop(self) -> Standing {
        self.stop.cancel();
        if self.task.await.is_err() {
            tracing::error!("copying keys ended badly");
        }
        self.standing.borrow().clone()
    }
}

/// The task.
struct Copying {
    client: reqwest::Client,
    token: String,
    doors: Vec<String>,
    name: Uuid,
    data: DataDir,
    until: Until,
    keys: KeyRing,
    mirrors: Arc<Mirrors>,
    told: watch::Sender<Standing>,
}

impl Copying {
    async fn run(self, stop: &CancellationToken) {
        let mut last = String::new();
        loop {
            for door in &self.doors {
                let said = self.follow(door, stop).await;
                if stop.is_cancelled() {
                    return;
                }
                self.told.send_modify(|standing| standing.connected = false);
                // Once, not with every try.
                if let Err(reason) = said
                    && last != reason
                {
                    tracing::warn!(%door, %reason, "no keys from there");
                    last = reason;
                }
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(PAUSE) => {}
            }
        }
    }

    /// Follows one door until it does not answer.
    async fn follow(&self, door: &str, stop: &CancellationToken) -> Result<(), String> {
        let mut at = None;
        loop {
            let delivery = tokio::select! {
                () = stop.cancelled() => return Ok(()),
                delivery = self.ask(door, at) => delivery?,
            };
            self.check(&delivery)?;
            if delivery.is_whole() {
                tracing::info!(%door, "keys were copied");
            }
            let (place, epochs) = (delivery.place, delivery.epochs.clone());
            self.take(delivery).await?;
            at = Some(place);
            self.told.send_if_modified(|standing| {
                let changed = !standing.connected || standing.epochs != epochs;
                *standing = Standing { epochs, connected: true, copied: true };
                changed
            });
        }
    }

    async fn ask(&self, door: &str, at: Option<Place>) -> Result<Delivery, String> {
        let asked = Asked {
            standby: self.name,
            feed: at.map(|at| at.feed),
            changes: at.map(|at| at.changes),
            wait_ms: u64::try_from(WAIT.as_millis()).unwrap_or(u64::MAX),
        };
        let request = self
            .client
            .get(format!("{door}{PATH}"))
            .bearer_auth(&self.token)
            .timeout(WAIT + TRANSFER)
            .query(&asked);
        let answer = request.send().await.map_err(|error| error.to_string())?;
        if !answer.status().is_success() {
            return Err(format!("it answered {}", answer.status()));
        }
        let bytes = answer.bytes().await.map_err(|error| error.to_string())?;
        Delivery::decode(&bytes).map_err(|error| error.to_string())
    }

    /// Keys of somebody who no longer leads may be fewer than those that are here.
    fn check(&self, delivery: &Delivery) -> Result<(), String> {
        // A mirror that was just opened has not read of the newest claim yet: what was copied before counts too.
        let mut known = self.told.borrow().epochs.clone();
        for (org_id, mirror) in self.mirrors.iter() {
            let newest = known.entry(*org_id).or_insert(0);
            *newest = mirror.watch().borrow().epoch.max(*newest);
        }
        for (org_id, newest) in &known {
            let offered = delivery.epochs.get(org_id).copied().unwrap_or(0);
            if offered < *newest {
                return Err(format!(
                    "it led organization {org_id} in epoch {offered}, another one led in epoch {newest}"
                ));
            }
        }
        Ok(())
    }

    async fn take(&self, delivery: Delivery) -> Result<(), String> {
        let (keys, data, until) = (self.keys.clone(), self.data.clone(), self.until.clone());
        let taking = tokio::task::spawn_blocking(move || {
            let taken = keys.take(&delivery).map_err(|error| error.to_string())?;
            if taken.only_here > 0 {
                metrics::gauge!("ledgerline_key_copy_only_here").set(taken.only_here as f64);
                tracing::warn!(
                    keys = taken.only_here,
                    "keys that the process that writes does not have stay here; those that the log says are erased go"
                );
            }
            for file in taken.files {
                store(data.root(), &file)
                    .map_err(|error| format!("writing {}: {error}", file.name))?;
            }
            until.set(&delivery.epochs).map_err(|error| error.to_string())
        });
        taking.await.map_err(|error| error.to_string())?
    }
}

/// Writes a file whole or not at all, durably, readable by its owner only.
fn store(root: &Path, file: &TakenFile) -> io::Result<()> {
    // Names come from elsewhere: only those that are meant become paths.
    if !FILES.contains(&file.name.as_str()) {
        return Err(io::Error::other("no file of this name is copied"));
    }
    let path = root.join(&file.name);
    let aside = root.join(format!("{}.copied", file.name));
    match std::fs::remove_file(&aside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut written =
        std::fs::OpenOptions::new().create_new(true).write(true).mode(0o600).open(&aside)?;
    written.write_all(&file.content)?;
    written.sync_all()?;
    std::fs::rename(&aside, &path)?;
    std::fs::File::open(root)?.sync_all()
}
