//! Questions under a profile give what the same questions give over rows that were left out beforehand.

use std::path::Path;

use futures::StreamExt as _;
use ledgerline_analyzer_api::{AnalyzerState, QueryError};
use ledgerline_projections::tables;

use crate::ask::{Asking, ask_sorted};
use crate::oracle::Oracle;
use crate::random::Random;
use crate::sql::Questions;
use crate::world::{Profile, anybody, def, filtered, rows, snapshot};

/// How many questions, and from which seed: `LEDGERLINE_RIGHTS_QUESTIONS`, `LEDGERLINE_RIGHTS_SEED`.
fn setting(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().map_or(otherwise, |text| text.parse().expect("a number"))
}

const PROFILES: usize = 50;

/// A profile, its tables as the analyzer limits them, and its tables with nothing else in them.
struct Pair {
    profile: Profile,
    limited: AnalyzerState,
    alone: AnalyzerState,
    tables: Vec<&'static str>,
}

fn pairs(seed: u64, asking: &Asking, dir: &Path) -> Vec<Pair> {
    let mut random = Random::new(seed);
    let mut profiles: Vec<Profile> =
        (1..PROFILES as u128).map(|number| Profile::random(number, &mut random)).collect();
    profiles.push(Profile::everything(PROFILES as u128));
    let rows = rows(&mut random, &profiles);
    let whole = snapshot(&rows, Some(dir));
    let pair = |profile: Profile| {
        let shown = filtered(&rows, &profile);
        Pair {
            limited: asking.over(whole.clone()),
            alone: asking.over(snapshot(&shown, None)),
            tables: shown.keys().copied().collect(),
            profile,
        }
    };
    profiles.into_iter().map(pair).collect()
}

/// What the two say; the text of an error may name a plan, its code does not.
fn same(left: &Result<Vec<String>, QueryError>, right: &Result<Vec<String>, QueryError>) -> bool {
    match (left, right) {
        (Ok(left), Ok(right)) => left == right,
        (Err(left), Err(right)) => left.code() == right.code(),
        _ => false,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn random_questions_see_what_is_granted_and_nothing_else() {
    let seed = setting("LEDGERLINE_RIGHTS_SEED", 1);
    let count = setting("LEDGERLINE_RIGHTS_QUESTIONS", 200) as usize;
    let dir = tempfile::tempdir().unwrap();
    let asking = Asking::new();
    let pairs = pairs(seed, &asking, dir.path());
    let mut random = Random::new(seed ^ 0x5eed);
    let questions: Vec<(&Pair, String)> = (0..count)
        .map(|number| {
            let pair = &pairs[number % pairs.len()];
            let mut names = pair.tables.clone();
            // Sometimes what is not there: then it has to be there for neither.
            if names.is_empty() || random.chance(3) {
                names = tables::ALL.iter().map(|def| def.name).collect();
            }
            let tables = names.into_iter().map(def).collect();
            (pair, Questions::new(&mut random, tables).question())
        })
        .collect();
    let nobody = anybody();
    let outcomes: Vec<_> = futures::stream::iter(questions)
        .map(|(pair, sql)| {
            let nobody = &nobody;
            async move {
                let limited = ask_sorted(&pair.limited, &pair.profile.principal(), &sql).await;
                let alone = ask_sorted(&pair.alone, nobody, &sql).await;
                assert!(
                    same(&limited, &alone),
                    "seed {seed}: {sql}\nunder {:#?}\nlimited {limited:#?}\nalone {alone:#?}",
                    pair.profile,
                );
                limited.map_err(|error| (error, sql))
            }
        })
        .buffer_unordered(4)
        .collect()
        .await;
    let answered = outcomes.iter().filter(|it| it.is_ok()).count();
    let with_rows = outcomes.iter().filter(|it| it.as_ref().is_ok_and(|it| !it.is_empty())).count();
    println!("{count} questions, {answered} answered, {with_rows} with rows");
    let failed: Vec<_> = outcomes.iter().filter_map(|it| it.as_ref().err()).take(3).collect();
    assert!(answered * 10 >= count * 9, "questions that fail show nothing: {failed:#?}");
    assert!(with_rows * 2 >= count, "empty answers show little: {with_rows} of {count}");
}

/// The rows of every table, one by one, are those that are granted, as they are shown.
#[tokio::test(flavor = "multi_thread")]
async fn every_table_has_the_rows_that_are_granted() {
    let dir = tempfile::tempdir().unwrap();
    let asking = Asking::new();
    for pair in pairs(7, &asking, dir.path()).iter().step_by(8) {
        for def in tables::ALL {
            let sql = format!("select * from {}", def.name);
            let limited = ask_sorted(&pair.limited, &pair.profile.principal(), &sql).await;
            let alone = ask_sorted(&pair.alone, &anybody(), &sql).await;
            assert!(same(&limited, &alone), "{} under {:#?}", def.name, pair.profile);
        }
    }
}

/// The rows that one profile sees are some of those that everybody sees; a random world is not one in which
/// everything is hidden or everything is shown.
#[test]
fn the_worlds_are_neither_empty_nor_whole() {
    let mut random = Random::new(3);
    let mut profiles: Vec<Profile> =
        (1..PROFILES as u128).map(|number| Profile::random(number, &mut random)).collect();
    profiles.push(Profile::everything(PROFILES as u128));
    let rows = rows(&mut random, &profiles);
    for def in tables::ALL.iter().filter(|def| def.name != "access_log" && def.name != "event_log")
    {
        let granted = |profile: &Profile| {
            let oracle = Oracle::new(profile, &rows);
            let seen = rows[def.name].iter().filter(|row| oracle.grants(def, row)).count();
            if oracle.sees(def.name) { seen } else { 0 }
        };
        let counts: Vec<usize> = profiles.iter().map(granted).collect();
        let all = rows[def.name].len();
        assert!(counts.iter().any(|count| *count > 0), "{}: never a row", def.name);
        let partly = counts.iter().any(|count| (1..all).contains(count));
        let whole = ["flow_live", "metric_definition", "retention_status", "routing_decision"]
            .contains(&def.name);
        assert!(partly || whole, "{}: {counts:?} of {all}", def.name);
    }
}
