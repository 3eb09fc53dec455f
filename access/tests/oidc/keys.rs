//! When an issuer is asked for its keys, and which of them are used meanwhile.

use std::sync::Arc;

use ledgerline_access::oidc::{KEY_SET_BYTES_MAX, KEYS_MAX, RETRY_S};
use ledgerline_access::{AccessError, Refusal};
use serde_json::json;

use crate::support::{
    DISCOVERY, ISSUER, JWKS, SigningKey, World, claims, ec_key, ed_key, settings, with,
};

/// A token that outlives every test.
fn lasting(key: &SigningKey) -> String {
    key.sign(&with("exp", json!(4_000_000_000_u64)))
}

#[tokio::test]
async fn a_new_key_is_fetched_when_it_is_first_used() {
    let (old, new) = (ec_key("2026-10"), ec_key("2026-11"));
    let world = World::publishing(&[&old]);
    assert!(world.verify(&lasting(&old)).await.is_ok());
    assert_eq!(world.documents.asked_for_keys(), 1);
    world.pass(RETRY_S);
    // Both are published: the old one is used until it is gone.
    world.documents.publish(&[&old, &new]);
    assert!(world.verify(&lasting(&new)).await.is_ok());
    assert_eq!(world.documents.asked_for_keys(), 2);
    assert!(world.verify(&lasting(&old)).await.is_ok());
    assert_eq!(world.documents.asked_for_keys(), 2);
    world.documents.publish(&[&new]);
    world.pass(300);
    assert!(world.verify(&lasting(&new)).await.is_ok());
    assert_eq!(world.refused(&lasting(&old)).await, AccessError::UnknownKey);
}

#[tokio::test]
async fn a_withdrawn_key_ends_with_the_refresh() {
    let (kept, withdrawn) = (ec_key("kept"), ed_key("withdrawn"));
    let world = World::publishing(&[&kept, &withdrawn]);
    assert!(world.verify(&lasting(&withdrawn)).await.is_ok());
    world.documents.publish(&[&kept]);
    world.pass(299);
    assert!(world.verify(&lasting(&withdrawn)).await.is_ok());
    world.pass(1);
    assert_eq!(world.refused(&lasting(&withdrawn)).await, AccessError::UnknownKey);
    // An issuer that publishes no key at all takes back every token.
    world.documents.publish(&[]);
    world.pass(300);
    assert_eq!(world.refused(&lasting(&kept)).await, AccessError::UnknownKey);
}

#[tokio::test]
async fn the_regular_refresh_does_not_wait_for_a_token() {
    let (kept, withdrawn) = (ec_key("kept"), ec_key("withdrawn"));
    let world = World::publishing(&[&kept, &withdrawn]);
    world.verifier.refresh_if_due().await;
    assert_eq!(world.documents.asked_for_keys(), 1);
    world.verifier.refresh_if_due().await;
    world.pass(299);
    world.verifier.refresh_if_due().await;
    assert_eq!(world.documents.asked_for_keys(), 1);
    world.documents.publish(&[&kept]);
    world.pass(1);
    world.verifier.refresh_if_due().await;
    assert_eq!(world.documents.asked_for_keys(), 2);
    assert!(world.verify(&lasting(&kept)).await.is_ok());
    assert_eq!(world.documents.asked_for_keys(), 2);
}

#[tokio::test]
async fn unknown_key_ids_do_not_flood_the_issuer() {
    let key = ec_key("known");
    let world = World::publishing(&[&key]);
    assert!(world.verify(&lasting(&key)).await.is_ok());
    let mut stranger = ec_key("");
    for round in 0..3 {
        world.pass(RETRY_S);
        for guess in 0..50 {
            stranger.kid = format!("guess-{round}-{guess}");
            assert_eq!(world.refused(&lasting(&stranger)).await, AccessError::UnknownKey);
        }
        assert_eq!(world.documents.asked_for_keys(), 2 + round);
    }
    assert!(world.verify(&lasting(&key)).await.is_ok());
}

#[tokio::test]
async fn many_who_wait_ask_once() {
    let key = ec_key("e");
    let world = Arc::new(World::publishing(&[&key]));
    world.documents.close_gate().await;
    let token = lasting(&key);
    let waiting: Vec<_> = (0..50)
        .map(|_| {
            let (world, token) = (Arc::clone(&world), token.clone());
            tokio::spawn(async move { world.verify(&token).await.map(|_| ()) })
        })
        .collect();
    while world.documents.asked().is_empty() {
        tokio::task::yield_now().await;
    }
    world.documents.open_gate();
    for outcome in waiting {
        assert_eq!(outcome.await.unwrap(), Ok(()));
    }
    assert_eq!(world.documents.asked_for_keys(), 1);
}

#[tokio::test]
async fn who_hangs_up_does_not_keep_keys_from_being_renewed() {
    let key = ec_key("e");
    let world = Arc::new(World::publishing(&[&key]));
    world.documents.close_gate().await;
    let (other, token) = (Arc::clone(&world), lasting(&key));
    let caller = tokio::spawn(async move { other.verify(&token).await });
    while world.documents.asked().is_empty() {
        tokio::task::yield_now().await;
    }
    caller.abort();
    assert!(caller.await.unwrap_err().is_cancelled());
    world.documents.open_gate();
    // No time has passed: a second question would not be allowed yet, so this is the answer to the first.
    assert!(world.verify(&lasting(&key)).await.is_ok());
    assert_eq!(world.documents.asked_for_keys(), 1);
}

#[tokio::test]
async fn while_one_asks_the_others_use_what_is_known() {
    let key = ec_key("e");
    let world = Arc::new(World::publishing(&[&key]));
    assert!(world.verify(&lasting(&key)).await.is_ok());
    world.pass(300);
    world.documents.close_gate().await;
    let (other, token) = (Arc::clone(&world), lasting(&key));
    let first = tokio::spawn(async move { other.verify(&token).await.map(|_| ()) });
    while world.documents.asked().len() < 3 {
        tokio::task::yield_now().await;
    }
    assert!(world.verify(&lasting(&key)).await.is_ok());
    assert!(!first.is_finished());
    world.documents.open_gate();
    assert_eq!(first.await.unwrap(), Ok(()));
}

#[tokio::test]
async fn the_last_keys_survive_an_outage_for_a_while() {
    let (key, new) = (ec_key("e"), ec_key("new"));
    let world = World::publishing(&[&key]);
    assert!(world.verify(&lasting(&key)).await.is_ok());
    world.documents.go_down(true);
    world.pass(3_600);
    assert!(world.verify(&lasting(&key)).await.is_ok());
    // A key that nobody ever saw is not good because the issuer is away.
    world.pass(0);
    assert_eq!(world.refused(&lasting(&new)).await, AccessError::UnknownKey);
    world.pass(1);
    let error = world.refused(&lasting(&key)).await;
    assert_eq!(error, AccessError::KeysUnavailable);
    assert_eq!(error.refusal(), Refusal::Unavailable);
    world.documents.go_down(false);
    // Not asked again at once.
    assert_eq!(world.refused(&lasting(&key)).await, AccessError::KeysUnavailable);
    world.pass(RETRY_S);
    assert!(world.verify(&lasting(&key)).await.is_ok());
}

#[tokio::test]
async fn an_outage_costs_one_question_in_ten_seconds() {
    let key = ec_key("e");
    let world = World::publishing(&[&key]);
    assert!(world.verify(&lasting(&key)).await.is_ok());
    world.documents.go_down(true);
    world.pass(300);
    let before = world.documents.asked().len();
    for _ in 0..100 {
        world.pass(1);
        assert!(world.verify(&lasting(&key)).await.is_ok());
    }
    assert_eq!(world.documents.asked().len() - before, 10);
}

#[tokio::test]
async fn an_issuer_never_heard_of_is_unavailable_not_wrong() {
    let key = ec_key("e");
    let world = World::publishing(&[&key]);
    world.documents.go_down(true);
    assert_eq!(world.refused(&lasting(&key)).await, AccessError::KeysUnavailable);
    world.documents.go_down(false);
    world.pass(RETRY_S);
    assert!(world.verify(&lasting(&key)).await.is_ok());
}

#[tokio::test]
async fn a_clock_that_is_set_back_does_not_stop_refreshes() {
    let (key, new) = (ec_key("e"), ec_key("new"));
    let world = World::publishing(&[&key]);
    world.set_time(crate::support::NOW + 100);
    assert!(world.verify(&lasting(&key)).await.is_ok());
    world.documents.publish(&[&key, &new]);
    world.set_time(crate::support::NOW);
    assert!(world.verify(&lasting(&new)).await.is_ok());
}

#[tokio::test]
async fn documents_that_are_no_key_set_change_nothing() {
    let key = ec_key("e");
    let world = World::publishing(&[&key]);
    assert!(world.verify(&lasting(&key)).await.is_ok());
    let many: Vec<_> =
        (0..=KEYS_MAX).map(|at| json!({"kty": "oct", "kid": at.to_string()})).collect();
    let bad_sets = [
        b"<html>sign in</html>".to_vec(),
        b"{}".to_vec(),
        b"[]".to_vec(),
        b"{\"keys\":{}}".to_vec(),
        json!({ "keys": many }).to_string().into_bytes(),
        vec![b' '; KEY_SET_BYTES_MAX + 1],
    ];
    for set in bad_sets {
        world.documents.say(JWKS, set.clone());
        world.pass(300);
        let shown = String::from_utf8_lossy(&set[..set.len().min(40)]).into_owned();
        assert!(world.verify(&lasting(&key)).await.is_ok(), "{shown}");
    }
    world.documents.publish(&[]);
    world.pass(300);
    assert_eq!(world.refused(&lasting(&key)).await, AccessError::UnknownKey);
}

#[tokio::test]
async fn an_issuer_is_who_its_document_says() {
    let key = ec_key("e");
    let world = World::publishing(&[&key]);
    let other = json!({"issuer": "https://id.example.com/realms/other", "jwks_uri": JWKS});
    world.documents.say(DISCOVERY, other.to_string());
    assert_eq!(world.refused(&lasting(&key)).await, AccessError::KeysUnavailable);
    assert_eq!(world.documents.asked(), [DISCOVERY]);
    let inside = json!({"issuer": ISSUER, "jwks_uri": "http://169.254.169.254/latest/meta-data"});
    world.documents.say(DISCOVERY, inside.to_string());
    world.pass(RETRY_S);
    assert_eq!(world.refused(&lasting(&key)).await, AccessError::KeysUnavailable);
    assert_eq!(world.documents.asked(), [DISCOVERY, DISCOVERY]);
}

#[tokio::test]
async fn a_configured_address_needs_no_discovery() {
    let key = ec_key("e");
    let mut settings = settings();
    settings.jwks_uri = Some(JWKS.to_owned());
    let world = World::with(settings);
    world.documents.publish(&[&key]);
    assert!(world.verify(&key.sign(&claims())).await.is_ok());
    assert_eq!(world.documents.asked(), [JWKS]);
}
