//! Tokens: what is let in, and by which name everything else is refused.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop where it is")]

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use ledgerline_access::token::{AUDIENCE, CLOCK_SKEW_S, ISSUER, KEY_FILE, MAX_TTL_S};
use ledgerline_access::{AccessError, Clock, Grant, Role, StoreError, TokenIssuer};
use ledgerline_schemas::id::{OrgId, UserId, UserProfileId};
use proptest::prelude::*;
use serde_json::{Value, json};

const NOW: u64 = 1_800_000_000;
const ORG_A: OrgId = OrgId::from_u128(0xA);
const ORG_B: OrgId = OrgId::from_u128(0xB);

fn fixed(now: u64) -> Clock {
    Arc::new(move || now)
}

fn at(dir: &Path, now: u64) -> TokenIssuer {
    TokenIssuer::open_with_clock(dir, fixed(now)).unwrap()
}

fn grant(org_id: OrgId) -> Grant {
    Grant {
        org_id,
        subject: "kim".to_owned(),
        roles: BTreeSet::from([Role::Agent, Role::Supervisor]),
        user_id: Some(UserId::from_u128(7)),
        user_profile_id: None,
        ttl_s: 600,
    }
}

/// Signs any claims with the installation's key, as a mistaken or malicious holder of it could.
fn signed(dir: &Path, header: &Header, claims: &Value) -> String {
    let key = fs::read(dir.join(KEY_FILE)).unwrap();
    jsonwebtoken::encode(header, claims, &EncodingKey::from_secret(&key)).unwrap()
}

fn claims() -> Value {
    json!({"iss": ISSUER, "aud": AUDIENCE, "sub": "kim", "iat": NOW, "nbf": NOW, "exp": NOW + 600,
           "jti": "0", "org": ORG_A, "roles": ["analyst"]})
}

#[test]
fn says_who_holds_it_in_each_organization() {
    let dir = tempfile::tempdir().unwrap();
    let issuer = at(dir.path(), NOW);
    for org in [ORG_A, ORG_B] {
        let principal = issuer.verify(&issuer.issue(&grant(org)).unwrap()).unwrap();
        assert_eq!(principal.org_id, org);
        assert_eq!(principal.subject, "kim");
        assert_eq!(principal.roles, BTreeSet::from([Role::Agent, Role::Supervisor]));
        assert_eq!(principal.user_id, Some(UserId::from_u128(7)));
    }
}

/// A profile that was given with a token is in every principal that the token makes.
#[test]
fn carries_its_user_profile_and_older_ones_have_none() {
    let dir = tempfile::tempdir().unwrap();
    let issuer = at(dir.path(), NOW);
    let profile = Some(UserProfileId::from_u128(9));
    let narrow = Grant { user_profile_id: profile, ..grant(ORG_A) };
    let principal = issuer.verify(&issuer.issue(&narrow).unwrap()).unwrap();
    assert_eq!(principal.user_profile_id, profile);
    assert!(principal.may_be_limited());
    let older = signed(dir.path(), &Header::new(Algorithm::HS256), &claims());
    let principal = issuer.verify(&older).unwrap();
    assert_eq!((principal.user_profile_id, principal.may_be_limited()), (None, false));
}

#[test]
fn works_with_the_system_clock_and_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let token = TokenIssuer::open(dir.path()).unwrap().issue(&grant(ORG_A)).unwrap();
    let reopened = TokenIssuer::open(dir.path()).unwrap();
    assert_eq!(reopened.verify(&token).unwrap().org_id, ORG_A);
}

#[test]
fn ends_at_exp_and_begins_at_nbf_give_or_take_the_skew() {
    let dir = tempfile::tempdir().unwrap();
    let token = at(dir.path(), NOW).issue(&grant(ORG_A)).unwrap();
    let exp = NOW + 600;
    assert!(at(dir.path(), exp + CLOCK_SKEW_S - 1).verify(&token).is_ok());
    assert_eq!(at(dir.path(), exp + CLOCK_SKEW_S).verify(&token), Err(AccessError::Expired));
    assert!(at(dir.path(), NOW - CLOCK_SKEW_S).verify(&token).is_ok());
    assert_eq!(
        at(dir.path(), NOW - CLOCK_SKEW_S - 1).verify(&token),
        Err(AccessError::NotYetValid)
    );
}

#[test]
fn reads_its_clock_at_every_call() {
    let dir = tempfile::tempdir().unwrap();
    let time = Arc::new(AtomicU64::new(NOW));
    let reader = Arc::clone(&time);
    let clock: Clock = Arc::new(move || reader.load(Ordering::SeqCst));
    let issuer = TokenIssuer::open_with_clock(dir.path(), clock).unwrap();
    let token = issuer.issue(&grant(ORG_A)).unwrap();
    assert!(issuer.verify(&token).is_ok());
    time.store(NOW + 1_000, Ordering::SeqCst);
    assert_eq!(issuer.verify(&token), Err(AccessError::Expired));
}

#[test]
fn refuses_another_installations_token() {
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let token = at(there.path(), NOW).issue(&grant(ORG_A)).unwrap();
    assert_eq!(at(here.path(), NOW).verify(&token), Err(AccessError::BadSignature));
}

#[test]
fn refuses_other_algorithms_even_with_the_right_key() {
    let dir = tempfile::tempdir().unwrap();
    let issuer = at(dir.path(), NOW);
    for algorithm in [Algorithm::HS384, Algorithm::HS512] {
        let token = signed(dir.path(), &Header::new(algorithm), &claims());
        assert_eq!(issuer.verify(&token), Err(AccessError::WrongAlgorithm), "{algorithm:?}");
    }
    let header = URL_SAFE_NO_PAD.encode(br#"{"alg":"none","typ":"JWT"}"#);
    let unsigned = format!("{header}.{}.", URL_SAFE_NO_PAD.encode(claims().to_string()));
    assert!(issuer.verify(&unsigned).is_err());
}

#[test]
fn names_what_is_wrong_with_a_claim() {
    let dir = tempfile::tempdir().unwrap();
    let issuer = at(dir.path(), NOW);
    let header = Header::new(Algorithm::HS256);
    assert!(issuer.verify(&signed(dir.path(), &header, &claims())).is_ok());
    let with = |field: &str, value: Value| {
        let mut changed = claims();
        changed[field] = value;
        issuer.verify(&signed(dir.path(), &header, &changed))
    };
    assert_eq!(with("iss", json!("other")), Err(AccessError::WrongIssuer));
    assert_eq!(with("aud", json!("other")), Err(AccessError::WrongAudience));
    assert_eq!(with("exp", json!(NOW - 100)), Err(AccessError::Expired));
    assert_eq!(with("nbf", json!(NOW + 100)), Err(AccessError::NotYetValid));
    for (field, value) in [
        ("roles", json!(["root"])),
        ("roles", json!("analyst")),
        ("org", json!("everyone")),
        ("exp", json!("never")),
    ] {
        let error = with(field, value).unwrap_err();
        assert!(matches!(error, AccessError::Malformed(_)), "{field}: {error:?}");
    }
    for field in ["exp", "nbf", "iss", "aud", "sub", "org", "roles"] {
        let mut changed = claims();
        changed.as_object_mut().unwrap().remove(field);
        let error = issuer.verify(&signed(dir.path(), &header, &changed)).unwrap_err();
        assert!(matches!(error, AccessError::Malformed(_)), "{field}: {error:?}");
    }
}

#[test]
fn refuses_grants_that_make_no_sense() {
    let dir = tempfile::tempdir().unwrap();
    let issuer = at(dir.path(), NOW);
    let cases = [
        ("subject", Grant { subject: String::new(), ..grant(ORG_A) }),
        ("subject", Grant { subject: "a\nb".to_owned(), ..grant(ORG_A) }),
        ("roles", Grant { roles: BTreeSet::new(), ..grant(ORG_A) }),
        ("user_id", Grant { user_id: None, ..grant(ORG_A) }),
        ("ttl_s", Grant { ttl_s: 0, ..grant(ORG_A) }),
        ("ttl_s", Grant { ttl_s: MAX_TTL_S + 1, ..grant(ORG_A) }),
    ];
    for (name, bad) in cases {
        let error = issuer.issue(&bad).unwrap_err();
        assert!(
            matches!(error, AccessError::InvalidGrant { field, .. } if field == name),
            "{error:?}"
        );
    }
}

#[test]
fn keeps_its_key_to_the_owner() {
    let dir = tempfile::tempdir().unwrap();
    at(dir.path(), NOW);
    let path = dir.path().join(KEY_FILE);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "temporary files are left behind");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    let error = TokenIssuer::open(dir.path()).unwrap_err();
    assert!(matches!(error, StoreError::Exposed { mode: 0o640, .. }), "{error}");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(&path, b"short").unwrap();
    let error = TokenIssuer::open(dir.path()).unwrap_err();
    assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
}

#[test]
fn starting_together_agrees_on_one_key() {
    let dir = tempfile::tempdir().unwrap();
    let issuers: Vec<TokenIssuer> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| at(dir.path(), NOW))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let token = issuers[0].issue(&grant(ORG_A)).unwrap();
    assert!(issuers.iter().all(|issuer| issuer.verify(&token).is_ok()));
}

proptest! {
    /// No byte of a token can be exchanged without the token being refused.
    #[test]
    fn any_change_is_refused(place in any::<prop::sample::Index>(), letter in "[A-Za-z0-9_.-]") {
        let dir = tempfile::tempdir().unwrap();
        let issuer = at(dir.path(), NOW);
        let token = issuer.issue(&grant(ORG_A)).unwrap();
        let at = place.index(token.len());
        let changed = format!("{}{letter}{}", &token[..at], &token[at + 1..]);
        prop_assume!(changed != token);
        prop_assert!(issuer.verify(&changed).is_err());
    }

    #[test]
    fn any_text_is_refused_without_panic(text in ".{0,200}") {
        let dir = tempfile::tempdir().unwrap();
        prop_assert!(at(dir.path(), NOW).verify(&text).is_err());
    }
}
