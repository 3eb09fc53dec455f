//! After three days of failure an event is a dead letter, which can be sent again.

use ledgerline_realtime::webhook::retry::ATTEMPTS_MAX;
use ledgerline_schemas::{Event, Position};

use super::receiver::{Answer, Receiver};
use super::world::{HOUR_MS, SUBSCRIPTION, World, runtime};

#[test]
fn after_75_hours_an_event_is_a_dead_letter_and_can_be_sent_again() {
    let receiver = Receiver::start(Answer::Status(500));
    let world = World::new(&receiver);
    let begin = *world.clock.0.lock().unwrap();
    let first = world.happens(1, "one");
    let second = world.happens(1, "two");
    let runtime = runtime();
    runtime.block_on(async {
        let webhooks = world.webhooks().await;
        while receiver.requests().len() < 10 {
            let next = webhooks.step().await.unwrap().unwrap();
            world.set(next);
        }
        let hours = world.clock.0.lock().unwrap().ms_since(begin) / HOUR_MS;
        assert!((68..=84).contains(&hours), "{hours} h");
    });
    // Kept over a restart.
    receiver.now_answers(Answer::Status(200));
    runtime.block_on(async {
        let webhooks = world.webhooks().await;
        world.to_the_end(&webhooks).await;
        let status = world.status(&webhooks).await;
        assert_eq!((status.dead_letters, status.lag_events), (1, 0), "{status:?}");
        let endpoint = webhooks.find("CRM").await.unwrap().unwrap();
        let (letters, dropped) = endpoint.dead_letters();
        let [letter] = letters.as_slice() else { panic!("{letters:?}") };
        assert_eq!((letter.position, letter.attempts, dropped), (first, ATTEMPTS_MAX, 0));
        assert!(letter.reason.contains("500"), "{letter:?}");
        // The next of the interaction was held up by it, and no longer.
        let positions: Vec<_> = receiver.taken().iter().map(|it| it.position()).collect();
        assert_eq!(positions, [second.0]);
        // Only what there is.
        assert_eq!(endpoint.replay(Some(&[second]), "ann").await.unwrap(), 0);
        assert_eq!(endpoint.replay(Some(&[first]), "ann").await.unwrap(), 1);
    });
    // Replayed and the server ended before it could send: nothing is lost.
    runtime.block_on(async {
        let webhooks = world.webhooks().await;
        world.to_the_end(&webhooks).await;
        assert_eq!(world.status(&webhooks).await.dead_letters, 0);
    });
    let requests = receiver.requests();
    let of_first: Vec<_> = requests.iter().filter(|it| it.position() == first.0).collect();
    assert_eq!(of_first.len(), 11);
    assert!(of_first.iter().all(|it| it.id() == of_first[0].id()), "ids are stable");
    assert!(of_first.last().unwrap().is_taken);
    let told = world.told();
    let [Event::WebhookGivenUp(given_up), Event::WebhookReplayed(replayed)] = told.as_slice()
    else {
        panic!("{told:?}")
    };
    assert_eq!((given_up.position, given_up.attempts), (first, ATTEMPTS_MAX));
    assert_eq!(given_up.subscription_id, SUBSCRIPTION);
    assert_eq!((replayed.count, replayed.requested_by.as_str()), (1, "ann"));
}

#[test]
fn what_cannot_be_told_is_not_given_up() {
    let receiver = Receiver::start(Answer::Status(500));
    let world = World::new(&receiver);
    world.happens(1, "one");
    runtime().block_on(async {
        let webhooks = world.webhooks().await;
        while receiver.requests().len() < 9 {
            let next = webhooks.step().await.unwrap().unwrap();
            world.set(next);
        }
        *world.recorder.refuses.lock().unwrap() = true;
        webhooks.step().await.unwrap_err();
        let status = world.status(&webhooks).await;
        assert_eq!((status.dead_letters, status.open_events), (0, 1));
        *world.recorder.refuses.lock().unwrap() = false;
        webhooks.step().await.unwrap();
        assert_eq!(world.status(&webhooks).await.dead_letters, 1);
    });
    assert_eq!(world.told().len(), 1);
}

#[test]
fn all_dead_letters_are_sent_again_in_the_order_of_their_interaction() {
    let receiver = Receiver::start(Answer::Status(500));
    let world = World::new(&receiver);
    let positions: Vec<Position> = (0..4).map(|n| world.happens(n % 2, "x")).collect();
    runtime().block_on(async {
        let webhooks = world.webhooks().await;
        world.to_the_end(&webhooks).await;
        let status = world.status(&webhooks).await;
        assert_eq!((status.dead_letters, status.open_events), (4, 0));
        receiver.now_answers(Answer::Status(200));
        let endpoint = webhooks.find("CRM").await.unwrap().unwrap();
        assert_eq!(endpoint.replay(None, "ann").await.unwrap(), 4);
        world.to_the_end(&webhooks).await;
        assert!(endpoint.dead_letters().0.is_empty());
    });
    for interaction in 0..2 {
        let of_it = receiver.taken().into_iter().filter(|it| it.position() % 2 == interaction);
        let found: Vec<_> = of_it.map(|it| it.position()).collect();
        let expected = positions.iter().map(|it| it.0).filter(|it| it % 2 == interaction);
        assert_eq!(found, expected.collect::<Vec<_>>());
    }
}
