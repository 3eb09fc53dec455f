use std::os::unix::fs::PermissionsExt as _;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use ledgerline_schemas::id::InteractionId;
use ledgerline_schemas::sensitive::SealScheme;

use super::*;

const SAID: Binding = Binding::said(InteractionId::from_u128(77));
const ORG: OrgId = OrgId::from_u128(1);
const OTHER: OrgId = OrgId::from_u128(2);

#[test]
fn a_sealed_value_opens_again_after_reopening_and_only_in_its_organization() {
    let directory = tempfile::tempdir().unwrap();
    let sealed = {
        let ring = KeyRing::open_dir(directory.path()).unwrap();
        let subject = ring.subject_id(ORG, "phone", "+15550100").unwrap();
        ring.seal(ORG, subject, SAID, &"+15550100".to_owned()).unwrap()
    };
    let ring = KeyRing::open_dir(directory.path()).unwrap();
    assert_eq!(ring.open(ORG, SAID, &sealed).unwrap(), "+15550100");
    assert!(matches!(ring.open(OTHER, SAID, &sealed), Err(CryptError::NoKey { .. })));
    let mode = std::fs::metadata(directory.path().join("keys.redb")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn every_changed_bit_of_a_sealed_value_is_noticed() {
    let ring = KeyRing::in_memory().unwrap();
    let sealed = ring.seal(ORG, SubjectId::from_u128(7), SAID, &"secret".to_owned()).unwrap();
    let reseal = |nonce: Vec<u8>, ciphertext: Vec<u8>| {
        Sensitive::<String>::from_parts(sealed.key_id, sealed.scheme, nonce, ciphertext)
    };
    for bit in 0..sealed.ciphertext.0.len() * 8 {
        let mut bytes = sealed.ciphertext.0.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let changed = reseal(sealed.nonce.0.clone(), bytes);
        assert!(matches!(ring.open(ORG, SAID, &changed), Err(CryptError::Damaged { .. })));
    }
    let mut nonce = sealed.nonce.0.clone();
    nonce[0] ^= 1;
    assert!(ring.open(ORG, SAID, &reseal(nonce, sealed.ciphertext.0.clone())).is_err());
    assert!(ring.open(ORG, SAID, &reseal(Vec::new(), sealed.ciphertext.0.clone())).is_err());
    assert!(!sealed.ciphertext.0.windows(6).any(|window| window == b"secret"));
}

#[test]
fn a_sealed_value_opens_in_its_own_place_only() {
    let ring = KeyRing::in_memory().unwrap();
    let here = InteractionId::from_u128(77);
    let (one, two) = (SubjectId::from_u128(7), SubjectId::from_u128(8));
    let sealed = ring.seal(ORG, one, SAID, &"secret".to_owned()).unwrap();
    assert_eq!(sealed.scheme, SealScheme::XChaCha20Poly1305V2);
    let elsewhere = Binding::said(InteractionId::from_u128(78));
    for binding in [elsewhere, Binding::origin(here), Binding::source()] {
        let opened = ring.open(ORG, binding, &sealed);
        assert!(matches!(opened, Err(CryptError::Damaged { .. })), "{binding:?}");
    }
    let other_key = ring.seal(ORG, two, SAID, &String::new()).unwrap().key_id;
    for (key_id, scheme) in
        [(other_key, sealed.scheme), (sealed.key_id, SealScheme::XChaCha20Poly1305V1)]
    {
        let (nonce, ciphertext) = (sealed.nonce.0.clone(), sealed.ciphertext.0.clone());
        let moved = Sensitive::<String>::from_parts(key_id, scheme, nonce, ciphertext);
        assert!(matches!(ring.open(ORG, SAID, &moved), Err(CryptError::Damaged { .. })));
    }
}

/// A key file as the first version wrote it, with a value sealed then.
fn first_version(directory: &Path, key: [u8; 32]) -> Sensitive<String> {
    use redb::TableDefinition;
    let (org, subject, id) = (ORG.uuid().as_u128(), 7_u128, 99_u128);
    let database = redb::Database::create(directory.join("keys.redb")).unwrap();
    let write = database.begin_write().unwrap();
    {
        let keys = TableDefinition::<u128, &[u8]>::new("data_keys_v1");
        let record = [&org.to_be_bytes()[..], &subject.to_be_bytes(), &[0], &key].concat();
        write.open_table(keys).unwrap().insert(id, record.as_slice()).unwrap();
        let subjects = TableDefinition::<(u128, u128), u128>::new("subjects_v1");
        write.open_table(subjects).unwrap().insert((org, subject), id).unwrap();
        let indexes = TableDefinition::<u128, &[u8]>::new("index_keys_v1");
        let index = [&[0][..], &[5; 32]].concat();
        write.open_table(indexes).unwrap().insert(org, index.as_slice()).unwrap();
    }
    write.commit().unwrap();
    let plaintext = rmp_serde::to_vec_named("+15550100").unwrap();
    let associated = [org.to_be_bytes(), id.to_be_bytes()].concat();
    let ciphertext = XChaCha20Poly1305::new(&key.into())
        .encrypt(&XNonce::from([3; 24]), Payload { msg: &plaintext, aad: &associated })
        .unwrap();
    let scheme = SealScheme::XChaCha20Poly1305V1;
    Sensitive::from_parts(KeyId::from_u128(id), scheme, vec![3; 24], ciphertext)
}

/// Every file under a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

fn holds(folder: &Path, needle: &[u8]) -> bool {
    files(folder).iter().any(|file| {
        std::fs::read(file).unwrap().windows(needle.len()).any(|window| window == needle)
    })
}

#[test]
fn plain_keys_of_the_first_version_are_wrapped_on_opening_and_leave_no_trace() {
    let directory = tempfile::tempdir().unwrap();
    let key: [u8; 32] = std::array::from_fn(|index| 0xA0 ^ u8::try_from(index).unwrap());
    let sealed = first_version(directory.path(), key);
    assert!(holds(directory.path(), &key) && holds(directory.path(), &[5; 32]));
    for _ in 0..2 {
        let ring = KeyRing::open_dir(directory.path()).unwrap();
        assert_eq!(ring.open(ORG, SAID, &sealed).unwrap(), "+15550100");
        let again = ring.seal(ORG, SubjectId::from_u128(7), SAID, &"x".to_owned()).unwrap();
        assert_eq!(again.key_id, sealed.key_id);
        let status = ring.status(ORG).unwrap();
        assert_eq!((status.plain, status.data_keys, status.subjects), (0, 1, 1));
    }
    assert!(!holds(directory.path(), &key), "the plain key is still in a file");
    assert!(!holds(directory.path(), &[5; 32]), "the plain index key is still in a file");
}

#[test]
fn destroying_removes_every_generation_of_a_key_from_memory_and_from_every_byte_on_disk() {
    let directory = tempfile::tempdir().unwrap();
    let ring = KeyRing::open_dir(directory.path()).unwrap();
    let subjects: Vec<SubjectId> = (0..40).map(SubjectId::from_u128).collect();
    let seal = |subject: SubjectId| ring.seal(ORG, subject, SAID, &"value".to_owned()).unwrap();
    let first: Vec<_> = subjects.iter().map(|it| seal(*it)).collect();
    let rotated = ring.rotate_subject(ORG, subjects[0]).unwrap();
    let second = seal(subjects[0]);
    assert_eq!(second.key_id, rotated);
    assert_ne!(second.key_id, first[0].key_id);
    assert_eq!(ring.open(ORG, SAID, &first[0]).unwrap(), "value", "older values stay readable");
    let mut records = Vec::new();
    ring.store.each_wrapped(|subject, bytes| records.push((subject, bytes.to_vec()))).unwrap();
    let (gone, kept): (Vec<_>, Vec<_>) =
        records.into_iter().partition(|(subject, _)| subject.uuid().as_u128() < 20);
    assert_eq!((gone.len(), kept.len()), (21, 20));
    assert!(gone.iter().chain(&kept).all(|(_, bytes)| holds(directory.path(), bytes)));

    let destroyed = ring.destroy(ORG, &subjects[..20]).unwrap();
    let ids: BTreeSet<KeyId> = destroyed.iter().map(|(_, id)| *id).collect();
    assert_eq!(ids.len(), 21);
    assert!(ids.contains(&rotated) && ids.contains(&first[0].key_id));
    for (_, bytes) in &gone {
        assert!(!holds(directory.path(), bytes), "a destroyed key is still in a file");
    }
    assert!(kept.iter().all(|(_, bytes)| holds(directory.path(), bytes)));
    for (index, sealed) in first.iter().enumerate() {
        let opened = ring.open(ORG, SAID, sealed);
        match opened {
            Err(CryptError::NoKey { .. }) => assert!(index < 20),
            opened => assert!(index >= 20 && opened.unwrap() == "value"),
        }
    }
    // Who comes back is a new person to the key file.
    let fresh = ring.seal(ORG, subjects[0], SAID, &"back".to_owned()).unwrap();
    assert!(!ids.contains(&fresh.key_id));
    drop(ring);
    let ring = KeyRing::open_dir(directory.path()).unwrap();
    assert!(matches!(ring.open(ORG, SAID, &first[1]), Err(CryptError::NoKey { .. })));
    assert_eq!(ring.open(ORG, SAID, &first[30]).unwrap(), "value");
    assert_eq!(ring.open(ORG, SAID, &fresh).unwrap(), "back");
    assert!(ring.destroy(OTHER, &subjects).unwrap().is_empty(), "another organization's");
    assert_eq!(ring.open(ORG, SAID, &first[30]).unwrap(), "value");
}

#[test]
fn rotating_the_kek_keeps_every_value_readable_and_makes_old_copies_useless() {
    let directory = tempfile::tempdir().unwrap();
    let copy = tempfile::tempdir().unwrap();
    let ring = KeyRing::open_dir(directory.path()).unwrap();
    let subject = SubjectId::from_u128(7);
    let sealed = ring.seal(ORG, subject, SAID, &"value".to_owned()).unwrap();
    let theirs = ring.seal(OTHER, subject, SAID, &"theirs".to_owned()).unwrap();
    let hash = ring.keyed_hash(ORG, b"x").unwrap();
    let before = ring.status(ORG).unwrap();
    std::fs::copy(directory.path().join("keys.redb"), copy.path().join("keys.redb")).unwrap();
    let rotated = ring.rotate_kek(ORG).unwrap();
    assert_eq!(rotated.destroyed, std::slice::from_ref(&before.current));
    assert_eq!(rotated.rewrapped, 2, "one data key, one index key; the other's are not touched");
    let after = ring.status(ORG).unwrap();
    assert_eq!(after.keks, BTreeMap::from([(rotated.kek.clone(), 1)]));
    assert_eq!(ring.status(OTHER).unwrap().data_keys, 1);
    drop(ring);
    let ring = KeyRing::open_dir(directory.path()).unwrap();
    assert_eq!(ring.open(ORG, SAID, &sealed).unwrap(), "value");
    assert_eq!(ring.open(OTHER, SAID, &theirs).unwrap(), "theirs");
    assert_eq!(ring.keyed_hash(ORG, b"x").unwrap(), hash);
    drop(ring);
    let keyring = Arc::new(FileKeyring::in_directory(&directory.path().join(KEK_FOLDER)));
    let error = KeyRing::open_with(copy.path(), keyring).unwrap_err();
    assert!(error.to_string().contains(&before.current.to_string()), "{error}");
}

#[test]
fn an_interrupted_rotation_is_finished_on_opening() {
    let directory = tempfile::tempdir().unwrap();
    let sealed = {
        let ring = KeyRing::open_dir(directory.path()).unwrap();
        ring.seal(ORG, SubjectId::from_u128(7), SAID, &"value".to_owned()).unwrap()
    };
    let folder = directory.path().join(KEK_FOLDER);
    // The new KEK is in force; then the power went.
    let new = FileKeyring::in_directory(&folder).rotate(ORG).unwrap();
    // So did it in the middle of an earlier rewriting.
    std::fs::write(directory.path().join("keys.redb.partial"), [9; 4096]).unwrap();
    let ring = KeyRing::open_dir(directory.path()).unwrap();
    assert_eq!(ring.open(ORG, SAID, &sealed).unwrap(), "value");
    let status = ring.status(ORG).unwrap();
    assert_eq!(status.current, new);
    assert_eq!(status.keks.get(&new), Some(&1));
    assert!(!directory.path().join("keys.redb.partial").exists());
    let rotated = ring.rotate_kek(ORG).unwrap();
    assert_eq!(rotated.destroyed.len(), 2);
    assert_eq!(FileKeyring::in_directory(&folder).keks(ORG).unwrap(), [rotated.kek]);
}

#[test]
fn without_its_kek_a_key_file_is_refused_and_nothing_is_made() {
    let directory = tempfile::tempdir().unwrap();
    {
        let ring = KeyRing::open_dir(directory.path()).unwrap();
        ring.seal(ORG, SubjectId::from_u128(7), SAID, &1_u8).unwrap();
    }
    let elsewhere = directory.path().join("elsewhere");
    let keyring = Arc::new(FileKeyring::in_directory(&elsewhere));
    let error = KeyRing::open_with(directory.path(), keyring).unwrap_err();
    assert!(matches!(error, CryptError::Wrap(kek::WrapError::Missing { .. })), "{error}");
    assert!(!elsewhere.exists(), "a keyring in the wrong place must not be begun");
}

#[test]
fn hashes_of_what_a_person_said_end_with_the_key() {
    let ring = KeyRing::in_memory().unwrap();
    let (one, two) = (SubjectId::from_u128(7), SubjectId::from_u128(8));
    let hash = |subject, text: &[u8]| ring.subject_hash(ORG, subject, text).unwrap();
    let before = hash(one, b"1234");
    assert_eq!(before, hash(one, b"1234"));
    assert_ne!(before, hash(one, b"1235"));
    assert_ne!(before, hash(two, b"1234"));
    ring.destroy(ORG, &[one]).unwrap();
    assert_ne!(before, hash(one, b"1234"), "a guess can no longer be tested");
}

#[test]
fn a_key_that_is_destroyed_while_it_is_read_does_not_come_back() {
    let ring = KeyRing::in_memory().unwrap();
    let subject = SubjectId::from_u128(7);
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                    let sealed = ring.seal(ORG, subject, SAID, &1_u8).unwrap();
                    match ring.open(ORG, SAID, &sealed) {
                        Ok(1) | Err(CryptError::NoKey { .. }) => {}
                        opened => panic!("{opened:?}"),
                    }
                }
            });
        }
        for _ in 0..50 {
            let sealed = ring.seal(ORG, subject, SAID, &2_u8).unwrap();
            ring.destroy(ORG, &[subject]).unwrap();
            let opened = ring.open(ORG, SAID, &sealed);
            assert!(matches!(opened, Err(CryptError::NoKey { .. })), "{opened:?}");
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
    });
}

#[test]
fn subjects_are_stable_within_an_organization_and_differ_between_them() {
    let ring = KeyRing::in_memory().unwrap();
    let subject = |org, kind, value| ring.subject_id(org, kind, value).unwrap();
    assert_eq!(subject(ORG, "phone", "1"), subject(ORG, "phone", "1"));
    assert_ne!(subject(ORG, "phone", "1"), subject(OTHER, "phone", "1"));
    assert_ne!(subject(ORG, "phone", "1"), subject(ORG, "email", "1"));
    assert_ne!(ring.keyed_hash(ORG, b"1").unwrap(), ring.keyed_hash(OTHER, b"1").unwrap());
}

#[test]
fn one_subject_has_one_key_however_it_is_asked_for() {
    let ring = KeyRing::in_memory().unwrap();
    let subjects: Vec<SubjectId> = (0..50).map(SubjectId::from_u128).collect();
    let first = ring.seal(ORG, subjects[3], SAID, &1_u8).unwrap();
    ring.prepare(ORG, subjects.iter().copied()).unwrap();
    assert_eq!(ring.seal(ORG, subjects[3], SAID, &2_u8).unwrap().key_id, first.key_id);
    let ids: BTreeSet<KeyId> =
        subjects.iter().map(|it| ring.seal(ORG, *it, SAID, &0_u8).unwrap().key_id).collect();
    assert_eq!(ids.len(), subjects.len());
    let keys: Vec<KeyId> = std::thread::scope(|scope| {
        let racers: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| ring.seal(OTHER, subjects[0], SAID, &0_u8).unwrap().key_id))
            .collect();
        racers.into_iter().map(|racer| racer.join().unwrap()).collect()
    });
    assert!(keys.iter().all(|key| *key == keys[0]));
}

#[test]
fn a_second_opening_is_refused_by_name() {
    let directory = tempfile::tempdir().unwrap();
    let _first = KeyRing::open_dir(directory.path()).unwrap();
    let error = KeyRing::open_dir(directory.path()).unwrap_err();
    assert!(matches!(error, CryptError::Locked { .. }));
    assert!(error.to_string().contains("keys.redb"));
}
