//! Several files of one log: rotated, packed, cut off, empty.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use ledgerline_ingest::import::ImportError;

use super::{Bench, lines};

fn packed(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes()).expect("packs");
    encoder.finish().expect("packs")
}

/// A log in three files; calls and a pause span them.
fn rotated() -> [String; 3] {
    [
        lines(&[
            "1000|NONE|sales|SIP/101|ADDMEMBER|",
            "1001|c1|sales|NONE|ENTERQUEUE||5550100|1",
            "1002|c2|sales|NONE|ENTERQUEUE||5550101|2",
        ]),
        lines(&["1003|NONE|sales|SIP/101|PAUSE|Lunch", "1010|c1|sales|SIP/102|CONNECT|9|c1.2|2"]),
        lines(&[
            "1015|NONE|sales|SIP/101|UNPAUSE|",
            "1020|c1|sales|SIP/102|COMPLETEAGENT|9|10|1",
            "1030|c2|sales|NONE|ABANDON|1|2|28",
        ]),
    ]
}

#[tokio::test]
async fn rotated_files_are_one_log_in_whatever_order_and_packing_they_come() {
    let [old, middle, new] = rotated();
    let whole = Bench::new();
    whole.import(&[old.as_str(), &middle, &new].concat()).await;
    let zipped = packed(&old);
    let orders: [[(&str, &[u8]); 3]; 3] = [
        [
            ("queue_log.2.gz", &zipped),
            ("queue_log.1", middle.as_bytes()),
            ("queue_log", new.as_bytes()),
        ],
        [
            ("queue_log", new.as_bytes()),
            ("queue_log.1", middle.as_bytes()),
            ("queue_log.2.gz", &zipped),
        ],
        [("b", middle.as_bytes()), ("c", &zipped), ("a", new.as_bytes())],
    ];
    for files in orders {
        let bench = Bench::new();
        let report = bench.files(&files).await;
        assert_eq!((report.counts().lines, report.counts().rejected), (8, 0), "{report}");
        assert_eq!(bench.calls(), whole.calls());
        assert_eq!(bench.agents(), whole.agents());
        assert_eq!(report.open.total(), 0);
    }
}

#[tokio::test]
async fn files_may_come_one_after_the_other() {
    let files = rotated();
    let whole = Bench::new();
    whole.import(&files.concat()).await;
    let bench = Bench::new();
    for (index, file) in files.iter().enumerate() {
        let report = bench.import(file).await;
        assert_eq!(report.counts().rejected, 0, "{report}");
        let open = if index == 2 { 0 } else { 2 };
        assert_eq!(report.open.total(), open, "a call that spans files is open until its last");
    }
    assert_eq!(bench.calls(), whole.calls());
    assert_eq!(bench.agents(), whole.agents());
}

#[tokio::test]
async fn a_log_that_grew_adds_what_is_new() {
    let [old, middle, new] = rotated();
    let bench = Bench::new();
    bench.import(&old).await;
    let grown = [old.as_str(), &middle].concat();
    let report = bench.import(&grown).await;
    assert_eq!(report.files.iter().map(|file| file.already_there).sum::<u64>(), 3);
    // Rotated since, and given together with the copy from before.
    let report = bench
        .files(&[
            ("queue_log", new.as_bytes()),
            ("queue_log.1", grown.as_bytes()),
            ("copy", old.as_bytes()),
        ])
        .await;
    let contained: Vec<_> =
        report.files.iter().map(|it| (it.file.as_str(), it.contained_in.as_deref())).collect();
    assert_eq!(
        contained,
        [("copy", Some("queue_log.1")), ("queue_log.1", None), ("queue_log", None)]
    );
    assert_eq!(report.counts().lines, 8, "{report}");
    let whole = Bench::new();
    whole.import(&rotated().concat()).await;
    assert_eq!(bench.calls(), whole.calls());
    assert_eq!(bench.agents(), whole.agents());
}

#[tokio::test]
async fn a_line_that_was_cut_off_waits_for_the_whole_one() {
    let whole = rotated().concat();
    let straight = Bench::new();
    straight.import(&whole).await;
    for cut in (1..whole.len()).step_by(3) {
        let bench = Bench::new();
        let beginning = whole.get(..cut).expect("ASCII");
        let report = bench.import(beginning).await;
        let is_cut = u64::from(!beginning.ends_with('\n'));
        assert_eq!(report.counts().rejected, is_cut, "{cut}");
        let report = bench.import(&whole).await;
        assert_eq!(report.counts().rejected, 0, "{cut}");
        assert_eq!(bench.calls(), straight.calls(), "{cut}");
        assert_eq!(bench.agents(), straight.agents(), "{cut}");
    }
}

#[tokio::test]
async fn an_empty_file_is_no_error_and_a_broken_pack_is_one() {
    let bench = Bench::new();
    for empty in ["", "\n\n", "\u{feff}"] {
        let report = bench.import(empty).await;
        assert_eq!(report.counts().lines, 0);
    }
    assert!(bench.calls().is_empty());
    let zipped = packed(&rotated().concat());
    let broken = zipped.get(..zipped.len() / 2).expect("half");
    let head = bench.recorded().len();
    let files: [(&str, &[u8]); 2] = [("a", b"1|c|q|NONE|ENTERQUEUE||1|1\n"), ("b.gz", broken)];
    let error = bench.import_into(&bench.log, &files).await.expect_err("not whole");
    assert!(matches!(&error, ImportError::Unreadable { file, .. } if file == "b.gz"), "{error}");
    assert_eq!(bench.recorded().len(), head, "nothing of the other file either");
}
