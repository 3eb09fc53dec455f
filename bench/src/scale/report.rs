//! The table of a run, and whether all answers are the same.

use std::fmt::Write as _;
use std::path::Path;

use super::Failure;
use super::ask::ENGINE;
use super::canonical::Answer;
use super::generate::About;
use super::queries::{ESTIMATES, NAMES, TITLES};
use super::result::{Mixed, Run};

/// How far estimates of two engines may be from each other.
const ESTIMATE_SHARE: f64 = 0.03;

/// What the answers of a question have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Equal,
    Near,
    Different,
    Missing,
}

fn verdict(answers: &Path, name: &str, engines: &[&str]) -> (Verdict, String) {
    let read = |engine: &str| Answer::read(&answers.join(format!("{name}.{engine}.csv")));
    let Ok(ours) = read(ENGINE) else { return (Verdict::Missing, String::new()) };
    let hash = ours.sha256();
    let mut verdict = Verdict::Equal;
    for engine in engines {
        let Ok(theirs) = read(engine) else { return (Verdict::Missing, hash) };
        if theirs.sha256() == hash {
            continue;
        }
        let estimate = ESTIMATES.contains(&name) && ours.is_near(&theirs, ESTIMATE_SHARE);
        verdict = match (estimate, verdict) {
            (true, Verdict::Equal | Verdict::Near) => Verdict::Near,
            _ => Verdict::Different,
        };
    }
    (verdict, hash)
}

/// The mean ratio of our times to another engine's, by the geometric mean, and the worst with its question.
#[must_use]
pub fn ratio(ours: &Run, theirs: &Run) -> Option<(f64, f64, &'static str)> {
    let mut sum = 0.0;
    let mut worst = (0.0, "");
    for name in NAMES {
        let ratio = ours.questions.get(name)?.best_s() / theirs.questions.get(name)?.best_s();
        sum += ratio.ln();
        if ratio > worst.0 {
            worst = (ratio, name);
        }
    }
    Some(((sum / NAMES.len() as f64).exp(), worst.0, worst.1))
}

/// The value at or below which this share lies, by nearest rank; 0 of none.
#[must_use]
pub fn percentile(latencies: &[f64], share: f64) -> f64 {
    let mut sorted = latencies.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(at.clamp(1, sorted.len().max(1)) - 1).copied().unwrap_or(0.0)
}

/// The report as Markdown.
///
/// # Errors
/// If an answer differs from another engine's, or is missing.
pub fn markdown(about: &About, answers: &Path, runs: &[Run]) -> Result<String, Failure> {
    let mut text = String::new();
    let ours = runs.iter().find(|run| run.engine == ENGINE).ok_or("our own run is missing")?;
    let peers: Vec<&Run> = runs.iter().filter(|run| run.engine != ENGINE).collect();
    let engines: Vec<&str> = peers.iter().map(|run| run.engine.as_str()).collect();
    writeln!(
        text,
        "{} legs in {} files, {:.2} GB, seed {}. Seconds by the clock, best of {} (processor time beside).\n",
        about.rows,
        about.days,
        about.bytes as f64 / 1e9,
        about.seed,
        ours.questions.values().map(|it| it.wall_s.len()).max().unwrap_or(0),
    )?;
    write!(text, "| question | rows | {ENGINE} {} |", ours.version)?;
    for peer in &peers {
        write!(text, " {} {} | ratio |", peer.engine, peer.version)?;
    }
    writeln!(text, " answers | SHA-256 |")?;
    writeln!(text, "|---|---:|---:|{}---|---|", "---:|---:|".repeat(peers.len()))?;
    let mut wrong = Vec::new();
    for (name, title) in NAMES.iter().zip(TITLES) {
        let Some(own) = ours.questions.get(*name) else { continue };
        write!(
            text,
            "| {name} {title} | {} | {}",
            own.rows,
            seconds(own.best_s(), own.best_cpu_s())
        )?;
        for peer in &peers {
            match peer.questions.get(*name) {
                Some(its) => write!(
                    text,
                    " | {} | {:.2}",
                    seconds(its.best_s(), its.best_cpu_s()),
                    own.best_s() / its.best_s()
                )?,
                None => write!(text, " | – | –")?,
            }
        }
        let (verdict, hash) = verdict(answers, name, &engines);
        let shown = match verdict {
            Verdict::Equal => "equal",
            Verdict::Near => "within 3 %",
            Verdict::Different => "DIFFERENT",
            Verdict::Missing => "MISSING",
        };
        if matches!(verdict, Verdict::Different | Verdict::Missing) {
            wrong.push(*name);
        }
        writeln!(text, " | {shown} | `{}` |", hash.get(..12).unwrap_or_default())?;
    }
    for peer in &peers {
        if let Some((mean, worst, name)) = ratio(ours, peer) {
            writeln!(
                text,
                "\n{ENGINE} / {}: geometric mean {mean:.2}, worst {worst:.2} ({name}).",
                peer.engine
            )?;
        }
    }
    memory(&mut text, runs)?;
    if wrong.is_empty() {
        Ok(text)
    } else {
        Err(format!("{text}\nthe answers to {} differ or are missing", wrong.join(", ")).into())
    }
}

fn seconds(wall: f64, cpu: f64) -> String {
    format!("{wall:.3} ({cpu:.2})")
}

fn memory(text: &mut String, runs: &[Run]) -> Result<(), Failure> {
    writeln!(
        text,
        "\n| engine | peak memory, one by one | askers at once | answers/s | p50 | p95 | peak memory |\n\
         |---|---:|---:|---:|---:|---:|---:|"
    )?;
    for run in runs {
        write!(text, "| {} | {} MB |", run.engine, run.peak_bytes >> 20)?;
        match &run.mixed {
            Some(Mixed { clients, seconds, latencies_s, peak_bytes }) => writeln!(
                text,
                " {clients} | {:.2} | {:.2} s | {:.2} s | {} MB |",
                latencies_s.len() as f64 / seconds,
                percentile(latencies_s, 0.5),
                percentile(latencies_s, 0.95),
                peak_bytes >> 20
            )?,
            None => writeln!(text, " – | – | – | – | – |")?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scale::result::Timed;

    fn run(engine: &str, seconds: f64) -> Run {
        let timed = Timed { wall_s: vec![9.0, seconds], cpu_s: vec![9.0, 2.0 * seconds], rows: 1 };
        let questions = NAMES.map(|name| (name.to_owned(), timed.clone())).into();
        Run { engine: engine.to_owned(), version: "1".to_owned(), questions, ..Run::default() }
    }

    #[test]
    fn a_different_answer_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let put = |name: &str, engine: &str, value: &str| {
            let path = folder.path().join(format!("{name}.{engine}.csv"));
            std::fs::write(path, format!("a,b\nx,{value}\n")).unwrap();
        };
        for name in NAMES {
            put(name, ENGINE, "100");
            put(name, "other", "100.0");
        }
        put("q05", "other", "101");
        let about = About { seed: 1, days: 1, rows: 1, bytes: 1, interaction: uuid::Uuid::nil() };
        let runs = [run(ENGINE, 1.0), run("other", 2.0)];
        let text = markdown(&about, folder.path(), &runs).unwrap();
        assert!(text.contains("geometric mean 0.50"), "{text}");
        assert!(text.contains("within 3 %"), "{text}");
        put("q01", "other", "101");
        let error = markdown(&about, folder.path(), &runs).unwrap_err().to_string();
        assert!(error.contains("the answers to q01 differ"), "{error}");
    }

    #[test]
    fn percentiles_by_nearest_rank() {
        let latencies = [4.0, 1.0, 3.0, 2.0];
        assert_eq!(percentile(&latencies, 0.5), 2.0);
        assert_eq!(percentile(&latencies, 0.95), 4.0);
        assert_eq!(percentile(&[], 0.5), 0.0);
    }
}
