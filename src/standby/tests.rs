//! A door and a copier, in one process: what is copied, what is refused.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;

use ledgerline_event_store::crypt::kek::FileKeyring;
use ledgerline_event_store::crypt::{Binding, CryptError};
use ledgerline_schemas::Sensitive;
use ledgerline_schemas::id::SubjectId;
use tempfile::TempDir;
use tokio::sync::watch;

use super::*;
use crate::engine::Engine;

const ORG: OrgId = OrgId::from_u128(1);
const SECRET: &str = "a-secret-of-forty-characters-for-the-test";

/// A data directory with keys, one of several under the same KEKs.
struct Side {
    folder: TempDir,
    data: DataDir,
    keys: KeyRing,
}

impl Side {
    fn new(keks: &TempDir) -> Self {
        let folder = tempfile::tempdir().expect("folder");
        let data = DataDir::create(&folder.path().join("data"), false).expect("made");
        let keyring = Arc::new(FileKeyring::in_directory(keks.path()));
        let keys = KeyRing::open_with(data.root(), keyring).expect("opens");
        Self { folder, data, keys }
    }

    fn put(&self, name: &str, content: &str) {
        fs::write(self.data.root().join(name), content).expect("written");
    }

    fn door(&self, epoch: u64) -> Door {
        self.put(KEY_FILE, "the key of tokens");
        self.put(USERS_FILE, "users");
        let epochs = BTreeMap::from([(ORG, epoch)]);
        let feed = self.keys.feed(Duration::from_secs(60), epochs).expect("the first");
        let any = "127.0.0.1:0".parse().expect("an address");
        Door::open(any, SECRET, &self.data, &self.keys, ORG, feed).expect("opens")
    }

    fn copier(&self, door: &Door, secret: &str) -> Copier {
        let path = self.folder.path().join("secret");
        fs::write(&path, secret).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("changed");
        let settings = Engine {
            keys_from: vec![format!("http://{}", door.address)],
            keys_token_file: Some(path),
            ..Engine::default()
        };
        Copier::start(&settings, &self.data, &self.keys, Vec::new()).expect("starts")
    }

    fn seal(&self, person: u128) -> Sensitive<String> {
        let person = SubjectId::from_u128(person);
        self.keys.seal(ORG, person, Binding::source(), &"said".to_owned()).expect("sealed")
    }

    fn opens(&self, value: &Sensitive<String>) -> bool {
        match self.keys.open(ORG, Binding::source(), value) {
            Ok(text) => text == "said",
            Err(CryptError::NoKey { .. }) => false,
            Err(error) => panic!("{error}"),
        }
    }
}

async fn until(standing: &mut watch::Receiver<Standing>, wanted: impl Fn(&Standing) -> bool) {
    let waiting = standing.wait_for(|standing| wanted(standing));
    let waited = tokio::time::timeout(Duration::from_secs(60), waiting).await;
    assert!(waited.is_ok_and(|found| found.is_ok()), "it did not come");
}

// Sealing blocks its thread: the copier, in life another process, needs one of its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_and_files_come_and_new_ones_are_there_before_they_are_used() {
    let keks = tempfile::tempdir().expect("KEKs");
    let (leader, standby) = (Side::new(&keks), Side::new(&keks));
    let before = leader.seal(1);
    let door = leader.door(7);
    let copier = standby.copier(&door, SECRET);
    let mut standing = copier.watch();
    until(&mut standing, |it| it.connected && it.epochs.get(&ORG) == Some(&7)).await;
    assert!(standby.opens(&before));
    for (name, content) in [(KEY_FILE, "the key of tokens"), (USERS_FILE, "users")] {
        let path = standby.data.root().join(name);
        assert_eq!(fs::read_to_string(&path).expect("reads"), content);
        assert_eq!(fs::metadata(&path).expect("is there").permissions().mode() & 0o777, 0o600);
    }
    // Once it is in step, what is sealed on any thread, this one included, opens there at once.
    let mut person = 1;
    let began = std::time::Instant::now();
    loop {
        person += 1;
        let value = leader.seal(person);
        if standby.opens(&value) {
            break;
        }
        assert!(began.elapsed() < Duration::from_secs(60), "it is never in step");
        tokio::task::yield_now().await;
    }
    for person in 1_000..1_020 {
        let value = leader.seal(person);
        assert!(standby.opens(&value), "person {person}");
    }
    assert_eq!(Until::of(&standby.data).epochs().expect("reads"), BTreeMap::from([(ORG, 7)]));
    let standing = copier.stop().await;
    assert!(standing.copied);
    door.close();
}

#[tokio::test]
async fn without_the_secret_or_from_who_led_before_nothing_is_taken() {
    let keks = tempfile::tempdir().expect("KEKs");
    let (leader, standby) = (Side::new(&keks), Side::new(&keks));
    let value = leader.seal(1);
    let door = leader.door(3);
    let url = format!("http://{}{PATH}?standby={}&wait_ms=0", door.address, uuid::Uuid::nil());
    let client = reqwest::Client::new();
    for secret in ["", "x", &SECRET[1..], &SECRET.to_uppercase()] {
        let answer = client.get(&url).bearer_auth(secret).send().await.expect("answers");
        assert_eq!(answer.status(), 401, "{secret}");
        assert!(answer.bytes().await.expect("an answer").is_empty());
    }
    assert_eq!(client.get(&url).send().await.expect("answers").status(), 401);
    assert_eq!(client.get(&url).bearer_auth(SECRET).send().await.expect("answers").status(), 200);
    // The standby had the keys of a later leader.
    Until::of(&standby.data).set(&BTreeMap::from([(ORG, 4)])).expect("remembered");
    let copier = standby.copier(&door, SECRET);
    // It has asked: the feed knows of it, or did.
    let asked = client.get(&url).bearer_auth(SECRET).send().await.expect("answers");
    assert!(asked.status().is_success());
    let standing = copier.stop().await;
    assert!(!standing.copied && !standby.opens(&value));
    assert_eq!(Until::of(&standby.data).epochs().expect("reads"), BTreeMap::from([(ORG, 4)]));
    door.close();
}

#[test]
fn a_secret_must_be_long_and_its_owners_alone() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("secret");
    let mode =
        |mode| fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("changed");
    assert!(token(&path).is_err(), "there is none");
    fs::write(&path, format!("{SECRET}\n")).expect("written");
    mode(0o640);
    assert!(token(&path).expect_err("exposed").to_string().contains("chmod 600"));
    mode(0o600);
    assert_eq!(token(&path).expect("a secret"), SECRET);
    for bad in ["short", &"with space ".repeat(9), ""] {
        fs::write(&path, bad).expect("written");
        assert!(token(&path).is_err(), "{bad:?}");
    }
}
