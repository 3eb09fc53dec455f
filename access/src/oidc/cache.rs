//! The keys of an issuer as last heard, and when it is asked again.
//!
//! ```text
//! age of the keys      a known key                              an unknown key id
//! below refresh_s      used                                     asked, then used or refused
//! refresh_s to keep_s  asked; if no answer, used                asked, then used or refused
//! above keep_s         asked; if no answer, unavailable         the same
//! ```
//!
//! "Asked" is at most once every [`RETRY_S`] seconds, by one task for all who wait. The task does not end with the
//! request that began it: otherwise a client that hangs up early could keep the keys from ever being renewed.

use std::sync::{Arc, PoisonError, RwLock};

use tokio::sync::{Mutex, OwnedMutexGuard};
use url::Url;

use super::discovery;
use super::fetch::{FetchError, KeyFetcher};
use super::jwk::{Found, Key, KeySet};
use super::settings::SignatureAlgorithm;
use super::{DISCOVERY_BYTES_MAX, KEY_SET_BYTES_MAX};
use crate::error::AccessError;
use crate::token::Clock;

/// Least time between two questions to an issuer, seconds.
pub const RETRY_S: u64 = 10;

/// Where keys come from and how long they last.
#[derive(Clone, Debug)]
pub(super) struct Source {
    pub(super) issuer: String,
    /// Without it the issuer is asked by discovery.
    pub(super) jwks_uri: Option<Url>,
    pub(super) refresh_s: u64,
    pub(super) keep_s: u64,
}

pub(super) struct KeyCache {
    source: Source,
    fetcher: Arc<dyn KeyFetcher>,
    clock: Clock,
    state: RwLock<State>,
    turn: Arc<Mutex<()>>,
}

#[derive(Default)]
struct State {
    keys: Option<Kept>,
    /// When the issuer was last asked, with or without success.
    asked_s: Option<u64>,
}

#[derive(Clone)]
struct Kept {
    set: Arc<KeySet>,
    at_s: u64,
}

impl std::fmt::Debug for KeyCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyCache").field("source", &self.source).finish_non_exhaustive()
    }
}

impl KeyCache {
    pub(super) fn new(source: Source, fetcher: Arc<dyn KeyFetcher>, clock: Clock) -> Arc<Self> {
        let (state, turn) = (RwLock::default(), Arc::default());
        Arc::new(Self { source, fetcher, clock, state, turn })
    }

    /// The key that a token of this algorithm and key id is verified with.
    pub(super) async fn find(
        self: &Arc<Self>,
        algorithm: SignatureAlgorithm,
        kid: Option<&str>,
    ) -> Result<Arc<Key>, AccessError> {
        let now = (self.clock)();
        match self.usable(now).map(|set| set.find(algorithm, kid)) {
            Some(Found::Key(key)) => {
                if !self.due(now) {
                    return Ok(key);
                }
                // One asks; the others go on with what is known.
                match Arc::clone(&self.turn).try_lock_owned() {
                    Ok(turn) => self.ask(turn).await,
                    Err(_) => return Ok(key),
                }
            }
            Some(Found::OtherAlgorithm) => return Err(AccessError::WrongAlgorithm),
            Some(Found::Several) => return Err(several()),
            Some(Found::Unknown) | None => {
                let turn = Arc::clone(&self.turn).lock_owned().await;
                self.ask(turn).await;
            }
        }
        let set = self.usable((self.clock)()).ok_or(AccessError::KeysUnavailable)?;
        match set.find(algorithm, kid) {
            Found::Key(key) => Ok(key),
            Found::Unknown => Err(AccessError::UnknownKey),
            Found::OtherAlgorithm => Err(AccessError::WrongAlgorithm),
            Found::Several => Err(several()),
        }
    }

    /// Asks the issuer if the keys are older than `refresh_s`, or there are none.
    pub(super) async fn refresh_if_due(self: &Arc<Self>) {
        if self.due((self.clock)()) {
            let turn = Arc::clone(&self.turn).lock_owned().await;
            self.ask(turn).await;
        }
    }

    fn state(&self) -> std::sync::RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The keys, unless they are too old to be used.
    fn usable(&self, now: u64) -> Option<Arc<KeySet>> {
        let state = self.state();
        let kept = state.keys.as_ref()?;
        (now.saturating_sub(kept.at_s) <= self.source.keep_s).then(|| Arc::clone(&kept.set))
    }

    fn due(&self, now: u64) -> bool {
        let age = self.state().keys.as_ref().map(|kept| now.saturating_sub(kept.at_s));
        age.is_none_or(|age| age >= self.source.refresh_s) && self.may_ask(now)
    }

    fn may_ask(&self, now: u64) -> bool {
        // A clock that was set back does not make it wait until it is there again.
        self.state().asked_s.is_none_or(|asked| now < asked || now - asked >= RETRY_S)
    }

    /// Asks, unless somebody did while the turn was waited for.
    async fn ask(self: &Arc<Self>, turn: OwnedMutexGuard<()>) {
        let now = (self.clock)();
        if !self.may_ask(now) {
            return;
        }
        self.state.write().unwrap_or_else(PoisonError::into_inner).asked_s = Some(now);
        let this = Arc::clone(self);
        let asking = tokio::spawn(async move {
            let outcome = this.fetch().await;
            this.take(outcome, now);
            drop(turn);
        });
        if let Err(error) = asking.await {
            tracing::error!(%error, issuer = %self.source.issuer, "asking for keys broke off");
        }
    }

    async fn fetch(&self) -> Result<KeySet, FetchError> {
        let address = match &self.source.jwks_uri {
            Some(address) => address.clone(),
            None => {
                let document = discovery::document_of(&self.source.issuer)
                    .map_err(|reason| FetchError(format!("issuer {reason}")))?;
                let bytes = self.get(&document, DISCOVERY_BYTES_MAX).await?;
                discovery::jwks_uri(&self.source.issuer, &bytes)?
            }
        };
        KeySet::parse(&self.get(&address, KEY_SET_BYTES_MAX).await?)
    }

    async fn get(&self, address: &Url, bytes_max: usize) -> Result<Vec<u8>, FetchError> {
        let bytes = self
            .fetcher
            .fetch(address, bytes_max)
            .await
            .map_err(|error| FetchError(format!("{address}: {error}")))?;
        if bytes.len() > bytes_max {
            return Err(FetchError(format!("{address}: longer than {bytes_max} bytes")));
        }
        Ok(bytes)
    }

    fn take(&self, outcome: Result<KeySet, FetchError>, now: u64) {
        let issuer = self.source.issuer.clone();
        let counted = |outcome: &'static str| {
            metrics::counter!("ledgerline_oidc_refreshes_total", "issuer" => issuer.clone(), "outcome" => outcome)
                .increment(1);
        };
        match outcome {
            Ok(set) => {
                counted("ok");
                let (keys, left_out) = (set.len(), set.left_out);
                metrics::gauge!("ledgerline_oidc_keys", "issuer" => issuer.clone())
                    .set(keys as f64);
                metrics::gauge!("ledgerline_oidc_keys_time_seconds", "issuer" => issuer.clone())
                    .set(now as f64);
                tracing::debug!(issuer = %self.source.issuer, keys, left_out, "keys are renewed");
                let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
                state.keys = Some(Kept { set: Arc::new(set), at_s: now });
            }
            Err(error) => {
                counted("failed");
                tracing::warn!(issuer = %self.source.issuer, %error, "keys cannot be renewed");
            }
        }
    }
}

fn several() -> AccessError {
    AccessError::Malformed("it names no key ('kid'), and its issuer has several".to_owned())
}
