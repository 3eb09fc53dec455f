//! Durable appends of one load to one store.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::drive::Writers;
use super::latency::Summary;
use crate::load::Load;
use crate::machine::{disk, processes};
use crate::outcome::Outcome;
use crate::stores::{self, Kind, Place, Stored};

/// What to measure.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Spec {
    pub(crate) kind: Kind,
    pub(crate) place: Place,
    pub(crate) load: Load,
    /// Before it counts, ms.
    pub(crate) warm_ms: u64,
    /// While it counts, ms.
    pub(crate) measured_ms: u64,
    /// The server's process id, where there is a server.
    pub(crate) server: Option<u32>,
}

/// What came out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Appended {
    /// Appends acknowledged in the measured time.
    pub(crate) appends: u64,
    /// Their events.
    pub(crate) events: u64,
    /// The measured time.
    pub(crate) seconds: f64,
    /// From the call to the acknowledgement.
    pub(crate) latency: Summary,
    /// Processor seconds of the writers' process, which for stores in the process is all of it.
    pub(crate) client_cpu_s: f64,
    /// Processor seconds of the server and what it started.
    pub(crate) server_cpu_s: f64,
    /// Memory at the end, bytes: the server's, or the process's for stores in the process.
    pub(crate) memory_bytes: u64,
    /// Bytes that the store's processes wrote to the disk.
    pub(crate) written_bytes: u64,
    /// Bytes written to the device by everybody, until nothing waited for it any more.
    pub(crate) device_bytes: Option<u64>,
    /// Bytes of the events' payloads.
    pub(crate) payload_bytes: u64,
    /// What our log held afterwards, read back and verified, warm-up included.
    pub(crate) stored: Option<Stored>,
}

impl Appended {
    /// Events a second.
    pub(crate) fn events_per_s(&self) -> f64 {
        self.events as f64 / self.seconds
    }

    /// Processor seconds of all processes per million events.
    pub(crate) fn cpu_s_per_million(&self) -> f64 {
        (self.client_cpu_s + self.server_cpu_s) * 1e6 / self.events as f64
    }

    /// Bytes a second that our log stored.
    pub(crate) fn stored_bytes_per_s(&self) -> Option<f64> {
        let stored = self.stored?;
        Some(self.events_per_s() * stored.bytes as f64 / stored.events as f64)
    }
}

/// Connects, warms up, measures.
pub(crate) async fn measure(spec: &Spec) -> Outcome<Appended> {
    let client = stores::connect(spec.kind, &spec.place, &spec.load).await?;
    let writers = Writers::start(client.as_ref(), spec.load, None, u64::MAX).await?;
    tokio::time::sleep(Duration::from_millis(spec.warm_ms)).await;

    let used = || {
        let own = processes::usage(std::process::id());
        (own, spec.server.map_or(own, processes::usage))
    };
    let device = || disk::device_written_bytes(spec.place.directory.parent()?);
    let ((own_before, store_before), device_before) = (used(), device());
    let began = Instant::now();
    writers.measure();
    tokio::time::sleep(Duration::from_millis(spec.measured_ms)).await;
    writers.stop();
    let elapsed = began.elapsed();
    let (own, store) = used();
    let driven = writers.finish(elapsed).await?;
    if let Some(scratch) = spec.place.directory.parent() {
        disk::settle(scratch)?;
    }
    let device_after = device();

    let (appends, events) = (driven.latencies.count(), driven.latencies.count() * spec.load.batch);
    if appends == 0 {
        return Err("nothing was acknowledged in the measured time".into());
    }
    let stored = client.stored()?;
    let acknowledged = driven.acknowledged * spec.load.batch;
    if stored.is_some_and(|stored| stored.events < acknowledged) {
        return Err(format!("{acknowledged} events acknowledged, {stored:?} found").into());
    }
    Ok(Appended {
        appends,
        events,
        seconds: driven.elapsed.as_secs_f64(),
        latency: driven.latencies.summary(),
        client_cpu_s: own.cpu_s - own_before.cpu_s,
        server_cpu_s: if spec.server.is_some() { store.cpu_s - store_before.cpu_s } else { 0.0 },
        memory_bytes: store.memory_bytes,
        written_bytes: store.written_bytes.saturating_sub(store_before.written_bytes),
        device_bytes: device_after.zip(device_before).map(|(after, before)| after - before),
        payload_bytes: events * spec.load.payload_bytes as u64,
        stored,
    })
}
