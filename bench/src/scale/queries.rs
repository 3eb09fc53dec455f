//! The questions: `bench/analyzer/queries/NAME.ENGINE.sql`, one file for each engine that asks.

use std::fs;
use std::path::Path;

use uuid::Uuid;

use super::Failure;

/// Names of the questions, in order.
pub const NAMES: [&str; 12] =
    ["q01", "q02", "q03", "q04", "q05", "q06", "q07", "q08", "q09", "q10", "q11", "q12"];

/// What each asks.
pub const TITLES: [&str; 12] = [
    "service level by half-hour and queue, one site, one day",
    "service level by site, queue and day, all legs",
    "handle time by agent, one site, one week",
    "exact p50, p90, p99 of wait by queue, all legs",
    "approximate p90 of wait, 20,000 groups, all legs",
    "legs and transfers per interaction, all legs",
    "sessions of agents with gaps over 30 minutes, one site",
    "team at the time of the call, one site, three days",
    "most waiting and served at once by queue, one site",
    "different agents by day and site, all legs",
    "one interaction",
    "latest 100 legs of a site",
];

/// Questions whose answers are estimates: each engine has its own method, so they are compared within 3 %.
pub const ESTIMATES: [&str; 2] = ["q05", "q10"];

/// The text of a question for an engine; `{{interaction}}` in it stands for the interaction to look for.
///
/// # Errors
/// If the file cannot be read.
pub fn text(folder: &Path, name: &str, engine: &str, interaction: Uuid) -> Result<String, Failure> {
    let path = folder.join(format!("{name}.{engine}.sql"));
    let text = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(text.replace("{{interaction}}", &interaction.to_string()))
}
