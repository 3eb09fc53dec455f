//! Reading beside a writer.

use std::sync::atomic::{AtomicU64, Ordering};

use super::*;
use crate::disk::os::OsDisk;

#[test]
fn nobody_who_reads_while_another_appends_sees_a_block_in_between() {
    // A disk whose writes are seen half done, as those of a page cache may be.
    let folder = tempfile::tempdir().unwrap();
    let disk = OsDisk::open(folder.path()).unwrap();
    let veil = Veil::new(Arc::new(Halves(disk)), Some(keys(true)), Faults::default());
    let file = veil.create("it").unwrap();
    file.allocate(0, 64 << 10).unwrap();
    let written = AtomicU64::new(0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for at in (0..(64 << 10) - 56).step_by(56) {
                file.write_at(&[0x5A; 56], at).unwrap();
                written.store(at + 56, Ordering::SeqCst);
            }
        });
        for _ in 0..2 {
            let other = veil.open("it").unwrap();
            let written = &written;
            scope.spawn(move || {
                let mut seen = 0;
                while seen < (64 << 10) - 120 {
                    seen = written.load(Ordering::SeqCst);
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
struct Halves(OsDisk);

impl Disk for Halves {
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
