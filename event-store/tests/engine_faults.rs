//! Mirrors on an engine that loses, repeats, delays and tears appends, loses its tail, and whose leaders are
//! killed, cut off and overtaken: nothing that was acknowledged is lost, and there is one log.
#![expect(clippy::unwrap_used, reason = "the helpers are parts of tests")]

mod common;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use common::{ORG, append, event, small_segments};
use ledgerline_event_store::engine::memory::{MemoryCarrier, MemoryPartition, Mischief};
use ledgerline_event_store::engine::{Mirror, MirrorOptions, Role};
use ledgerline_event_store::{EventReader as _, EventWriter as _};
use ledgerline_schemas::Position;
use tempfile::TempDir;

const SEEDS: u64 = 24;
const ROUNDS: usize = 6;

struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

struct World {
    partition: MemoryPartition,
    folders: [TempDir; 2],
    random: Random,
    next_id: u128,
    /// Position of the last event of each acknowledged append, and the ids.
    acknowledged: BTreeMap<u64, Vec<u128>>,
}

impl World {
    fn new(seed: u64) -> Self {
        Self {
            partition: MemoryPartition::new(seed.is_multiple_of(2), 700),
            folders: [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()],
            random: Random(seed),
            next_id: 1,
            acknowledged: BTreeMap::new(),
        }
    }

    fn open(&mut self, folder: usize) -> (Mirror, MemoryCarrier) {
        let mischief = Mischief { acknowledgement_lost: 8, lost: 6, torn: 5, late: 6, twice: 6 };
        let line = self.partition.connect_badly(self.random.below(1 << 30), mischief);
        let options = MirrorOptions {
            lease: Duration::from_millis(100),
            patience: Duration::from_secs(30),
            ..MirrorOptions::new("memory")
        };
        let carrier = Arc::new(line.clone());
        let path = self.folders[folder].path();
        (Mirror::open(path, ORG, small_segments(), carrier, options).unwrap(), line)
    }

    /// Some appends; those that are acknowledged are written down.
    async fn write(&mut self, mirror: &Mirror, cut: Option<(&MemoryCarrier, u64)>) {
        let mut submitted = Vec::new();
        for number in 0..3 + self.random.below(8) {
            if let Some((line, at)) = cut
                && at == number
            {
                line.sever();
            }
            let count = 1 + u128::from(self.random.below(4));
            let ids: Vec<u128> = (self.next_id..self.next_id + count).collect();
            self.next_id += count;
            let events = ids.iter().map(|id| event(*id, &format!("agent-{}", id % 5))).collect();
            // A leader that was overtaken refuses at once.
            let Ok(append) = mirror.log().submit(append(events)) else { continue };
            if self.random.below(2) == 0 {
                self.settle(append.await, ids);
            } else {
                submitted.push((append, ids));
            }
        }
        for (append, ids) in submitted {
            self.settle(append.await, ids);
        }
    }

    fn settle<E>(&mut self, outcome: Result<ledgerline_event_store::Appended, E>, ids: Vec<u128>) {
        if let Ok(appended) = outcome {
            let taken = self.acknowledged.insert(appended.last.0, ids);
            assert!(taken.is_none(), "position {} was acknowledged twice", appended.last);
        }
    }

    fn check(&self, mirror: &Mirror) -> Vec<u128> {
        let events: Vec<_> = mirror.log().scan(Position::START).map(Result::unwrap).collect();
        let ids: Vec<u128> = events.iter().map(|it| it.header.id.uuid().as_u128()).collect();
        for (number, event) in events.iter().enumerate() {
            assert_eq!(event.header.position.0, number as u64 + 1);
        }
        for (last, acknowledged) in &self.acknowledged {
            let last = *last as usize;
            assert_eq!(ids.get(last - acknowledged.len()..last), Some(acknowledged.as_slice()));
        }
        ids
    }
}

async fn run(seed: u64) {
    let mut world = World::new(seed);
    let (mut mirror, mut line) = world.open(0);
    mirror.stand_by().await.unwrap();
    let mut here = 0;
    for _ in 0..ROUNDS {
        world.write(&mirror, None).await;
        let next = world.random.below(2) as usize;
        match world.random.below(4) {
            // It ends in peace.
            0 => drop(mirror),
            // It is killed, at some point of its work.
            1 => {
                let at = world.random.below(6);
                let work = world.write(&mirror, Some((&line, at)));
                // What waits for an engine that is gone is not waited for.
                let _ = tokio::time::timeout(Duration::from_millis(150), work).await;
                line.sever();
                drop(mirror);
            }
            // It is overtaken, and comes back to an engine that does not listen to it any more.
            2 => {
                line.sever();
                let (other, other_line) = world.open(1 - here);
                other.stand_by().await.unwrap();
                line.mend();
                let before = world.acknowledged.len();
                world.write(&mirror, None).await;
                assert_eq!(world.acknowledged.len(), before, "an overtaken leader acknowledged");
                drop(mirror);
                world.write(&other, None).await;
                (mirror, line, here) = (other, other_line, 1 - here);
                continue;
            }
            // The engine's machines lose power; the same directory leads next, as the one that has everything.
            _ => {
                line.sever();
                drop(mirror);
                if !seed.is_multiple_of(2) {
                    let lost = world.random.below(6) as usize;
                    world.partition.lose_tail(lost);
                }
                (mirror, line) = world.open(here);
                mirror.stand_by().await.unwrap();
                continue;
            }
        }
        here = next;
        (mirror, line) = world.open(here);
        mirror.stand_by().await.unwrap();
    }
    world.write(&mirror, None).await;
    let ids = world.check(&mirror);
    let head = mirror.log().head();
    let (other, _line) = world.open(1 - here);
    let (mut heads, mut status) = (other.log().watch_head(), other.watch());
    tokio::select! {
        reached = heads.wait_for(|at| *at >= head) => drop(reached.unwrap()),
        ended = status.wait_for(|status| status.role == Role::Ended) => {
            panic!("the other mirror ended: {:?}", ended.unwrap().failure)
        }
    }
    assert_eq!(world.check(&other), ids, "two mirrors differ");
    assert!(world.acknowledged.len() >= ROUNDS, "hardly anything was acknowledged");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_is_lost_and_there_is_one_log() {
    let mut runs = tokio::task::JoinSet::new();
    for seed in 0..SEEDS {
        runs.spawn(async move {
            let outcome = tokio::spawn(run(seed)).await;
            outcome.unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        });
    }
    while let Some(outcome) = runs.join_next().await {
        outcome.unwrap();
    }
}
