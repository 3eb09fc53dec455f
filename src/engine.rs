//! Which engine is under the log: the `[engine]` section, and the connection it describes.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ledgerline_event_store::capability::Capabilities;
use ledgerline_event_store::engine::{Carrier, CarrierError, EngineError, MirrorOptions, promised};
use ledgerline_schemas::id::OrgId;
use serde::Deserialize;

use crate::failure::Failure;

/// What keeps the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    /// This machine alone.
    #[default]
    Embedded,
    /// A stream of a KurrentDB server or cluster.
    Kurrentdb,
    /// A topic of a Fluvio cluster.
    Fluvio,
}

/// What an acknowledgement of a KurrentDB server means; it does not say so itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Acknowledges {
    /// A single node that flushes first.
    FsyncBeforeAck,
    /// A cluster: a majority has flushed.
    QuorumFsync,
    /// A node that is run without flushing.
    PageCache,
}

/// The engine under the log.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Engine {
    /// What keeps the log.
    pub(crate) kind: Kind,
    /// Where it is: a connection string of KurrentDB, `host:port` of a Fluvio controller.
    pub(crate) connection: String,
    /// A file with the connection instead, for one that has a password in it.
    pub(crate) connection_file: Option<PathBuf>,
    /// Stream or topic of an organization: this, then the organization's id. Our own KurrentDB endpoint
    /// takes appends to `external-…` only.
    pub(crate) prefix: String,
    /// KurrentDB: what its acknowledgement means; without it, that one node flushes, or a majority where the
    /// connection names a cluster.
    pub(crate) durability: Option<Acknowledges>,
    /// Fluvio: copies of a topic that is made here.
    pub(crate) replication: u32,
    /// What the engine does not promise and the operator can live with, by name.
    pub(crate) accept: Vec<String>,
    /// Others may take over when the writer was not heard of for this long, ms.
    pub(crate) lease_ms: u64,
    /// For how long an append is tried before its outcome counts as unknown, ms.
    pub(crate) patience_ms: u64,
    /// Where the process that writes offers its keys to standbys; without it, nowhere. Clear text: what is in
    /// front of it does TLS.
    pub(crate) keys_listen: Option<SocketAddr>,
    /// Where a standby copies keys from: the doors of the other processes, `http://host:port`.
    pub(crate) keys_from: Vec<String>,
    /// The secret that both sides of a copy have, 32 characters or more, in a file of its owner alone.
    pub(crate) keys_token_file: Option<PathBuf>,
    /// How long whoever needs a new key waits until the standbys have it, ms.
    pub(crate) keys_patience_ms: u64,
}

impl Default for Engine {
    fn default() -> Self {
        Self {
            kind: Kind::Embedded,
            connection: String::new(),
            connection_file: None,
            prefix: "org-".to_owned(),
            durability: None,
            replication: 1,
            accept: Vec::new(),
            lease_ms: 10_000,
            patience_ms: 30_000,
            keys_listen: None,
            keys_from: Vec::new(),
            keys_token_file: None,
            keys_patience_ms: 2_000,
        }
    }
}

impl Engine {
    pub(crate) fn is_embedded(&self) -> bool {
        self.kind == Kind::Embedded
    }

    /// What can be said without asking the engine.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        let connections =
            usize::from(!self.connection.is_empty()) + usize::from(self.connection_file.is_some());
        match (self.is_embedded(), connections) {
            (true, 0) | (false, 1) => {}
            (true, _) => {
                return Err(Failure::config("engine.connection: the embedded log has none"));
            }
            (false, 0) => {
                return Err(Failure::config(
                    "engine.connection or engine.connection_file: say where the engine is",
                ));
            }
            (false, _) => {
                return Err(Failure::config(
                    "engine.connection and engine.connection_file: one of them",
                ));
            }
        }
        if !(100..=600_000).contains(&self.lease_ms) {
            return Err(Failure::config(format!(
                "engine.lease_ms: {} is not 100 to 600000",
                self.lease_ms
            )));
        }
        if !(1_000..=600_000).contains(&self.patience_ms) {
            return Err(Failure::config(format!(
                "engine.patience_ms: {} is not 1000 to 600000",
                self.patience_ms
            )));
        }
        self.check_keys()
    }

    fn check_keys(&self) -> Result<(), Failure> {
        let copies = self.keys_listen.is_some() || !self.keys_from.is_empty();
        if copies && self.is_embedded() {
            return Err(Failure::config(
                "engine.keys_listen and engine.keys_from: the embedded log has no standby",
            ));
        }
        if copies != self.keys_token_file.is_some() {
            return Err(Failure::config(
                "engine.keys_token_file goes with engine.keys_listen or engine.keys_from: keys are offered to \
                 nobody who does not know the secret in it",
            ));
        }
        for url in &self.keys_from {
            let host = url.strip_prefix("http://").map(|rest| rest.trim_end_matches('/'));
            if host.is_none_or(|host| host.is_empty() || host.contains(['/', '?', '@'])) {
                return Err(Failure::config(format!(
                    "engine.keys_from: {url:?} is not http://host:port"
                )));
            }
        }
        if !(100..=60_000).contains(&self.keys_patience_ms) {
            return Err(Failure::config(format!(
                "engine.keys_patience_ms: {} is not 100 to 60000",
                self.keys_patience_ms
            )));
        }
        Ok(())
    }

    /// The engine's name for the log of an organization, as a mirror remembers it. Without the address:
    /// servers move.
    pub(crate) fn log_name(&self, org_id: OrgId) -> String {
        let kind = match self.kind {
            Kind::Embedded => "embedded",
            Kind::Kurrentdb => "kurrentdb",
            Kind::Fluvio => "fluvio",
        };
        format!("{kind}:{}", self.place(org_id))
    }

    /// Stream or topic.
    fn place(&self, org_id: OrgId) -> String {
        format!("{}{org_id}", self.prefix)
    }

    pub(crate) fn mirror_options(&self, org_id: OrgId) -> MirrorOptions {
        MirrorOptions {
            lease: Duration::from_millis(self.lease_ms),
            patience: Duration::from_millis(self.patience_ms),
            ..MirrorOptions::new(self.log_name(org_id))
        }
    }

    /// Refuses an engine that promises too little, but for what the operator accepts.
    pub(crate) fn check_promises(&self, promises: &Capabilities) -> Result<(), Failure> {
        promises
            .check(&self.accept)
            .map_err(|error| Failure::config(format!("engine.accept: {error}")))
    }

    /// Connects to an organization's stream or topic, and checks what it promises.
    pub(crate) async fn connect(&self, org_id: OrgId) -> Result<Arc<dyn Carrier>, Failure> {
        let connection = match &self.connection_file {
            Some(path) => std::fs::read_to_string(path)
                .map(|text| text.trim().to_owned())
                .map_err(|error| Failure::file(format!("{}: {error}", path.display())))?,
            None => self.connection.clone(),
        };
        let carrier = self.open(&connection, self.place(org_id)).await?;
        let carries = carrier.capabilities();
        self.check_promises(&promised(carries))?;
        tracing::info!(engine = %self.log_name(org_id), promises = %carries, "connected");
        Ok(carrier)
    }

    async fn open(&self, connection: &str, place: String) -> Result<Arc<dyn Carrier>, Failure> {
        match self.kind {
            Kind::Embedded => Err(Failure::software("the embedded log needs no connection")),
            Kind::Kurrentdb => self.open_kurrentdb(connection, place).await,
            Kind::Fluvio => self.open_fluvio(connection, place).await,
        }
    }

    #[cfg(feature = "engine-kurrentdb")]
    async fn open_kurrentdb(
        &self,
        connection: &str,
        stream: String,
    ) -> Result<Arc<dyn Carrier>, Failure> {
        use ledgerline_event_store::capability::Durability;
        use ledgerline_event_store::engine::kurrentdb::{Config, KurrentCarrier};
        let mut config = Config::new(connection, stream);
        if let Some(durability) = self.durability {
            config.durability = match durability {
                Acknowledges::FsyncBeforeAck => Durability::FsyncBeforeAck,
                Acknowledges::QuorumFsync => Durability::QuorumFsync,
                Acknowledges::PageCache => Durability::PageCache,
            };
        }
        let carrier = KurrentCarrier::open(config).await.map_err(|error| not_connected(&error))?;
        Ok(Arc::new(carrier))
    }

    #[cfg(not(feature = "engine-kurrentdb"))]
    async fn open_kurrentdb(&self, _: &str, _: String) -> Result<Arc<dyn Carrier>, Failure> {
        Err(Failure::config(
            "engine.kind: this program was built without the feature engine-kurrentdb",
        ))
    }

    #[cfg(feature = "engine-fluvio")]
    async fn open_fluvio(
        &self,
        connection: &str,
        topic: String,
    ) -> Result<Arc<dyn Carrier>, Failure> {
        use ledgerline_event_store::engine::fluvio::{Config, FluvioCarrier};
        let config = Config { replication: self.replication, ..Config::new(connection, topic) };
        let carrier = FluvioCarrier::open(config).await.map_err(|error| not_connected(&error))?;
        Ok(Arc::new(carrier))
    }

    #[cfg(not(feature = "engine-fluvio"))]
    async fn open_fluvio(&self, _: &str, _: String) -> Result<Arc<dyn Carrier>, Failure> {
        Err(Failure::config(
            "engine.kind: this program was built without the feature engine-fluvio",
        ))
    }
}

#[cfg(any(feature = "engine-kurrentdb", feature = "engine-fluvio"))]
fn not_connected(error: &CarrierError) -> Failure {
    let message = format!("engine.connection: {error}");
    match error {
        CarrierError::Refused { .. } => Failure::config(message),
        _ => Failure::unavailable(message),
    }
}

/// What a mirror's error means for a command.
pub(crate) fn failed(name: &str, error: &EngineError) -> Failure {
    use ledgerline_event_store::OpenError;
    let message = format!("organization {name}: {error}");
    match error {
        EngineError::Open(OpenError::Locked { .. })
        | EngineError::Held { .. }
        | EngineError::Fenced { .. } => Failure::busy(message),
        EngineError::Open(_) | EngineError::Io { .. } => Failure::file(message),
        EngineError::Carrier(CarrierError::Refused { .. })
        | EngineError::OtherEngine { .. }
        | EngineError::NotAMirror { .. }
        | EngineError::EntriesTooShort { .. } => Failure::config(message),
        EngineError::Carrier(_) | EngineError::OutOfPatience { .. } => {
            Failure::unavailable(message)
        }
        EngineError::Diverged { .. } | EngineError::Misfit { .. } => Failure::data(message),
        _ => Failure::software(message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn engine(text: &str) -> Engine {
        toml::from_str(text).expect("parses")
    }

    #[test]
    fn bad_settings_are_named() {
        engine("").check().expect("the embedded log");
        let kurrent = "kind = \"kurrentdb\"\nconnection = \"kurrentdb://h:1\"\n";
        engine(kurrent).check().expect("valid");
        let copies =
            "keys_listen = \"127.0.0.1:1\"\nkeys_from = [\"http://h:1\"]\nkeys_token_file = \"f\"";
        engine(&format!("{kurrent}{copies}")).check().expect("valid");
        for (text, named) in [
            ("kind = \"fluvio\"", "engine.connection"),
            ("connection = \"h:1\"", "the embedded log has none"),
            ("kind = \"fluvio\"\nconnection = \"h:1\"\nconnection_file = \"f\"", "one of them"),
            ("lease_ms = 5", "engine.lease_ms"),
            ("patience_ms = 5", "engine.patience_ms"),
            (
                "keys_listen = \"127.0.0.1:1\"\nkeys_token_file = \"f\"",
                "the embedded log has no standby",
            ),
            (&format!("{kurrent}keys_listen = \"127.0.0.1:1\""), "engine.keys_token_file"),
            (&format!("{kurrent}keys_token_file = \"f\""), "engine.keys_token_file"),
            (
                &format!("{kurrent}keys_token_file = \"f\"\nkeys_from = [\"h:1\"]"),
                "engine.keys_from",
            ),
            (
                &format!("{kurrent}keys_token_file = \"f\"\nkeys_from = [\"http://u@h\"]"),
                "engine.keys_from",
            ),
            ("keys_patience_ms = 5", "engine.keys_patience_ms"),
        ] {
            let error = engine(text).check().expect_err(text).to_string();
            assert!(error.contains(named), "{error}");
        }
        assert!(toml::from_str::<Engine>("kind = \"redis\"").is_err());
        assert!(toml::from_str::<Engine>("durability = \"maybe\"").is_err());
    }

    #[test]
    fn a_mirror_remembers_the_engine_without_secrets() {
        let engine = engine("kind = \"kurrentdb\"\nconnection = \"kurrentdb://u:secret@h:1\"");
        let name = engine.log_name(OrgId::from_u128(1));
        assert!(name.starts_with("kurrentdb:org-") && !name.contains("secret"), "{name}");
    }

    #[test]
    fn weak_promises_start_nothing_unless_they_are_accepted() {
        use ledgerline_event_store::capability::{
            Atomicity, ConcurrencyControl, Durability, Idempotence,
        };
        let weak = Capabilities {
            engine: "fluvio",
            durability: Durability::ReplicaMemory,
            atomicity: Atomicity::Record,
            concurrency: ConcurrencyControl::ByReadBack,
            idempotence: Idempotence::None,
        };
        let promises = promised(weak);
        let refused = engine("").check_promises(&promises).expect_err("refused").to_string();
        assert!(refused.contains("durability:replica-memory"), "{refused}");
        // The mirror makes up for the rest.
        assert!(!refused.contains("atomicity"), "{refused}");
        engine("accept = [\"durability:replica-memory\"]")
            .check_promises(&promises)
            .expect("named");
        let refused = engine("accept = [\"durability:replica-memory\", \"atomicity:record\"]")
            .check_promises(&promises)
            .expect_err("unneeded")
            .to_string();
        assert!(refused.contains("atomicity:record"), "{refused}");
    }
}
