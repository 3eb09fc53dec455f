//! The same on the embedded log, across a restart.

use ledgerline_event_store::crypt::KeyRing;
use ledgerline_event_store::{EmbeddedLog, EventReader as _, Options};

use crate::support::{ABANDONED, Bench, ORG, file, row};

#[tokio::test]
async fn an_import_is_found_again_after_a_restart() {
    let directory = tempfile::tempdir().expect("a directory");
    let rows: Vec<String> =
        (1..=1_500).map(|id| row(id, if id % 4 == 0 { ABANDONED } else { &[] })).collect();
    let first = file(rows.get(..1_000).expect("rows"));
    let whole = file(&rows);
    let open = || {
        EmbeddedLog::open(&directory.path().join("log"), ORG, Options::default()).expect("opens")
    };
    let bench = || Bench {
        keyring: KeyRing::open_dir(directory.path()).expect("a key ring"),
        ..Bench::bank()
    };

    let head = {
        let (log, bench) = (open(), bench());
        let report = bench.import_into(&log, first.as_bytes()).await.expect("imported");
        assert_eq!((report.interactions, report.already_there), (1_000, 0));
        log.head()
    };
    let (log, bench) = (open(), bench());
    assert_eq!(log.head(), head, "everything the report counts is durable");
    let again = bench.import_into(&log, first.as_bytes()).await.expect("imported again");
    assert_eq!((again.already_there, again.events_appended), (1_000, 0));
    assert_eq!(log.head(), head);
    let more = bench.import_into(&log, whole.as_bytes()).await.expect("imported");
    assert_eq!((more.interactions, more.already_there), (1_500, 1_000));
    assert_eq!(more.rejected, []);
    assert_eq!(log.verify().expect("sound").events, log.head().0);
}
