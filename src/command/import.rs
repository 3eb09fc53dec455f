//! `ledgerline import`.

use std::path::Path;

use indicatif::{ProgressBar, ProgressStyle};
use ledgerline_ingest::import::{
    Mapping, Phase, Progress, QueueLogMapping, Source, call_records, queue_logs,
};

use crate::cli::{AsteriskQueueLog, CallRecords, Import, ImportVerb};
use crate::data_dir::DataDir;
use crate::failure::Failure;
use crate::keys;
use crate::organization::{now, open_log};
use crate::output::{print, say};

/// Imports files.
pub(crate) async fn run(arguments: Import) -> Result<(), Failure> {
    match arguments.verb {
        ImportVerb::CallRecords(arguments) => import_call_records(arguments).await,
        ImportVerb::AsteriskQueueLog(arguments) => import_queue_logs(arguments).await,
    }
}

/// Imports every file, one after the other.
async fn import_call_records(arguments: CallRecords) -> Result<(), Failure> {
    let mapping = mapping(&arguments.mapping)?;
    let data = DataDir::create(&arguments.data, false)?;
    let _held = data.hold()?;
    let org = arguments.org.clone().unwrap_or_else(|| mapping.name().to_owned());
    let known = data.make_organization(&org)?;
    let keyring = keys::open(&data, None)?;
    let log = open_log(&data, &known)?;
    let mut rejected = 0;
    for path in &arguments.files {
        let bytes = std::fs::read(path)
            .map_err(|error| Failure::file(format!("{}: {error}", path.display())))?;
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        let bar = progress_bar(&name);
        let shown = bar.clone();
        let source = Source { name: &name, bytes: &bytes, imported_at: now() };
        let report = call_records(&*log, &keyring, &mapping, source, &mut |progress| {
            show(&shown, progress);
        })
        .await
        .map_err(|error| Failure::data(format!("{}: {error}", path.display())))?;
        bar.finish_and_clear();
        rejected += report.rejected.len();
        print(&report.to_string());
    }
    say(&format!("organization {} ({})", known.name, known.org_id));
    if rejected > 0 {
        return Err(Failure::data(format!("{rejected} rows were rejected; they are listed above")));
    }
    Ok(())
}

/// Imports all files as the one log that they are.
async fn import_queue_logs(arguments: AsteriskQueueLog) -> Result<(), Failure> {
    let mapping = match &arguments.mapping {
        Some(path) => {
            let text = std::fs::read_to_string(path)
                .map_err(|error| Failure::file(format!("{}: {error}", path.display())))?;
            QueueLogMapping::from_toml(&text)
                .map_err(|error| Failure::data(format!("{}: {error}", path.display())))?
        }
        None => QueueLogMapping::default(),
    };
    let mut files = Vec::new();
    for path in &arguments.files {
        let bytes = std::fs::read(path)
            .map_err(|error| Failure::file(format!("{}: {error}", path.display())))?;
        files.push((path.display().to_string(), bytes));
    }
    let data = DataDir::create(&arguments.data, false)?;
    let _held = data.hold()?;
    let org = arguments.org.clone().unwrap_or_else(|| mapping.name().to_owned());
    let known = data.make_organization(&org)?;
    let keyring = keys::open(&data, None)?;
    let log = open_log(&data, &known)?;
    let imported_at = now();
    let sources: Vec<Source<'_>> =
        files.iter().map(|(name, bytes)| Source { name, bytes, imported_at }).collect();
    let bar = progress_bar("queue log");
    let shown = bar.clone();
    let report = queue_logs(&*log, &keyring, &mapping, &sources, arguments.end_open, &mut |it| {
        show(&shown, it);
    })
    .await
    .map_err(|error| Failure::data(error.to_string()))?;
    bar.finish_and_clear();
    print(&report.to_string());
    say(&format!("organization {} ({})", known.name, known.org_id));
    match report.counts().rejected {
        0 => Ok(()),
        rejected => {
            Err(Failure::data(format!("{rejected} lines were rejected; they are listed above")))
        }
    }
}

fn mapping(wanted: &str) -> Result<Mapping, Failure> {
    let path = Path::new(wanted);
    if path.is_file() {
        let text = std::fs::read_to_string(path)
            .map_err(|error| Failure::file(format!("{wanted}: {error}")))?;
        return Mapping::from_toml(&text)
            .map_err(|error| Failure::data(format!("{wanted}: {error}")));
    }
    Mapping::named(wanted).map_err(|error| {
        let known: Vec<&str> = Mapping::built_in().collect();
        Failure::data(format!("--mapping: {error}; built in: {}; or a file", known.join(", ")))
    })
}

fn progress_bar(name: &str) -> ProgressBar {
    let bar = ProgressBar::new(0);
    if let Ok(style) =
        ProgressStyle::with_template("{prefix} {msg:<10} {bar:40} {pos}/{len} rows  {eta} left")
    {
        bar.set_style(style);
    }
    bar.set_prefix(name.to_owned());
    bar
}

fn show(bar: &ProgressBar, progress: Progress) {
    bar.set_message(match progress.phase {
        Phase::Reading => "reading",
        Phase::Appending => "appending",
    });
    bar.set_length(progress.total);
    bar.set_position(progress.done);
}
