//! Only the published key and the allowed algorithm make a token.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use ledgerline_access::oidc::{MAX_TOKEN_BYTES, SignatureAlgorithm};
use ledgerline_access::{AccessError, Grant, Role};
use serde_json::{Value, json};

use crate::support::{
    ISSUER, JWKS, NOW, ORG_A, SigningKey, World, base64url, claims, ec_key, ed_key, rsa_key,
    settings, with,
};

#[tokio::test]
async fn each_algorithm_is_verified() {
    let keys = [rsa_key("r", 2_048), ec_key("e"), ed_key("d")];
    let world = World::publishing(&keys.iter().collect::<Vec<&SigningKey>>());
    for key in &keys {
        let verified = world.verify(&key.sign(&claims())).await.unwrap();
        assert_eq!(verified.principal.org_id, ORG_A);
        assert_eq!(verified.principal.subject, "u-17");
        assert_eq!(verified.principal.roles, [Role::Analyst].into());
        assert_eq!(verified.expires_s, NOW + 600);
        // One character after another changed: header, claims and signature are all covered.
        let token = key.sign(&claims());
        for at in (0..token.len()).step_by(5) {
            let mut bytes = token.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(bytes).unwrap();
            // The last character of base64 has bits that mean nothing.
            if changed != token && !same_bytes(&token, &changed) {
                assert!(world.verify(&changed).await.is_err(), "{:?} at {at}", key.algorithm);
            }
        }
    }
}

fn same_bytes(left: &str, right: &str) -> bool {
    let decoded = |token: &str| -> Vec<Option<Vec<u8>>> {
        token.split('.').map(|part| URL_SAFE_NO_PAD.decode(part).ok()).collect()
    };
    decoded(left) == decoded(right)
}

#[tokio::test]
async fn a_public_key_is_no_secret() {
    let key = rsa_key("r", 2_048);
    let world = World::publishing(&[&key]);
    world.verify(&key.sign(&claims())).await.unwrap();
    let public = |name: &str| key.public[name].as_str().unwrap().to_owned();
    let n = URL_SAFE_NO_PAD.decode(public("n")).unwrap();
    let pem =
        format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(&n));
    // Whatever form of the public key the attacker takes for the secret.
    let secrets = [
        n,
        public("n").into_bytes(),
        pem.into_bytes(),
        key.public.to_string().into_bytes(),
        vec![],
    ];
    for secret in secrets {
        for algorithm in [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512] {
            let header = Header { kid: Some("r".to_owned()), ..Header::new(algorithm) };
            let secret = EncodingKey::from_secret(&secret);
            let token = jsonwebtoken::encode(&header, &claims(), &secret).unwrap();
            assert_eq!(world.refused(&token).await, AccessError::WrongAlgorithm);
        }
    }
}

#[tokio::test]
async fn no_signature_is_no_token() {
    let key = ec_key("e");
    let world = World::publishing(&[&key]);
    let part = |value: &Value| base64url(value.to_string().as_bytes());
    for alg in ["none", "None", "NONE", "nOnE", "", "HS256", "es256", "ES256 "] {
        for signature in ["", "AAAA"] {
            let header = part(&json!({"alg": alg, "kid": "e", "typ": "JWT"}));
            let token = format!("{header}.{}.{signature}", part(&claims()));
            assert_eq!(world.refused(&token).await, AccessError::WrongAlgorithm, "{alg:?}");
        }
    }
    let stripped = key.sign(&claims());
    let (signed, _) = stripped.rsplit_once('.').unwrap();
    assert_eq!(world.refused(&format!("{signed}.")).await, AccessError::BadSignature);
    for text in [signed.to_owned(), format!("{stripped}."), format!("{stripped}.a"), "..".into()] {
        assert!(world.verify(&text).await.is_err(), "{text}");
    }
}

#[tokio::test]
async fn the_key_says_what_it_is_for() {
    let (rsa, ec, ed) = (rsa_key("r", 2_048), ec_key("e"), ed_key("d"));
    let world = World::publishing(&[&rsa, &ec, &ed]);
    for signer in [&rsa, &ec, &ed] {
        for named in [&rsa, &ec, &ed].iter().filter(|named| named.kid != signer.kid) {
            let header = Header { kid: Some(named.kid.clone()), ..signer.header() };
            let token = signer.sign_with(&header, &claims());
            assert_eq!(world.refused(&token).await, AccessError::WrongAlgorithm);
        }
    }
    // Of the same family, and not allowed.
    for algorithm in [Algorithm::RS384, Algorithm::RS512, Algorithm::PS256, Algorithm::PS512] {
        let header = Header { alg: algorithm, ..rsa.header() };
        let token = rsa.sign_with(&header, &claims());
        assert_eq!(world.refused(&token).await, AccessError::WrongAlgorithm, "{algorithm:?}");
    }
    let mut settings = settings();
    settings.algorithms = [SignatureAlgorithm::Es256].into();
    let narrow = World::with(settings);
    narrow.documents.publish(&[&rsa, &ec]);
    assert!(narrow.verify(&ec.sign(&claims())).await.is_ok());
    assert_eq!(narrow.refused(&rsa.sign(&claims())).await, AccessError::WrongAlgorithm);
}

#[tokio::test]
async fn another_key_under_a_known_id_does_not_sign() {
    let (ours, other) = (ec_key("e"), ec_key("e"));
    let world = World::publishing(&[&ours]);
    assert!(world.verify(&ours.sign(&claims())).await.is_ok());
    assert_eq!(world.refused(&other.sign(&claims())).await, AccessError::BadSignature);
}

#[tokio::test]
async fn the_token_does_not_say_where_keys_are() {
    let (ours, theirs) = (ec_key("e"), ec_key("theirs"));
    let world = World::publishing(&[&ours]);
    world.verify(&ours.sign(&claims())).await.unwrap();
    world
        .documents
        .say("https://evil.example.com/keys", json!({"keys": [theirs.public]}).to_string());
    world.pass(20);
    let jwk = serde_json::from_value(theirs.public.clone()).unwrap();
    let evil = Header {
        jku: Some("https://evil.example.com/keys".to_owned()),
        x5u: Some("https://evil.example.com/keys".to_owned()),
        jwk: Some(jwk),
        ..theirs.header()
    };
    assert_eq!(world.refused(&theirs.sign_with(&evil, &claims())).await, AccessError::UnknownKey);
    let named = Header { kid: Some("e".to_owned()), ..evil };
    assert_eq!(
        world.refused(&theirs.sign_with(&named, &claims())).await,
        AccessError::BadSignature
    );
    assert!(
        world
            .documents
            .asked()
            .iter()
            .all(|address| address.starts_with("https://id.example.com/"))
    );
}

#[tokio::test]
async fn a_key_id_is_compared_and_nothing_else() {
    let key = ec_key("e");
    let world = World::publishing(&[&key]);
    for kid in [
        "",
        "E",
        "e ",
        "e\0",
        "../e",
        "../../../../dev/null",
        "/etc/passwd",
        "file:///etc/passwd",
        "https://evil.example.com/keys",
        "e' OR '1'='1",
        "*",
        "%65",
        "\u{435}",
    ] {
        world.pass(20);
        let header = Header { kid: Some(kid.to_owned()), ..key.header() };
        let token = key.sign_with(&header, &claims());
        assert_eq!(world.refused(&token).await, AccessError::UnknownKey, "{kid:?}");
    }
    let long = Header { kid: Some("e".repeat(257)), ..key.header() };
    let error = world.refused(&key.sign_with(&long, &claims())).await;
    assert!(error.to_string().contains("kid"), "{error}");
    let asked = world.documents.asked();
    assert!(
        asked.iter().all(|address| address.starts_with("https://id.example.com/")),
        "{asked:?}"
    );
    assert!(asked.contains(&JWKS.to_owned()));
}

#[tokio::test]
async fn what_is_no_bearer_token_is_refused() {
    let key = ec_key("e");
    let world = World::publishing(&[&key]);
    for typ in ["JWT", "jwt", "at+jwt", "application/at+jwt", "AT+JWT"] {
        let header = Header { typ: Some(typ.to_owned()), ..key.header() };
        assert!(world.verify(&key.sign_with(&header, &claims())).await.is_ok(), "{typ}");
    }
    assert!(
        world
            .verify(&key.sign_with(&Header { typ: None, ..key.header() }, &claims()))
            .await
            .is_ok()
    );
    for typ in ["logout+jwt", "dpop+jwt", "secevent+jwt", "JWE"] {
        let header = Header { typ: Some(typ.to_owned()), ..key.header() };
        let error = world.refused(&key.sign_with(&header, &claims())).await;
        assert!(error.to_string().contains("typ"), "{typ}: {error}");
    }
    let critical = Header { crit: Some(vec!["exp".to_owned()]), ..key.header() };
    let error = world.refused(&key.sign_with(&critical, &claims())).await;
    assert!(error.to_string().contains("crit"), "{error}");
    let bound =
        key.sign(&with("cnf", json!({"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"})));
    let error = world.refused(&bound).await;
    assert!(error.to_string().contains("cnf"), "{error}");
}

#[tokio::test]
async fn a_token_has_its_length() {
    let key = ec_key("e");
    let world = World::publishing(&[&key]);
    let padded = |bytes: usize| key.sign(&with("note", json!("n".repeat(bytes))));
    // Base64 makes four characters of three bytes; the rest of the token has fewer than 400.
    let token = padded((MAX_TOKEN_BYTES - 400) * 3 / 4);
    assert!(token.len() <= MAX_TOKEN_BYTES && token.len() > MAX_TOKEN_BYTES - 400);
    assert!(world.verify(&token).await.is_ok());
    let asked = world.documents.asked().len();
    let error = world.refused(&padded(MAX_TOKEN_BYTES)).await;
    assert!(matches!(error, AccessError::Malformed(_)), "{error}");
    assert_eq!(world.documents.asked().len(), asked);
}

#[tokio::test]
async fn the_built_in_issuer_is_beside_them() {
    let key = ec_key("e");
    let world = World::publishing(&[&key]);
    let grant = Grant {
        org_id: ORG_A,
        subject: "kim".to_owned(),
        roles: [Role::Auditor].into(),
        user_id: None,
        user_profile_id: None,
        ttl_s: 600,
    };
    let token = world.built_in.issue(&grant).unwrap();
    assert_eq!(world.verify(&token).await.unwrap().principal.subject, "kim");
    assert_eq!(world.documents.asked(), Vec::<String>::new());
    // Neither issuer speaks for the other, and nobody for a third.
    assert_eq!(
        world.refused(&key.sign(&with("iss", json!("ledgerline")))).await,
        AccessError::WrongAlgorithm
    );
    for iss in ["https://other.example.com", "https://id.example.com/realms/main/", ""] {
        let token = key.sign(&with("iss", json!(iss)));
        assert_eq!(world.refused(&token).await, AccessError::WrongIssuer, "{iss}");
    }
    let error = world.refused(&key.sign(&with("iss", json!([ISSUER])))).await;
    assert_eq!(error, AccessError::WrongAlgorithm);
    assert_eq!(world.documents.asked(), Vec::<String>::new());
}
