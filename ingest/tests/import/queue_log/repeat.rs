//! Importing again, and after a stop anywhere.

use std::sync::atomic::AtomicU64;

use ledgerline_event_store::crypt::KeyRing;
use ledgerline_event_store::memory::MemoryLog;
use ledgerline_event_store::{AppendError, EmbeddedLog, EventReader as _, Options};
use ledgerline_ingest::import::ImportError;

use super::{Bench, lines};
use crate::repeat::Failing;
use crate::support::{ORG, now};

fn a_log() -> String {
    lines(&[
        "990|c1|sales|NONE|DID|5550199",
        "1000|NONE|sales|SIP/101|ADDMEMBER|",
        "1001|NONE|support|SIP/101|ADDMEMBER|",
        "1001|c1|sales|NONE|ENTERQUEUE||5550100|1",
        "1002|c2|support|NONE|ENTERQUEUE||5550101|1",
        "1005|c1|sales|SIP/101|RINGNOANSWER|3000",
        "1005|c1|sales|SIP/101|RINGNOANSWER|3000",
        "1006|nobody|sales|NONE|ABANDON|1|1|1",
        "1007|NONE|sales|SIP/101|PAUSE|Lunch",
        "1007|NONE|support|SIP/101|PAUSE|Lunch",
        "1010|c1|sales|SIP/102|CONNECT|9|c1.2|2",
        "1020|c1|sales|SIP/102|BLINDTRANSFER|200|internal|9|10|1",
        "1021|c1|support|NONE|ENTERQUEUE||5550100|2",
        "1030|c1|support|SIP/102|CONNECT|9|c1.3|2",
        "1031|c1|support|SIP/102|COMPLETEAGENT|9|1|2",
        "1032|c1|survey|NONE|ENTERQUEUE||5550100|1",
        "1033|c2|support|NONE|EXITWITHTIMEOUT|1|1|31",
        "1034|NONE|support|SIP/101|UNPAUSE|",
        "1035|c1|survey|NONE|ABANDON|1|1|3",
        "not a line",
        "1036|NONE|sales|SIP/101|REMOVEMEMBER|",
        "1037|NONE|support|SIP/101|REMOVEMEMBER|",
    ])
}

/// Everything but what is sealed, which differs each time.
fn told(bench: &Bench) -> Vec<String> {
    let one = |it: &ledgerline_schemas::Recorded| {
        let event = it.decode().expect("decodes");
        let text = match &event {
            ledgerline_schemas::event::Event::InteractionCreated(created) => {
                let mut created = created.clone();
                created.origin = None;
                ledgerline_schemas::event::Event::from(created).to_json_text()
            }
            other => other.to_json_text(),
        };
        format!("{} {} {} {text}", it.header.id, it.header.stream, it.header.time)
    };
    bench.recorded().iter().map(one).collect()
}

#[tokio::test]
async fn a_second_import_adds_nothing_and_says_so() {
    let bench = Bench::new();
    let first = bench.import(&a_log()).await;
    assert_eq!(first.counts().rejected, 2, "{first}");
    assert_eq!(first.events_appended, bench.log.head().0);
    let before = bench.recorded();
    let second = bench.import(&a_log()).await;
    assert_eq!(bench.recorded(), before);
    assert_eq!(second.events_appended, 0);
    let [one, two] = [&first, &second].map(|it| it.files.first().expect("a file"));
    assert_eq!(two.already_there, two.counts.lines);
    assert_eq!(
        (&one.counts, one.interactions, &one.rejected),
        (&two.counts, two.interactions, &two.rejected)
    );
    assert_eq!((&first.by_event, &first.open), (&second.by_event, &second.open));
}

#[tokio::test]
async fn an_import_that_stopped_anywhere_goes_on_where_it_stopped() {
    let whole = Bench::new();
    whole.import(&a_log()).await;
    let appends = 60;
    for stops_after in 0..appends {
        let bench = Bench { keyring: whole.keyring.clone(), ..Bench::new() };
        let failing = Failing { log: bench.log.clone(), appends_left: AtomicU64::new(stops_after) };
        let text = a_log();
        match bench.import_into(&failing, &[("queue_log", text.as_bytes())]).await {
            Err(ImportError::Append { source: AppendError::Unavailable { .. }, .. }) => {}
            Ok(_) => {
                assert!(stops_after > 25, "{stops_after} appends cannot be enough");
                return;
            }
            Err(error) => panic!("{error}"),
        }
        bench.import(&text).await;
        assert_eq!(told(&bench), told(&whole), "stopped after {stops_after} appends");
    }
    panic!("an import of 22 lines needs no more than {appends} appends");
}

#[tokio::test]
async fn lines_are_not_mistaken_under_other_keys() {
    let bench = Bench::new();
    bench.import(&a_log()).await;
    let head = bench.log.head();
    let other = Bench { log: bench.log.clone(), ..Bench::new() };
    let text = a_log();
    let error = other.import_into(&other.log, &[("queue_log", text.as_bytes())]).await;
    assert!(matches!(error, Err(ImportError::OtherKeys)), "{error:?}");
    assert_eq!(bench.log.head(), head);
}

#[tokio::test]
async fn mappings_of_other_names_are_other_histories() {
    let bench = Bench::new();
    bench.import(&a_log()).await;
    let before = bench.calls().len();
    let other = Bench {
        log: bench.log.clone(),
        keyring: bench.keyring.clone(),
        ..Bench::mapped("name = \"other\"")
    };
    other.import(&a_log()).await;
    assert_eq!(bench.calls().len(), 2 * before);
}

#[tokio::test]
async fn an_import_is_found_again_after_a_restart() {
    let directory = tempfile::tempdir().expect("a directory");
    let open = || {
        EmbeddedLog::open(&directory.path().join("log"), ORG, Options::default()).expect("opens")
    };
    let bench = || Bench {
        keyring: KeyRing::open_dir(directory.path()).expect("a key ring"),
        log: MemoryLog::new(ORG, now),
        ..Bench::new()
    };
    let text = a_log();
    let half: String = text.split_inclusive('\n').take(12).collect();
    let head = {
        let (log, bench) = (open(), bench());
        bench.import_into(&log, &[("q", half.as_bytes())]).await.expect("imported");
        log.head()
    };
    let (log, bench) = (open(), bench());
    assert_eq!(log.head(), head, "everything the report counts is durable");
    let again = bench.import_into(&log, &[("q", half.as_bytes())]).await.expect("imported again");
    assert_eq!((again.events_appended, log.head()), (0, head));
    let more = bench.import_into(&log, &[("q", text.as_bytes())]).await.expect("imported");
    assert_eq!(more.files.first().map(|file| file.already_there), Some(11));
    assert_eq!(more.open.total(), 1, "{more}");
    assert_eq!(log.verify().expect("sound").events, log.head().0);
}
