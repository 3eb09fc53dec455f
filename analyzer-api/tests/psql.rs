//! psql itself, end to end: log-in over TLS with SCRAM, queries, and its backslash commands, which ask
//! the catalogs with psql's own SQL.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on should stop where it is"
)]

mod asked;
mod morning;
mod support;

use std::net::SocketAddr;
use std::process::{Command, Output};

use ledgerline_analyzer_api::Limits;
use ledgerline_analyzer_api::pgwire::{Config, serve};
use morning::Morning;
use support::{PASSWORD, World, world, world_over};
use tokio_util::sync::CancellationToken;

struct Server {
    world: World,
    address: SocketAddr,
    shutdown: CancellationToken,
}

async fn server() -> Server {
    serving(world()).await
}

async fn serving(world: World) -> Server {
    let shutdown = CancellationToken::new();
    let config = Config {
        listen: "127.0.0.1:0".parse().unwrap(),
        certificate: None,
        data_dir: world.dir.path().to_owned(),
        connections_max: 8,
    };
    let (address, _task) = serve(config, world.state.clone(), shutdown.clone()).await.unwrap();
    Server { world, address, shutdown }
}

impl Server {
    async fn run(&self, user: &str, mode: &str, commands: &[&str]) -> Output {
        let mut psql = Command::new("psql");
        psql.args(["-X", "--no-align", "--set", "VERBOSITY=verbose", "--set", "ON_ERROR_STOP=1"]);
        if std::env::var_os("PSQL_ECHO").is_some() {
            psql.arg("-E");
        }
        for command in commands {
            psql.args(["-c", command]);
        }
        let port = self.address.port();
        psql.arg(format!(
            "host=localhost port={port} user={user} dbname=ledgerline sslmode={mode}"
        ));
        psql.env("PGPASSWORD", PASSWORD)
            .env("PGSSLROOTCERT", "/nonexistent")
            .env("PGCONNECT_TIMEOUT", "20");
        let output = tokio::task::spawn_blocking(move || psql.output()).await.unwrap();
        output.expect("psql cannot be run; `cargo xtask test` installs it (postgresql-client)")
    }

    async fn ask(&self, user: &str, commands: &[&str]) -> String {
        let output = self.run(user, "require", commands).await;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{commands:?}\n{text}\n{errors}");
        text
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn queries_answer() {
    let server = server().await;
    let text = server
        .ask(
            "acme-analyst",
            &[
                "SELECT version()",
                "SELECT current_database(), current_schema, current_user, current_position()",
                "SELECT queue, count(*) FROM queue_leg GROUP BY queue ORDER BY queue",
            ],
        )
        .await;
    assert!(text.contains("PostgreSQL 14"), "{text}");
    assert!(text.contains("ledgerline|public|acme-analyst|42"), "{text}");
    assert!(text.contains("queue|count\nsales|4\nsupport|3\n(2 rows)"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_list_of_tables() {
    let server = server().await;
    for command in ["\\d", "\\dt", "\\dt public.*"] {
        let text = server.ask("acme-auditor", &[command]).await;
        assert!(text.contains("public|queue_leg|table|ledgerline"), "{command}: {text}");
        assert!(text.contains("public|event_log|table|ledgerline"), "{command}: {text}");
    }
    let analyst = server.ask("acme-analyst", &["\\dt"]).await;
    assert!(!analyst.contains("event_log"), "an analyst may not read the event log: {analyst}");
    let detailed = server.ask("acme-analyst", &["\\dt+"]).await;
    assert!(detailed.contains("one row per stay of an interaction in a queue"), "{detailed}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_with_columns_types_and_comments() {
    let server = server().await;
    let text = server.ask("acme-analyst", &["\\d queue_leg"]).await;
    assert!(text.contains("Table \"public.queue_leg\""), "{text}");
    assert!(text.contains("leg_id|text||not null|"), "{text}");
    assert!(text.contains("queue_duration_ms|bigint|||"), "{text}");
    assert!(text.contains("entered_at|timestamp with time zone||not null|"), "{text}");
    let text = server.ask("acme-analyst", &["\\d+ queue_leg"]).await;
    let header = text.lines().find(|line| line.starts_with("Column|")).unwrap();
    let described = header.split('|').position(|name| name == "Description").unwrap();
    for column in support::QUEUE_LEG.columns {
        let start = format!("{}|", column.name);
        let row = text.lines().find(|line| line.starts_with(&start)).unwrap();
        assert_eq!(row.split('|').nth(described), Some(column.doc), "{text}");
    }
    let text = server.ask("acme-analyst", &["\\d+"]).await;
    assert!(text.contains("one row per stay of an interaction in a queue"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn compatibility_views() {
    let morning = Morning::new().await;
    let dir = tempfile::tempdir().unwrap();
    let server = serving(world_over(Limits::default(), dir, morning.snapshot())).await;
    let listed = server.ask("acme-analyst", &["\\dv"]).await;
    for name in ["aar", "asr", "car", "clr", "csr"] {
        assert!(listed.contains(&format!("public|{name}|view|ledgerline")), "{listed}");
    }
    assert!(!server.ask("acme-analyst", &["\\dt"]).await.contains("|csr|"));
    let text = server.ask("acme-analyst", &["\\d clr"]).await;
    assert!(text.contains("View \"public.clr\""), "{text}");
    assert!(text.contains("queue.duration|bigint|||"), "{text}");
    let text = server.ask("acme-analyst", &["\\d+ clr"]).await;
    assert!(text.contains("queue_leg: queue_duration_ms"), "{text}");
    assert!(text.contains("View definition:"), "{text}");
    assert!(text.contains("leg_id AS \"id\""), "{text}");
    let query = "SELECT \"queue.name\", count(*) FROM clr GROUP BY 1 ORDER BY 1";
    let text = server.ask("acme-analyst", &[query]).await;
    assert!(text.contains("queue.name|count\ncare|1\nsales|7\n(2 rows)"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn arrays_of_subqueries() {
    let server = server().await;
    let outer = "FROM (VALUES (1, ARRAY['b', 'c', 'a']), (2, NULL)) t(n, list) ORDER BY n";
    for (array, expected) in [
        ("ARRAY(SELECT 'x.' || x FROM unnest(list) x)", ["1|x.b,x.c,x.a", "2|"]),
        ("ARRAY(SELECT u.e FROM pg_catalog.unnest(t.list) u(e) WHERE u.e <> 'c')", ["1|b,a", "2|"]),
        ("ARRAY(SELECT x || t.n FROM unnest(list) AS x)", ["1|b1,c1,a1", "2|"]),
        (
            "ARRAY(SELECT q.queue FROM (SELECT DISTINCT queue FROM queue_leg) q ORDER BY 1 DESC)",
            ["1|support,sales", "2|support,sales"],
        ),
    ] {
        let query = format!("SELECT n, array_to_string({array}, ',') {outer}");
        let text = server.ask("acme-analyst", &[&query]).await;
        let rows: Vec<&str> = text.lines().skip(1).take(2).collect();
        assert_eq!(rows, expected, "{query}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn databases_schemas_roles_and_functions() {
    let server = server().await;
    let text = server.ask("acme-analyst", &["\\l"]).await;
    assert!(text.contains("ledgerline|ledgerline|UTF8|C|C|"), "{text}");
    let text = server.ask("acme-analyst", &["\\dn"]).await;
    assert!(text.contains("public|ledgerline\n(1 row)"), "{text}");
    let text = server.ask("acme-analyst", &["\\du"]).await;
    assert!(text.contains("acme-analyst||{analyst}"), "{text}");
    let text = server.ask("acme-analyst", &["\\df sl*"]).await;
    let line = "public|sl_ignore|double precision|\
                outcome text, queue_duration_ms bigint, threshold_ms bigint|agg";
    assert!(text.contains(line), "{text}");
    assert_eq!(text.matches("|agg\n").count(), 7, "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_usual_listing_is_answered() {
    let server = server().await;
    for command in [
        "\\da",
        "\\dAc",
        "\\dAf",
        "\\db",
        "\\dC",
        "\\dD",
        "\\det",
        "\\deu",
        "\\dew",
        "\\df+ sl*",
        "\\df+ cc_*",
        "\\dg",
        "\\di",
        "\\dm",
        "\\dn+",
        "\\do",
        "\\drds",
        "\\dO",
        "\\dp",
        "\\dRp",
        "\\ds",
        "\\dS",
        "\\dT",
        "\\du+",
        "\\dv",
        "\\dx",
        "\\l+",
        "\\d event_log",
        "\\d *",
        "\\d+ *leg",
        "\\dt+ queue*",
        "\\z",
        "\\sf sl_ignore",
    ] {
        server.ask("acme-auditor", &[command]).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_user_sees_its_own_organization() {
    let server = server().await;
    let query = ["SELECT min(leg_id), count(*) FROM queue_leg"];
    assert!(server.ask("acme-analyst", &query).await.contains("acme-0|7"));
    assert!(server.ask("globex-analyst", &query).await.contains("globex-0|2"));
    let events = server.world.access_events(support::GLOBEX);
    assert!(events.iter().any(|event| event.event_type() == "access.query_run"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refusals_are_clear() {
    let server = server().await;
    for (user, mode, command, expected) in [
        ("acme-analyst", "disable", "SELECT 1", "TLS only"),
        ("nobody", "require", "SELECT 1", "password authentication failed"),
        ("acme-agent", "require", "SELECT 1", "SQL is for analysts"),
        ("acme-analyst", "require", "SELECT nonsense FROM queue_leg", "42703"),
        ("acme-analyst", "require", "SELECT 1 FROM nowhere", "42P01"),
        ("acme-analyst", "require", "SELEC 1", "42601"),
        ("acme-analyst", "require", "DELETE FROM queue_leg", "42501"),
        ("acme-analyst", "require", "COPY queue_leg TO '/tmp/x'", "42501"),
        ("acme-analyst", "require", "SET search_path = other", "0A000"),
    ] {
        let output = server.run(user, mode, &[command]).await;
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{command} was answered");
        assert!(errors.contains(expected), "{command}: {errors}");
    }
}

/// Values that look like separators, quotes, escapes, NULL, and the end of data.
const AWKWARD: &str = "SELECT * FROM (VALUES \
     (1, 'plain', NULL), (2, '', 'a,b'), (3, E'tab\\tline\\nend', 'say \"hi\"'), \
     (4, E'back\\\\slash', E'\\\\N'), (5, E'\\\\.', 'Grüße')) AS t(id, a, b) ORDER BY id";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn copy_to_the_client_in_every_text_form() {
    let server = server().await;
    let copied = async |options: &str| {
        server.ask("acme-analyst", &[&format!("COPY ({AWKWARD}) TO STDOUT {options}")]).await
    };
    assert_eq!(
        copied("").await,
        "1\tplain\t\\N\n2\t\ta,b\n3\ttab\\tline\\nend\tsay \"hi\"\n4\tback\\\\slash\t\\\\N\n\
         5\t\\\\.\tGrüße\n"
    );
    let csv = "1,plain,\n2,\"\",\"a,b\"\n3,\"tab\tline\nend\",\"say \"\"hi\"\"\"\n\
               4,back\\slash,\\N\n5,\\.,Grüße\n";
    assert_eq!(copied("WITH (FORMAT csv)").await, csv);
    assert_eq!(copied("WITH (FORMAT csv, HEADER)").await, format!("id,a,b\n{csv}"));
    assert_eq!(copied("CSV HEADER").await, format!("id,a,b\n{csv}"));
    assert_eq!(
        copied("WITH (FORMAT csv, DELIMITER ';', NULL 'plain', QUOTE '''', FORCE_QUOTE (id))")
            .await,
        "'1';'plain';plain\n'2';;a,b\n'3';'tab\tline\nend';say \"hi\"\n'4';back\\slash;\\N\n\
         '5';\\.;Grüße\n"
    );
    let nothing =
        format!("COPY ({}) TO STDOUT CSV HEADER", AWKWARD.replace("ORDER", "WHERE false ORDER"));
    assert_eq!(server.ask("acme-analyst", &[&nothing]).await, "id,a,b\n");
    let table = "COPY queue_leg (leg_id, queue_duration_ms) TO STDOUT";
    let text = server.ask("acme-analyst", &[table]).await;
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines.first(), Some(&"acme-0\t0"));
    assert_eq!(lines.last(), Some(&"acme-6\t\\N"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn backslash_copy_writes_a_file() {
    let server = server().await;
    let file = server.world.dir.path().join("legs.csv");
    let command = format!(
        "\\copy (SELECT queue, count(*) AS legs FROM queue_leg GROUP BY 1 ORDER BY 1) TO '{}' CSV HEADER",
        file.display()
    );
    let said = server.ask("acme-analyst", &[&command]).await;
    assert_eq!(std::fs::read_to_string(file).unwrap(), "queue,legs\nsales,4\nsupport,3\n");
    assert!(said.contains("COPY 2"), "{said}");
    let events = server.world.access_events(support::ACME);
    assert!(events.iter().any(|event| event.event_type() == "access.query_run"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn copies_that_are_refused() {
    let server = server().await;
    for (command, expected) in [
        ("COPY queue_leg FROM STDIN", "COPY FROM is not allowed"),
        ("COPY queue_leg TO PROGRAM 'cat'", "COPY TO a file or program is not allowed"),
        ("COPY (SELECT 1) TO STDOUT (FORMAT parquet)", "FORMAT is parquet"),
        ("COPY (SELECT 1) TO STDOUT (FORMAT binary, HEADER)", "not for the format binary"),
        ("COPY (SELECT 1) TO STDOUT (QUOTE 'x')", "for the format csv"),
        ("COPY (SELECT 1) TO STDOUT (FORMAT csv, DELIMITER '\\')", "DELIMITER has to be one"),
        ("COPY (SELECT 1) TO STDOUT (FORMAT csv, DELIMITER '\"')", "have to differ"),
        ("COPY (SELECT 1) TO STDOUT (NULL E'a\\tb')", "NULL may hold neither"),
        ("COPY (SELECT 1) TO STDOUT (ENCODING 'latin1')", "ENCODING"),
        ("COPY (DELETE FROM queue_leg) TO STDOUT", ""),
        ("COPY event_log TO STDOUT", "event_log"),
        ("SELECT 1; COPY queue_leg TO STDOUT", "COPY has to be sent by itself"),
        ("COPY (SELECT 1/0) TO STDOUT", "zero"),
    ] {
        let output = server.run("acme-analyst", "require", &[command]).await;
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{command} was answered");
        assert!(errors.contains(expected), "{command}: {errors}");
    }
}
