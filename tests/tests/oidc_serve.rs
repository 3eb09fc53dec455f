//! A serving process that trusts an issuer on loopback: what its tokens open, and what they do not.

#![allow(clippy::expect_used, reason = "a test helper that cannot go on should fail the test")]

use std::fs;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use ledgerline_tests::Server;
use reqwest::Client;
use serde_json::{Value, json};
use tempfile::TempDir;

struct Issuer {
    url: String,
    key: EncodingKey,
}

impl Issuer {
    /// An issuer that publishes one key, and below `/broken` one that cannot be asked.
    async fn start() -> Self {
        let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).expect("key");
        let point = pair.public_key_raw();
        let (x, y) = point.get(1..).expect("point").split_at(32);
        let encoded = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let keys = json!({"keys": [{"kty": "EC", "crv": "P-256", "kid": "k", "use": "sig",
                                    "alg": "ES256", "x": encoded(x), "y": encoded(y)}]});
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("port");
        let url = format!("http://{}", listener.local_addr().expect("address"));
        let discovery = json!({"issuer": url, "jwks_uri": format!("{url}/keys")});
        let broken = async || StatusCode::INTERNAL_SERVER_ERROR;
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(async move || axum::Json(discovery)))
            .route("/keys", get(async move || axum::Json(keys)))
            .route("/broken/.well-known/openid-configuration", get(broken));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, key: EncodingKey::from_ec_der(&pair.serialize_der()) }
    }

    /// A good token for `groups`, with claims changed.
    fn token(&self, groups: &[&str], changed: Value) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
        let mut claims = json!({"iss": self.url, "aud": "ledgerline", "sub": "u-17", "iat": now,
                                "exp": now + 600, "tenant": "acme", "groups": groups});
        if let (Some(claims), Value::Object(changed)) = (claims.as_object_mut(), changed) {
            claims.extend(changed);
        }
        let header = Header { kid: Some("k".to_owned()), ..Header::new(Algorithm::ES256) };
        jsonwebtoken::encode(&header, &claims, &self.key).expect("signed")
    }
}

struct World {
    issuer: Issuer,
    server: Server,
    client: Client,
    data: PathBuf,
    _folder: TempDir,
}

impl World {
    async fn start() -> Self {
        let issuer = Issuer::start().await;
        let folder = tempfile::tempdir().expect("folder");
        let config = folder.path().join("ledgerline.toml");
        let provider = |url: &str| {
            format!(
                r#"
[[oidc]]
issuer = "{url}"
audiences = ["ledgerline"]
subject_prefix = "corp:"

[oidc.organization]
claim = "tenant"
values = {{ acme = "one", globex = "two" }}

[oidc.roles]
claim = "groups"
values = {{ cc-analysts = ["analyst"], cc-leads = ["supervisor", "auditor"], cc-admins = ["administrator"] }}
"#
            )
        };
        let text = format!(
            "organizations = [\"one\", \"two\"]\n{}{}",
            provider(&issuer.url),
            provider(&format!("{}/broken", issuer.url))
        );
        fs::write(&config, text).expect("written");
        let data = folder.path().join("data");
        let server = Server::start(&data, Some(&config));
        Self { issuer, server, client: Client::new(), data, _folder: folder }
    }

    async fn sql(&self, token: &str, sql: &str) -> (u16, Value) {
        let request = self.client.post(format!("{}/v1/sql", self.server.url())).bearer_auth(token);
        let answer = request.json(&json!({"sql": sql})).send().await.expect("answers");
        (answer.status().as_u16(), answer.json().await.expect("json"))
    }

    async fn get(&self, token: &str, path: &str) -> (u16, String) {
        let request = self.client.get(format!("{}{path}", self.server.url())).bearer_auth(token);
        let answer = request.send().await.expect("answers");
        (answer.status().as_u16(), answer.text().await.expect("text"))
    }
}

#[tokio::test]
async fn tokens_of_an_issuer_open_what_the_settings_say() {
    let world = World::start().await;
    let issuer = &world.issuer;
    let analyst = issuer.token(&["cc-analysts"], json!({}));
    let question = "select count(*) as n from queue_leg";
    let (status, body) = world.sql(&analyst, question).await;
    assert_eq!((status, &body["rows"]), (200, &json!([{"n": 0}])), "{body}");
    // Who asked is on the log, under the name that keeps issuers apart.
    let lead = issuer.token(&["cc-leads"], json!({"sub": "u-1"}));
    let asked = "select distinct principal from access_log where principal <> 'corp:u-1'";
    let (status, body) = world.sql(&lead, asked).await;
    assert_eq!((status, &body["rows"]), (200, &json!([{"principal": "corp:u-17"}])), "{body}");
    // The same person in the other organization finds nothing of it.
    let (status, body) = world
        .sql(&issuer.token(&["cc-leads"], json!({"tenant": "globex", "sub": "u-1"})), asked)
        .await;
    assert_eq!((status, &body["rows"]), (200, &json!([])), "{body}");

    // A group that no setting maps gives no role, at any door.
    let nobody = issuer.token(&["staff", "administrator"], json!({}));
    assert_eq!(world.sql(&nobody, question).await.0, 403);
    assert_eq!(world.get(&nobody, "/metrics").await.0, 403);
    assert_eq!(world.get(&nobody, "/v1/config/site").await.0, 403);
    assert_eq!(world.get(&nobody, "/v1/realtime/sse?dataset=queue_live").await.0, 403);
    assert_eq!(world.get(&analyst, "/metrics").await.0, 403);
    let denied = "select count(*) as n from access_log where outcome = 'denied'";
    let (status, body) = world.sql(&lead, denied).await;
    assert_eq!(status, 200, "{body}");
    assert_eq!(body["rows"], json!([{"n": 1}]), "the refused question is on the log");

    // A tenant that no setting maps opens nothing.
    for tenant in [json!("one"), json!("unknown"), Value::Null] {
        let token = issuer.token(&["cc-admins"], json!({"tenant": tenant}));
        assert_eq!(world.sql(&token, question).await.0, 403, "{tenant}");
        assert_eq!(world.get(&token, "/v1/config/site").await.0, 403, "{tenant}");
        assert_eq!(world.get(&token, "/metrics").await.0, 403, "{tenant}");
    }

    // Wrong is 401; an issuer that cannot be asked is 503.
    for changed in [
        json!({"aud": "other"}),
        json!({"exp": 1_000_000_000}),
        json!({"nbf": 4_000_000_000_u64}),
        json!({"iss": "https://elsewhere.example.com"}),
    ] {
        let token = issuer.token(&["cc-admins"], changed.clone());
        assert_eq!(world.sql(&token, question).await.0, 401, "{changed}");
        assert_eq!(world.get(&token, "/metrics").await.0, 401, "{changed}");
        assert_eq!(world.get(&token, "/v1/config/site").await.0, 401, "{changed}");
        let sse = "/v1/realtime/sse?dataset=queue_live";
        assert_eq!(world.get(&token, sse).await.0, 401, "{changed}");
    }
    let unknown = issuer.token(&["cc-admins"], json!({"iss": format!("{}/broken", issuer.url)}));
    assert_eq!(world.sql(&unknown, question).await.0, 503);
    assert_eq!(world.get(&unknown, "/v1/config/site").await.0, 503);
    assert_eq!(world.get(&unknown, "/metrics").await.0, 503);

    // An administrator by its group; what was let in and what was not is counted.
    let admin = issuer.token(&["cc-admins"], json!({}));
    let (status, metrics) = world.get(&admin, "/metrics").await;
    assert_eq!(status, 200);
    for counted in ["accepted", "wrong_audience", "expired", "not_yet_valid", "no_organization"] {
        let line = format!("issuer=\"{}\",outcome=\"{counted}\"", issuer.url);
        assert!(metrics.contains(&line), "{line} is not in\n{metrics}");
    }
    assert!(metrics.contains("ledgerline_oidc_keys{"), "{metrics}");

    // The built-in issuer is beside it.
    let data = world.data.to_string_lossy();
    let token =
        ledgerline_tests::succeed(&["token", "--data", &data, "--org", "one", "--role", "analyst"]);
    assert_eq!(world.sql(token.trim(), question).await.0, 200);
    assert_eq!(world.server.stop(), 0);
}

#[tokio::test]
async fn a_stream_ends_with_the_token_that_opened_it() {
    let world = World::start().await;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    let token = world.issuer.token(&["cc-analysts"], json!({"exp": now + 2}));
    let url = format!("{}/v1/realtime/sse?dataset=queue_live", world.server.url());
    let answer = world.client.get(url).bearer_auth(token).send().await.expect("answers");
    assert_eq!(answer.status(), 200);
    // Comes back when the server ends the stream, which nothing but the end of the token makes it do.
    let text = answer.text().await.expect("ended in order");
    assert!(text.contains("snapshot"), "{text}");
    let ended = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    assert!(ended >= now + 2, "the stream ended {} s too early", now + 2 - ended);
    assert_eq!(world.server.stop(), 0);
}
