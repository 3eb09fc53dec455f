//! Writes the tables as Parquet, the way the product writes its own.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Int64Array, RecordBatch, StringArray, StringBuilder,
    TimestampMicrosecondArray,
};
use ledgerline_projections::{TableDef, encode_batch, schema};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Failure;
use super::legs::{AGENTS, Days, FIRST_DAY_S, LEGS_PER_DAY, Leg, TEAMS, id};
use super::random::Random;
use super::table::{AGENT_TEAM, LEG};

/// Name of the description beside the tables.
pub const ABOUT: &str = "about.json";
/// Kinds of ids.
pub(super) const SITE: u32 = 1;
pub(super) const QUEUE: u32 = 2;
pub(super) const AGENT: u32 = 3;
const TEAM: u32 = 4;
/// Changes of team per agent, and the days between two.
const VERSIONS: i64 = 14;
const DAYS_BETWEEN: i64 = 3;
const CHANNELS: [&str; 4] = ["voice", "chat", "email", "social"];

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// Seed.
    pub seed: u64,
    /// Days, a file each.
    pub days: u64,
    /// Legs in them.
    pub rows: u64,
    /// Bytes of the leg files.
    pub bytes: u64,
    /// An interaction of several legs, to be looked for.
    pub interaction: Uuid,
}

/// Writes the tables of about so many legs into a folder, unless they are there already.
///
/// # Errors
/// If the folder holds other tables, or cannot be written.
pub fn generate(folder: &Path, rows: u64, seed: u64) -> Result<About, Failure> {
    let days = rows.div_ceil(LEGS_PER_DAY).max(1);
    let legs_per_day = rows / days;
    let path = folder.join(ABOUT);
    if let Ok(bytes) = fs::read(&path) {
        let about: About = serde_json::from_slice(&bytes)?;
        if (about.seed, about.days) != (seed, days) {
            return Err(format!("{} holds other tables: {about:?}", folder.display()).into());
        }
        return Ok(about);
    }
    let mut about = About { seed, days, rows: 0, bytes: 0, interaction: Uuid::nil() };
    fs::create_dir_all(folder.join(LEG.name))?;
    fs::create_dir_all(folder.join(AGENT_TEAM.name))?;
    let mut all = Days::new(seed, legs_per_day);
    let mut out = std::io::stderr();
    for day in 0..days {
        let legs = all.next_day();
        let bytes = encode_batch(&LEG, &leg_batch(&legs, about.rows)?)?;
        fs::write(folder.join(LEG.name).join(format!("{day:04}.parquet")), &bytes)?;
        // The last one of the middle day: not where a scan begins or ends.
        if day == days / 2 {
            let passed_on = legs.iter().rev().find(|leg| leg.leg_no > 1);
            about.interaction = passed_on.map_or(Uuid::nil(), |leg| leg.interaction);
        }
        about.rows += legs.len() as u64;
        about.bytes += bytes.len() as u64;
        write!(out, "\rday {} of {days}, {} legs", day + 1, about.rows)?;
    }
    writeln!(out)?;
    let bytes = encode_batch(&AGENT_TEAM, &team_batch(seed)?)?;
    fs::write(folder.join(AGENT_TEAM.name).join("0000.parquet"), bytes)?;
    fs::write(path, serde_json::to_vec_pretty(&about)?)?;
    Ok(about)
}

fn times(micros: impl Iterator<Item = i64>) -> ArrayRef {
    Arc::new(TimestampMicrosecondArray::from_iter_values(micros).with_timezone("+00:00"))
}

fn ids(ids: impl Iterator<Item = Option<Uuid>>) -> ArrayRef {
    let mut builder = StringBuilder::new();
    let mut buffer = Uuid::encode_buffer();
    for id in ids {
        builder.append_option(id.map(|id| &*id.hyphenated().encode_lower(&mut buffer)));
    }
    Arc::new(builder.finish())
}

fn batch(def: &TableDef, columns: Vec<ArrayRef>) -> Result<RecordBatch, Failure> {
    Ok(RecordBatch::try_new(schema(def), columns)?)
}

fn leg_batch(legs: &[Leg], before: u64) -> Result<RecordBatch, Failure> {
    let int = |of: fn(&Leg) -> i64| -> ArrayRef {
        Arc::new(Int64Array::from_iter_values(legs.iter().map(of)))
    };
    let channels = legs.iter().map(|leg| CHANNELS[usize::from(leg.channel) % CHANNELS.len()]);
    let outcomes =
        legs.iter().map(|leg| if leg.agent.is_some() { "answered" } else { "abandoned" });
    let transferred: BooleanArray = legs.iter().map(|leg| Some(leg.transferred)).collect();
    let positions = (0..legs.len()).map(|row| (before + row as u64 + 1) as i64);
    batch(
        &LEG,
        vec![
            ids(legs.iter().map(|leg| Some(leg.leg))),
            ids(legs.iter().map(|leg| Some(leg.interaction))),
            int(|leg| i64::from(leg.leg_no)),
            ids(legs.iter().map(|leg| Some(id(SITE, leg.site)))),
            ids(legs.iter().map(|leg| Some(id(QUEUE, leg.queue)))),
            ids(legs.iter().map(|leg| Some(id(AGENT, leg.agent?)))),
            Arc::new(StringArray::from_iter_values(channels)),
            Arc::new(StringArray::from_iter_values(outcomes)),
            Arc::new(transferred),
            times(legs.iter().map(|leg| leg.entered)),
            times(legs.iter().map(|leg| leg.end)),
            int(|leg| leg.wait_ms),
            int(|leg| leg.talk_ms),
            int(|leg| leg.hold_ms),
            int(|leg| leg.wrapup_ms),
            Arc::new(Int64Array::from_iter_values(positions)),
        ],
    )
}

fn team_batch(seed: u64) -> Result<RecordBatch, Failure> {
    let mut random = Random::new(!seed);
    let rows: Vec<(u32, i64, u32)> = (0..AGENTS)
        .flat_map(|agent| (0..VERSIONS).map(move |version| (agent, version)))
        .map(|(agent, version)| {
            let from = (FIRST_DAY_S + version * DAYS_BETWEEN * 86_400) * 1_000_000;
            (agent, from, random.below(u64::from(TEAMS)) as u32)
        })
        .collect();
    let positions = (1..=rows.len()).map(|position| position as i64);
    batch(
        &AGENT_TEAM,
        vec![
            ids(rows.iter().map(|row| Some(id(AGENT, row.0)))),
            times(rows.iter().map(|row| row.1)),
            ids(rows.iter().map(|row| Some(id(TEAM, row.2)))),
            Arc::new(Int64Array::from_iter_values(positions)),
        ],
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_described_and_not_written_twice() {
        let folder = tempfile::tempdir().unwrap();
        let about = generate(folder.path(), 3_000, 5).unwrap();
        assert_eq!(about.days, 1);
        assert!((2_900..3_100).contains(&about.rows), "{about:?}");
        let file = folder.path().join("leg/0000.parquet");
        assert_eq!(fs::metadata(&file).unwrap().len(), about.bytes);
        fs::remove_file(&file).unwrap();
        assert_eq!(generate(folder.path(), 3_000, 5).unwrap(), about);
        assert!(!file.exists());
        assert!(generate(folder.path(), 3_000, 6).is_err());
    }
}
