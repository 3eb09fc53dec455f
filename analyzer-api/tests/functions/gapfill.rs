//! Filling gaps: bins as a table, `locf`, `interpolate`.

use crate::ask::{cell, cells, refusal};

#[tokio::test]
async fn bins_cover_a_span_over_moved_clocks() {
    // 25 hours, of which the hour from 2 to 3 is there twice.
    let sql = "SELECT count(*), count(DISTINCT cc_local(bin, 'Europe/Brussels')), min(bin_end - bin) = \
               max(bin_end - bin), min(bin) = timestamptz '2026-10-24T22:00:00Z', \
               max(bin_end) = timestamptz '2026-10-25T23:00:00Z' FROM cc_bins(interval '30 minutes', \
               '2026-10-24T22:10:00Z', timestamptz '2026-10-25T22:30:01Z', 'Europe/Brussels')";
    assert_eq!(cells(sql).await, [["50", "48", "true", "true", "true"]]);
    let sql = "SELECT CAST(extract(epoch FROM bin_end) - extract(epoch FROM bin) AS bigint) / 3600 \
               FROM cc_bins(interval '1 day', '2026-03-28T12:00:00Z', '2026-03-31T00:00:00Z', \
               'Europe/Brussels') ORDER BY bin";
    assert_eq!(cells(sql).await, [["24"], ["23"], ["24"], ["24"]]);
    let sql = "SELECT count(*) FROM cc_bins(interval '1 day', now(), now(), 'UTC')";
    assert_eq!(cell(sql).await, "0");
}

#[tokio::test]
async fn gaps_are_there_and_filled() {
    let sql = "SELECT q, n, carried, round(line, 3) FROM (\
        SELECT queue AS q, bin, n, locf(depth) OVER (PARTITION BY queue ORDER BY bin) AS carried, \
               interpolate(depth, bin) OVER (PARTITION BY queue ORDER BY bin) AS line \
        FROM (SELECT q.queue, b.bin, count(s.ts) AS n, max(s.depth) AS depth \
              FROM cc_bins(interval '1 hour', '2026-01-01T00:00:00Z', '2026-01-01T04:00:00Z', 'UTC') b \
              CROSS JOIN (VALUES ('a'), ('b')) q(queue) \
              LEFT JOIN (VALUES ('a', timestamptz '2026-01-01T00:20:00Z', 2), \
                                ('a', timestamptz '2026-01-01T03:20:00Z', 8), \
                                ('b', timestamptz '2026-01-01T01:59:59Z', 5)) s(queue, ts, depth) \
                ON s.queue = q.queue AND cc_bin(interval '1 hour', s.ts, 'UTC') = b.bin \
              GROUP BY q.queue, b.bin)) ORDER BY q, bin";
    let expected = [
        ["a", "1", "2", "2.0"],
        ["a", "0", "2", "4.0"],
        ["a", "0", "2", "6.0"],
        ["a", "1", "8", "8.0"],
        ["b", "0", "", ""],
        ["b", "1", "5", "5.0"],
        ["b", "0", "5", ""],
        ["b", "0", "5", ""],
    ];
    assert_eq!(cells(sql).await, expected);
}

#[tokio::test]
async fn lines_go_by_time_and_not_by_row() {
    let sql = "SELECT interpolate(x, to_timestamp(t)) OVER (ORDER BY t), \
               interpolate(x, to_timestamp(t)) OVER (ORDER BY t DESC), locf(x) OVER (ORDER BY t DESC) \
               FROM (VALUES (0, 10), (1, NULL), (9, NULL), (10, 20)) v(t, x) ORDER BY t";
    let expected = [
        ["10.0", "10.0", "10"],
        ["11.0", "11.0", "20"],
        ["19.0", "19.0", "20"],
        ["20.0", "20.0", "20"],
    ];
    assert_eq!(cells(sql).await, expected);
}

#[tokio::test]
async fn wrong_use_is_refused() {
    for (sql, expected) in [
        ("SELECT locf(1)", "function locf needs OVER (… ORDER BY …)"),
        ("SELECT locf(1) OVER ()", "function locf needs OVER (… ORDER BY …)"),
        (
            "SELECT locf(x) OVER w FROM (VALUES (1)) v(x) WINDOW w AS (ORDER BY x)",
            "locf needs OVER (… ORDER BY …)",
        ),
        (
            "SELECT locf(1) OVER (ORDER BY 1 ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)",
            "a frame, FILTER, DISTINCT or null treatment of function locf is not supported",
        ),
        (
            "SELECT locf(1) FILTER (WHERE true) OVER (ORDER BY 1)",
            "of function locf is not supported",
        ),
        ("SELECT locf(1) IGNORE NULLS OVER (ORDER BY 1)", "of function locf is not supported"),
        ("SELECT locf(DISTINCT 1) OVER (ORDER BY 1)", "of function locf is not supported"),
        ("SELECT locf(1, 2) OVER (ORDER BY 1)", "function locf takes (x), got 2 arguments"),
        ("SELECT interpolate('a', now()) OVER (ORDER BY 1)", "interpolate: x must be a number"),
        ("SELECT interpolate(1, NULL) OVER (ORDER BY 1)", "interpolate: ts must not be null"),
        (
            "SELECT interpolate(t, to_timestamp(t)) OVER (ORDER BY o) \
             FROM (VALUES (1, 1), (3, 2), (2, 3)) v(t, o)",
            "interpolate: ts must be what the window is ordered by",
        ),
        (
            "SELECT * FROM cc_bins(interval '1 day', now(), 'UTC')",
            "function cc_bins takes (interval, from",
        ),
        (
            "SELECT * FROM cc_bins(interval '1 day', '2026-02-01', '2026-01-01', 'UTC')",
            "cc_bins: to must not be before from",
        ),
        (
            "SELECT * FROM cc_bins(interval '1 second', '2026-01-01', '2027-01-01', 'UTC')",
            "cc_bins: interval gives more than 1000000 bins",
        ),
        (
            "SELECT * FROM cc_bins(interval '1 day', now(), now(), 'Mars/Olympus')",
            "cc_bins: tz 'Mars/Olympus' is not an IANA time zone name",
        ),
        (
            "SELECT * FROM cc_bins(interval '1 day', NULL, now(), 'UTC')",
            "cc_bins: from must not be null",
        ),
        ("SELECT * FROM cc_bins(interval '1 day', now(), now(), 5)", "cc_bins: tz must be text"),
    ] {
        let error = refusal(sql).await;
        assert!(error.contains(expected), "{sql}: {error}");
    }
}
