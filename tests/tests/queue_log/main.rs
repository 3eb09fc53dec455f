//! Queue logs of Asterisk through to the tables: what the tables say is what the lines add up to.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test helper that cannot go on should fail the test"
)]

mod script;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use ledgerline_event_store::EventReader;
use ledgerline_event_store::crypt::KeyRing;
use ledgerline_event_store::memory::MemoryLog;
use ledgerline_ingest::import::{QueueLogMapping, QueueLogReport, Source, queue_logs};
use ledgerline_projections::{Options, Projections, Snapshot, Value};
use ledgerline_schemas::Timestamp;
use ledgerline_schemas::id::OrgId;
use ledgerline_tests::{csv, run, succeed};
use proptest::prelude::*;

use script::{Dice, Totals, log, totals};

const ORG: OrgId = OrgId::from_u128(0x0a57);

fn now() -> Timestamp {
    Timestamp::from_micros(1_700_000_000_000_000)
}

/// Cuts a log into files where the second changes.
fn files(lines: &[String], dice: &mut Dice, most: u64) -> Vec<String> {
    let second = |line: &String| line.split('|').next().map(str::to_owned);
    let mut files = vec![String::new()];
    let mut above = None;
    for line in lines {
        let now = second(line);
        let changes = above.is_some() && above != now;
        if changes && dice.roll(lines.len() as u64 / most + 1) == 0 {
            files.push(String::new());
        }
        above = now;
        let last = files.last_mut().expect("a file");
        last.push_str(line);
        last.push('\n');
    }
    files
}

async fn import(log: &MemoryLog, keyring: &KeyRing, files: &[String]) -> QueueLogReport {
    let names: Vec<String> = (0..files.len()).map(|number| format!("queue_log.{number}")).collect();
    let sources: Vec<Source<'_>> = files
        .iter()
        .zip(&names)
        .map(|(text, name)| Source { name, bytes: text.as_bytes(), imported_at: now() })
        .collect();
    let mapping = QueueLogMapping::default();
    queue_logs(log, keyring, &mapping, &sources, None, &mut |_| {}).await.expect("imported")
}

async fn tables(log: &MemoryLog, dir: &Path) -> Arc<Snapshot> {
    let reader: Arc<dyn EventReader> = Arc::new(log.clone());
    let tables = Projections::start(reader, dir.to_owned(), Options::default()).expect("starts");
    tables.wait_for(log.head()).await.expect("folded");
    let snapshot = tables.snapshot();
    tables.stop().await;
    snapshot
}

/// The rows of `queue_live` by the queue's name; what they don't hold is left at 0.
fn of_queues(snapshot: &Snapshot) -> BTreeMap<String, Totals> {
    let def = snapshot.tables["queue_live"].def;
    let cell = |row: &[Value], name: &str| row[def.column(name).expect("a column")].clone();
    let number = |row: &[Value], name: &str| match cell(row, name) {
        Value::Int(number) => number,
        other => panic!("{name}: {other:?}"),
    };
    let mut all = BTreeMap::new();
    for row in snapshot.live["queue_live"].values() {
        let Value::Text(name) = cell(row, "queue_name") else { panic!("no name") };
        let totals = Totals {
            offered: number(row, "offered"),
            answered: number(row, "answered"),
            abandoned: number(row, "abandoned"),
            other: number(row, "other"),
            open: number(row, "open"),
            wait_answered_ms: number(row, "sum_wait_answered_ms"),
            wait_abandoned_ms: number(row, "sum_wait_abandoned_ms"),
            connected_ms: number(row, "sum_connected_ms"),
            ronas: number(row, "ronas"),
            ringing_ms: 0,
        };
        // A queue that only members were named of has a row of nothing.
        if totals != Totals::default() {
            all.insert(name.to_string(), totals);
        }
    }
    all
}

fn without_ringing(totals: BTreeMap<String, Totals>) -> BTreeMap<String, Totals> {
    let silent = |(queue, of): (String, Totals)| (queue, Totals { ringing_ms: 0, ..of });
    totals.into_iter().map(silent).filter(|(_, of)| *of != Totals::default()).collect()
}

async fn check(seed: u64, calls: u64) {
    let lines = log(seed, calls);
    let mut dice = Dice::new(seed ^ 1);
    let mut parts = files(&lines, &mut dice, 3);
    // Some now and some later, each time in any order.
    let later = parts.split_off(usize::try_from(dice.roll(parts.len() as u64 + 1)).expect("small"));
    let (memory, keyring) = (MemoryLog::new(ORG, now), KeyRing::in_memory().expect("keys"));
    let mut read = 0;
    for mut some in [parts, later] {
        let turn = usize::try_from(dice.roll(some.len() as u64 + 1)).expect("small");
        let turn = turn.min(some.len());
        some.rotate_left(turn);
        let report = import(&memory, &keyring, &some).await;
        let counts = report.counts();
        assert_eq!(counts.lines, counts.mapped + counts.information + counts.rejected);
        read += counts.lines;
        // The one line that is of no call.
        let useless = some.concat().matches("|late|").count() as u64;
        assert_eq!(counts.rejected, useless, "seed {seed}: {report}");
        let again = import(&memory, &keyring, &some).await;
        assert_eq!((again.events_appended, again.counts()), (0, counts), "seed {seed}");
    }
    assert_eq!(read, lines.len() as u64);
    let folder = tempfile::tempdir().expect("a folder");
    let found = of_queues(&*tables(&memory, folder.path()).await);
    assert_eq!(found, without_ringing(totals(&lines)), "seed {seed}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn the_tables_are_what_the_lines_add_up_to(seed in any::<u64>(), calls in 0_u64..60) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        runtime.block_on(check(seed, calls));
    }
}

const LEGS: &str = "select queue_name, count(*), count(*) filter (where outcome = 'answered'), \
    count(*) filter (where outcome = 'abandoned'), count(*) filter (where outcome = 'other'), \
    count(*) filter (where outcome = 'open'), \
    coalesce(sum(queue_duration_ms) filter (where outcome = 'answered'), 0), \
    coalesce(sum(queue_duration_ms) filter (where outcome = 'abandoned'), 0), \
    coalesce(sum(connected_duration_ms), 0), sum(ronas), sum(ringing_duration_ms) \
    from queue_leg group by 1 order by 1";

#[test]
fn the_command_imports_and_sql_answers() {
    let (seed, calls) = (20_261_129, 400);
    let lines = log(seed, calls);
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data").to_string_lossy().into_owned();
    let mut dice = Dice::new(seed);
    let mut paths = Vec::new();
    for (number, text) in files(&lines, &mut dice, 4).iter().enumerate() {
        let path = folder.path().join(format!("queue_log.{number}"));
        std::fs::write(&path, text).expect("written");
        paths.push(path.to_string_lossy().into_owned());
    }
    assert!(paths.len() > 1, "seed {seed} gives one file only");
    paths.reverse();
    let mut command = vec!["import", "asterisk-queue-log", "--data", &data];
    command.extend(paths.iter().map(String::as_str));
    let said = run(&command);
    assert_eq!(said.code, 65, "{}\n{}", said.out, said.err);
    assert!(said.err.contains("1 lines were rejected"), "{}", said.err);
    assert!(said.out.contains(&format!("{} lines = ", lines.len())), "{}", said.out);

    let ask =
        |sql: &str| csv(&succeed(&["sql", "--data", &data, "--format", "csv", sql])).split_off(1);
    let expected: Vec<Vec<String>> = totals(&lines)
        .into_iter()
        .filter(|(_, of)| of.offered > 0)
        .map(|(queue, of)| {
            let figures = [
                of.offered,
                of.answered,
                of.abandoned,
                of.other,
                of.open,
                of.wait_answered_ms,
                of.wait_abandoned_ms,
                of.connected_ms,
                of.ronas,
                of.ringing_ms,
            ];
            std::iter::once(queue).chain(figures.map(|figure| figure.to_string())).collect()
        })
        .collect();
    assert_eq!(ask(LEGS), expected);

    // Sessions have names, teams and a time of their own.
    let sessions = ask("select count(*), count(distinct agent_name), min(team_name), \
        count(*) filter (where agent_name like 'agent-%') from agent_session");
    let [all, agents, team, coded] = sessions[0].as_slice() else { panic!("{sessions:?}") };
    assert!(all.parse::<u64>().expect("a number") >= 6, "{sessions:?}");
    assert_eq!((agents.as_str(), team.as_str(), coded), ("6", "Asterisk", all), "{sessions:?}");

    let before = ask("select count(*) from event_log where actor_type = 'importer'");
    let again = run(&command);
    assert!(again.out.contains("; 0 events appended"), "{}", again.out);
    assert_eq!(ask("select count(*) from event_log where actor_type = 'importer'"), before);
    let ended = run(&[&command[..], &["--end-open", "0"]].concat());
    assert!(ended.out.contains("not ended: 0 interactions"), "{}", ended.out);
    let active = ask("select count(*) from customer_session where is_active");
    assert_eq!(active, [["0"]], "{}", ended.out);
    let rebuilt = succeed(&["rebuild", "--data", &data]);
    assert!(!rebuilt.contains("DIFFERS") && rebuilt.contains("identical"), "{rebuilt}");
    let _ = succeed(&["verify", "--data", &data]);
}
