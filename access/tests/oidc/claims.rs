//! What the claims of a good signature say.

use std::collections::{BTreeMap, BTreeSet};

use ledgerline_access::oidc::{OrganizationRule, Provider, UserBy, UserRule};
use ledgerline_access::{AccessError, Action, Refusal, Role, allows};
use ledgerline_schemas::config::EntityKind;
use ledgerline_schemas::id::UserId;
use serde_json::{Value, json};

use crate::support::{
    ISSUER, NOW, ORG_A, ORG_B, World, claims, ec_key, organizations, settings, with,
};

#[tokio::test]
async fn times_hold_to_the_second_of_the_skew() {
    let key = ec_key("e");
    let world = World::publishing(&[&key]);
    let exp = NOW + 600;
    let token = key.sign(&claims());
    for (now, expected) in [
        (NOW - 30, Ok(())),
        (NOW - 31, Err(AccessError::NotYetValid)),
        (exp + 29, Ok(())),
        (exp + 30, Err(AccessError::Expired)),
    ] {
        world.set_time(now);
        assert_eq!(world.verify(&token).await.map(|_| ()), expected, "{now}");
    }
    world.set_time(NOW);
    let from = |nbf: Value| key.sign(&with("nbf", nbf));
    assert!(world.verify(&from(json!(NOW + 30))).await.is_ok());
    assert_eq!(world.refused(&from(json!(NOW + 31))).await, AccessError::NotYetValid);
    // RFC 7519 allows a fraction.
    assert!(world.verify(&key.sign(&with("exp", json!(1_800_000_600.5)))).await.is_ok());
    let mut strict = settings();
    strict.clock_skew_s = 0;
    let strict = World::with(strict);
    strict.documents.publish(&[&key]);
    strict.set_time(exp - 1);
    assert!(strict.verify(&token).await.is_ok());
    strict.set_time(exp);
    assert_eq!(strict.refused(&token).await, AccessError::Expired);
}

#[tokio::test]
async fn what_is_missing_or_of_the_wrong_form_is_named() {
    let key = ec_key("e");
    let world = World::publishing(&[&key]);
    for (name, value) in [
        ("exp", Value::Null),
        ("exp", json!("1800000600")),
        ("exp", json!(-1)),
        ("exp", json!(1e300)),
        ("nbf", json!("soon")),
        ("iat", json!([NOW])),
        ("aud", Value::Null),
        ("sub", Value::Null),
        ("sub", json!("")),
        ("sub", json!(17)),
        ("sub", json!("a\nb")),
        ("sub", json!("s".repeat(129))),
        ("preferred_username", json!(7)),
    ] {
        let error = world.refused(&key.sign(&with(name, value.clone()))).await;
        assert!(
            matches!(&error, AccessError::Malformed(text) if text.contains(name)),
            "{name} {value}: {error}"
        );
        assert_eq!(error.refusal(), Refusal::Unauthenticated);
    }
    assert!(world.verify(&key.sign(&with("sub", json!("s".repeat(128))))).await.is_ok());
}

#[tokio::test]
async fn a_token_is_for_its_audience() {
    let key = ec_key("e");
    let world = World::publishing(&[&key]);
    for aud in [json!("ledgerline"), json!(["other", "https://cc.example.com"])] {
        assert!(world.verify(&key.sign(&with("aud", aud.clone()))).await.is_ok(), "{aud}");
    }
    for aud in [
        json!("other"),
        json!(["other"]),
        json!([]),
        json!("Ledgerline"),
        json!("ledgerline "),
        json!({"ledgerline": 1}),
        json!(1),
    ] {
        let error = world.refused(&key.sign(&with("aud", aud.clone()))).await;
        assert_eq!(error, AccessError::WrongAudience, "{aud}");
    }
}

#[tokio::test]
async fn roles_are_those_of_the_table() {
    let key = ec_key("e");
    let world = World::publishing(&[&key]);
    let all = BTreeSet::from([Role::Analyst, Role::Supervisor, Role::Auditor]);
    for (groups, expected) in [
        (json!(["cc-analysts"]), BTreeSet::from([Role::Analyst])),
        (json!("cc-analysts"), BTreeSet::from([Role::Analyst])),
        (json!(["staff", "cc-leads", "cc-analysts"]), all),
        // Nothing that the table does not say, not even the names of roles.
        (json!(["administrator", "analyst", "CC-ANALYSTS", "cc-analysts "]), BTreeSet::new()),
        (json!("cc-analysts cc-leads"), BTreeSet::new()),
        (json!([]), BTreeSet::new()),
        (json!({"cc-analysts": true}), BTreeSet::new()),
        (json!([["cc-analysts"]]), BTreeSet::new()),
        (Value::Null, BTreeSet::new()),
    ] {
        let verified = world.verify(&key.sign(&with("groups", groups.clone()))).await.unwrap();
        assert_eq!(verified.principal.roles, expected, "{groups}");
        if expected.is_empty() {
            assert!(Action::ALL.iter().all(|action| !allows(&verified.principal, *action)));
        }
    }
}

#[tokio::test]
async fn scopes_and_nested_claims() {
    let key = ec_key("e");
    let mut scoped = settings();
    scoped.roles.claim = "scope".to_owned();
    let world = World::with(scoped);
    world.documents.publish(&[&key]);
    let token = key.sign(&with("scope", json!("openid cc-analysts profile")));
    assert_eq!(world.verify(&token).await.unwrap().principal.roles, [Role::Analyst].into());
    let mut nested = settings();
    nested.roles.claim = "/realm_access/roles".to_owned();
    let world = World::with(nested);
    world.documents.publish(&[&key]);
    let token = key.sign(&with("realm_access", json!({"roles": ["cc-leads"]})));
    let roles = world.verify(&token).await.unwrap().principal.roles;
    assert_eq!(roles, [Role::Supervisor, Role::Auditor].into());
    // A claim of the top level may look like a path.
    let mut url = settings();
    url.roles.claim = "https://example.com/roles".to_owned();
    let world = World::with(url);
    world.documents.publish(&[&key]);
    let token = key.sign(&with("https://example.com/roles", json!(["cc-analysts"])));
    assert_eq!(world.verify(&token).await.unwrap().principal.roles, [Role::Analyst].into());
}

#[tokio::test]
async fn a_token_opens_one_organization_of_the_table() {
    let key = ec_key("e");
    let mut settings = settings();
    settings.organization = OrganizationRule {
        name: None,
        claim: Some("tenant".to_owned()),
        values: BTreeMap::from([
            ("acme".to_owned(), "a".to_owned()),
            ("acme-eu".to_owned(), "a".to_owned()),
            ("globex".to_owned(), "b".to_owned()),
        ]),
    };
    let world = World::with(settings);
    world.documents.publish(&[&key]);
    for (tenant, expected) in [
        (json!("acme"), Ok(ORG_A)),
        (json!("globex"), Ok(ORG_B)),
        (json!(["unknown", "acme", "acme-eu"]), Ok(ORG_A)),
        (json!(["acme", "globex"]), Err(AccessError::NoOrganization)),
        (json!("a"), Err(AccessError::NoOrganization)),
        (json!(ORG_A.to_string()), Err(AccessError::NoOrganization)),
        (json!(""), Err(AccessError::NoOrganization)),
        (Value::Null, Err(AccessError::NoOrganization)),
    ] {
        let verified = world.verify(&key.sign(&with("tenant", tenant.clone()))).await;
        assert_eq!(verified.map(|it| it.principal.org_id), expected, "{tenant}");
    }
    assert_eq!(AccessError::NoOrganization.refusal(), Refusal::Forbidden);
}

#[tokio::test]
async fn a_user_is_named_or_identified_as_the_settings_say() {
    let key = ec_key("e");
    let other = UserId::from_u128(7).to_string();
    let named = |name: &str| Some(UserId::new(EntityKind::User.derive_id(ORG_A, name).uuid()));
    let token = |name: &str| key.sign(&with("preferred_username", json!(name)));
    let by_name = World::publishing(&[&key]);
    let user =
        async |world: &World, token: &str| world.verify(token).await.map(|it| it.principal.user_id);
    assert_eq!(user(&by_name, &token("agent-01")).await, Ok(named("agent-01")));
    // Who may choose a name does not become somebody else with it.
    assert_eq!(user(&by_name, &token(&other)).await, Ok(named(&other)));
    assert_eq!(user(&by_name, &key.sign(&claims())).await, Ok(None));
    let mut by_id = settings();
    by_id.user = Some(UserRule { claim: "preferred_username".to_owned(), by: UserBy::Id });
    let by_id = World::with(by_id);
    by_id.documents.publish(&[&key]);
    assert_eq!(user(&by_id, &token(&other)).await, Ok(Some(UserId::from_u128(7))));
    assert!(matches!(user(&by_id, &token("agent-01")).await, Err(AccessError::Malformed(_))));
}

#[tokio::test]
async fn subjects_of_two_issuers_can_be_kept_apart() {
    let key = ec_key("e");
    let mut settings = settings();
    settings.subject_claim = "email".to_owned();
    settings.subject_prefix = "corp:".to_owned();
    let world = World::with(settings);
    world.documents.publish(&[&key]);
    let token = key.sign(&with("email", json!("kim@example.com")));
    assert_eq!(world.verify(&token).await.unwrap().principal.subject, "corp:kim@example.com");
}

#[test]
fn settings_are_refused_by_field() {
    let refused = |change: &dyn Fn(&mut ledgerline_access::oidc::ProviderSettings)| {
        let mut settings = settings();
        change(&mut settings);
        settings.check().unwrap_err().to_string()
    };
    assert_eq!(settings().check(), Ok(()));
    let says =
        |text: String, field: &str| assert!(text.starts_with(&format!("{field}: ")), "{text}");
    says(refused(&|it| it.issuer = "http://id.example.com".into()), "issuer");
    says(refused(&|it| it.issuer = "ledgerline".into()), "issuer");
    says(refused(&|it| it.issuer = format!("{ISSUER}?a=b")), "issuer");
    says(refused(&|it| it.jwks_uri = Some("http://id.example.com/keys".into())), "jwks_uri");
    says(refused(&|it| it.audiences.clear()), "audiences");
    says(refused(&|it| it.audiences.push(String::new())), "audiences");
    says(refused(&|it| it.algorithms.clear()), "algorithms");
    says(refused(&|it| it.clock_skew_s = 61), "clock_skew_s");
    says(refused(&|it| it.refresh_s = 9), "refresh_s");
    says(refused(&|it| it.keep_s = 299), "keep_s");
    says(refused(&|it| it.keep_s = 604_801), "keep_s");
    says(refused(&|it| it.subject_claim.clear()), "subject_claim");
    says(refused(&|it| it.subject_prefix = "p".repeat(33)), "subject_prefix");
    says(refused(&|it| it.organization.claim = Some("tenant".into())), "organization");
    says(refused(&|it| it.organization.name = None), "organization");
    says(refused(&|it| it.roles.values.clear()), "roles.values");
    says(
        refused(&|it| it.user = Some(UserRule { claim: String::new(), by: UserBy::Id })),
        "user.claim",
    );
    let mut elsewhere = settings();
    elsewhere.organization.name = Some("c".to_owned());
    let world = World::new();
    let made = Provider::new(
        &elsewhere,
        &organizations(),
        world.documents.clone(),
        std::sync::Arc::new(|| NOW),
    );
    says(made.unwrap_err().to_string(), "organization.name");
}
