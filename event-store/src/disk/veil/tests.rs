use proptest::prelude::*;

use super::xts::Xts;
use super::*;
use crate::disk::sim::{Image, SimDisk, Skips};
use crate::vault::disk::read_whole;
use ledgerline_schemas::id::OrgId;

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

fn bytes(text: &str) -> Vec<u8> {
    let digit = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
    (0..text.len()).step_by(2).map(digit).collect()
}

/// Vector 10 of IEEE 1619-2007: XTS-AES-256, data unit 0xff, 512 bytes.
const VECTOR_10: &str = "1c3b3a102f770386e4836c99e370cf9bea00803f5e482357a4ae12d414a3e63b5d31e276f8fe4a8d66b317f9ac683f44\
680a86ac35adfc3345befecb4bb188fd5776926c49a3095eb108fd1098baec70aaa66999a72a82f27d848b21d4a741b0c5cd4d5fff9dac89aeba12\
2961d03a757123e9870f8acf1000020887891429ca2a3e7a7d7df7b10355165c8b9a6d0a7de8b062c4500dc4cd120c0f7418dae3d0b5781c34803f\
a75421c790dfe1de1834f280d7667b327f6c8cd7557e12ac3a0f93ec05c52e0493ef31a12d3d9260f79a289d6a379bc70c50841473d1a8cc81ec58\
3e9645e07b8d9670655ba5bbcfecc6dc3966380ad8fecb17b6ba02469a020a84e18e8f84252070c13e9f1f289be54fbc481457778f616015e1327a\
02b140f1505eb309326d68378f8374595c849d84f4c333ec4423885143cb47bd71c5edae9be69a2ffeceb1bec9de244fbe15992b11b77c040f12bd\
8f6a975a44a0f90c29a9abc3d4d893927284c58754cce294529f8614dcd2aba991925fedc4ae74ffac6e333b93eb4aff0479da9a410e4450e0dd7a\
e4c6e2910900575da401fc07059f645e8b7e9bfdef33943054ff84011493c27b3429eaedb4ed5376441a77ed43851ad77f16f541dfd269d50d6a5f\
14fb0aab1cbb4c1550be97f7ab4066193c4caa773dad38014bd2092fa755c824bb5e54c4f36ffda9fcea70b9c6e693e148c151";

#[test]
fn it_is_the_xts_of_ieee_1619() {
    let key = |text: &str| <[u8; 32]>::try_from(bytes(text)).unwrap();
    let xts = Xts::with(
        &key("2718281828459045235360287471352662497757247093699959574966967627"),
        &key("3141592653589793238462643383279502884197169399375105820974944592"),
    );
    let plain: Vec<u8> = (0..512).map(|at| at as u8).collect();
    let mut sector = plain.clone();
    xts.encrypt(0xff * 32, &mut sector);
    assert_eq!(sector, bytes(VECTOR_10));
    xts.decrypt(0xff * 32, &mut sector);
    assert_eq!(sector, plain);
}

proptest! {
    /// The crate does it block by block, this one many blocks at a time.
    #[test]
    fn it_equals_another_implementation(first in 0_u64..1 << 40, sectors in 1_usize..40, cut in any::<prop::sample::Index>(), fill in any::<u8>()) {
        use aes::cipher::KeyInit as _;
        let cipher = |key: [u8; 32]| aes::Aes256::new(&key.into());
        let theirs = xts_mode::Xts128::new(cipher([3; 32]), cipher([4; 32]));
        let ours = Xts::with(&[3; 32], &[4; 32]);
        let plain: Vec<u8> = (0..sectors * 512).map(|at| (at / 7) as u8 ^ fill).collect();
        let mut expected = plain.clone();
        theirs.encrypt_area(&mut expected, 512, u128::from(first), xts_mode::get_tweak_default);
        // Whole, and in two parts that meet anywhere between two blocks.
        let at = cut.index(sectors * 32);
        let mut whole = plain.clone();
        ours.encrypt(first * 32, &mut whole);
        prop_assert!(whole == expected);
        let (head, tail) = whole.split_at_mut(at * 16);
        ours.decrypt(first * 32, head);
        ours.decrypt(first * 32 + at as u64, tail);
        prop_assert!(whole == plain);
    }
}

#[derive(Clone, Debug)]
enum Step {
    Write(u64, usize, u8),
    Allocate(u64, u64),
    Append(usize, u8),
    Read(u64, usize),
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0_u64..3_000, 1_usize..1_500, any::<u8>()).prop_map(|(at, n, fill)| Step::Write(at, n, fill)),
        (0_u64..3_000, 1_u64..1_500).prop_map(|(at, n)| Step::Allocate(at, n)),
        (1_usize..600, any::<u8>()).prop_map(|(n, fill)| Step::Append(n, fill)),
        (0_u64..5_000, 0_usize..2_000).prop_map(|(at, n)| Step::Read(at, n)),
        Just(Step::Reopen),
    ]
}

proptest! {
    #[test]
    fn an_encrypted_file_is_to_its_user_as_one_in_clear(steps in prop::collection::vec(step(), 1..40)) {
        let (disk, plain) = (empty(), empty());
        let veil = veil(&disk, true);
        let mut ours = veil.create("it").unwrap();
        let theirs = plain.create("it").unwrap();
        for step in steps {
            match step {
                Step::Write(at, length, fill) => {
                    let bytes: Vec<u8> = (0..length).map(|n| fill.wrapping_add(n as u8)).collect();
                    ours.write_at(&bytes, at).unwrap();
                    theirs.write_at(&bytes, at).unwrap();
                }
                Step::Allocate(at, length) => {
                    ours.allocate(at, length).unwrap();
                    theirs.allocate(at, length).unwrap();
                }
                Step::Append(length, fill) => {
                    let at = theirs.len().unwrap();
                    ours.write_at(&vec![fill; length], at).unwrap();
                    theirs.write_at(&vec![fill; length], at).unwrap();
                }
                Step::Read(at, length) => {
                    let (mut one, mut other) = (vec![0xEE; length], vec![0xEE; length]);
                    let read = ours.read_at(&mut one, at).unwrap();
                    prop_assert_eq!(read, theirs.read_at(&mut other, at).unwrap());
                    prop_assert!(one == other);
                }
                Step::Reopen => {
                    drop(ours);
                    ours = veil.open("it").unwrap();
                }
            }
            prop_assert_eq!(ours.len().unwrap(), theirs.len().unwrap());
            prop_assert!(read_whole(&*ours).unwrap() == read_whole(&*theirs).unwrap());
        }
    }

    #[test]
    fn an_object_is_to_its_reader_as_one_in_clear(length in 0_usize..5_000, from in any::<prop::sample::Index>(), until in any::<prop::sample::Index>()) {
        #[derive(Debug)]
        struct Object(Vec<u8>);
        impl crate::vault::ArchiveReader for Object {
            fn read(&self, _: &str, range: std::ops::Range<u64>) -> io::Result<Vec<u8>> {
                Ok(self.0[range.start as usize..range.end as usize].to_vec())
            }
        }
        let content: Vec<u8> = (0..length).map(|at| (at / 3) as u8).collect();
        let object = seal_object(&keys(true), "it", &content).unwrap();
        prop_assert_eq!(&object, &seal_object(&keys(true), "it", &content).unwrap());
        let (whole, encrypted) = unveil_object(Some(&keys(false)), "it", object.clone()).unwrap();
        prop_assert!(encrypted && whole == content);
        let reader = Unveiled::new(Arc::new(Object(object)), Some(keys(false)));
        let (from, until) = (from.index(length + 1), until.index(length + 1));
        let (from, until) = (from.min(until), from.max(until));
        let read = crate::vault::ArchiveReader::read(&reader, "it", from as u64..until as u64);
        prop_assert!(read.unwrap() == content[from..until]);
    }
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
    let veil = veil(&disk, true);
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
    let read = |name| read_whole(&*super::tests::veil(&disk, true).open(name).unwrap()).unwrap();
    assert!(read("a")[..512].iter().all(|byte| *byte == 0));
    assert!(read("a")[512..].iter().any(|byte| *byte != 0));
    assert!(read("b")[..512].iter().any(|byte| *byte != 0));
}

#[test]
fn a_file_without_its_head_is_an_unfinished_one() {
    for left in [Vec::new(), vec![0; 100], vec![0; 512], vec![0; 600], vec![0xA5; 2_000]] {
        let disk = SimDisk::new(Image { files: [("it".to_owned(), left.clone())].into() }, &[], Skips::default());
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

#[test]
fn nobody_who_reads_while_another_appends_sees_a_block_in_between() {
    // A disk whose writes are seen half done, as those of a page cache may be.
    let folder = tempfile::tempdir().unwrap();
    let disk = crate::disk::os::OsDisk::open(folder.path()).unwrap();
    let veil = Veil::new(Arc::new(Halves(Arc::new(disk))), Some(keys(true)), Faults::default());
    let file = veil.create("it").unwrap();
    file.allocate(0, 64 << 10).unwrap();
    let written = std::sync::atomic::AtomicU64::new(0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for at in (0..(64 << 10) - 56).step_by(56) {
                file.write_at(&[0x5A; 56], at).unwrap();
                written.store(at + 56, std::sync::atomic::Ordering::SeqCst);
            }
        });
        for _ in 0..2 {
            let other = veil.open("it").unwrap();
            let written = &written;
            scope.spawn(move || {
                let mut seen = 0;
                while seen < (64 << 10) - 120 {
                    seen = written.load(std::sync::atomic::Ordering::SeqCst);
                    let from = seen.saturating_sub(200);
                    let mut bytes = vec![0; (seen - from) as usize];
                    assert_eq!(other.read_at(&mut bytes, from).unwrap(), bytes.len());
                    assert!(bytes.iter().all(|byte| *byte == 0x5A), "up to {seen}");
                }
            });
        }
    });
}

/// A disk that writes byte by byte.
#[derive(Debug)]
struct Halves<T>(Arc<T>);

impl Disk for Halves<crate::disk::os::OsDisk> {
    fn list(&self) -> io::Result<Vec<String>> {
        self.0.list()
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(SlowFile(self.0.create(name)?)))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(SlowFile(self.0.open(name)?)))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.0.rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.0.remove(name)
    }

    fn sync_directory(&self) -> io::Result<()> {
        self.0.sync_directory()
    }
}

#[derive(Debug)]
struct SlowFile(Arc<dyn DiskFile>);

impl DiskFile for SlowFile {
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.0.read_at(buffer, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        for (part, at) in bytes.chunks(5).zip((offset..).step_by(5)) {
            self.0.write_at(part, at)?;
            std::thread::yield_now();
        }
        Ok(())
    }

    fn allocate(&self, offset: u64, bytes: u64) -> io::Result<()> {
        self.0.allocate(offset, bytes)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }
}
