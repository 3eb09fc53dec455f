//! The one suite, over every log and carrier that needs no server.
#![expect(clippy::unwrap_used, reason = "the helpers are parts of tests")]

mod common;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use common::{ORG, small_segments};
use ledgerline_event_store::conformance::carrier::{self, CarrierSubject};
use ledgerline_event_store::conformance::{self, Log, Outcome, Subject};
use ledgerline_event_store::engine::memory::MemoryPartition;
use ledgerline_event_store::engine::{Carrier, Mirror, MirrorOptions};
use ledgerline_event_store::memory::MemoryLog;
use ledgerline_event_store::{EmbeddedLog, Options};
use ledgerline_schemas::Timestamp;
use tempfile::TempDir;

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

/// Segments of the size that makes several, with the clock of the system.
fn options() -> Options {
    Options { clock: Options::default().clock, segment_bytes: 256 << 10, ..small_segments() }
}

struct Model;

#[async_trait]
impl Subject for Model {
    fn name(&self) -> String {
        "memory".to_owned()
    }

    async fn fresh(&mut self) -> Result<Log, String> {
        Ok(Arc::new(MemoryLog::new(ORG, || Timestamp::from_micros(5))))
    }

    async fn reopen(&mut self) -> Result<Option<Log>, String> {
        Ok(None)
    }
}

struct Embedded(TempDir);

impl Embedded {
    fn open(&self) -> Result<Log, String> {
        let log = EmbeddedLog::open(self.0.path(), ORG, options());
        log.map(|log| Arc::new(log) as Log).map_err(|error| error.to_string())
    }
}

#[async_trait]
impl Subject for Embedded {
    fn name(&self) -> String {
        "embedded".to_owned()
    }

    async fn fresh(&mut self) -> Result<Log, String> {
        self.0 = folder();
        self.open()
    }

    async fn reopen(&mut self) -> Result<Option<Log>, String> {
        self.open().map(Some)
    }
}

struct Mirrored {
    native: bool,
    directory: TempDir,
    partition: MemoryPartition,
}

impl Mirrored {
    fn new(native: bool) -> Self {
        Self { native, directory: folder(), partition: partition(native) }
    }

    async fn open(&self) -> Result<Log, String> {
        let carrier = Arc::new(self.partition.connect());
        let options_of_mirror =
            MirrorOptions { lease: Duration::from_millis(200), ..MirrorOptions::new("memory") };
        let mirror =
            Mirror::open(self.directory.path(), ORG, options(), carrier, options_of_mirror)
                .map_err(|error| error.to_string())?;
        mirror.lead().await.map_err(|error| error.to_string())?;
        Ok(Arc::new(mirror.log().clone()))
    }
}

fn partition(native: bool) -> MemoryPartition {
    MemoryPartition::new(native, 1 << 20)
}

#[async_trait]
impl Subject for Mirrored {
    fn name(&self) -> String {
        format!("embedded, {} carrier in memory", if self.native { "native" } else { "read-back" })
    }

    async fn fresh(&mut self) -> Result<Log, String> {
        *self = Self::new(self.native);
        self.open().await
    }

    async fn reopen(&mut self) -> Result<Option<Log>, String> {
        self.open().await.map(Some)
    }
}

#[async_trait]
impl CarrierSubject for Mirrored {
    fn name(&self) -> String {
        format!("{} carrier in memory", if self.native { "native" } else { "read-back" })
    }

    async fn fresh(&mut self) -> Result<Arc<dyn Carrier>, String> {
        self.partition = partition(self.native);
        Ok(Arc::new(self.partition.connect()))
    }

    async fn again(&mut self) -> Result<Arc<dyn Carrier>, String> {
        Ok(Arc::new(self.partition.connect()))
    }
}

async fn passes(subject: &mut dyn Subject) {
    let report = conformance::run(subject).await;
    assert!(report.is_passed(), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_model_keeps_the_contract() {
    passes(&mut Model).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_embedded_log_keeps_the_contract() {
    passes(&mut Embedded(folder())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mirror_keeps_the_contract() {
    passes(&mut Mirrored::new(true)).await;
    passes(&mut Mirrored::new(false)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn carriers_in_memory_keep_theirs() {
    for native in [true, false] {
        let report = carrier::run(&mut Mirrored::new(native)).await;
        assert!(report.is_passed(), "{report}");
        let skipped =
            report.cases.iter().any(|(_, outcome)| matches!(outcome, Outcome::Skipped(_)));
        assert_eq!(skipped, !native, "{report}");
    }
}
