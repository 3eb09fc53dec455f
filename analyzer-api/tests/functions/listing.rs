//! Functions are where clients look for them.

use crate::ask::cells;

#[tokio::test]
async fn functions_are_in_the_catalogs_of_postgresql() {
    let sql = "SELECT p.proname, format_type(p.prorettype, NULL), p.prokind, \
               replace(pg_get_function_arguments(p.oid), ',', ';') FROM pg_proc p \
               JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname = 'public' AND p.proname IN \
               ('cc_bin', 'cc_local', 'hist_agg', 'mode', 'sl_8x8', 'sl_negative', 'current_position') \
               ORDER BY 1";
    let expected = [
        [
            "cc_bin",
            "timestamp with time zone",
            "f",
            "interval interval; ts timestamp with time zone; tz text; \
             origin timestamp without time zone DEFAULT NULL",
        ],
        ["cc_local", "timestamp without time zone", "f", "ts timestamp with time zone; tz text"],
        ["current_position", "bigint", "f", "\"\""],
        ["hist_agg", "bytea", "a", "x double precision"],
        ["mode", "anyelement", "a", "x anyelement"],
        [
            "sl_8x8",
            "double precision",
            "a",
            "outcome text; wait_ms double precision; threshold_ms double precision; \
             short_abandon_ms double precision",
        ],
        [
            "sl_negative",
            "double precision",
            "a",
            "outcome text; queue_duration_ms bigint; threshold_ms bigint",
        ],
    ];
    assert_eq!(cells(sql).await, expected);
}

#[tokio::test]
async fn every_listed_function_exists_and_has_a_description() {
    let sql = "SELECT p.proname, obj_description(p.oid, 'pg_proc') IS NOT NULL FROM pg_proc p \
               WHERE p.pronamespace = 2200";
    let listed = cells(sql).await;
    let sql = "SELECT DISTINCT routine_name FROM information_schema.routines";
    let known: Vec<String> = cells(sql).await.into_iter().map(|row| row[0].clone()).collect();
    assert!(listed.len() > 25, "{listed:?}");
    for row in listed {
        assert_eq!(row[1], "true", "{row:?}");
        assert!(known.contains(&row[0]), "{row:?}");
    }
    let sql = "SELECT function_type, description IS NOT NULL, replace(syntax_example, ',', ';') \
               FROM information_schema.routines WHERE routine_name IN ('cc_bin', 'max_concurrent') \
               ORDER BY routine_name";
    let expected = [
        ["SCALAR", "true", "cc_bin(interval; ts; tz[; origin])"],
        ["AGGREGATE", "true", "max_concurrent(start; end)"],
    ];
    assert_eq!(cells(sql).await, expected);
}
