//! Which published keys are used.

use jsonwebtoken::Header;
use ledgerline_access::AccessError;
use serde_json::{Value, json};

use crate::support::{JWKS, SigningKey, World, base64url, claims, ec_key, ed_key, rsa_key};

/// The key with one member changed; `null` takes it away.
fn changed(key: &SigningKey, name: &str, value: Value) -> Value {
    let mut public = key.public.clone();
    let object = public.as_object_mut().unwrap();
    if value.is_null() {
        object.remove(name);
    } else {
        object.insert(name.to_owned(), value);
    }
    public
}

/// What becomes of a good token when this is the set.
async fn outcome(set: &[Value], key: &SigningKey) -> Result<(), AccessError> {
    let world = World::new();
    world.documents.say(JWKS, json!({ "keys": set }).to_string());
    world.verify(&key.sign(&claims())).await.map(|_| ())
}

#[tokio::test]
async fn a_key_is_used_for_what_it_is_published_for() {
    let key = ec_key("e");
    for (name, value) in [
        ("use", Value::Null),
        ("use", json!("sig")),
        ("alg", json!("ES256")),
        ("key_ops", json!(["verify"])),
        ("key_ops", json!(["sign", "verify"])),
        ("x5c", json!(["MIIB"])),
        ("unheard", json!({"of": 1})),
    ] {
        let set = [changed(&key, name, value.clone())];
        assert_eq!(outcome(&set, &key).await, Ok(()), "{name} {value}");
    }
    for (name, value) in [
        ("use", json!("enc")),
        ("use", json!("SIG")),
        ("use", json!(["sig"])),
        ("alg", json!("ES384")),
        ("alg", json!("ECDH-ES")),
        ("alg", json!("HS256")),
        ("key_ops", json!(["sign"])),
        ("key_ops", json!([])),
        ("key_ops", json!(["deriveKey"])),
        ("kid", json!("other")),
        ("kid", Value::Null),
        ("kty", json!("RSA")),
        ("kty", json!("oct")),
        ("crv", json!("P-384")),
        ("crv", json!("secp256k1")),
        ("crv", Value::Null),
        ("x", json!(base64url(&[1; 31]))),
        ("x", json!("not base64url!")),
        ("y", Value::Null),
        // On no curve.
        ("y", json!(base64url(&[1; 32]))),
        // The private half.
        ("d", json!(base64url(&[1; 32]))),
    ] {
        let set = [changed(&key, name, value.clone())];
        assert_eq!(outcome(&set, &key).await, Err(AccessError::UnknownKey), "{name} {value}");
    }
}

#[tokio::test]
async fn weak_keys_are_not_used() {
    let small = rsa_key("r", 1_024);
    assert_eq!(
        outcome(std::slice::from_ref(&small.public), &small).await,
        Err(AccessError::UnknownKey)
    );
    let key = rsa_key("r", 2_048);
    assert_eq!(outcome(std::slice::from_ref(&key.public), &key).await, Ok(()));
    for (name, value) in [
        // Every text is its own signature.
        ("e", json!(base64url(&[1]))),
        ("e", json!(base64url(&[0, 1]))),
        ("e", json!(base64url(&[4]))),
        ("e", json!("")),
        ("e", json!(base64url(&[1, 0, 0, 0, 1]))),
        ("n", json!(base64url(&[0xff; 513]))),
        ("n", json!(base64url(&[0xfe; 256]))),
        ("n", json!("")),
    ] {
        let set = [changed(&key, name, value.clone())];
        assert_eq!(outcome(&set, &key).await, Err(AccessError::UnknownKey), "{name} {value}");
    }
    let ed = ed_key("d");
    for bytes in [0, 1, 31, 33, 64] {
        let set = [changed(&ed, "x", json!(base64url(&vec![9; bytes])))];
        assert_eq!(outcome(&set, &ed).await, Err(AccessError::UnknownKey), "{bytes}");
    }
    let x448 = [changed(&ed, "crv", json!("Ed448"))];
    assert_eq!(outcome(&x448, &ed).await, Err(AccessError::UnknownKey));
}

#[tokio::test]
async fn what_cannot_be_used_does_not_spoil_the_others() {
    let key = ec_key("e");
    let set = [
        json!("text"),
        json!({}),
        json!({"kty": "oct", "k": base64url(&[7; 32]), "kid": "e"}),
        json!({"kty": "future", "kid": "f"}),
        json!({"kty": 1}),
        key.public.clone(),
    ];
    assert_eq!(outcome(&set, &key).await, Ok(()));
}

#[tokio::test]
async fn of_two_different_keys_with_one_id_neither_is_used() {
    let (one, two, third) = (ec_key("same"), ec_key("same"), ec_key("third"));
    let world = World::publishing(&[&one, &two, &third]);
    assert_eq!(world.refused(&one.sign(&claims())).await, AccessError::UnknownKey);
    assert_eq!(world.refused(&two.sign(&claims())).await, AccessError::UnknownKey);
    assert!(world.verify(&third.sign(&claims())).await.is_ok());
    // The same key twice is one key, and one id for two types is two keys (RFC 7517, section 4.5).
    let ed = ed_key("same");
    let world = World::publishing(&[&one, &one, &ed]);
    assert!(world.verify(&one.sign(&claims())).await.is_ok());
    assert!(world.verify(&ed.sign(&claims())).await.is_ok());
}

#[tokio::test]
async fn a_token_without_a_key_id_needs_an_issuer_with_one_key() {
    let (one, two, ed) = (ec_key("one"), ec_key("two"), ed_key("ed"));
    let unnamed =
        |key: &SigningKey| key.sign_with(&Header { kid: None, ..key.header() }, &claims());
    let world = World::publishing(&[&one, &ed]);
    assert!(world.verify(&unnamed(&one)).await.is_ok());
    assert!(world.verify(&unnamed(&ed)).await.is_ok());
    let world = World::publishing(&[&one, &two]);
    let error = world.refused(&unnamed(&one)).await;
    assert!(error.to_string().contains("kid"), "{error}");
    let world = World::publishing(&[&ed]);
    assert_eq!(world.refused(&unnamed(&one)).await, AccessError::UnknownKey);
}
