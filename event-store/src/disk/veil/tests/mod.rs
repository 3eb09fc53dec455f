mod cipher;
mod model;
mod reading;

use ledgerline_schemas::id::OrgId;

use super::*;
use crate::disk::sim::{Image, SimDisk, Skips};
use crate::vault::disk::read_whole;

const ORG: OrgId = OrgId::from_u128(1);

fn keys(seals: bool) -> StorageKeys {
    StorageKeys::simulated(ORG, 1).unwrap().sealing(seals)
}

fn veil(disk: &SimDisk, seals: bool) -> Veil {
    Veil::new(Arc::new(disk.clone()), Some(keys(seals)), Faults::default())
}

fn empty() -> SimDisk {
    SimDisk::new(Image::default(), &[], Skips::default())
}

#[test]
fn what_is_written_is_not_on_the_disk() {
    let disk = empty();
    let veil = veil(&disk, true);
    let file = veil.create("it").unwrap();
    file.allocate(0, 4_096).unwrap();
    for at in 0..100 {
        file.write_at(b"zqcanary", at * 24).unwrap();
    }
    let stored = disk.live().files["it"].clone();
    assert!(stored.starts_with(&log_head::MAGIC));
    assert!(!stored.windows(8).any(|window| window == b"zqcanary"));
    // Reserved space shows that it is empty, and nothing else does.
    assert!(stored[512 + 2_400..].iter().all(|byte| *byte == 0));
    let blocks: std::collections::BTreeSet<&[u8]> = stored[512..512 + 2_400].chunks(16).collect();
    assert_eq!(blocks.len(), 100 + 1, "equal bytes at two places are not equal on the disk");
}

#[test]
fn files_in_clear_and_under_older_keys_stay_readable_beside_new_ones() {
    let ring = crate::crypt::KeyRing::in_memory().unwrap();
    let keys = |seals| Some(StorageKeys::new(ring.clone(), ORG, seals));
    let disk = empty();
    let on = |keys| Veil::new(Arc::new(disk.clone()), keys, Faults::default());
    on(keys(false)).create("clear").unwrap().write_at(b"clear", 0).unwrap();
    on(keys(true)).create("first").unwrap().write_at(b"first", 0).unwrap();
    let rotated = ring.rotate_storage(ORG).unwrap();
    on(keys(true)).create("second").unwrap().write_at(b"second", 0).unwrap();
    for seals in [true, false] {
        let veil = on(keys(seals));
        veil.check().unwrap();
        for name in ["clear", "first", "second"] {
            let file = veil.open(name).unwrap();
            assert_eq!(read_whole(&*file).unwrap(), name.as_bytes());
            assert_eq!(file.is_encrypted(), name != "clear");
        }
        // What is there is written to in its own form.
        veil.open("clear").unwrap().write_at(b"CLEAR", 0).unwrap();
        assert_eq!(disk.live().files["clear"], b"CLEAR");
        veil.open("clear").unwrap().write_at(b"clear", 0).unwrap();
    }
    let head = disk.live().files["second"][..HEAD_BYTES].to_vec();
    assert_eq!(log_head::key_id(&head), Ok(Some(rotated)));
    // Without keys the file and the key that it needs are named.
    for keys in [None, Some(StorageKeys::new(ring.clone(), OrgId::from_u128(2), true))] {
        let refused = on(keys).check().unwrap_err().to_string();
        assert!(refused.starts_with("first: ") && refused.contains("storage key"), "{refused}");
        assert!(on(None).open("clear").is_ok());
    }
    let refused = on(None).open("second").unwrap_err().to_string();
    assert!(refused.contains(&rotated.to_string()), "{refused}");
}

#[test]
fn every_flipped_bit_of_a_head_is_noticed_or_makes_the_file_one_in_clear() {
    let disk = empty();
    veil(&disk, true).create("it").unwrap().write_at(&[7; 100], 0).unwrap();
    let good = disk.live();
    for bit in 0..HEAD_BYTES * 8 {
        let mut image = good.clone();
        image.files.get_mut("it").unwrap()[bit / 8] ^= 1 << (bit % 8);
        let disk = SimDisk::new(image, &[], Skips::default());
        match veil(&disk, true).open("it") {
            // Whoever reads it finds no magic of his own.
            Ok(file) => assert!(bit < 64 && !file.is_encrypted(), "bit {bit}"),
            Err(error) => assert!(bit >= 64 && Damage::of(&error).is_some(), "bit {bit}: {error}"),
        }
        assert!(veil(&disk, true).check().is_ok(), "damage is for who needs the file");
    }
}

#[test]
fn every_flipped_bit_of_the_content_is_noise_in_its_block_and_nowhere_else() {
    let disk = empty();
    let content: Vec<u8> = (0..1_100).map(|at| (at % 251) as u8).collect();
    veil(&disk, true).create("it").unwrap().write_at(&content, 0).unwrap();
    let good = disk.live();
    for bit in 0..content.len() * 8 {
        let mut image = good.clone();
        image.files.get_mut("it").unwrap()[HEAD_BYTES + bit / 8] ^= 1 << (bit % 8);
        let disk = SimDisk::new(image, &[], Skips::default());
        let read = read_whole(&*veil(&disk, true).open("it").unwrap()).unwrap();
        let block = bit / 8 / 16 * 16..(bit / 8 / 16 * 16 + 16).min(content.len());
        assert_ne!(read[block.clone()], content[block.clone()], "bit {bit}");
        assert!(read[..block.start] == content[..block.start], "bit {bit}");
        assert!(read[block.end..] == content[block.end..], "bit {bit}");
    }
}

#[test]
fn no_two_files_and_no_two_sectors_share_their_noise() {
    let disk = empty();
    let veil_on = |disk: &SimDisk| veil(disk, true);
    let veil = veil_on(&disk);
    for name in ["a", "b"] {
        veil.create(name).unwrap().write_at(&[0; 1_024], 0).unwrap();
    }
    let files = disk.live().files;
    let sectors = ["a", "b"].map(|name| files[name][512..1_536].chunks(512).collect::<Vec<_>>());
    let distinct: std::collections::BTreeSet<&[u8]> = sectors.iter().flatten().copied().collect();
    assert_eq!(distinct.len(), 4);
    // A file in the place of another, and a sector in the place of another, are noise.
    let mut image = disk.live();
    let moved = image.files["a"][512..1_024].to_vec();
    image.files.get_mut("a").unwrap()[1_024..1_536].copy_from_slice(&moved);
    image.files.get_mut("b").unwrap()[512..1_024].copy_from_slice(&moved);
    let disk = SimDisk::new(image, &[], Skips::default());
    let read = |name| read_whole(&*veil_on(&disk).open(name).unwrap()).unwrap();
    assert!(read("a")[..512].iter().all(|byte| *byte == 0));
    assert!(read("a")[512..].iter().any(|byte| *byte != 0));
    assert!(read("b")[..512].iter().any(|byte| *byte != 0));
}

#[test]
fn a_file_without_its_head_is_an_unfinished_one() {
    for left in [Vec::new(), vec![0; 100], vec![0; 512], vec![0; 600], vec![0xA5; 2_000]] {
        let disk = SimDisk::new(
            Image { files: [("it".to_owned(), left.clone())].into() },
            &[],
            Skips::default(),
        );
        let veil = veil(&disk, true);
        veil.check().unwrap();
        assert_eq!(read_whole(&*veil.open("it").unwrap()).unwrap(), left);
    }
    // With it, and with a part of what should follow.
    let disk = empty();
    let _ = veil(&disk, true).create("it").unwrap();
    for more in 0..40 {
        let mut image = disk.live();
        image.files.get_mut("it").unwrap().resize(512 + more, 0);
        let disk = SimDisk::new(image, &[], Skips::default());
        let file = veil(&disk, true).open("it").unwrap();
        assert_eq!(read_whole(&*file).unwrap(), vec![0; more.saturating_sub(16)]);
    }
}
