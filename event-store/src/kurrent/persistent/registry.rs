//! The groups that run, and those that only are written down.

use std::collections::BTreeMap;
use std::sync::Arc;

use ledgerline_schemas::id::OrgId;
use tokio::sync::{Mutex, mpsc, oneshot};
use tonic::{Code, Status};

use super::group::{Command, Group};
use super::settings::Settings;
use super::store::{Key, Store, StoreError, Stored};
use crate::kurrent::door::{Door, Session};
use crate::kurrent::refusal;

/// Groups of one organization.
const GROUPS_MAX: usize = 1_000;
/// Acknowledgements that wait for a group.
const COMMANDS_MAX: usize = 1_024;

/// All groups of this server.
#[derive(Debug)]
pub(crate) struct Registry {
    door: Arc<Door>,
    store: Arc<Store>,
    running: Mutex<BTreeMap<Key, mpsc::Sender<Command>>>,
}

fn unusable(error: &StoreError) -> Status {
    tracing::error!(%error, "persistent subscriptions");
    Status::internal("persistent subscriptions cannot be stored")
}

impl Registry {
    pub(crate) fn new(door: Arc<Door>, store: Store) -> Self {
        Self { door, store: Arc::new(store), running: Mutex::default() }
    }

    /// Work with the file, which blocks.
    async fn with_store<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, Status> {
        let store = Arc::clone(&self.store);
        tokio::task::spawn_blocking(move || work(&store))
            .await
            .map_err(|_| Status::internal("persistent subscriptions cannot be stored"))?
            .map_err(|error| unusable(&error))
    }

    async fn stored(&self, key: &Key) -> Result<Option<Stored>, Status> {
        let key = key.clone();
        self.with_store(move |store| store.load(&key)).await
    }

    /// The running group of this name; it is started if need be.
    pub(crate) async fn group(
        &self,
        session: &Session,
        key: &Key,
    ) -> Result<mpsc::Sender<Command>, Status> {
        let mut running = self.running.lock().await;
        if let Some(group) = running.get(key).filter(|group| !group.is_closed()) {
            return Ok(group.clone());
        }
        let stored = self
            .stored(key)
            .await?
            .ok_or_else(|| refusal::no_such_group(key.source(), &key.group))?;
        let (log, store) = (Arc::clone(&session.log), Arc::clone(&self.store));
        let group = Group::new(key.clone(), stored, log, store)?;
        let (sender, commands) = mpsc::channel(COMMANDS_MAX);
        self.door.tasks.spawn(group.run(commands, self.door.closing.clone()));
        running.insert(key.clone(), sender.clone());
        Ok(sender)
    }

    pub(crate) async fn create(&self, key: Key, stored: Stored) -> Result<(), Status> {
        Settings::read(&stored.settings)?;
        let _running = self.running.lock().await;
        if self.stored(&key).await?.is_some() {
            return Err(refusal::group_exists(key.source(), &key.group));
        }
        let org_id = key.org_id;
        if self.with_store(move |store| store.list(org_id)).await?.len() >= GROUPS_MAX {
            let message =
                format!("an organization has at most {GROUPS_MAX} persistent subscriptions");
            return Err(Status::new(Code::ResourceExhausted, message));
        }
        self.with_store(move |store| store.save(&key, &stored)).await
    }

    /// Changes settings and start; a position that was saved stays.
    pub(crate) async fn update(&self, key: Key, changed: Stored) -> Result<(), Status> {
        Settings::read(&changed.settings)?;
        let mut running = self.running.lock().await;
        if self.stored(&key).await?.is_none() {
            return Err(refusal::no_such_group(key.source(), &key.group));
        }
        close(running.remove(&key), refusal::dropped("the subscription was changed")).await;
        // Read again: closing has written the position down.
        let stored = self.stored(&key).await?.unwrap_or_default();
        let stored = Stored { settings: changed.settings, start: changed.start, ..stored };
        self.with_store(move |store| store.save(&key, &stored)).await
    }

    pub(crate) async fn delete(&self, key: Key) -> Result<(), Status> {
        let mut running = self.running.lock().await;
        if self.stored(&key).await?.is_none() {
            return Err(refusal::no_such_group(key.source(), &key.group));
        }
        close(running.remove(&key), refusal::dropped("the subscription was deleted")).await;
        self.with_store(move |store| store.remove(&key)).await
    }

    pub(crate) async fn list(&self, org_id: OrgId) -> Result<Vec<Key>, Status> {
        self.with_store(move |store| store.list(org_id)).await
    }

    /// Stops the groups of an organization; they start again when they are needed.
    pub(crate) async fn restart(&self, org_id: OrgId) {
        let mut running = self.running.lock().await;
        let keys: Vec<Key> = running.keys().filter(|key| key.org_id == org_id).cloned().collect();
        for key in keys {
            close(running.remove(&key), refusal::closing()).await;
        }
    }
}

/// Ends a group and waits until it has written everything down.
async fn close(group: Option<mpsc::Sender<Command>>, status: Status) {
    let Some(group) = group else { return };
    let (reply, closed) = oneshot::channel();
    if group.send(Command::Close(status, reply)).await.is_ok() {
        // An error means that the group ended by itself, which also writes everything down.
        let _ = closed.await;
    }
}
