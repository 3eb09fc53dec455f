//! The Fluvio carrier against a real SC and SPU: what held, and how fast it was. `cargo xtask fluvio-suite` runs it.
//!
//! Arguments: the `fluvio-run` program, and where to write the evidence. Prints what it does; ends with an
//! error when anything did not hold, and then writes nothing. Without the second argument it only keeps a
//! cluster running, for trying things by hand.
#![allow(clippy::print_stdout, reason = "a program for a terminal")]

#[path = "../tests/fluvio_support/mod.rs"]
mod fluvio_support;

use std::fmt::Write as _;
use std::io::Read as _;
use std::path::PathBuf;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use fluvio_support::{Cluster, Outcome, figures, mirrors, moving, scenarios, text};

/// Kills of the SPU while a writer writes.
const KILLS: u32 = 10;

#[tokio::main]
async fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (program, evidence) = match arguments.as_slice() {
        [program] => (program, None),
        [program, evidence] => (program, Some(evidence)),
        _ => return Err("usage: fluvio_suite FLUVIO_RUN [EVIDENCE.md]".to_owned()),
    };
    let mut cluster = Cluster::start(&PathBuf::from(program)).await?;
    let version = cluster.version().await?;
    println!("Fluvio {version} at {}", cluster.endpoint());
    let Some(evidence) = evidence else {
        println!("it runs until the end of the input; its topics end with it");
        return tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new()))
            .await
            .map_err(text)?
            .map(|_| ())
            .map_err(text);
    };
    let mut held = Vec::new();
    macro_rules! run {
        ($what:expr, $scenario:expr) => {{
            println!("{} …", $what);
            let began = Instant::now();
            let seen: String = $scenario.await.map_err(|error| format!("{}: {error}", $what))?;
            println!("  held, {:.1} s: {seen}", began.elapsed().as_secs_f64());
            held.push(($what, seen));
        }};
    }
    let cluster = &mut cluster;
    run!("entries come back, over batches and segments", scenarios::come_back(cluster));
    run!("two writers and a live follower", scenarios::two_writers(cluster));
    run!("a topic that would lose records is refused", scenarios::retention_refused(cluster));
    run!("SPU killed (`kill -9`) and restarted", scenarios::spu_killed(cluster, KILLS));
    run!("SC killed (`kill -9`) and restarted", scenarios::controller_killed(cluster));
    run!("the contract of carriers", mirrors::carrier_conformance(cluster));
    run!("the contract of logs, by a mirror", mirrors::log_conformance(cluster));
    run!("takeover by a standby", mirrors::takeover(cluster));
    run!("moving: embedded, Fluvio, embedded", moving::there_and_back(cluster));
    println!("figures …");
    let figures = figures::measure(cluster).await?;
    for figure in &figures {
        println!("  {}: {}", figure.what, figure.value);
    }
    let text_of_evidence = page(&version, &held, &figures)?;
    std::fs::write(evidence, text_of_evidence).map_err(|error| format!("{evidence}: {error}"))?;
    println!("written to {evidence}");
    Ok(())
}

/// The evidence, in Markdown.
fn page(version: &str, held: &[(&str, String)], figures: &[figures::Figure]) -> Outcome<String> {
    let mut page = String::new();
    let since = SystemTime::now().duration_since(UNIX_EPOCH).map_err(text)?;
    let (year, month, day) = date(since.as_secs() / 86_400);
    let cores = std::thread::available_parallelism().map_err(text)?;
    write!(
        page,
        "# Fluvio: what was run\n\n\
         Written by `cargo xtask fluvio-suite` on {year}-{month:02}-{day:02}; do not edit. A real SC and one \
         SPU, started without Kubernetes on one machine ({cores} processors), reached over loopback. Server \
         {version}, client crate `fluvio` 0.50.1. One copy of each topic: replication over several SPUs was \
         not run.\n\n\
         ## What held\n\n| | seen |\n|---|---|\n"
    )
    .map_err(text)?;
    for (what, seen) in held {
        writeln!(page, "| {what} | {} |", seen.replace('|', "\\|")).map_err(text)?;
    }
    page.push_str(
        "\n## Figures\n\nSingle runs. Fluvio acknowledges from memory: these are no figures of durable \
         appends.\n\n| | |\n|---|---|\n",
    );
    for figure in figures {
        writeln!(page, "| {} | {} |", figure.what, figure.value).map_err(text)?;
    }
    Ok(page)
}

/// Year, month and day of a number of days since 1970-01-01 (H. Hinnant, "chrono-Compatible Low-Level Date
/// Algorithms", `civil_from_days`, for days that are not negative).
fn date(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day)
}
