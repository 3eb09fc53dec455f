//! Histograms, percentiles, the most frequent value, distinct counts.

use ledgerline_analyzer_api::functions::distribution::histogram::{Histogram, RELATIVE_ERROR};
use ledgerline_analyzer_api::functions::distribution::hyperloglog::STANDARD_ERROR;
use proptest::prelude::*;

use crate::ask::{Row, ask, cell, cells, refusal, sample, spread};

/// The histogram an answer shows in hexadecimal.
fn shown(text: &str) -> Histogram {
    let digits = text.trim().trim_start_matches("\\x").trim_matches('"');
    let bytes = (0..digits.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap())
        .collect::<Vec<_>>();
    Histogram::from_bytes(&bytes).unwrap()
}

#[tokio::test]
async fn quantiles_of_a_histogram_are_near_the_exact_ones() {
    let sql = "SELECT hist_quantile(h, q), exact FROM \
               (SELECT hist_agg(value * value) AS h FROM generate_series(1, 999)), \
               (VALUES (0.0, 1), (0.5, 250000), (0.9, 810000), (0.99, 980100), (1.0, 998001)) v(q, exact)";
    for row in cells(sql).await {
        let [got, exact] = [&row[0], &row[1]].map(|text| text.parse::<f64>().unwrap());
        assert!((got - exact).abs() <= exact * RELATIVE_ERROR, "{row:?}");
    }
}

#[tokio::test]
async fn counts_below_are_exact_at_whole_numbers_up_to_256() {
    let sql = "SELECT hist_count_below(h, 20), hist_count_below(h, 0), hist_count_below(h, 256), \
               hist_count_below(h, 1000), hist_count_below(h, -1) \
               FROM (SELECT hist_agg(value % 300) AS h FROM generate_series(0, 2999))";
    assert_eq!(cells(sql).await, [["200", "0", "2560", "3000", "0"]]);
}

#[tokio::test]
async fn histograms_of_groups_merge_to_that_of_all() {
    let sql = "SELECT (SELECT hist_merge(h) FROM (SELECT value % 7 AS k, hist_agg(value) AS h \
               FROM generate_series(1, 5000) GROUP BY 1)) = \
               (SELECT hist_agg(value) FROM generate_series(1, 5000))";
    assert_eq!(cell(sql).await, "true");
    let sql = sql.replace("hist_", "hll_");
    assert_eq!(cell(&sql).await, "true");
}

#[tokio::test]
async fn the_bytes_are_those_of_the_library() {
    let mut expected = Histogram::of(1.0).unwrap();
    (2..=500).for_each(|value| assert!(expected.add(f64::from(value))));
    let text = cell("SELECT encode(hist_agg(value), 'hex') FROM generate_series(1, 500)").await;
    assert_eq!(shown(&text), expected);
}

#[tokio::test]
async fn percentiles_interpolate() {
    let sql = "SELECT percentile_exact(x, 0.5), percentile_exact(x, 0.9), percentile_exact(x, 0), \
               percentile_exact(x, 1), percentile_exact(x, 0.5) FILTER (WHERE x > 10), \
               percentile_exact(x, 0.5) FILTER (WHERE x > 99) \
               FROM (VALUES (40), (10), (NULL), (20), (30)) v(x)";
    assert_eq!(cells(sql).await, [["25.0", "37.0", "10.0", "40.0", "30.0", ""]]);
    let sql = "SELECT k, round(percentile_exact(x, k / 10.0), 9) FROM \
               (SELECT value % 3 AS k, value AS x FROM generate_series(0, 299)) GROUP BY k ORDER BY k";
    assert_eq!(cells(sql).await, [["0", "0.0"], ["1", "30.7"], ["2", "61.4"]]);
}

/// Percentiles of one column are gathered once; each by itself, in a question of its own, is what they are held against.
#[tokio::test]
async fn several_percentiles_at_once_are_what_each_is_by_itself() {
    let rows = "(SELECT value % 7 AS k, CASE WHEN value % 11 > 0 THEN value * 7919 % 1009 END AS x, \
                value % 5 AS y FROM generate_series(1, 3000))";
    let calls = [
        "percentile_exact(x, 0.9)",
        "percentile_exact(x, 0.25) FILTER (WHERE y > 0)",
        "percentile_exact(x, 0.0)",
        "percentile_exact(y, 0.9)",
        "count(*)",
        "percentile_exact(x, 0.5)",
        "percentile_exact(x, 0.99) FILTER (WHERE y > 0)",
        "percentile_exact(x, 1.0)",
        "percentile_exact(x, 0.5) FILTER (WHERE y > 9)",
        "percentile_exact(x, 0.1) FILTER (WHERE y > 9)",
    ];
    for (keys, order) in [("k, ", "GROUP BY k ORDER BY k"), ("", "")] {
        let together = format!("SELECT {keys}{} FROM {rows} {order}", calls.join(", "));
        let together = cells(&together).await;
        let skipped = usize::from(!keys.is_empty());
        for (number, call) in calls.iter().enumerate() {
            let alone = cells(&format!("SELECT {keys}{call} FROM {rows} {order}")).await;
            for (together, alone) in together.iter().zip(&alone) {
                assert_eq!(together[skipped + number], alone[skipped], "{call} {order}");
            }
            assert_eq!(together.len(), alone.len());
        }
    }
    let sql = "SELECT k, percentile_exact(x, 0.5) AS median FROM (VALUES (1, 1), (1, 3), (2, 9)) v(k, x) \
               GROUP BY k HAVING percentile_exact(x, 0.9) > 5 ORDER BY percentile_exact(x, 0.1)";
    assert_eq!(cells(sql).await, [["2", "9.0"]]);
    let plan = cells(&format!("EXPLAIN {}", sql)).await.concat().concat();
    // Names of columns are still those of the question.
    assert!(plan.contains("aggr=[[percentiles_exact("), "{plan}");
    assert!(!plan.contains("aggr=[[percentile_exact("), "{plan}");
    let nothing = "SELECT percentile_exact(x, 0.5), percentile_exact(x, 0.9) \
                   FROM (VALUES (1)) v(x) WHERE x > 1";
    assert_eq!(cells(nothing).await, [["", ""]]);
}

#[tokio::test]
async fn the_most_frequent_value_and_of_several_the_smallest() {
    for (values, expected) in [
        ("(3), (1), (3), (1), (2)", "1"),
        ("('b'), ('a'), ('b'), (NULL), (NULL), (NULL)", "b"),
        ("(1.5), (-1.5), (NULL)", "-1.5"),
        ("(true), (true), (false)", "true"),
        ("(date '2026-02-02'), (date '2026-01-01')", "2026-01-01"),
        ("(CAST(NULL AS bigint))", ""),
    ] {
        assert_eq!(cell(&format!("SELECT mode(x) FROM (VALUES {values}) v(x)")).await, expected);
    }
    let ordered = "SELECT mode() WITHIN GROUP (ORDER BY x), mode() WITHIN GROUP (ORDER BY x DESC) \
                   FROM (VALUES (3), (1), (3), (1), (2)) v(x)";
    assert_eq!(cells(ordered).await, [["1", "3"]]);
    let sql = "SELECT mode(t) = timestamptz '2026-01-01T00:00:00Z', arrow_typeof(mode(n)) FROM \
               (VALUES (timestamptz '2026-01-01T00:00:00Z', 1)) v(t, n)";
    assert_eq!(cells(sql).await, [["true", "Int64"]]);
}

#[tokio::test]
async fn different_values_are_counted() {
    for (distinct, tolerance) in
        [(0_i64, 0.0), (1, 0.0), (100, 0.0), (50_000, 3.0 * STANDARD_ERROR)]
    {
        let sql = format!(
            "SELECT hll_estimate(hll_agg(value % {})) FROM generate_series(1, {})",
            distinct.max(1),
            distinct * 2
        );
        let text = cell(&sql).await;
        let got = if distinct == 0 { 0.0 } else { text.parse::<f64>().unwrap() };
        assert_eq!(text.is_empty(), distinct == 0);
        assert!((got - distinct as f64).abs() <= distinct as f64 * tolerance, "{distinct}: {got}");
    }
    let sql = "SELECT hll_estimate(hll_agg(x)) FROM (VALUES ('a'), ('b'), (NULL), ('a')) v(x)";
    assert_eq!(cell(sql).await, "2");
}

#[tokio::test]
async fn nothing_gives_null() {
    for call in ["hist_agg(x)", "percentile_exact(x, 0.5)", "mode(x)", "hll_agg(x)"] {
        for rows in ["FROM generate_series(1, 0) v(x)", "FROM (VALUES (CAST(NULL AS bigint))) v(x)"]
        {
            assert_eq!(
                cell(&format!("SELECT {call} IS NULL {rows}")).await,
                "true",
                "{call} {rows}"
            );
        }
    }
    for call in ["hist_merge(x)", "hist_quantile(x, 0.5)", "hist_count_below(x, 1)", "hll_merge(x)"]
    {
        let sql = format!("SELECT {call} IS NULL FROM (VALUES (CAST(NULL AS bytea))) v(x)");
        assert_eq!(cell(&sql).await, "true", "{call}");
    }
}

#[tokio::test]
async fn what_is_wrong_is_named() {
    for (sql, expected) in [
        ("hist_agg('x')", "function hist_agg: x must be a number, not Utf8"),
        ("hist_agg(CAST('NaN' AS double precision))", "hist_agg: x must be finite, got NaN"),
        ("hist_merge(CAST('ab' AS bytea))", "hist_merge: h is not a histogram of hist_agg"),
        ("hist_quantile(CAST('ab' AS bytea), 0.5)", "hist_quantile: h is not a histogram"),
        (
            "hist_quantile(CAST('ab' AS bytea), 1.5)",
            "hist_quantile: q must be between 0 and 1, got 1.5",
        ),
        ("hist_count_below(5, 1)", "hist_count_below: h must be bytes"),
        ("percentile_exact(1, 2)", "percentile_exact: q must be between 0 and 1, got 2"),
        ("percentile_exact(1)", "percentile_exact takes (x, q), got 1 argument"),
        ("percentile_exact('a', 0.5)", "percentile_exact: x must be a number"),
        ("mode(interval '1 day')", "mode: x must be text, a number"),
        ("mode(1, 2)", "mode takes (x), got 2 arguments"),
        ("hll_merge(CAST('ab' AS bytea))", "hll_merge: h is not a sketch of hll_agg"),
        ("hll_estimate('a')", "hll_estimate: h must be bytes"),
        ("percentile_exact(DISTINCT 1, 0.5)", "percentile_exact: DISTINCT is not supported"),
    ] {
        let error = refusal(&format!("SELECT {sql}")).await;
        assert!(error.contains(expected), "{sql}: {error}");
    }
    let sql = "SELECT percentile_exact(x, q) FROM (VALUES (1, 0.5), (2, 0.6)) v(x, q)";
    assert!(refusal(sql).await.contains("q must be one value in a group"));
}

fn row() -> impl Strategy<Value = Row> {
    (
        prop::sample::select(vec!["a", "b", "c"]),
        prop::sample::select(vec!["answered", "abandoned", "other", "open"]),
        prop::option::weighted(0.9, -50_i64..3_000),
        any::<bool>(),
    )
        .prop_map(|(name, kind, number, flag)| Row {
            name,
            kind,
            number,
            start: number,
            end: None,
            flag,
        })
}

const CALLS: &str = "encode(hist_agg(number), 'hex'), encode(hll_agg(number), 'hex'), mode(number), \
    percentile_exact(number, 0.37), mode(kind), encode(hll_agg(kind), 'hex'), mode(start), \
    percentile_exact(number, 0.9) FILTER (WHERE flag), encode(hist_agg(number) FILTER (WHERE flag), 'hex')";

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    /// However rows are ordered and spread over files and memory, the answer is the same to the byte, and
    /// what sorting by hand gives.
    #[test]
    fn order_and_partition_do_not_matter(
        rows in prop::collection::vec((row(), any::<u32>()), 1..80), parts in 2_usize..5,
    ) {
        let (plain, parts) = spread(rows, parts);
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let dir = tempfile::tempdir().unwrap();
        let (one, many) = (sample(dir.path(), std::slice::from_ref(&plain)), sample(dir.path(), &parts));
        for sql in [
            format!("SELECT {CALLS} FROM sample"),
            format!("SELECT name, {CALLS} FROM sample GROUP BY name ORDER BY name"),
        ] {
            let expected = runtime.block_on(ask(&one, &sql)).unwrap();
            prop_assert_eq!(runtime.block_on(ask(&many, &sql)).unwrap(), expected, "{}", sql);
        }
        let sql = "SELECT percentile_exact(number, 0.5), mode(number) FROM sample";
        let mut numbers: Vec<i64> = plain.iter().filter_map(|row| row.number).collect();
        numbers.sort_unstable();
        let times = |one: i64| numbers.iter().filter(|other| **other == one).count();
        let most = numbers.iter().map(|number| times(*number)).max().unwrap_or(0);
        let mode = numbers.iter().find(|number| times(**number) == most);
        let last = numbers.len().saturating_sub(1);
        let median = numbers.get(last / 2).map(|lower| (lower + numbers[last.div_ceil(2)]) as f64 / 2.0);
        let shown = |value: Option<String>| value.unwrap_or_default();
        let expected = format!(
            "{},{}\r\n", shown(median.map(|it| format!("{it:?}"))), shown(mode.map(i64::to_string)),
        );
        prop_assert_eq!(runtime.block_on(ask(&many, sql)).unwrap(), expected);
    }
}

#[tokio::test]
async fn the_plan_has_partial_states() {
    let dir = tempfile::tempdir().unwrap();
    let row = Row { name: "a", kind: "open", number: Some(1), start: None, end: None, flag: true };
    let snapshot = sample(dir.path(), &[vec![row.clone()], vec![row.clone()], vec![row]]);
    let sql = "EXPLAIN SELECT name, hist_agg(number) FROM sample GROUP BY name";
    let plan = ask(&snapshot, sql).await.unwrap();
    assert!(plan.contains("mode=Partial") && plan.contains("mode=Final"), "{plan}");
}
