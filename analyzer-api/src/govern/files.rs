//! The only files a query can reach: the table files of its own snapshot.
//!
//! SQL has no way to name a file here (no external tables, no file functions). This is the second wall:
//! even a plan that named one would find no store that opens it. Encrypted files are decrypted here, the chunks
//! that a range touches and no more; of files in clear the blocks that it touches are held against their
//! checksums. Above nobody sees a difference, but for the error that stands for damage.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use datafusion::error::{DataFusionError, Result as DfResult};
use datafusion::execution::object_store::{ObjectStoreRegistry, ObjectStoreUrl};
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use ledgerline_event_store::crypt::at_rest::SealedFile;
use ledgerline_projections::{Blocks, ColdFile, Lease};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{
    Attributes, CopyOptions, Error, GetOptions, GetResult, GetResultPayload, ListResult,
    MultipartUpload, ObjectMeta, ObjectStore, PutMultipartOptions, PutOptions, PutPayload,
    PutResult, Result,
};
use url::Url;

const SCHEME: &str = "ledgerline";

/// The address under which the table files of a snapshot are found.
pub(crate) fn tables_url() -> DfResult<ObjectStoreUrl> {
    ObjectStoreUrl::parse("ledgerline://tables")
}

/// A store that opens exactly the files it was given, for reading.
#[derive(Debug)]
pub(crate) struct TableFiles {
    files: LocalFileSystem,
    /// Each is held as long as this store is, so that it is not taken away under a query.
    known: BTreeMap<Path, Held>,
}

#[derive(Debug)]
struct Held {
    guard: Option<Guard>,
    lease: Lease,
}

impl Held {
    /// Tells who keeps the file that it is to be looked at.
    fn failed(&self) {
        self.lease.suspect();
    }
}

/// How the content of a file is had from what is stored, so that damage does not pass for content.
#[derive(Debug)]
enum Guard {
    /// It is encrypted; each chunk has a tag.
    Sealed(SealedFile),
    /// It is in clear; each block has a checksum.
    Checked(Blocks),
}

impl Guard {
    fn of(file: &ColdFile) -> Option<Self> {
        let checked = || file.blocks.clone().map(Self::Checked);
        file.sealed.clone().map(Self::Sealed).or_else(checked)
    }

    fn bytes(&self) -> u64 {
        match self {
            Self::Sealed(sealed) => sealed.plain_bytes(),
            Self::Checked(blocks) => blocks.bytes(),
        }
    }

    /// What has to be read to have a range of the content.
    fn stored_range(&self, plain: &Range<u64>) -> Range<u64> {
        match self {
            Self::Sealed(sealed) => sealed.stored_range(plain),
            Self::Checked(blocks) => blocks.stored_range(plain),
        }
    }

    /// A range of the content from what was read.
    fn open(&self, group: &Together, read: Bytes) -> std::result::Result<Bytes, String> {
        match self {
            Self::Sealed(sealed) => sealed
                .open_range(&group.plain, Vec::from(read))
                .map(Bytes::from)
                .map_err(|error| error.to_string()),
            Self::Checked(blocks) => {
                blocks.check(group.stored.start, &read).map_err(|error| error.to_string())?;
                let at = |place: u64| usize::try_from(place - group.stored.start);
                match (at(group.plain.start), at(group.plain.end)) {
                    (Ok(start), Ok(end)) if end <= read.len() => Ok(read.slice(start..end)),
                    _ => Err(format!("it has no bytes {:?}", group.plain)),
                }
            }
        }
    }
}

/// Ranges whose chunks overlap are opened together: the columns of a small file are neighbours, and a chunk is
/// opened once.
struct Together {
    plain: Range<u64>,
    stored: Range<u64>,
    /// Which of the wanted ranges, in their order.
    wanted: Range<usize>,
}

fn together(guard: &Guard, ranges: &[Range<u64>]) -> Vec<Together> {
    let mut groups: Vec<Together> = Vec::new();
    for (index, range) in ranges.iter().enumerate() {
        let stored = guard.stored_range(range);
        match groups.last_mut() {
            Some(last) if stored.start >= last.stored.start && stored.start < last.stored.end => {
                last.plain = last.plain.start.min(range.start)..last.plain.end.max(range.end);
                last.stored.end = last.stored.end.max(stored.end);
                last.wanted.end = index + 1;
            }
            _ => groups.push(Together { plain: range.clone(), stored, wanted: index..index + 1 }),
        }
    }
    groups
}

impl TableFiles {
    /// These files.
    pub(crate) fn new(known: &BTreeMap<Path, ColdFile>) -> Self {
        let held = |file: &ColdFile| Held { guard: Guard::of(file), lease: file.lease.clone() };
        let known = known.iter().map(|(path, file)| (path.clone(), held(file)));
        Self { files: LocalFileSystem::new(), known: known.collect() }
    }

    fn check(&self, location: &Path) -> Result<&Held> {
        self.known.get(location).ok_or_else(|| Error::PermissionDenied {
            path: location.to_string(),
            source: "not a table file of this snapshot".into(),
        })
    }

    async fn open_ranges(
        &self,
        location: &Path,
        held: &Held,
        ranges: &[Range<u64>],
    ) -> Result<Vec<Bytes>> {
        let Some(guard) = &held.guard else {
            return self.files.get_ranges(location, ranges).await;
        };
        let damaged = |reason: String| {
            held.failed();
            let source = format!("{location}: {reason}").into();
            Error::Generic { store: "tables", source }
        };
        let groups = together(guard, ranges);
        let stored: Vec<_> = groups.iter().map(|group| group.stored.clone()).collect();
        let read = self.files.get_ranges(location, &stored).await;
        let read = read.inspect_err(|_| held.failed())?;
        let mut opened = Vec::with_capacity(ranges.len());
        for (group, bytes) in groups.into_iter().zip(read) {
            let plain = guard.open(&group, bytes).map_err(damaged)?;
            for range in ranges.get(group.wanted).unwrap_or_default() {
                let at = |place: u64| {
                    let inside = usize::try_from(place.saturating_sub(group.plain.start));
                    inside.unwrap_or(usize::MAX).min(plain.len())
                };
                opened.push(plain.slice(at(range.start)..at(range.end)));
            }
        }
        Ok(opened)
    }

    async fn get_held(
        &self,
        location: &Path,
        held: &Held,
        options: GetOptions,
    ) -> Result<GetResult> {
        let Some(guard) = &held.guard else {
            return self.files.get_opts(location, options).await;
        };
        let meta = ObjectMeta {
            location: location.clone(),
            last_modified: chrono::DateTime::UNIX_EPOCH,
            size: guard.bytes(),
            e_tag: None,
            version: None,
        };
        options.check_preconditions(&meta)?;
        let range = match &options.range {
            None => 0..meta.size,
            Some(range) => range
                .as_range(meta.size)
                .map_err(|error| Error::Generic { store: "tables", source: Box::new(error) })?,
        };
        let bytes = if options.head {
            Vec::new()
        } else {
            self.open_ranges(location, held, std::slice::from_ref(&range)).await?
        };
        let payload = GetResultPayload::Stream(stream::iter(bytes.into_iter().map(Ok)).boxed());
        Ok(GetResult { payload, meta, range, attributes: Attributes::default() })
    }
}

fn read_only() -> Error {
    Error::NotSupported { source: "table files are read only".into() }
}

impl fmt::Display for TableFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} table files", self.known.len())
    }
}

#[async_trait]
impl ObjectStore for TableFiles {
    async fn put_opts(&self, _: &Path, _: PutPayload, _: PutOptions) -> Result<PutResult> {
        Err(read_only())
    }

    async fn put_multipart_opts(
        &self,
        _: &Path,
        _: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        Err(read_only())
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.get_held(location, self.check(location)?, options).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.open_ranges(location, self.check(location)?, ranges).await
    }

    fn delete_stream(
        &self,
        _: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        stream::once(async { Err(read_only()) }).boxed()
    }

    fn list(&self, _: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        stream::once(async { Err(read_only()) }).boxed()
    }

    async fn list_with_delimiter(&self, _: Option<&Path>) -> Result<ListResult> {
        Err(read_only())
    }

    async fn copy_opts(&self, _: &Path, _: &Path, _: CopyOptions) -> Result<()> {
        Err(read_only())
    }
}

/// A registry that knows the table files and nothing else.
#[derive(Debug)]
pub(crate) struct TableFilesOnly(pub(crate) Arc<TableFiles>);

impl ObjectStoreRegistry for TableFilesOnly {
    fn register_store(&self, _: &Url, _: Arc<dyn ObjectStore>) -> Option<Arc<dyn ObjectStore>> {
        None
    }

    fn get_store(&self, url: &Url) -> DfResult<Arc<dyn ObjectStore>> {
        if url.scheme() == SCHEME {
            return Ok(Arc::clone(&self.0) as Arc<dyn ObjectStore>);
        }
        Err(DataFusionError::Plan(format!("no files are reachable at {}://", url.scheme())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use object_store::ObjectStoreExt;

    #[tokio::test]
    async fn other_files_and_other_schemes_are_out_of_reach() {
        let dir = tempfile::tempdir().unwrap();
        let (inside, outside) = (dir.path().join("a.parquet"), dir.path().join("b.parquet"));
        std::fs::write(&inside, b"in").unwrap();
        std::fs::write(&outside, b"out").unwrap();
        let path = |file: &std::path::Path| Path::from_absolute_path(file).unwrap();
        let file = ColdFile::plain(inside.clone(), 0, 2);
        let store = Arc::new(TableFiles::new(&[(path(&inside), file)].into()));
        let registry = TableFilesOnly(Arc::clone(&store));
        assert!(registry.get_store(&Url::parse("file:///etc").unwrap()).is_err());
        let found = registry.get_store(tables_url().unwrap().as_ref()).unwrap();
        assert_eq!(found.get(&path(&inside)).await.unwrap().bytes().await.unwrap().as_ref(), b"in");
        assert!(matches!(found.get(&path(&outside)).await, Err(Error::PermissionDenied { .. })));
        assert!(found.put(&path(&inside), PutPayload::from_static(b"x")).await.is_err());
    }

    #[tokio::test]
    async fn ranges_of_an_encrypted_file_are_those_of_its_content() {
        use ledgerline_event_store::crypt::KeyRing;
        use ledgerline_event_store::crypt::at_rest::{FileCipher as _, StorageKeys};
        use ledgerline_schemas::id::OrgId;

        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a.parquet");
        let keys = StorageKeys::new(KeyRing::in_memory().unwrap(), OrgId::from_u128(1), true);
        let plain: Vec<u8> = (0..300_000_u32).map(|at| (at % 251) as u8).collect();
        let stored = keys.seal("place", plain.clone()).unwrap();
        std::fs::write(&file, &stored.bytes).unwrap();
        let path = Path::from_absolute_path(&file).unwrap();
        let cold = ColdFile::plain(file.clone(), 0, plain.len() as u64);
        let cold = ColdFile { sealed: stored.sealed, ..cold };
        let store = TableFiles::new(&[(path.clone(), cold)].into());
        let whole = store.get(&path).await.unwrap();
        assert_eq!(whole.meta.size, plain.len() as u64);
        assert_eq!(whole.bytes().await.unwrap(), plain);
        let ranges = [0..8, 8..70_000, 65_000..66_000, 200_000..300_000, 10..20, 299_992..300_000];
        let read = store.get_ranges(&path, &ranges).await.unwrap();
        for (range, bytes) in ranges.iter().zip(read) {
            assert_eq!(bytes, plain[range.start as usize..range.end as usize], "{range:?}");
        }
        let end =
            GetOptions { range: Some(object_store::GetRange::Suffix(8)), ..Default::default() };
        let end = store.get_opts(&path, end).await.unwrap();
        assert_eq!(end.bytes().await.unwrap(), plain[299_992..]);
        assert_eq!(store.head(&path).await.unwrap().size, plain.len() as u64);

        let mut damaged = stored.bytes;
        damaged[150_000] ^= 1;
        std::fs::write(&file, damaged).unwrap();
        assert!(store.get_range(&path, 0..1_000).await.is_ok(), "other chunks are whole");
        let error = store.get_range(&path, 149_000..150_000).await.unwrap_err();
        assert!(error.to_string().contains("storage key"), "{error}");
    }

    #[tokio::test]
    async fn a_damaged_block_of_a_file_in_clear_is_an_error_and_others_can_be_read() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a.parquet");
        let plain: Vec<u8> = (0..200_000_u32).map(|at| (at % 251) as u8).collect();
        std::fs::write(&file, &plain).unwrap();
        let path = Path::from_absolute_path(&file).unwrap();
        let cold = ColdFile::plain(file.clone(), 0, plain.len() as u64);
        let cold = ColdFile { blocks: Some(Blocks::of(&plain)), ..cold };
        let store = TableFiles::new(&[(path.clone(), cold)].into());
        let ranges = [0..8, 8..70_000, 65_000..66_000, 140_000..200_000, 10..20, 199_992..200_000];
        let read = store.get_ranges(&path, &ranges).await.unwrap();
        for (range, bytes) in ranges.iter().zip(read) {
            assert_eq!(bytes, plain[range.start as usize..range.end as usize], "{range:?}");
        }
        assert_eq!(store.get(&path).await.unwrap().bytes().await.unwrap(), plain);
        for at in [65_536, 100_000, 131_071] {
            let mut damaged = plain.clone();
            damaged[at] ^= 0x10;
            std::fs::write(&file, damaged).unwrap();
            assert!(store.get_range(&path, 0..65_536).await.is_ok(), "other blocks are whole");
            assert!(store.get_range(&path, 131_072..200_000).await.is_ok());
            // Also where the range itself is whole: its block is not.
            for range in [65_530..65_540, 70_000..70_001, 0..200_000] {
                let error = store.get_range(&path, range).await.unwrap_err();
                assert!(error.to_string().contains("65536 to 131072"), "{error}");
            }
        }
        std::fs::write(&file, &plain[..150_000]).unwrap();
        assert!(store.get_range(&path, 149_000..149_500).await.is_err(), "it is cut off");
    }
}
