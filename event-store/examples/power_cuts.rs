//! Runs the crash simulation of the log for longer than the tests do, on every core:
//! `cargo run --release -p ledgerline-event-store --features simulation --example power_cuts -- 1000000`
//! (the number of power cuts; a second number is the first seed). Of every forty histories, twenty have files in clear
//! and twenty encrypted ones.

use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use ledgerline_event_store::simulation::{AtRest, Report, Variant, simulate};

/// Histories between two looks at the count.
const STEP: u64 = 20;
/// Seeds within which every broken variant has to be caught.
const BROKEN_SEEDS: u64 = 200;

#[expect(clippy::print_stdout, clippy::print_stderr, reason = "a command for the terminal")]
fn main() -> ExitCode {
    let mut numbers = std::env::args().skip(1).map(|text| text.parse::<u64>());
    let (Ok(power_cuts), Ok(first)) =
        (numbers.next().unwrap_or(Ok(20_000)), numbers.next().unwrap_or(Ok(0)))
    else {
        eprintln!("usage: power_cuts [POWER_CUTS [FIRST_SEED]]");
        return ExitCode::from(2);
    };
    let (next, done) = (AtomicU64::new(first), AtomicU64::new(0));
    let began = Instant::now();
    let worker = || {
        let mut whole = Report::default();
        while done.load(Ordering::Relaxed) < power_cuts {
            let seed = next.fetch_add(STEP, Ordering::Relaxed);
            let at_rest = AtRest::of_turn(seed / STEP);
            let report = simulate(seed..seed.saturating_add(STEP), Variant::Correct, at_rest);
            let now = done.fetch_add(report.power_cuts, Ordering::Relaxed) + report.power_cuts;
            eprint!("\r{now} of {power_cuts} power cuts, {:.0} s ", began.elapsed().as_secs_f64());
            whole.add(report);
        }
        whole
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let whole = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..cores).map(|_| scope.spawn(worker)).collect();
        workers.into_iter().fold(Report::default(), |mut whole, worker| {
            if let Ok(report) = worker.join() {
                whole.add(report);
            }
            whole
        })
    });
    eprintln!();
    println!("{whole}");
    let mut good = whole.failures.is_empty() && whole.power_cuts >= power_cuts;
    for variant in Variant::BROKEN {
        for at_rest in [AtRest::Clear, AtRest::Encrypted] {
            if !variant.harms(at_rest) {
                continue;
            }
            let caught = (first..first.saturating_add(BROKEN_SEEDS))
                .find(|seed| !simulate(*seed..seed + 1, variant, at_rest).failures.is_empty());
            match caught {
                Some(seed) => println!("{variant:?}, files {at_rest:?}: caught by seed {seed}"),
                None => {
                    println!(
                        "{variant:?}, files {at_rest:?}: NOT caught by {BROKEN_SEEDS} seeds from \
                         {first} on"
                    );
                    good = false;
                }
            }
        }
    }
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
