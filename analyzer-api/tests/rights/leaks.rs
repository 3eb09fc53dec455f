//! Side doors: errors, plans, catalogs, statistics, functions of the past.

use ledgerline_analyzer_api::AnalyzerState;
use ledgerline_projections::{Row, TableDef, Value};
use ledgerline_schemas::Event;

use crate::ask::{Asking, ask};
use crate::random::Random;
use crate::world::{ORG, Profile, anybody, def, queues, rows, snapshot};

/// A value that no granted row has.
const SECRET: &str = "4711-secret";

fn put(row: &mut Row, table: &TableDef, column: &str, value: Value) {
    let at = table.column(column).expect("column");
    let mut values = row.to_vec();
    values[at] = value;
    *row = values.into();
}

/// A world in which the granted queue has plain rows, and the hidden one zeros, secrets and much else that
/// would make an expression fail.
struct Leaky {
    asking: Asking,
    state: AnalyzerState,
    profile: Profile,
    _dir: tempfile::TempDir,
}

fn leaky(masked: &[&'static str]) -> Leaky {
    let mut profile = Profile::everything(1);
    profile.queues = Some([queues()[0].clone()].into());
    profile.masked = masked.iter().copied().collect();
    let mut rows = rows(&mut Random::new(5), std::slice::from_ref(&profile));
    let leg = def("queue_leg");
    for (serial, row) in rows.get_mut("queue_leg").unwrap().iter_mut().enumerate() {
        let hidden = serial % 3 > 0;
        let text = |text: &str| Value::Text(text.into());
        put(row, leg, "queue_id", text(&queues()[usize::from(hidden)]));
        put(row, leg, "agent_name", text(if hidden { SECRET } else { "7" }));
        put(row, leg, "queue_duration_ms", Value::Int(if hidden { 0 } else { 10 }));
        put(row, leg, "handle_duration_ms", Value::Int(if hidden { i64::MAX } else { 1 }));
    }
    let dir = tempfile::tempdir().unwrap();
    let asking = Asking::new();
    let state = asking.over(snapshot(&rows, Some(dir.path())));
    Leaky { asking, state, profile, _dir: dir }
}

impl Leaky {
    async fn ask(&self, sql: &str) -> Result<Vec<String>, String> {
        let asked = ask(&self.state, &self.profile.principal(), sql).await;
        asked.map_err(|error| error.to_string())
    }
}

/// The rows that are not granted would make each of these fail. Whoever sees them is told; whoever does not is
/// answered as if they were not there.
#[tokio::test(flavor = "multi_thread")]
async fn expressions_never_meet_what_is_not_granted() {
    let leaky = leaky(&[]);
    let fails_on_hidden_rows = [
        "select 100 / queue_duration_ms from queue_leg",
        "select count(*) from queue_leg where 100 / queue_duration_ms > 1",
        "select count(*) from queue_leg where queue_duration_ms <> 0 or 100 / queue_duration_ms = 7",
        "select count(*) from queue_leg where cast(agent_name as bigint) > 0",
        "select sum(cast(agent_name as bigint)) from queue_leg group by channel_type",
        "select count(*) from queue_leg a join queue_leg b on 100 / a.queue_duration_ms = b.queue_duration_ms",
        "with c as (select * from queue_leg) select 100 / queue_duration_ms from c where leg_id is not null",
        "select (select count(*) from queue_leg where 1 / queue_duration_ms >= 0)",
        "select * from (select 100 / queue_duration_ms as d from queue_leg) q where d > 0",
        "select count(*) from offer o where exists (select 1 from queue_leg l where l.leg_id = o.leg_id and 100 / l.queue_duration_ms > 0) or true",
        "select rank() over (order by 100 / queue_duration_ms) from queue_leg",
        "select count(*) from clr where 100 / \"queue.duration\" > 0",
        "select 1 from queue_leg where queue_id <> 'x' and cast(agent_name as bigint) > 0 union all select 1",
        "select count(*) from queue_leg having min(cast(agent_name as bigint)) > 0",
        "select case when agent_name = 'nobody' then 1 else cast(agent_name as bigint) end from queue_leg",
    ];
    let mut whole_failed = 0;
    for sql in fails_on_hidden_rows {
        let whole = ask(&leaky.state, &anybody(), sql).await;
        let limited = leaky.ask(sql).await;
        whole_failed += usize::from(whole.is_err());
        assert!(limited.is_ok(), "{sql}: {limited:?}");
    }
    assert!(whole_failed >= 12, "only {whole_failed} questions fail on what is not granted");
}

/// No answer and no error has the secret in it, whichever way it is looked for.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_repeats_a_value_that_is_not_granted() {
    let leaky = leaky(&[]);
    for sql in [
        "select max(agent_name) from queue_leg",
        "select min(agent_name), max(handle_duration_ms) from queue_leg",
        "select agent_name from queue_leg order by agent_name desc limit 3",
        "select string_agg(agent_name, ',') from queue_leg",
        "select array_agg(agent_name) from queue_leg",
        "explain select * from queue_leg where agent_name > 'a'",
        "explain verbose select max(agent_name) from queue_leg",
        "select cast(agent_name as bigint) + 'x' from queue_leg",
        "select * from clr",
    ] {
        let shown = match leaky.ask(sql).await {
            Ok(rows) => rows.join("\n"),
            Err(error) => error,
        };
        assert!(!shown.contains("secret"), "{sql}: {shown}");
    }
    let count = leaky.ask("select count(*) from queue_leg").await;
    assert_eq!(count, Ok(vec!["40".to_owned()]), "of 120");
}

/// A plan shows the question and the table, not the condition, the files, or how many rows there are.
#[tokio::test(flavor = "multi_thread")]
async fn plans_tell_nothing_of_what_is_behind() {
    let leaky = leaky(&[]);
    let plan =
        leaky.ask("explain select count(*) from queue_leg where channel_type = 'blue'").await;
    let plan = plan.unwrap().join("\n");
    assert!(plan.contains("GrantedRows: table=queue_leg"), "{plan}");
    let verbose =
        leaky.ask("explain verbose select channel_type from queue_leg").await.unwrap().join("\n");
    for told in [plan, verbose] {
        for word in
            ["parquet", "Rows=Exact", "Rows=Inexact", "DataSourceExec", &queues()[0], "Bytes=Exact"]
        {
            assert!(!told.contains(word), "{word}: {told}");
        }
    }
    // Who is not limited has the tables themselves, with everything that the planner can do with them.
    let sql = "explain select count(*) from queue_leg where queue_id = 'x'";
    let whole = ask(&leaky.state, &anybody(), sql).await.unwrap().join("\n");
    assert!(whole.contains("DataSourceExec") && whole.contains("predicate=queue_id"), "{whole}");
    assert!(!whole.contains("GrantedRows"), "{whole}");
    for sql in ["explain analyze select * from queue_leg", "select count(*) from event_log"] {
        let mut administrator = leaky.profile.principal();
        administrator.roles.insert(ledgerline_access::Role::Administrator);
        let refused = ask(&leaky.state, &administrator, sql).await.expect_err(sql);
        assert!(["not_allowed", "unknown_table"].contains(&refused.code()), "{sql}: {refused}");
    }
}

/// The catalogs count no rows, and name no table that is not there.
#[tokio::test(flavor = "multi_thread")]
async fn catalogs_tell_no_sizes_and_no_hidden_tables() {
    let leaky = leaky(&[]);
    let sizes = "select distinct reltuples, relpages from pg_catalog.pg_class where relkind = 'r' and relnamespace = 2200";
    assert_eq!(leaky.ask(sizes).await, Ok(vec!["-1|0".to_owned()]));
    let whole = ask(&leaky.state, &anybody(), sizes).await.unwrap();
    assert!(whole.iter().any(|row| row.starts_with("120|")), "{whole:?}");
    for sql in [
        "select count(*) from pg_catalog.pg_class where relname in ('event_log', 'access_log', 'routing_decision')",
        "select count(*) from information_schema.tables where table_name in ('event_log', 'access_log', 'routing_decision')",
    ] {
        assert_eq!(leaky.ask(sql).await, Ok(vec!["0".to_owned()]), "{sql}");
    }
    let unknown = leaky.ask("select * from routing_decision").await.expect_err("hidden");
    let never = leaky.ask("select * from no_such_table").await.expect_err("never there");
    assert_eq!(unknown.replace("routing_decision", "T"), never.replace("no_such_table", "T"));
}

/// Masked columns show a constant, find nothing by their values, and are named in the access event.
#[tokio::test(flavor = "multi_thread")]
async fn masked_columns_are_masked_below_everything() {
    let leaky = leaky(&["agent_name", "queue_leg.queue_duration_ms", "priority"]);
    for (sql, expected) in [
        ("select distinct agent_name from queue_leg", "***"),
        ("select distinct queue_duration_ms from queue_leg", "~"),
        // A number that may not be null is null all the same.
        ("select distinct priority from queue_leg", "~"),
        ("select count(*) from queue_leg where agent_name = '7'", "0"),
        ("select count(*) from queue_leg where agent_name = '***'", "40"),
        ("select count(*) from queue_leg where priority is null", "40"),
        ("select count(*) from queue_leg where priority between 0 and 100", "0"),
        ("select count(distinct agent_name) from queue_leg", "1"),
        (
            "select count(*) from queue_leg where agent_name like '7%' or queue_duration_ms = 10",
            "0",
        ),
        ("select max(\"owner.name\") from clr", "***"),
        (
            "select count(*) from (select agent_name n from queue_leg) q where n < '8' and n > '6'",
            "0",
        ),
    ] {
        assert_eq!(leaky.ask(sql).await, Ok(vec![expected.to_owned()]), "{sql}");
    }
    let events = leaky.asking.world.access_events(ORG);
    let recorded: Vec<&[String]> = events
        .iter()
        .filter_map(|event| match event {
            Event::AccessQueryRun(run) => Some(&*run.masked_columns),
            _ => None,
        })
        .collect();
    assert_eq!(recorded[0], ["queue_leg.agent_name"]);
    assert_eq!(recorded[5], ["queue_leg.priority"]);
    let before = recorded.len();
    leaky.ask("select count(*), max(channel_type) from queue_leg").await.unwrap();
    let events = leaky.asking.world.access_events(ORG);
    let last = events.iter().rev().find_map(|event| match event {
        Event::AccessQueryRun(run) => Some(run.masked_columns.clone()),
        _ => None,
    });
    assert_eq!((before, last), (11, Some(Vec::new())), "what is not read is not named");
}

/// A profile that is gone, switched off or not right grants nothing; nobody gets more by naming two.
#[tokio::test(flavor = "multi_thread")]
async fn without_a_profile_that_holds_there_is_nothing() {
    let leaky = leaky(&[]);
    let mut principal = leaky.profile.principal();
    principal.user_profile_id = Some(Profile::everything(99).id);
    let refused = ask(&leaky.state, &principal, "select 1").await.expect_err("gone");
    assert_eq!(refused.code(), "not_allowed");
    assert!(refused.to_string().contains("is gone or switched off"), "{refused}");
    principal.user_profile_id = None;
    principal.user_id = Some(ledgerline_schemas::id::UserId::from_u128(1));
    let refused = ask(&leaky.state, &principal, "select 1").await.expect_err("no such user");
    assert!(refused.to_string().contains("user"), "{refused}");
    let mut wrong = Profile::everything(1);
    wrong.masked = ["agent_nmae"].into();
    let rows = rows(&mut Random::new(5), std::slice::from_ref(&wrong));
    let state = leaky.asking.over(snapshot(&rows, None));
    let refused = ask(&state, &wrong.principal(), "select 1").await.expect_err("a mask of nothing");
    assert!(refused.to_string().contains("no column \"agent_nmae\" exists"), "{refused}");
}
