//! Runs the crash simulation of the log for longer than the tests do:
//! `cargo run --release -p ledgerline-event-store --features simulation --example power_cuts -- 1000`
//! (the number of histories; a second number is the first seed).

use std::process::ExitCode;

use ledgerline_event_store::simulation::{Variant, simulate};

#[expect(clippy::print_stdout, clippy::print_stderr, reason = "a command for the terminal")]
fn main() -> ExitCode {
    let mut numbers = std::env::args().skip(1).map(|text| text.parse::<u64>());
    let (Ok(histories), Ok(first)) =
        (numbers.next().unwrap_or(Ok(100)), numbers.next().unwrap_or(Ok(0)))
    else {
        eprintln!("usage: power_cuts [HISTORIES [FIRST_SEED]]");
        return ExitCode::from(2);
    };
    let report = simulate(first..first.saturating_add(histories), Variant::Correct);
    println!("{report}");
    if report.failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
