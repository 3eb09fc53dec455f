use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

const ORG: OrgId = OrgId::from_u128(1);
const PLACE: &str = "tables/queue_leg/0-1.parquet";
/// Chunk lengths that matter: none, one byte, one chunk and its neighbours, several.
const LENGTHS: [usize; 7] = [0, 1, 65_535, 65_536, 65_537, 131_072, 200_000];

fn keys() -> StorageKeys {
    StorageKeys::new(KeyRing::in_memory().unwrap(), ORG, true)
}

fn content(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at * 31 % 251) as u8).collect()
}

fn sealed(keys: &StorageKeys, plain: &[u8]) -> Vec<u8> {
    keys.seal(PLACE, plain.to_vec()).unwrap().bytes
}

#[test]
fn what_was_sealed_opens_again_and_shows_nothing() {
    let keys = keys();
    for length in LENGTHS {
        let plain = content(length);
        let stored = keys.seal(PLACE, plain.clone()).unwrap();
        let handle = stored.sealed.unwrap();
        assert_eq!(handle.sealed_bytes(), stored.bytes.len() as u64);
        assert_eq!(keys.open_whole(PLACE, stored.bytes.clone()).unwrap(), plain, "{length}");
        if length > 100 {
            assert!(!stored.bytes.windows(24).any(|window| window == &plain[40..64]));
        }
        assert_ne!(sealed(&keys, &plain), stored.bytes, "every file has a key of its own");
    }
}

proptest! {
    #[test]
    fn every_range_opens_by_itself(length in 0_usize..300_000, from in 0_u64..310_000, bytes in 0_u64..150_000) {
        let keys = StorageKeys::fixed(ORG, true).unwrap();
        let plain = content(length);
        let stored = sealed(&keys, &plain);
        let head = &stored[..SEALED_HEAD_BYTES];
        let handle = keys.open(PLACE, head, stored.len() as u64).unwrap().unwrap();
        let range = from..from + bytes;
        let read = handle.stored_range(&range);
        let read = stored[read.start as usize..read.end as usize].to_vec();
        let clamp = |at: u64| (at as usize).min(length);
        let expected = &plain[clamp(range.start)..clamp(range.end)];
        prop_assert_eq!(handle.open_range(&range, read).unwrap(), expected);
    }
}

#[test]
fn every_flipped_bit_is_noticed() {
    let keys = StorageKeys::fixed(ORG, true).unwrap();
    let good = sealed(&keys, b"canary");
    for bit in 0..good.len() * 8 {
        let mut bytes = good.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        match keys.open_whole(PLACE, bytes.clone()) {
            Err(_) => {}
            // Without its first eight bytes it is no encrypted file; as it stands nobody takes it for
            // anything else either.
            Ok(opened) => assert!(bit < 64 && opened == bytes, "bit {bit}"),
        }
    }
}

#[test]
fn chunks_that_are_missing_moved_or_cut_off_are_noticed() {
    let keys = keys();
    let plain = content(200_000);
    let stored = keys.seal(PLACE, plain.clone()).unwrap();
    let (good, key_id) = (stored.bytes, stored.sealed.unwrap().key_id());
    let chunk = 65_536 + 16;
    let at = |number: usize| SEALED_HEAD_BYTES + number * chunk;
    let mut swapped = good.clone();
    swapped.copy_within(at(1)..at(2), at(0));
    swapped[at(1)..at(2)].copy_from_slice(&good[at(0)..at(1)]);
    let error = keys.open_whole(PLACE, swapped).unwrap_err();
    assert!(matches!(error, FileCipherError::Damaged { chunk: 0, .. }), "{error}");
    assert!(error.to_string().contains(&key_id.to_string()), "{error}");
    for end in [SEALED_HEAD_BYTES - 1, SEALED_HEAD_BYTES, at(1), at(3), good.len() - 1] {
        assert!(keys.open_whole(PLACE, good[..end].to_vec()).is_err(), "cut at {end}");
    }
    // Cut behind a whole chunk, that chunk is not the last one.
    let error = keys.open_whole(PLACE, good[..at(3)].to_vec()).unwrap_err();
    assert!(matches!(error, FileCipherError::Damaged { chunk: 2, .. }), "{error}");
    let mut longer = good.clone();
    longer.push(0);
    assert!(keys.open_whole(PLACE, longer).is_err());
    let handle = keys.open(PLACE, &good, good.len() as u64).unwrap().unwrap();
    let three = handle.open_range(&(0..3 * 65_536), good[at(0)..at(3)].to_vec()).unwrap();
    assert_eq!(three, plain[..3 * 65_536]);
    let other = sealed(&keys, &plain);
    let mut mixed = good.clone();
    mixed[at(1)..at(2)].copy_from_slice(&other[at(1)..at(2)]);
    assert!(matches!(
        keys.open_whole(PLACE, mixed),
        Err(FileCipherError::Damaged { chunk: 1, .. })
    ));
}

#[test]
fn a_file_opens_in_its_place_in_its_organization_and_with_its_key_only() {
    let ring = KeyRing::in_memory().unwrap();
    let keys = StorageKeys::new(ring.clone(), ORG, true);
    let stored = keys.seal(PLACE, b"content".to_vec()).unwrap();
    let key_id = stored.sealed.unwrap().key_id();
    let bytes = stored.bytes;
    let moved = keys.open_whole("tables/queue_leg/1-2.parquet", bytes.clone()).unwrap_err();
    assert!(matches!(moved, FileCipherError::WrongKey { key_id: it } if it == key_id), "{moved}");
    let other = StorageKeys::new(ring, OrgId::from_u128(2), true);
    let foreign = other.open_whole(PLACE, bytes.clone()).unwrap_err();
    assert!(matches!(foreign, FileCipherError::NoKey { key_id: it } if it == key_id), "{foreign}");
    let nobody = ClearFiles.open_whole(PLACE, bytes.clone()).unwrap_err();
    assert!(matches!(nobody, FileCipherError::NoKeys { key_id: it } if it == key_id), "{nobody}");
    for error in [moved, foreign, nobody] {
        assert!(error.to_string().contains(&key_id.to_string()), "{error}");
    }
    let mut renamed = bytes;
    renamed[16..32].copy_from_slice(KeyId::from_u128(7).uuid().as_bytes());
    let fixed = StorageKeys::fixed(ORG, true).unwrap();
    assert!(matches!(
        fixed.open_whole(PLACE, renamed),
        Err(FileCipherError::WrongKey { key_id: it }) if it == KeyId::from_u128(7)
    ));
}

#[test]
fn threads_that_need_the_first_key_at_once_get_the_same_one() {
    for _ in 0..20 {
        let ring = KeyRing::in_memory().unwrap();
        let start = std::sync::Barrier::new(8);
        let seal = || {
            let keys = StorageKeys::new(ring.clone(), ORG, true);
            start.wait();
            keys.seal(PLACE, b"one".to_vec()).unwrap().sealed.unwrap().key_id()
        };
        let ids: BTreeSet<KeyId> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(seal)).collect();
            threads.into_iter().map(|it| it.join().unwrap()).collect()
        });
        assert_eq!(ids.into_iter().collect::<Vec<_>>(), ring.status(ORG).unwrap().storage_keys);
    }
}

#[test]
fn keys_outlive_rotations_erasures_and_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let subject = ledgerline_schemas::id::SubjectId::from_u128(9);
    let (first, second, third);
    {
        let ring = KeyRing::open_dir(folder.path()).unwrap();
        let keys = StorageKeys::new(ring.clone(), ORG, true);
        first = keys.seal(PLACE, b"one".to_vec()).unwrap();
        let rotated = ring.rotate_storage(ORG).unwrap();
        second = keys.seal(PLACE, b"two".to_vec()).unwrap();
        assert_eq!(second.sealed.as_ref().unwrap().key_id(), rotated);
        assert_ne!(first.sealed, second.sealed);
        ring.prepare(ORG, [subject]).unwrap();
        assert_eq!(ring.destroy(ORG, &[subject]).unwrap().len(), 1);
        ring.rotate_kek(ORG).unwrap();
        assert_eq!(ring.status(ORG).unwrap().storage_keys.last(), Some(&rotated));
        third = keys.seal(PLACE, b"three".to_vec()).unwrap();
        assert_eq!(third.sealed.as_ref().unwrap().key_id(), rotated);
    }
    let ring = KeyRing::open_dir(folder.path()).unwrap();
    assert_eq!(ring.status(ORG).unwrap().storage_keys.len(), 2);
    // Off: what is encrypted opens, what is new is in clear.
    let keys = StorageKeys::new(ring, ORG, false);
    for (stored, plain) in [(first, "one"), (second, "two"), (third, "three")] {
        assert_eq!(keys.open_whole(PLACE, stored.bytes).unwrap(), plain.as_bytes());
    }
    let clear = keys.seal(PLACE, b"four".to_vec()).unwrap();
    assert!(clear.sealed.is_none() && clear.bytes == b"four");
    assert_eq!(keys.open_whole(PLACE, clear.bytes).unwrap(), b"four");
}
