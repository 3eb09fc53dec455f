//! The queue of a group, step by step and against a model.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use ledgerline_schemas::id::{CommandId, CorrelationId, EventId, OrgId};
use ledgerline_schemas::{Actor, Header, Position, Recorded, StreamId, Timestamp, Version};
use proptest::prelude::*;
use uuid::Uuid;

use super::queue::{Action, Queue};
use super::settings::{Settings, Strategy as Turn};

fn settings(strategy: Turn, max_retries: u32) -> Settings {
    Settings {
        strategy,
        message_timeout: Some(Duration::from_secs(30)),
        max_retries,
        read_batch: 20,
        max_consumers: 2,
        checkpoint_after: Duration::from_secs(1),
        checkpoint_min: 1,
        checkpoint_max: 10,
    }
}

fn event(ordinal: u64, stream: &str) -> (u64, Recorded) {
    let header = Header {
        id: EventId::from_u128(u128::from(ordinal) + 1),
        event_type: "external.event".into(),
        org_id: OrgId::from_u128(1),
        stream: StreamId::new(stream),
        version: Version(ordinal),
        position: Position(ordinal + 1),
        time: Timestamp::EPOCH,
        recorded_at: Timestamp::EPOCH,
        command_id: CommandId::from_u128(1),
        correlation_id: CorrelationId::from_u128(1),
        causation_id: None,
        actor: Actor::system("test"),
        config_position: Position::START,
        traceparent: None,
        data_subject_id: None,
    };
    (ordinal, Recorded { header, payload: Vec::new() })
}

fn id(ordinal: u64) -> Uuid {
    Uuid::from_u128(u128::from(ordinal) + 1)
}

fn events(ordinals: std::ops::Range<u64>) -> Vec<(u64, Recorded)> {
    ordinals.map(|ordinal| event(ordinal, "external-a")).collect()
}

fn handed(queue: &mut Queue, now: Instant) -> Vec<(u64, u64, u32)> {
    let dispatched = queue.dispatch(now);
    dispatched.iter().map(|it| (it.consumer, it.event.header.version.0, it.retries)).collect()
}

#[test]
fn turns_slots_and_the_checkpoint() {
    let now = Instant::now();
    let mut queue = Queue::new(settings(Turn::RoundRobin, 1), 0);
    assert_eq!(queue.wants(), 0, "nobody is there");
    let (a, b) = (queue.join(2).expect("a"), queue.join(1).expect("b"));
    assert_eq!(queue.join(1), None, "two are the most");
    queue.loaded(events(0..5), 5);
    assert_eq!(handed(&mut queue, now), [(a, 0, 0), (b, 1, 0), (a, 2, 0)]);
    assert_eq!(queue.checkpoint(), 0);
    assert!(queue.ack(b, &[id(1)]).is_empty());
    assert_eq!(queue.checkpoint(), 0, "0 is not settled");
    assert!(queue.ack(b, &[id(0)]).is_empty(), "b does not hold 0");
    assert_eq!(handed(&mut queue, now), [(b, 3, 0)]);
    queue.ack(a, &[id(0), id(2)]);
    assert_eq!(queue.checkpoint(), 3);
    // a gets 4 and goes; b takes over when it has room, and it is no repetition.
    assert_eq!(handed(&mut queue, now), [(a, 4, 0)]);
    queue.leave(a);
    queue.ack(b, &[id(3)]);
    assert_eq!(handed(&mut queue, now), [(b, 4, 0)]);
    // Too long: again, and once more is parked.
    let late = now + Duration::from_secs(31);
    assert!(queue.expire(now).is_empty());
    assert!(queue.expire(late).is_empty());
    assert_eq!(handed(&mut queue, late), [(b, 4, 1)]);
    let change = queue.expire(late + Duration::from_secs(31));
    assert_eq!(change.park, [(4, "timed out".to_owned())]);
    assert_eq!(queue.checkpoint(), 5);
    // A replay of it leaves it parked until it is settled.
    queue.replay(vec![event(4, "external-a")]);
    queue.replay(vec![event(4, "external-a")]);
    assert_eq!(handed(&mut queue, late), [(b, 4, 0)], "once");
    assert!(queue.is_replaying(4));
    let change = queue.ack(b, &[id(4)]);
    assert_eq!((change.unpark, queue.replaying()), (vec![4], 0));
}

#[test]
fn nacks_do_what_they_say() {
    let now = Instant::now();
    let mut queue = Queue::new(settings(Turn::DispatchToSingle, 2), 7);
    let a = queue.join(10).expect("a");
    queue.join(10).expect("b");
    queue.loaded(events(7..11), 11);
    let all: Vec<_> = (7..11).map(|ordinal| (a, ordinal, 0)).collect();
    assert_eq!(handed(&mut queue, now), all, "one consumer as long as it has room");
    let parked = queue.nack(a, &[id(7)], Action::Park, "broken");
    assert_eq!(parked.park, [(7, "broken".to_owned())]);
    assert!(queue.nack(a, &[id(8)], Action::Skip, "").is_empty());
    assert_eq!(queue.checkpoint(), 9);
    queue.nack(a, &[id(9), id(10)], Action::Retry, "later");
    assert_eq!(handed(&mut queue, now), [(a, 9, 1), (a, 10, 1)], "in order again");
}

#[test]
fn pinned_streams_keep_their_consumer() {
    let now = Instant::now();
    let mut queue = Queue::new(settings(Turn::Pinned, 1), 0);
    queue.join(100).expect("a");
    queue.join(100).expect("b");
    let list: Vec<_> = (0..20).map(|it| event(it, &format!("external-{}", it % 5))).collect();
    queue.loaded(list, 20);
    let mut of: BTreeMap<u64, BTreeSet<u64>> = BTreeMap::new();
    for (consumer, ordinal, _) in handed(&mut queue, now) {
        of.entry(ordinal % 5).or_default().insert(consumer);
    }
    assert_eq!(of.len(), 5);
    assert!(of.values().all(|consumers| consumers.len() == 1), "{of:?}");
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Join,
    Leave(u64),
    Load(u64),
    Ack(usize),
    Nack(usize, Action),
    Late,
}

fn step() -> impl proptest::strategy::Strategy<Value = Step> {
    prop_oneof![
        Just(Step::Join),
        (1..6_u64).prop_map(Step::Leave),
        (1..5_u64).prop_map(Step::Load),
        (0..8_usize).prop_map(Step::Ack),
        (0..8_usize, prop_oneof![Just(Action::Park), Just(Action::Retry), Just(Action::Skip)])
            .prop_map(|(at, action)| Step::Nack(at, action)),
        Just(Step::Late),
    ]
}

proptest! {
    /// Whatever happens, every event is with at most one consumer, nothing is lost before it is settled,
    /// and the checkpoint never passes something unsettled.
    #[test]
    fn nothing_is_lost_and_nothing_is_held_twice(steps in prop::collection::vec(step(), 1..80)) {
        let mut now = Instant::now();
        let mut queue = Queue::new(settings(Turn::RoundRobin, 2), 0);
        let mut holds: BTreeMap<u64, u64> = BTreeMap::new();
        let mut settled: BTreeSet<u64> = BTreeSet::new();
        let mut next = 0;
        for step in steps {
            match step {
                Step::Join => { queue.join(3); }
                Step::Leave(consumer) => {
                    queue.leave(consumer);
                    holds.retain(|_, holder| *holder != consumer);
                }
                Step::Load(count) => {
                    queue.loaded(events(next..next + count), next + count);
                    next += count;
                }
                Step::Ack(at) => {
                    if let Some((ordinal, holder)) = holds.iter().nth(at).map(|(a, b)| (*a, *b)) {
                        queue.ack(holder, &[id(ordinal)]);
                        holds.remove(&ordinal);
                        settled.insert(ordinal);
                    }
                }
                Step::Nack(at, action) => {
                    if let Some((ordinal, holder)) = holds.iter().nth(at).map(|(a, b)| (*a, *b)) {
                        let change = queue.nack(holder, &[id(ordinal)], action, "");
                        holds.remove(&ordinal);
                        if action == Action::Skip || !change.park.is_empty() {
                            settled.insert(ordinal);
                        }
                    }
                }
                Step::Late => {
                    now += Duration::from_secs(31);
                    settled.extend(queue.expire(now).park.into_iter().map(|(ordinal, _)| ordinal));
                    holds.clear();
                }
            }
            for (consumer, ordinal, _) in handed(&mut queue, now) {
                prop_assert!(!settled.contains(&ordinal), "{} was settled", ordinal);
                prop_assert_eq!(holds.insert(ordinal, consumer), None, "held twice");
            }
            let first_open = (0..next).find(|ordinal| !settled.contains(ordinal)).unwrap_or(next);
            prop_assert_eq!(queue.checkpoint(), first_open);
            prop_assert_eq!(queue.in_flight(), holds.len());
            prop_assert_eq!(queue.ready() + holds.len() + settled.len(), next as usize);
        }
    }
}
