//! The configuration file of `serve`. Unknown keys are refused; every key has a default.

mod http;

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use ledgerline_access::oidc::ProviderSettings;
use ledgerline_connectors::reports::channels::DeliverySettings;
use ledgerline_event_store::archive::Retention;
use ledgerline_ingest::chat::ChatSettings;
use ledgerline_ingest::voice::VoiceConfig;
use ledgerline_realtime::webhook::WebhookSettings;
use serde::Deserialize;

use crate::engine::Engine;
use crate::failure::Failure;
pub(crate) use http::Http;

/// Everything an operator may set.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Settings {
    /// Data directory.
    pub(crate) data: PathBuf,
    /// Organizations that are served; made at the first start.
    pub(crate) organizations: Vec<String>,
    /// HTTP, WebSocket and server-sent events.
    pub(crate) http: Http,
    /// SIP and RTP.
    pub(crate) sip: Sip,
    /// PostgreSQL wire.
    pub(crate) sql: Sql,
    /// Arrow Flight SQL.
    pub(crate) flight: Flight,
    /// KurrentDB protocol.
    pub(crate) kurrent: Kurrent,
    /// Issuers whose tokens are accepted beside the built-in issuer's.
    pub(crate) oidc: Vec<ProviderSettings>,
    /// Web chat.
    pub(crate) chat: ChatSettings,
    /// Keys of personal data.
    pub(crate) keys: Keys,
    /// What keeps the log.
    pub(crate) engine: Engine,
    /// Where the segments of the log are kept.
    pub(crate) storage: Storage,
    /// Encryption of files.
    pub(crate) encryption: Encryption,
    /// Custody of the log.
    pub(crate) custody: Custody,
    /// Copies of the tables for other engines.
    pub(crate) tables: TableCopies,
    /// Delivery of reports that are due.
    pub(crate) reports: DeliverySettings,
    /// Webhooks.
    pub(crate) webhooks: WebhookSettings,
    /// Logs.
    pub(crate) log: Log,
}

/// Custody of the log.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Custody {
    /// Time between two signed checkpoints, s; 0: none while serving.
    pub(crate) checkpoint_every_s: u64,
}

/// Copies of the tables for other engines.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct TableCopies {
    /// Folder or `s3://BUCKET/PREFIX` that the tables are published to; nowhere when absent.
    pub(crate) publish: Option<String>,
    /// Time between two publications, s; 1 at least.
    pub(crate) publish_every_s: u64,
    /// Tables that are encrypted here are published all the same: copies are in clear.
    pub(crate) publish_in_clear: bool,
}

impl TableCopies {
    fn check(&self) -> Result<(), Failure> {
        if self.publish_every_s == 0 {
            return Err(Failure::config("tables.publish_every_s: 1 or more"));
        }
        Ok(())
    }
}

impl Default for TableCopies {
    fn default() -> Self {
        Self { publish: None, publish_every_s: 300, publish_in_clear: false }
    }
}

/// Keys of personal data.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Keys {
    /// Folder of the key-encryption keys; `kek` in the data directory when absent. Of this data directory
    /// alone: a rotation destroys the keys in it that this directory no longer needs.
    pub(crate) kek_folder: Option<PathBuf>,
}

/// Where the segments of the log are kept.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Storage {
    /// A segment is closed before it grows beyond this, bytes; 65,536 to 1 GiB. What is archived and
    /// dropped is whole segments.
    pub(crate) segment_bytes: u64,
    /// Sealed segments that stay as they were written; older ones are packed; 0: none is packed.
    pub(crate) pack_after_segments: usize,
    /// Folder or `s3://BUCKET/PREFIX` that sealed segments are copied to.
    pub(crate) archive: Option<String>,
    /// How often it is looked for something to archive, s.
    pub(crate) archive_every_s: u64,
    /// Of the archived segments, so many of the newest stay here; without a limit all of them.
    pub(crate) keep_local_segments: Option<u64>,
    /// Of the archived segments, those with an event of the last so many days stay here.
    pub(crate) keep_local_days: Option<u64>,
}

/// Encryption of files.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Encryption {
    /// The log, tables and routing snapshots are encrypted with keys of their organization. Concerns files that are
    /// written from now on; absent: as it was at the last start, off in a new data directory.
    pub(crate) at_rest: Option<bool>,
}

/// The voice edge.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Sip {
    /// Switched on.
    pub(crate) enabled: bool,
    /// Address for UDP.
    pub(crate) udp: SocketAddr,
    /// Address for TCP.
    pub(crate) tcp: SocketAddr,
    /// Address that other phones reach us at.
    pub(crate) public_ip: IpAddr,
    /// First and last RTP port; `[0, 0]`: any free port.
    pub(crate) rtp_ports: [u16; 2],
    /// Where calls to plain numbers go.
    pub(crate) outbound_proxy: Option<SocketAddr>,
    /// Networks whose requests are heard (CIDR); empty: loopback only.
    pub(crate) allowed_sources: Vec<String>,
    /// Folder of WAV files that come before the built-in prompts.
    pub(crate) media: Option<PathBuf>,
    /// Most customers' calls at once.
    pub(crate) max_calls: usize,
    /// Silence after which a leg counts as lost, s; 0: never.
    pub(crate) rtp_timeout_s: u64,
}

/// The PostgreSQL wire.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Sql {
    /// Switched on.
    pub(crate) enabled: bool,
    /// Address to listen at.
    pub(crate) listen: SocketAddr,
    /// Certificate chain (PEM); self-signed when absent.
    pub(crate) certificate: Option<PathBuf>,
    /// Private key (PEM).
    pub(crate) private_key: Option<PathBuf>,
    /// Most connections at once.
    pub(crate) connections_max: usize,
}

/// Arrow Flight SQL.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Flight {
    /// Switched on.
    pub(crate) enabled: bool,
    /// Address to listen at, TLS and clear text; clear text is served to this machine only.
    pub(crate) listen: SocketAddr,
    /// Certificate chain (PEM); self-signed when absent.
    pub(crate) certificate: Option<PathBuf>,
    /// Private key (PEM).
    pub(crate) private_key: Option<PathBuf>,
    /// Most connections at once.
    pub(crate) connections_max: usize,
}

/// The KurrentDB protocol.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Kurrent {
    /// Switched on.
    pub(crate) enabled: bool,
    /// Address to listen at, TLS and clear text; clear text is served to this machine only.
    pub(crate) listen: SocketAddr,
    /// Certificate chain (PEM); self-signed when absent.
    pub(crate) certificate: Option<PathBuf>,
    /// Private key (PEM).
    pub(crate) private_key: Option<PathBuf>,
    /// Most connections at once.
    pub(crate) connections_max: usize,
}

/// Logs.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Log {
    /// Filter, such as `info` or `info,ledgerline_ingest=debug`.
    pub(crate) level: String,
    /// JSON instead of text.
    pub(crate) json: bool,
}

const fn loopback(port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), port)
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            data: PathBuf::from("./ledgerline-data"),
            organizations: vec!["main".to_owned()],
            http: Http::default(),
            sip: Sip::default(),
            sql: Sql::default(),
            flight: Flight::default(),
            kurrent: Kurrent::default(),
            oidc: Vec::new(),
            chat: ChatSettings::default(),
            keys: Keys::default(),
            engine: Engine::default(),
            storage: Storage::default(),
            encryption: Encryption::default(),
            custody: Custody::default(),
            tables: TableCopies::default(),
            reports: DeliverySettings::default(),
            webhooks: WebhookSettings::default(),
            log: Log::default(),
        }
    }
}

impl Default for Storage {
    fn default() -> Self {
        Self {
            segment_bytes: 64 << 20,
            pack_after_segments: 4,
            archive: None,
            archive_every_s: 60,
            keep_local_segments: None,
            keep_local_days: None,
        }
    }
}

impl Storage {
    /// What may be dropped.
    pub(crate) const fn retention(&self) -> Retention {
        Retention { keep_segments: self.keep_local_segments, keep_days: self.keep_local_days }
    }

    fn check(&self) -> Result<(), Failure> {
        if !(65_536..=1 << 30).contains(&self.segment_bytes) {
            return Err(Failure::config("storage.segment_bytes: 65536 to 1073741824"));
        }
        if self.archive_every_s == 0 {
            return Err(Failure::config("storage.archive_every_s: 1 or more"));
        }
        if self.retention().drops() && self.archive.is_none() {
            return Err(Failure::config(
                "storage.keep_local_segments and storage.keep_local_days need storage.archive: \
                 nothing is dropped that is not archived",
            ));
        }
        Ok(())
    }
}

impl Default for Sip {
    fn default() -> Self {
        Self {
            enabled: true,
            udp: loopback(5060),
            tcp: loopback(5060),
            public_ip: IpAddr::V4(std::net::Ipv4Addr::LOCALHOST),
            rtp_ports: [20_000, 29_999],
            outbound_proxy: None,
            allowed_sources: Vec::new(),
            media: None,
            max_calls: 1_000,
            rtp_timeout_s: 30,
        }
    }
}

impl Default for Sql {
    fn default() -> Self {
        Self {
            enabled: true,
            listen: loopback(5433),
            certificate: None,
            private_key: None,
            connections_max: 200,
        }
    }
}

impl Default for Flight {
    fn default() -> Self {
        Self {
            enabled: true,
            listen: loopback(50_051),
            certificate: None,
            private_key: None,
            connections_max: 200,
        }
    }
}

impl Default for Kurrent {
    fn default() -> Self {
        Self {
            enabled: true,
            listen: loopback(2113),
            certificate: None,
            private_key: None,
            connections_max: 200,
        }
    }
}

impl Default for Custody {
    fn default() -> Self {
        Self { checkpoint_every_s: 300 }
    }
}

impl Default for Log {
    fn default() -> Self {
        Self { level: "info".to_owned(), json: false }
    }
}

impl Settings {
    /// Reads a file.
    pub(crate) fn read(path: &Path) -> Result<Self, Failure> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| Failure::config(format!("{}: {error}", path.display())))?;
        let settings: Self = toml::from_str(&text)
            .map_err(|error| Failure::config(format!("{}: {error}", path.display())))?;
        settings.check()?;
        Ok(settings)
    }

    fn check(&self) -> Result<(), Failure> {
        if self.organizations.is_empty() {
            return Err(Failure::config("organizations: name at least one"));
        }
        self.http.check()?;
        if self.sql.certificate.is_some() != self.sql.private_key.is_some() {
            return Err(Failure::config("sql.certificate and sql.private_key go together"));
        }
        if self.flight.certificate.is_some() != self.flight.private_key.is_some() {
            return Err(Failure::config("flight.certificate and flight.private_key go together"));
        }
        if self.kurrent.certificate.is_some() != self.kurrent.private_key.is_some() {
            return Err(Failure::config("kurrent.certificate and kurrent.private_key go together"));
        }
        self.storage.check()?;
        self.tables.check()?;
        let wrong = |error| Failure::config(format!("reports.{error}"));
        self.reports.check().map_err(wrong)?;
        for (index, provider) in self.oidc.iter().enumerate() {
            let wrong = |error| Failure::config(format!("oidc[{index}].{error}"));
            provider.check().map_err(wrong)?;
            if self.oidc.iter().take(index).any(|other| other.issuer == provider.issuer) {
                return Err(Failure::config(format!("oidc[{index}].issuer: is named twice")));
            }
        }
        let [first, last] = self.sip.rtp_ports;
        if first > last {
            return Err(Failure::config(format!("sip.rtp_ports: {first} is above {last}")));
        }
        self.engine.check()?;
        self.voice().map(|_| ())
    }

    /// Free ports everywhere.
    pub(crate) fn take_free_ports(&mut self) {
        self.http.listen.set_port(0);
        self.sip.udp.set_port(0);
        self.sip.tcp.set_port(0);
        self.sip.rtp_ports = [0, 0];
        self.sql.listen.set_port(0);
        self.flight.listen.set_port(0);
        self.kurrent.listen.set_port(0);
        if let Some(keys) = &mut self.engine.keys_listen {
            keys.set_port(0);
        }
    }

    /// The voice edge's own settings.
    pub(crate) fn voice(&self) -> Result<VoiceConfig, Failure> {
        let sip = &self.sip;
        let mut allowed_sources = Vec::new();
        for text in &sip.allowed_sources {
            let net = text.parse().map_err(|error| {
                Failure::config(format!("sip.allowed_sources: {text:?}: {error}"))
            })?;
            allowed_sources.push(net);
        }
        let [first, last] = sip.rtp_ports;
        Ok(VoiceConfig {
            bind_udp: sip.udp,
            bind_tcp: sip.tcp,
            public_ip: sip.public_ip,
            rtp_ports: (last > 0).then_some(first..=last),
            outbound_proxy: sip.outbound_proxy,
            allowed_sources,
            media_dir: sip.media.clone(),
            max_calls: sip.max_calls,
            rtp_timeout: (sip.rtp_timeout_s > 0).then(|| Duration::from_secs(sip.rtp_timeout_s)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_keys_are_named() {
        let error =
            toml::from_str::<Settings>("[http]\nlisen = \"127.0.0.1:1\"").expect_err("unknown");
        assert!(error.to_string().contains("lisen"), "{error}");
        let settings: Settings = toml::from_str("[sip]\nmax_calls = 7").expect("valid");
        assert_eq!(settings.sip.max_calls, 7);
        assert_eq!(settings.http.listen.port(), 8080);
        assert_eq!(settings.encryption.at_rest, None);
        let settings: Settings = toml::from_str("[encryption]\nat_rest = true").expect("valid");
        assert_eq!(settings.encryption.at_rest, Some(true));
    }

    #[test]
    fn bad_values_are_named() {
        let bad = |text: &str| {
            let settings: Settings = toml::from_str(text).expect("parses");
            settings.check().expect_err("refused").to_string()
        };
        assert!(bad("organizations = []").contains("organizations"));
        assert!(bad("[sip]\nrtp_ports = [9, 8]").contains("rtp_ports"));
        assert!(bad("[sip]\nallowed_sources = [\"x\"]").contains("allowed_sources"));
        assert!(bad("[engine]\nkind = \"fluvio\"").contains("engine.connection"));
        assert!(bad("[http]\ncertificate = \"a.pem\"").contains("http.private_key"));
        assert!(bad("[http]\nprivate_key = \"a.key\"").contains("http.certificate"));
        assert!(bad("[sql]\ncertificate = \"a.pem\"").contains("sql.private_key"));
        assert!(bad("[storage]\nkeep_local_days = 1").contains("storage.archive"));
        assert!(bad("[storage]\nsegment_bytes = 1").contains("storage.segment_bytes"));
        assert!(bad("[reports]\nattempts_max = 0").contains("reports.attempts_max"));
        let mail = "[reports.mail]\nfrom = \"a@b\"\nhost = \"mail.example\"\n";
        assert!(bad(&format!("{mail}security = \"none\"")).contains("reports.mail.security"));
        let recipient = format!("{mail}recipients = {{ ops = \"ops\" }}");
        assert!(bad(&recipient).contains("reports.mail.recipients.ops"));
        assert!(bad("[storage]\narchive_every_s = 0").contains("storage.archive_every_s"));
        assert!(bad("[flight]\nprivate_key = \"a\"").contains("flight.certificate"));
        assert!(bad("[kurrent]\nprivate_key = \"a\"").contains("kurrent.certificate"));
        let provider = |issuer: &str| {
            format!(
                "[[oidc]]\nissuer = \"{issuer}\"\naudiences = [\"ledgerline\"]\n\
                 organization.name = \"main\"\nroles.claim = \"groups\"\n\
                 roles.values.staff = [\"analyst\"]\n"
            )
        };
        let https = provider("https://id.example.com");
        assert!(toml::from_str::<Settings>(&https).expect("parses").check().is_ok());
        assert!(bad(&provider("http://id.example.com")).starts_with("oidc[0].issuer: "));
        assert!(bad(&format!("{https}{https}")).starts_with("oidc[1].issuer: "));
        let unknown = https.replace("[\"analyst\"]", "[\"root\"]");
        let error = toml::from_str::<Settings>(&unknown).expect_err("no such role").to_string();
        assert!(error.contains("root"), "{error}");
        let misspelt = format!("{https}audience = \"x\"\n");
        let error = toml::from_str::<Settings>(&misspelt).expect_err("no such key").to_string();
        assert!(error.contains("audience"), "{error}");
    }
}
