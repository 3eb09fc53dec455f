//! One request to one endpoint.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use ledgerline_access::outbound::{Destination, PrivateHosts, Secret, destination, sign};
use ledgerline_schemas::Timestamp;
use ledgerline_schemas::config::WebhookSubscription;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue, USER_AGENT};
use reqwest::redirect::Policy;
use reqwest::{Client, StatusCode};
use uuid::Uuid;

use super::body::MEDIA_TYPE;

/// Longest time to connect.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Open connections without a request are closed after this.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// Hosts whose connections are kept.
const CLIENTS_MAX: usize = 256;

/// What is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The `webhook-id`.
    pub id: Uuid,
    /// When this attempt is made: receivers refuse what is old.
    pub at: Timestamp,
    /// The body.
    pub body: Vec<u8>,
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The endpoint took it, with this status.
    Taken(u16),
    /// The endpoint answered 410: nothing more is to be sent to it.
    Gone,
    /// It may be taken later.
    Failed {
        /// The status, if there was an answer.
        status: Option<u16>,
        /// Why, without secrets, path and query, and the other side's own words.
        reason: String,
    },
}

impl Outcome {
    fn failed(reason: impl Into<String>) -> Self {
        Self::Failed { status: None, reason: reason.into() }
    }
}

/// A client, and the addresses that it connects to.
type Pinned = (Vec<SocketAddr>, Client);

/// Sends requests: with the keys of the settings, and only to where they allow.
#[derive(Debug)]
pub struct Sender {
    keys: BTreeMap<String, Secret>,
    private_hosts: PrivateHosts,
    clients: Mutex<BTreeMap<(String, bool), Pinned>>,
}

impl Sender {
    /// A sender with these signing keys by name, that may reach these hosts of the house.
    #[must_use]
    pub fn new(keys: BTreeMap<String, Secret>, private_hosts: PrivateHosts) -> Self {
        Self { keys, private_hosts, clients: Mutex::default() }
    }

    /// Posts a message. The answer counts by its status alone and its body is not read: 2xx is taken, 410 is gone,
    /// everything else may pass, also a redirect, which is never followed.
    pub async fn send(&self, to: &WebhookSubscription, message: Message) -> Outcome {
        let timeout = Duration::from_millis(to.timeout_ms);
        match tokio::time::timeout(timeout, self.post(to, message)).await {
            Ok(outcome) => outcome,
            Err(_) => Outcome::failed("the server did not answer in time"),
        }
    }

    async fn post(&self, to: &WebhookSubscription, message: Message) -> Outcome {
        let headers = match self.headers(to, &message) {
            Ok(headers) => headers,
            Err(reason) => return Outcome::failed(reason),
        };
        let place = match destination(&to.url, &self.private_hosts).await {
            Ok(place) => place,
            Err(refused) => return Outcome::failed(refused.reason),
        };
        let Ok(client) = self.client(&place) else {
            return Outcome::failed("no HTTP client can be made");
        };
        let request = client.post(place.url).headers(headers).body(message.body);
        let status = match request.send().await {
            Ok(answer) => answer.status(),
            Err(error) => return Outcome::failed(broken(&error)),
        };
        match status {
            _ if status.is_success() => Outcome::Taken(status.as_u16()),
            StatusCode::GONE => Outcome::Gone,
            _ => {
                let code = status.as_u16();
                let redirects = "; redirects are not followed";
                let more = if status.is_redirection() { redirects } else { "" };
                let reason = format!("the server answered {code}{more}");
                Outcome::Failed { status: Some(code), reason }
            }
        }
    }

    fn headers(&self, to: &WebhookSubscription, message: &Message) -> Result<HeaderMap, String> {
        let id = message.id.to_string();
        let timestamp_s = message.at.micros().div_euclid(1_000_000);
        let mut signatures = Vec::new();
        for name in &to.secrets {
            // With one of two keys only, a receiver that trusts the other would refuse for no reason it could see.
            let key = self.keys.get(name).ok_or_else(|| {
                format!("webhooks.secrets.{name} is not in the settings of the server")
            })?;
            signatures.push(sign(key, &id, timestamp_s, &message.body)?);
        }
        let value = |text: &str| HeaderValue::from_str(text).map_err(|error| error.to_string());
        let mut headers = HeaderMap::new();
        headers.insert("webhook-id", value(&id)?);
        headers.insert("webhook-timestamp", HeaderValue::from(timestamp_s));
        headers.insert("webhook-signature", value(&signatures.join(" "))?);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        headers.insert(USER_AGENT, HeaderValue::from_static("ledgerline"));
        Ok(headers)
    }

    /// A client that connects to the addresses that were looked at and no others; with its connections, as long as the
    /// name leads to the same.
    fn client(&self, place: &Destination) -> Result<Client, reqwest::Error> {
        let mut addresses = place.addresses.clone();
        addresses.sort();
        let key = (place.host.clone(), place.is_private);
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, client)) = clients.get(&key)
            && *known == addresses
        {
            return Ok(client.clone());
        }
        let client = Client::builder()
            .redirect(Policy::none())
            .no_proxy()
            .https_only(!place.is_private)
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_idle_timeout(IDLE_TIMEOUT)
            .resolve_to_addrs(&place.host, &place.addresses)
            .build()?;
        if clients.len() >= CLIENTS_MAX {
            clients.clear();
        }
        clients.insert(key, (addresses, client.clone()));
        Ok(client)
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
