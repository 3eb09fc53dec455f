//! The only files a query can reach: the table files of its own snapshot.
//!
//! SQL has no way to name a file here (no external tables, no file functions). This is the second wall:
//! even a plan that named one would find no store that opens it. Encrypted files are decrypted here, the chunks
//! that a range touches and no more; above nobody sees a difference.

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
use ledgerline_event_store::crypt::at_rest::{FileCipherError, SealedFile};
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
    known: BTreeMap<Path, Option<SealedFile>>,
}

/// Ranges whose chunks overlap are opened together: the columns of a small file are neighbours, and a chunk is
/// decrypted once.
struct Together {
    plain: Range<u64>,
    stored: Range<u64>,
    /// Which of the wanted ranges, in their order.
    wanted: Range<usize>,
}

fn together(sealed: &SealedFile, ranges: &[Range<u64>]) -> Vec<Together> {
    let mut groups: Vec<Together> = Vec::new();
    for (index, range) in ranges.iter().enumerate() {
        let stored = sealed.stored_range(range);
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
    /// The files, those that are encrypted with the way to read them.
    pub(crate) fn new(known: BTreeMap<Path, Option<SealedFile>>) -> Self {
        Self { files: LocalFileSystem::new(), known }
    }

    fn check(&self, location: &Path) -> Result<Option<&SealedFile>> {
        self.known.get(location).map(Option::as_ref).ok_or_else(|| Error::PermissionDenied {
            path: location.to_string(),
            source: "not a table file of this snapshot".into(),
        })
    }

    async fn open_ranges(
        &self,
        location: &Path,
        sealed: &SealedFile,
        ranges: &[Range<u64>],
    ) -> Result<Vec<Bytes>> {
        let damaged = |error: FileCipherError| Error::Generic {
            store: "tables",
            source: format!("{location}: {error}").into(),
        };
        let groups = together(sealed, ranges);
        let stored: Vec<_> = groups.iter().map(|group| group.stored.clone()).collect();
        let read = self.files.get_ranges(location, &stored).await?;
        let mut opened = Vec::with_capacity(ranges.len());
        for (group, bytes) in groups.into_iter().zip(read) {
            let plain = sealed.open_range(&group.plain, Vec::from(bytes)).map_err(damaged)?;
            let plain = Bytes::from(plain);
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

    async fn get_sealed(
        &self,
        location: &Path,
        sealed: &SealedFile,
        options: &GetOptions,
    ) -> Result<GetResult> {
        let meta = ObjectMeta {
            location: location.clone(),
            last_modified: chrono::DateTime::UNIX_EPOCH,
            size: sealed.plain_bytes(),
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
            self.open_ranges(location, sealed, std::slice::from_ref(&range)).await?
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
        match self.check(location)? {
            Some(sealed) => self.get_sealed(location, sealed, &options).await,
            None => self.files.get_opts(location, options).await,
        }
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        match self.check(location)? {
            Some(sealed) => self.open_ranges(location, sealed, ranges).await,
            None => self.files.get_ranges(location, ranges).await,
        }
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
        let store = Arc::new(TableFiles::new([(path(&inside), None)].into()));
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
        let store = TableFiles::new([(path.clone(), stored.sealed)].into());
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
}
