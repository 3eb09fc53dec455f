//! Answers that were promised: their tables, kept until they are fetched, and what cancels them.
//!
//! A promise that is forgotten is still held: its ticket says the position, and the tables are folded again.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use arrow_flight::CancelStatus;
use ledgerline_access::Principal;
use ledgerline_projections::Snapshot;
use ledgerline_schemas::id::OrgId;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Promises that are known at once; beyond, the oldest that is not being fetched is forgotten.
const PROMISES_MAX: usize = 4_096;
/// Promises that keep their tables; beyond, the oldest lets go of them.
const SNAPSHOTS_MAX: usize = 64;

#[derive(Debug)]
struct Promise {
    owner: (OrgId, String),
    snapshot: Option<Arc<Snapshot>>,
    cancel: CancellationToken,
    until: Instant,
    /// Calls that fetch it now.
    running: usize,
    /// It was fetched to its end.
    done: bool,
}

/// All of them. Numbers are ordered by time.
#[derive(Debug, Default)]
pub(super) struct Promises(Mutex<BTreeMap<Uuid, Promise>>);

/// An answer that is being fetched; dropping it says that it no longer is.
#[derive(Debug)]
pub(super) struct Running {
    promises: Arc<Promises>,
    id: Uuid,
    pub(super) cancel: CancellationToken,
}

impl Promises {
    fn all(&self) -> MutexGuard<'_, BTreeMap<Uuid, Promise>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps tables for an answer; its number.
    pub(super) fn make(
        &self,
        principal: &Principal,
        snapshot: Arc<Snapshot>,
        life: Duration,
    ) -> Uuid {
        let id = Uuid::now_v7();
        let mut all = self.all();
        all.insert(id, promise(principal, Some(snapshot), life));
        while all.len() > PROMISES_MAX {
            let Some(oldest) = all.iter().find(|(_, it)| it.running == 0).map(|(id, _)| *id) else {
                break;
            };
            all.remove(&oldest);
        }
        let keeping = all.values().filter(|it| it.snapshot.is_some()).count();
        let beyond = keeping.saturating_sub(SNAPSHOTS_MAX);
        for it in all.values_mut().filter(|it| it.snapshot.is_some()).take(beyond) {
            it.snapshot = None;
        }
        id
    }

    /// The tables of a promise, if they are still kept, and a note that it is being fetched.
    pub(super) fn begin(
        self: &Arc<Self>,
        principal: &Principal,
        id: Uuid,
        life: Duration,
    ) -> (Option<Arc<Snapshot>>, Running) {
        let mut all = self.all();
        let known = all.entry(id).or_insert_with(|| promise(principal, None, life));
        known.running += 1;
        let cancel = known.cancel.child_token();
        let running = Running { promises: Arc::clone(self), id, cancel };
        (known.snapshot.clone(), running)
    }

    /// Cancels an answer, also one that was not asked for yet; `None` when it is not known.
    pub(super) fn cancel(&self, principal: &Principal, id: Uuid) -> Option<CancelStatus> {
        let mut all = self.all();
        let known = all.get_mut(&id)?;
        if known.owner.0 != principal.org_id || known.owner.1 != principal.subject {
            return None;
        }
        if known.done && known.running == 0 {
            return Some(CancelStatus::NotCancellable);
        }
        known.cancel.cancel();
        known.snapshot = None;
        Some(CancelStatus::Cancelled)
    }

    /// Forgets those that can no longer be fetched.
    pub(super) fn sweep(&self) {
        let now = Instant::now();
        self.all().retain(|_, it| it.running > 0 || now < it.until);
    }
}

fn promise(principal: &Principal, snapshot: Option<Arc<Snapshot>>, life: Duration) -> Promise {
    let now = Instant::now();
    Promise {
        owner: (principal.org_id, principal.subject.clone()),
        snapshot,
        cancel: CancellationToken::new(),
        until: now.checked_add(life).unwrap_or(now),
        running: 0,
        done: false,
    }
}

impl Running {
    /// Says that it was fetched to its end: its tables are let go.
    pub(super) fn done(&self) {
        if let Some(known) = self.promises.all().get_mut(&self.id) {
            known.done = true;
            known.snapshot = None;
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(known) = self.promises.all().get_mut(&self.id) {
            known.running = known.running.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use ledgerline_schemas::Position;

    use super::*;

    const LIFE: Duration = Duration::from_secs(3_600);

    fn ann() -> Principal {
        Principal {
            org_id: OrgId::from_u128(1),
            subject: "ann".to_owned(),
            roles: [ledgerline_access::Role::Analyst].into(),
            user_id: None,
            user_profile_id: None,
        }
    }

    fn tables() -> Arc<Snapshot> {
        Arc::new(Snapshot {
            org_id: OrgId::from_u128(1),
            position: Position(1),
            epoch: 1,
            tables: BTreeMap::new(),
            live: BTreeMap::new(),
        })
    }

    #[test]
    fn tables_are_kept_until_they_were_fetched_and_not_beyond_a_bound() {
        let promises = Arc::new(Promises::default());
        let first = promises.make(&ann(), tables(), LIFE);
        for _ in 0..SNAPSHOTS_MAX {
            promises.make(&ann(), tables(), LIFE);
        }
        assert!(promises.begin(&ann(), first, LIFE).0.is_none(), "the oldest let go");
        let last = promises.make(&ann(), tables(), LIFE);
        let (snapshot, running) = promises.begin(&ann(), last, LIFE);
        assert!(snapshot.is_some());
        drop(running);
        let (snapshot, running) = promises.begin(&ann(), last, LIFE);
        assert!(snapshot.is_some(), "not fetched to its end: it can be tried again");
        running.done();
        drop(running);
        assert!(promises.begin(&ann(), last, LIFE).0.is_none());
    }

    #[test]
    fn what_was_promised_is_cancelled_by_its_owner_only_and_for_good() {
        let promises = Arc::new(Promises::default());
        let id = promises.make(&ann(), tables(), LIFE);
        let bob = Principal { subject: "bob".to_owned(), ..ann() };
        assert_eq!(promises.cancel(&bob, id), None);
        let (_, running) = promises.begin(&ann(), id, LIFE);
        assert_eq!(promises.cancel(&ann(), id), Some(CancelStatus::Cancelled));
        assert!(running.cancel.is_cancelled());
        let (_, again) = promises.begin(&ann(), id, LIFE);
        assert!(again.cancel.is_cancelled(), "a later fetch finds it cancelled");
        assert_eq!(promises.cancel(&ann(), Uuid::from_u128(1)), None, "not known");
        let fetched = promises.make(&ann(), tables(), LIFE);
        let (_, running) = promises.begin(&ann(), fetched, LIFE);
        running.done();
        drop(running);
        assert_eq!(promises.cancel(&ann(), fetched), Some(CancelStatus::NotCancellable));
    }

    #[test]
    fn what_ended_is_forgotten_unless_it_is_being_fetched() {
        let promises = Arc::new(Promises::default());
        let id = promises.make(&ann(), tables(), Duration::ZERO);
        let (_, running) = promises.begin(&ann(), id, Duration::ZERO);
        promises.sweep();
        assert_eq!(promises.all().len(), 1);
        drop(running);
        promises.sweep();
        assert!(promises.all().is_empty());
    }
}
