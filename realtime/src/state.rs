//! The organizations that are served, and the routes.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use ledgerline_access::{AccessError, Principal, Refusal, Verified as Holder, Verifier, bearer};
use ledgerline_event_store::log::EventReader;
use ledgerline_projections::rights::Directory;
use ledgerline_schemas::Timestamp;
use ledgerline_schemas::id::OrgId;
use serde_json::json;
use tokio::sync::{Semaphore, watch};
use tokio::task::AbortHandle;

use crate::feed::FeedSource;
use crate::frame::ErrorCode;
use crate::hub::{Head, Hub};
use crate::limits::Limits;
use crate::resume::ResumeKey;
use crate::session::{Now, Organization, Session, Wake};
use crate::{graphql, sse, ws};

/// Real time cannot start.
#[derive(Debug, thiserror::Error)]
pub enum RealtimeError {
    /// The operating system gave no random bytes for the resume key.
    #[error("random bytes are unavailable: {0}")]
    Random(getrandom::Error),
}

/// Everything the routes need. Cheap to clone.
#[derive(Clone, Debug)]
pub struct RealtimeState {
    pub(crate) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    verifier: Verifier,
    pub(crate) limits: Arc<Limits>,
    pub(crate) connections: Arc<Semaphore>,
    key: ResumeKey,
    organizations: RwLock<BTreeMap<OrgId, Served>>,
    pub(crate) shut_down: watch::Sender<bool>,
}

#[derive(Debug)]
struct Served {
    organization: Organization,
    feed: AbortHandle,
}

impl Drop for Served {
    fn drop(&mut self) {
        self.feed.abort();
    }
}

/// The routes: `GET /v1/realtime` (WebSocket), `GET /v1/realtime/graphql` (WebSocket, GraphQL subscriptions; `POST` for
/// questions about their schema) and `GET /v1/realtime/sse`.
pub fn router(state: RealtimeState) -> Router {
    Router::new()
        // Over HTTP/2 a WebSocket begins with CONNECT.
        .route("/v1/realtime", get(ws::upgrade).connect(ws::upgrade))
        .route(
            "/v1/realtime/graphql",
            get(graphql::upgrade).connect(graphql::upgrade).post(graphql::ask),
        )
        .route("/v1/realtime/sse", get(sse::stream))
        .with_state(state)
}

impl RealtimeState {
    /// A state that trusts the tokens that `verifier` does and serves no organization yet.
    ///
    /// # Errors
    /// [`RealtimeError::Random`].
    pub fn new(verifier: impl Into<Verifier>, limits: Limits) -> Result<Self, RealtimeError> {
        let inner = Inner {
            verifier: verifier.into(),
            connections: Arc::new(Semaphore::new(limits.connections)),
            limits: Arc::new(limits),
            key: ResumeKey::random().map_err(RealtimeError::Random)?,
            organizations: RwLock::default(),
            shut_down: watch::Sender::new(false),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Serves an organization from now on: its live tables and, if given, its log as the dataset
    /// `events`. Replaces an earlier feed of the same organization. Must be called inside a tokio runtime;
    /// the task that follows the feed is started here and ends with the state.
    pub fn add_organization(
        &self,
        feed: Arc<dyn FeedSource>,
        log: Option<Arc<dyn EventReader>>,
    ) -> Arc<Hub> {
        let (hub, follow) = Hub::new(feed, self.inner.limits.retained_changes);
        let feed = tokio::spawn(follow).abort_handle();
        let organization = Organization { hub: Arc::clone(&hub), log };
        let mut served = self.inner.organizations.write().unwrap_or_else(PoisonError::into_inner);
        served.insert(hub.org_id(), Served { organization, feed });
        hub
    }

    /// Says that access rights of an organization changed: its subscriptions end with `policy_changed`.
    pub fn policy_changed(&self, org_id: OrgId) {
        if let Some(organization) = self.organization(org_id) {
            organization.hub.policy_changed();
        }
    }

    /// Ends every connection (close code 1001) and refuses new ones.
    pub fn shut_down(&self) {
        self.inner.connections.close();
        self.inner.shut_down.send_replace(true);
    }

    /// Connections open now.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.inner.limits.connections.saturating_sub(self.inner.connections.available_permits())
    }

    pub(crate) fn organization(&self, org_id: OrgId) -> Option<Organization> {
        let served = self.inner.organizations.read().unwrap_or_else(PoisonError::into_inner);
        served.get(&org_id).map(|it| it.organization.clone())
    }

    /// The token of the header or, for browsers that cannot set one, of `access_token`.
    pub(crate) async fn authenticate(
        &self,
        headers: &HeaderMap,
        access_token: Option<&str>,
    ) -> Result<Option<Verified>, AccessError> {
        let token = match (headers.get(header::AUTHORIZATION), access_token) {
            (Some(value), _) => bearer(Some(value.to_str().map_err(|_| AccessError::NotBearer)?))?,
            (None, Some(token)) => token,
            (None, None) => return Ok(None),
        };
        self.verify(token).await.map(Some)
    }

    pub(crate) async fn verify(&self, token: &str) -> Result<Verified, AccessError> {
        let Holder { principal, expires_s } = self.inner.verifier.verify(token).await?;
        // The remaining life is measured once; from here on the monotonic clock counts.
        let left = Duration::from_secs(expires_s.saturating_sub(self.inner.verifier.now_s()));
        Ok(Verified { principal, left })
    }

    /// Opens a session, or says which right is missing.
    pub(crate) fn session(&self, principal: Principal) -> Result<(Session, Watches), &'static str> {
        let organization = self
            .organization(principal.org_id)
            .ok_or("the organization has no live data on this server")?;
        let watches = Watches::new(&organization, self.inner.shut_down.subscribe());
        let (key, limits) = (self.inner.key.clone(), Arc::clone(&self.inner.limits));
        Session::new(principal, organization, key, limits)
            .map(|session| (session, watches))
            .ok_or("the roles of the token allow no subscription")
    }
}

/// A principal and how long its token lives.
#[derive(Debug)]
pub(crate) struct Verified {
    pub(crate) principal: Principal,
    pub(crate) left: Duration,
}

/// The clocks of a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    start: Instant,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self { start: Instant::now() }
    }

    pub(crate) fn now(self) -> Now {
        let ms = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        let micros = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros();
        Now { ms, time: Timestamp::from_micros(i64::try_from(micros).unwrap_or(i64::MAX)) }
    }

    fn at(self, ms: u64) -> tokio::time::Instant {
        // A due time is seconds ahead at most; beyond an hour it does not matter which.
        let ahead = Duration::from_millis(ms.saturating_sub(self.now().ms).min(3_600_000));
        tokio::time::Instant::now() + ahead
    }
}

/// What ended a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Woken {
    /// Frames may be due.
    Due,
    /// The hub is about to drop changes.
    Pressure,
    /// Access rights changed.
    Policy,
    /// Something changed that rights follow from.
    Rights,
    /// The server ends.
    ShutDown,
}

/// Everything a session is woken by.
#[derive(Debug)]
pub(crate) struct Watches {
    head: watch::Receiver<Head>,
    pressure: watch::Receiver<u64>,
    policy: watch::Receiver<u64>,
    rights: watch::Receiver<Arc<Directory>>,
    log: Option<watch::Receiver<ledgerline_schemas::Position>>,
    shut_down: watch::Receiver<bool>,
}

impl Watches {
    fn new(organization: &Organization, shut_down: watch::Receiver<bool>) -> Self {
        Self {
            head: organization.hub.watch_head(),
            pressure: organization.hub.watch_pressure(),
            policy: organization.hub.watch_policy(),
            rights: organization.hub.watch_rights(),
            log: organization.log.as_ref().map(|log| log.watch_head()),
            shut_down,
        }
    }

    /// To be called before a session is asked for frames: what comes later wakes.
    pub(crate) fn mark_seen(&mut self) {
        self.head.mark_unchanged();
        if let Some(log) = &mut self.log {
            log.mark_unchanged();
        }
    }

    /// Waits. Cancel-safe.
    pub(crate) async fn wait(&mut self, wake: Wake, clock: Clock) -> Woken {
        let due = clock.at(wake.at_ms.unwrap_or(0));
        let Self { head, pressure, policy, rights, log, shut_down } = self;
        if *shut_down.borrow() {
            return Woken::ShutDown;
        }
        let event = async {
            if let Some(log) = log.as_mut().filter(|_| wake.on_event)
                && log.changed().await.is_ok()
            {
                return;
            }
            // Nothing to wait for, or the log is closed.
            std::future::pending().await
        };
        // The senders live as long as the organization, which the session holds.
        tokio::select! {
            () = tokio::time::sleep_until(due), if wake.at_ms.is_some() => Woken::Due,
            _ = head.changed(), if wake.on_change => Woken::Due,
            () = event => Woken::Due,
            _ = pressure.changed() => Woken::Pressure,
            _ = policy.changed() => Woken::Policy,
            _ = rights.changed() => Woken::Rights,
            _ = shut_down.changed() => Woken::ShutDown,
        }
    }
}

/// An HTTP answer that refuses.
pub(crate) fn refuse(status: StatusCode, code: ErrorCode, message: &str) -> Response {
    let body = json!({"error": {"code": code, "message": message}});
    let mut response = (status, axum::Json(body)).into_response();
    if status == StatusCode::UNAUTHORIZED {
        let challenge = header::HeaderValue::from_static("Bearer");
        response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    }
    response
}

/// The HTTP answer to a token that is not accepted.
pub(crate) fn refuse_token(error: &AccessError) -> Response {
    let (status, code) = match error.refusal() {
        Refusal::Unauthenticated => (StatusCode::UNAUTHORIZED, ErrorCode::Unauthorized),
        Refusal::Forbidden => (StatusCode::FORBIDDEN, ErrorCode::Forbidden),
        Refusal::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, ErrorCode::Unavailable),
    };
    refuse(status, code, &error.to_string())
}

/// Counts a frame that goes out.
pub(crate) fn count(frame: &crate::frame::Outgoing) {
    metrics::counter!("ledgerline_realtime_frames_total", "type" => frame.kind).increment(1);
    if let Some(pushed) = frame.pushed {
        metrics::histogram!("ledgerline_realtime_lag_seconds").record(pushed.elapsed());
    }
}
