//! Moments of a request as SQL.

use ledgerline_projections::TableDef;

use crate::error::QueryError;
use crate::past::Moment;

/// A moment as an argument of `as_of` and its like.
pub(crate) fn moment(text: &str) -> Result<String, QueryError> {
    Ok(match Moment::parse(text)? {
        Moment::At(position) => position.to_string(),
        Moment::Recorded(time) => format!("'{time}'"),
    })
}

/// A table, as it is or as it was.
pub(crate) fn at(table: &TableDef, at: Option<&str>) -> Result<String, QueryError> {
    Ok(match at {
        Some(text) => format!("as_of('{}', {})", table.name, moment(text)?),
        None => format!("\"{}\"", table.name),
    })
}

/// A condition on positions: after the first moment, up to the last one.
pub(crate) fn range(from: Option<&str>, to: Option<&str>) -> Result<String, QueryError> {
    let position = |text: &str| -> Result<String, QueryError> {
        Ok(match Moment::parse(text)? {
            Moment::At(position) => position.to_string(),
            Moment::Recorded(time) => format!("position_at('{time}')"),
        })
    };
    let mut condition = String::new();
    if let Some(from) = from {
        condition.push_str(&format!(" and \"position\" > {}", position(from)?));
    }
    if let Some(to) = to {
        condition.push_str(&format!(" and \"position\" <= {}", position(to)?));
    }
    Ok(condition)
}
