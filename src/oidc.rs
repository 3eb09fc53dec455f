//! Issuers beside the built-in one: their documents come over HTTP, and their keys are kept fresh.

use std::collections::BTreeMap;
use std::error::Error as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ledgerline_access::oidc::fetch::Url;
use ledgerline_access::oidc::{FetchError, Fetching, KeyFetcher, Provider, RETRY_S};
use ledgerline_access::{TokenIssuer, Verifier};
use ledgerline_schemas::id::OrgId;
use reqwest::{Certificate, Client, redirect};
use tokio::task::JoinHandle;

use crate::failure::Failure;
use crate::organization::Served;
use crate::settings::Settings;

/// Longest wait for a connection to an issuer.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Longest wait for a whole document; a door waits for it when a token names a key that is not known.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Who verifies tokens at every door.
pub(crate) fn verifier(
    settings: &Settings,
    issuer: &TokenIssuer,
    served: &[Served],
) -> Result<Verifier, Failure> {
    let organizations: BTreeMap<String, OrgId> =
        served.iter().map(|it| (it.known.name.clone(), it.known.org_id)).collect();
    let mut providers = Vec::new();
    for (index, provider) in settings.oidc.iter().enumerate() {
        let fetcher = HttpFetcher::new(provider.ca_certificates.as_deref()).map_err(|reason| {
            Failure::config(format!("oidc[{index}].ca_certificates: {reason}"))
        })?;
        let provider = Provider::new(provider, &organizations, Arc::new(fetcher), issuer.clock())
            .map_err(|error| Failure::config(format!("oidc[{index}].{error}")))?;
        providers.push(provider);
    }
    Ok(Verifier::new(issuer.clone(), providers))
}

/// Renews the keys of every issuer when they are due. Ends with the system.
pub(crate) fn keep_keys(verifier: Verifier) -> JoinHandle<()> {
    tokio::spawn(async move {
        if verifier.providers().is_empty() {
            return;
        }
        let mut every = tokio::time::interval(Duration::from_secs(RETRY_S));
        loop {
            every.tick().await;
            verifier.refresh_if_due().await;
        }
    })
}

/// Documents over HTTP: no redirects, bounded in time and length.
#[derive(Clone, Debug)]
struct HttpFetcher(Client);

impl HttpFetcher {
    /// Servers are checked with these certificates, or with those of the system.
    fn new(ca_certificates: Option<&Path>) -> Result<Self, String> {
        let mut builder = Client::builder()
            .redirect(redirect::Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(TIMEOUT)
            .user_agent(concat!("ledgerline/", env!("CARGO_PKG_VERSION")));
        if let Some(path) = ca_certificates {
            let trouble = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
            let pem = std::fs::read(path).map_err(|error| trouble(&error))?;
            let certificates =
                Certificate::from_pem_bundle(&pem).map_err(|error| trouble(&error))?;
            if certificates.is_empty() {
                return Err(trouble(&"there is no certificate in it"));
            }
            builder = builder.tls_built_in_root_certs(false);
            for certificate in certificates {
                builder = builder.add_root_certificate(certificate);
            }
        }
        builder.build().map(Self).map_err(|error| reason(&error))
    }
}

impl KeyFetcher for HttpFetcher {
    fn fetch<'a>(&'a self, url: &'a Url, bytes_max: usize) -> Fetching<'a> {
        Box::pin(async move {
            let failed = |error: reqwest::Error| FetchError(reason(&error.without_url()));
            let mut answer = self.0.get(url.clone()).send().await.map_err(failed)?;
            let status = answer.status();
            if status != reqwest::StatusCode::OK {
                return Err(FetchError(format!("answered {status}, not 200")));
            }
            let mut body = Vec::new();
            while let Some(chunk) = answer.chunk().await.map_err(failed)? {
                if body.len() + chunk.len() > bytes_max {
                    return Err(FetchError(format!("longer than {bytes_max} bytes")));
                }
                body.extend_from_slice(&chunk);
            }
            Ok(body)
        })
    }
}

/// The error with what caused it: the outermost text alone says "error sending request".
fn reason(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}

#[cfg(test)]
mod tests;
