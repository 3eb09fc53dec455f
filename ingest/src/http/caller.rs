//! Who asks: the bearer token of a request, the organization it opens, and what it may do there.

use std::sync::Arc;

use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use ledgerline_access::bearer::bearer;
use ledgerline_access::policy::{Action, allows};
use ledgerline_access::{AccessError, Principal, Refusal, Verified};
use ledgerline_schemas::command::{Command, Commanded};
use ledgerline_schemas::id::{CommandId, CorrelationId, InteractionId, SubjectId, UserId};
use ledgerline_schemas::limits::TRACEPARENT_BYTES_MAX;
use ledgerline_schemas::{Actor, ActorType};
use uuid::Uuid;

use crate::http::doors::{Doors, Organization};
use crate::http::problem::Problem;

/// Longest `Idempotency-Key`, bytes.
const IDEMPOTENCY_KEY_BYTES_MAX: usize = 200;

/// A verified caller inside its own organization. There is no way from here to another organization.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Who.
    pub principal: Principal,
    /// Where.
    pub organization: Arc<Organization>,
    /// When the token ends, seconds since 1970.
    pub expires_s: u64,
    traceparent: Option<String>,
    idempotency_key: Option<String>,
}

impl FromRequestParts<Arc<Doors>> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, doors: &Arc<Doors>) -> Result<Self, Problem> {
        let header = text(&parts.headers, AUTHORIZATION.as_str());
        let token = bearer(header).map_err(refusal)?;
        Self::from_token(doors, token, &parts.headers).await
    }
}

impl OptionalFromRequestParts<Arc<Doors>> for Caller {
    type Rejection = Problem;

    /// `None` only without an `Authorization` header: a bad token is never taken for no token.
    async fn from_request_parts(
        parts: &mut Parts,
        doors: &Arc<Doors>,
    ) -> Result<Option<Self>, Problem> {
        if !parts.headers.contains_key(AUTHORIZATION) {
            return Ok(None);
        }
        <Self as FromRequestParts<Arc<Doors>>>::from_request_parts(parts, doors).await.map(Some)
    }
}

fn refusal(error: AccessError) -> Problem {
    match error.refusal() {
        Refusal::Unauthenticated => Problem::unauthorized(error.to_string()),
        Refusal::Forbidden => Problem::forbidden(error.to_string()),
        Refusal::Unavailable => {
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", error.to_string())
        }
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

impl Caller {
    /// The caller who holds this token.
    ///
    /// # Errors
    /// 401 for a token that does not hold, 403 when its organization is not served here, 503 when the keys of its issuer
    /// are not available, 422 for a bad `Idempotency-Key`.
    pub async fn from_token(
        doors: &Doors,
        token: &str,
        headers: &HeaderMap,
    ) -> Result<Self, Problem> {
        let Verified { principal, expires_s } =
            doors.verifier().verify(token).await.map_err(refusal)?;
        let organization = doors
            .organization(principal.org_id)
            .ok_or_else(|| Problem::forbidden("the token's organization is not served here"))?;
        let idempotency_key = text(headers, "idempotency-key").map(str::to_owned);
        if idempotency_key
            .as_ref()
            .is_some_and(|key| key.is_empty() || key.len() > IDEMPOTENCY_KEY_BYTES_MAX)
        {
            return Err(Problem::invalid(
                "idempotency-key",
                format!("has to have 1 to {IDEMPOTENCY_KEY_BYTES_MAX} bytes"),
            ));
        }
        let traceparent = text(headers, "traceparent")
            .filter(|value| value.len() <= TRACEPARENT_BYTES_MAX)
            .map(str::to_owned);
        Ok(Self { principal, organization, expires_s, traceparent, idempotency_key })
    }

    /// Whether the policy lets the caller do it.
    #[must_use]
    pub fn may(&self, action: Action) -> bool {
        allows(&self.principal, action)
    }

    /// Refuses what the policy does not allow.
    ///
    /// # Errors
    /// 403 naming the action.
    pub fn require(&self, action: Action) -> Result<(), Problem> {
        if self.may(action) {
            return Ok(());
        }
        Err(Problem::forbidden(format!("none of the token's roles may {action}")))
    }

    /// The agent the caller is.
    ///
    /// # Errors
    /// 403 when the caller is no agent.
    pub fn agent(&self) -> Result<UserId, Problem> {
        self.require(Action::DesktopOperate)?;
        self.principal.user_id.ok_or_else(|| Problem::forbidden("the token stands for no user"))
    }

    /// The agent to act on: the caller, or for a supervisor whoever `asked` names.
    ///
    /// # Errors
    /// 403 when an agent names another agent.
    pub fn agent_or(&self, asked: Option<UserId>) -> Result<UserId, Problem> {
        match asked {
            Some(agent_id) if self.principal.user_id != Some(agent_id) => {
                if self.may(Action::AgentSupervise) {
                    return Ok(agent_id);
                }
                Err(Problem::forbidden("an agent acts for itself only").field("agentId"))
            }
            _ => self.agent(),
        }
    }

    /// The actor that events name when the caller acts on `agent_id`.
    #[must_use]
    pub fn actor_for(&self, agent_id: UserId) -> Actor {
        if self.principal.user_id == Some(agent_id) && self.may(Action::DesktopOperate) {
            return Actor::new(ActorType::Agent, agent_id);
        }
        self.actor(ActorType::Supervisor)
    }

    /// The caller as an actor of this kind: by user id where there is one, else by token subject.
    #[must_use]
    pub fn actor(&self, kind: ActorType) -> Actor {
        match self.principal.user_id {
            Some(user_id) => Actor::new(kind, user_id),
            None => Actor::new(kind, &self.principal.subject),
        }
    }

    /// Id of the command: derived from the `Idempotency-Key`, so that a repeated request repeats the
    /// command and changes nothing; new without one. The `purpose` (method and path) keeps two requests
    /// with one key apart.
    #[must_use]
    pub fn command_id(&self, purpose: &str) -> CommandId {
        match &self.idempotency_key {
            Some(key) => CommandId::derived(
                self.organization.org_id.uuid(),
                &format!("http:{}:{purpose}:{key}", self.principal.subject),
            ),
            None => CommandId::new(Uuid::now_v7()),
        }
    }

    /// A command of the caller's.
    #[must_use]
    pub fn commanded(
        &self,
        command_id: CommandId,
        actor: Actor,
        interaction_id: Option<InteractionId>,
        data_subject_id: Option<SubjectId>,
        command: Command,
    ) -> Commanded {
        let correlation = interaction_id.map_or_else(|| command_id.uuid(), InteractionId::uuid);
        Commanded {
            org_id: self.organization.org_id,
            command_id,
            correlation_id: CorrelationId::new(correlation),
            actor,
            traceparent: self.traceparent.clone(),
            data_subject_id,
            command,
        }
    }
}
