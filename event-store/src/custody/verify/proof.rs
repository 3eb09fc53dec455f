//! Reading proofs: inclusion in C2SP `tlog-proof` form, consistency in the form of `docs/custody.md`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::leaf::position;
use super::note::{Checkpoint, PublicKey, hash, number};
use super::tree::{Root, is_beginning, leaf_hash, root_by_inclusion};
use super::{VerifyError, malformed};

const INCLUSION: &str = "c2sp.org/tlog-proof@v1";
const CONSISTENCY: &str = "ledgerline/consistency-proof@v1";
/// A tree of 2^64 leaves needs no longer proof.
const HASHES_MAX: usize = 128;

/// A verified inclusion: this leaf is under this checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inclusion {
    /// Index of the leaf: its event's position less one.
    pub index: u64,
    /// The bytes of the leaf, out of the proof.
    pub leaf: Vec<u8>,
    /// The checkpoint.
    pub checkpoint: Checkpoint,
}

/// Lines up to the first empty one, and what follows it.
fn parts<'a>(text: &'a str, what: &'static str) -> Result<(Vec<&'a str>, &'a str), VerifyError> {
    let (head, checkpoint) =
        text.split_once("\n\n").ok_or_else(|| malformed(what, "it has no empty line"))?;
    Ok((head.split('\n').collect(), checkpoint))
}

fn hashes(lines: &[&str], what: &'static str) -> Result<Vec<Root>, VerifyError> {
    if lines.len() > HASHES_MAX {
        return Err(malformed(what, "it has too many hashes"));
    }
    let hashes = lines.iter().map(|line| hash(line)).collect::<Option<_>>();
    hashes.ok_or_else(|| malformed(what, "a line is not a hash"))
}

/// Verifies a `tlog-proof` whose `extra` line holds the leaf.
///
/// # Errors
/// [`VerifyError`].
pub fn inclusion(proof: &str, key: &PublicKey) -> Result<Inclusion, VerifyError> {
    let bad = |reason| malformed("inclusion proof", reason);
    let (lines, checkpoint) = parts(proof, "inclusion proof")?;
    let [form, extra, index, path @ ..] = lines.as_slice() else {
        return Err(bad("it has fewer than three lines"));
    };
    if *form != INCLUSION {
        return Err(bad("its first line is another"));
    }
    let leaf = extra.strip_prefix("extra ").and_then(|leaf| STANDARD.decode(leaf).ok());
    let leaf = leaf.ok_or_else(|| bad("it has no leaf in an extra line"))?;
    let index = index.strip_prefix("index ").and_then(number);
    let index = index.ok_or_else(|| bad("it has no index"))?;
    let path = hashes(path, "inclusion proof")?;
    let checkpoint = Checkpoint::open(checkpoint, key)?;
    let root = root_by_inclusion(leaf_hash(&leaf), index, checkpoint.size, &path);
    if root != Some(checkpoint.root) {
        return Err(VerifyError::RootDiffers { size: checkpoint.size });
    }
    if position(&leaf) != index.checked_add(1) {
        return Err(bad("the leaf is of another position"));
    }
    Ok(Inclusion { index, leaf, checkpoint })
}

/// Verifies that the log of an older checkpoint is a beginning of a newer one's, which is returned.
///
/// # Errors
/// [`VerifyError`].
pub fn consistency(
    old: &Checkpoint,
    proof: &str,
    key: &PublicKey,
) -> Result<Checkpoint, VerifyError> {
    let bad = |reason| malformed("consistency proof", reason);
    let (lines, checkpoint) = parts(proof, "consistency proof")?;
    let [form, from, path @ ..] = lines.as_slice() else {
        return Err(bad("it has fewer than two lines"));
    };
    if *form != CONSISTENCY {
        return Err(bad("its first line is another"));
    }
    let found = from.strip_prefix("old ").and_then(number);
    let found = found.ok_or_else(|| bad("it does not say the old size"))?;
    if found != old.size {
        return Err(VerifyError::WrongSize { found, expected: old.size });
    }
    let path = hashes(path, "consistency proof")?;
    let new = Checkpoint::open(checkpoint, key)?;
    if !is_beginning((old.size, old.root), (new.size, new.root), &path) {
        return Err(VerifyError::RootDiffers { size: new.size });
    }
    Ok(new)
}
