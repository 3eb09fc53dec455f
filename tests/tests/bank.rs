//! The real months, imported with the command and asked with SQL: exactly the published figures.
//!
//! Source of the data: "Anonymous Bank" call-center data, documented by Ilan Guedj and Avi Mandelbaum,
//! Technion - Israel Institute of Technology, 9 February 2000.

#![allow(clippy::expect_used, reason = "a test helper that cannot go on should fail the test")]

mod published;

use std::path::Path;

use ledgerline_tests::{csv, succeed, test_data};
use published::{MONTHS, Month};

fn ask(data: &str, sql: &str) -> Vec<Vec<String>> {
    csv(&succeed(&["sql", "--data", data, "--format", "csv", sql])).split_off(1)
}

fn cells(data: &str, sql: &str) -> Vec<String> {
    ask(data, sql).remove(0)
}

fn close(actual: &str, expected: f64, tolerance: f64) {
    let value: f64 = actual.parse().expect("a number");
    assert!((value - expected).abs() < tolerance, "{value} is not {expected}");
}

/// Everything asked of a month, in one question: each command opens the whole log anew.
fn check_month(data: &str, month: &Month) {
    let when = format!(
        "between timestamp '{}' - interval '1 day' and timestamp '{}'",
        month.from, month.to
    );
    let found = cells(
        data,
        &format!(
            "select \
             (select count(*) from customer_session where created_time {when}), \
             (select count(*) from customer_session s where s.created_time {when} and not exists \
               (select 1 from queue_leg l where l.interaction_id = s.interaction_id)), \
             count(*), count(*) filter (where outcome = 'answered'), \
             count(*) filter (where outcome = 'abandoned'), \
             count(*) filter (where outcome in ('other', 'open')), \
             avg(queue_duration_ms) filter (where outcome = 'answered') / 1000.0, \
             avg(queue_duration_ms) filter (where outcome = 'answered' and queue_duration_ms > 0) / 1000.0, \
             sum(connected_duration_ms) filter (where outcome = 'answered') \
               / 1000.0 / count(*) filter (where outcome = 'answered'), \
             {}, {} from queue_leg where entered_time {when}",
            levels(20_000),
            levels(60_000)
        ),
    );
    let interactions = month.rows - month.phantom;
    let counts = [interactions, month.ivr_ended, month.offered, month.answered, month.abandoned, 0];
    assert_eq!(found[..6], counts.map(|count| count.to_string()), "{}", month.name);
    close(&found[6], month.asa_all_s, 0.05);
    close(&found[7], month.asa_queued_s, 0.05);
    close(&found[8], month.aht_s, 0.05);
    for (level, expected) in found[9..].iter().zip(month.sl20.into_iter().chain(month.sl60)) {
        close(level, expected, 0.005);
    }
    assert_eq!(found.len(), 17);
}

/// The four service levels at a threshold.
fn levels(threshold_ms: u64) -> String {
    ["sl_of_answered", "sl_negative", "sl_ignore", "sl_positive"]
        .map(|name| format!("{name}(outcome, queue_duration_ms, {threshold_ms})"))
        .join(", ")
}

/// Table and checksum of every line that a rebuild prints.
fn checksums(text: &str) -> Vec<(String, String)> {
    text.lines()
        .filter(|line| line.starts_with("  "))
        .map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            (words[0].to_owned(), words[words.len() - 1].to_owned())
        })
        .collect()
}

fn tables_of(data: &Path) -> std::path::PathBuf {
    let orgs = data.join("orgs");
    let org = std::fs::read_dir(orgs).expect("orgs").next().expect("one").expect("readable");
    org.path().join("tables")
}

#[test]
fn january_and_october_give_the_published_figures() {
    let Some(folder) = test_data() else {
        eprintln!("skipped: no test data (set LEDGERLINE_TESTDATA)");
        return;
    };
    let temporary = tempfile::tempdir().expect("folder");
    let data_path = temporary.path().join("data");
    let data = data_path.to_string_lossy().into_owned();
    let files: Vec<String> = MONTHS
        .iter()
        .map(|month| folder.join("bank").join(month.file).to_string_lossy().into_owned())
        .collect();
    let mut import = vec!["import", "call-records", "--mapping", "anonymous-bank", "--data", &data];
    import.extend(files.iter().map(String::as_str));
    let said = succeed(&import);
    for month in &MONTHS {
        let line = format!(
            "{} rows = {} interactions + {} skipped by the mapping + 0 rejected",
            month.rows,
            month.rows - month.phantom,
            month.phantom
        );
        assert!(said.contains(&line), "{line}\n{said}");
    }
    for month in &MONTHS {
        check_month(&data, month);
    }
    let before = cells(&data, "select count(*) from event_log where actor_type = 'importer'");
    let again = succeed(&import);
    assert_eq!(again.matches("; 0 events appended").count(), 2, "{again}");
    let after = cells(&data, "select count(*) from event_log where actor_type = 'importer'");
    assert_eq!(before, after, "a second import changed the log");
    let rebuilt = succeed(&["rebuild", "--data", &data]);
    assert!(!rebuilt.contains("DIFFERS") && rebuilt.contains("identical"), "{rebuilt}");
    let one = checksums(&rebuilt);
    std::fs::remove_dir_all(tables_of(&data_path)).expect("tables are deleted");
    let two = checksums(&succeed(&["rebuild", "--data", &data]));
    assert!(one.len() >= 10, "{one:?}");
    assert_eq!(one, two, "tables built from nothing differ");
}
