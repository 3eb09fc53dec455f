//! Files that go when nobody needs them any more.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::manifest::SharedStore;

/// A hold on a file. The last hold on a file that was replaced takes the file away; until then whoever holds
/// a snapshot can read it.
#[derive(Clone, Debug, Default)]
pub struct Lease(Option<Arc<Held>>);

#[derive(Debug)]
struct Held {
    path: PathBuf,
    store: SharedStore,
    replaced: AtomicBool,
    suspect: AtomicBool,
}

impl Drop for Held {
    fn drop(&mut self) {
        if *self.replaced.get_mut() {
            // What stays because of an error is removed at the next start: nothing names it.
            if let Err(error) = self.store.remove(&self.path) {
                tracing::warn!(path = %self.path.display(), %error, "a file that was replaced stays");
            }
        }
    }
}

impl PartialEq for Lease {
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Some(left), Some(right)) => Arc::ptr_eq(left, right),
            (left, right) => left.is_none() && right.is_none(),
        }
    }
}

impl Eq for Lease {}

impl Lease {
    /// A hold on nothing: the file is not one of the tables'.
    pub(crate) const fn none() -> Self {
        Self(None)
    }

    /// A hold on a file of the tables.
    pub(crate) fn new(store: &SharedStore, path: PathBuf) -> Self {
        let store = Arc::clone(store);
        let (replaced, suspect) = (AtomicBool::new(false), AtomicBool::new(false));
        Self(Some(Arc::new(Held { path, store, replaced, suspect })))
    }

    /// No snapshot from now on needs the file.
    pub(crate) fn replaced(&self) {
        if let Some(held) = &self.0 {
            held.replaced.store(true, Ordering::Release);
        }
    }

    /// Says that a read of the file met damage; whoever keeps the tables looks at it and mends it.
    pub fn suspect(&self) {
        if let Some(held) = &self.0 {
            held.suspect.store(true, Ordering::Release);
        }
    }

    /// The file was looked at and is whole.
    pub(crate) fn cleared(&self) {
        if let Some(held) = &self.0 {
            held.suspect.store(false, Ordering::Release);
        }
    }

    /// Whether a read met damage.
    pub(crate) fn is_suspect(&self) -> bool {
        self.0.as_ref().is_some_and(|held| held.suspect.load(Ordering::Acquire))
    }
}
