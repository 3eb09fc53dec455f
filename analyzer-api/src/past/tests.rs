//! What is taken out of a statement, and what is refused.

use std::collections::BTreeMap;

use ledgerline_event_store::memory::MemoryLog;
use ledgerline_projections::{Snapshot, TableDef, TableSnapshot, schema, tables};
use ledgerline_schemas::id::OrgId;
use ledgerline_schemas::{Position, Timestamp};

use super::{Asked, Requests, rewrite};
use crate::error::QueryError;

const ORG: OrgId = OrgId::from_u128(1);

fn def(name: &str) -> &'static TableDef {
    tables::ALL.iter().find(|def| def.name == name).expect("table")
}

fn snapshot() -> Snapshot {
    let tables = tables::ALL
        .iter()
        .map(|def| {
            let table = TableSnapshot {
                kept: Default::default(),
                def,
                schema: schema(def),
                cold: Vec::new().into(),
                hot: Vec::new().into(),
            };
            (def.name, table)
        })
        .collect();
    Snapshot { org_id: ORG, position: Position(42), epoch: 1, tables, live: BTreeMap::new() }
}

fn rewritten(sql: &str) -> Result<(String, Requests), QueryError> {
    let mut statement = crate::sql::parse_one(sql, 10_000)?;
    let log = MemoryLog::new(ORG, || Timestamp::EPOCH);
    let sees = |table: &str| table != "event_log";
    let requests = rewrite(&mut statement, &snapshot(), &log, &sees)?;
    Ok((statement.to_string(), requests))
}

fn asked(sql: &str) -> Vec<Asked> {
    rewritten(sql).expect(sql).1.into_values().collect()
}

#[test]
fn functions_become_tables() {
    let (sql, requests) = rewritten("select * from as_of('queue_leg', 7)").expect("sql");
    assert_eq!(sql, "SELECT * FROM past.t1 AS queue_leg");
    let expected = Asked::AsOf { table: def("queue_leg"), at: Position(7) };
    assert_eq!(requests, Requests::from([("t1".to_owned(), expected.clone())]));

    let sql = "with a as (select * from as_of('queue_leg', 7) x) \
               select * from a where exists (select 1 from as_of('queue_leg', '7') y)";
    let (sql, requests) = rewritten(sql).expect("sql");
    assert_eq!(requests.len(), 1, "the same is asked once: {sql}");
    assert!(sql.contains("past.t1 x") && sql.contains("past.t1 y"), "{sql}");
}

#[test]
fn every_form_of_a_request() {
    let leg = def("queue_leg");
    let changes = |from, to, key: Option<&str>| Asked::Changes {
        table: leg,
        from: Position(from),
        to: Position(to),
        key: key.map(str::to_owned),
    };
    let table = [
        ("as_of('public.queue_leg', 7)", Asked::AsOf { table: leg, at: Position(7) }),
        ("AS_OF('queue_leg', (7))", Asked::AsOf { table: leg, at: Position(7) }),
        ("as_of('queue_leg', '7'::text)", Asked::AsOf { table: leg, at: Position(7) }),
        ("as_of('queue_leg', current_position())", Asked::AsOf { table: leg, at: Position(42) }),
        // The log of this test is empty: nothing was recorded by then.
        (
            "as_of('queue_leg', timestamptz '2026-01-01 00:00:00+01')",
            Asked::AsOf { table: leg, at: Position(0) },
        ),
        (
            "as_of('queue_leg', position_at('2026-01-01'))",
            Asked::AsOf { table: leg, at: Position(0) },
        ),
        ("changes('queue_leg', 3, 9)", changes(3, 9, None)),
        ("history('queue_leg', 'k')", changes(0, 42, Some("k"))),
        ("history('queue_leg', 'k', 3, 9)", changes(3, 9, Some("k"))),
        (
            "replay_check('queue_leg', 0, 42)",
            Asked::Check { table: leg, from: Position(0), to: Position(42) },
        ),
    ];
    for (call, expected) in table {
        assert_eq!(asked(&format!("select * from {call}")), [expected], "{call}");
    }
}

#[test]
fn what_cannot_be_is_refused_by_name() {
    let table = [
        ("as_of('queue_leg')", "as_of takes a table and a position or instant; it has 1"),
        ("as_of(queue_leg, 7)", "as_of: the table is named in quotes"),
        ("as_of('no_such', 7)", "as_of: table \"no_such\" not found"),
        ("as_of('event_log', 7)", "as_of: table \"event_log\" not found"),
        ("as_of('queue_leg', 43)", "position 43 is not reached yet: the tables stand at 42"),
        ("as_of('queue_leg', -1)", "the position or instant is a literal"),
        ("as_of('queue_leg', 'yesterday')", "\"yesterday\" is neither a position (digits) nor"),
        ("as_of('queue_leg', 99999999999999999999)", "is too large for a position"),
        ("as_of('queue_leg', $1)", "the position or instant is a literal"),
        ("as_of('queue_leg', at => 7)", "as_of takes arguments by place, not by name"),
        ("changes('queue_leg', 9, 3)", "(9) is after the last (3)"),
        ("changes('queue_leg', 9)", "changes takes a table, the position before"),
        ("history('queue_leg', 'k', 3)", "history takes a table and the row's key"),
        ("history('queue_leg', k)", "history: the key is a literal"),
        ("replay_check('queue_leg')", "replay_check takes a table, the position before"),
    ];
    for (call, expected) in table {
        let error = rewritten(&format!("select * from {call}")).expect_err(call).to_string();
        assert!(error.contains(expected), "{call}: {error}");
    }
    let error = rewritten("select position_at('7')").expect_err("no instant").to_string();
    assert!(error.contains("\"7\" is not an instant"), "{error}");
    let many: Vec<String> = (1..=9).map(|at| format!("as_of('queue_leg', {at}) t{at}")).collect();
    let error = rewritten(&format!("select * from {}", many.join(", "))).expect_err("many");
    assert!(error.to_string().starts_with("more than 8 different"), "{error}");
}
