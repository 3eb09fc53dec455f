//! The tree against published vectors, and prover against verifier at every small size.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::error::CustodyError;
use super::hash::Hash;
use super::tile::{TILE_WIDTH, TileId};
use super::tree::{Edge, Tiles, Tree, root_of};
use super::verify::Root;
use super::verify::tree::{Growing, is_beginning, root_by_inclusion};

/// Tiles in memory.
#[derive(Default)]
struct Stored(BTreeMap<TileId, Vec<Hash>>);

impl Tiles for Stored {
    fn tile(&mut self, id: TileId, width: usize) -> Result<&[Hash], CustodyError> {
        let hashes = self.0.get(&id).map(Vec::as_slice);
        hashes
            .filter(|hashes| hashes.len() >= width)
            .ok_or_else(|| CustodyError::tile(id, "it is not there"))
    }
}

fn leaf(number: u64) -> Hash {
    Hash::leaf(&number.to_be_bytes())
}

/// The tiles of a tree of `size` leaves, and the roots at these sizes.
fn grown(size: u64, roots_at: impl Fn(u64) -> bool) -> (Stored, BTreeMap<u64, Hash>) {
    let mut stored = Stored::default();
    let mut edge = Edge::default();
    let mut roots = BTreeMap::new();
    for number in 0..=size {
        if roots_at(number) {
            roots.insert(number, edge.root());
        }
        if number == size {
            break;
        }
        edge.push(leaf(number), |id, hashes| {
            assert_eq!(hashes.len(), TILE_WIDTH);
            assert!(stored.0.insert(id, hashes.to_vec()).is_none(), "{id} written twice");
            Ok(())
        })
        .unwrap();
    }
    for (id, hashes) in edge.partial() {
        assert!(stored.0.insert(id, hashes.to_vec()).is_none(), "{id} is full and partial");
    }
    assert_eq!(Edge::load(size, |id, width| Ok(stored.tile(id, width)?.to_vec())).unwrap(), edge);
    (stored, roots)
}

fn roots_of(hashes: &[Hash]) -> Vec<Root> {
    hashes.iter().map(|hash| Root(hash.0)).collect()
}

/// Inputs and roots of the tests of Certificate Transparency's reference code.
const VECTORS: [(&str, &str); 9] = [
    ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
    ("", "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"),
    ("00", "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"),
    ("10", "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77"),
    ("2021", "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"),
    ("3031", "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4"),
    ("40414243", "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef"),
    ("5051525354555657", "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c"),
    (
        "606162636465666768696a6b6c6d6e6f",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ),
];

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

#[test]
fn the_published_roots_come_out_on_both_sides() {
    let mut edge = Edge::default();
    let mut growing = Growing::default();
    let mut leaves = Vec::new();
    for (number, (input, root)) in VECTORS.iter().enumerate() {
        if number > 0 {
            let leaf = Hash::leaf(&bytes(input));
            edge.push(leaf, |_, _| Ok(())).unwrap();
            growing.add(Root(leaf.0));
            leaves.push(leaf);
        }
        assert_eq!(edge.root().0.to_vec(), bytes(root));
        assert_eq!(growing.root().0.to_vec(), bytes(root));
        assert_eq!(root_of(&leaves).0.to_vec(), bytes(root));
    }
}

#[test]
fn tiles_are_named_as_tlog_tiles_says() {
    let named = |level, index| TileId { level, index }.to_string();
    assert_eq!(named(0, 0), "tile/0/000");
    assert_eq!(named(1, 999), "tile/1/999");
    assert_eq!(named(0, 1_000), "tile/0/x001/000");
    assert_eq!(named(2, 1_234_067), "tile/2/x001/x234/067");
}

#[test]
fn a_tree_of_70_000_has_the_tiles_of_the_specification() {
    let (stored, roots) = grown(70_000, |size| size == 70_000);
    let widths = |level| -> Vec<usize> {
        let of_level = stored.0.iter().filter(|(id, _)| id.level == level);
        of_level.map(|(_, hashes)| hashes.len()).collect()
    };
    let full = |count| std::iter::repeat_n(TILE_WIDTH, count);
    assert_eq!(widths(0), full(273).chain([112]).collect::<Vec<_>>());
    assert_eq!(widths(1), full(1).chain([17]).collect::<Vec<_>>());
    assert_eq!(widths(2), [1]);
    assert_eq!(widths(3), [0; 0]);
    let leaves: Vec<Hash> = (0..70_000).map(leaf).collect();
    assert_eq!(roots.get(&70_000), Some(&root_of(&leaves)));
}

/// Every inclusion proof holds, and for nothing else.
fn inclusion_holds(tiles: &mut Stored, size: u64, index: u64, root: Hash) {
    let proof = roots_of(&Tree { tiles, size }.inclusion(index).unwrap());
    let leads = |leaf: Hash, index, size, proof: &[Root]| {
        root_by_inclusion(Root(leaf.0), index, size, proof) == Some(Root(root.0))
    };
    assert!(leads(leaf(index), index, size, &proof), "index {index} of {size}");
    assert!(!leads(leaf(index + 1), index, size, &proof));
    assert!(size == 1 || !leads(leaf(index), (index + 1) % size, size, &proof));
    for at in 0..proof.len() {
        let mut changed = proof.clone();
        changed[at].0[at % 32] ^= 1;
        assert!(!leads(leaf(index), index, size, &changed));
        changed.remove(at);
        assert!(!leads(leaf(index), index, size, &changed));
    }
    let longer = [proof.as_slice(), &[Root(root.0)]].concat();
    assert!(!leads(leaf(index), index, size, &longer));
}

/// Every consistency proof holds, and for nothing else.
fn consistency_holds(tiles: &mut Stored, roots: &BTreeMap<u64, Hash>, old: u64, size: u64) {
    let proof = roots_of(&Tree { tiles, size }.consistency(old).unwrap());
    let root = |size: u64| Root(roots[&size].0);
    let holds =
        |old, old_root, proof: &[Root]| is_beginning((old, old_root), (size, root(size)), proof);
    assert!(holds(old, root(old), &proof), "{old} of {size}");
    let mut other = root(old);
    other.0[7] ^= 1;
    assert!(!holds(old, other, &proof), "{old} of {size} with another root");
    assert!(old == 0 || old == size || !is_beginning((old, root(old)), (size, other), &proof));
    assert!(old == 0 || !holds(old - 1, root(old), &proof));
    for at in 0..proof.len() {
        let mut changed = proof.clone();
        changed[at].0[at % 32] ^= 1;
        assert!(!holds(old, root(old), &changed));
        changed.remove(at);
        assert!(!holds(old, root(old), &changed));
    }
    let longer = [proof.as_slice(), &[other]].concat();
    assert!(!holds(old, root(old), &longer));
}

#[test]
fn every_proof_of_every_small_tree_holds_and_no_other() {
    let (_, roots) = grown(40, |_| true);
    for size in 1..=40 {
        let (mut tiles, _) = grown(size, |_| false);
        let root = roots[&size];
        assert_eq!(Tree { tiles: &mut tiles, size }.root().unwrap(), root);
        for index in 0..size {
            inclusion_holds(&mut tiles, size, index, root);
        }
        for old in 0..=size {
            consistency_holds(&mut tiles, &roots, old, size);
        }
    }
}

#[test]
fn proofs_across_three_tile_levels_hold() {
    let sizes = [65_535, 65_536, 65_537, 66_100];
    let olds = [1, 255, 256, 257, 65_280, 65_535, 65_536];
    let (mut tiles, roots) = grown(66_100, |at| sizes.contains(&at) || olds.contains(&at));
    // Tiles of a smaller tree are beginnings of those of a larger one.
    for size in sizes {
        for index in [0, 255, 256, 32_768, 65_534, size - 1] {
            inclusion_holds(&mut tiles, size, index, roots[&size]);
        }
        for old in olds.into_iter().filter(|old| *old <= size) {
            consistency_holds(&mut tiles, &roots, old, size);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn proofs_of_large_trees_hold(
        size in 1_u64..3_000,
        index in any::<prop::sample::Index>(),
        old in any::<prop::sample::Index>(),
    ) {
        let (index, old) = (index.index(size as usize) as u64, old.index(size as usize + 1) as u64);
        let (mut tiles, roots) = grown(size, |at| at == size || at == old);
        inclusion_holds(&mut tiles, size, index, roots[&size]);
        consistency_holds(&mut tiles, &roots, old, size);
    }
}
