//! Who looked at something, from `access_log`.

use ledgerline_projections::TableDef;
use ledgerline_schemas::StreamId;
use ledgerline_schemas::id::InteractionId;

use super::{Asked, moments};
use crate::error::QueryError;

/// Who looked at an interaction: at its history, its decisions or its rows through the audit's addresses, or read the
/// events of its stream. Who read the whole log may have seen it: `certain` is false then. Questions in SQL are known by
/// the tables they read, not by the interactions: see [`at_table`].
pub(crate) fn at_interaction(
    interaction: InteractionId,
    from: Option<&str>,
    to: Option<&str>,
) -> Result<Asked, QueryError> {
    let sql = format!(
        "select \"position\", \"time\", principal, \
         case event_type when 'access.history_viewed' then 'history' else 'events' end as how, \
         event_type = 'access.history_viewed' or stream <> '$all' as certain, \
         door, read_kind, stream, as_of_position \
         from access_log where ((event_type = 'access.history_viewed' and interaction_id = $1) \
         or (event_type = 'access.log_read' and stream in ($2, '$all'))){} order by \"position\"",
        moments::range(from, to)?
    );
    let values = vec![interaction.to_string(), StreamId::interaction(interaction).to_string()];
    Ok(Asked { sql, values })
}

/// Who asked questions in SQL that read a table, refused and broken off ones too.
pub(crate) fn at_table(
    table: &TableDef,
    from: Option<&str>,
    to: Option<&str>,
) -> Result<Asked, QueryError> {
    let sql = format!(
        "select \"position\", \"time\", principal, door, outcome, as_of_position, \"rows\", \"tables\", \
         masked_columns, sql_sha256 from access_log \
         where event_type = 'access.query_run' and strpos(\"tables\", $1) > 0{} order by \"position\"",
        moments::range(from, to)?
    );
    // A JSON array of names, which hold no quotes.
    Ok(Asked { sql, values: vec![format!("\"{}\"", table.name)] })
}
