//! What becomes text of a statement, and what does not.

use ledgerline_schemas::id::InteractionId;

use super::moments::{moment, range};
use super::*;

#[test]
fn a_key_is_read_by_the_types_of_its_columns() {
    let leg = table("queue_leg").expect("table");
    let one = place(leg, "'; drop table x; --").expect("text is a parameter");
    assert_eq!(one.condition, "\"leg_id\" = cast($1 as text)");
    assert_eq!(one.values, ["'; drop table x; --"]);
    let interval = table("agent_interval").expect("table");
    let key = "2026-11-29T10:00:00.000Z|00000000-0000-0000-0000-000000000001|";
    let place_of = place(interval, key).expect("three parts, the last one null");
    assert_eq!(
        place_of.condition,
        "\"interval_start\" = cast($1 as timestamptz) and \"agent_id\" = cast($2 as text) and \
         \"channel_type\" is null"
    );
    let event = table("event_log").expect("table");
    assert_eq!(place(event, "7").expect("number").condition, "\"position\" = cast($1 as bigint)");
    for (table_name, key, expected) in [
        ("queue_leg", "a|b", "the key of queue_leg is leg_id; it has 2 parts here"),
        ("event_log", "seven", "position is \"seven\", which is no whole number"),
        ("agent_interval", "7|a|voice", "interval_start is \"7\", which is no instant"),
        ("config_entity", "queue", "the key of config_entity is kind|entity_id; it has 1 parts"),
    ] {
        let error = place(table(table_name).expect("table"), key).expect_err(key).to_string();
        assert!(error.contains(expected), "{key}: {error}");
    }
}

#[test]
fn moments_are_read_before_they_are_written() {
    assert_eq!(moment("4711").expect("position"), "4711");
    let instant = moment("2026-11-29 10:00:00+01").expect("instant");
    assert!(instant.starts_with("'2026-11-29T09:00:00"), "{instant}");
    for text in ["", "yesterday", "1; select 1", "7'", "99999999999999999999"] {
        moment(text).expect_err(text);
        range(Some(text), None).expect_err(text);
        range(None, Some(text)).expect_err(text);
    }
    let interaction = InteractionId::from_u128(7);
    let asked = at_interaction(interaction, Some("3"), Some("9")).expect("asked");
    assert!(
        asked.sql.ends_with(" and \"position\" > 3 and \"position\" <= 9 order by \"position\"")
    );
    assert!(!asked.sql.contains(&interaction.to_string()), "{}", asked.sql);
}

#[test]
fn tables_have_names_that_exist() {
    assert!(table("queue_leg").is_ok());
    for name in ["", "queue_leg\"", "pg_class", "csr", "Queue_Leg"] {
        assert!(matches!(table(name), Err(QueryError::Table(_))), "{name}");
    }
}
