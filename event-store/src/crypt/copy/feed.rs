//! The leader's side: what changed, who has it, and waiting for those who are in step.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ledgerline_schemas::id::OrgId;
use tokio::sync::watch;
use uuid::Uuid;

use super::{Change, Contents, Delivery, FORMAT, Place, SealedCopy};
use crate::crypt::KeyRing;
use crate::crypt::error::CryptError;

/// Changes kept for standbys that are behind; who is further behind gets a whole copy.
const CHANGES_MAX: usize = 4_096;

/// A standby, as the leader knows it.
#[derive(Debug)]
struct Standby {
    has: u64,
    /// Calls of it that wait for an answer.
    asking: u32,
    seen: Instant,
    /// Whether sealing waits for it.
    in_step: bool,
}

#[derive(Debug, Default)]
struct State {
    /// Number of changes so far.
    changes: u64,
    /// The newest of them, each with its number.
    recent: VecDeque<(u64, Change)>,
    /// Who has fewer than this many changes needs a whole copy.
    whole_below: u64,
    files: BTreeMap<String, SealedCopy>,
    standbys: BTreeMap<String, Standby>,
}

/// What a key ring and its feed share.
pub(in crate::crypt) struct Hub {
    feed: Uuid,
    patience: Duration,
    state: Mutex<State>,
    /// A standby has more than before, or is out of step.
    moved: Condvar,
    news: watch::Sender<u64>,
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hub").field("feed", &self.feed).finish_non_exhaustive()
    }
}

impl Hub {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Number of changes so far. Whoever reads the key file beside it keeps writers out meanwhile.
    pub(in crate::crypt) fn changes(&self) -> u64 {
        self.lock().changes
    }

    /// A change of the key file, told before anybody else can see it there.
    pub(in crate::crypt) fn publish(&self, change: Change) {
        let mut state = self.lock();
        state.changes += 1;
        let number = state.changes;
        state.recent.push_back((number, change));
        if state.recent.len() > CHANGES_MAX {
            state.recent.pop_front();
        }
        drop(state);
        self.news.send_replace(number);
    }

    /// The key file was written anew in a way that no single change says.
    pub(in crate::crypt) fn renewed(&self) {
        let mut state = self.lock();
        state.changes += 1;
        state.recent.clear();
        state.whole_below = state.changes;
        let number = state.changes;
        drop(state);
        self.news.send_replace(number);
    }

    /// Waits until every standby in step has all changes so far, at most for the patience; those that have them
    /// not by then are out of step.
    pub(in crate::crypt) fn settle(&self) {
        let mut state = self.lock();
        let wanted = state.changes;
        let until = Instant::now() + self.patience;
        loop {
            let behind = |it: &&mut Standby| it.in_step && it.has < wanted;
            if state.standbys.values_mut().find(behind).is_none() {
                return;
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                for (name, standby) in &mut state.standbys {
                    if standby.in_step && standby.has < wanted {
                        standby.in_step = false;
                        metrics::counter!("ledgerline_key_copy_timeouts_total").increment(1);
                        tracing::warn!(
                            standby = %name,
                            waited_ms = self.patience.as_millis(),
                            behind = wanted - standby.has,
                            "a standby did not take new keys in time; this process goes on without it, and a \
                             takeover by it now could not open what they seal"
                        );
                    }
                }
                told(&state);
                return;
            }
            let waited = self.moved.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn arrive(&self, name: &str, at: Option<Place>) {
        let mut state = self.lock();
        let ours = at.filter(|at| at.feed == self.feed && at.changes <= state.changes);
        let has = ours.map_or(0, |at| at.changes);
        let standby = state.standbys.entry(name.to_owned()).or_insert_with(|| Standby {
            has: 0,
            asking: 0,
            seen: Instant::now(),
            in_step: false,
        });
        (standby.has, standby.seen) = (has, Instant::now());
        standby.asking += 1;
        if ours.is_some() && !standby.in_step {
            tracing::info!(standby = %name, "a standby has the keys; new ones wait for it from now on");
        }
        standby.in_step = ours.is_some();
        told(&state);
        drop(state);
        self.moved.notify_all();
    }

    fn leave(&self, name: &str, answered: bool) {
        let mut state = self.lock();
        if let Some(standby) = state.standbys.get_mut(name) {
            standby.asking = standby.asking.saturating_sub(1);
            standby.seen = Instant::now();
            if !answered && standby.asking == 0 && standby.in_step {
                standby.in_step = false;
                tracing::info!(standby = %name, "a standby is gone");
            }
        }
        // Nobody is remembered for ever.
        let old = 10 * self.patience.max(Duration::from_secs(6));
        state.standbys.retain(|_, it| it.in_step || it.asking > 0 || it.seen.elapsed() < old);
        told(&state);
        drop(state);
        self.moved.notify_all();
    }

    /// What came after a place; `None`: only a whole copy helps.
    fn since(&self, at: Place) -> Option<(u64, Vec<Change>)> {
        let state = self.lock();
        let kept_from = state.changes - state.recent.len() as u64;
        let known = at.feed == self.feed
            && at.changes >= kept_from.max(state.whole_below)
            && at.changes <= state.changes;
        let newer = state.recent.iter().filter(|(number, _)| *number > at.changes);
        known.then(|| (state.changes, newer.map(|(_, change)| change.clone()).collect()))
    }
}

fn told(state: &State) {
    let in_step = state.standbys.values().filter(|it| it.in_step).count();
    metrics::gauge!("ledgerline_key_standbys").set(in_step as f64);
}

/// A standby that waits for an answer.
struct Asking<'a> {
    hub: &'a Hub,
    name: &'a str,
    answered: bool,
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        self.hub.leave(self.name, self.answered);
    }
}

/// The changes of a key ring, for standbys. Clones share it.
#[derive(Clone, Debug)]
pub struct KeyFeed {
    ring: KeyRing,
    pub(super) hub: Arc<Hub>,
    epochs: BTreeMap<OrgId, u64>,
}

impl KeyRing {
    /// Begins to tell standbys of every change. From now on whoever needs a new key waits until the standbys
    /// in step have it, at most for `patience`. `epochs`: what this process leads by.
    ///
    /// # Errors
    /// [`CryptError::Random`]; [`CryptError::Malformed`] if the ring has a feed already.
    pub fn feed(
        &self,
        patience: Duration,
        epochs: BTreeMap<OrgId, u64>,
    ) -> Result<KeyFeed, CryptError> {
        let mut name = [0; 16];
        getrandom::fill(&mut name).map_err(|_| CryptError::Random)?;
        let hub = Arc::new(Hub {
            feed: uuid::Builder::from_random_bytes(name).into_uuid(),
            patience,
            state: Mutex::default(),
            moved: Condvar::new(),
            news: watch::Sender::new(0),
        });
        self.store
            .tell(Arc::clone(&hub))
            .map_err(|_| CryptError::Malformed { what: "feed of keys" })?;
        Ok(KeyFeed { ring: self.clone(), hub, epochs })
    }
}

impl KeyFeed {
    /// What is new behind `at` for the standby of this name, at once if there is something, else when there is,
    /// or nothing after `wait`. Asking says at the same time that the standby has everything up to `at`,
    /// durably. Without a place, or from one that is too old, the answer is a whole copy.
    ///
    /// # Errors
    /// [`CryptError`].
    pub async fn ask(
        &self,
        standby: &str,
        at: Option<Place>,
        wait: Duration,
    ) -> Result<Delivery, CryptError> {
        self.hub.arrive(standby, at);
        let mut asking = Asking { hub: &self.hub, name: standby, answered: false };
        let mut news = self.hub.news.subscribe();
        let until = tokio::time::Instant::now() + wait;
        let delivery = loop {
            let Some((at, (changes, newer))) = at.and_then(|at| Some((at, self.hub.since(at)?)))
            else {
                break self.whole()?;
            };
            let waited = if newer.is_empty() {
                tokio::time::timeout_at(until, news.changed()).await.is_err()
            } else {
                true
            };
            if waited {
                let place = Place { changes, ..at };
                break self.delivery(place, Contents::Changes(newer));
            }
        };
        asking.answered = true;
        Ok(delivery)
    }

    fn delivery(&self, place: Place, contents: Contents) -> Delivery {
        Delivery { format: FORMAT, place, epochs: self.epochs.clone(), contents }
    }

    fn whole(&self) -> Result<Delivery, CryptError> {
        let (changes, rows) = self.ring.store.rows(&self.hub)?;
        // The files after it: one that changes in between comes once more as a change.
        let files = self.hub.lock().files.values().cloned().collect();
        let place = Place { feed: self.hub.feed, changes };
        Ok(self.delivery(place, Contents::Whole { rows, files }))
    }

    /// A file with secrets has this content now.
    pub fn put_file(&self, file: SealedCopy) {
        self.hub.lock().files.insert(file.name.clone(), file.clone());
        self.hub.publish(Change::File(file));
    }

    /// Number of standbys that new keys wait for.
    #[must_use]
    pub fn in_step(&self) -> usize {
        self.hub.lock().standbys.values().filter(|it| it.in_step).count()
    }
}
