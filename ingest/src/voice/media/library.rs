//! Prompts by name, encoded once for every codec.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::codec::Codec;
use super::{CLOCK_HZ, FRAME_SAMPLES, synth};

/// Longest prompt, samples: ten minutes.
const SAMPLES_MAX: usize = 10 * 60 * CLOCK_HZ as usize;

/// A prompt could not be read.
#[derive(Debug, thiserror::Error)]
pub enum LibraryError {
    /// The name is not a plain file name.
    #[error("media name is not a plain name")]
    Name,
    /// Neither a file nor a built-in prompt has this name.
    #[error("media {0} does not exist")]
    Unknown(String),
    /// The file is not a WAV file that can be read.
    #[error("media {name} is not readable: {source}")]
    Unreadable {
        /// The name asked for.
        name: String,
        /// What the reader says.
        source: hound::Error,
    },
    /// The file has another shape than 8 kHz, one channel, 16 bits.
    #[error("media {0} is not 8 kHz mono 16-bit PCM of at most ten minutes")]
    Shape(String),
}

/// A prompt in every codec; all have the same length, a whole number of frames.
#[derive(Debug)]
pub struct Prompt {
    pcmu: Box<[u8]>,
    pcma: Box<[u8]>,
}

impl Prompt {
    fn new(mut samples: Vec<i16>) -> Self {
        let frames = samples.len().div_ceil(FRAME_SAMPLES);
        samples.resize(frames * FRAME_SAMPLES, 0);
        Self {
            pcmu: Codec::Pcmu.encode(&samples).into_boxed_slice(),
            pcma: Codec::Pcma.encode(&samples).into_boxed_slice(),
        }
    }

    /// The bytes of a frame, `None` past the end.
    #[must_use]
    pub fn frame(&self, codec: Codec, index: usize) -> Option<&[u8]> {
        let bytes = match codec {
            Codec::Pcmu => &self.pcmu,
            Codec::Pcma => &self.pcma,
        };
        bytes.get(index * FRAME_SAMPLES..(index + 1) * FRAME_SAMPLES)
    }

    /// How many frames it has.
    #[must_use]
    pub fn frames(&self) -> usize {
        self.pcmu.len() / FRAME_SAMPLES
    }
}

/// Finds prompts: a file `NAME.wav` of the media directory first, then the built-in ones.
#[derive(Debug, Default)]
pub struct Library {
    directory: Option<PathBuf>,
    loaded: Mutex<BTreeMap<String, Arc<Prompt>>>,
}

impl Library {
    /// A library over a directory, or only of the built-in prompts.
    #[must_use]
    pub fn new(directory: Option<PathBuf>) -> Self {
        Self { directory, loaded: Mutex::default() }
    }

    /// The prompt of this name (`.wav` may be left out). A file is read once.
    ///
    /// # Errors
    /// If there is no such prompt or its file cannot be used.
    pub fn prompt(&self, name: &str) -> Result<Arc<Prompt>, LibraryError> {
        let plain = name.strip_suffix(".wav").unwrap_or(name);
        let is_plain = !plain.is_empty()
            && !plain.starts_with('.')
            && plain.chars().all(|c| c.is_alphanumeric() || "-_. ".contains(c));
        if !is_plain {
            return Err(LibraryError::Name);
        }
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(prompt) = loaded.get(plain) {
            return Ok(Arc::clone(prompt));
        }
        let file = self.directory.as_ref().map(|directory| directory.join(format!("{plain}.wav")));
        let samples = match file.filter(|file| file.is_file()) {
            Some(file) => read(plain, &file)?,
            None => {
                synth::built_in(plain).ok_or_else(|| LibraryError::Unknown(plain.to_owned()))?
            }
        };
        let prompt = Arc::new(Prompt::new(samples));
        loaded.insert(plain.to_owned(), Arc::clone(&prompt));
        Ok(prompt)
    }
}

fn read(name: &str, file: &Path) -> Result<Vec<i16>, LibraryError> {
    let unreadable = |source| LibraryError::Unreadable { name: name.to_owned(), source };
    let reader = hound::WavReader::open(file).map_err(unreadable)?;
    let spec = reader.spec();
    let fits = spec.channels == 1
        && spec.sample_rate == CLOCK_HZ
        && spec.bits_per_sample == 16
        && spec.sample_format == hound::SampleFormat::Int
        && reader.len() as usize <= SAMPLES_MAX;
    if !fits {
        return Err(LibraryError::Shape(name.to_owned()));
    }
    reader.into_samples::<i16>().collect::<Result<_, _>>().map_err(unreadable)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(file: &Path, rate: u32, samples: &[i16]) {
        let spec = hound::WavSpec {
            channels: 1,
            sample_rate: rate,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let mut writer = hound::WavWriter::create(file, spec).unwrap();
        for sample in samples {
            writer.write_sample(*sample).unwrap();
        }
        writer.finalize().unwrap();
    }

    #[test]
    fn files_come_before_built_in_prompts_and_bad_ones_are_named() {
        let directory = tempfile::tempdir().unwrap();
        write(&directory.path().join("welcome.wav"), 8_000, &[1_000; 161]);
        write(&directory.path().join("wide.wav"), 16_000, &[0; 10]);
        std::fs::write(directory.path().join("broken.wav"), b"RIFF").unwrap();
        let library = Library::new(Some(directory.path().to_owned()));
        let welcome = library.prompt("welcome.wav").unwrap();
        assert_eq!(welcome.frames(), 2);
        assert_eq!(welcome.frame(Codec::Pcmu, 1).unwrap().len(), FRAME_SAMPLES);
        assert!(welcome.frame(Codec::Pcma, 2).is_none());
        assert!(matches!(library.prompt("wide"), Err(LibraryError::Shape(_))));
        assert!(matches!(library.prompt("broken"), Err(LibraryError::Unreadable { .. })));
        assert!(matches!(library.prompt("none"), Err(LibraryError::Unknown(_))));
        for outside in ["../welcome", "", ".hidden", "a/b"] {
            assert!(matches!(library.prompt(outside), Err(LibraryError::Name)), "{outside}");
        }
    }

    #[test]
    fn built_in_prompts_have_their_length() {
        let library = Library::new(None);
        assert_eq!(library.prompt("welcome").unwrap().frames(), 50);
        assert!(library.prompt("music").unwrap().frames() > 400);
    }
}
