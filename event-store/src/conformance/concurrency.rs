//! Cases with several at once, and against the model.

use std::sync::Arc;

use ledgerline_schemas::{NewEvent, Position, StreamId, Timestamp, Version};

use super::sample::{event, expecting, must, of, put};
use super::{Log, Verdict, ensure};
use crate::log::{Append, AppendError, Direction, EventReader, Expected, Filter};
use crate::memory::MemoryLog;
use crate::subscribe::{Delivery, Subscription};

pub(super) async fn subscriptions_have_no_gap(log: &Log) -> Verdict {
    const EVENTS: u64 = 300;
    must(log, of((0..10).map(|number| event(number, "a")).collect())).await?;
    let writer = Arc::clone(log);
    let writing = tokio::spawn(async move {
        for number in 10..EVENTS {
            must(&writer, of(vec![event(number, "a")])).await?;
        }
        Ok::<(), String>(())
    });
    let mut seen = 0;
    let mut caught_up = false;
    let reader: Arc<dyn EventReader> = Arc::clone(log) as Arc<dyn EventReader>;
    let mut subscription = Subscription::new(reader, Position::START, Filter::all());
    while seen < EVENTS || !caught_up {
        match subscription.next().await.map_err(|error| error.to_string())? {
            Delivery::Event(event) => {
                seen += 1;
                ensure!(
                    event.header.position == Position(seen),
                    "position {} came where {seen} was next",
                    event.header.position
                );
            }
            Delivery::CaughtUp(at) => caught_up = at == Position(EVENTS),
        }
    }
    writing.await.map_err(|error| error.to_string())?
}

pub(super) async fn one_writer_wins_each_version(log: &Log) -> Verdict {
    const WRITERS: u64 = 6;
    const TRIES: u64 = 12;
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..WRITERS {
        let log = Arc::clone(log);
        writers.spawn(async move {
            let mut won = Vec::new();
            for attempt in 0..TRIES {
                let head =
                    log.stream_head(&StreamId::new("hot")).map_err(|error| error.to_string())?;
                let expected = head.map_or(Expected::NoStream, Expected::Exact);
                let new = event(writer * TRIES + attempt, "hot");
                match put(&log, expecting(vec![new], "hot", expected)).await {
                    Ok(appended) => won.extend(appended.versions),
                    Err(AppendError::WrongExpected { .. }) => {}
                    Err(error) => return Err(format!("an append failed: {error}")),
                }
            }
            Ok(won)
        });
    }
    let mut won = Vec::new();
    while let Some(writer) = writers.join_next().await {
        won.extend(writer.map_err(|error| error.to_string())??);
    }
    won.sort_unstable();
    let versions: Vec<Version> = (0..won.len() as u64).map(Version).collect();
    ensure!(won == versions, "versions given out: {won:?}");
    ensure!(!won.is_empty(), "no append was taken");
    ensure!(log.head() == Position(won.len() as u64), "head {}", log.head());
    Ok(())
}

/// A small generator (`MMIX`'s constants): the same steps in every run.
struct Steps(u64);

impl Steps {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

pub(super) async fn like_the_model(log: &Log) -> Verdict {
    const STEPS: usize = 150;
    let model = MemoryLog::new(log.org_id(), || Timestamp::EPOCH);
    let model: Log = Arc::new(model);
    let mut steps = Steps(1);
    for step in 0..STEPS {
        let append = some_append(&mut steps);
        let answers = [put(log, append.clone()).await, put(&model, append.clone()).await];
        // The time is the log's own.
        let [ours, theirs] =
            answers.map(|it| it.map(|it| (it.first, it.last, it.versions, it.duplicate)));
        ensure!(ours == theirs, "step {step}, {append:?}: {ours:?}, the model says {theirs:?}");
        let from = Position(steps.below(60));
        let direction = if steps.below(2) == 0 { Direction::Forward } else { Direction::Backward };
        let max = usize::try_from(1 + steps.below(20)).unwrap_or(1);
        let pages = [log, &model].map(|it| {
            it.read_all(from, direction, &Filter::all(), max)
                .map(|page| {
                    let ids: Vec<_> = page
                        .events
                        .iter()
                        .map(|event| (event.header.id, event.header.version))
                        .collect();
                    (ids, page.scanned_to)
                })
                .map_err(|error| error.to_string())
        });
        let [ours, theirs] = pages;
        ensure!(
            ours == theirs,
            "step {step}, {direction:?} from {from}, {max}: {ours:?}, the model says {theirs:?}"
        );
    }
    Ok(())
}

fn some_append(steps: &mut Steps) -> Append {
    let first = steps.below(150);
    let events: Vec<NewEvent> = (first..=first + steps.below(3))
        .map(|number| event(number, &format!("agent-{}", steps.below(4))))
        .collect();
    let stream = StreamId::new(format!("agent-{}", steps.below(5)));
    let expected = match steps.below(8) {
        0 => vec![(stream, Expected::NoStream)],
        1 => vec![(stream, Expected::Exists)],
        2 => vec![(stream, Expected::Exact(Version(steps.below(5))))],
        _ => Vec::new(),
    };
    Append { events, expected }
}
