//! A run: which rows in which order, what time is left, and where the results go.

mod appends;
mod plan;
mod readers;
mod restarts;

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::machine::facts::{Facts, load_average};
use crate::machine::memory;
use crate::options::{Options, Part};
use crate::outcome::Outcome;
use crate::report::results::Results;
use crate::report::{self, complain, markdown};
use crate::servers::Programs;
use crate::stores::Kind;

/// What all parts of a run share.
pub(crate) struct Bench {
    pub(crate) options: Options,
    pub(crate) programs: Programs,
    pub(crate) results: Results,
    scratch: PathBuf,
    began: Instant,
    until: Option<Instant>,
    folders: u32,
}

impl Bench {
    /// Tells what is done now.
    pub(crate) fn tell(&self, what: &str) {
        complain(&format!("[{:>4.0} s] {what}", self.began.elapsed().as_secs_f64()));
    }

    /// Stores that can be measured here.
    pub(crate) fn stores(&self, all: &[Kind]) -> Vec<Kind> {
        let here =
            |kind: &Kind| self.options.wants_store(*kind) && self.programs.missing(*kind).is_none();
        all.iter().copied().filter(here).collect()
    }

    /// Whether there is time for something; otherwise it is noted as left out.
    pub(crate) fn time_for(&mut self, what: &str, takes: Duration) -> bool {
        let enough = self.until.is_none_or(|until| Instant::now() + takes <= until);
        if !enough {
            self.tell(&format!("left out, no time: {what}"));
            self.results.left_out.push(what.to_owned());
        }
        enough
    }

    /// A new folder on the measured disk.
    pub(crate) fn folder(&mut self) -> Outcome<PathBuf> {
        self.folders += 1;
        let folder = self.scratch.join(self.folders.to_string());
        std::fs::create_dir(&folder)?;
        Ok(folder)
    }

    /// The measured disk.
    pub(crate) fn scratch(&self) -> &Path {
        &self.scratch
    }
}

/// Runs everything that was asked for and prints the report.
pub(crate) async fn run(options: &Options) -> Outcome<()> {
    let programs = Programs::find(options.peers.as_deref());
    let scratch =
        tempfile::Builder::new().prefix("event-store-bench-").tempdir_in(&options.directory)?;
    // PostgreSQL's user has to get through to its own folder.
    std::fs::set_permissions(scratch.path(), std::fs::Permissions::from_mode(0o711))?;
    complain("using the free memory once, so that no row pays for its first use");
    let kept = memory::keep();
    if kept.changed() {
        complain(
            "free memory stays with this machine until the end: reporting it to the host is off",
        );
    }
    let touched_mib = memory::touch();
    let mut results = Results::begin(Facts::gather(scratch.path(), &programs));
    results.facts.touched_mib = touched_mib;
    results.facts.free_pages_kept = kept.changed();
    for kind in Kind::ALL.into_iter().filter(|kind| options.wants_store(*kind)) {
        if let Some(reason) = programs.missing(kind) {
            complain(&format!("left out: {}: {reason}", kind.label()));
            results.left_out.push(format!("{}: {reason}", kind.label()));
        }
    }
    let began = Instant::now();
    let limited = !options.full && !options.huge;
    let until = limited.then(|| began + Duration::from_secs_f64(options.minutes * 60.0));
    let mut bench = Bench {
        options: options.clone(),
        programs,
        results,
        scratch: scratch.path().to_owned(),
        began,
        until,
        folders: 0,
    };

    // What the targets rest on comes first, what is nice to know last.
    let (headlines, others) = plan::rows(options);
    if options.wants(Part::Appends) {
        appends::measure(&mut bench, &headlines).await?;
    }
    if options.wants(Part::Replay) {
        readers::replay_ours(&mut bench).await?;
    }
    if options.wants(Part::Restart) {
        restarts::measure(&mut bench).await?;
    }
    if options.wants(Part::Subscriptions) {
        readers::subscriptions(&mut bench).await?;
    }
    if options.wants(Part::Replay) {
        readers::replay_peers(&mut bench).await?;
    }
    if options.wants(Part::Appends) {
        appends::measure(&mut bench, &others).await?;
    }

    bench.results.facts.load_at_end = load_average();
    bench.results.seconds = began.elapsed().as_secs_f64();
    let text = markdown::report(&mut bench.results);
    report::say(&text);
    if let Some(folder) = &options.results {
        keep(folder, &bench.results, &text)?;
    }
    Ok(())
}

/// Keeps data and report under the time of the run.
fn keep(folder: &Path, results: &Results, text: &str) -> Outcome<()> {
    std::fs::create_dir_all(folder)?;
    let name = results.began.replace(':', "");
    let data = folder.join(format!("{name}.json"));
    std::fs::write(&data, serde_json::to_string_pretty(results)? + "\n")?;
    std::fs::write(folder.join(format!("{name}.md")), text)?;
    complain(&format!("data: {}", data.display()));
    Ok(())
}
