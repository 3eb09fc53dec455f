//! Packed reads as raw; whatever is damaged is noticed; a crash at any step leaves a whole segment.

use std::ops::Range;
use std::sync::Arc;

use ledgerline_schemas::Timestamp;
use ledgerline_schemas::id::OrgId;
use proptest::prelude::*;

use super::cache::BlockCache;
use super::disk::read_whole;
use super::file::{PackedFile, read_layout};
use super::layout::sha256;
use super::*;
use crate::disk::sim::{Image, Op, SimDisk, Skips};
use crate::disk::{Disk as _, DiskFile as _};
use crate::fault::Faults;
use crate::segment::frame::{FrameHead, Kind, encode};
use crate::segment::header::SegmentHeader;
use crate::simulation::image::after_power_cut;
use crate::simulation::random::Random;

const SALT: u32 = 0xA1B2_C3D4;

/// A sealed segment file: an append for each body, zeros behind the seal.
fn segment(base: u64, bodies: &[Vec<u8>], zeros: usize) -> Vec<u8> {
    let header = SegmentHeader {
        org_id: OrgId::from_u128(7),
        base_position: base,
        salt: SALT,
        epoch: 1,
        created_at: Timestamp::from_micros(5),
    };
    let mut bytes = header.encode();
    let head = |kind, position, count| FrameHead {
        salt: SALT,
        kind,
        count,
        epoch: 1,
        group_bytes: 0,
        base_position: position,
        recorded_at_micros: i64::try_from(position).unwrap_or(0) * 10,
    };
    let (mut chain, mut next) = (0, base);
    for body in bodies {
        let crc = encode(&mut bytes, &head(Kind::Events, next, 1), |out| out.extend(body));
        chain = crc32c::crc32c_append(chain, &crc.to_le_bytes());
        next += 1;
    }
    let mut seal = Vec::new();
    for number in [base, next, bodies.len() as u64] {
        seal.extend_from_slice(&number.to_le_bytes());
    }
    seal.extend_from_slice(&chain.to_le_bytes());
    encode(&mut bytes, &head(Kind::Seal, next, 0), |out| out.extend(&seal));
    bytes.resize(bytes.len() + zeros, 0);
    bytes
}

fn settings(cache_bytes: usize, archive: Option<Arc<dyn ArchiveReader>>) -> Settings {
    Settings { cache_bytes, raw_segments: Some(0), archive }
}

fn opened(packed: &Packed, cache_bytes: usize) -> PackedFile {
    let stored = packed.bytes.clone();
    let layout = read_layout("packed", &stored, stored.len() as u64).expect("reads back");
    assert_eq!(layout, packed.layout);
    let cache = Arc::new(BlockCache::new(cache_bytes));
    PackedFile::new("packed".to_owned(), Box::new(stored), Arc::new(layout), cache)
}

/// Half of the bodies compress well, half not at all.
fn body(seed: u64, length: usize) -> Vec<u8> {
    let mut random = Random::new(seed);
    (0..length)
        .map(|n| if seed.is_multiple_of(2) { (n / 64) as u8 } else { random.next() as u8 })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_packed_segment_reads_as_the_segment_file(
        lengths in prop::collection::vec((any::<u64>(), 0..200_000_usize), 0..8),
        zeros in 0..300_000_usize,
        cache_blocks in 0..4_usize,
        reads in prop::collection::vec((any::<prop::sample::Index>(), 0..700_000_usize), 1..20),
    ) {
        let bodies: Vec<_> = lengths.iter().map(|(seed, length)| body(*seed, *length)).collect();
        let raw = segment(41, &bodies, zeros);
        let packed = pack(&raw).expect("whole");
        let file = opened(&packed, cache_blocks * (256 << 10));
        prop_assert_eq!(file.len().expect("length"), raw.len() as u64);
        for (index, length) in reads {
            // Behind the end as well.
            let offset = index.index(raw.len() + 1_000);
            let mut buffer = vec![0xEE; length];
            let read = file.read_at(&mut buffer, offset as u64).expect("reads");
            let wanted = raw.get(offset.min(raw.len())..(offset + length).min(raw.len()));
            let wanted = wanted.unwrap_or_default();
            prop_assert_eq!(read, wanted.len());
            prop_assert!(buffer.get(..read) == Some(wanted));
            prop_assert!(buffer.iter().skip(read).all(|byte| *byte == 0xEE));
        }
        let (layout, unpacked) = unpack_all(&packed.bytes).expect("unpacks");
        prop_assert_eq!(layout, packed.layout);
        prop_assert!(unpacked == raw);
    }
}

#[test]
fn a_segment_that_is_not_whole_is_not_packed() {
    let raw = segment(1, &[body(0, 100), body(1, 100)], 64);
    for bit in 0..raw.len() * 8 {
        let mut damaged = raw.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        // The zeros behind the seal belong to nothing.
        let behind = bit / 8 >= raw.len() - 64;
        assert_eq!(pack(&damaged).is_ok(), behind, "bit {bit}");
    }
}

#[test]
fn every_flipped_bit_of_a_packed_file_is_noticed_and_nothing_wrong_is_served() {
    let raw = segment(9, &[body(0, 300), body(1, 200)], 40);
    let packed = pack(&raw).expect("whole");
    let cache = Arc::new(BlockCache::new(0));
    for bit in 0..packed.bytes.len() * 8 {
        let mut damaged = packed.bytes.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        assert!(unpack_all(&damaged).is_err(), "bit {bit} passes the full check");
        let layout = match read_layout("it", &damaged, damaged.len() as u64) {
            Ok(layout) => layout,
            Err(error) => {
                assert!(Damage::of(&error).is_some(), "bit {bit}: {error}");
                continue;
            }
        };
        let file =
            PackedFile::new("it".to_owned(), Box::new(damaged), Arc::new(layout), cache.clone());
        let error = read_whole(&file).expect_err("served");
        assert!(Damage::of(&error).is_some(), "bit {bit}: {error}");
    }
}

#[test]
fn every_cut_of_a_packed_file_is_noticed() {
    let packed = pack(&segment(9, &[body(1, 200)], 0)).expect("whole");
    for length in 0..packed.bytes.len() {
        let cut = packed.bytes[..length].to_vec();
        assert!(read_layout("it", &cut, length as u64).is_err(), "{length} bytes");
        assert!(unpack_all(&cut).is_err(), "{length} bytes");
    }
}

/// An archive of one object.
#[derive(Debug)]
struct OneObject(&'static str, Vec<u8>);

impl ArchiveReader for OneObject {
    fn read(&self, object: &str, range: Range<u64>) -> std::io::Result<Vec<u8>> {
        assert_eq!(object, self.0);
        crate::vault::file::Stored::read(&self.1, range)
    }
}

fn stub(packed: &Packed) -> Stub {
    let (_, raw) = unpack_all(&packed.bytes).expect("whole");
    Stub { ends: Some(Ends::of(&raw).expect("whole")), ..old_stub(packed) }
}

/// As an earlier version left it.
fn old_stub(packed: &Packed) -> Stub {
    Stub {
        dropped_at: Timestamp::from_micros(77),
        object: "orgs/x/1".to_owned(),
        sha256: sha256(&packed.bytes),
        ends: None,
        layout: packed.layout.clone(),
    }
}

#[test]
fn every_flipped_bit_of_a_stub_is_noticed() {
    let packed = pack(&segment(1, &[body(1, 50)], 0)).expect("whole");
    for stub in [stub(&packed), old_stub(&packed)] {
        let bytes = stub.encode();
        assert_eq!(Stub::decode(&bytes), Ok(stub));
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(Stub::decode(&damaged).is_err(), "bit {bit}");
        }
        for length in 0..bytes.len() {
            assert!(Stub::decode(&bytes[..length]).is_err(), "{length} bytes");
        }
    }
}

#[test]
fn ends_of_another_segment_are_refused_although_the_checksum_fits() {
    let packed = pack(&segment(1, &[body(1, 50)], 0)).expect("whole");
    for other in [segment(2, &[body(1, 50)], 0), segment(1, &[body(1, 51), body(0, 9)], 0)] {
        let ends = Some(Ends::of(&other).expect("whole"));
        let forged = Stub { ends, ..old_stub(&packed) };
        assert!(Stub::decode(&forged.encode()).is_err());
    }
}

/// An archive that cannot be reached.
#[derive(Debug)]
struct Away;

impl ArchiveReader for Away {
    fn read(&self, _: &str, _: Range<u64>) -> std::io::Result<Vec<u8>> {
        // What a folder that is not mounted says.
        Err(std::io::ErrorKind::NotFound.into())
    }

    fn name(&self) -> String {
        "/mnt/away".to_owned()
    }
}

#[test]
fn without_the_archive_both_ends_are_read_and_the_rest_is_missed_by_name() {
    let raw = segment(1, &[body(1, 500)], 40);
    let packed = pack(&raw).expect("whole");
    let seal = raw.len() - 40 - 80;
    for archive in [Some(Arc::new(Away) as Arc<dyn ArchiveReader>), None] {
        let disk = SimDisk::new(Image::default(), &[], Skips::default());
        let named = if archive.is_some() { "/mnt/away" } else { "no archive is known" };
        let vault =
            Vault::open(Arc::new(disk), settings(0, archive), Faults::default()).expect("opens");
        vault.drop_local(&stub(&packed)).expect("dropped");
        let file = vault.open(&Form::Raw.name(1)).expect("opens");
        assert_eq!(file.len().expect("length"), raw.len() as u64);
        for (offset, length) in [(0, 512), (100, 7), (0, 0), (seal, 80), (seal + 3, 20)] {
            let mut buffer = vec![0xEE; length];
            assert_eq!(file.read_at(&mut buffer, offset as u64).expect("reads"), length);
            assert_eq!(buffer, &raw[offset..offset + length]);
        }
        for (offset, length) in [(0, 513), (511, 2), (seal - 1, 3), (seal, 81), (600, 10)] {
            let mut buffer = vec![0xEE; length];
            let error = file.read_at(&mut buffer, offset as u64).expect_err("it is elsewhere");
            let said = error.to_string();
            assert_eq!(error.kind(), std::io::ErrorKind::Other, "{said}");
            assert!(said.contains(&Form::Raw.name(1)) && said.contains(named), "{said}");
            assert!(buffer.iter().all(|byte| *byte == 0xEE), "nothing is made up");
        }
    }
}

#[test]
fn a_stub_of_an_earlier_version_is_read_and_completed() {
    let raw = segment(1, &[body(1, 500)], 40);
    let packed = pack(&raw).expect("whole");
    let archive = OneObject("orgs/x/1", packed.bytes.clone());
    let disk = SimDisk::new(Image::default(), &[], Skips::default());
    let vault =
        Vault::open(Arc::new(disk), settings(0, Some(Arc::new(archive))), Faults::default());
    let vault = vault.expect("opens");
    vault.drop_local(&old_stub(&packed)).expect("dropped");
    let file = vault.open(&Form::Raw.name(1)).expect("opens");
    assert!(read_whole(&*file).expect("reads") == raw);
    vault.complete_stub(1).expect("completed");
    assert_eq!(vault.stub(1).expect("reads"), stub(&packed));
    vault.complete_stub(1).expect("nothing to do");
    assert!(read_whole(&*file).expect("reads") == raw);
}

#[test]
fn an_archive_that_answers_otherwise_is_noticed() {
    let raw = segment(1, &[body(1, 500)], 0);
    let packed = pack(&raw).expect("whole");
    let blocks = packed.layout.blocks[0].bytes as usize;
    let mut forged = packed.bytes.clone();
    // A forger makes the checksum fit as well: appending to a CRC32C forges it, SHA-256 not. Here the
    // object is another valid block of the same length with the stub's checksum taken for granted.
    forged[blocks / 2] ^= 1;
    for (object, good) in [(packed.bytes.clone(), true), (forged, false)] {
        let disk = SimDisk::new(Image::default(), &[], Skips::default());
        let archive: Arc<dyn ArchiveReader> = Arc::new(OneObject("orgs/x/1", object));
        let vault = Vault::open(Arc::new(disk), settings(0, Some(archive)), Faults::default())
            .expect("opens");
        vault.drop_local(&stub(&packed)).expect("dropped");
        let file = vault.open(&Form::Raw.name(1)).expect("opens");
        match read_whole(&*file) {
            Ok(read) => assert!(good && read == raw),
            Err(error) => assert!(!good && Damage::of(&error).is_some(), "{error}"),
        }
    }
}

/// What a change of form may leave behind when the power goes: the segment reads as ever.
fn survives_power_cuts(change: impl Fn(&Vault, &Packed), seed: u64) {
    let raw = segment(1, &[body(0, 900), body(1, 700)], 100);
    let packed = pack(&raw).expect("whole");
    let name = Form::Raw.name(1);
    let image = Image { files: [(name.clone(), raw.clone())].into() };
    let archive =
        || -> Arc<dyn ArchiveReader> { Arc::new(OneObject("orgs/x/1", packed.bytes.clone())) };
    let disk = SimDisk::new(image, &[], Skips::default());
    let vault =
        Vault::open(Arc::new(disk.clone()), settings(0, Some(archive())), Faults::default());
    change(&vault.expect("opens"), &packed);
    let stale = [body(1, 4_000), body(3, 4_000)];
    let mut random = Random::new(seed);
    let ops = disk.lock().ops.len();
    assert!(disk.lock().ops.iter().any(|op| matches!(op, Op::Remove { .. })), "it was changed");
    for cut in 0..=ops {
        for _ in 0..20 {
            let image = after_power_cut(&disk.lock(), cut, &stale, &mut random);
            let disk = Arc::new(SimDisk::new(image, &[], Skips::default()));
            let vault = Vault::open(disk.clone(), settings(0, Some(archive())), Faults::default());
            let vault = vault.expect("opens");
            assert_eq!(vault.list().expect("lists"), [name.as_str()], "seed {seed}, cut {cut}");
            let left = disk.list().expect("lists");
            assert_eq!(left.len(), 1, "seed {seed}, cut {cut}: {left:?}");
            let file = vault.open(&name).expect("opens");
            assert!(read_whole(&*file).expect("reads") == raw, "seed {seed}, cut {cut}");
        }
    }
}

#[test]
fn a_power_cut_while_packing_leaves_a_whole_segment() {
    survives_power_cuts(
        |vault, _| {
            let (raw, packed) = vault.pack(1).expect("packed");
            assert!(packed < raw);
        },
        1,
    );
}

#[test]
fn a_power_cut_while_dropping_leaves_a_whole_segment() {
    survives_power_cuts(|vault, packed| vault.drop_local(&stub(packed)).expect("dropped"), 2);
    survives_power_cuts(
        |vault, packed| {
            vault.drop_local(&old_stub(packed)).expect("dropped by an earlier version");
            vault.complete_stub(1).expect("completed");
        },
        4,
    );
    survives_power_cuts(
        |vault, packed| {
            vault.pack(1).expect("packed");
            vault.drop_local(&stub(packed)).expect("dropped");
        },
        3,
    );
}

#[test]
fn only_sealed_segments_behind_the_newest_are_due() {
    let files = [1, 11, 21, 31].map(|base| (Form::Raw.name(base), segment(base, &[], 0)));
    let disk = Arc::new(SimDisk::new(Image { files: files.into() }, &[], Skips::default()));
    let due = |raw_segments| {
        let settings = Settings { cache_bytes: 0, raw_segments, archive: None };
        Vault::open(disk.clone(), settings, Faults::default()).expect("opens").due().expect("lists")
    };
    assert_eq!(due(None), [0_u64; 0]);
    assert_eq!(due(Some(0)), [1, 11, 21], "the last one is being written");
    assert_eq!(due(Some(2)), [1]);
    assert_eq!(due(Some(4)), [0_u64; 0]);
}

#[test]
fn an_open_segment_goes_over_to_its_new_form() {
    let raw = segment(1, &[body(0, 900), body(1, 700)], 100);
    let packed = pack(&raw).expect("whole");
    let image = Image { files: [(Form::Raw.name(1), raw.clone())].into() };
    let disk = SimDisk::new(image, &[], Skips::default());
    let archive: Arc<dyn ArchiveReader> = Arc::new(OneObject("orgs/x/1", packed.bytes.clone()));
    let vault = Vault::open(Arc::new(disk.clone()), settings(0, Some(archive)), Faults::default());
    let vault = vault.expect("opens");
    let open = vault.open(&Form::Raw.name(1)).expect("opens");
    open.write_at(&raw[..8], 0).expect("a raw segment is written to");
    vault.pack(1).expect("packed");
    assert!(open.write_at(&raw[..8], 0).is_err(), "it is the packed one");
    assert!(read_whole(&*open).expect("reads") == raw);
    vault.drop_local(&stub(&packed)).expect("dropped");
    // What it had open before is of no use to it any more.
    for inode in &mut disk.lock().inodes {
        inode.fill(0xEE);
    }
    assert!(read_whole(&*open).expect("reads from the archive") == raw);
}
