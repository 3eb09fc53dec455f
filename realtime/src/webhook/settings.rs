//! Webhooks in the server's settings.

use std::collections::BTreeMap;

use ledgerline_access::outbound::{PrivateHosts, SecretSource};
use serde::Deserialize;

use super::deliver::Sender;

/// How webhooks are sent: the section `webhooks` of the settings.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WebhookSettings {
    /// Subscriptions are sent to.
    pub enabled: bool,
    /// Signing keys by the names that subscriptions use.
    pub secrets: BTreeMap<String, SecretSource>,
    /// Hosts with private addresses that may be reached, in clear too: `host` or `host:port`.
    pub private_hosts: Vec<String>,
}

impl Default for WebhookSettings {
    fn default() -> Self {
        Self { enabled: true, secrets: BTreeMap::new(), private_hosts: Vec::new() }
    }
}

impl WebhookSettings {
    /// Reads the secrets.
    ///
    /// # Errors
    /// The key and what is wrong with it; never a secret.
    pub fn open(&self) -> Result<Sender, String> {
        let mut keys = BTreeMap::new();
        for (name, source) in &self.secrets {
            let key = source.read().and_then(|secret| secret.signing_key());
            keys.insert(name.clone(), key.map_err(|error| format!("secrets.{name}: {error}"))?);
        }
        let private_hosts =
            PrivateHosts { hosts: self.private_hosts.clone(), setting: "webhooks.private_hosts" };
        Ok(Sender::new(keys, private_hosts))
    }
}
