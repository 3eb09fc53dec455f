//! The channels of the server's settings.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ledgerline_access::outbound::{PrivateHosts, Secret, SecretSource, Undelivered, shown};
use ledgerline_schemas::config::report_schedule::DeliveryTarget;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use serde::Deserialize;
use url::Url;

use super::file::FileChannel;
use super::mail::{MailChannel, Security, check_address, is_local};
use super::parcel::Parcel;
use super::ports::{Courier, Handing};
use super::retry::Retry;
use super::webhook::WebhookChannel;

/// How reports are delivered: the section `reports` of the settings.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DeliverySettings {
    /// Schedules run.
    pub enabled: bool,
    /// Folder that files are written into; without one there is no delivery as a file.
    pub folder: Option<PathBuf>,
    /// Attempts at a run or a delivery, 1 to 50.
    pub attempts_max: u32,
    /// Wait after the first failure, s, 1 to 3,600; doubled after each further one, up to an hour.
    pub retry_first_s: u64,
    /// Secrets by the names that schedules use.
    pub secrets: BTreeMap<String, SecretSource>,
    /// Webhooks.
    pub webhooks: WebhookSettings,
    /// Mail; without it there is no delivery by mail.
    pub mail: Option<MailSettings>,
}

impl Default for DeliverySettings {
    fn default() -> Self {
        Self {
            enabled: true,
            folder: None,
            attempts_max: 10,
            retry_first_s: 30,
            secrets: BTreeMap::new(),
            webhooks: WebhookSettings::default(),
            mail: None,
        }
    }
}

/// Delivery by webhook.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WebhookSettings {
    /// Hosts with private addresses that may be reached, in clear too: `host` or `host:port`.
    pub private_hosts: Vec<String>,
    /// Longest time for a request, s, 1 to 600.
    pub timeout_s: u64,
    /// Largest file, bytes.
    pub bytes_max: u64,
}

impl Default for WebhookSettings {
    fn default() -> Self {
        Self { private_hosts: Vec::new(), timeout_s: 30, bytes_max: 25 << 20 }
    }
}

/// Delivery by mail.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MailSettings {
    /// The relay's name.
    pub host: String,
    /// Its port; 587, 465 with `tls`, 25 with `none`.
    #[serde(default)]
    pub port: Option<u16>,
    /// How the connection is protected.
    #[serde(default)]
    pub security: Security,
    /// Certificates (PEM) that the relay's is checked with, instead of the system's.
    #[serde(default)]
    pub certificate_authority: Option<PathBuf>,
    /// User, if the relay wants a log-in.
    #[serde(default)]
    pub user: Option<String>,
    /// Its password.
    #[serde(default)]
    pub password: Option<SecretSource>,
    /// Address that mails come from.
    pub from: String,
    /// Addresses by the names that schedules use.
    #[serde(default)]
    pub recipients: BTreeMap<String, String>,
    /// Largest file, bytes.
    #[serde(default = "mail_bytes")]
    pub bytes_max: u64,
}

const fn mail_bytes() -> u64 {
    10 << 20
}

impl DeliverySettings {
    /// When failures are tried again.
    #[must_use]
    pub const fn retry(&self) -> Retry {
        Retry {
            first_ms: self.retry_first_s.saturating_mul(1_000),
            longest_ms: 3_600_000,
            attempts_max: self.attempts_max,
        }
    }

    /// Checks what can be checked without reading anything.
    ///
    /// # Errors
    /// The key and what is wrong with it.
    pub fn check(&self) -> Result<(), String> {
        if !(1..=50).contains(&self.attempts_max) {
            return Err("attempts_max: 1 to 50".to_owned());
        }
        if !(1..=3_600).contains(&self.retry_first_s) {
            return Err("retry_first_s: 1 to 3600".to_owned());
        }
        if !(1..=600).contains(&self.webhooks.timeout_s) {
            return Err("webhooks.timeout_s: 1 to 600".to_owned());
        }
        let Some(mail) = &self.mail else { return Ok(()) };
        if mail.security == Security::None && !is_local(&mail.host) {
            return Err("mail.security: none is for a relay on this machine (localhost)".to_owned());
        }
        if mail.user.is_some() != mail.password.is_some() {
            return Err("mail.user and mail.password go together".to_owned());
        }
        check_address(&mail.from).map_err(|error| format!("mail.from: {error}"))?;
        for (name, address) in &mail.recipients {
            check_address(address).map_err(|error| format!("mail.recipients.{name}: {error}"))?;
        }
        Ok(())
    }

    /// Reads secrets and certificates and makes the channels.
    ///
    /// # Errors
    /// The key and what is wrong with it; never a secret.
    pub fn open(&self) -> Result<Channels, String> {
        self.check()?;
        if let Some(folder) = self.folder.as_ref().filter(|folder| !folder.is_dir()) {
            return Err(format!("folder: {} is no folder", folder.display()));
        }
        let mut keys = BTreeMap::new();
        for (name, source) in &self.secrets {
            let key = source.read().and_then(|secret| secret.signing_key());
            keys.insert(name.clone(), key.map_err(|error| format!("secrets.{name}: {error}"))?);
        }
        let webhooks = WebhookChannel {
            keys,
            private_hosts: PrivateHosts {
                hosts: self.webhooks.private_hosts.clone(),
                setting: "reports.webhooks.private_hosts",
            },
            timeout: Duration::from_secs(self.webhooks.timeout_s),
            bytes_max: self.webhooks.bytes_max,
        };
        Ok(Channels {
            files: self.folder.clone().map(|folder| FileChannel { folder }),
            webhooks,
            mail: self.mail.as_ref().map(MailSettings::open).transpose()?,
        })
    }
}

impl MailSettings {
    fn open(&self) -> Result<MailChannel, String> {
        let password: Option<Secret> = match &self.password {
            Some(source) => Some(source.read().map_err(|error| format!("mail.password: {error}"))?),
            None => None,
        };
        let port = self.port.unwrap_or(match self.security {
            Security::StartTls => 587,
            Security::Tls => 465,
            Security::None => 25,
        });
        Ok(MailChannel {
            host: self.host.clone(),
            port,
            security: self.security,
            login: self.user.clone().zip(password),
            from: self.from.clone(),
            recipients: self.recipients.clone(),
            bytes_max: self.bytes_max,
            tls: Arc::new(self.trust()?),
        })
    }

    fn trust(&self) -> Result<ClientConfig, String> {
        let mut roots = RootCertStore::empty();
        match &self.certificate_authority {
            Some(path) => {
                let wrong = |error: String| {
                    format!("mail.certificate_authority: {}: {error}", path.display())
                };
                let found =
                    CertificateDer::pem_file_iter(path).map_err(|e| wrong(e.to_string()))?;
                for certificate in found {
                    let certificate = certificate.map_err(|error| wrong(error.to_string()))?;
                    roots.add(certificate).map_err(|error| wrong(error.to_string()))?;
                }
                if roots.is_empty() {
                    return Err(wrong("holds no certificate".to_owned()));
                }
            }
            // A relay without TLS needs none.
            None if self.security == Security::None => {}
            None => drop(
                roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs),
            ),
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| format!("mail: TLS: {error}"))?;
        Ok(builder.with_root_certificates(roots).with_no_client_auth())
    }
}

/// The channels there are.
#[derive(Clone, Debug)]
pub struct Channels {
    /// Files, if a folder is allowed.
    pub files: Option<FileChannel>,
    /// Webhooks.
    pub webhooks: WebhookChannel,
    /// Mail, if there is a relay.
    pub mail: Option<MailChannel>,
}

impl Courier for Channels {
    fn deliver<'a>(&'a self, parcel: &'a Parcel, target: &'a DeliveryTarget) -> Handing<'a> {
        Box::pin(async move {
            match target {
                DeliveryTarget::File { folder, name } => match &self.files {
                    Some(files) => files.deliver(parcel, folder, name).await,
                    None => Err(Undelivered::never("reports.folder is not in the settings")),
                },
                DeliveryTarget::Webhook { url, secret } => {
                    self.webhooks.deliver(parcel, url, secret).await
                }
                DeliveryTarget::Mail { to, subject } => match &self.mail {
                    Some(mail) => mail.deliver(parcel, to, subject).await,
                    None => Err(Undelivered::never("reports.mail is not in the settings")),
                },
            }
        })
    }

    fn shown(&self, parcel: &Parcel, target: &DeliveryTarget) -> String {
        match target {
            DeliveryTarget::File { folder, name } => {
                let name = parcel.file_name(name).unwrap_or_else(|_| name.clone());
                if folder.is_empty() { name } else { format!("{folder}/{name}") }
            }
            DeliveryTarget::Webhook { url, .. } => {
                Url::parse(url).map_or_else(|_| "no URL".to_owned(), |url| shown(&url))
            }
            DeliveryTarget::Mail { to, .. } => to.join(", "),
        }
    }
}
