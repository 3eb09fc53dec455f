//! The disk that shows packed and archived segments as segment files.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, ErrorKind};
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use super::cache::BlockCache;
use super::file::{OnDisk, PackedFile, Stored, read_layout};
use super::handle::Handles;
use super::keeper::Signal;
use super::{ArchiveReader, Damage, Ends, Packed, Stub, pack, unpack_all};
use crate::disk::{Disk, DiskFile};
use crate::fault::Faults;
use crate::segment;

/// Name ending of a packed segment.
pub(crate) const PACKED: &str = "segz";
/// Name ending of a stub.
pub(crate) const STUB: &str = "segr";
/// How often a file is looked for that changes its form meanwhile.
const TRIES: usize = 3;

/// How a vault works.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// Unpacked blocks kept in memory, bytes.
    pub(crate) cache_bytes: usize,
    /// Sealed segments that stay as they were written; `None`: all of them.
    pub(crate) raw_segments: Option<usize>,
    /// Where archived segments are read from.
    pub(crate) archive: Option<Arc<dyn ArchiveReader>>,
}

/// How a segment is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Form {
    /// As it was written.
    Raw,
    /// Packed.
    Packed,
    /// In the archive only.
    Archived,
}

impl Form {
    const ALL: [Self; 3] = [Self::Raw, Self::Packed, Self::Archived];

    const fn ending(self) -> &'static str {
        match self {
            Self::Raw => "seg",
            Self::Packed => PACKED,
            Self::Archived => STUB,
        }
    }

    /// Name of the file.
    pub(crate) fn name(self, base_position: u64) -> String {
        format!("{base_position:020}.{}", self.ending())
    }
}

/// The form and base position that a file name stands for.
pub(crate) fn form_of(name: &str) -> Option<(u64, Form)> {
    let (stem, ending) = name.split_once('.')?;
    let form = Form::ALL.into_iter().find(|form| form.ending() == ending)?;
    segment::base_position_of(&format!("{stem}.seg")).map(|base| (base, form))
}

/// Whether a file is the unfinished beginning of a form.
fn is_unfinished(name: &str) -> bool {
    name.strip_suffix(".tmp").and_then(form_of).is_some_and(|(_, form)| form != Form::Raw)
}

/// All bytes of a file.
pub(crate) fn read_whole(file: &dyn DiskFile) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(file.len()?).unwrap_or(usize::MAX)];
    let read = file.read_at(&mut bytes, 0)?;
    bytes.truncate(read);
    Ok(bytes)
}

/// A log's disk with its packed and archived segments.
#[derive(Debug)]
pub(crate) struct Vault {
    inner: Arc<dyn Disk>,
    settings: Settings,
    cache: Arc<BlockCache>,
    faults: Faults,
    /// Held while a segment changes its form.
    changing: Mutex<()>,
    signal: Arc<Signal>,
    handles: Handles,
}

impl Vault {
    /// The vault over a disk that nobody else writes to. Removes what an interrupted change of form left.
    pub(crate) fn open(
        inner: Arc<dyn Disk>,
        settings: Settings,
        faults: Faults,
    ) -> io::Result<Self> {
        let this = Self::reading(inner, settings, faults);
        let mut best: BTreeMap<u64, Form> = BTreeMap::new();
        let names = this.inner.list()?;
        for (base, form) in names.iter().filter_map(|name| form_of(name)) {
            best.entry(base).and_modify(|best| *best = form.min(*best)).or_insert(form);
        }
        for name in names {
            let surplus = form_of(&name).is_some_and(|(base, form)| best.get(&base) != Some(&form));
            if surplus || is_unfinished(&name) {
                this.inner.remove(&name)?;
            }
        }
        Ok(this)
    }

    /// The vault over a disk that somebody else may write to: changes nothing.
    pub(crate) fn reading(inner: Arc<dyn Disk>, settings: Settings, faults: Faults) -> Self {
        let cache = Arc::new(BlockCache::new(settings.cache_bytes));
        let (changing, signal) = (Mutex::new(()), Arc::default());
        Self { inner, settings, cache, faults, changing, signal, handles: Handles::default() }
    }

    /// Told when a segment is added.
    pub(crate) fn signal(&self) -> Arc<Signal> {
        Arc::clone(&self.signal)
    }

    /// Every segment, by base position, in the form that counts.
    pub(crate) fn segments(&self) -> io::Result<BTreeMap<u64, Form>> {
        let mut found: BTreeMap<u64, Form> = BTreeMap::new();
        for (base, form) in self.inner.list()?.iter().filter_map(|name| form_of(name)) {
            found.entry(base).and_modify(|it| *it = form.min(*it)).or_insert(form);
        }
        Ok(found)
    }

    /// Base positions of the segments with others behind them that are to be packed, oldest first.
    pub(crate) fn due(&self) -> io::Result<Vec<u64>> {
        let Some(raw_segments) = self.settings.raw_segments else { return Ok(Vec::new()) };
        let mut segments: Vec<(u64, Form)> = self.segments()?.into_iter().collect();
        // The last one is being written.
        segments.truncate(segments.len().saturating_sub(1 + raw_segments));
        Ok(segments
            .into_iter()
            .filter(|(_, form)| *form == Form::Raw)
            .map(|(base, _)| base)
            .collect())
    }

    /// Packs a sealed segment; what it was and became, bytes. Nothing changes if a frame of it is damaged.
    pub(crate) fn pack(&self, base: u64) -> io::Result<(u64, u64)> {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let raw_name = Form::Raw.name(base);
        let raw = read_whole(&*self.inner.open(&raw_name)?)?;
        let packed = packed(&raw_name, &raw)?;
        if self.faults.remove_before_packing() {
            self.inner.remove(&raw_name)?;
            self.inner.sync_directory()?;
        }
        let name = Form::Packed.name(base);
        self.write_form(&name, &packed.bytes, |stored| {
            let whole = unpack_all(stored).map_err(|reason| Damage::error(&name, reason))?;
            if whole.1 == raw {
                Ok(())
            } else {
                Err(Damage::error(&name, "it unpacks to other bytes"))
            }
        })?;
        if !self.faults.remove_before_packing() {
            self.inner.remove(&raw_name)?;
            self.inner.sync_directory()?;
        }
        self.handles.replace(base, || self.open_segment(base))?;
        Ok((raw.len() as u64, packed.bytes.len() as u64))
    }

    /// Leaves a stub of a sealed segment, whose copy in the archive the caller has verified.
    pub(crate) fn drop_local(&self, stub: &Stub) -> io::Result<()> {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let base = stub.layout.facts.base_position;
        let name = Form::Archived.name(base);
        let bytes = stub.encode();
        self.write_form(&name, &bytes, |stored| {
            let read = Stub::decode(stored).map_err(|reason| Damage::error(&name, reason))?;
            if read == *stub {
                Ok(())
            } else {
                Err(Damage::error(&name, "it reads back otherwise"))
            }
        })?;
        // The form that counts goes last, so that there is never a moment without one.
        for form in [Form::Packed, Form::Raw] {
            match self.inner.remove(&form.name(base)) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        self.inner.sync_directory()?;
        self.handles.replace(base, || self.open_segment(base))
    }

    /// Writes a file aside, makes it durable, reads it back, and gives it its name durably.
    fn write_form(
        &self,
        name: &str,
        bytes: &[u8],
        check: impl FnOnce(&[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        let aside = format!("{name}.tmp");
        match self.inner.remove(&aside) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let file = self.inner.create(&aside)?;
        file.write_at(bytes, 0)?;
        if !self.faults.pack_without_sync() {
            file.sync_data()?;
        }
        let stored = read_whole(&*self.inner.open(&aside)?)?;
        if stored != bytes {
            return Err(Damage::error(&aside, "it reads back otherwise than it was written"));
        }
        check(&stored)?;
        self.inner.rename(&aside, name)?;
        self.inner.sync_directory()
    }

    /// Bytes that a segment takes in a form.
    pub(crate) fn local_bytes(&self, base: u64, form: Form) -> io::Result<u64> {
        self.inner.open(&form.name(base))?.len()
    }

    /// Whether a segment is encrypted on the log's own disk, in whatever form it is.
    pub(crate) fn is_encrypted(&self, base: u64) -> io::Result<bool> {
        for form in [Form::ALL; TRIES].into_iter().flatten() {
            match self.inner.open(&form.name(base)) {
                Ok(file) => return Ok(file.is_encrypted()),
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                Err(_) => {}
            }
        }
        Err(ErrorKind::NotFound.into())
    }

    /// The stub of an archived segment.
    pub(crate) fn stub(&self, base: u64) -> io::Result<Stub> {
        let name = Form::Archived.name(base);
        let bytes = read_whole(&*self.inner.open(&name)?)?;
        let stub = Stub::decode(&bytes).map_err(|reason| Damage::error(&name, reason))?;
        if stub.layout.facts.base_position != base {
            return Err(Damage::error(&name, "it is the stub of another segment"));
        }
        Ok(stub)
    }

    /// A sealed segment packed, whatever its form.
    pub(crate) fn packed(&self, base: u64) -> io::Result<Packed> {
        for _ in 0..TRIES {
            let raw_name = Form::Raw.name(base);
            match self.inner.open(&raw_name) {
                Ok(file) => return packed(&raw_name, &read_whole(&*file)?),
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                Err(_) => {}
            }
            let name = Form::Packed.name(base);
            let bytes = match self.inner.open(&name) {
                Ok(file) => read_whole(&*file)?,
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                Err(_) => match self.stub(base) {
                    Ok(stub) => self.remote(&stub).read(0..stub.layout.packed_bytes())?,
                    Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                    Err(_) => continue,
                },
            };
            let (layout, _) = unpack_all(&bytes).map_err(|reason| Damage::error(&name, reason))?;
            return Ok(Packed { bytes, layout });
        }
        Err(ErrorKind::NotFound.into())
    }

    /// Gives a stub of an earlier version both ends of its segment, which the archive has to give once more.
    pub(crate) fn complete_stub(&self, base: u64) -> io::Result<()> {
        let stub = self.stub(base)?;
        if stub.ends.is_some() {
            return Ok(());
        }
        let raw_name = Form::Raw.name(base);
        let raw = read_whole(&*self.open_segment(base)?)?;
        let ends = Ends::of(&raw).map_err(|bad| {
            Damage::error(&raw_name, format!("offset {}: {}", bad.offset, bad.reason))
        })?;
        self.drop_local(&Stub { ends: Some(ends), ..stub })
    }

    fn remote(&self, stub: &Stub) -> Remote {
        Remote {
            segment: Form::Raw.name(stub.layout.facts.base_position),
            archive: self.settings.archive.clone(),
            object: stub.object.clone(),
        }
    }

    /// Opens a segment in whatever form it is.
    fn open_segment(&self, base: u64) -> io::Result<Arc<dyn DiskFile>> {
        for _ in 0..TRIES {
            match self.inner.open(&Form::Raw.name(base)) {
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                outcome => return outcome,
            }
            match self.inner.open(&Form::Packed.name(base)) {
                Ok(file) => {
                    let name = Form::Packed.name(base);
                    let bytes = file.len()?;
                    let stored = OnDisk(file);
                    let layout = read_layout(&name, &stored, bytes)?;
                    return Ok(Arc::new(self.packed_file(base, name, Box::new(stored), layout)?));
                }
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                Err(_) => {}
            }
            match self.stub(base) {
                Ok(stub) => {
                    let (stored, Stub { object, ends, layout, .. }) = (self.remote(&stub), stub);
                    let file = self.packed_file(base, object, Box::new(stored), layout)?;
                    return Ok(Arc::new(file.with_ends(ends)));
                }
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                Err(_) => {}
            }
        }
        Err(ErrorKind::NotFound.into())
    }

    fn packed_file(
        &self,
        base: u64,
        name: String,
        stored: Box<dyn Stored>,
        layout: super::layout::Layout,
    ) -> io::Result<PackedFile> {
        if layout.facts.base_position != base || !layout.facts.sealed {
            return Err(Damage::error(&name, "it holds another segment than its name says"));
        }
        let cache = Arc::clone(&self.cache);
        Ok(PackedFile::new(name, stored, Arc::new(layout), cache))
    }
}

fn packed(name: &str, raw: &[u8]) -> io::Result<Packed> {
    pack(raw).map_err(|bad| Damage::error(name, format!("offset {}: {}", bad.offset, bad.reason)))
}

/// An object in the archive.
#[derive(Debug)]
struct Remote {
    /// The segment it holds.
    segment: String,
    archive: Option<Arc<dyn ArchiveReader>>,
    object: String,
}

impl Stored for Remote {
    fn read(&self, range: Range<u64>) -> io::Result<Vec<u8>> {
        let Self { segment, archive, object } = self;
        let Some(archive) = archive else {
            return Err(io::Error::other(format!(
                "segment {segment} is in the archive only ({object}), and no archive is known"
            )));
        };
        archive.read(object, range).map_err(|error| match Damage::of(&error) {
            Some(_) => error,
            // Of no kind: that the archive has no such object, or is not there, must never read as if the log
            // had no such segment.
            None => io::Error::other(format!(
                "segment {segment} is in the archive only, and {} does not give it: {error}",
                archive.name()
            )),
        })
    }

    fn is_remote(&self) -> bool {
        true
    }
}

impl Disk for Vault {
    fn list(&self) -> io::Result<Vec<String>> {
        let mut shown = BTreeSet::new();
        for name in self.inner.list()? {
            match form_of(&name) {
                Some((base, _)) => {
                    shown.insert(Form::Raw.name(base));
                }
                None if is_unfinished(&name) => {}
                None => {
                    shown.insert(name);
                }
            }
        }
        Ok(shown.into_iter().collect())
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let file = self.inner.create(name)?;
        // A new segment gets its name later.
        Ok(match form_of(name.strip_suffix(".tmp").unwrap_or(name)) {
            Some((base, Form::Raw)) => self.handles.add(base, file),
            _ => file,
        })
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        match form_of(name) {
            Some((base, Form::Raw)) => Ok(self.handles.add(base, self.open_segment(base)?)),
            _ => self.inner.open(name),
        }
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.inner.rename(from, to)?;
        if matches!(form_of(to), Some((_, Form::Raw))) {
            self.signal.raise();
        }
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.inner.remove(name)
    }

    fn sync_directory(&self) -> io::Result<()> {
        self.inner.sync_directory()
    }
}
