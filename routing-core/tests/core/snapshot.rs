//! Snapshots: complete, canonical, refused when damaged.

use ledgerline_routing_core::snapshot::{SnapshotError, decode, encode, hash};

use crate::scenario::{Scenario, accept, calls, chats, connected, left};

fn busy() -> Scenario {
    Scenario::new()
        .with_available(&[("ann", "one"), ("cat", "two")])
        .given([calls(1), connected(1), chats(2), connected(2), accept("ann", 2)])
        .prompt_ends(1)
        .given([chats(3), connected(3), accept("cat", 3), left(3)])
}

#[test]
fn a_restored_state_is_the_same_down_to_its_indexes() {
    let scenario = busy();
    let bytes = encode(&scenario.state);
    let restored = decode(&bytes).expect("a snapshot");
    assert!(restored == scenario.state);
    assert_eq!(encode(&restored), bytes);
    assert_eq!(hash(&restored), hash(&scenario.state));
}

#[test]
fn different_states_have_different_hashes() {
    let one = busy();
    let before = hash(&one.state);
    let two = one.given([left(1)]);
    assert_ne!(hash(&two.state), before);
}

#[test]
fn damaged_bytes_and_other_versions_are_refused() {
    let bytes = encode(&busy().state);
    assert!(matches!(decode(&[]), Err(SnapshotError::Decode(_))));
    assert!(matches!(decode(&bytes[..bytes.len() / 2]), Err(SnapshotError::Decode(_))));
    // The version is the first field: map header, name, number.
    let mut newer = bytes;
    let at = newer.windows(7).position(|it| it == b"version").expect("the field") + 7;
    assert_eq!(newer[at], 1);
    newer[at] = 2;
    assert_eq!(decode(&newer), Err(SnapshotError::Version { found: 2 }));
}
