//! The rule under everything that carriers and writers may do to it. The writers here are the smallest that
//! keep to the protocol; the real ones are tested with faults of their own in `tests/engine_faults.rs`.

use std::collections::BTreeMap;

use ledgerline_schemas::id::{CommandId, CorrelationId, EventId};
use ledgerline_schemas::{Actor, NewEvent, Position, StreamId, Timestamp, Version};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, TestRunner};

use super::*;
use crate::engine::entry;

const ORG: OrgId = OrgId::from_u128(1);
const WRITERS: usize = 3;

/// What happens next. Numbers are taken modulo what there is.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// A writer reads what is there.
    Read(usize),
    /// A writer begins anew: forgets what it was, reads, claims.
    Claim { writer: usize, fate: Fate },
    /// A writer sends an append.
    Ship { writer: usize, events: u8, entry_bytes: usize, fate: Fate },
    /// A writer repeats what it does not know the outcome of.
    Retry { writer: usize, fate: Fate },
    /// A writer gives up the log.
    Release { writer: usize, fate: Fate },
    /// Something that was held back arrives.
    Arrive(usize),
    /// Something that arrived arrives once more.
    Again(usize),
}

/// What becomes of one call.
#[derive(Clone, Copy, Debug)]
enum Fate {
    /// It arrives.
    Arrives,
    /// It arrives without every `n`th entry, which come later or never.
    Torn(usize),
    /// It may arrive later.
    HeldBack,
}

/// A writer as the protocol wants it: it acknowledges what it has read back, and repeats the same bytes.
struct Node {
    rule: Rule,
    read: usize,
    writer: Option<Writer>,
    /// What it sent last and has not seen accepted.
    unsettled: Option<(Batch, Vec<Bytes>)>,
}

struct World {
    partition: Vec<Bytes>,
    held_back: Vec<Bytes>,
    nodes: Vec<Node>,
    faults: RuleFaults,
    drawn: u128,
    /// What was acknowledged to callers, by first position.
    acknowledged: BTreeMap<u64, Batch>,
}

impl World {
    fn new(faults: RuleFaults) -> Self {
        let mut this = Self {
            partition: Vec::new(),
            held_back: Vec::new(),
            nodes: Vec::new(),
            faults,
            drawn: 0,
            acknowledged: BTreeMap::new(),
        };
        this.nodes = (0..WRITERS).map(|_| this.node()).collect();
        this
    }

    fn node(&self) -> Node {
        let mut rule = Rule::new(ORG);
        rule.faults = self.faults;
        Node { rule, read: 0, writer: None, unsettled: None }
    }

    fn draw(&mut self) -> u128 {
        self.drawn += 1;
        self.drawn
    }

    fn send(&mut self, entries: &[Bytes], fate: Fate) {
        for (number, entry) in entries.iter().enumerate() {
            let arrives = match fate {
                Fate::Arrives => true,
                Fate::Torn(every) => (number + 1) % (every % 3 + 1) != 0,
                Fate::HeldBack => false,
            };
            let to = if arrives { &mut self.partition } else { &mut self.held_back };
            to.push(entry.clone());
        }
    }

    /// Reads to the end. `Err`: the protocol was broken.
    fn read(&mut self, number: usize) -> Result<(), String> {
        let node = &mut self.nodes[number];
        while let Some(entry) = self.partition.get(node.read) {
            node.read += 1;
            let Verdict::Accepted(batch) = node.rule.fold(entry) else { continue };
            let Some((mine, _)) = node.unsettled.take_if(|it| it.0 == batch) else { continue };
            // What was read back is acknowledged.
            if let Some(other) = self.acknowledged.insert(mine.base_position, mine) {
                return Err(format!("position {} was acknowledged twice", other.base_position));
            }
        }
        Ok(())
    }

    fn step(&mut self, step: Step) -> Result<(), String> {
        match step {
            Step::Read(writer) => self.read(writer % WRITERS)?,
            Step::Claim { writer, fate } => {
                let number = writer % WRITERS;
                self.nodes[number] = self.node();
                self.read(number)?;
                let owner = Uuid::from_u128(self.draw());
                let node = &mut self.nodes[number];
                let writer = Writer { epoch: node.rule.epoch() + 1, owner };
                node.writer = Some(writer);
                let body = Body::Claim { node: Uuid::from_u128(number as u128), lease_ms: 1 };
                self.send(&[Entry { org_id: ORG, writer, body }.encode()], fate);
            }
            Step::Ship { writer, events, entry_bytes, fate } => {
                let number = writer % WRITERS;
                let first = self.draw() * 100;
                let node = &mut self.nodes[number];
                let Some(writer) = node.writer else { return Ok(()) };
                // Whether it may is for the rule to say, not for the writer: it may have been overtaken.
                if node.unsettled.is_some() {
                    return Ok(());
                }
                let batch = some_batch(node.rule.next_position(), first, events);
                let entries = entry::parts(ORG, writer, &batch, entry_bytes);
                node.unsettled = Some((batch, entries.clone()));
                self.send(&entries, fate);
            }
            Step::Retry { writer, fate } => {
                let node = &self.nodes[writer % WRITERS];
                if let Some((_, entries)) = node.unsettled.clone() {
                    self.send(&entries, fate);
                }
            }
            Step::Release { writer, fate } => {
                let node = &mut self.nodes[writer % WRITERS];
                let Some(writer) = node.writer.take_if(|_| node.unsettled.is_none()) else {
                    return Ok(());
                };
                self.send(&[Entry { org_id: ORG, writer, body: Body::Release }.encode()], fate);
            }
            Step::Arrive(which) if !self.held_back.is_empty() => {
                let entry = self.held_back.swap_remove(which % self.held_back.len());
                self.partition.push(entry);
            }
            Step::Again(which) if !self.partition.is_empty() => {
                let entry = self.partition[which % self.partition.len()].clone();
                self.partition.push(entry);
            }
            Step::Arrive(_) | Step::Again(_) => {}
        }
        Ok(())
    }

    /// What must hold at the end, for a reader that comes late.
    fn check(&mut self) -> Result<usize, String> {
        for number in 0..WRITERS {
            self.read(number)?;
        }
        let mut late = self.node().rule;
        let (mut holder, mut epoch) = (None, 0);
        let mut accepted = BTreeMap::new();
        let mut next = 1;
        for entry in &self.partition {
            match late.fold(entry) {
                Verdict::Accepted(batch) => {
                    if batch.base_position != next {
                        return Err(format!("{} follows {next}", batch.base_position));
                    }
                    next = batch.next_position();
                    let by = Entry::decode(entry).map(|it| it.writer);
                    // The protocol: what a writer sends after somebody else's claim never counts.
                    if by != holder {
                        return Err(format!("{by:?} was accepted, {holder:?} holds the log"));
                    }
                    accepted.insert(batch.base_position, batch);
                }
                Verdict::Claimed(by) => {
                    if by.writer.epoch <= epoch {
                        return Err(format!("{by:?} claimed after epoch {epoch}"));
                    }
                    epoch = by.writer.epoch;
                    holder = Some(by.writer);
                }
                Verdict::Released => holder = None,
                _ => {}
            }
        }
        if let Some((at, _)) =
            self.acknowledged.iter().find(|(at, batch)| accepted.get(at) != Some(batch))
        {
            return Err(format!("acknowledged position {at} is not in the log"));
        }
        if let Some(node) = self.nodes.iter().find(|node| {
            node.rule.next_position() != late.next_position() || node.rule.epoch() != late.epoch()
        }) {
            return Err(format!("readers disagree: {:?} and {late:?}", node.rule));
        }
        Ok(accepted.len())
    }
}

fn some_batch(base: u64, first_id: u128, events: u8) -> Batch {
    let events: Vec<NewEvent> = (0..u128::from(events % 3) + 1)
        .map(|number| NewEvent {
            id: EventId::from_u128(first_id + number),
            stream: StreamId::new("agent-1"),
            event_type: "agent.state_changed".into(),
            time: Timestamp::EPOCH,
            command_id: CommandId::from_u128(1),
            correlation_id: CorrelationId::from_u128(2),
            causation_id: None,
            actor: Actor::router(),
            config_position: Position::START,
            traceparent: None,
            data_subject_id: None,
            payload: vec![7; 40],
        })
        .collect();
    let versions: Vec<Version> = (0..events.len() as u64).map(Version).collect();
    Batch::pack(base, Timestamp::from_micros(1), &events, &versions)
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        4 => Just(Fate::Arrives),
        1 => (0..3_usize).prop_map(Fate::Torn),
        1 => Just(Fate::HeldBack),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let writer = 0..WRITERS;
    let entry_bytes = prop_oneof![Just(130_usize), Just(200), Just(10_000)];
    prop_oneof![
        3 => writer.clone().prop_map(Step::Read),
        2 => (writer.clone(), fate()).prop_map(|(writer, fate)| Step::Claim { writer, fate }),
        6 => (writer.clone(), 0..3_u8, entry_bytes, fate()).prop_map(
            |(writer, events, entry_bytes, fate)| Step::Ship { writer, events, entry_bytes, fate }
        ),
        2 => (writer.clone(), fate()).prop_map(|(writer, fate)| Step::Retry { writer, fate }),
        1 => (writer, fate()).prop_map(|(writer, fate)| Step::Release { writer, fate }),
        3 => any::<usize>().prop_map(Step::Arrive),
        2 => any::<usize>().prop_map(Step::Again),
    ]
}

fn run(steps: &[Step], faults: RuleFaults) -> Result<usize, String> {
    let mut world = World::new(faults);
    for step in steps {
        world.step(*step)?;
    }
    world.check()
}

/// Runs until something is wrong; what is wrong.
fn hunt(faults: RuleFaults, cases: u32) -> Option<String> {
    let config =
        Config { cases, failure_persistence: None, max_shrink_iters: 0, ..Config::default() };
    let steps = prop::collection::vec(step(), 10..60);
    let outcome = TestRunner::new_with_rng(
        config,
        proptest::test_runner::TestRng::deterministic_rng(
            proptest::test_runner::RngAlgorithm::ChaCha,
        ),
    )
    .run(&steps, |steps| run(&steps, faults).map(|_| ()).map_err(TestCaseError::fail));
    outcome.err().map(|error| error.to_string())
}

proptest! {
    #![proptest_config(Config { cases: 1_000, ..Config::default() })]

    #[test]
    fn all_readers_agree_and_nothing_acknowledged_is_lost(
        steps in prop::collection::vec(step(), 10..60)
    ) {
        if let Err(problem) = run(&steps, RuleFaults::default()) {
            prop_assert!(false, "{}", problem);
        }
    }
}

#[test]
fn the_world_of_these_tests_gets_appends_accepted() {
    let mut runner = TestRunner::deterministic();
    let mut accepted = 0;
    for _ in 0..200 {
        let tree = prop::collection::vec(step(), 10..60).new_tree(&mut runner).unwrap();
        accepted += run(&tree.current(), RuleFaults::default()).unwrap();
    }
    assert!(accepted > 200, "only {accepted} appends in 200 histories");
}

#[test]
fn every_broken_rule_is_caught() {
    let whole = RuleFaults::default();
    let broken = [
        ("stale claims count", RuleFaults { no_claim_check: true, ..whole }),
        ("no epoch check", RuleFaults { no_epoch_check: true, no_owner_check: true, ..whole }),
        ("no owner check", RuleFaults { no_owner_check: true, ..whole }),
        ("no position check", RuleFaults { no_position_check: true, ..whole }),
    ];
    for (name, faults) in broken {
        assert!(hunt(faults, 20_000).is_some(), "{name}: nothing was noticed");
    }
    assert_eq!(hunt(whole, 500), None);
}
