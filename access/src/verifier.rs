//! Bearer tokens, whoever signed them: the one check that every door makes.

use crate::error::AccessError;
use crate::oidc::{self, Provider};
use crate::principal::Principal;
use crate::token::{ISSUER, TokenIssuer};

/// A principal, and when the token that says so ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Who.
    pub principal: Principal,
    /// `exp` of the token, seconds since 1970: a long-lived connection ends when the token that opened it does.
    pub expires_s: u64,
}

/// Verifies tokens of the built-in issuer and of every provider. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Verifier {
    issuer: TokenIssuer,
    providers: Vec<Provider>,
}

impl From<TokenIssuer> for Verifier {
    /// The built-in issuer alone.
    fn from(issuer: TokenIssuer) -> Self {
        Self { issuer, providers: Vec::new() }
    }
}

impl Verifier {
    /// The built-in issuer, and these providers beside it. Of two providers of one issuer the first is asked.
    #[must_use]
    pub const fn new(issuer: TokenIssuer, providers: Vec<Provider>) -> Self {
        Self { issuer, providers }
    }

    /// Who holds this token. May wait for an answer of the token's issuer; must be called inside a tokio runtime.
    ///
    /// # Errors
    /// [`AccessError`]; [`AccessError::refusal`] says how a door answers it.
    pub async fn verify(&self, token: &str) -> Result<Verified, AccessError> {
        if self.providers.is_empty() {
            return self.built_in(token);
        }
        // What the token claims about its issuer chooses who checks it; the one who checks it compares the claim again.
        match oidc::issuer_of(token) {
            Some(claimed) if claimed != ISSUER => {
                let provider = self.providers.iter().find(|provider| provider.issuer() == claimed);
                provider.ok_or(AccessError::WrongIssuer)?.verify(token).await
            }
            _ => self.built_in(token),
        }
    }

    /// Asks every issuer for its keys that are due.
    pub async fn refresh_if_due(&self) {
        for provider in &self.providers {
            provider.refresh_if_due().await;
        }
    }

    /// Issuers beside the built-in one.
    #[must_use]
    pub fn providers(&self) -> &[Provider] {
        &self.providers
    }

    /// Now, by the clock that tokens are held against, seconds since 1970.
    #[must_use]
    pub fn now_s(&self) -> u64 {
        self.issuer.now_s()
    }

    fn built_in(&self, token: &str) -> Result<Verified, AccessError> {
        let (principal, expires_s) = self.issuer.verify_with_expiry(token)?;
        Ok(Verified { principal, expires_s })
    }
}
