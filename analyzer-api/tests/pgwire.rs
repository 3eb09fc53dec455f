//! The PostgreSQL wire with a client library: extended protocol, parameters, binary results, cancel.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on should stop where it is"
)]

mod support;

use std::time::SystemTime;

use futures::StreamExt;
use ledgerline_analyzer_api::Limits;
use ledgerline_analyzer_api::pgwire::{Config, serve};
use ledgerline_event_store::EventReader;
use ledgerline_schemas::Event;
use support::tls::{Stream, Tls};
use support::{ACME, ACME_STAYS, PASSWORD, World, world_with};
use tokio::net::TcpStream;
use tokio_postgres::binary_copy::BinaryCopyOutStream;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Connection, NoTls, SimpleQueryMessage};
use tokio_util::sync::CancellationToken;

struct Server {
    world: World,
    port: u16,
    tls: Tls,
    shutdown: CancellationToken,
}

async fn server() -> Server {
    server_with(Limits::default()).await
}

async fn server_with(limits: Limits) -> Server {
    let world = world_with(limits);
    let shutdown = CancellationToken::new();
    let config = Config {
        listen: "127.0.0.1:0".parse().unwrap(),
        certificate: None,
        data_dir: world.dir.path().to_owned(),
        connections_max: 8,
    };
    let (address, _task) = serve(config, world.state.clone(), shutdown.clone()).await.unwrap();
    let tls = Tls::trusting(&world.dir.path().join("pgwire-certificate.pem"));
    Server { world, port: address.port(), tls, shutdown }
}

impl Server {
    async fn open(
        &self,
        user: &str,
        password: &str,
    ) -> Result<(Client, Connection<TcpStream, Stream>), tokio_postgres::Error> {
        let port = self.port;
        let config = format!(
            "host=127.0.0.1 port={port} user={user} password='{password}' dbname=ledgerline sslmode=require"
        );
        let config: tokio_postgres::Config = config.parse().unwrap();
        let socket = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        config.connect_raw(socket, self.tls.clone()).await
    }

    async fn try_connect(
        &self,
        user: &str,
        password: &str,
    ) -> Result<Client, tokio_postgres::Error> {
        let (client, connection) = self.open(user, password).await?;
        tokio::spawn(connection);
        Ok(client)
    }

    async fn connect(&self, user: &str) -> Client {
        self.try_connect(user, PASSWORD).await.unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

#[tokio::test]
async fn parameters_and_binary_results() {
    let server = server().await;
    let client = server.connect("acme-analyst").await;
    let sql = "SELECT leg_id, queue_duration_ms, entered_at, outcome = 'open', \
               sl_of_answered(outcome, queue_duration_ms, 20000) OVER () \
               FROM queue_leg WHERE outcome = $1 AND queue_duration_ms >= $2 ORDER BY leg_id";
    let rows = client.query(sql, &[&"abandoned", &5_000_i64]).await.unwrap();
    assert_eq!(rows.len(), 2);
    assert_eq!(rows[0].get::<_, &str>(0), "acme-3");
    assert_eq!(rows[0].get::<_, Option<i64>>(1), Some(5_000));
    let since = rows[0].get::<_, SystemTime>(2).duration_since(SystemTime::UNIX_EPOCH).unwrap();
    assert_eq!(since.as_micros(), 1_700_000_000_000_003);
    assert!(!rows[0].get::<_, bool>(3));
    assert_eq!(rows[0].get::<_, Option<f64>>(4), None);
    let none = client.query(sql, &[&"open", &0_i64]).await.unwrap();
    assert!(none.is_empty());
}

#[tokio::test]
async fn a_statement_is_described_before_it_runs() {
    let server = server().await;
    let client = server.connect("acme-analyst").await;
    let sql =
        "SELECT queue, count(*), $1::bigint + 1 AS next FROM queue_leg GROUP BY queue ORDER BY 1";
    let statement = client.prepare(sql).await.unwrap();
    let columns: Vec<_> =
        statement.columns().iter().map(|it| (it.name(), it.type_().name())).collect();
    assert_eq!(columns, [("queue", "text"), ("count", "int8"), ("next", "int8")]);
    assert_eq!(statement.params()[0].name(), "int8");
    for value in [1_i64, 41] {
        let rows = client.query(&statement, &[&value]).await.unwrap();
        assert_eq!(rows[0].get::<_, i64>(2), value + 1);
    }
}

/// A client that does not know the type `int4[]` would have to ask for it with the question that it is asking (asyncpg).
#[tokio::test]
async fn a_question_about_types_is_answered_with_types_that_need_no_question() {
    let server = server().await;
    let client = server.connect("acme-analyst").await;
    let sql = "SELECT typelem, array_agg(oid ORDER BY oid) AS oids FROM pg_catalog.pg_type \
               WHERE oid = any($1::oid[]) GROUP BY typelem ORDER BY typelem";
    let statement = client.prepare(sql).await.unwrap();
    assert_eq!(statement.params(), [Type::OID_ARRAY]);
    let columns: Vec<_> = statement.columns().iter().map(|it| it.type_().clone()).collect();
    assert_eq!(columns, [Type::INT4, Type::OID_ARRAY]);
    let rows = client.query(&statement, &[&vec![25_u32, 23, 1007]]).await.unwrap();
    let found: Vec<_> =
        rows.iter().map(|row| (row.get::<_, i32>(0), row.get::<_, Vec<u32>>(1))).collect();
    assert_eq!(found, [(0, vec![23, 25]), (23, vec![1007])]);
}

#[tokio::test]
async fn two_organizations_on_one_server() {
    let server = server().await;
    let sql = "SELECT count(*) FROM queue_leg WHERE leg_id LIKE $1";
    for (user, own, foreign) in
        [("acme-analyst", "acme-%", "globex-%"), ("globex-auditor", "globex-%", "acme-%")]
    {
        let client = server.connect(user).await;
        assert!(client.query_one(sql, &[&own]).await.unwrap().get::<_, i64>(0) > 0);
        assert_eq!(client.query_one(sql, &[&foreign]).await.unwrap().get::<_, i64>(0), 0);
    }
}

#[tokio::test]
async fn nobody_enters_without_tls_password_and_role() {
    let server = server().await;
    let port = server.port;
    let plain = format!("host=127.0.0.1 port={port} user=acme-analyst password=x sslmode=disable");
    let error = tokio_postgres::connect(&plain, NoTls).await.err().unwrap();
    assert!(error.as_db_error().unwrap().message().contains("TLS only"), "{error:?}");
    for (user, password, state) in [
        ("acme-analyst", "wrong", "28P01"),
        ("unknown", PASSWORD, "28P01"),
        ("acme-agent", PASSWORD, "42501"),
    ] {
        let error = server.try_connect(user, password).await.err().unwrap();
        assert_eq!(error.code().unwrap().code(), state, "{user}");
    }
    let events = server.world.access_events(ACME);
    let denied = events.iter().filter(|event| matches!(event, Event::AccessDenied(_))).count();
    assert_eq!(denied, 2);
}

#[tokio::test]
async fn errors_carry_sqlstate_and_place_and_leave_the_connection_usable() {
    let server = server().await;
    let client = server.connect("acme-analyst").await;
    for (sql, state) in [
        ("SELECT nothing FROM queue_leg", "42703"),
        ("SELECT * FROM nowhere", "42P01"),
        ("SELECT no_such_function(1)", "42883"),
        ("DROP TABLE queue_leg", "42501"),
        ("SELECT * FROM queue_leg TABLESAMPLE SYSTEM (1)", "0A000"),
    ] {
        let error = client.query(sql, &[]).await.unwrap_err();
        assert_eq!(error.code().unwrap().code(), state, "{sql}");
    }
    let error = client.query("SELECT leg_id,\n  FROM WHERE", &[]).await.unwrap_err();
    let database = error.as_db_error().unwrap();
    assert_eq!(database.code().code(), "42601");
    assert!(database.position().is_some());
    assert_eq!(client.query_one("SELECT 1::bigint", &[]).await.unwrap().get::<_, i64>(0), 1);
}

#[tokio::test]
async fn a_binary_copy_is_read_by_a_client_library() {
    let server = server().await;
    let client = server.connect("acme-analyst").await;
    let sql = "COPY (SELECT queue_duration_ms, queue, entered_at, outcome = 'open', 0.5::double precision \
               FROM queue_leg ORDER BY leg_id) TO STDOUT (FORMAT binary)";
    let types = [Type::INT8, Type::TEXT, Type::TIMESTAMPTZ, Type::BOOL, Type::FLOAT8];
    let rows = BinaryCopyOutStream::new(client.copy_out(sql).await.unwrap(), &types);
    let rows: Vec<_> = rows.map(Result::unwrap).collect().await;
    assert_eq!(rows.len(), ACME_STAYS.len());
    for (index, (row, stay)) in rows.iter().zip(ACME_STAYS).enumerate() {
        assert_eq!(row.get::<Option<i64>>(0), stay.2);
        assert_eq!(row.get::<&str>(1), stay.0);
        let entered = row.get::<SystemTime>(2).duration_since(SystemTime::UNIX_EPOCH).unwrap();
        assert_eq!(entered.as_micros(), 1_700_000_000_000_000 + index as u128);
        assert_eq!(row.get::<bool>(3), stay.1 == "open");
        assert!((row.get::<f64>(4) - 0.5).abs() < f64::EPSILON);
    }
    let none =
        client.copy_out("COPY (SELECT 1 WHERE false) TO STDOUT (FORMAT binary)").await.unwrap();
    assert_eq!(BinaryCopyOutStream::new(none, &[Type::INT8]).collect::<Vec<_>>().await.len(), 0);
    // The connection goes on, and errors come as such.
    for failing in ["SELECT 1/0", "SELECT 1 / (value - 200000) FROM generate_series(1, 300000)"] {
        let sql = format!("COPY ({failing}) TO STDOUT (FORMAT binary)");
        let error = match client.copy_out(&sql).await {
            Err(error) => error,
            Ok(stream) => {
                let mut stream = Box::pin(stream);
                loop {
                    match stream.next().await {
                        Some(Ok(_)) => {}
                        Some(Err(error)) => break error,
                        None => panic!("{failing} came to an end"),
                    }
                }
            }
        };
        assert!(error.code().is_some_and(|code| code.code().starts_with("22")), "{error}");
    }
    assert_eq!(client.query_one("SELECT 1::bigint", &[]).await.unwrap().get::<_, i64>(0), 1);
}

#[tokio::test]
async fn a_query_is_cancelled_from_another_connection() {
    let server = server().await;
    let client = server.connect("acme-analyst").await;
    let cancel = client.cancel_token();
    let sql = "SELECT sum(a.value * b.value) FROM generate_series(1, 10000000) a, \
               generate_series(1, 10000000) b";
    let running = client.simple_query(sql);
    tokio::pin!(running);
    // The query may not have arrived at the first try: ask until it ends.
    let error = loop {
        let asked = async {
            let socket = TcpStream::connect(("127.0.0.1", server.port)).await.unwrap();
            cancel.cancel_query_raw(socket, server.tls.clone()).await.unwrap();
        };
        tokio::select! {
            outcome = &mut running => break outcome.unwrap_err(),
            () = asked => {}
        }
    };
    assert_eq!(error.code().unwrap().code(), "57014");
    let messages = client.simple_query("SHOW server_version").await.unwrap();
    assert!(messages.iter().any(|message| matches!(message, SimpleQueryMessage::Row(row)
        if row.get(0) == Some("14.0"))));
}

#[tokio::test]
async fn a_client_that_leaves_stops_its_query() {
    let limits = Limits { rows_max: u64::MAX, bytes_max: u64::MAX, ..Limits::default() };
    let server = server_with(limits).await;
    let mut watch = server.world.logs.0[&ACME].watch_head();
    let (client, connection) = server.open("acme-analyst", PASSWORD).await.unwrap();
    let connection = tokio::spawn(connection);
    let rows = client
        .simple_query_raw("SELECT value FROM generate_series(1, 1000000000000)")
        .await
        .unwrap();
    let mut rows = Box::pin(rows);
    while !matches!(rows.next().await.unwrap().unwrap(), SimpleQueryMessage::Row(_)) {}
    connection.abort();
    let cancelled = |world: &World| {
        world
            .access_events(ACME)
            .iter()
            .any(|event| matches!(event, Event::AccessQueryRun(run) if run.outcome == "cancelled"))
    };
    while !cancelled(&server.world) {
        watch.changed().await.unwrap();
    }
}

/// What never ends by itself.
const ENDLESS: &str =
    "SELECT count(*) FROM generate_series(1, 1000000) a, generate_series(1, 1000000) b";

fn code(error: &tokio_postgres::Error) -> &str {
    error.code().map_or("", |code| code.code())
}

/// With one thread to compute on, a question that was stopped and goes on leaves none for the next one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_join_gives_its_thread_back() {
    let server = server_with(Limits { threads: 1, ..Limits::default() }).await;
    let client = server.connect("acme-analyst").await;
    client.batch_execute("SET statement_timeout = '100ms'").await.unwrap();
    let endless_recursion =
        "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r) SELECT count(*) FROM r";
    for sql in [ENDLESS, endless_recursion] {
        let error = client.query(sql, &[]).await.unwrap_err();
        assert_eq!(code(&error), "57014", "{sql}: {error}");
    }
    client.batch_execute("RESET statement_timeout").await.unwrap();
    assert_eq!(client.query_one("SELECT 1", &[]).await.unwrap().get::<_, i32>(0), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_connection_sets_is_its_own() {
    let server = server().await;
    let (first, second) =
        (server.connect("acme-analyst").await, server.connect("acme-analyst").await);
    first
        .batch_execute("SET application_name = 'report'; SET statement_timeout TO 5000")
        .await
        .unwrap();
    let show = async |client: &Client, sql: &str| -> String {
        client.query_one(sql, &[]).await.unwrap().get(0)
    };
    assert_eq!(show(&first, "SHOW application_name").await, "report");
    assert_eq!(show(&first, "SELECT current_setting('statement_timeout')").await, "5000");
    assert_eq!(show(&second, "SHOW application_name").await, "");
    assert_eq!(show(&second, "SELECT current_setting('statement_timeout')").await, "0");
    let set = "SELECT set_config('application_name', 'again', false)";
    assert_eq!(show(&first, set).await, "again");
    assert_eq!(show(&first, "SHOW application_name").await, "again");
    first.batch_execute("DISCARD ALL").await.unwrap();
    assert_eq!(show(&first, "SHOW application_name").await, "");
    for refused in ["SET timezone = 'Europe/Brussels'", "SET datafusion.execution.batch_size = 1"] {
        assert!(first.batch_execute(refused).await.is_err(), "{refused}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_ends_its_own_connections_only() {
    let server = server().await;
    let (victim, own) =
        (server.connect("acme-analyst").await, server.connect("acme-analyst").await);
    let (other, namesake) =
        (server.connect("acme-auditor").await, server.connect("globex-analyst").await);
    let pid: i32 = victim.query_one("SELECT pg_backend_pid()", &[]).await.unwrap().get(0);
    let seen = format!("SELECT count(*) FROM pg_stat_activity WHERE pid = {pid}");
    let end = format!("SELECT pg_terminate_backend({pid})");
    for stranger in [&other, &namesake] {
        assert_eq!(stranger.query_one(&seen, &[]).await.unwrap().get::<_, i64>(0), 0);
        assert!(!stranger.query_one(&end, &[]).await.unwrap().get::<_, bool>(0));
    }
    assert_eq!(own.query_one(&seen, &[]).await.unwrap().get::<_, i64>(0), 1);
    own.batch_execute(&format!("EXPLAIN {end}")).await.unwrap();
    assert!(victim.query_one("SELECT 1", &[]).await.is_ok(), "EXPLAIN does nothing");
    assert!(own.query_one(&end, &[]).await.unwrap().get::<_, bool>(0));
    while victim.query_one("SELECT 1", &[]).await.is_ok() {}
    assert!(victim.is_closed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cursor_is_read_piece_by_piece() {
    let server = server().await;
    let client = server.connect("acme-analyst").await;
    let declare = "DECLARE c CURSOR FOR SELECT value FROM generate_series(1, 20000) AS g(value)";
    client.batch_execute(&format!("BEGIN; {declare}")).await.unwrap();
    let mut values = Vec::new();
    for sql in
        ["FETCH 3 FROM c", "FETCH NEXT FROM c", "FETCH FORWARD 9000 FROM c", "FETCH ALL FROM c"]
    {
        let rows = client.query(sql, &[]).await.unwrap();
        values.extend(rows.iter().map(|row| row.get::<_, i64>(0)));
        assert!(sql != "FETCH 3 FROM c" || values.len() == 3);
    }
    values.sort_unstable();
    assert!(values.iter().copied().eq(1..=20_000), "{} rows", values.len());
    assert!(client.query("FETCH 1 FROM c", &[]).await.unwrap().is_empty());
    let again = client.batch_execute(declare).await.unwrap_err();
    assert_eq!(code(&again), "42P03", "{again}");
    let backward = client.batch_execute("FETCH PRIOR FROM c").await.unwrap_err();
    assert_eq!(code(&backward), "55000", "{backward}");
    client.batch_execute("COMMIT").await.unwrap();
    let gone = client.batch_execute("FETCH 1 FROM c").await.unwrap_err();
    assert_eq!(code(&gone), "34000", "the transaction ended it: {gone}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_type_of_a_parameter_comes_from_the_client_the_statement_or_its_place() {
    let server = server().await;
    let client = server.connect("acme-analyst").await;
    let types = async |sql: &str, declared: &[Type]| -> Vec<Type> {
        client.prepare_typed(sql, declared).await.unwrap().params().to_vec()
    };
    assert_eq!(types("SELECT $1", &[]).await, [Type::TEXT]);
    assert_eq!(types("SELECT $1", &[Type::INT2]).await, [Type::INT2]);
    assert_eq!(
        types("SELECT $1::timestamptz, $2::numeric(9,2)", &[]).await,
        [Type::TIMESTAMPTZ, Type::NUMERIC]
    );
    let placed = "SELECT 1 FROM queue_leg WHERE queue = $1 AND threshold_ms > $2 AND entered_at < $3 LIMIT $4";
    assert_eq!(types(placed, &[]).await, [Type::TEXT, Type::INT8, Type::TIMESTAMPTZ, Type::INT8]);
    let listed = "SELECT count(*) FROM queue_leg WHERE queue = ANY($1) AND threshold_ms = ANY($2)";
    assert_eq!(types(listed, &[]).await, [Type::TEXT_ARRAY, Type::INT8_ARRAY]);
    let row =
        client.query_one(listed, &[&vec!["sales", "a,b"], &vec![20_000_i64, 1]]).await.unwrap();
    assert_eq!(row.get::<_, i64>(0), 4);
    let row =
        client.query_one("SELECT $1::bytea, '\\x00ff'::bytea", &[&&b"\x00\xff"[..]]).await.unwrap();
    assert_eq!(row.get::<_, Vec<u8>>(0), row.get::<_, Vec<u8>>(1));
}

/// Arrays and truths in text, as clients write them that leave types to the server.
#[tokio::test]
async fn arrays_and_truths_in_text() {
    let server = server().await;
    let client = server.connect("acme-analyst").await;
    for (sql, expected) in [
        ("SELECT array_length('{1, 2}'::int[], 1)", "2"),
        ("SELECT ('{a b , \"c,d\", NULL}'::text[])[1]", "a b"),
        ("SELECT ('{a b , \"c,d\", NULL}'::text[])[2]", "c,d"),
        ("SELECT count(*) FROM (VALUES ('r'), ('v'), (' v')) t(x) WHERE x = ANY('{r, v}')", "2"),
        ("SELECT count(*) FROM (VALUES (true), (false), (NULL)) t(x) WHERE x = 'f'", "1"),
        ("SELECT count(*) FROM (VALUES (true), (false), (NULL)) t(x) WHERE 'yes' <> x", "1"),
        // A row without an array has no elements.
        (
            "WITH t AS (SELECT * FROM (VALUES (1, make_array(1, 2)), (2, NULL), (3, make_array(7))) v(id, a)) \
             SELECT string_agg(id || ':' || e, ' ' ORDER BY id, e) FROM t CROSS JOIN unnest(t.a) AS e",
            "1:1 1:2 3:7",
        ),
    ] {
        let rows = client.simple_query(sql).await.unwrap();
        let cell = rows.iter().find_map(|it| match it {
            SimpleQueryMessage::Row(row) => row.get(0),
            _ => None,
        });
        assert_eq!(cell, Some(expected), "{sql}");
    }
    let wrong = client.simple_query("SELECT 1 FROM (VALUES (true)) t(x) WHERE x = 'maybe'").await;
    assert!(wrong.is_err());
}
