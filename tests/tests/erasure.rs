//! 100 persons with values that can be recognized use a serving process; half of them are erased. Then every
//! byte of the data directory and of the process's log output is searched, and everything sealed is opened
//! with all keys there are.

#![allow(clippy::expect_used, reason = "a test helper that cannot go on should fail the test")]

mod center;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use center::{Center, leave, org, sealed};
use ledgerline_event_store::crypt::at_rest::StorageKeys;
use ledgerline_event_store::crypt::{CryptError, KeyRing};
use ledgerline_schemas::id::{InteractionId, SubjectId};
use ledgerline_tests::{run, succeed};
use serde_json::json;

/// Begins every telephone number of a person.
const NUMBERS: &str = "+888417";
/// Is in every name and text of a person.
const WORDS: &str = "zqcanaryqz";

fn number(person: usize) -> String {
    format!("{NUMBERS}{person:06}")
}

/// Every file under a folder that holds these bytes, and how many files were looked at.
fn holding(folder: &Path, needle: &[u8]) -> (Vec<PathBuf>, usize) {
    let (mut found, mut seen) = (Vec::new(), 0);
    for entry in std::fs::read_dir(folder).expect("folder") {
        let path = entry.expect("entry").path();
        if path.is_dir() {
            let (below, files) = holding(&path, needle);
            found.extend(below);
            seen += files;
        } else {
            seen += 1;
            let bytes = std::fs::read(&path).expect("file");
            let first = needle[0];
            let holds = bytes
                .iter()
                .enumerate()
                .any(|(at, byte)| *byte == first && bytes[at..].starts_with(needle));
            if holds {
                found.push(path);
            }
        }
    }
    (found, seen)
}

/// Neither the marks of the persons nor their base64 forms are anywhere under the folder.
fn assert_no_plaintext(folder: &Path) {
    use base64_of::forms;
    // The search finds what is there: a line in the output; an event's type in a segment, or the head of an
    // encrypted one.
    let encrypted = !holding(folder, b"LLVEIL").0.is_empty();
    let in_segments = if encrypted { "LLVEIL" } else { "erasure.completed" };
    for known in ["a person was erased", in_segments] {
        assert!(!holding(folder, known.as_bytes()).0.is_empty(), "{known:?} was not found");
    }
    for mark in [&NUMBERS[1..], WORDS] {
        let mut needles = vec![mark.as_bytes().to_vec(), mark.to_uppercase().into_bytes()];
        needles.push(mark.encode_utf16().flat_map(u16::to_le_bytes).collect());
        needles.extend(forms(mark.as_bytes()));
        for needle in needles {
            let (found, seen) = holding(folder, &needle);
            assert!(seen > 10, "only {seen} files were searched");
            assert!(found.is_empty(), "{:?} is in {found:?}", String::from_utf8_lossy(&needle));
        }
    }
}

/// What of a text shows in base64 whatever stands before it.
mod base64_of {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    pub(super) fn forms(text: &[u8]) -> Vec<Vec<u8>> {
        (0..3)
            .map(|skip| {
                let whole = text[skip..].chunks_exact(3);
                whole
                    .flat_map(|three| {
                        let bits =
                            three.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte));
                        [18, 12, 6, 0].map(|shift| LETTERS[(bits >> shift & 63) as usize])
                    })
                    .collect()
            })
            .collect()
    }
}

#[tokio::test]
async fn erased_persons_are_gone_from_every_byte_and_the_others_are_not() {
    erase_half(50, false).await;
}

#[tokio::test]
async fn they_are_gone_from_an_encrypted_directory_as_well() {
    erase_half(6, true).await;
}

/// So many persons call and as many chat; the first half of them is erased.
async fn erase_half(each: usize, at_rest: bool) {
    let folder = tempfile::tempdir().expect("folder");
    let config = folder.path().join("ledgerline.toml");
    std::fs::write(&config, format!("[encryption]\nat_rest = {at_rest}\n")).expect("written");
    let center = Center::start(folder.path(), Some(&config)).await;
    let mut chats = Vec::new();
    for person in 0..each {
        center.call(&number(person), &format!("call-{person}")).await;
        let lines = [format!("I am {WORDS}-{person}"), format!("{WORDS} again, {person}")];
        let (id, socket) = center.chat(&format!("{WORDS} {person}"), &lines).await;
        if person == 0 {
            // While the conversation is open its text is in use.
            let body = json!({"kind": "chat", "value": id.to_string(), "reason": "asked"});
            let (status, problem) = center.erase(body).await;
            assert_eq!(status, 409, "{problem}");
            assert!(problem["detail"].as_str().is_some_and(|it| it.contains(&id.to_string())));
        }
        leave(socket).await;
        chats.push(id);
    }
    center.until("interaction.ended", 2 * each as u64).await;

    // Who may, and what is refused.
    let (first, reason) = (number(0), "request of 2026-11-20");
    for roles in ["auditor", "supervisor", "analyst", "integrator"] {
        let token = Center::token(&center.data, roles);
        let body = json!({"phone": first, "reason": reason});
        let (status, problem) = center.post(&token, "/v1/privacy/erasures", body).await;
        assert_eq!(status, 403, "{roles}: {problem}");
    }
    assert_eq!(center.count("access.denied").await, 4, "who tried is on record");
    let refused = json!({"phone": first, "reason": format!("asked by {first}")});
    assert_eq!(center.erase(refused).await.0, 422);
    assert_eq!(center.erase(json!({"phone": first})).await.0, 422);
    assert_eq!(center.erase(json!({"reason": reason})).await.0, 422);
    let unknown = json!({"phone": "+1999", "reason": reason});
    assert_eq!(center.erase(unknown).await.0, 404);
    let (status, report) =
        center.erase(json!({"phone": first, "reason": reason, "dryRun": true})).await;
    assert_eq!((status, report["position"].as_u64()), (200, Some(0)), "{report}");
    assert_eq!(center.count("erasure.requested").await, 0);

    // The callers by the running server, the number written in another way.
    for person in 0..each / 2 {
        let written = format!("00{} ", &number(person)[1..]).replace("888", "888-");
        let (status, report) = center.erase(json!({"phone": written, "reason": reason})).await;
        assert_eq!(status, 200, "{report}");
        assert_eq!(report["erased"].as_array().map(Vec::len), Some(1), "{report}");
    }
    assert_eq!(center.erase(json!({"phone": first, "reason": reason})).await.0, 404, "gone");
    // One of them calls again.
    center.call(&first, "call-again").await;
    center.until("interaction.ended", 2 * each as u64 + 1).await;
    let data = center.stop();
    let directory = data.to_string_lossy().into_owned();

    // A checkpoint from before goes to somebody outside.
    let checkpoint = folder.path().join("outside-checkpoint.txt");
    let signed = succeed(&["audit", "checkpoint", "--data", &directory]);
    std::fs::write(&checkpoint, signed).expect("written");

    // The chats on the command line.
    for (person, chat) in chats.iter().take(each / 2).enumerate() {
        let id = chat.to_string();
        let named = ["erase-subject", "--data", &directory, "--kind", "chat", "--value", &id];
        let mut arguments = named.to_vec();
        arguments.extend(["--reason", reason]);
        if person == 0 {
            let mut dry = arguments.clone();
            dry.push("--dry-run");
            assert!(succeed(&dry).contains("would destroy key"));
            assert_eq!(run(&named).code, 2, "a reason is needed");
        }
        let said = succeed(&arguments);
        assert!(said.contains("destroyed key") && said.contains("recorded as request"), "{said}");
    }

    assert_no_plaintext(folder.path());
    let keys = KeyRing::open_dir(&data).expect("keys");
    let phone = |person: usize| keys.subject_id(org(), "phone", &number(person)).expect("subject");
    let chat =
        |id: &InteractionId| keys.subject_id(org(), "chat", &id.to_string()).expect("subject");
    let erased: BTreeSet<SubjectId> =
        (0..each / 2).map(phone).chain(chats.iter().take(each / 2).map(chat)).collect();
    let mut opened: BTreeMap<SubjectId, Vec<String>> = BTreeMap::new();
    let mut gone: BTreeMap<SubjectId, usize> = BTreeMap::new();
    let storage = at_rest.then(|| StorageKeys::new(keys.clone(), org(), true));
    for (subject, binding, value) in sealed(&data, storage) {
        match keys.open(org(), binding, &value) {
            Ok(text) => opened.entry(subject).or_default().push(text),
            Err(CryptError::NoKey { .. }) => *gone.entry(subject).or_default() += 1,
            Err(error) => panic!("{subject}: {error}"),
        }
    }
    assert_eq!(gone.keys().copied().collect::<BTreeSet<_>>(), erased);
    for (person, interaction) in chats.iter().enumerate() {
        let (caller, chatter) = (phone(person), chat(interaction));
        if person < each / 2 {
            assert_eq!((gone[&caller], gone[&chatter]), (1, 3), "person {person}");
            assert!(!opened.contains_key(&chatter));
        } else {
            assert_eq!(opened[&caller], [number(person)]);
            assert_eq!(opened[&chatter].len(), 3);
            assert!(opened[&chatter].iter().all(|text| text.contains(WORDS)));
        }
    }
    assert_eq!(opened[&phone(0)], [number(0)], "who calls again is a new person");
    drop(keys);

    // Nothing of it shows in an export, and log and tables are what they were.
    let events =
        succeed(&["sql", "--data", &directory, "--format", "csv", "select * from event_log"]);
    assert!(events.contains("erasure.completed") && events.contains(reason));
    assert!(!events.contains(&NUMBERS[1..]) && !events.contains(WORDS));
    assert!(succeed(&["verify", "--data", &directory]).contains("log verified"));
    let outside = checkpoint.to_string_lossy();
    let _ = succeed(&["audit", "verify", "--data", &directory, "--checkpoint", &outside]);
    let said = succeed(&["rebuild", "--data", &directory]);
    assert!(!said.contains("DIFFERS") && said.contains("identical"), "{said}");
    assert_no_plaintext(folder.path());
}

#[tokio::test]
async fn keys_are_rotated_and_may_be_kept_elsewhere() {
    let folder = tempfile::tempdir().expect("folder");
    let elsewhere = folder.path().join("elsewhere");
    let config = folder.path().join("ledgerline.toml");
    let text = format!("[keys]\nkek_folder = \"{}\"\n", elsewhere.display());
    std::fs::write(&config, text).expect("written");
    let center = Center::start(folder.path(), Some(&config)).await;
    center.call(&number(1), "call-1").await;
    center.until("interaction.ended", 1).await;
    let data = center.stop();
    let directory = data.to_string_lossy().into_owned();
    assert!(!data.join("kek").exists() && elsewhere.is_dir());
    let list = || succeed(&["keys", "list", "--data", &directory]);
    let before = list();
    assert!(before.contains(&*elsewhere.to_string_lossy()) && before.contains("1 data keys of 1"));
    let said = succeed(&["keys", "rotate-kek", "--data", &directory]);
    assert!(said.contains("in force") && said.contains("destroyed"), "{said}");
    let phone = number(1);
    let said = succeed(&["keys", "rotate", "--data", &directory, "--phone", &phone]);
    assert!(said.contains("new values are sealed with key"), "{said}");
    let after = list();
    assert!(after.contains("2 data keys of 1 persons"), "{after}");
    assert_ne!(before, after);
    let sealed = sealed(&data, None);
    assert_eq!(sealed.len(), 1);
    let refused = KeyRing::open_dir(&data).expect_err("the KEK is elsewhere");
    assert!(matches!(refused, CryptError::Wrap(_)), "{refused}");
    let unknown = run(&["keys", "rotate", "--data", &directory, "--phone", "+1999"]);
    assert_eq!(unknown.code, 65, "{}", unknown.err);
}
