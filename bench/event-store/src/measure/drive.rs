//! Drives the writers of a load and counts what was acknowledged.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::latency::Latencies;
use crate::load::{Load, Sequence};
use crate::outcome::{Fault, Outcome};
use crate::stores::{Client, TaskWriter, ThreadWriter, Writer};

const WARM: u8 = 0;
const MEASURED: u8 = 1;
const OVER: u8 = 2;

/// What the writers share.
#[derive(Debug)]
pub(crate) struct Drive {
    load: Load,
    phase: AtomicU8,
    /// Appends acknowledged, warm-up included.
    acknowledged: AtomicU64,
    /// Stop after so many appends altogether.
    most: u64,
    began: Instant,
    /// Between two appends of one writer; `None`: at once. Appends are due at their times, whatever the
    /// ones before took, so a store that falls behind shows it.
    pace: Option<Duration>,
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Driven {
    /// Of the appends that were acknowledged in the measured time.
    pub(crate) latencies: Latencies,
    /// The measured time.
    pub(crate) elapsed: Duration,
    /// Appends acknowledged, warm-up included.
    pub(crate) acknowledged: u64,
}

/// Appends of one writer: its sequence and its own counts.
struct Own {
    drive: Arc<Drive>,
    sequence: Sequence,
    latencies: Latencies,
    due: Instant,
}

impl Own {
    fn new(drive: &Arc<Drive>, writer: u64) -> Outcome<Self> {
        let pace = drive.pace.unwrap_or_default();
        // Paced writers are spread over their interval.
        let due = drive.began + pace.mul_f64(writer as f64 / drive.load.writers as f64);
        Ok(Self {
            drive: Arc::clone(drive),
            sequence: Sequence::new(drive.load, writer),
            latencies: Latencies::new()?,
            due,
        })
    }

    fn goes_on(&self) -> bool {
        self.drive.phase.load(Ordering::Relaxed) != OVER
            && self.drive.acknowledged.load(Ordering::Relaxed) < self.drive.most
    }

    /// When the next append is due, and until when to wait for that.
    fn next_due(&mut self) -> (Instant, Option<Instant>) {
        let Some(pace) = self.drive.pace else { return (Instant::now(), None) };
        let due = self.due;
        self.due += pace;
        (due, (due > Instant::now()).then_some(due))
    }

    fn done(&mut self, due: Instant) {
        self.drive.acknowledged.fetch_add(1, Ordering::Relaxed);
        if self.drive.phase.load(Ordering::Relaxed) == MEASURED {
            self.latencies.record(due.elapsed());
        }
    }

    fn due_ns(&self, due: Instant) -> u64 {
        u64::try_from(due.duration_since(self.drive.began).as_nanos()).unwrap_or(u64::MAX)
    }

    fn run_thread(mut self, mut writer: Box<dyn ThreadWriter>) -> Outcome<Latencies> {
        while self.goes_on() {
            let (due, wait) = self.next_due();
            while let Some(left) = wait.and_then(|it| it.checked_duration_since(Instant::now())) {
                std::thread::park_timeout(left);
            }
            let batch = self.sequence.next(self.due_ns(due));
            writer.append(batch)?;
            self.done(due);
        }
        Ok(self.latencies)
    }

    async fn run_task(mut self, mut writer: Box<dyn TaskWriter>) -> Outcome<Latencies> {
        while self.goes_on() {
            let (due, wait) = self.next_due();
            if let Some(until) = wait {
                tokio::time::sleep_until(until.into()).await;
            }
            let batch = self.sequence.next(self.due_ns(due));
            writer.append(batch).await?;
            self.done(due);
        }
        Ok(self.latencies)
    }
}

/// Writers at work.
pub(crate) struct Writers {
    drive: Arc<Drive>,
    tasks: Vec<tokio::task::JoinHandle<Outcome<Latencies>>>,
}

impl Writers {
    /// Starts all writers of a load; together they stop after `most` appends, if nobody stops them before.
    pub(crate) async fn start(
        client: &dyn Client,
        load: Load,
        pace: Option<Duration>,
        most: u64,
    ) -> Outcome<Self> {
        let mut made = Vec::new();
        for index in 0..load.writers {
            made.push(client.writer(&load, index).await?);
        }
        let drive = Arc::new(Drive {
            load,
            phase: AtomicU8::new(WARM),
            acknowledged: AtomicU64::new(0),
            most,
            began: Instant::now(),
            pace,
        });
        let mut tasks = Vec::new();
        for (writer, index) in made.into_iter().zip(0..) {
            let own = Own::new(&drive, index)?;
            tasks.push(match writer {
                Writer::Thread(writer) => {
                    tokio::task::spawn_blocking(move || own.run_thread(writer))
                }
                Writer::Task(writer) => tokio::spawn(own.run_task(writer)),
            });
        }
        Ok(Self { drive, tasks })
    }

    /// When the process's clock of [`crate::load::Batch::due_ns`] began.
    pub(crate) fn began(&self) -> Instant {
        self.drive.began
    }

    /// From here on appends count.
    pub(crate) fn measure(&self) {
        self.drive.phase.store(MEASURED, Ordering::Relaxed);
    }

    /// From here on they do not, and no new ones begin.
    pub(crate) fn stop(&self) {
        self.drive.phase.store(OVER, Ordering::Relaxed);
    }

    /// Waits for the writers.
    pub(crate) async fn finish(self, elapsed: Duration) -> Outcome<Driven> {
        let mut latencies = Latencies::new()?;
        for task in self.tasks {
            let own = task.await.map_err(|error| Fault::from(format!("a writer: {error}")))??;
            latencies.add(&own)?;
        }
        let acknowledged = self.drive.acknowledged.load(Ordering::Relaxed);
        Ok(Driven { latencies, elapsed, acknowledged })
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;
    use futures::future::BoxFuture;
    use futures::stream::BoxStream;

    use super::*;
    use crate::load::{Batch, Streams};
    use crate::stores::Want;

    /// Counts what it was given.
    struct Counting(Arc<AtomicU64>);
    struct Counter(Arc<AtomicU64>);

    impl TaskWriter for Counter {
        fn append(&mut self, batch: Batch) -> BoxFuture<'_, Outcome<()>> {
            self.0.fetch_add(batch.events, Ordering::Relaxed);
            tokio::task::yield_now().map(Ok).boxed()
        }
    }

    impl Client for Counting {
        fn writer(&self, _load: &Load, _index: u64) -> BoxFuture<'_, Outcome<Writer>> {
            let counter = Counter(Arc::clone(&self.0));
            std::future::ready(Ok(Writer::Task(Box::new(counter)))).boxed()
        }

        fn read(&self, _want: Want, _expected: u64) -> BoxFuture<'_, Outcome<u64>> {
            std::future::ready(Ok(0)).boxed()
        }

        fn subscribe(&self) -> BoxFuture<'_, Outcome<Option<BoxStream<'static, Outcome<u64>>>>> {
            std::future::ready(Ok(None)).boxed()
        }
    }

    #[tokio::test]
    async fn writers_stop_at_the_number_asked_for_and_count_only_what_is_measured() -> Outcome<()> {
        let given = Arc::new(AtomicU64::new(0));
        let client = Counting(Arc::clone(&given));
        let load = Load { writers: 4, batch: 3, payload_bytes: 8, streams: Streams::Spread };
        let warm = Writers::start(&client, load, None, 100).await?;
        let warm = warm.finish(Duration::from_secs(1)).await?;
        assert_eq!(warm.latencies.count(), 0);
        assert!((100..104).contains(&warm.acknowledged));
        assert_eq!(given.load(Ordering::Relaxed), 3 * warm.acknowledged);

        let writers = Writers::start(&client, load, None, 100).await?;
        writers.measure();
        let measured = writers.finish(Duration::from_secs(1)).await?;
        assert_eq!(measured.latencies.count(), measured.acknowledged);
        Ok(())
    }
}
