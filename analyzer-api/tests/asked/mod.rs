//! What clients ask the catalogs in forms that the planner does not take as they are. What is expected is what
//! PostgreSQL 15 says of the same types, functions and operators (asked of one, but for what is about our tables).

use crate::server;

/// Each question with the lines of its answer behind the names of the columns.
const ASKED: [(&str, &[&str]); 12] = [
    // A recursion about one row of the outer query, within a recursion (asyncpg).
    (
        "WITH RECURSIVE tree(oid, name, base, elem, depth) AS ( \
         SELECT ti.oid, ti.name, ti.base, ti.elem, 0 FROM ( \
           SELECT t.oid, t.typname AS name, t.typelem AS elem, (CASE WHEN t.typtype = 'd' THEN ( \
             WITH RECURSIVE bases(oid, depth) AS ( \
               SELECT t2.typbasetype AS oid, 0 AS depth FROM pg_type t2 WHERE t2.oid = t.oid \
               UNION ALL SELECT t2.typbasetype AS oid, b.depth + 1 AS depth \
               FROM pg_type t2, bases b WHERE b.oid = t2.oid AND t2.typbasetype != 0) \
             SELECT oid FROM bases ORDER BY depth DESC LIMIT 1) ELSE NULL END) AS base \
           FROM pg_catalog.pg_type t) AS ti \
         WHERE ti.name = any('{_text,_int8,cardinal_number}'::name[]) \
         UNION ALL SELECT p.oid, p.typname, p.typbasetype, p.typelem, tt.depth + 1 \
         FROM pg_type p, tree tt WHERE p.oid = tt.elem OR p.oid = tt.base) \
         SELECT name, base::regtype::text, depth FROM tree ORDER BY depth, name",
        &["_int8||0", "_text||0", "cardinal_number|integer|0", "int4|-|1", "int8|-|1", "text|-|1"],
    ),
    // Without an order there has to be one row at most.
    (
        "SELECT t.typname, (WITH RECURSIVE b AS (SELECT u.typname AS name, u.typelem AS elem \
         FROM pg_type u WHERE t.oid = u.oid UNION ALL SELECT v.typname, v.typelem FROM pg_type v \
         JOIN b ON v.oid = b.elem) SELECT b.name FROM b WHERE b.elem = 0) AS element FROM pg_type t \
         WHERE t.typname IN ('_text', '_bool', 'int4') ORDER BY 1",
        &["_bool|bool", "_text|text", "int4|int4"],
    ),
    // An aggregate at the top.
    (
        "SELECT t.typname, (WITH RECURSIVE b(id) AS (SELECT u.oid FROM pg_type u WHERE u.oid = t.oid \
         UNION ALL SELECT v.typelem FROM pg_type v JOIN b ON v.oid = b.id WHERE v.typelem <> 0) \
         SELECT count(*) FROM b) AS steps FROM pg_type t \
         WHERE t.typname IN ('_text', 'int4') ORDER BY 1",
        &["_text|2", "int4|1"],
    ),
    // An element of a named table's column (pgjdbc), and a field of a value.
    (
        "SELECT t.list[t.n - 1], t.list[1] FROM (SELECT ARRAY[7, 8, 9] AS list, 3 AS n) AS t",
        &["8|7"],
    ),
    (
        "SELECT (t.keys).n, (t.keys).x FROM (SELECT information_schema._pg_expandarray(ARRAY[7, 8]) \
         AS keys) t ORDER BY 1",
        &["1|7", "2|8"],
    ),
    // The table of a row.
    (
        "SELECT c.tableoid, n.tableoid::regclass::text AS kind FROM pg_class c JOIN pg_catalog.pg_namespace n \
         ON n.oid = c.relnamespace WHERE c.relname = 'queue_leg' AND c.tableoid = 1259",
        &["1259|pg_namespace"],
    ),
    // Arrays of types (pgcli), and types that are compared by id.
    ("SELECT array_to_string(ARRAY[25, 20, 0]::regtype[], ',')", &["text,bigint,-"]),
    (
        "SELECT array_to_string(COALESCE(proallargtypes::regtype[], proargtypes::regtype[])::text[], ',') \
         FROM pg_proc WHERE proname = 'int48mul'",
        &["integer,bigint"],
    ),
    (
        "SELECT count(*) FROM pg_proc WHERE proname IN ('RI_FKey_noaction_del', 'int48mul') \
         AND prorettype::regtype <> 'trigger'::regtype",
        &["1"],
    ),
    // Operators with the types of their sides, functions by their id.
    ("SELECT 15::regoperator, 15::regoper, 0::regoperator", &["=(integer,bigint)|pg_catalog.=|0"]),
    (
        "SELECT p.proname FROM pg_amproc a JOIN pg_proc p ON a.amproc = p.oid \
         WHERE a.amproc = 'btint4cmp'::regproc AND a.amproclefttype = 23 AND a.amprocrighttype = 23",
        &["btint4cmp"],
    ),
    // A catalog without rows joined to others, asked about the outer row (Superset).
    (
        "SELECT a.attname, (SELECT json_build_object('start', s.seqstart, 'always', a.attidentity = 'a') \
         FROM pg_catalog.pg_sequence s JOIN pg_catalog.pg_class c ON s.seqrelid = c.oid \
         WHERE c.relkind = 'S' AND a.attidentity <> '' AND s.seqrelid = \
         pg_catalog.pg_get_serial_sequence(a.attrelid::regclass::text, a.attname)::regclass::oid) \
         AS identity_options FROM pg_attribute a WHERE a.attrelid = 'queue_leg'::regclass AND a.attnum = 1",
        &["leg_id|"],
    ),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn catalogs_answer_as_postgresql_does() {
    let server = server().await;
    let mut failures = Vec::new();
    for (sql, expected) in ASKED {
        let output = server.run("acme-analyst", "require", &["\\t on", sql]).await;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let rows: Vec<&str> = text.lines().collect();
        if rows != expected {
            let errors = String::from_utf8_lossy(&output.stderr);
            failures.push(format!("{sql}\n  ours   {rows:?} {errors}\n  theirs {expected:?}"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn objects_and_operators_are_listed() {
    let server = server().await;
    let text = server.ask("acme-analyst", &["\\dAo btree integer_ops"]).await;
    assert!(text.contains("btree|integer_ops|=(integer,integer)|3|search"), "{text}");
    let text = server.ask("acme-analyst", &["\\dAp btree integer_ops"]).await;
    assert!(text.contains("btree|integer_ops|integer|integer|1|btint4cmp"), "{text}");
    for command in ["\\dL", "\\dLS", "\\dd", "\\ddS", "\\dX", "\\dy"] {
        server.ask("acme-analyst", &[command]).await;
    }
}
