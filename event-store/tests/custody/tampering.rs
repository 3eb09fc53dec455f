//! What was changed in a log is found, and where.

use super::*;

#[test]
fn an_untouched_log_fits_every_checkpoint() {
    let audited = audited();
    let own = audited.custody.checkpoints();
    let evidence = Evidence { outside: &audited.outside, own: Some(own), tiles: &[] };
    let mut last = Position::START;
    let report = verify::log(&audited.log, &evidence, &mut |at, _| last = at);
    assert_eq!(report.findings, []);
    assert_eq!((report.outside, report.own), (vec![300, 700], vec![300, 700]));
    assert_eq!((report.events, last), (700, Position(700)));
}

#[test]
fn an_edited_event_is_found() {
    let audited = audited();
    for position in [1, 2, 299, 300, 301, 512, 513, 699, 700] {
        let edits: [fn(&mut NewEvent); 4] = [
            |event| event.payload.push(0),
            |event| event.actor.id.push('x'),
            |event| event.event_type = "queue.left".into(),
            |event| event.traceparent = Some("00-another".to_owned()),
        ];
        let edit = edits[position % edits.len()];
        let (located, bounded) = audited.rewritten(|events| edit(&mut events[position - 1]));
        let position = position as u64;
        assert_eq!(exact(&located), (position, 1, Some(How::Edited)));
        assert_eq!(bounded, between(position));
    }
}

#[test]
fn deleted_events_are_found() {
    let audited = audited();
    for (position, count) in [(1, 1), (250, 1), (301, 1), (400, 5), (500, 20)] {
        let (located, bounded) = audited.rewritten(|events| {
            events.drain(position - 1..position - 1 + count);
            // The log goes on, so that its length does not tell.
            events.extend(more(5_000, count));
        });
        let (at, differing, how) = exact(&located);
        assert_eq!((at, how), (position as u64, Some(How::Deleted(count as u64))));
        let size = if position <= 300 { 300 } else { 700 };
        assert_eq!(differing, size - position as u64 + 1, "all behind it moved");
        assert_eq!(bounded, between(position as u64));
    }
}

#[test]
fn inserted_events_are_found() {
    let audited = audited();
    for (position, count) in [(1, 1), (300, 2), (450, 3)] {
        let (located, bounded) = audited.rewritten(|events| {
            events.splice(position - 1..position - 1, more(5_000, count));
        });
        let (at, _, how) = exact(&located);
        assert_eq!((at, how), (position as u64, Some(How::Inserted(count as u64))));
        assert_eq!(bounded, between(position as u64));
    }
}

#[test]
fn reordered_events_are_found() {
    let audited = audited();
    // Neighbours; farther apart; and two of one stream, whose versions change places too.
    for (left, right) in [(1, 2), (299, 300), (340, 345), (600, 607)] {
        let (located, bounded) = audited.rewritten(|events| events.swap(left - 1, right - 1));
        let (at, differing, how) = exact(&located);
        assert_eq!((at, how), (left as u64, Some(How::Swapped(Position(right as u64)))));
        assert_eq!(differing, 2);
        assert_eq!(bounded, between(left as u64));
    }
}

#[test]
fn a_log_that_was_cut_off_is_found() {
    let audited = audited();
    let (located, bounded) = audited.rewritten(|events| events.truncate(650));
    assert_eq!(exact(&located), (651, 0, None), "what is left is unchanged");
    assert_eq!(bounded, Finding::Truncated { size: 700, head: Position(650), exact: None });
    // Cut off, and edited before the cut.
    let (located, _) = audited.rewritten(|events| {
        events.truncate(650);
        events[400].payload.push(1);
    });
    assert_eq!(exact(&located), (401, 1, Some(How::Edited)));
}

#[test]
fn a_log_that_was_cut_off_and_written_anew_is_found() {
    let audited = audited();
    let (located, bounded) = audited.rewritten(|events| {
        events.truncate(520);
        events.extend(more(9_000, 300));
    });
    assert_eq!(exact(&located), (521, 180, Some(How::Edited)));
    assert_eq!(bounded, between(521));
}

#[test]
fn two_histories_under_one_key_are_a_fork() {
    let audited = audited();
    let folder = tempfile::tempdir().unwrap();
    let mut events = audited.events.clone();
    events[600].payload.push(9);
    events.extend(more(9_000, 20));
    let log = log_of(&folder.path().join("log"), &events[..700]);
    let mut other = custody(&folder.path().join("custody"));
    let same_size = sign(&mut other, &log);
    assert_eq!(same_size.size, 700);

    // Two checkpoints of one size need no log.
    let both = [audited.outside[1].clone(), same_size];
    let evidence = Evidence { outside: &both, own: None, tiles: &[] };
    let report = verify::log(&audited.log, &evidence, &mut |_, _| {});
    let fork = Finding::Fork { size: 700, other: 700, after: Position::START, exact: None };
    assert_eq!(report.findings, std::slice::from_ref(&fork));
    // Not even one that fits either of them.
    let short = log_of(&folder.path().join("short"), &events[..10]);
    let report = verify::log(&short, &evidence, &mut |_, _| {});
    assert!(report.findings.contains(&fork), "{:?}", report.findings);

    // Of different sizes: the log beside them decides which one it fits.
    extend(&log, &events[700..]);
    sign(&mut other, &log);
    let tiles = [other.folder(), audited.custody.folder()];
    let evidence =
        Evidence { outside: &audited.outside, own: Some(other.checkpoints()), tiles: &tiles };
    let report = verify::log(&log, &evidence, &mut |_, _| {});
    let forked =
        report.findings.iter().find(|it| matches!(it, Finding::Fork { exact: Some(_), .. }));
    let exact = Exact { position: Position(601), differing: 1, how: Some(How::Edited) };
    let expected =
        Finding::Fork { size: 700, other: 700, after: Position(300), exact: Some(exact) };
    assert_eq!(forked, Some(&expected), "{:?}", report.findings);
    // Its own history knows nothing of what was signed at 300.
    assert!(report.findings.contains(&Finding::NotInHistory { size: 300 }));
    // And no consistency proof leads from one to the other.
    let refused = other.prove_consistency(&log, &audited.outside[1], &mut |_, _| {});
    assert!(matches!(refused, Err(CustodyError::ProofFails { .. })), "{refused:?}");
}

#[test]
fn flipped_bytes_in_a_segment_are_found() {
    let audited = audited();
    let segment = audited.folder.path().join("log/00000000000000000001.seg");
    let mut bytes = std::fs::read(&segment).unwrap();
    bytes[3_000] ^= 0x10;
    std::fs::write(&segment, bytes).unwrap();
    let report = audited.without_tiles(&audited.log);
    let [Finding::Damaged { after, reason }] = report.findings.as_slice() else {
        panic!("{:?}", report.findings);
    };
    assert!(after.0 < 300 && reason.contains("00000000000000000001.seg"), "{after} {reason}");
}
