//! Signatures as the official library of Standard Webhooks checks them, with one key and with two.

use std::time::{SystemTime, UNIX_EPOCH};

use ledgerline_schemas::Timestamp;
use reqwest::header::{HeaderMap, HeaderName};
use standardwebhooks::Webhook;

use super::receiver::{Answer, Receiver, Request};
use super::world::{World, document, runtime, secret};

fn headers(request: &Request) -> HeaderMap {
    let pairs = request.headers.iter();
    pairs
        .map(|(name, value)| (name.parse::<HeaderName>().unwrap(), value.parse().unwrap()))
        .collect()
}

fn verifies(letter: u8, request: &Request) -> bool {
    Webhook::new(&secret(letter)).unwrap().verify(&request.body, &headers(request)).is_ok()
}

#[test]
fn the_official_library_verifies_before_during_and_after_a_change_of_keys() {
    let receiver = Receiver::start(Answer::Status(200));
    let world = World::new(&receiver);
    // The library refuses what is older than five minutes.
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    world.set(Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap()));
    for (secrets, old, new) in [
        (vec!["old"], true, false),
        (vec!["old", "new"], true, true),
        (vec!["new", "old"], true, true),
        (vec!["new"], false, true),
    ] {
        let mut document = document(&receiver.url());
        document["secrets"] = secrets.clone().into();
        world.configure(document);
        world.happens(1, "one");
        runtime().block_on(async { world.webhooks().await.step().await.unwrap() });
        let request = receiver.requests().pop().unwrap();
        assert_eq!((verifies(b'a', &request), verifies(b'b', &request)), (old, new), "{secrets:?}");
        let count = request.headers["webhook-signature"].split(' ').count();
        assert_eq!(count, secrets.len());
        for part in ["webhook-id", "webhook-timestamp"] {
            let mut changed = request.clone();
            let value = changed.headers.get_mut(part).unwrap();
            *value = format!("1{}", &value[1..value.len() - 1]);
            assert!(!verifies(b'a', &changed) && !verifies(b'b', &changed), "{part}");
        }
        let mut changed = request.clone();
        changed.body[40] ^= 1;
        assert!(!verifies(b'a', &changed) && !verifies(b'b', &changed));
    }
}

#[test]
fn without_a_key_of_the_settings_nothing_is_sent() {
    let receiver = Receiver::start(Answer::Status(200));
    let world = World::new(&receiver);
    let mut document = document(&receiver.url());
    document["secrets"] = vec!["old", "next"].into();
    world.configure(document);
    world.happens(1, "one");
    runtime().block_on(async {
        let webhooks = world.webhooks().await;
        webhooks.step().await.unwrap();
        let reason = world.status(&webhooks).await.failing[0].reason.clone();
        assert!(reason.contains("webhooks.secrets.next"), "{reason}");
    });
    assert_eq!(receiver.connections(), 0);
}
