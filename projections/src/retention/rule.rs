//! What a table's rows tell of their age, and of what a hold may name.

/// How a row stands to a kind of thing that a hold names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// One of these columns says it. Null says: to none.
    By(&'static [&'static str]),
    /// The row may belong to one and does not say so: a hold that names any covers it.
    Unsaid,
    /// Rows of this table belong to none: a hold that names any does not cover them.
    Not,
}

/// How rows of a table age.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Name of the table.
    pub table: &'static str,
    /// The first of these columns that is not null is when the row began.
    pub begin: &'static [&'static str],
    /// The first of these columns that is not null is when the row ended. Without any it has not.
    pub end: &'static [&'static str],
    /// As long as the first column of a pair is there and the second is not, the row has not ended.
    pub open: &'static [(&'static str, &'static str)],
    /// Interactions.
    pub interactions: Told,
    /// Queues.
    pub queues: Told,
    /// Users.
    pub agents: Told,
}

use Told::{By, Not, Unsaid};

const fn rule(
    table: &'static str,
    begin: &'static [&'static str],
    end: &'static [&'static str],
    [interactions, queues, agents]: [Told; 3],
) -> Rule {
    Rule { table, begin, end, open: &[], interactions, queues, agents }
}

const INTERACTION: Told = By(&["interaction_id"]);
const QUEUE: Told = By(&["queue_id"]);
const AGENT: Told = By(&["agent_id"]);
const TIME: &[&str] = &["time"];
const INTERVAL: &[&str] = &["interval_start"];

/// The rules, by name of the table. What is not here is never dropped.
pub(crate) const RULES: [Rule; 18] = [
    rule("agent_activity", &["start_time"], &["end_time"], [INTERACTION, QUEUE, AGENT]),
    rule("agent_interval", INTERVAL, INTERVAL, [Not, Not, AGENT]),
    rule("agent_session", &["start_time"], &["end_time"], [Not, Not, AGENT]),
    rule(
        "callback",
        &["requested_time"],
        &["ended_time"],
        [By(&["interaction_id", "call_interaction_id"]), QUEUE, Unsaid],
    ),
    rule("customer_activity", &["created_time"], &["ended_time"], [INTERACTION, Unsaid, Unsaid]),
    rule("customer_session", &["created_time"], &["ended_time"], [INTERACTION, Unsaid, Unsaid]),
    rule("entry_point_interval", INTERVAL, INTERVAL, [Not, Not, Not]),
    rule(
        "feedback",
        &["offered_time", "answered_time", "completed_time"],
        &["completed_time", "answered_time", "offered_time"],
        [INTERACTION, Unsaid, Unsaid],
    ),
    // Nobody leaves the step in which the customer hangs up.
    rule(
        "flow_trace",
        &["entered_time"],
        &["exited_time", "entered_time"],
        [INTERACTION, Unsaid, Unsaid],
    ),
    rule("message", TIME, TIME, [INTERACTION, Unsaid, Unsaid]),
    rule(
        "monitor_session",
        &["started_time"],
        &["ended_time"],
        [INTERACTION, Unsaid, By(&["agent_id", "supervisor_id"])],
    ),
    rule("offer", &["made_time"], &["ended_time"], [INTERACTION, QUEUE, AGENT]),
    rule("queue_interval", INTERVAL, INTERVAL, [Not, QUEUE, Not]),
    Rule {
        open: &[("connected_time", "disconnected_time"), ("wrapup_time", "wrapup_duration_ms")],
        ..rule(
            "queue_leg",
            &["entered_time"],
            &["disconnected_time", "left_time"],
            [INTERACTION, QUEUE, AGENT],
        )
    },
    rule("recording", &["started_time"], &["stopped_time"], [INTERACTION, Unsaid, Unsaid]),
    rule("routing_candidate", TIME, TIME, [Unsaid, QUEUE, AGENT]),
    // Its lists name interactions and agents beside those that were chosen.
    rule("routing_decision", TIME, TIME, [Unsaid, QUEUE, Unsaid]),
    rule("routing_order", TIME, TIME, [INTERACTION, QUEUE, Unsaid]),
];

/// The rule of a table; none for tables whose rows are never dropped.
#[must_use]
pub fn of(table: &str) -> Option<&'static Rule> {
    RULES.iter().find(|rule| rule.table == table)
}

#[cfg(test)]
mod tests {
    use ledgerline_schemas::config::retention::{RETAINED_TABLES, never_dropped};

    use super::*;
    use crate::table::ColumnType;
    use crate::tables;

    #[test]
    fn every_table_has_a_rule_or_a_reason_and_every_rule_fits_its_table() {
        let ruled: Vec<&str> = RULES.iter().map(|rule| rule.table).collect();
        assert_eq!(ruled, RETAINED_TABLES);
        for def in tables::ALL {
            let reason = never_dropped(def.name);
            let Some(rule) = of(def.name) else {
                assert!(reason.is_some(), "{}: neither rule nor reason", def.name);
                continue;
            };
            assert_eq!(reason, None, "{}", def.name);
            assert!(!def.live, "{}", def.name);
            let column = |name: &str| {
                let at = def.column(name).unwrap_or_else(|| panic!("{}.{name}", def.name));
                def.columns[at]
            };
            for name in rule.begin.iter().chain(rule.end) {
                assert_eq!(column(name).column_type, ColumnType::Time, "{}.{name}", def.name);
            }
            assert!(rule.begin.iter().any(|name| !column(name).nullable) || rule.begin.len() > 1);
            for (is, is_not) in rule.open {
                assert!(column(is).nullable && column(is_not).nullable, "{}", def.name);
            }
            for told in [rule.interactions, rule.queues, rule.agents] {
                let By(names) = told else { continue };
                for name in names {
                    assert_eq!(column(name).column_type, ColumnType::Text, "{}.{name}", def.name);
                }
            }
            // What has the column says it by the column, or is of interactions, which go through several.
            let is_of_interactions = rule.interactions != Not;
            for (told, name) in [(rule.queues, "queue_id"), (rule.agents, "agent_id")] {
                let has = def.column(name).is_some();
                let says = matches!(told, By(names) if names.contains(&name));
                let expected = if has { says || told == Unsaid } else { !says };
                assert!(expected, "{}.{name}: {told:?}", def.name);
                assert!(told != Unsaid || is_of_interactions, "{}.{name}", def.name);
                assert!(told != Not || !has, "{}.{name}", def.name);
            }
        }
    }
}
