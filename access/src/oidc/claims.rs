//! From verified claims to a principal.

use std::collections::{BTreeMap, BTreeSet};

use ledgerline_schemas::config::EntityKind;
use ledgerline_schemas::id::{OrgId, UserId};
use serde_json::Value;

use super::settings::{ProviderSettings, UserBy, UserRule};
use crate::error::AccessError;
use crate::principal::{Principal, Role};
use crate::token::MAX_SUBJECT_BYTES;
use crate::verifier::Verified;

/// What claims are checked against and mapped with.
#[derive(Debug)]
pub(super) struct ClaimRules {
    issuer: String,
    audiences: BTreeSet<String>,
    skew_s: u64,
    subject_claim: String,
    subject_prefix: String,
    organization: Organizations,
    roles_claim: String,
    roles: BTreeMap<String, BTreeSet<Role>>,
    user: Option<UserRule>,
}

#[derive(Debug)]
pub(super) enum Organizations {
    Fixed(OrgId),
    ByClaim { claim: String, values: BTreeMap<String, OrgId> },
}

impl ClaimRules {
    pub(super) fn new(settings: &ProviderSettings, organization: Organizations) -> Self {
        Self {
            issuer: settings.issuer.clone(),
            audiences: settings.audiences.iter().cloned().collect(),
            skew_s: settings.clock_skew_s,
            subject_claim: settings.subject_claim.clone(),
            subject_prefix: settings.subject_prefix.clone(),
            organization,
            roles_claim: settings.roles.claim.clone(),
            roles: settings.roles.values.clone(),
            user: settings.user.clone(),
        }
    }

    /// Who the claims of a token with a good signature stand for, at this time.
    pub(super) fn read(&self, claims: &Value, now: u64) -> Result<Verified, AccessError> {
        if claim(claims, "iss").and_then(Value::as_str) != Some(&self.issuer) {
            return Err(AccessError::WrongIssuer);
        }
        let audience = claim(claims, "aud").ok_or_else(|| missing("aud"))?;
        if !texts(audience).iter().any(|audience| self.audiences.contains(*audience)) {
            return Err(AccessError::WrongAudience);
        }
        let expires_s = time(claims, "exp")?.ok_or_else(|| missing("exp"))?;
        if now >= expires_s.saturating_add(self.skew_s) {
            return Err(AccessError::Expired);
        }
        for name in ["nbf", "iat"] {
            if time(claims, name)?.is_some_and(|from| from > now.saturating_add(self.skew_s)) {
                return Err(AccessError::NotYetValid);
            }
        }
        // RFC 7800: good only together with a proof that the sender has a key, which is not asked for here.
        if claim(claims, "cnf").is_some() {
            return Err(AccessError::Malformed(
                "it is bound to a key of its holder ('cnf')".to_owned(),
            ));
        }
        let org_id = self.organization(claims)?;
        let principal = Principal {
            org_id,
            subject: self.subject(claims)?,
            roles: self.roles(claims),
            user_id: self.user(claims, org_id)?,
            user_profile_id: None,
        };
        Ok(Verified { principal, expires_s })
    }

    fn organization(&self, claims: &Value) -> Result<OrgId, AccessError> {
        let (name, values) = match &self.organization {
            Organizations::Fixed(org_id) => return Ok(*org_id),
            Organizations::ByClaim { claim, values } => (claim, values),
        };
        let found: BTreeSet<OrgId> = claim(claims, name)
            .map(texts)
            .unwrap_or_default()
            .iter()
            .filter_map(|value| values.get(*value).copied())
            .collect();
        // A principal is of one organization; a token that opens two does not say which one is meant.
        match (found.first(), found.len()) {
            (Some(org_id), 1) => Ok(*org_id),
            _ => Err(AccessError::NoOrganization),
        }
    }

    fn subject(&self, claims: &Value) -> Result<String, AccessError> {
        let name = &self.subject_claim;
        let value = claim(claims, name).ok_or_else(|| missing(name))?;
        let value = value.as_str().filter(|value| !value.is_empty()).ok_or_else(|| wrong(name))?;
        let subject = format!("{}{value}", self.subject_prefix);
        if subject.len() > MAX_SUBJECT_BYTES || subject.chars().any(char::is_control) {
            return Err(wrong(name));
        }
        Ok(subject)
    }

    fn roles(&self, claims: &Value) -> BTreeSet<Role> {
        let Some(value) = claim(claims, &self.roles_claim) else { return BTreeSet::new() };
        let listed = matches!(self.roles_claim.as_str(), "scope" | "scp");
        let values: Vec<&str> = match value.as_str() {
            Some(text) if listed => text.split(' ').collect(),
            _ => texts(value),
        };
        values.iter().filter_map(|value| self.roles.get(*value)).flatten().copied().collect()
    }

    fn user(&self, claims: &Value, org_id: OrgId) -> Result<Option<UserId>, AccessError> {
        let Some(UserRule { claim: name, by }) = &self.user else { return Ok(None) };
        let Some(value) = claim(claims, name) else { return Ok(None) };
        let value = value.as_str().filter(|value| !value.is_empty()).ok_or_else(|| wrong(name))?;
        match by {
            UserBy::Name => Ok(Some(UserId::new(EntityKind::User.derive_id(org_id, value).uuid()))),
            UserBy::Id => value.parse().map(Some).map_err(|_| wrong(name)),
        }
    }
}

fn missing(name: &str) -> AccessError {
    AccessError::Malformed(format!("claim '{name}' is missing"))
}

fn wrong(name: &str) -> AccessError {
    AccessError::Malformed(format!("claim '{name}' has the wrong form"))
}

/// A claim by its name, or by a JSON pointer.
fn claim<'a>(claims: &'a Value, name: &str) -> Option<&'a Value> {
    let found = if name.starts_with('/') { claims.pointer(name) } else { claims.get(name) };
    found.filter(|value| !value.is_null())
}

/// A text, or the texts of a list.
fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(values) => values.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

/// A `NumericDate`: seconds since 1970, of which a fraction is dropped.
fn time(claims: &Value, name: &str) -> Result<Option<u64>, AccessError> {
    let Some(value) = claim(claims, name) else { return Ok(None) };
    let fraction = || value.as_f64().filter(|it| (0.0..1e15).contains(it)).map(|it| it as u64);
    value.as_u64().or_else(fraction).map(Some).ok_or_else(|| wrong(name))
}
