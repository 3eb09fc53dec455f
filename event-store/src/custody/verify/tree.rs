//! The arithmetic of the tree, verifier's side: bottom up and without recursion (RFC 9162, section 2.1),
//! where the prover goes top down.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

/// A hash of the tree. Shown as standard base64.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Root(pub [u8; 32]);

impl fmt::Display for Root {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&STANDARD.encode(self.0))
    }
}

impl fmt::Debug for Root {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Root({self})")
    }
}

fn sha256(parts: &[&[u8]]) -> Root {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part);
    }
    Root(hasher.finalize().into())
}

pub(super) fn leaf_hash(leaf: &[u8]) -> Root {
    sha256(&[&[0x00], leaf])
}

pub(super) fn digest(bytes: &[u8]) -> Root {
    sha256(&[bytes])
}

fn parent(left: &Root, right: &Root) -> Root {
    sha256(&[&[0x01], &left.0, &right.0])
}

/// The root that a leaf and its inclusion proof lead to; `None` when the proof has not the length that
/// index and size ask for.
pub(in crate::custody) fn root_by_inclusion(
    leaf: Root,
    index: u64,
    size: u64,
    proof: &[Root],
) -> Option<Root> {
    if index >= size {
        return None;
    }
    let (mut at, mut last) = (index, size - 1);
    let mut root = leaf;
    for sibling in proof {
        if last == 0 {
            return None;
        }
        if at % 2 == 1 || at == last {
            root = parent(sibling, &root);
            while at % 2 == 0 && at != 0 {
                at /= 2;
                last /= 2;
            }
        } else {
            root = parent(&root, sibling);
        }
        at /= 2;
        last /= 2;
    }
    (last == 0).then_some(root)
}

/// Whether a proof shows that the tree `(old, old_root)` is a beginning of the tree `(new, new_root)`.
pub(in crate::custody) fn is_beginning(
    (old, old_root): (u64, Root),
    (new, new_root): (u64, Root),
    proof: &[Root],
) -> bool {
    if old > new {
        return false;
    }
    if old == new {
        return proof.is_empty() && old_root == new_root;
    }
    if old == 0 {
        return proof.is_empty() && old_root == sha256(&[]);
    }
    let (mut at, mut last) = (old - 1, new - 1);
    while at % 2 == 1 {
        at /= 2;
        last /= 2;
    }
    // The proof of a complete old tree leaves out the old root, which is known.
    let (first, rest) = if old.is_power_of_two() {
        (old_root, proof)
    } else {
        match proof.split_first() {
            Some((first, rest)) => (*first, rest),
            None => return false,
        }
    };
    let (mut from_old, mut from_new) = (first, first);
    for hash in rest {
        if last == 0 {
            return false;
        }
        if at % 2 == 1 || at == last {
            from_old = parent(hash, &from_old);
            from_new = parent(hash, &from_new);
            while at % 2 == 0 && at != 0 {
                at /= 2;
                last /= 2;
            }
        } else {
            from_new = parent(&from_new, hash);
        }
        at /= 2;
        last /= 2;
    }
    last == 0 && from_old == old_root && from_new == new_root
}

/// A tree that grows leaf by leaf and keeps only the roots of its complete subtrees.
#[derive(Clone, Debug, Default)]
pub(in crate::custody) struct Growing {
    /// Height and root, from the left; heights descend.
    peaks: Vec<(u32, Root)>,
}

impl Growing {
    pub(in crate::custody) fn add(&mut self, leaf: Root) {
        let mut new = (0, leaf);
        while let Some((height, left)) = self.peaks.pop_if(|(height, _)| *height == new.0) {
            new = (height + 1, parent(&left, &new.1));
        }
        self.peaks.push(new);
    }

    pub(in crate::custody) fn root(&self) -> Root {
        let mut from_right = self.peaks.iter().rev();
        let Some((_, last)) = from_right.next() else { return sha256(&[]) };
        from_right.fold(*last, |right, (_, left)| parent(left, &right))
    }
}

/// The next value of a stream's chain.
pub(super) fn chain(previous: &Root, leaf: &Root) -> Root {
    sha256(&[&[0x02], &previous.0, &leaf.0])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_of_the_wrong_length_leads_nowhere() {
        let leaf = leaf_hash(b"x");
        assert_eq!(root_by_inclusion(leaf, 0, 1, &[]), Some(leaf));
        assert_eq!(root_by_inclusion(leaf, 0, 1, &[leaf]), None);
        assert_eq!(root_by_inclusion(leaf, 0, 2, &[]), None);
        assert_eq!(root_by_inclusion(leaf, 1, 1, &[]), None);
        assert_eq!(root_by_inclusion(leaf, 0, 0, &[]), None);
        assert_eq!(root_by_inclusion(leaf, u64::MAX, u64::MAX, &[leaf; 70]), None);
    }
}
