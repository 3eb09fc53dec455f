//! An issuer in memory: keys made for the test, documents that can change, and a clock that is set by hand.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use ledgerline_access::oidc::fetch::Url;
use ledgerline_access::oidc::{
    FetchError, Fetching, KeyFetcher, OrganizationRule, Provider, ProviderSettings, RoleRule,
    SignatureAlgorithm, UserRule,
};
use ledgerline_access::{AccessError, Clock, Role, TokenIssuer, Verified, Verifier};
use ledgerline_schemas::id::OrgId;
use rsa::pkcs1::EncodeRsaPrivateKey as _;
use rsa::traits::PublicKeyParts as _;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::Semaphore;

pub const NOW: u64 = 1_800_000_000;
pub const ISSUER: &str = "https://id.example.com/realms/main";
pub const DISCOVERY: &str = "https://id.example.com/realms/main/.well-known/openid-configuration";
pub const JWKS: &str = "https://id.example.com/keys";
pub const ORG_A: OrgId = OrgId::from_u128(0xA);
pub const ORG_B: OrgId = OrgId::from_u128(0xB);

/// A key that signs, and its published half.
pub struct SigningKey {
    pub kid: String,
    pub algorithm: Algorithm,
    pub encoding: EncodingKey,
    pub public: Value,
}

pub fn base64url(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

pub fn rsa_key(kid: &str, bits: usize) -> SigningKey {
    let private = rsa::RsaPrivateKey::new(&mut rsa::rand_core::OsRng, bits).unwrap();
    let (n, e) = (private.n().to_bytes_be(), private.e().to_bytes_be());
    SigningKey {
        kid: kid.to_owned(),
        algorithm: Algorithm::RS256,
        encoding: EncodingKey::from_rsa_der(private.to_pkcs1_der().unwrap().as_bytes()),
        public: json!({"kty": "RSA", "kid": kid, "use": "sig", "alg": "RS256",
                       "n": base64url(&n), "e": base64url(&e)}),
    }
}

pub fn ec_key(kid: &str) -> SigningKey {
    let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    let point = pair.public_key_raw();
    let (x, y) = point.strip_prefix(&[4]).unwrap().split_at(32);
    SigningKey {
        kid: kid.to_owned(),
        algorithm: Algorithm::ES256,
        encoding: EncodingKey::from_ec_der(&pair.serialize_der()),
        public: json!({"kty": "EC", "crv": "P-256", "kid": kid, "use": "sig",
                       "x": base64url(x), "y": base64url(y)}),
    }
}

pub fn ed_key(kid: &str) -> SigningKey {
    let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    SigningKey {
        kid: kid.to_owned(),
        algorithm: Algorithm::EdDSA,
        encoding: EncodingKey::from_ed_der(&pair.serialize_der()),
        public: json!({"kty": "OKP", "crv": "Ed25519", "kid": kid,
                       "x": base64url(pair.public_key_raw())}),
    }
}

impl SigningKey {
    pub fn header(&self) -> Header {
        Header { kid: Some(self.kid.clone()), ..Header::new(self.algorithm) }
    }

    pub fn sign(&self, claims: &Value) -> String {
        self.sign_with(&self.header(), claims)
    }

    pub fn sign_with(&self, header: &Header, claims: &Value) -> String {
        jsonwebtoken::encode(header, claims, &self.encoding).unwrap()
    }
}

/// Good claims.
pub fn claims() -> Value {
    json!({"iss": ISSUER, "aud": "ledgerline", "sub": "u-17", "iat": NOW, "exp": NOW + 600,
           "groups": ["cc-analysts"]})
}

/// [`claims`] with one of them changed; `null` takes it away.
pub fn with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    let object = claims.as_object_mut().unwrap();
    if value.is_null() {
        object.remove(name);
    } else {
        object.insert(name.to_owned(), value);
    }
    claims
}

/// What an issuer says at its addresses, and what it was asked.
#[derive(Debug)]
pub struct Documents {
    bodies: Mutex<BTreeMap<String, Vec<u8>>>,
    asked: Mutex<Vec<String>>,
    down: AtomicU64,
    gate: Semaphore,
}

impl KeyFetcher for Documents {
    fn fetch<'a>(&'a self, url: &'a Url, _: usize) -> Fetching<'a> {
        Box::pin(async move {
            self.asked.lock().unwrap().push(url.to_string());
            let _passed = self.gate.acquire().await.unwrap();
            if self.down.load(Ordering::Relaxed) != 0 {
                return Err(FetchError("connection refused".to_owned()));
            }
            let bodies = self.bodies.lock().unwrap();
            bodies.get(url.as_str()).cloned().ok_or_else(|| FetchError("answered 404".to_owned()))
        })
    }
}

impl Documents {
    pub fn say(&self, address: &str, body: impl Into<Vec<u8>>) {
        self.bodies.lock().unwrap().insert(address.to_owned(), body.into());
    }

    pub fn publish(&self, keys: &[&SigningKey]) {
        let keys: Vec<&Value> = keys.iter().map(|key| &key.public).collect();
        self.say(JWKS, json!({ "keys": keys }).to_string());
    }

    pub fn go_down(&self, down: bool) {
        self.down.store(u64::from(down), Ordering::Relaxed);
    }

    /// Questions wait until the gate is opened again.
    pub async fn close_gate(&self) {
        self.gate.acquire_many(GATE).await.unwrap().forget();
    }

    pub fn open_gate(&self) {
        self.gate.add_permits(GATE as usize);
    }

    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    /// How often the key set was asked for.
    pub fn asked_for_keys(&self) -> usize {
        self.asked().iter().filter(|address| *address == JWKS).count()
    }
}

const GATE: u32 = 1_000;

/// A verifier, the issuer it trusts beside the built-in one, and the time.
pub struct World {
    pub documents: Arc<Documents>,
    pub verifier: Verifier,
    pub built_in: TokenIssuer,
    now: Arc<AtomicU64>,
    _dir: TempDir,
}

pub fn settings() -> ProviderSettings {
    ProviderSettings {
        issuer: ISSUER.to_owned(),
        audiences: vec!["ledgerline".to_owned(), "https://cc.example.com".to_owned()],
        jwks_uri: None,
        ca_certificates: None,
        algorithms: SignatureAlgorithm::ALL.into(),
        clock_skew_s: 30,
        refresh_s: 300,
        keep_s: 3_600,
        subject_claim: "sub".to_owned(),
        subject_prefix: String::new(),
        organization: OrganizationRule {
            name: Some("a".to_owned()),
            ..OrganizationRule::default()
        },
        roles: RoleRule {
            claim: "groups".to_owned(),
            values: BTreeMap::from([
                ("cc-analysts".to_owned(), [Role::Analyst].into()),
                ("cc-leads".to_owned(), [Role::Supervisor, Role::Auditor].into()),
            ]),
        },
        user: Some(UserRule {
            claim: "preferred_username".to_owned(),
            by: ledgerline_access::oidc::UserBy::Name,
        }),
    }
}

pub fn organizations() -> BTreeMap<String, OrgId> {
    BTreeMap::from([("a".to_owned(), ORG_A), ("b".to_owned(), ORG_B)])
}

impl World {
    pub fn new() -> Self {
        Self::with(settings())
    }

    pub fn with(settings: ProviderSettings) -> Self {
        let documents = Arc::new(Documents {
            bodies: Mutex::default(),
            asked: Mutex::default(),
            down: AtomicU64::new(0),
            gate: Semaphore::new(GATE as usize),
        });
        documents.say(DISCOVERY, json!({"issuer": ISSUER, "jwks_uri": JWKS}).to_string());
        let now = Arc::new(AtomicU64::new(NOW));
        let read = Arc::clone(&now);
        let clock: Clock = Arc::new(move || read.load(Ordering::Relaxed));
        let dir = tempfile::tempdir().unwrap();
        let built_in = TokenIssuer::open_with_clock(dir.path(), Arc::clone(&clock)).unwrap();
        let provider =
            Provider::new(&settings, &organizations(), Arc::clone(&documents) as _, clock).unwrap();
        let verifier = Verifier::new(built_in.clone(), vec![provider]);
        Self { documents, verifier, built_in, now, _dir: dir }
    }

    /// A world whose issuer publishes these keys.
    pub fn publishing(keys: &[&SigningKey]) -> Self {
        let world = Self::new();
        world.documents.publish(keys);
        world
    }

    pub fn set_time(&self, now: u64) {
        self.now.store(now, Ordering::Relaxed);
    }

    pub fn pass(&self, seconds: u64) {
        self.now.fetch_add(seconds, Ordering::Relaxed);
    }

    pub async fn verify(&self, token: &str) -> Result<Verified, AccessError> {
        self.verifier.verify(token).await
    }

    pub async fn refused(&self, token: &str) -> AccessError {
        match self.verify(token).await {
            Ok(verified) => panic!("let in: {verified:?}"),
            Err(error) => error,
        }
    }
}
