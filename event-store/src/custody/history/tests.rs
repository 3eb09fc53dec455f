//! The history of checkpoints on a disk that loses power, and with every bit of it flipped.

use std::sync::Mutex;

use super::*;
use crate::custody::key::CustodyKey;
use crate::disk::sim::{Image, SimDisk, Skips};
use crate::simulation::image::after_power_cut;
use crate::simulation::random::Random;

const ORIGIN: &str = "example.com/log";

fn key() -> CustodyKey {
    CustodyKey::from_seed(&[7; 32])
}

fn public() -> PublicKey {
    PublicKey::parse(&key().vkey(ORIGIN)).unwrap()
}

fn checkpoint(size: u64) -> Checkpoint {
    let root = crate::custody::Hash([size as u8; 32]);
    let note = key().sign(ORIGIN, &format!("{ORIGIN}\n{size}\n{root}\n"));
    Checkpoint::open(&note, &public()).unwrap()
}

fn open(disk: &SimDisk) -> Result<History, CustodyError> {
    History::open(Arc::new(disk.clone()), &public())
}

fn sizes(history: &History) -> Vec<u64> {
    history.all().iter().map(|checkpoint| checkpoint.size).collect()
}

fn disk_of(image: Image) -> SimDisk {
    SimDisk::new(image, &[], Skips::default())
}

/// A disk on which these checkpoints were signed, and how many operations each took.
fn signed(count: u64, skips: Skips) -> (SimDisk, Vec<usize>) {
    let disk = SimDisk::new(Image::default(), &[], skips);
    let mut history = open(&disk).unwrap();
    let mut shown = Vec::new();
    for size in 1..=count {
        history.append(checkpoint(size)).unwrap();
        shown.push(disk.lock().ops.len());
    }
    (disk, shown)
}

/// What a power cut after each operation leaves behind; the broken promise, if there is one.
fn cut_everywhere(skips: Skips, seeds: u64) -> Option<String> {
    let (disk, shown) = signed(4, skips);
    let contents = disk.lock();
    for cut in 0..=contents.ops.len() {
        let durable = shown.iter().filter(|until| **until <= cut).count() as u64;
        for seed in 0..seeds {
            let mut random = Random::new(seed);
            let stale = vec![vec![0xA5; 4_096]; 16];
            let image = after_power_cut(&contents, cut, &stale, &mut random);
            let place = format!("cut {cut}, seed {seed}");
            let survivor = disk_of(image);
            let mut history = match open(&survivor) {
                Ok(history) => history,
                Err(error) => return Some(format!("{place}: {error}")),
            };
            let found = sizes(&history);
            let whole = |count| (1..=count).collect::<Vec<u64>>();
            if found != whole(durable) && found != whole(durable + 1) {
                return Some(format!("{place}: {found:?}, {durable} were shown"));
            }
            // It goes on, and what it shows then is there after another opening.
            let next = found.len() as u64 + 1;
            history.append(checkpoint(next)).unwrap();
            drop(history);
            assert_eq!(sizes(&open(&survivor).unwrap()), whole(next), "{place}");
        }
    }
    None
}

#[test]
fn a_checkpoint_that_was_shown_survives_every_power_cut() {
    assert_eq!(cut_everywhere(Skips::default(), 40), None);
}

#[test]
fn the_simulation_catches_a_history_that_does_not_sync() {
    assert!(cut_everywhere(Skips { data: true, directory: false }, 40).is_some());
    assert!(cut_everywhere(Skips { data: false, directory: true }, 40).is_some());
}

#[test]
fn it_is_durable_before_it_is_published() {
    let (disk, _) = signed(1, Skips::default());
    // The published file never has a checkpoint that the history has not.
    let seen: Arc<Mutex<Vec<bool>>> = Arc::default();
    let watched = Arc::clone(&seen);
    let looked = disk.clone();
    disk.observe(Some(Box::new(move |_| {
        let image = looked.live();
        let (all, published) = (&image.files[ALL], &image.files[PUBLISHED]);
        let holds = all.windows(published.len()).any(|part| part == published);
        watched.lock().unwrap().push(holds);
    })));
    let mut history = open(&disk).unwrap();
    history.append(checkpoint(2)).unwrap();
    history.append(checkpoint(3)).unwrap();
    disk.observe(None);
    let seen = seen.lock().unwrap();
    assert!(seen.len() > 8 && seen.iter().all(|holds| *holds), "{seen:?}");
}

#[test]
fn every_flipped_bit_is_noticed() {
    let (disk, _) = signed(3, Skips::default());
    let image = disk.live();
    for name in [ALL, PUBLISHED] {
        for bit in 0..image.files[name].len() * 8 {
            let mut damaged = image.clone();
            damaged.files.get_mut(name).unwrap()[bit / 8] ^= 1 << (bit % 8);
            let opened = open(&disk_of(damaged));
            assert!(matches!(opened, Err(CustodyError::History { .. })), "{name}, bit {bit}");
        }
    }
}

#[test]
fn a_history_that_was_shortened_is_noticed() {
    let (disk, _) = signed(3, Skips::default());
    let image = disk.live();
    let without = |bytes: usize| {
        let mut cut = image.clone();
        cut.files.get_mut(ALL).unwrap().truncate(bytes);
        open(&disk_of(cut))
    };
    let whole = image.files[ALL].len();
    for bytes in 0..whole {
        assert!(without(bytes).is_err(), "{bytes} of {whole}");
    }
    let mut unpublished = image.clone();
    unpublished.files.remove(PUBLISHED);
    assert!(open(&disk_of(unpublished)).is_err());
    let mut gone = image;
    gone.files.remove(ALL);
    assert!(open(&disk_of(gone)).is_err());
}
