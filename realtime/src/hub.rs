//! One organization's change feed, kept for a while and read by all its subscribers.
//!
//! One task reads the feed and pushes into a ring. Subscribers are not queued to: they are woken and read
//! what follows their own position. A change is stored once, however many subscribers there are.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError, RwLock, Weak};
use std::time::{Duration, Instant};

use futures::StreamExt as _;
use ledgerline_access::Principal;
use ledgerline_projections::rights::{Directory, NothingGranted, Rights};
use ledgerline_projections::{ChangeBatch, RowChange, TableDef};
use ledgerline_schemas::Position;
use ledgerline_schemas::id::OrgId;
use tokio::sync::watch;

use crate::cohort::Cohort;
use crate::feed::{FeedSource, LiveState};
use crate::query::{Hash, Query};

/// Wait before a feed that ended is asked for again.
const REATTACH: Duration = Duration::from_millis(500);

/// Why changes after a position cannot be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lost {
    /// The tables were built anew.
    Epoch,
    /// They are no longer retained.
    Retention,
}

/// How far the feed has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Epoch of the tables.
    pub epoch: u64,
    /// Position up to which changes were pushed.
    pub position: Position,
}

/// Changes of live tables that came in one batch.
#[derive(Debug)]
pub struct Retained {
    /// Position of the batch's end.
    pub to: Position,
    /// The changes in order.
    pub changes: Vec<RowChange>,
    /// When the batch came in.
    pub pushed: Instant,
}

/// What follows a position.
#[derive(Debug)]
pub struct Since {
    /// The batches in order; the first may hold changes at or before the position.
    pub batches: Vec<Arc<Retained>>,
    /// Everything up to here is in them.
    pub head: Position,
    /// Changes after this position are kept.
    pub floor: Position,
}

/// The feed does not continue where it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Gap;

#[derive(Debug)]
struct Ring {
    head: Head,
    /// Everything after this position is retained.
    floor: Position,
    batches: VecDeque<Arc<Retained>>,
    changes: usize,
    /// Changes pushed since subscribers were last told to catch up.
    unannounced: usize,
}

/// The shared side of one organization's subscriptions.
pub struct Hub {
    source: Arc<dyn FeedSource>,
    tables: Vec<&'static TableDef>,
    ring: RwLock<Ring>,
    head: watch::Sender<Head>,
    /// Counts up whenever a quarter of the ring was written.
    pressure: watch::Sender<u64>,
    /// Counts up whenever access rights changed.
    policy: watch::Sender<u64>,
    /// What rights follow from, as far as the feed has come. Counts as changed with every change of it.
    directory: watch::Sender<Arc<Directory>>,
    retained_changes: usize,
    /// Questions that are asked now, by what tells them apart.
    cohorts: Mutex<BTreeMap<Hash, Weak<Cohort>>>,
}

impl std::fmt::Debug for Hub {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hub").field("org_id", &self.org_id()).finish_non_exhaustive()
    }
}

impl Hub {
    /// A hub and the future that attaches it to its feed and keeps it fed; the future ends only by being
    /// dropped.
    #[must_use = "the hub has no changes unless the future runs"]
    pub fn new(
        source: Arc<dyn FeedSource>,
        retained_changes: usize,
    ) -> (Arc<Self>, impl Future<Output = ()> + Send + use<>) {
        let live = source.live();
        let head = Head { epoch: live.epoch, position: live.position };
        let tables = source.tables().into_iter().filter(|table| table.live).collect();
        let ring = Ring {
            head,
            floor: live.position,
            batches: VecDeque::new(),
            changes: 0,
            unannounced: 0,
        };
        let directory = watch::Sender::new(Arc::new(source.directory()));
        let hub = Arc::new(Self {
            source,
            tables,
            ring: RwLock::new(ring),
            head: watch::Sender::new(head),
            pressure: watch::Sender::new(0),
            policy: watch::Sender::new(0),
            directory,
            retained_changes: retained_changes.max(4),
            cohorts: Mutex::default(),
        });
        let feed = Arc::clone(&hub).follow();
        (hub, feed)
    }

    /// The organization.
    #[must_use]
    pub fn org_id(&self) -> OrgId {
        self.source.org_id()
    }

    /// The live tables.
    #[must_use]
    pub fn tables(&self) -> &[&'static TableDef] {
        &self.tables
    }

    /// The rows now; at times ahead of [`Hub::head`], at times behind.
    #[must_use]
    pub fn live(&self) -> LiveState {
        self.source.live()
    }

    /// How far the feed has come.
    #[must_use]
    pub fn head(&self) -> Head {
        *self.head.borrow()
    }

    /// A watch on [`Hub::head`].
    #[must_use]
    pub fn watch_head(&self) -> watch::Receiver<Head> {
        self.head.subscribe()
    }

    /// Changes whenever readers should catch up lest what they have not read is dropped.
    #[must_use]
    pub fn watch_pressure(&self) -> watch::Receiver<u64> {
        self.pressure.subscribe()
    }

    /// A watch on the revision of access rights.
    #[must_use]
    pub fn watch_policy(&self) -> watch::Receiver<u64> {
        self.policy.subscribe()
    }

    /// What a principal may see, as far as the feed has come.
    ///
    /// # Errors
    /// [`NothingGranted`].
    pub fn rights(&self, principal: &Principal) -> Result<Rights, NothingGranted> {
        Rights::of(principal, &self.directory.borrow())
    }

    /// Changes whenever something changed that rights follow from.
    #[must_use]
    pub fn watch_rights(&self) -> watch::Receiver<Arc<Directory>> {
        self.directory.subscribe()
    }

    /// Ends every subscription of the organization with `policy_changed`; none can be resumed.
    pub fn policy_changed(&self) {
        self.policy.send_modify(|revision| *revision += 1);
    }

    /// The changes after a position.
    ///
    /// # Errors
    /// [`Lost`] when they are not all there.
    pub fn since(&self, epoch: u64, position: Position) -> Result<Since, Lost> {
        let ring = self.ring.read().unwrap_or_else(PoisonError::into_inner);
        if epoch != ring.head.epoch {
            return Err(Lost::Epoch);
        }
        if position < ring.floor {
            return Err(Lost::Retention);
        }
        let first = ring.batches.partition_point(|batch| batch.to <= position);
        Ok(Since {
            batches: ring.batches.range(first..).cloned().collect(),
            head: ring.head.position.max(position),
            floor: ring.floor,
        })
    }

    /// Those who ask the same with the same rights.
    pub(crate) fn cohort(&self, query: &Query) -> Arc<Cohort> {
        let mut cohorts = self.cohorts.lock().unwrap_or_else(PoisonError::into_inner);
        let question = query.question();
        if let Some(cohort) = cohorts.get(&question).and_then(Weak::upgrade) {
            return cohort;
        }
        cohorts.retain(|_, it| it.strong_count() > 0);
        let cohort = Arc::new(Cohort::new(query.clone()));
        cohorts.insert(question, Arc::downgrade(&cohort));
        cohort
    }

    async fn follow(self: Arc<Self>) {
        loop {
            if let Some(mut follow) = self.source.follow().await {
                self.attach(&follow.live, follow.directory);
                while let Some(batch) = follow.batches.next().await {
                    if self.push(&batch).is_err() {
                        tracing::warn!(org_id = %self.org_id(), "the change feed has a gap");
                        break;
                    }
                }
            }
            // Subscribers that can go on from where the feed starts again do; others are told to resync.
            tokio::time::sleep(REATTACH).await;
        }
    }

    /// Continues from a state that may be ahead of what was pushed.
    fn attach(&self, live: &LiveState, directory: Directory) {
        let head = {
            let mut ring = self.ring.write().unwrap_or_else(PoisonError::into_inner);
            if live.epoch == ring.head.epoch && live.position <= ring.head.position {
                return;
            }
            ring.head = Head { epoch: live.epoch, position: live.position };
            ring.floor = live.position;
            ring.batches.clear();
            ring.changes = 0;
            ring.head
        };
        // Before anybody is woken to what follows: rights are never older than the rows they are asked for.
        self.directory.send_if_modified(|known| {
            let is_other = **known != directory;
            *known = Arc::new(directory);
            is_other
        });
        self.head.send_replace(head);
    }

    /// Takes in what rights follow from, before the rows of the same batch are there to be read.
    fn note_configuration(&self, batch: &ChangeBatch) {
        let reached = self.head().position;
        let new = || batch.changes.iter().filter(move |change| change.position > reached);
        if batch.from > reached || !new().any(|change| change.table.name == "config_entity") {
            return;
        }
        self.directory.send_if_modified(|known| {
            let mut directory = Directory::clone(known);
            // Every change is taken in, whether or not one before it counted.
            let changed = new().fold(false, |changed, change| directory.note(change) | changed);
            *known = Arc::new(directory);
            changed
        });
    }

    fn push(&self, batch: &ChangeBatch) -> Result<(), Gap> {
        self.note_configuration(batch);
        let (head, announce) = {
            let mut ring = self.ring.write().unwrap_or_else(PoisonError::into_inner);
            let reached = ring.head.position;
            if batch.to <= reached {
                return Ok(());
            }
            if batch.from > reached {
                return Err(Gap);
            }
            let changes: Vec<RowChange> = batch
                .changes
                .iter()
                .filter(|change| change.table.live && change.position > reached)
                .cloned()
                .collect();
            ring.head.position = batch.to;
            ring.changes += changes.len();
            ring.unannounced += changes.len();
            if !changes.is_empty() {
                let retained = Retained { to: batch.to, changes, pushed: Instant::now() };
                ring.batches.push_back(Arc::new(retained));
            }
            while ring.changes > self.retained_changes {
                let Some(oldest) = ring.batches.pop_front() else { break };
                ring.changes -= oldest.changes.len();
                ring.floor = oldest.to;
            }
            let announce = ring.unannounced > self.retained_changes / 4;
            if announce {
                ring.unannounced = 0;
            }
            (ring.head, announce)
        };
        self.head.send_replace(head);
        if announce {
            self.pressure.send_modify(|count| *count += 1);
        }
        Ok(())
    }
}
