//! Files that are open now. A log has more files than a process may have open; they are opened when they
//! are read, and the ones that were not read for longest are closed again.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Disk, DiskFile};

/// Opens files of a directory by name and keeps a bounded number of them open.
#[derive(Debug)]
pub(crate) struct OpenFiles {
    disk: Arc<dyn Disk>,
    max: usize,
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    files: BTreeMap<String, Used>,
    clock: u64,
}

#[derive(Debug)]
struct Used {
    file: Arc<dyn DiskFile>,
    at: u64,
}

impl OpenFiles {
    /// Keeps at most `max` files open, at least one. Who holds a file keeps it open for longer.
    pub(crate) fn new(disk: Arc<dyn Disk>, max: usize) -> Self {
        Self { disk, max: max.max(1), open: Mutex::default() }
    }

    pub(crate) fn disk(&self) -> &Arc<dyn Disk> {
        &self.disk
    }

    /// The file of this name, opened if it is not.
    pub(crate) fn get(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        {
            let mut open = self.lock();
            open.clock += 1;
            let clock = open.clock;
            if let Some(used) = open.files.get_mut(name) {
                used.at = clock;
                return Ok(Arc::clone(&used.file));
            }
        }
        let file = self.disk.open(name)?;
        let mut open = self.lock();
        let at = open.clock;
        open.files.insert(name.to_owned(), Used { file: Arc::clone(&file), at });
        while open.files.len() > self.max {
            let oldest = open.files.iter().min_by_key(|(_, used)| used.at);
            let Some(oldest) = oldest.map(|(name, _)| name.clone()) else { break };
            open.files.remove(&oldest);
        }
        Ok(file)
    }

    /// Closes a file whose name is about to go, or to mean another file.
    pub(crate) fn forget(&self, name: &str) {
        self.lock().files.remove(name);
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::sim::{Image, SimDisk, Skips};

    #[test]
    fn no_more_files_stay_open_than_allowed_and_the_longest_unread_goes_first() {
        let files = (0..5_u8).map(|n| (n.to_string(), vec![n])).collect();
        let disk = SimDisk::new(Image { files }, &[], Skips::default());
        let open = OpenFiles::new(Arc::new(disk), 3);
        for name in ["0", "1", "2", "0", "3", "0", "4"] {
            let file = open.get(name).unwrap();
            let mut byte = [9];
            file.read_at(&mut byte, 0).unwrap();
            assert_eq!(byte[0].to_string(), name);
        }
        let names: Vec<String> = open.lock().files.keys().cloned().collect();
        assert_eq!(names, ["0", "3", "4"]);
        open.forget("3");
        assert_eq!(open.lock().files.len(), 2);
        assert!(open.get("5").is_err());
    }
}
