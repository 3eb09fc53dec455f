//! Delivery as a file inside the folder that the operator allows.
//!
//! The file appears whole or not at all: it is written under another name, synced, and renamed where nothing has the
//! name yet. Every part of the path is opened from the one before it and never through a symbolic link, so nothing in
//! a document leads out of the folder.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use ledgerline_access::outbound::Undelivered;
use ledgerline_schemas::id::ReportDeliveryId;
use rustix::fs::{AtFlags, Mode, OFlags, RenameFlags};
use rustix::io::Errno;

use super::parcel::Parcel;

const FOLDER: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// Writes reports into a folder.
#[derive(Clone, Debug)]
pub struct FileChannel {
    /// The allowed folder; it has to exist.
    pub folder: PathBuf,
}

/// How far a file has come; for tests that end it in between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// The other name is there, empty.
    Created,
    /// Half of the bytes are written.
    Half,
    /// All of it is on disk under the other name.
    Synced,
    /// It has its name, which may not be on disk yet.
    Renamed,
}

impl FileChannel {
    /// Writes a report; the path inside the folder.
    ///
    /// # Errors
    /// [`Undelivered`]: for good when the place is not allowed or is taken by other content.
    pub async fn deliver(
        &self,
        parcel: &Parcel,
        folder: &str,
        pattern: &str,
    ) -> Result<String, Undelivered> {
        let name = parcel.file_name(pattern).map_err(Undelivered::never)?;
        let path = if folder.is_empty() { name.clone() } else { format!("{folder}/{name}") };
        let (this, folder) = (self.clone(), folder.to_owned());
        let (id, bytes) = (parcel.delivery_id, parcel.artifact.bytes.clone());
        let writing = move || this.place(&folder, &name, id, &bytes, &mut |_| Ok(()));
        tokio::task::spawn_blocking(writing)
            .await
            .map_err(|error| Undelivered::later(error.to_string()))??;
        Ok(path)
    }

    pub(crate) fn place(
        &self,
        folder: &str,
        name: &str,
        id: ReportDeliveryId,
        bytes: &[u8],
        watch: &mut dyn FnMut(Step) -> io::Result<()>,
    ) -> Result<(), Undelivered> {
        let folder = self.open(folder)?;
        if is_there(&folder, name, bytes)? {
            return Ok(());
        }
        let other = format!(".{id}.part");
        let written = write(&folder, &other, bytes, watch).map_err(failed)?;
        drop(written);
        match rustix::fs::renameat_with(&folder, &other, &folder, name, RenameFlags::NOREPLACE) {
            Ok(()) => {}
            Err(Errno::EXIST) => {
                let same = is_there(&folder, name, bytes);
                rustix::fs::unlinkat(&folder, &other, AtFlags::empty()).map_err(failed)?;
                return match same? {
                    true => Ok(()),
                    // Somebody took it away meanwhile: the next attempt finds the place free.
                    false => Err(failed(io::Error::from(Errno::NOENT))),
                };
            }
            // File systems without such a rename have links, which do not replace either.
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
                rustix::fs::linkat(&folder, &other, &folder, name, AtFlags::empty())
                    .map_err(failed)?;
                rustix::fs::unlinkat(&folder, &other, AtFlags::empty()).map_err(failed)?;
            }
            Err(error) => return Err(failed(error)),
        }
        watch(Step::Renamed).map_err(failed)?;
        rustix::fs::fsync(&folder).map_err(failed)
    }

    fn open(&self, folder: &str) -> Result<OwnedFd, Undelivered> {
        let root = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let mut opened = rustix::fs::open(&self.folder, root, Mode::empty())
            .map_err(|error| Undelivered::later(format!("reports.folder: {error}")))?;
        for part in folder.split('/').filter(|part| !part.is_empty()) {
            if part.starts_with('.') {
                return Err(Undelivered::never(format!("folder: {folder:?} leads out")));
            }
            match rustix::fs::mkdirat(&opened, part, Mode::from_raw_mode(0o750)) {
                Ok(()) => rustix::fs::fsync(&opened).map_err(failed)?,
                Err(Errno::EXIST) => {}
                Err(error) => return Err(failed(error)),
            }
            opened = rustix::fs::openat(&opened, part, FOLDER, Mode::empty()).map_err(|error| {
                match error {
                    Errno::LOOP | Errno::NOTDIR => {
                        Undelivered::never(format!("folder: {part:?} is no folder"))
                    }
                    error => failed(error),
                }
            })?;
        }
        Ok(opened)
    }
}

fn failed(error: impl Into<io::Error>) -> Undelivered {
    Undelivered::later(format!("the file cannot be written: {}", error.into()))
}

/// Whether the file is there already with this content; other content is never replaced.
fn is_there(folder: &OwnedFd, name: &str, bytes: &[u8]) -> Result<bool, Undelivered> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let taken = || Undelivered::never(format!("{name:?} is there with other content"));
    let found = match rustix::fs::openat(folder, name, flags, Mode::empty()) {
        Ok(found) => File::from(found),
        Err(Errno::NOENT) => return Ok(false),
        Err(Errno::LOOP) => return Err(taken()),
        Err(error) => return Err(failed(error)),
    };
    let about = found.metadata().map_err(failed)?;
    if !about.is_file() || about.len() != bytes.len() as u64 {
        return Err(taken());
    }
    let mut content = Vec::with_capacity(bytes.len());
    found.take(bytes.len() as u64 + 1).read_to_end(&mut content).map_err(failed)?;
    if content == bytes { Ok(true) } else { Err(taken()) }
}

fn write(
    folder: &OwnedFd,
    name: &str,
    bytes: &[u8],
    watch: &mut dyn FnMut(Step) -> io::Result<()>,
) -> io::Result<File> {
    // What an earlier attempt left behind.
    match rustix::fs::unlinkat(folder, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => {}
        Err(error) => return Err(error.into()),
    }
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mode = Mode::from_raw_mode(0o640);
    let mut file = File::from(rustix::fs::openat(folder, name, flags, mode)?);
    watch(Step::Created)?;
    let (first, second) = bytes.split_at(bytes.len() / 2);
    file.write_all(first)?;
    watch(Step::Half)?;
    file.write_all(second)?;
    file.sync_all()?;
    watch(Step::Synced)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    const ID: ReportDeliveryId = ReportDeliveryId::from_u128(7);

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> = std::fs::read_dir(folder)
            .unwrap()
            .map(|it| it.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_is_there_whole_or_not_at_all_wherever_it_ends() {
        for step in [Step::Created, Step::Half, Step::Synced, Step::Renamed] {
            let temporary = tempfile::tempdir().unwrap();
            let channel = FileChannel { folder: temporary.path().to_owned() };
            let mut watch = |at: Step| {
                if at == step { Err(io::Error::other("killed")) } else { Ok(()) }
            };
            assert!(channel.place("a/b", "r.csv", ID, b"rows", &mut watch).is_err(), "{step:?}");
            let file = temporary.path().join("a/b/r.csv");
            match step {
                Step::Renamed => assert_eq!(std::fs::read(&file).unwrap(), b"rows"),
                _ => assert!(!file.exists(), "{step:?}"),
            }
            // The next attempt, twice: the second finds it done.
            for _ in 0..2 {
                channel.place("a/b", "r.csv", ID, b"rows", &mut |_| Ok(())).unwrap();
                assert_eq!(std::fs::read(&file).unwrap(), b"rows", "{step:?}");
                assert_eq!(names(&temporary.path().join("a/b")), ["r.csv"], "{step:?}");
            }
        }
    }

    #[test]
    fn other_content_is_never_replaced() {
        let temporary = tempfile::tempdir().unwrap();
        let channel = FileChannel { folder: temporary.path().to_owned() };
        for there in ["other", "rowz"] {
            std::fs::write(temporary.path().join("r.csv"), there).unwrap();
            let refused = channel.place("", "r.csv", ID, b"rows", &mut |_| Ok(())).unwrap_err();
            assert!(!refused.passes && refused.reason.contains("other content"), "{refused:?}");
        }
        // Also when it comes between the look and the rename.
        let path = temporary.path().join("late.csv");
        let mut late = |step: Step| match step {
            Step::Synced => std::fs::write(&path, "late"),
            _ => Ok(()),
        };
        assert!(channel.place("", "late.csv", ID, b"rows", &mut late).is_err());
        assert_eq!(std::fs::read(&path).unwrap(), b"late");
        assert_eq!(names(temporary.path()), ["late.csv", "r.csv"]);
    }

    #[test]
    fn nothing_leads_out_of_the_folder() {
        let temporary = tempfile::tempdir().unwrap();
        let (inside, outside) = (temporary.path().join("in"), temporary.path().join("out"));
        std::fs::create_dir_all(&inside).unwrap();
        std::fs::create_dir_all(&outside).unwrap();
        std::os::unix::fs::symlink(&outside, inside.join("link")).unwrap();
        std::os::unix::fs::symlink(outside.join("x"), inside.join("r.csv")).unwrap();
        let channel = FileChannel { folder: inside };
        for (folder, name) in
            [("link", "r.csv"), ("..", "r.csv"), ("a/../..", "r.csv"), ("", "r.csv")]
        {
            let refused = channel.place(folder, name, ID, b"rows", &mut |_| Ok(())).unwrap_err();
            assert!(!refused.passes, "{folder}/{name}: {refused:?}");
        }
        assert!(names(&outside).is_empty());
    }
}
