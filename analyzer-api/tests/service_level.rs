//! Service levels in SQL: the four definitions, grouped, over several partitions and files, with the
//! threshold as a literal and as a column.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on should stop where it is"
)]

mod support;

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::arrow::array::{Array, AsArray};
use datafusion::arrow::datatypes::Float64Type;
use ledgerline_analyzer_api::functions::service_level::{Counts, Definition};
use ledgerline_analyzer_api::query::run_local;
use ledgerline_projections::Snapshot;
use proptest::prelude::*;
use support::{ACME, ACME_STAYS, POSITION, Stay, cold, principal, queue_leg, snapshot, stays};

async fn levels(snapshot: Arc<Snapshot>, sql: &str) -> Vec<Vec<Option<f64>>> {
    let (schema, batches) =
        run_local(snapshot, &principal("acme-analyst").unwrap(), sql).await.unwrap();
    assert!(schema.fields().iter().all(|field| field.data_type().is_floating()));
    let mut rows = Vec::new();
    for batch in batches {
        for row in 0..batch.num_rows() {
            let values = batch.columns().iter().map(|column| {
                let column = column.as_primitive::<Float64Type>();
                column.is_valid(row).then(|| column.value(row))
            });
            rows.push(values.collect());
        }
    }
    rows
}

fn all(wait: &str, threshold: &str) -> String {
    Definition::ALL
        .map(|definition| format!("{}(outcome, {wait}, {threshold})", definition.function_name()))
        .join(", ")
}

#[tokio::test]
async fn definitions_differ_as_published() {
    let dir = tempfile::tempdir().unwrap();
    let snapshot = snapshot(ACME, "acme", dir.path(), &ACME_STAYS);
    let sql = format!("SELECT {} FROM queue_leg", all("queue_duration_ms", "20000"));
    let rows = levels(snapshot, &sql).await;
    // 3 answered, of which 2 within 20 s (0 and exactly 20,000 ms); 2 abandoned, of which 1.
    let expected = [200.0 / 3.0, 40.0, 50.0, 60.0];
    for (got, want) in rows[0].iter().zip(expected) {
        assert!((got.unwrap() - want).abs() < 1e-9, "{rows:?}");
    }
}

#[tokio::test]
async fn the_threshold_may_be_a_column_and_groups_are_apart() {
    let dir = tempfile::tempdir().unwrap();
    let snapshot = snapshot(ACME, "acme", dir.path(), &ACME_STAYS);
    let sql = format!(
        "SELECT {} FROM queue_leg GROUP BY queue ORDER BY queue",
        all("queue_duration_ms", "threshold_ms + 0")
    );
    let rows = levels(snapshot, &sql).await;
    assert_eq!(rows[0], [Some(200.0 / 3.0), Some(50.0), Some(200.0 / 3.0), Some(75.0)]);
    // Support: nobody answered, one abandoned after the threshold, one other, one open.
    assert_eq!(rows[1], [None, Some(0.0), Some(0.0), Some(0.0)]);
}

#[tokio::test]
async fn nothing_to_count_is_null() {
    let dir = tempfile::tempdir().unwrap();
    let snapshot = snapshot(ACME, "acme", dir.path(), &ACME_STAYS);
    let sql = format!(
        "SELECT {} FROM queue_leg WHERE outcome IN ('other', 'open')",
        all("queue_duration_ms", "20000")
    );
    assert_eq!(levels(snapshot, &sql).await, [[None; 4]]);
}

#[tokio::test]
async fn a_fraction_of_a_millisecond_is_not_cut() {
    let dir = tempfile::tempdir().unwrap();
    let snapshot = snapshot(ACME, "acme", dir.path(), &ACME_STAYS);
    let sql = "SELECT sl_of_answered(outcome, queue_duration_ms, 20000.5), \
               sl_of_answered(outcome, queue_duration_ms, 20001.0) FROM queue_leg";
    assert_eq!(levels(snapshot, sql).await, [[Some(200.0 / 3.0), Some(100.0)]]);
}

#[tokio::test]
async fn wrong_arguments_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let snapshot = snapshot(ACME, "acme", dir.path(), &ACME_STAYS);
    let who = principal("acme-analyst").unwrap();
    for (sql, expected) in [
        ("SELECT sl_negative(outcome) FROM queue_leg", "threshold_ms"),
        ("SELECT sl_negative(queue_duration_ms, 1, 1) FROM queue_leg", "outcome must be text"),
        ("SELECT sl_negative(outcome, 'x', 1) FROM queue_leg", "queue_duration_ms"),
    ] {
        let error = run_local(Arc::clone(&snapshot), &who, sql).await.unwrap_err().to_string();
        assert!(error.contains(expected), "{sql}: {error}");
    }
}

fn stay() -> impl Strategy<Value = Stay> {
    let outcome = prop_oneof![Just("answered"), Just("abandoned"), Just("other"), Just("open")];
    let queue = prop_oneof![Just("a"), Just("b"), Just("c")];
    (queue, outcome, prop::option::of(0_i64..100), 0_i64..100)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// Partial states of any number of files and batches merge to what counting by hand gives.
    #[test]
    fn partial_states_merge(parts in prop::collection::vec(prop::collection::vec(stay(), 0..20), 1..6)) {
        let dir = tempfile::tempdir().unwrap();
        let mut files = Vec::new();
        let mut hot = Vec::new();
        let mut counts: BTreeMap<&str, Counts> = BTreeMap::new();
        for (index, part) in parts.iter().enumerate() {
            let batch = stays("p", index * 100, part);
            if index % 2 == 0 {
                files.push(cold(dir.path(), &format!("{index}.parquet"), &batch));
            } else {
                hot.push(batch);
            }
            for (queue, outcome, wait, threshold) in part {
                let within = wait.is_some_and(|wait| wait <= *threshold);
                counts.entry(queue).or_default().add(outcome, within);
            }
        }
        let snapshot = Arc::new(Snapshot {
            org_id: ACME,
            position: POSITION,
            epoch: 1,
            tables: [("queue_leg", queue_leg(files, hot))].into(),
            live: BTreeMap::new(),
        });
        let sql = format!(
            "SELECT {} FROM queue_leg GROUP BY queue ORDER BY queue",
            all("queue_duration_ms", "threshold_ms")
        );
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let rows = runtime.block_on(levels(snapshot, &sql));
        let expected: Vec<Vec<Option<f64>>> = counts
            .values()
            .map(|counts| Definition::ALL.map(|it| it.percent(*counts)).to_vec())
            .collect();
        prop_assert_eq!(rows, expected);
    }
}
