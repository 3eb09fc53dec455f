//! Killed at any moment: nothing is lost, the order of each interaction holds, ids are stable, and no more comes twice
//! than was in flight.

use std::collections::{BTreeMap, BTreeSet};

use futures::FutureExt as _;
use ledgerline_realtime::webhook::Webhooks;
use proptest::prelude::*;

use super::receiver::{Answer, Receiver};
use super::world::{HOUR_MS, World, runtime, stream};

/// What follows a step.
enum After {
    Done,
    Crashed,
}

/// One step, ended by a crash if one comes: everything in memory is gone then, the threads of the file included.
fn step(world: &World, receiver: &Receiver) -> After {
    let runtime = runtime();
    let _ = receiver.book.crash.notified().now_or_never();
    let after = runtime.block_on(async {
        let webhooks: Webhooks = world.webhooks().await;
        tokio::select! {
            biased;
            () = receiver.book.crash.notified() => After::Crashed,
            done = webhooks.step() => { done.unwrap(); After::Done }
        }
    });
    drop(runtime);
    // What the process sent before its end arrives before it is started again.
    receiver.settled();
    after
}

fn fate() -> impl Strategy<Value = Answer> {
    prop_oneof![
        5 => Just(Answer::Status(200)),
        3 => Just(Answer::Status(500)),
        1 => Just(Answer::HangUp),
        1 => Just(Answer::CrashBefore),
        2 => Just(Answer::CrashAfter),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_lost_and_order_is_kept(
        fates in proptest::collection::vec(fate(), 0..60),
        // Interactions that something happens to before each step, and how long until the next, ms.
        rounds in proptest::collection::vec(
            (proptest::collection::vec(0_u128..5, 0..12), 0_u64..3 * HOUR_MS), 1..10),
    ) {
        let receiver = Receiver::start(Answer::Status(200));
        receiver.book.script.lock().unwrap().extend(fates);
        let mut world = World::new(&receiver);
        world.bounds.lanes_max = 4;
        let mut happened: BTreeMap<String, Vec<u64>> = BTreeMap::new();
        let mut crashes = 0;
        let mut run = |world: &World| {
            while let After::Crashed = step(world, &receiver) {
                crashes += 1;
            }
        };
        for (interactions, ms) in rounds {
            for interaction in interactions {
                let position = world.happens(interaction, "x").0;
                happened.entry(stream(interaction)).or_default().push(position);
            }
            run(&world);
            world.pass_ms(ms);
        }
        // Better times.
        receiver.book.script.lock().unwrap().clear();
        for _ in 0..40 {
            run(&world);
            world.pass_ms(24 * HOUR_MS);
        }
        let given_up: BTreeSet<u64> = runtime().block_on(async {
            let webhooks = world.webhooks().await;
            let status = world.status(&webhooks).await;
            assert_eq!(status.open_events, 0, "{status:?}");
            let endpoint = webhooks.find("CRM").await.unwrap().unwrap();
            endpoint.dead_letters().0.iter().map(|it| it.position.0).collect()
        });
        let taken = receiver.taken();
        let mut ids: BTreeMap<u64, String> = BTreeMap::new();
        for request in receiver.requests() {
            let id = ids.entry(request.position()).or_insert_with(|| request.id()).clone();
            prop_assert_eq!(id, request.id(), "one event, one id");
        }
        prop_assert_eq!(ids.values().collect::<BTreeSet<_>>().len(), ids.len());
        let mut twice = 0;
        for (stream, expected) in happened {
            let of_it: Vec<u64> =
                taken.iter().filter(|it| it.stream() == stream).map(|it| it.position()).collect();
            // Never one before its time, and never again one that a later one has followed.
            prop_assert!(of_it.is_sorted(), "{stream}: {of_it:?}");
            let distinct: BTreeSet<u64> = of_it.iter().copied().collect();
            twice += of_it.len() - distinct.len();
            let all: BTreeSet<u64> = distinct.union(&given_up).copied().collect();
            prop_assert!(expected.iter().all(|it| all.contains(it)), "{stream}: {of_it:?}");
        }
        prop_assert!(twice <= crashes * 4, "{twice} came twice with {crashes} crashes");
    }
}

#[test]
fn a_file_that_cannot_be_used_is_said_and_not_overwritten() {
    let receiver = Receiver::start(Answer::Status(200));
    let world = World::new(&receiver);
    world.happens(1, "one");
    runtime().block_on(async { world.webhooks().await.step().await.unwrap() });
    let file = std::fs::read_dir(world.folder.path()).unwrap().next().unwrap().unwrap().path();
    let whole = std::fs::read(&file).unwrap();
    world.happens(1, "two");
    for (content, expected) in [
        (b"{".to_vec(), "is damaged"),
        (
            String::from_utf8(whole.clone()).unwrap().replace("\"read\":2", "\"read\":9").into(),
            "beyond",
        ),
        (
            String::from_utf8(whole.clone())
                .unwrap()
                .replace("-00000000000a", "-00000000000b")
                .into(),
            "another",
        ),
    ] {
        std::fs::write(&file, &content).unwrap();
        runtime().block_on(async {
            let webhooks = world.webhooks().await;
            webhooks.step().await.unwrap();
            let problem = world.status(&webhooks).await.problem.unwrap();
            assert!(problem.contains(expected), "{problem}");
        });
        assert_eq!(std::fs::read(&file).unwrap(), content, "it is left as it is");
        assert_eq!(receiver.requests().len(), 1);
    }
    std::fs::write(&file, whole).unwrap();
    runtime().block_on(async { world.webhooks().await.step().await.unwrap() });
    assert_eq!(receiver.taken().len(), 2);
}
