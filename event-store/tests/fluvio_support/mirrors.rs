//! Mirrors over the carrier on a real cluster: the log's own suite, and a takeover.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream::BoxStream;
use ledgerline_event_store::capability::Capabilities;
use ledgerline_event_store::conformance::carrier::CarrierSubject;
use ledgerline_event_store::conformance::{self, Log, Report, Subject};
use ledgerline_event_store::engine::fluvio::FluvioCarrier;
use ledgerline_event_store::engine::{
    Carried, Carrier, CarrierError, Mirror, MirrorOptions, Offset,
};
use ledgerline_event_store::{
    Append, Direction, EventReader as _, EventWriter as _, Filter, Options,
};
use ledgerline_schemas::id::{CommandId, CorrelationId, EventId, OrgId};
use ledgerline_schemas::{Actor, NewEvent, Position, StreamId, Timestamp};

use super::{Cluster, Outcome, text};

pub(super) const ORG: OrgId = OrgId::from_u128(0xF1);
/// Long enough for a connection to be opened within a fifth of it.
pub(super) const LEASE: Duration = Duration::from_secs(3);

pub(super) fn options() -> Options {
    Options { segment_bytes: 1 << 20, reserve_step_bytes: 256 << 10, ..Options::default() }
}

fn mirror(directory: &Path, carrier: Arc<dyn Carrier>) -> Outcome<Mirror> {
    let of_mirror = MirrorOptions { lease: LEASE, ..MirrorOptions::new("fluvio") };
    Mirror::open(directory, ORG, options(), carrier, of_mirror).map_err(text)
}

/// Logs and carriers on topics of their own.
struct OnTopics<'a> {
    cluster: &'a Cluster,
    topics: u32,
    directory: tempfile::TempDir,
}

impl<'a> OnTopics<'a> {
    fn new(cluster: &'a Cluster) -> Outcome<Self> {
        Ok(Self { cluster, topics: 0, directory: tempfile::tempdir().map_err(text)? })
    }

    fn another(&mut self) -> Outcome<()> {
        self.topics += 1;
        self.directory = tempfile::tempdir().map_err(text)?;
        Ok(())
    }

    async fn carrier(&self) -> Outcome<FluvioCarrier> {
        self.cluster.open(&format!("suite-{}", self.topics)).await
    }

    async fn log(&self) -> Outcome<Log> {
        let mirror = mirror(self.directory.path(), Arc::new(self.carrier().await?))?;
        mirror.lead().await.map_err(text)?;
        Ok(Arc::new(mirror.log().clone()))
    }
}

#[async_trait]
impl Subject for OnTopics<'_> {
    fn name(&self) -> String {
        "mirror of Fluvio".to_owned()
    }

    async fn fresh(&mut self) -> Outcome<Log> {
        self.another()?;
        self.log().await
    }

    async fn reopen(&mut self) -> Outcome<Option<Log>> {
        self.log().await.map(Some)
    }
}

/// The carrier's half, on topics with other names.
struct CarriersOnTopics<'a>(OnTopics<'a>);

#[async_trait]
impl CarrierSubject for CarriersOnTopics<'_> {
    fn name(&self) -> String {
        "Fluvio".to_owned()
    }

    async fn fresh(&mut self) -> Outcome<Arc<dyn Carrier>> {
        self.0.topics += 1;
        self.again().await
    }

    async fn again(&mut self) -> Outcome<Arc<dyn Carrier>> {
        let topic = format!("carrier-suite-{}", self.0.topics);
        Ok(Arc::new(self.0.cluster.open(&topic).await?))
    }
}

fn passed(report: &Report) -> Outcome<String> {
    if !report.is_passed() {
        return Err(report.to_string());
    }
    let skipped =
        |outcome: &conformance::Outcome| matches!(outcome, conformance::Outcome::Skipped(_));
    let left_out = report.cases.iter().filter(|it| skipped(&it.1)).count();
    Ok(format!("{} cases passed, {left_out} do not apply", report.cases.len() - left_out))
}

/// The contract of carriers.
pub(crate) async fn carrier_conformance(cluster: &mut Cluster) -> Outcome<String> {
    let mut subject = CarriersOnTopics(OnTopics::new(cluster)?);
    passed(&conformance::carrier::run(&mut subject).await)
}

/// The contract of logs.
pub(crate) async fn log_conformance(cluster: &mut Cluster) -> Outcome<String> {
    passed(&conformance::run(&mut OnTopics::new(cluster)?).await)
}

/// A carrier whose connection can be taken away, as a machine that is cut off sees it.
#[derive(Clone, Debug)]
struct Severable {
    carrier: FluvioCarrier,
    severed: Arc<AtomicBool>,
}

impl Severable {
    fn check(&self) -> Result<(), CarrierError> {
        if self.severed.load(Ordering::SeqCst) {
            return Err(CarrierError::Unavailable { reason: "cut off".to_owned() });
        }
        Ok(())
    }
}

#[async_trait]
impl Carrier for Severable {
    fn capabilities(&self) -> Capabilities {
        self.carrier.capabilities()
    }

    fn entry_bytes_max(&self) -> usize {
        self.carrier.entry_bytes_max()
    }

    fn append_bytes_max(&self) -> usize {
        self.carrier.append_bytes_max()
    }

    async fn end(&self) -> Result<Offset, CarrierError> {
        self.check()?;
        self.carrier.end().await
    }

    async fn append(&self, entries: Vec<Bytes>, at: Offset) -> Result<(), CarrierError> {
        self.check()?;
        self.carrier.append(entries, at).await
    }

    fn follow(&self, from: Offset) -> BoxStream<'static, Result<Carried, CarrierError>> {
        let severed = self.clone();
        let followed = self.carrier.follow(from);
        followed.map(move |item| severed.check().and(item)).boxed()
    }
}

pub(super) fn event(number: u128) -> NewEvent {
    NewEvent {
        id: EventId::from_u128(number + 1),
        stream: StreamId::new("interaction-1"),
        event_type: "queue.left".into(),
        time: Timestamp::EPOCH,
        command_id: CommandId::from_u128(3),
        correlation_id: CorrelationId::from_u128(4),
        causation_id: None,
        actor: Actor::router(),
        config_position: Position::START,
        traceparent: None,
        data_subject_id: None,
        payload: number.to_be_bytes().to_vec(),
    }
}

async fn append(mirror: &Mirror, number: u128) -> Outcome<()> {
    let append = Append { events: vec![event(number)], expected: Vec::new() };
    mirror.log().submit(append).map_err(text)?.await.map(|_| ()).map_err(text)
}

/// A leader is cut off; the standby takes over after its lease; nothing acknowledged is missing; what the old
/// one tries afterwards is refused.
pub(crate) async fn takeover(cluster: &mut Cluster) -> Outcome<String> {
    const EVENTS: u128 = 500;
    let folders = [tempfile::tempdir().map_err(text)?, tempfile::tempdir().map_err(text)?];
    let [first, second] = &folders;
    let severed = Arc::new(AtomicBool::new(false));
    let carrier = Severable { carrier: cluster.open("takeover").await?, severed };
    let leader = mirror(first.path(), Arc::new(carrier.clone()))?;
    leader.lead().await.map_err(text)?;
    let standby = mirror(second.path(), Arc::new(cluster.open("takeover").await?))?;
    let standing = tokio::spawn({
        let standby = standby.clone();
        async move { standby.stand_by().await.map_err(text) }
    });
    for number in 0..EVENTS {
        append(&leader, number).await?;
    }
    let cut = Instant::now();
    carrier.severed.store(true, Ordering::SeqCst);
    let took = standing.await.map_err(text)??;
    let time = cut.elapsed();
    append(&standby, EVENTS).await?;
    carrier.severed.store(false, Ordering::SeqCst);
    if append(&leader, EVENTS + 1).await.is_ok() {
        return Err("the old leader was acknowledged after the takeover".to_owned());
    }
    let mut read = 0_u128;
    let mut after = Position::START;
    loop {
        let page =
            standby.log().read_all(after, Direction::Forward, &Filter::all(), 100).map_err(text)?;
        let Some(last) = page.events.last() else { break };
        after = last.header.position;
        for recorded in &page.events {
            if recorded.payload != read.to_be_bytes() {
                return Err(format!("event {read} is another"));
            }
            read += 1;
        }
    }
    if read != EVENTS + 1 {
        return Err(format!("{read} events instead of {}", EVENTS + 1));
    }
    Ok(format!(
        "{EVENTS} acknowledged events, all there; the standby led {:.1} s after the leader was cut off \
         (lease {} s, epoch {}); the old leader's next append was refused",
        time.as_secs_f64(),
        LEASE.as_secs(),
        took.epoch
    ))
}
