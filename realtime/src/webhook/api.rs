//! Webhooks over HTTP: how they are, a test, dead letters, and to take up again an endpoint that was gone.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use ledgerline_access::{AccessError, Action, Principal, Refusal, allows};
use ledgerline_schemas::Position;
use ledgerline_schemas::id::OrgId;
use serde::Deserialize;
use serde_json::{Value, json};

use super::endpoint::{Endpoint, EndpointError};
use super::subscriptions::Webhooks;
use crate::state::{RealtimeState, Verified};

/// Positions that can be named at once.
const POSITIONS_MAX: usize = 1_000;

/// The webhooks that are served. Clones share them.
#[derive(Clone, Debug)]
pub struct WebhookState {
    realtime: RealtimeState,
    organizations: Arc<RwLock<BTreeMap<OrgId, Arc<Webhooks>>>>,
}

impl WebhookState {
    /// Serves no organization yet. Tokens and rights are those of the live data.
    #[must_use]
    pub fn new(realtime: RealtimeState) -> Self {
        Self { realtime, organizations: Arc::default() }
    }

    /// Serves an organization from now on.
    pub fn add_organization(&self, org_id: OrgId, webhooks: Arc<Webhooks>) {
        self.organizations.write().unwrap_or_else(PoisonError::into_inner).insert(org_id, webhooks);
    }

    /// Lets go of everything, so that logs can close.
    pub fn clear(&self) {
        self.organizations.write().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Who asks and the webhooks of that organization.
    ///
    /// What is sent to an endpoint is of the whole organization, so a user profile that does not grant all of it closes
    /// this door, as it closes the log.
    async fn admit(
        &self,
        headers: &HeaderMap,
        action: Action,
    ) -> Result<(Principal, Arc<Webhooks>), Response> {
        let forbidden = |detail: &str| problem(StatusCode::FORBIDDEN, detail);
        let verified = self.realtime.authenticate(headers, None).await;
        let principal = match verified {
            Ok(Some(Verified { principal, .. })) => principal,
            Ok(None) => return Err(refused(&AccessError::Missing)),
            Err(error) => return Err(refused(&error)),
        };
        if !allows(&principal, action) {
            return Err(forbidden(&format!("the roles of the token do not allow {action}")));
        }
        let unavailable = "webhooks.enabled is off, or the server is stopping";
        let unavailable = || problem(StatusCode::SERVICE_UNAVAILABLE, unavailable);
        let organization = self.realtime.organization(principal.org_id).ok_or_else(unavailable)?;
        let sees_all = organization.hub.rights(&principal).is_ok_and(|rights| rights.sees_log());
        if !sees_all {
            return Err(forbidden("the user profile does not open the log as a whole"));
        }
        let organizations = self.organizations.read().unwrap_or_else(PoisonError::into_inner);
        let webhooks = organizations.get(&principal.org_id).cloned().ok_or_else(unavailable)?;
        Ok((principal, webhooks))
    }

    async fn endpoint(
        &self,
        headers: &HeaderMap,
        name: &str,
    ) -> Result<(Principal, Arc<Endpoint>), Response> {
        let (principal, webhooks) = self.admit(headers, Action::ConfigWrite).await?;
        match webhooks.find(name).await {
            Ok(Some(endpoint)) => Ok((principal, endpoint)),
            Ok(None) => {
                let detail = format!("there is no webhook_subscription {name:?} that can be used");
                Err(problem(StatusCode::NOT_FOUND, &detail))
            }
            Err(error) => Err(problem(StatusCode::SERVICE_UNAVAILABLE, &error.to_string())),
        }
    }
}

/// The routes below `/v1/webhooks`.
pub fn router(state: WebhookState) -> Router {
    Router::new()
        .route("/v1/webhooks", get(list))
        .route("/v1/webhooks/{name}/test", post(test))
        .route("/v1/webhooks/{name}/enable", post(enable))
        .route("/v1/webhooks/{name}/dead-letters", get(dead_letters))
        .route("/v1/webhooks/{name}/dead-letters/replay", post(replay))
        .with_state(state)
}

async fn list(State(state): State<WebhookState>, headers: HeaderMap) -> Response {
    let webhooks = match state.admit(&headers, Action::ConfigRead).await {
        Ok((_, webhooks)) => webhooks,
        Err(response) => return response,
    };
    match webhooks.list().await {
        Ok(webhooks) => axum::Json(json!({"webhooks": webhooks})).into_response(),
        Err(error) => problem(StatusCode::SERVICE_UNAVAILABLE, &error.to_string()),
    }
}

async fn test(
    State(state): State<WebhookState>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Response {
    match state.endpoint(&headers, &name).await {
        Ok((_, endpoint)) => axum::Json(endpoint.test().await).into_response(),
        Err(response) => response,
    }
}

async fn enable(
    State(state): State<WebhookState>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Response {
    match state.endpoint(&headers, &name).await {
        Ok((principal, endpoint)) => match endpoint.enable(&principal.subject).await {
            Ok(()) => axum::Json(endpoint.status()).into_response(),
            Err(error) => failed(&error),
        },
        Err(response) => response,
    }
}

async fn dead_letters(
    State(state): State<WebhookState>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Response {
    match state.endpoint(&headers, &name).await {
        Ok((_, endpoint)) => {
            let (letters, dropped) = endpoint.dead_letters();
            axum::Json(json!({"dead_letters": letters, "dropped": dropped})).into_response()
        }
        Err(response) => response,
    }
}

/// What is to be sent again.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Replay {
    /// Positions of the events; all dead letters without.
    positions: Option<Vec<Position>>,
}

async fn replay(
    State(state): State<WebhookState>,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let (principal, endpoint) = match state.endpoint(&headers, &name).await {
        Ok(found) => found,
        Err(response) => return response,
    };
    let wanted =
        if body.is_empty() { Ok(Replay::default()) } else { serde_json::from_slice(&body) };
    let wanted: Replay = match wanted {
        Ok(wanted) => wanted,
        Err(error) => {
            let detail = format!("body: positions is a list of positions: {error}");
            return problem(StatusCode::BAD_REQUEST, &detail);
        }
    };
    let positions = wanted.positions.as_deref();
    if let Some(found) = positions.map(<[Position]>::len).filter(|found| *found > POSITIONS_MAX) {
        let detail = format!("positions: has {found}, the limit is {POSITIONS_MAX}");
        return problem(StatusCode::BAD_REQUEST, &detail);
    }
    match endpoint.replay(positions, &principal.subject).await {
        Ok(replayed) => axum::Json(json!({"replayed": replayed})).into_response(),
        Err(error) => failed(&error),
    }
}

fn failed(error: &EndpointError) -> Response {
    problem(StatusCode::SERVICE_UNAVAILABLE, &error.to_string())
}

fn refused(error: &AccessError) -> Response {
    let status = match error.refusal() {
        Refusal::Unauthenticated => StatusCode::UNAUTHORIZED,
        Refusal::Forbidden => StatusCode::FORBIDDEN,
        Refusal::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
    };
    problem(status, &error.to_string())
}

/// A problem of RFC 9457.
fn problem(status: StatusCode, detail: &str) -> Response {
    let title = status.canonical_reason().unwrap_or_default();
    let body: Value = json!({
        "type": "about:blank", "title": title, "status": status.as_u16(), "detail": detail,
    });
    let mut response = (status, axum::Json(body)).into_response();
    let media_type = HeaderValue::from_static("application/problem+json");
    response.headers_mut().insert(header::CONTENT_TYPE, media_type);
    if status == StatusCode::UNAUTHORIZED {
        let challenge = HeaderValue::from_static("Bearer");
        response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    }
    response
}
