//! Our log, killed with `kill -9` while it writes, and opened again.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;

use super::Bench;
use crate::child::{self, Task};
use crate::machine::disk;
use crate::measure::restart::{EVENT_BYTES, FILLED, Opened, Spec};
use crate::outcome::Outcome;
use crate::report::results::Restarted;
use crate::stores::Kind;

const MILLION: u64 = 1_000_000;
/// Slowest filling that is waited for, events a second.
const SLOWEST: u64 = 50_000;
/// Longest opening that is waited for.
const PATIENCE: Duration = Duration::from_secs(300);
/// Free bytes beside the log itself.
const SPARE_BYTES: u64 = 2 << 30;

/// With one and ten million events, and a hundred when asked for.
pub(crate) async fn measure(bench: &mut Bench) -> Outcome<()> {
    if !bench.options.wants_store(Kind::Ledgerline) {
        return Ok(());
    }
    let mut sizes = vec![(MILLION, 8), (10 * MILLION, 60)];
    if bench.options.huge {
        sizes.push((100 * MILLION, 600));
    }
    for (events, seconds) in sizes {
        let what = format!("restart with {} million events", events / MILLION);
        let (free, needed) =
            (disk::free_bytes(bench.scratch())?, events * EVENT_BYTES + SPARE_BYTES);
        if free < needed {
            let reason = format!(
                "{what}: needs {} GB of disk, {} GB are free",
                needed.div_ceil(1_000_000_000),
                free / 1_000_000_000
            );
            bench.tell(&format!("left out: {reason}"));
            bench.results.left_out.push(reason);
            continue;
        }
        if bench.time_for(&what, Duration::from_secs(seconds)) {
            bench.tell(&what);
            let folder = bench.folder()?;
            if let Err(error) = restart(bench, events, &folder).await {
                bench.tell(&format!("failed: {error}"));
                bench.results.failures.push(format!("{what}: {error}"));
            }
            std::fs::remove_dir_all(&folder)?;
        }
    }
    Ok(())
}

async fn restart(bench: &mut Bench, events: u64, folder: &Path) -> Outcome<()> {
    let directory = folder.join("log");
    let acknowledged = fill_and_kill(events, &directory).await?;
    for cold in [true, false] {
        let task = Task::Open(Spec { directory: directory.clone(), at_least: acknowledged, cold });
        let opened: Opened = child::run(&task, PATIENCE).await?;
        bench.results.restarts.push(Restarted::ours(cold, opened));
    }
    Ok(())
}

/// Fills a log in a child and kills it while it appends on. Answers with what was acknowledged.
async fn fill_and_kill(events: u64, directory: &Path) -> Outcome<u64> {
    let mut child = Command::new(std::env::current_exe()?)
        .arg("fill-and-hold")
        .arg(directory)
        .arg(events.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let output = child.stdout.take().ok_or("the child has no output")?;
    let mut lines = BufReader::new(output).lines();
    let most = Duration::from_secs(60 + events / SLOWEST);
    let line = tokio::time::timeout(most, lines.next_line())
        .await
        .map_err(|_| format!("not filled after {} s", most.as_secs()))??;
    let filled = line.as_deref().and_then(|line| line.strip_prefix(FILLED));
    let filled = filled.ok_or("the log could not be filled")?.parse()?;
    // SIGKILL, in the middle of its appends.
    child.kill().await?;
    Ok(filled)
}
