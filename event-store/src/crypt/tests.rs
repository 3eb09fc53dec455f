use std::os::unix::fs::PermissionsExt as _;

use super::*;

const ORG: OrgId = OrgId::from_u128(1);
const OTHER: OrgId = OrgId::from_u128(2);

#[test]
fn a_sealed_value_opens_again_after_reopening_and_only_in_its_organization() {
    let directory = tempfile::tempdir().unwrap();
    let sealed = {
        let ring = KeyRing::open_dir(directory.path()).unwrap();
        let subject = ring.subject_id(ORG, "phone", "+15550100").unwrap();
        ring.seal(ORG, subject, &"+15550100".to_owned()).unwrap()
    };
    let ring = KeyRing::open_dir(directory.path()).unwrap();
    assert_eq!(ring.open(ORG, &sealed).unwrap(), "+15550100");
    assert!(matches!(ring.open(OTHER, &sealed), Err(CryptError::NoKey { .. })));
    let mode = std::fs::metadata(directory.path().join("keys.redb")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn every_changed_bit_of_a_sealed_value_is_noticed() {
    let ring = KeyRing::in_memory().unwrap();
    let sealed = ring.seal(ORG, SubjectId::from_u128(7), &"secret".to_owned()).unwrap();
    let reseal = |nonce: Vec<u8>, ciphertext: Vec<u8>| {
        Sensitive::<String>::from_parts(sealed.key_id, sealed.scheme, nonce, ciphertext)
    };
    for bit in 0..sealed.ciphertext.0.len() * 8 {
        let mut bytes = sealed.ciphertext.0.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let changed = reseal(sealed.nonce.0.clone(), bytes);
        assert!(matches!(ring.open(ORG, &changed), Err(CryptError::Damaged { .. })));
    }
    let mut nonce = sealed.nonce.0.clone();
    nonce[0] ^= 1;
    assert!(ring.open(ORG, &reseal(nonce, sealed.ciphertext.0.clone())).is_err());
    assert!(ring.open(ORG, &reseal(Vec::new(), sealed.ciphertext.0.clone())).is_err());
    assert!(!sealed.ciphertext.0.windows(6).any(|window| window == b"secret"));
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
    let first = ring.seal(ORG, subjects[3], &1_u8).unwrap();
    ring.prepare(ORG, subjects.iter().copied()).unwrap();
    assert_eq!(ring.seal(ORG, subjects[3], &2_u8).unwrap().key_id, first.key_id);
    let ids: std::collections::BTreeSet<KeyId> =
        subjects.iter().map(|it| ring.seal(ORG, *it, &0_u8).unwrap().key_id).collect();
    assert_eq!(ids.len(), subjects.len());
    let keys: Vec<KeyId> = std::thread::scope(|scope| {
        let racers: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| ring.seal(OTHER, subjects[0], &0_u8).unwrap().key_id))
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
