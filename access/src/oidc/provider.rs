//! One issuer: its rules and its keys.

use std::collections::BTreeMap;
use std::sync::Arc;

use jsonwebtoken::Validation;
use jsonwebtoken::errors::ErrorKind;
use ledgerline_schemas::id::OrgId;
use serde_json::Value;

use super::cache::{KeyCache, Source};
use super::claims::{ClaimRules, Organizations};
use super::compact::header_of;
use super::endpoint::endpoint;
use super::fetch::KeyFetcher;
use super::settings::{ProviderSettings, SettingsError, SignatureAlgorithm};
use crate::error::AccessError;
use crate::token::Clock;
use crate::verifier::Verified;

/// Verifies the tokens of one issuer. Cheap to clone; clones share the keys.
#[derive(Clone)]
pub struct Provider {
    inner: Arc<Inner>,
}

struct Inner {
    issuer: String,
    algorithms: Vec<SignatureAlgorithm>,
    rules: ClaimRules,
    keys: Arc<KeyCache>,
    clock: Clock,
}

impl std::fmt::Debug for Provider {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Provider").field("issuer", &self.inner.issuer).finish_non_exhaustive()
    }
}

impl Provider {
    /// A provider by these settings. `organizations` are those that are served, by name. Asks for no keys yet.
    ///
    /// # Errors
    /// [`SettingsError`] when a setting cannot be used or names an organization that is not served.
    pub fn new(
        settings: &ProviderSettings,
        organizations: &BTreeMap<String, OrgId>,
        fetcher: Arc<dyn KeyFetcher>,
        clock: Clock,
    ) -> Result<Self, SettingsError> {
        settings.check()?;
        let id = |field: &'static str, name: &String| {
            organizations.get(name).copied().ok_or_else(|| {
                SettingsError::new(field, format!("organization {name:?} is not served"))
            })
        };
        let rule = &settings.organization;
        let organization = match (&rule.name, &rule.claim) {
            (Some(name), _) => Organizations::Fixed(id("organization.name", name)?),
            (None, claim) => {
                let mut values = BTreeMap::new();
                for (value, name) in &rule.values {
                    values.insert(value.clone(), id("organization.values", name)?);
                }
                Organizations::ByClaim { claim: claim.clone().unwrap_or_default(), values }
            }
        };
        let jwks_uri = match &settings.jwks_uri {
            Some(address) => {
                Some(endpoint(address).map_err(|it| SettingsError::new("jwks_uri", it))?)
            }
            None => None,
        };
        let source = Source {
            issuer: settings.issuer.clone(),
            jwks_uri,
            refresh_s: settings.refresh_s,
            keep_s: settings.keep_s,
        };
        let inner = Inner {
            issuer: settings.issuer.clone(),
            algorithms: settings.algorithms.iter().copied().collect(),
            rules: ClaimRules::new(settings, organization),
            keys: KeyCache::new(source, fetcher, Arc::clone(&clock)),
            clock,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// `iss` of its tokens.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.inner.issuer
    }

    /// Who holds this token. May ask the issuer for keys; must be called inside a tokio runtime.
    ///
    /// # Errors
    /// [`AccessError`]. The signature is checked before any claim.
    pub async fn verify(&self, token: &str) -> Result<Verified, AccessError> {
        let outcome = self.check(token).await;
        let said = match &outcome {
            Ok(_) => "accepted",
            Err(error) => error.name(),
        };
        let issuer = self.inner.issuer.clone();
        metrics::counter!("ledgerline_oidc_tokens_total", "issuer" => issuer, "outcome" => said)
            .increment(1);
        outcome
    }

    async fn check(&self, token: &str) -> Result<Verified, AccessError> {
        let header = header_of(token)?;
        let algorithm = SignatureAlgorithm::named(&header.alg)
            .filter(|algorithm| self.inner.algorithms.contains(algorithm))
            .ok_or(AccessError::WrongAlgorithm)?;
        let key = self.inner.keys.find(algorithm, header.kid.as_deref()).await?;
        let mut validation = Validation::new(algorithm.of_library());
        // The library has a clock and rules of its own; claims are checked by ours, once it found the signature good.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        validation.validate_aud = false;
        validation.required_spec_claims.clear();
        let claims = jsonwebtoken::decode::<Value>(token, &key.verify, &validation)
            .map_err(|error| refusal(error.kind()))?
            .claims;
        self.inner.rules.read(&claims, (self.inner.clock)())
    }

    /// Asks the issuer for its keys if they are due. To be called now and then, so that a withdrawn key is forgotten and
    /// an issuer that does not answer is noticed without a token; must be called inside a tokio runtime.
    pub async fn refresh_if_due(&self) {
        self.inner.keys.refresh_if_due().await;
    }
}

fn refusal(kind: &ErrorKind) -> AccessError {
    match kind {
        ErrorKind::InvalidSignature => AccessError::BadSignature,
        ErrorKind::InvalidAlgorithm
        | ErrorKind::InvalidAlgorithmName
        | ErrorKind::UnsupportedAlgorithm => AccessError::WrongAlgorithm,
        // A published point that is not on its curve.
        ErrorKind::InvalidEcdsaKey | ErrorKind::InvalidEddsaKey | ErrorKind::InvalidKeyFormat => {
            AccessError::UnknownKey
        }
        _ => AccessError::Malformed("a part of it has the wrong form".to_owned()),
    }
}
