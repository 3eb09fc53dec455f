//! What a query puts on disk while it works: encrypted with a key that exists in memory only, in a file that
//! has no name, so nothing of it can be read once the query, or the process, is over.
//!
//! ```text
//! file    chunk | chunk | …      chunk    AES-256-GCM of at most 65,536 bytes | tag 16
//! ```
//!
//! Each file has a random key of its own; the nonce is the number of the chunk. Lengths are kept in memory.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::spill_file::{SpillFile, SpillWriter, TempFileFactory};
use futures::{Stream, stream};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};

/// Bytes encrypted at a time.
const CHUNK_BYTES: usize = 64 << 10;

/// Makes spill files, all of them together up to a number of bytes.
#[derive(Debug)]
pub(crate) struct Spills {
    dir: Option<PathBuf>,
    bytes_max: u64,
    used: Arc<AtomicU64>,
}

impl Spills {
    /// Files in this folder, or where the operating system keeps temporary ones.
    pub(crate) fn new(dir: Option<PathBuf>, bytes_max: u64) -> Self {
        Self { dir, bytes_max, used: Arc::default() }
    }
}

impl TempFileFactory for Spills {
    fn create_temp_file(&self, _: &str) -> Result<Arc<dyn SpillFile>> {
        let file = match &self.dir {
            Some(dir) => tempfile::tempfile_in(dir),
            None => tempfile::tempfile(),
        };
        Ok(Arc::new(Spill(Arc::new(Inner {
            file: file.map_err(DataFusionError::IoError)?,
            key: random_key()?,
            chunks: Mutex::default(),
            bytes_max: self.bytes_max,
            used: Arc::clone(&self.used),
        }))))
    }
}

fn random_key() -> Result<LessSafeKey> {
    let failed = || DataFusionError::IoError(io::Error::other("there is no key for a spill file"));
    let mut secret = [0; 32];
    getrandom::fill(&mut secret).map_err(|_| failed())?;
    let key = UnboundKey::new(&AES_256_GCM, &secret).map_err(|_| failed());
    secret.fill(0);
    key.map(LessSafeKey::new)
}

fn nonce(chunk: usize) -> Nonce {
    let mut bytes = [0; NONCE_LEN];
    if let Some(place) = bytes.first_chunk_mut::<8>() {
        *place = (chunk as u64).to_le_bytes();
    }
    Nonce::assume_unique_for_key(bytes)
}

/// One spill file.
struct Spill(Arc<Inner>);

struct Inner {
    file: File,
    key: LessSafeKey,
    /// Where each chunk ends in the file.
    chunks: Mutex<Vec<u64>>,
    bytes_max: u64,
    used: Arc<AtomicU64>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        let bytes = self.chunks().last().copied().unwrap_or_default();
        self.used.fetch_sub(bytes, Ordering::Relaxed);
    }
}

impl Inner {
    fn chunks(&self) -> std::sync::MutexGuard<'_, Vec<u64>> {
        self.chunks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Encrypts and writes a chunk behind the others.
    fn append(&self, mut plain: Vec<u8>) -> Result<()> {
        let mut chunks = self.chunks();
        let number = chunks.len();
        let at = chunks.last().copied().unwrap_or_default();
        self.key
            .seal_in_place_append_tag(nonce(number), Aad::empty(), &mut plain)
            .map_err(|_| DataFusionError::Execution("a spill could not be encrypted".to_owned()))?;
        let bytes = plain.len() as u64;
        if self.used.fetch_add(bytes, Ordering::Relaxed) + bytes > self.bytes_max {
            self.used.fetch_sub(bytes, Ordering::Relaxed);
            let max = self.bytes_max;
            return Err(DataFusionError::ResourcesExhausted(format!(
                "what queries put aside on disk would pass {max} bytes"
            )));
        }
        let written = self.file.write_all_at(&plain, at);
        if let Err(error) = written {
            self.used.fetch_sub(bytes, Ordering::Relaxed);
            return Err(DataFusionError::IoError(error));
        }
        chunks.push(at + bytes);
        Ok(())
    }

    /// A chunk; `None` while it is not written.
    fn read(&self, number: usize) -> Result<Option<Bytes>> {
        let (from, to) = {
            let chunks = self.chunks();
            let Some(to) = chunks.get(number).copied() else { return Ok(None) };
            let before = number.checked_sub(1).and_then(|it| chunks.get(it));
            (before.copied().unwrap_or_default(), to)
        };
        let mut sealed = vec![0; usize::try_from(to - from).unwrap_or(0)];
        self.file.read_exact_at(&mut sealed, from).map_err(DataFusionError::IoError)?;
        let plain = self
            .key
            .open_in_place(nonce(number), Aad::empty(), &mut sealed)
            .map_err(|_| DataFusionError::Execution("a spill file is damaged".to_owned()))?
            .len();
        sealed.truncate(plain);
        Ok(Some(Bytes::from(sealed)))
    }
}

impl SpillFile for Spill {
    fn size(&self) -> Option<u64> {
        Some(self.0.chunks().last().copied().unwrap_or_default())
    }

    fn read_stream(&self) -> Result<Pin<Box<dyn Stream<Item = Result<Bytes>> + Send>>> {
        let inner = Arc::clone(&self.0);
        Ok(Box::pin(stream::try_unfold((inner, 0), |(inner, number)| async move {
            Ok(inner.read(number)?.map(|bytes| (bytes, (inner, number + 1))))
        })))
    }

    fn open_writer(&self) -> Result<Box<dyn SpillWriter>> {
        Ok(Box::new(Writer { inner: Arc::clone(&self.0), buffer: Vec::new() }))
    }
}

/// Collects bytes until there is a chunk of them.
struct Writer {
    inner: Arc<Inner>,
    buffer: Vec<u8>,
}

impl Writer {
    fn put(&mut self) -> Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        self.inner.append(std::mem::take(&mut self.buffer))
    }
}

impl Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = CHUNK_BYTES - self.buffer.len().min(CHUNK_BYTES);
        let taken = bytes.get(..bytes.len().min(room)).unwrap_or_default();
        self.buffer.extend_from_slice(taken);
        if self.buffer.len() >= CHUNK_BYTES {
            self.put().map_err(io::Error::other)?;
        }
        Ok(taken.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.put().map_err(io::Error::other)
    }
}

impl SpillWriter for Writer {
    fn finish(&mut self) -> Result<()> {
        self.put()
    }
}

#[cfg(test)]
mod tests {
    use futures::TryStreamExt as _;

    use super::*;

    async fn content(file: &dyn SpillFile) -> Result<Vec<u8>> {
        let chunks: Vec<Bytes> = file.read_stream()?.try_collect().await?;
        Ok(chunks.concat())
    }

    #[tokio::test]
    async fn what_was_put_aside_comes_back_and_is_not_in_clear_on_disk() {
        let spills = Spills::new(None, 1 << 20);
        let inner = Arc::new(Inner {
            file: tempfile::tempfile().unwrap(),
            key: random_key().unwrap(),
            chunks: Mutex::default(),
            bytes_max: 1 << 20,
            used: Arc::clone(&spills.used),
        });
        let file = Spill(Arc::clone(&inner));
        let plain = b"canary ".repeat(30_000);
        let mut writer = file.open_writer().unwrap();
        writer.write_all(&plain[..100_000]).unwrap();
        writer.flush().unwrap();
        assert_eq!(content(&file).await.unwrap(), plain[..100_000], "as far as it was flushed");
        writer.write_all(&plain[100_000..]).unwrap();
        writer.finish().unwrap();
        assert_eq!(content(&file).await.unwrap(), plain);
        let size = file.size().unwrap();
        assert_eq!(
            (size, inner.file.metadata().unwrap().len()),
            (spills.used.load(Ordering::Relaxed), size)
        );
        let mut stored = vec![0; usize::try_from(size).unwrap()];
        inner.file.read_exact_at(&mut stored, 0).unwrap();
        assert!(!stored.windows(7).any(|window| window == b"canary "));
        stored[70_000] ^= 1;
        inner.file.write_all_at(&stored, 0).unwrap();
        assert!(content(&file).await.is_err());
        drop((file, inner, writer));
        assert_eq!(spills.used.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn there_is_an_end_to_what_may_be_put_aside() {
        let spills = Spills::new(None, 200_000);
        let first = spills.create_temp_file("a").unwrap();
        first.open_writer().unwrap().write_all(&[7; 131_072]).unwrap();
        let second = spills.create_temp_file("b").unwrap();
        let mut writer = second.open_writer().unwrap();
        writer.write_all(&[7; 60_000]).unwrap();
        assert!(matches!(writer.finish(), Ok(())));
        let error = writer.write_all(&[7; 65_536]).unwrap_err();
        assert!(error.to_string().contains("200000"), "{error}");
        drop(first);
        let mut writer = second.open_writer().unwrap();
        writer.write_all(&[7; 65_536]).unwrap();
    }
}
