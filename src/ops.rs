//! Operations: health, readiness, metrics.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use ledgerline_access::policy::Action;
use ledgerline_access::{Refusal, Verifier, allows, bearer};
use ledgerline_event_store::engine::Status;
use ledgerline_event_store::{EmbeddedLog, EventReader as _};
use ledgerline_ingest::engine::EngineHandle;
use ledgerline_ingest::http::HttpListener;
use ledgerline_ingest::http::listener::HANDSHAKE_TIME_MAX;
use ledgerline_projections::Projections;
use ledgerline_schemas::id::OrgId;
use metrics_exporter_prometheus::PrometheusHandle;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use crate::failure::Failure;
use crate::standby::Standing;

/// One organization's parts that can be ill.
#[derive(Clone, Debug)]
pub(crate) struct Watched {
    pub(crate) name: String,
    pub(crate) engine: EngineHandle,
    pub(crate) projections: Projections,
}

/// Events a projection may be behind and still count as ready.
const READY_LAG_EVENTS: u64 = 50_000;

#[derive(Clone)]
struct Ops {
    watched: Arc<Vec<Watched>>,
    metrics: PrometheusHandle,
    verifier: Verifier,
}

/// What all HTTP doors take and answer; `tests/tests/openapi.rs` holds it against them.
const OPENAPI: &str = include_str!("../docs/openapi.json");

/// `GET /healthz`, `/readyz`, `/openapi.json` (open to everybody, they say nothing about anybody) and `/metrics`
/// (token).
pub(crate) fn router(
    watched: Vec<Watched>,
    metrics: PrometheusHandle,
    verifier: Verifier,
) -> Router {
    Router::new()
        .route("/healthz", get(|| async { Json(json!({"status": "ok", "role": "leader"})) }))
        .route("/readyz", get(ready))
        .route("/metrics", get(measured))
        .route(
            "/openapi.json",
            get(|| async { ([(header::CONTENT_TYPE, "application/json")], OPENAPI) }),
        )
        .with_state(Ops { watched: Arc::new(watched), metrics, verifier })
}

/// A log that a standby follows.
#[derive(Clone, Debug)]
pub(crate) struct Followed {
    pub(crate) name: String,
    pub(crate) org_id: OrgId,
    pub(crate) log: Arc<EmbeddedLog>,
    pub(crate) mirror: watch::Receiver<Status>,
    /// How the copy of keys stands, if keys are copied.
    pub(crate) keys: Option<watch::Receiver<Standing>>,
}

impl Followed {
    fn shown(&self) -> Value {
        let status = self.mirror.borrow();
        let mut shown = json!({
            "name": self.name,
            "position": self.log.head().0,
            "epoch": status.epoch,
            "caught_up": status.caught_up,
            "behind_entries": status.end.0.saturating_sub(status.read.0),
        });
        if let (Some(keys), Some(shown)) = (&self.keys, shown.as_object_mut()) {
            let standing = keys.borrow();
            let epoch = standing.epochs.get(&self.org_id);
            let keys = json!({"connected": standing.connected, "epoch": epoch});
            shown.insert("keys".to_owned(), keys);
        }
        shown
    }
}

type Following = Arc<OnceLock<Vec<Followed>>>;

/// What a standby answers while it waits: it lives, how far it is, and that it is not ready.
#[derive(Debug)]
pub(crate) struct Probes {
    followed: Following,
    close: CancellationToken,
    task: JoinHandle<()>,
}

impl Probes {
    /// Serves `GET /healthz` and `/readyz`.
    pub(crate) async fn start(
        listen: SocketAddr,
        tls: Option<TlsAcceptor>,
    ) -> Result<Self, Failure> {
        let listener = TcpListener::bind(listen)
            .await
            .map_err(|error| Failure::unavailable(format!("http.listen {listen}: {error}")))?;
        if let Ok(address) = listener.local_addr() {
            tracing::info!(%address, "probes of the standby");
        }
        let body = json!({"status": "not_ready", "problems": ["this process is a standby"]});
        let not_ready = (StatusCode::SERVICE_UNAVAILABLE, Json(body));
        let followed = Following::default();
        let router = Router::new()
            .route("/healthz", get(standing_by))
            .route("/readyz", get(|| async { not_ready }))
            .with_state(Arc::clone(&followed));
        let close = CancellationToken::new();
        let closed = close.clone().cancelled_owned();
        let listener = HttpListener::new(listener, tls, HANDSHAKE_TIME_MAX);
        let task = tokio::spawn(async move {
            let serving = axum::serve(listener, router).with_graceful_shutdown(closed);
            if let Err(error) = serving.await {
                tracing::error!(%error, "the probes of the standby stopped");
            }
        });
        Ok(Self { followed, close, task })
    }

    /// What they tell about from now on.
    pub(crate) fn show(&self, followed: Vec<Followed>) {
        // Set once, when the logs were opened.
        let _ = self.followed.set(followed);
    }

    /// Frees the address.
    pub(crate) async fn stop(mut self) {
        self.close.cancel();
        // A probe that keeps its connection open does not keep the standby from starting.
        let patience = Duration::from_secs(1);
        if tokio::time::timeout(patience, &mut self.task).await.is_err() {
            self.task.abort();
        }
    }
}

async fn standing_by(State(followed): State<Following>) -> Json<Value> {
    let shown: Vec<Value> =
        followed.get().map(|all| all.iter().map(Followed::shown).collect()).unwrap_or_default();
    Json(json!({"status": "ok", "role": "standby", "organizations": shown}))
}

async fn ready(State(ops): State<Ops>) -> Response {
    let mut problems = Vec::new();
    for watched in ops.watched.iter() {
        if let Err(reason) = watched.engine.health() {
            problems.push(format!("{}: engine: {reason}", watched.name));
        }
        if let Err(error) = watched.projections.health() {
            problems.push(format!("{}: projections: {error}", watched.name));
        } else if watched.projections.lag() > READY_LAG_EVENTS {
            let lag = watched.projections.lag();
            problems.push(format!("{}: projections are {lag} events behind", watched.name));
        }
    }
    if problems.is_empty() {
        return Json(json!({"status": "ready"})).into_response();
    }
    let body = Json(json!({"status": "not_ready", "problems": problems}));
    (StatusCode::SERVICE_UNAVAILABLE, body).into_response()
}

async fn measured(State(ops): State<Ops>, headers: HeaderMap) -> Response {
    let refuse = |status: StatusCode, detail: &str| {
        let body = json!({"title": status.canonical_reason(), "status": status.as_u16(), "detail": detail});
        (status, [(header::CONTENT_TYPE, "application/problem+json")], body.to_string())
            .into_response()
    };
    let value = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let verified = match bearer(value) {
        Ok(token) => ops.verifier.verify(token).await,
        Err(error) => Err(error),
    };
    let principal = match verified {
        Ok(verified) => verified.principal,
        Err(error) => {
            let status = match error.refusal() {
                Refusal::Unauthenticated => StatusCode::UNAUTHORIZED,
                Refusal::Forbidden => StatusCode::FORBIDDEN,
                Refusal::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            };
            return refuse(status, &error.to_string());
        }
    };
    if !allows(&principal, Action::MetricsRead) {
        return refuse(StatusCode::FORBIDDEN, "the roles of the token do not allow metrics_read");
    }
    for watched in ops.watched.iter() {
        metrics::gauge!("ledgerline_engine_durable_position", "org" => watched.name.clone())
            .set(watched.engine.durable().0 as f64);
    }
    let text = ops.metrics.render();
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response()
}
