//! The connections of the PostgreSQL door: who they are, what runs in each, what they have set.
//!
//! A connection is known by its number, as in PostgreSQL (`pg_backend_pid()`). A user sees and ends its own
//! connections only, whatever number it names.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use ledgerline_access::Principal;
use pgwire::messages::startup::SecretKey;
use tokio_util::sync::CancellationToken;

/// What a client has set for its connection, by the setting's name.
pub(crate) type Settings = BTreeMap<&'static str, String>;

/// A connection.
#[derive(Debug, Default)]
struct Backend {
    secret: i32,
    /// Whose it is, once somebody has logged in.
    principal: Option<Principal>,
    settings: Settings,
    /// Stops what runs in it.
    query: CancellationToken,
    /// Ends it.
    end: CancellationToken,
}

/// A connection as its user sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Its number.
    pub(crate) pid: i32,
    /// What its client calls itself.
    pub(crate) application: String,
}

/// The connections, by number.
#[derive(Debug, Default)]
pub(crate) struct Backends(Mutex<BTreeMap<i32, Backend>>);

impl Backends {
    fn with<T>(&self, work: impl FnOnce(&mut BTreeMap<i32, Backend>) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A new connection; `end` is how it is told to go.
    pub(crate) fn enter(&self, pid: i32, secret: i32, end: CancellationToken) {
        self.with(|known| known.insert(pid, Backend { secret, end, ..Backend::default() }));
    }

    /// Somebody has logged in.
    pub(crate) fn admit(&self, pid: i32, principal: &Principal) {
        self.with(|known| {
            if let Some(backend) = known.get_mut(&pid) {
                backend.principal = Some(principal.clone());
            }
        });
    }

    /// A question runs in a connection; `query` stops it.
    pub(crate) fn runs(&self, pid: i32, query: CancellationToken) {
        self.with(|known| {
            if let Some(backend) = known.get_mut(&pid) {
                backend.query = query;
            }
        });
    }

    /// Stops what runs in a connection, and forgets it.
    pub(crate) fn leave(&self, pid: i32) {
        if let Some(backend) = self.with(|known| known.remove(&pid)) {
            backend.query.cancel();
        }
    }

    /// Stops what runs in the connection that number and secret name.
    pub(crate) fn cancel_with_secret(&self, pid: i32, secret: &SecretKey) {
        self.with(|known| {
            if let Some(backend) = known.get(&pid)
                && SecretKey::I32(backend.secret).eq_value(secret)
            {
                backend.query.cancel();
            }
        });
    }

    /// The connections of a principal.
    pub(crate) fn of(&self, principal: &Principal) -> Vec<Seen> {
        let seen = |pid: &i32, backend: &Backend| {
            let application = backend.settings.get("application_name").cloned();
            Seen { pid: *pid, application: application.unwrap_or_default() }
        };
        self.with(|known| {
            let own = known.iter().filter(|(_, backend)| belongs(backend, principal));
            own.map(|(pid, backend)| seen(pid, backend)).collect()
        })
    }

    /// Stops what runs in a connection of the same principal; whether there is such a one.
    pub(crate) fn cancel(&self, principal: &Principal, pid: i32) -> bool {
        self.own(principal, pid, |backend| backend.query.cancel())
    }

    /// Ends a connection of the same principal; whether there is such a one.
    pub(crate) fn terminate(&self, principal: &Principal, pid: i32) -> bool {
        self.own(principal, pid, |backend| {
            backend.query.cancel();
            backend.end.cancel();
        })
    }

    fn own(&self, principal: &Principal, pid: i32, work: impl FnOnce(&Backend)) -> bool {
        self.with(|known| match known.get(&pid) {
            Some(backend) if belongs(backend, principal) => {
                work(backend);
                true
            }
            _ => false,
        })
    }

    /// What a connection has set.
    pub(crate) fn settings(&self, pid: i32) -> Settings {
        self.with(|known| known.get(&pid).map(|it| it.settings.clone()).unwrap_or_default())
    }

    /// Sets something for a connection, or back to what it was with `None`.
    pub(crate) fn set(&self, pid: i32, name: &'static str, value: Option<String>) {
        self.with(|known| {
            let Some(backend) = known.get_mut(&pid) else { return };
            match value {
                Some(value) => drop(backend.settings.insert(name, value)),
                None => drop(backend.settings.remove(name)),
            }
        });
    }

    /// Sets everything of a connection back.
    pub(crate) fn reset(&self, pid: i32) {
        self.with(|known| {
            if let Some(backend) = known.get_mut(&pid) {
                backend.settings.clear();
            }
        });
    }
}

fn belongs(backend: &Backend, principal: &Principal) -> bool {
    backend
        .principal
        .as_ref()
        .is_some_and(|it| it.org_id == principal.org_id && it.subject == principal.subject)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use ledgerline_schemas::id::OrgId;

    use super::*;

    fn principal(org: u128, subject: &str) -> Principal {
        Principal {
            org_id: OrgId::from_u128(org),
            subject: subject.to_owned(),
            roles: BTreeSet::new(),
            user_id: None,
            user_profile_id: None,
        }
    }

    #[test]
    fn nobody_sees_or_ends_a_connection_of_another() {
        let backends = Backends::default();
        let (ann, namesake) = (principal(1, "ann"), principal(2, "ann"));
        let (end, query) = (CancellationToken::new(), CancellationToken::new());
        backends.enter(7, 1, end.clone());
        assert!(!backends.terminate(&ann, 7), "nobody has logged in");
        backends.admit(7, &ann);
        backends.runs(7, query.clone());
        for other in [&namesake, &principal(1, "bob")] {
            assert!(backends.of(other).is_empty());
            assert!(!backends.cancel(other, 7) && !backends.terminate(other, 7));
        }
        assert!(!query.is_cancelled() && !end.is_cancelled());
        assert!(backends.cancel(&ann, 7));
        assert!(query.is_cancelled() && !end.is_cancelled());
        assert!(backends.terminate(&ann, 7));
        assert!(end.is_cancelled());
        backends.leave(7);
        assert!(backends.of(&ann).is_empty());
    }

    #[test]
    fn a_cancel_request_needs_the_secret() {
        let backends = Backends::default();
        let query = CancellationToken::new();
        backends.enter(7, 42, CancellationToken::new());
        backends.runs(7, query.clone());
        backends.cancel_with_secret(7, &SecretKey::I32(41));
        assert!(!query.is_cancelled());
        backends.cancel_with_secret(7, &SecretKey::I32(42));
        assert!(query.is_cancelled());
    }
}
