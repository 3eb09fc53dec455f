//! The two tables: names and types as the product has them.

use ledgerline_projections::{ColumnDef, ColumnType, Dimension, TableDef};

const fn column(
    name: &'static str,
    column_type: ColumnType,
    nullable: bool,
    doc: &'static str,
) -> ColumnDef {
    ColumnDef { name, column_type, nullable, doc, dimension: Dimension::None }
}

/// Stays in queues.
pub static LEG: TableDef = TableDef {
    name: "leg",
    doc: "one row per stay in a queue and the service that followed",
    columns: &[
        column("leg_id", ColumnType::Text, false, "the leg"),
        column("interaction_id", ColumnType::Text, false, "its interaction"),
        column("leg_no", ColumnType::Int, false, "number of the leg in the interaction, from 1"),
        column("site_id", ColumnType::Text, false, "the site"),
        column("queue_id", ColumnType::Text, false, "the queue"),
        column("agent_id", ColumnType::Text, true, "who answered"),
        column("channel_type", ColumnType::Text, false, "the channel"),
        column("outcome", ColumnType::Text, false, "answered or abandoned"),
        column("transferred", ColumnType::Bool, false, "whether another leg followed"),
        column("entered_time", ColumnType::Time, false, "entry to the queue"),
        column("end_time", ColumnType::Time, false, "end of the wrap-up or of the wait"),
        column("queue_duration_ms", ColumnType::Int, false, "time in the queue"),
        column("talk_ms", ColumnType::Int, false, "time in conversation"),
        column("hold_ms", ColumnType::Int, false, "time on hold"),
        column("wrapup_ms", ColumnType::Int, false, "time of wrap-up"),
        column("valid_from_position", ColumnType::Int, false, "position of the last event"),
    ],
    key: &["leg_id"],
    sort: &["entered_time", "leg_id"],
    live: false,
};

/// Which team an agent was in, from when on.
pub static AGENT_TEAM: TableDef = TableDef {
    name: "agent_team",
    doc: "one row per agent and change of team",
    columns: &[
        column("agent_id", ColumnType::Text, false, "the agent"),
        column("valid_from", ColumnType::Time, false, "from when on"),
        column("team_id", ColumnType::Text, false, "the team"),
        column("valid_from_position", ColumnType::Int, false, "position of the event"),
    ],
    key: &["agent_id", "valid_from"],
    sort: &["agent_id", "valid_from"],
    live: false,
};
