//! Reading signed notes, verifier keys and checkpoints (C2SP `signed-note`, `tlog-checkpoint`).

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, VerifyingKey};
use ledgerline_schemas::Recorded;
use sha2::{Digest as _, Sha256};

use super::tree::{Root, chain};
use super::{VerifyError, leaf, malformed};

/// Longest note that is looked at, bytes.
const NOTE_BYTES_MAX: usize = 1 << 20;
const DASH: &str = "\u{2014} ";

/// A public key that is trusted for one log.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey {
    name: String,
    id: [u8; 4],
    key: VerifyingKey,
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({}+{:08x})", self.name, u32::from_be_bytes(self.id))
    }
}

impl PublicKey {
    /// Reads a verifier key: `name+id+key`, one line.
    ///
    /// # Errors
    /// [`VerifyError::Malformed`].
    pub fn parse(vkey: &str) -> Result<Self, VerifyError> {
        let bad = |reason| malformed("verifier key", reason);
        let line = vkey.strip_suffix('\n').unwrap_or(vkey);
        let mut parts = line.splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(bad("it is not name+id+key"));
        };
        if !is_name(name) {
            return Err(bad("its name is empty or has spaces"));
        }
        let key = STANDARD.decode(key).map_err(|_| bad("its key is not base64"))?;
        let Some((1, key)) = key.split_first() else {
            return Err(bad("its key is not of type Ed25519"));
        };
        let key: &[u8; 32] = key.try_into().map_err(|_| bad("its key has not 32 bytes"))?;
        let digest: [u8; 32] =
            Sha256::digest([name.as_bytes(), b"\n\x01", key.as_slice()].concat()).into();
        let [a, b, c, d, ..] = digest;
        let expected = [a, b, c, d];
        let shown: String = expected.iter().map(|byte| format!("{byte:02x}")).collect();
        if id != shown {
            return Err(bad("its id is not that of its name and key"));
        }
        let key = VerifyingKey::from_bytes(key).map_err(|_| bad("its key is no point"))?;
        Ok(Self { name: name.to_owned(), id: expected, key })
    }

    /// The name of the key: the origin of the checkpoints it signs.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.contains(|char: char| char.is_whitespace() || char == '+')
}

/// The text of a note that this key has signed.
fn opened<'a>(note: &'a str, key: &PublicKey) -> Result<&'a str, VerifyError> {
    let bad = |reason| malformed("signed note", reason);
    if note.len() > NOTE_BYTES_MAX {
        return Err(bad("it is too long"));
    }
    if note.bytes().any(|byte| byte < b' ' && byte != b'\n') {
        return Err(bad("it has control characters"));
    }
    let split = note.rfind("\n\n").ok_or_else(|| bad("it has no empty line"))?;
    let (text, rest) = note.split_at(split + 1);
    let signatures = rest.strip_prefix('\n').unwrap_or_default();
    let lines =
        signatures.strip_suffix('\n').ok_or_else(|| bad("it does not end with a newline"))?;
    let mut signed = false;
    for line in lines.split('\n') {
        let line = line.strip_prefix(DASH).ok_or_else(|| bad("a signature has no dash"))?;
        let (name, signature) =
            line.split_once(' ').ok_or_else(|| bad("a signature has no name"))?;
        let signature = STANDARD.decode(signature).map_err(|_| bad("a signature is not base64"))?;
        if !is_name(name) {
            return Err(bad("the name of a signature is empty or has spaces"));
        }
        let Some((id, signature)) = signature.split_first_chunk::<4>() else {
            return Err(bad("a signature is too short"));
        };
        if name != key.name || *id != key.id {
            continue;
        }
        let refused = || VerifyError::BadSignature { name: key.name.clone() };
        let signature = Signature::from_slice(signature).map_err(|_| refused())?;
        key.key.verify_strict(text.as_bytes(), &signature).map_err(|_| refused())?;
        signed = true;
    }
    if signed { Ok(text) } else { Err(VerifyError::NotSigned { name: key.name.clone() }) }
}

/// The signed notes in a text that holds one after the other, each as `(byte where it begins, note)`.
/// Between two of them, and behind the last, may be empty lines.
///
/// What is not a note comes out as one that does not open.
pub fn notes(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let rest = text.get(at..)?;
        let begin = at + (rest.len() - rest.trim_start_matches('\n').len());
        let rest = text.get(begin..).filter(|rest| !rest.is_empty())?;
        // The text, an empty line, the signatures.
        let signatures = rest.find("\n\n").map_or(rest.len(), |gap| gap + 2);
        let behind = rest.get(signatures..).and_then(|signatures| signatures.find("\n\n"));
        let length = behind.map_or(rest.len(), |gap| signatures + gap + 1);
        at = begin + length;
        rest.get(..length).map(|note| (begin, note))
    })
}

/// A decimal number without leading zeros.
pub(super) fn number(text: &str) -> Option<u64> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit());
    let canonical = text == "0" || !text.starts_with('0');
    (plain && canonical).then(|| text.parse().ok()).flatten()
}

/// A hash in base64.
pub(super) fn hash(text: &str) -> Option<Root> {
    <[u8; 32]>::try_from(STANDARD.decode(text).ok()?).ok().map(Root)
}

/// A checkpoint whose signature was verified: at `size` events the log had this root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The log.
    pub origin: String,
    /// Number of events; also the position of the last one.
    pub size: u64,
    /// Root of the tree over them.
    pub root: Root,
    /// The signed note, as it was given.
    pub note: String,
}

impl Checkpoint {
    /// Reads a checkpoint that this key must have signed.
    ///
    /// # Errors
    /// [`VerifyError`].
    pub fn open(note: &str, key: &PublicKey) -> Result<Self, VerifyError> {
        let bad = |reason| malformed("checkpoint", reason);
        let text = opened(note, key)?;
        let lines = text.strip_suffix('\n').ok_or_else(|| bad("it does not end with a newline"))?;
        let mut lines = lines.split('\n');
        let (Some(origin), Some(size), Some(root)) = (lines.next(), lines.next(), lines.next())
        else {
            return Err(bad("it has fewer than three lines"));
        };
        if origin != key.name {
            return Err(VerifyError::WrongOrigin {
                found: origin.to_owned(),
                expected: key.name.clone(),
            });
        }
        if lines.any(str::is_empty) {
            return Err(bad("it has an empty line"));
        }
        Ok(Self {
            origin: origin.to_owned(),
            size: number(size).ok_or_else(|| bad("its size is not a number"))?,
            root: hash(root).ok_or_else(|| bad("its root is not a hash"))?,
            note: note.to_owned(),
        })
    }
}

/// What the log's key says about one stream: under the checkpoint of `size` it has these events and no
/// others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamStatement {
    /// Name of the stream.
    pub stream: String,
    /// Size of the checkpoint it goes with.
    pub size: u64,
    /// Events of the stream up to there.
    pub events: u64,
    /// Value of the stream's chain after the last of them.
    pub chain: Root,
}

impl StreamStatement {
    /// Reads a statement that this key must have signed.
    ///
    /// # Errors
    /// [`VerifyError`].
    pub fn open(note: &str, key: &PublicKey) -> Result<Self, VerifyError> {
        let bad = |reason| malformed("stream statement", reason);
        let text = opened(note, key)?;
        let lines: Vec<&str> = text.lines().collect();
        let [form, origin, stream, size, events, chain] = lines.as_slice() else {
            return Err(bad("it has not six lines"));
        };
        if *form != "ledgerline/stream-statement@v1" {
            return Err(bad("its first line is another"));
        }
        if *origin != key.name {
            return Err(VerifyError::WrongOrigin {
                found: (*origin).to_owned(),
                expected: key.name.clone(),
            });
        }
        Ok(Self {
            stream: (*stream).to_owned(),
            size: number(size).ok_or_else(|| bad("its size is not a number"))?,
            events: number(events).ok_or_else(|| bad("its number of events is not one"))?,
            chain: hash(chain).ok_or_else(|| bad("its chain value is not a hash"))?,
        })
    }

    /// Whether these are the events of the stream, all of them and as they were: names, versions, number
    /// and chain.
    #[must_use]
    pub fn holds_for(&self, events: &[Recorded]) -> bool {
        let mut value = Root([0; 32]);
        for (version, event) in (0..).zip(events) {
            let header = &event.header;
            if header.stream.as_str() != self.stream || header.version.0 != version {
                return false;
            }
            value = chain(&value, &leaf::of(event));
        }
        self.events == events.len() as u64 && self.chain == value
    }
}
