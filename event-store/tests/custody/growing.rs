//! A tree that grows, its proofs and its tiles.

use super::*;

#[test]
fn a_tree_grown_in_steps_is_the_tree_grown_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let events = events(1..=1_100);
    let log = EmbeddedLog::open(&folder.path().join("log"), ORG, small_segments()).unwrap();
    let stepwise = folder.path().join("stepwise");
    let mut done = 0;
    for until in [1, 2, 255, 256, 257, 512, 700, 1_023, 1_100] {
        extend(&log, &events[done..until]);
        done = until;
        let mut custody = custody(&stepwise);
        let signed = sign(&mut custody, &log);
        assert_eq!(signed.size, until as u64);
        assert_eq!(sign(&mut custody, &log), signed, "nothing new, nothing signed");
    }
    let mut at_once = custody(&folder.path().join("at-once"));
    sign(&mut at_once, &log);
    let stepwise = custody(&stepwise);
    assert_eq!(stepwise.newest(), at_once.newest());
    assert_eq!(stepwise.checkpoints().len(), 9);
    for tile in ["tile/0/000", "tile/0/001", "tile/0/003", "tile/0/004.p/76", "tile/1/000.p/4"] {
        let read = |custody: &Custody| std::fs::read(custody.folder().join(tile)).unwrap();
        assert_eq!(read(&stepwise), read(&at_once), "{tile}");
    }
}

#[test]
fn every_event_is_proved_and_no_other() {
    let mut audited = audited();
    let public = audited.custody.public_key().clone();
    for event in all(&audited.log).iter().step_by(13) {
        let proof = audited.custody.prove(&audited.log, event, &mut |_, _| {}).unwrap();
        let proved = verify::inclusion(&proof, &public).unwrap();
        assert_eq!(proved.index + 1, event.header.position.0);
        assert_eq!(proved.leaf, leaf(event));
        assert_eq!(proved.checkpoint, audited.outside[1]);
        let mut other = event.clone();
        other.payload.push(1);
        let refused = audited.custody.prove(&audited.log, &other, &mut |_, _| {});
        assert!(matches!(refused, Err(CustodyError::ProofFails { .. })), "{refused:?}");
    }
    extend(&audited.log, &events([9_999]));
    let newest = all(&audited.log).pop().unwrap();
    let refused = audited.custody.prove(&audited.log, &newest, &mut |_, _| {});
    assert!(matches!(
        refused,
        Err(CustodyError::NotCovered { position: Position(701), size: 700 })
    ));
}

#[test]
fn a_newer_checkpoint_continues_every_older_one() {
    let folder = tempfile::tempdir().unwrap();
    let log = EmbeddedLog::open(&folder.path().join("log"), ORG, small_segments()).unwrap();
    let mut custody = custody(&folder.path().join("custody"));
    sign(&mut custody, &log);
    for step in 0..12 {
        extend(&log, &events(1 + step * 50..=step * 50 + 50 - step));
        sign(&mut custody, &log);
    }
    let public = custody.public_key().clone();
    let newest = custody.newest().cloned().unwrap();
    let older = custody.checkpoints().to_vec();
    assert_eq!((older.len(), older[0].size), (13, 0));
    for old in &older {
        let proof = custody.prove_consistency(&log, old, &mut |_, _| {}).unwrap();
        assert_eq!(verify::consistency(old, &proof, &public).unwrap(), newest);
        let mut lying = old.clone();
        lying.root.0[0] ^= 1;
        assert!(verify::consistency(&lying, &proof, &public).is_err());
    }
}

#[test]
fn damaged_tiles_are_built_anew_and_never_proved_from() {
    let audited = audited();
    let tile = audited.custody.folder().join("tile/0/001");
    let event = &all(&audited.log)[300];
    let good = std::fs::read(&tile).unwrap();
    for damage in [None, Some(good[..8_000].to_vec()), Some(vec![0; 8_192])] {
        match damage {
            None => std::fs::remove_file(&tile).unwrap(),
            Some(bytes) => std::fs::write(&tile, bytes).unwrap(),
        }
        let mut custody = custody(audited.custody.folder());
        let proof = custody.prove(&audited.log, event, &mut |_, _| {}).unwrap();
        assert!(verify::inclusion(&proof, custody.public_key()).is_ok());
        assert_eq!(std::fs::read(&tile).unwrap(), good);
    }
    // Without the edge there is nothing to go on from: it is built anew before the next signature.
    std::fs::remove_dir_all(audited.custody.folder().join("tile")).unwrap();
    let mut custody = custody(audited.custody.folder());
    extend(&audited.log, &events([9_999]));
    assert_eq!(sign(&mut custody, &audited.log).size, 701);
    assert_eq!(std::fs::read(&tile).unwrap(), good);
}

#[test]
fn nothing_is_signed_over_a_log_that_does_not_continue() {
    let audited = audited();
    let shorter = tempfile::tempdir().unwrap();
    let log = log_of(shorter.path(), &audited.events[..699]);
    let mut again = custody(audited.custody.folder());
    let refused = again.checkpoint(&log, &mut |_, _| {});
    assert!(matches!(refused, Err(CustodyError::LogCut { head: Position(699), size: 700 })));

    let edited = tempfile::tempdir().unwrap();
    let mut events = audited.events.clone();
    events[3].payload.push(0);
    events.push(event(8_000, "interaction-1"));
    let log = log_of(edited.path(), &events);
    // With its tiles gone it has to read the log, and sees what became of it.
    std::fs::remove_dir_all(audited.custody.folder().join("tile")).unwrap();
    let mut again = custody(audited.custody.folder());
    let refused = again.checkpoint(&log, &mut |_, _| {});
    assert!(matches!(refused, Err(CustodyError::LogChanged { size: 700 })), "{refused:?}");
    assert_eq!(again.checkpoints().len(), 2);
}
