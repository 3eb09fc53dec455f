//! Delivery by an HTTP request with the file as its body.

use std::collections::BTreeMap;
use std::time::Duration;

use ledgerline_access::outbound::{PrivateHosts, Secret, Undelivered, destination, shown, sign};
use reqwest::header::{CONTENT_DISPOSITION, CONTENT_TYPE, HeaderMap, HeaderValue, USER_AGENT};
use reqwest::redirect::Policy;
use reqwest::{Client, StatusCode};

use super::parcel::Parcel;

/// Longest time to connect.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Sends reports to HTTP servers.
#[derive(Clone, Debug)]
pub struct WebhookChannel {
    /// Signing keys by name.
    pub keys: BTreeMap<String, Secret>,
    /// Hosts of the house that may be reached.
    pub private_hosts: PrivateHosts,
    /// Longest time for all of a request.
    pub timeout: Duration,
    /// Largest file, bytes.
    pub bytes_max: u64,
}

impl WebhookChannel {
    /// Posts a report.
    ///
    /// The answer counts by its status alone: 2xx is taken, 410 is refused for good, everything else may pass, also a
    /// redirect, which is never followed.
    ///
    /// # Errors
    /// [`Undelivered`].
    pub async fn deliver(
        &self,
        parcel: &Parcel,
        url: &str,
        secret: &str,
    ) -> Result<String, Undelivered> {
        let size = u64::try_from(parcel.artifact.bytes.len()).unwrap_or(u64::MAX);
        if size > self.bytes_max {
            return Err(Undelivered::never(format!(
                "the file has {size} bytes, a webhook takes {}",
                self.bytes_max
            )));
        }
        let key = self.keys.get(secret).ok_or_else(|| {
            Undelivered::never(format!("reports.secrets.{secret} is not in the settings"))
        })?;
        let place = destination(url, &self.private_hosts).await?;
        let headers = headers(parcel, key).map_err(Undelivered::never)?;
        let client = Client::builder()
            .redirect(Policy::none())
            .no_proxy()
            .https_only(!place.is_private)
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(self.timeout)
            .resolve_to_addrs(&place.host, &place.addresses)
            .build()
            .map_err(|_| Undelivered::later("no HTTP client can be made"))?;
        let request =
            client.post(place.url.clone()).headers(headers).body(parcel.artifact.bytes.clone());
        let answer = request.send().await.map_err(|error| Undelivered::later(broken(&error)))?;
        let status = answer.status();
        match status {
            _ if status.is_success() => Ok(shown(&place.url)),
            StatusCode::GONE => Err(Undelivered::never("the server answered 410, gone")),
            _ if status.is_redirection() => Err(Undelivered::later(format!(
                "the server answered {}; redirects are not followed",
                status.as_u16()
            ))),
            _ => Err(Undelivered::later(format!("the server answered {}", status.as_u16()))),
        }
    }
}

/// What broke, without the URL that the library's own text has.
fn broken(error: &reqwest::Error) -> &'static str {
    match error {
        _ if error.is_timeout() => "the server did not answer in time",
        _ if error.is_connect() => "the server cannot be reached",
        _ => "the connection broke",
    }
}

fn headers(parcel: &Parcel, key: &Secret) -> Result<HeaderMap, String> {
    let id = parcel.delivery_id.to_string();
    // The time of the attempt: receivers refuse what is old.
    let timestamp_s = parcel.now.micros().div_euclid(1_000_000);
    let signature = sign(key, &id, timestamp_s, &parcel.artifact.bytes)?;
    let value = |text: &str| HeaderValue::from_str(text).map_err(|error| error.to_string());
    let name = parcel.file_name("{schedule}-{due}.{ext}")?;
    let ascii: String = name.chars().filter(|c| c.is_ascii() && *c != '"').collect();
    let mut headers = HeaderMap::new();
    headers.insert("webhook-id", value(&id)?);
    headers.insert("webhook-timestamp", HeaderValue::from(timestamp_s));
    headers.insert("webhook-signature", value(&signature)?);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(parcel.artifact.media_type));
    headers.insert(CONTENT_DISPOSITION, value(&format!("attachment; filename=\"{ascii}\""))?);
    headers.insert(USER_AGENT, HeaderValue::from_static("ledgerline"));
    headers.insert("ledgerline-position", HeaderValue::from(parcel.artifact.position.0));
    headers.insert("ledgerline-due-at", value(&parcel.due_at.to_string())?);
    Ok(headers)
}
