//! The only files a query can reach: the table files of its own snapshot.
//!
//! SQL has no way to name a file here (no external tables, no file functions). This is the second wall:
//! even a plan that named one would find no store that opens it.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use datafusion::error::{DataFusionError, Result as DfResult};
use datafusion::execution::object_store::{ObjectStoreRegistry, ObjectStoreUrl};
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
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
    known: BTreeSet<Path>,
}

impl TableFiles {
    pub(crate) fn new(known: BTreeSet<Path>) -> Self {
        Self { files: LocalFileSystem::new(), known }
    }

    fn check(&self, location: &Path) -> Result<()> {
        if self.known.contains(location) {
            return Ok(());
        }
        Err(Error::PermissionDenied {
            path: location.to_string(),
            source: "not a table file of this snapshot".into(),
        })
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
        self.check(location)?;
        self.files.get_opts(location, options).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.check(location)?;
        self.files.get_ranges(location, ranges).await
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
        let store = Arc::new(TableFiles::new([path(&inside)].into()));
        let registry = TableFilesOnly(Arc::clone(&store));
        assert!(registry.get_store(&Url::parse("file:///etc").unwrap()).is_err());
        let found = registry.get_store(tables_url().unwrap().as_ref()).unwrap();
        assert_eq!(found.get(&path(&inside)).await.unwrap().bytes().await.unwrap().as_ref(), b"in");
        assert!(matches!(found.get(&path(&outside)).await, Err(Error::PermissionDenied { .. })));
        assert!(found.put(&path(&inside), PutPayload::from_static(b"x")).await.is_err());
    }
}
