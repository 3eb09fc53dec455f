//! Every table has its rule; profiles, users and collections come to the rights they say.

use std::collections::BTreeMap;
use std::sync::Arc;

use ledgerline_access::{Principal, Role};
use ledgerline_schemas::Position;
use ledgerline_schemas::config::{EntityKind, Module};
use ledgerline_schemas::id::{OrgId, UserId, UserProfileId};
use serde_json::{Value as Document, json};
use uuid::Uuid;

use super::{Directory, Limited, Rights, Test, rule};
use crate::change::RowChange;
use crate::encode::row_batch;
use crate::snapshot::{Snapshot, TableSnapshot};
use crate::table::{ColumnDef, ColumnType, Dimension, Row, TableDef, Value};
use crate::tables::{ALL, ConfigEntity, TableRow as _};

const SITE: u128 = 1;
const TEAM: u128 = 2;
const OTHER_TEAM: u128 = 3;
const QUEUE: u128 = 4;
const PROFILE: u128 = 5;
const OTHER: u128 = 6;
const COLLECTION: u128 = 7;
const USER: u128 = 8;

fn text(id: u128) -> String {
    Uuid::from_u128(id).to_string()
}

/// A table that no rule speaks of shows nothing to whom rights are limited; that has to be meant, not forgotten.
#[test]
fn every_table_declares_to_whom_it_shows_what() {
    for def in ALL {
        let rule = rule(def.name).unwrap_or_else(|| panic!("{} has no rule", def.name));
        let columns = rule.tests.iter().flat_map(|test| match *test {
            Test::Queue { column, .. }
            | Test::EntryPoint { column }
            | Test::WholeSite { column }
            | Test::Interaction { column, .. } => vec![column],
            Test::QueueOrEntryPoint { queue, entry_point } => vec![queue, entry_point],
            Test::Staff { team, site, nobody_yet } => {
                [Some(team), site, nobody_yet].into_iter().flatten().collect()
            }
            Test::Session => {
                vec![
                    "interaction_id",
                    "first_queue_id",
                    "entry_point_id",
                    "last_team_id",
                    "last_site_id",
                ]
            }
            Test::Entity => vec!["kind", "entity_id"],
            Test::Alert => {
                vec!["dataset", "queue_id", "entry_point_id", "team_id", "site_id", "agent_id"]
            }
            Test::WholeOnly => Vec::new(),
        });
        for column in columns {
            assert!(def.column(column).is_some(), "{}: no column {column}", def.name);
        }
        // What a column says it means to access is asked, unless the whole interaction decides.
        for column in def.columns.iter().filter(|it| it.dimension != Dimension::None) {
            let is_asked = rule.tests.iter().any(|test| match *test {
                Test::Queue { column: asked, .. }
                | Test::EntryPoint { column: asked }
                | Test::WholeSite { column: asked } => asked == column.name,
                Test::QueueOrEntryPoint { queue, entry_point } => {
                    queue == column.name || entry_point == column.name
                }
                Test::Staff { team, site, .. } => team == column.name || site == Some(column.name),
                Test::Interaction { .. } | Test::Session | Test::WholeOnly | Test::Alert => true,
                Test::Entity => false,
            });
            // A leg in a granted queue is shown from whichever entry point it came.
            let by_queue = def.name == "queue_leg" && column.dimension == Dimension::EntryPoint;
            assert!(is_asked || by_queue, "{}: {} decides nothing", def.name, column.name);
        }
    }
    assert_eq!(rule("no_such_table"), None);
}

fn entity(kind: &str, id: u128, document: &Document, is_active: bool) -> Row {
    let columns = ConfigEntity::DEF.columns.iter();
    let value = columns.map(|column| match column.name {
        "kind" => Value::Text(kind.into()),
        "entity_id" => Value::Text(text(id).into()),
        "document" => Value::Text(document.to_string().into()),
        "is_active" => Value::Bool(is_active),
        "is_deleted" => Value::Bool(false),
        _ => match column.column_type {
            ColumnType::Int => Value::Int(1),
            ColumnType::Time => Value::Time(1),
            _ => Value::Text("x".into()),
        },
    });
    value.collect()
}

/// Two teams of two sites, a queue, a profile, a collection and a user, with what a test changes.
fn directory(changes: &[(&str, u128, Document, bool)]) -> Directory {
    let mut entities = BTreeMap::from([
        (("team", TEAM), (json!({"name": "A", "site_id": text(SITE)}), true)),
        (("team", OTHER_TEAM), (json!({"name": "B", "site_id": text(99)}), true)),
        (
            ("user_profile", PROFILE),
            (json!({"name": "P", "sites": [text(SITE)], "teams": "all"}), true),
        ),
        (("user", USER), (json!({"name": "ann", "user_profile_id": text(PROFILE)}), true)),
    ]);
    for (kind, id, document, is_active) in changes {
        entities.insert((*kind, *id), (document.clone(), *is_active));
    }
    let rows: Vec<Row> = entities
        .iter()
        .map(|((kind, id), (document, is_active))| entity(kind, *id, document, *is_active))
        .collect();
    let def = ConfigEntity::DEF;
    let batch = row_batch(def, &rows).expect("batch");
    let table = TableSnapshot {
        kept: Default::default(),
        def,
        schema: crate::encode::schema(def),
        cold: Vec::new().into(),
        hot: vec![batch].into(),
    };
    Directory::of(&Snapshot {
        org_id: OrgId::from_u128(1),
        position: Position(1),
        epoch: 1,
        tables: BTreeMap::from([(def.name, table)]),
        live: BTreeMap::new(),
    })
}

fn principal(user: Option<u128>, profile: Option<u128>) -> Principal {
    Principal {
        org_id: OrgId::from_u128(1),
        subject: "ann".to_owned(),
        roles: [Role::Administrator].into(),
        user_id: user.map(UserId::from_u128),
        user_profile_id: profile.map(UserProfileId::from_u128),
    }
}

fn limited(principal: &Principal, directory: &Directory) -> Arc<Limited> {
    let rights = Rights::of(principal, directory).expect("something is granted");
    Arc::clone(rights.limits().expect("limited"))
}

fn table(name: &str) -> &'static TableDef {
    ALL.iter().find(|def| def.name == name).expect("table")
}

#[test]
fn roles_alone_see_the_organization_whole() {
    let rights = Rights::of(&principal(None, None), &directory(&[]));
    assert_eq!(rights, Ok(Rights::Whole));
    // So does a user without a profile: nobody has narrowed anything.
    let plain = directory(&[("user", USER, json!({"name": "ann"}), true)]);
    assert_eq!(Rights::of(&principal(Some(USER), None), &plain), Ok(Rights::Whole));
}

#[test]
fn a_site_brings_its_teams() {
    let limited = limited(&principal(Some(USER), None), &directory(&[]));
    let session = table("agent_session");
    let row = |team: u128, site: Option<u128>| -> Row {
        let value = session.columns.iter().map(|column| match column.name {
            "team_id" => Value::Text(text(team).into()),
            "site_id" => site.map_or(Value::Null, |site| Value::Text(text(site).into())),
            _ => Value::Null,
        });
        value.collect()
    };
    assert!(limited.grants(session, &row(TEAM, Some(SITE))));
    assert!(limited.grants(session, &row(TEAM, None)), "the team's site counts");
    assert!(!limited.grants(session, &row(OTHER_TEAM, None)));
    // A team that moved here later worked elsewhere then.
    assert!(!limited.grants(session, &row(TEAM, Some(99))));
    assert!(!limited.grants(table("queue_interval"), &vec![Value::Null; 30].into()), "no queue");
}

#[test]
fn what_is_gone_or_off_or_wrong_grants_nothing() {
    let user = principal(Some(USER), None);
    let profile = |document: Document, active| ("user_profile", PROFILE, document, active);
    let good = json!({"name": "P", "sites": "all"});
    for (change, expected) in [
        (profile(good.clone(), false), "is gone or switched off"),
        (profile(json!({"name": "P", "anything": 1}), true), "unknown field `anything`"),
        (profile(json!({"name": "P", "masked_columns": ["agent_nmae"]}), true), "no column"),
        (profile(json!({"name": "P", "masked_columns": ["offer.queue_name"]}), true), "no column"),
        (("user", USER, json!({"name": "ann"}), false), "is gone or switched off"),
        (
            ("user", USER, json!({"name": "ann", "user_profile_id": text(404)}), true),
            "is gone or switched off",
        ),
    ] {
        let nothing = Rights::of(&user, &directory(&[change])).expect_err(expected).to_string();
        assert!(nothing.contains(expected), "{nothing}");
    }
    assert!(Rights::of(&principal(Some(404), None), &directory(&[])).is_err(), "no such user");
    assert!(Rights::of(&principal(None, Some(404)), &directory(&[])).is_err(), "no such profile");
}

#[test]
fn collections_add_and_two_profiles_cut() {
    let queues = |ids: &[u128]| json!(ids.iter().map(|id| text(*id)).collect::<Vec<_>>());
    let both = [
        (
            "user_profile",
            PROFILE,
            json!({
                "name": "P", "sites": "all", "teams": "all", "entry_points": "all",
                "queues": queues(&[QUEUE]), "resource_collections": [text(COLLECTION)],
            }),
            true,
        ),
        ("resource_collection", COLLECTION, json!({"name": "C", "queues": queues(&[41])}), true),
        (
            "user_profile",
            OTHER,
            json!({
                "name": "O", "sites": "all", "teams": "all", "entry_points": "all",
                "queues": queues(&[41, 42]), "modules": ["live"], "masked_columns": ["agent_name"],
            }),
            true,
        ),
    ];
    let mut now = directory(&both);
    let interval = table("queue_live");
    let sees = |limited: &Limited, queue: u128| {
        let row = [Value::Text(text(queue).into())].into_iter();
        let row: Row = row.chain(interval.columns.iter().skip(1).map(|_| Value::Null)).collect();
        limited.grants(interval, &row)
    };
    let one = limited(&principal(Some(USER), None), &now);
    assert_eq!([QUEUE, 41, 42].map(|queue| sees(&one, queue)), [true, true, false]);
    let two = limited(&principal(Some(USER), Some(OTHER)), &now);
    assert_eq!([QUEUE, 41, 42].map(|queue| sees(&two, queue)), [false, true, false]);
    assert!(two.opens(Module::Live) && !two.opens(Module::Analyzer));
    assert!(two.sees(interval) && !two.sees(table("queue_leg")));
    let live = table("agent_live");
    assert!(two.masks(live, live.column("agent_name").expect("column")));
    assert!(!Rights::Limited(two).sees_log());

    // The collection is switched off: what it granted is gone at once.
    let off = entity("resource_collection", COLLECTION, &both[1].2, false);
    let change = |kind: &str, row: Row| RowChange {
        table: ConfigEntity::DEF,
        key: format!("{kind}|{}", text(COLLECTION)).into(),
        before: None,
        after: Some(row),
        position: Position(2),
    };
    assert!(now.note(&change("resource_collection", off.clone())));
    assert!(!now.note(&change("resource_collection", off)), "nothing new");
    assert!(!now.note(&change("queue", entity("queue", QUEUE, &json!({"name": "Q"}), true))));
    let one = limited(&principal(Some(USER), None), &now);
    assert_eq!([QUEUE, 41].map(|queue| sees(&one, queue)), [true, false]);
}

#[test]
fn a_profile_that_grants_everything_sees_the_log_unless_it_masks() {
    let all = json!({"name": "P", "sites": "all", "teams": "all", "queues": "all", "entry_points": "all"});
    let sees_log = |document: &Document| {
        let now = directory(&[("user_profile", PROFILE, document.clone(), true)]);
        Rights::of(&principal(None, Some(PROFILE)), &now).expect("granted").sees_log()
    };
    assert!(sees_log(&all));
    for (field, value) in [
        ("queues", json!([])),
        ("entry_points", json!([text(1)])),
        ("masked_columns", json!(["customer_code"])),
        ("modules", json!(["analyzer"])),
    ] {
        let mut less = all.clone();
        less[field] = value;
        assert!(!sees_log(&less), "{field}");
    }
}

/// The kinds that rights follow from are those that a change of rights is looked for in.
#[test]
fn kinds_have_the_names_that_rows_have() {
    for kind in super::directory::KINDS {
        assert_eq!(EntityKind::parse(kind.name()), Some(kind));
    }
}

/// One line a table, one column a kind of profile: `-` not there, `all` every row, `some` those that are granted.
fn matrix() -> String {
    use std::fmt::Write as _;
    let all = json!({"name": "P", "sites": "all", "teams": "all", "queues": "all", "entry_points": "all"});
    let less = |field: &str, value: Document| {
        let mut document = all.clone();
        document[field] = value;
        document
    };
    let some = || json!([text(QUEUE)]);
    let kinds = [
        ("everything", all.clone()),
        ("site", less("sites", json!([text(SITE)]))),
        ("team", less("teams", json!([text(TEAM)]))),
        ("queue", less("queues", some())),
        ("entry_point", less("entry_points", some())),
        ("nothing", json!({"name": "P"})),
        ("analyzer", less("modules", json!(["analyzer"]))),
        ("live", less("modules", json!(["live"]))),
        ("configuration", less("modules", json!(["configuration"]))),
        ("no_module", less("modules", json!([]))),
    ];
    let mut told = format!("{:<22}{:<15}", "table", "no_profile");
    for (kind, _) in &kinds {
        write!(told, "{kind:<15}").expect("text");
    }
    told = told.trim_end().to_owned() + "\n";
    for def in ALL {
        let mut line = format!("{:<22}{:<15}", def.name, "all");
        for (_, document) in &kinds {
            let now = directory(&[("user_profile", PROFILE, document.clone(), true)]);
            let limited = limited(&principal(None, Some(PROFILE)), &now);
            let tests = rule(def.name).map_or(&[][..], |rule| rule.tests);
            // A condition that holds for every row is none.
            let binds = tests.iter().any(|test| match test {
                Test::Queue { .. } => !limited.queues.is_all(),
                Test::EntryPoint { .. } => !limited.entry_points.is_all(),
                Test::Staff { .. } => !limited.sees_all_staff(),
                _ => !limited.sees_all_rows(),
            });
            let word = match (limited.sees(def), binds) {
                (false, _) => "-",
                (true, false) => "all",
                (true, true) => "some",
            };
            write!(line, "{word:<15}").expect("text");
        }
        told += line.trim_end();
        told.push('\n');
    }
    told
}

/// A change of what a kind of profile sees is a decision: it shows in this file, and a reviewer sees it.
#[test]
fn tables_by_kind_of_profile_are_as_agreed_on() {
    let agreed = include_str!("matrix.txt");
    assert_eq!(matrix(), agreed, "the matrix now is:\n{}", matrix());
}

/// Rows of the live tables that have rules of their own.
#[test]
fn an_interaction_is_shown_by_its_queue_and_a_site_with_all_of_its_teams() {
    let shown = |document: &Document, name: &str, cells: &[(&str, Value)]| {
        let now = directory(&[("user_profile", PROFILE, document.clone(), true)]);
        let limited = limited(&principal(None, Some(PROFILE)), &now);
        let def = table(name);
        let value = |column: &ColumnDef| {
            let cell = cells.iter().find(|(name, _)| *name == column.name);
            cell.map_or(Value::Null, |(_, value)| value.clone())
        };
        let row: Row = def.columns.iter().map(value).collect();
        limited.grants(def, &row)
    };
    let id = |id: u128| Value::Text(text(id).into());
    let some = json!({
        "name": "P", "sites": [text(SITE)], "teams": "all", "queues": [text(QUEUE)],
        "entry_points": [text(71)],
    });
    let interaction = |cells: &[(&str, Value)]| shown(&some, "interaction_live", cells);
    assert!(interaction(&[("queue_id", id(QUEUE)), ("entry_point_id", id(72))]));
    assert!(!interaction(&[("queue_id", id(42)), ("entry_point_id", id(71))]));
    assert!(interaction(&[("entry_point_id", id(71))]));
    assert!(!interaction(&[("entry_point_id", id(72))]) && !interaction(&[]));
    let elsewhere = [("queue_id", id(QUEUE)), ("agent_id", id(1)), ("site_id", id(99))];
    assert!(!interaction(&elsewhere), "an agent of another site has it");

    assert!(shown(&some, "site_live", &[("site_id", id(SITE))]));
    assert!(!shown(&some, "site_live", &[("site_id", id(99))]));
    assert!(!shown(&some, "flow_live", &[("flow_id", id(1))]));
    let mut one_team = some.clone();
    one_team["teams"] = json!([text(TEAM)]);
    assert!(!shown(&one_team, "site_live", &[("site_id", id(SITE))]));
}

/// An alert tells of a row: it is shown to whom the row is shown, unless what it tells is masked there.
#[test]
fn an_alert_is_shown_as_the_row_that_it_is_about() {
    let alerts = table("alerts");
    let all = json!({"name": "P", "sites": "all", "teams": "all", "queues": "all", "entry_points": "all"});
    let with = |changes: &[(&str, Document)]| {
        let mut document = all.clone();
        for (field, value) in changes {
            document[*field] = value.clone();
        }
        document
    };
    let alert = |dataset: &str, cells: &[(&str, u128)]| -> Row {
        let value = alerts.columns.iter().map(|column| {
            match cells.iter().find(|(name, _)| *name == column.name) {
                Some((_, number)) => Value::Text(text(*number).into()),
                None if column.name == "dataset" => Value::Text(dataset.into()),
                None => Value::Null,
            }
        });
        value.collect()
    };
    let queue = |id: u128| alert("queue_live", &[("queue_id", id)]);
    let agent =
        |team: u128| alert("agent_live", &[("agent_id", 1), ("team_id", team), ("site_id", SITE)]);
    let site = alert("site_live", &[("site_id", SITE)]);
    let flow = alert("flow_live", &[("flow_id", 1)]);
    let unknown = alert("no_such_table", &[("queue_id", QUEUE)]);
    let itself = alert("alerts", &[("queue_id", QUEUE)]);
    let one_queue = with(&[("queues", json!([text(QUEUE)]))]);
    let one_team = with(&[("teams", json!([text(TEAM)])), ("sites", json!([text(SITE)]))]);
    let mask = |name: &str| with(&[("masked_columns", json!([name]))]);
    for (document, row, expected) in [
        (&all, queue(QUEUE), true),
        (&all, flow.clone(), true),
        (&all, unknown.clone(), false),
        (&one_queue, queue(QUEUE), true),
        (&one_queue, queue(99), false),
        (&one_queue, agent(TEAM), true),
        (&one_queue, flow, false),
        (&one_queue, unknown, false),
        (&one_queue, itself, false),
        (&one_team, agent(TEAM), true),
        (&one_team, agent(OTHER_TEAM), false),
        (&one_team, site, false),
        (&json!({"name": "P"}), queue(QUEUE), false),
        (&with(&[("modules", json!(["analyzer"]))]), queue(QUEUE), false),
        // A figure, a key, a column that alerts have too; and one that no alert tells.
        (&mask("queue_live.in_queue_now"), queue(QUEUE), false),
        (&mask("queue_live.in_queue_now"), agent(TEAM), true),
        (&mask("agent_id"), agent(TEAM), false),
        (&mask("queue_live.queue_name"), queue(QUEUE), false),
        (&mask("agent_name"), agent(TEAM), true),
    ] {
        let now = directory(&[("user_profile", PROFILE, document.clone(), true)]);
        let limited = limited(&principal(None, Some(PROFILE)), &now);
        assert_eq!(limited.grants(alerts, &row), expected, "{document} {row:?}");
    }
}
