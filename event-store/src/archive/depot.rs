//! Objects in a folder or in an S3-compatible store, for code that waits for them.

use std::fmt;
use std::fs::{DirBuilder, File, Permissions};
use std::future::Future;
use std::io;
use std::ops::Range;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path as FilePath, PathBuf};
use std::sync::{Arc, mpsc};

use futures::TryStreamExt as _;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _};
use tokio::runtime::Runtime;

use super::error::ArchiveError;
use crate::vault::ArchiveReader;

const S3: &str = "s3://";

/// A place for objects. Clones share it.
///
/// Methods block; they may be called from any thread, those of an async runtime included, but hold it up.
#[derive(Clone)]
pub struct Depot {
    inner: Arc<Inner>,
}

struct Inner {
    address: String,
    store: Arc<dyn ObjectStore>,
    prefix: Path,
    /// Of a store that is a folder.
    folder: Option<PathBuf>,
    /// Requests run here, whatever runtime the caller is in. `None` only while it is dropped.
    runtime: Option<Runtime>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // The last handle may go in async code, which must not wait for a runtime.
            runtime.shutdown_background();
        }
    }
}

impl fmt::Debug for Depot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Depot").field("address", &self.inner.address).finish_non_exhaustive()
    }
}

impl Depot {
    /// Opens a store by its address: a folder (made if it is not there), or `s3://bucket/prefix`.
    ///
    /// Region, endpoint and credentials of S3 come from the environment (`AWS_REGION`, `AWS_ENDPOINT_URL`
    /// or `AWS_ENDPOINT`, `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`,
    /// `AWS_ALLOW_HTTP=true` for an endpoint without TLS), or from the instance's role.
    ///
    /// # Errors
    /// [`ArchiveError::Address`].
    pub fn open(address: &str) -> Result<Self, ArchiveError> {
        Self::at(address, true)
    }

    /// As [`Depot::open`], but a folder must be there.
    ///
    /// # Errors
    /// [`ArchiveError::Address`].
    pub fn existing(address: &str) -> Result<Self, ArchiveError> {
        Self::at(address, false)
    }

    fn at(address: &str, make: bool) -> Result<Self, ArchiveError> {
        let bad = |reason: String| ArchiveError::Address { address: address.to_owned(), reason };
        let (store, prefix, folder): (Arc<dyn ObjectStore>, _, _) =
            if let Some(rest) = address.strip_prefix(S3) {
                let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
                if bucket.is_empty() {
                    return Err(bad("s3://BUCKET/PREFIX: the bucket is missing".to_owned()));
                }
                let prefix = Path::parse(prefix).map_err(|error| bad(error.to_string()))?;
                (s3(bucket).map_err(bad)?, prefix, None)
            } else {
                let path = address.strip_prefix("file://").unwrap_or(address);
                if path.is_empty() || path.contains("://") {
                    return Err(bad("a folder or s3://BUCKET/PREFIX is needed".to_owned()));
                }
                let made = || -> io::Result<PathBuf> {
                    if make {
                        DirBuilder::new().recursive(true).mode(0o700).create(path)?;
                    }
                    std::fs::canonicalize(path)
                };
                let folder = made().map_err(|error| bad(error.to_string()))?;
                let store = LocalFileSystem::new_with_prefix(&folder)
                    .map_err(|error| bad(error.to_string()))?;
                (Arc::new(store), Path::default(), Some(folder))
            };
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("log-archive")
            .enable_all()
            .build()
            .map_err(|error| bad(error.to_string()))?;
        let address = match &folder {
            Some(folder) => folder.display().to_string(),
            None => address.to_owned(),
        };
        let runtime = Some(runtime);
        Ok(Self { inner: Arc::new(Inner { address, store, prefix, folder, runtime }) })
    }

    /// Its address; of a folder, the whole path.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.inner.address
    }

    fn path(&self, object: &str) -> Path {
        self.inner.prefix.parts().chain(Path::from(object).parts()).collect()
    }

    /// Runs a request to its end.
    fn wait<T: Send + 'static>(
        &self,
        object: &str,
        request: impl Future<Output = object_store::Result<T>> + Send + 'static,
    ) -> Result<T, ArchiveError> {
        let failed = |reason: String, missing| ArchiveError::Store {
            store: self.inner.address.clone(),
            object: object.to_owned(),
            reason,
            missing,
        };
        let Some(runtime) = &self.inner.runtime else {
            return Err(failed("it is closed".to_owned(), false));
        };
        let (sender, receiver) = mpsc::sync_channel(1);
        runtime.spawn(async move {
            // Whoever asked waits below.
            let _ = sender.send(request.await);
        });
        match receiver.recv() {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => {
                let missing = matches!(error, object_store::Error::NotFound { .. });
                Err(failed(
                    if missing { "it is not there".to_owned() } else { error.to_string() },
                    missing,
                ))
            }
            Err(_) => Err(failed("the request ended without an answer".to_owned(), false)),
        }
    }

    /// A whole object.
    ///
    /// # Errors
    /// [`ArchiveError::Store`].
    pub fn get(&self, object: &str) -> Result<Vec<u8>, ArchiveError> {
        let (store, path) = (Arc::clone(&self.inner.store), self.path(object));
        let bytes = self.wait(object, async move { store.get(&path).await?.bytes().await })?;
        Ok(bytes.to_vec())
    }

    /// A whole object, or nothing if there is none.
    ///
    /// # Errors
    /// [`ArchiveError::Store`].
    pub fn find(&self, object: &str) -> Result<Option<Vec<u8>>, ArchiveError> {
        match self.get(object) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(ArchiveError::Store { missing: true, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Stores an object in the place of any other of this name, and reads it back. When this returns it is
    /// durable, as far as the store keeps its own promise; in a folder it was synced.
    ///
    /// # Errors
    /// [`ArchiveError::Store`]; [`ArchiveError::Damaged`] if it reads back otherwise.
    pub fn put(&self, object: &str, bytes: &[u8]) -> Result<(), ArchiveError> {
        let (store, path) = (Arc::clone(&self.inner.store), self.path(object));
        let payload = bytes.to_vec();
        self.wait(object, async move { store.put(&path, payload.into()).await })?;
        if let Some(folder) = &self.inner.folder {
            sync(folder, &self.path(object)).map_err(|error| ArchiveError::Store {
                store: self.inner.address.clone(),
                object: object.to_owned(),
                reason: format!("syncing it: {error}"),
                missing: false,
            })?;
        }
        if self.get(object)? == bytes {
            return Ok(());
        }
        Err(ArchiveError::Damaged {
            object: object.to_owned(),
            reason: "it reads back otherwise than it was stored".to_owned(),
        })
    }

    /// Removes an object; it is no error if it is not there.
    ///
    /// # Errors
    /// [`ArchiveError::Store`].
    pub fn remove(&self, object: &str) -> Result<(), ArchiveError> {
        let (store, path) = (Arc::clone(&self.inner.store), self.path(object));
        match self.wait(object, async move { store.delete(&path).await }) {
            Err(ArchiveError::Store { missing: true, .. }) => Ok(()),
            outcome => outcome,
        }
    }

    /// Names of the objects below a prefix that ends at a `/`, in order.
    ///
    /// # Errors
    /// [`ArchiveError::Store`].
    pub fn list(&self, prefix: &str) -> Result<Vec<String>, ArchiveError> {
        let (store, path) = (Arc::clone(&self.inner.store), self.path(prefix));
        let found = self
            .wait(prefix, async move { store.list(Some(&path)).try_collect::<Vec<_>>().await })?;
        let mut names: Vec<String> = found
            .iter()
            .filter_map(|meta| {
                let own = meta.location.prefix_match(&self.inner.prefix)?;
                Some(own.map(|part| part.as_ref().to_owned()).collect::<Vec<_>>().join("/"))
            })
            .collect();
        names.sort_unstable();
        Ok(names)
    }
}

#[cfg(feature = "s3")]
fn s3(bucket: &str) -> Result<Arc<dyn ObjectStore>, String> {
    // How long a request is repeated, at most: readers wait for it.
    let retry = object_store::RetryConfig {
        max_retries: 4,
        retry_timeout: std::time::Duration::from_secs(30),
        ..object_store::RetryConfig::default()
    };
    let builder = object_store::aws::AmazonS3Builder::from_env();
    let store = builder.with_bucket_name(bucket).with_retry(retry).build();
    store.map(|store| Arc::new(store) as Arc<dyn ObjectStore>).map_err(|error| error.to_string())
}

#[cfg(not(feature = "s3"))]
fn s3(_: &str) -> Result<Arc<dyn ObjectStore>, String> {
    Err("this program was built without S3; build it with `--features s3`".to_owned())
}

/// Makes a file below a folder durable, and every name on the way to it.
fn sync(folder: &FilePath, object: &Path) -> io::Result<()> {
    let mut path = folder.join(object.as_ref());
    // A log is for the eyes of its owner, and so is a copy of it.
    std::fs::set_permissions(&path, Permissions::from_mode(0o600))?;
    File::open(&path)?.sync_all()?;
    while path != folder && path.pop() {
        File::open(&path)?.sync_all()?;
    }
    Ok(())
}

impl ArchiveReader for Depot {
    fn read(&self, object: &str, range: Range<u64>) -> io::Result<Vec<u8>> {
        let (store, path) = (Arc::clone(&self.inner.store), self.path(object));
        match self.wait(object, async move { store.get_range(&path, range).await }) {
            Ok(bytes) => Ok(bytes.to_vec()),
            Err(error) => {
                let missing = matches!(error, ArchiveError::Store { missing: true, .. });
                let kind = if missing { io::ErrorKind::NotFound } else { io::ErrorKind::Other };
                Err(io::Error::new(kind, error))
            }
        }
    }

    fn name(&self) -> String {
        self.inner.address.clone()
    }
}
