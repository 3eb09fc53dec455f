//! Ledgerline's log measured beside its peers: see README.md.

mod child;
mod load;
mod machine;
mod measure;
mod options;
mod outcome;
mod report;
mod run;
mod servers;
mod stores;

use std::process::ExitCode;

use clap::Parser as _;
use options::{Cli, Verb};
use outcome::Outcome;

/// SQLite's 512 writers are threads.
const BLOCKING_THREADS_MAX: usize = 600;

fn main() -> ExitCode {
    match carry_out(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report::complain(&error.to_string());
            ExitCode::FAILURE
        }
    }
}

fn carry_out(cli: Cli) -> Outcome<()> {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.enable_all().max_blocking_threads(BLOCKING_THREADS_MAX).build()?;
    match cli.verb {
        None => runtime.block_on(run::run(&cli.options)),
        Some(Verb::Measure { task }) => {
            report::say(&runtime.block_on(child::measure(&task))?);
            Ok(())
        }
        Some(Verb::Spin) => machine::awake::spin(),
        Some(Verb::FillAndHold { directory, events }) => {
            measure::restart::fill_and_hold(&directory, events)
        }
        Some(Verb::ServeKurrent { directory, address }) => {
            runtime.block_on(servers::serve_kurrent(&directory, &address))
        }
    }
}
