//! The `ledgerline` binary: composition root and command line. It holds no domain rules; it opens what
//! the crates offer and plugs them together.

mod alerts;
mod at_rest;
mod backup_set;
mod certificate;
mod cli;
mod command;
mod custody;
mod data_dir;
mod demo;
#[cfg(test)]
mod deployment;
mod engine;
mod event_house;
mod failure;
mod keys;
mod live;
mod logging;
mod oidc;
mod ops;
mod organization;
mod output;
mod ports;
mod progress;
mod publication;
mod publication_task;
mod publication_views;
mod published_metrics;
mod refused_body;
mod reports;
mod retention;
mod settings;
mod standby;
mod storage;
mod system;
mod webhooks;

use std::process::ExitCode;

use clap::Parser as _;

/// Questions take and give back large buffers all the time: see docs/adr/0037-allocator.md.
#[cfg(not(target_env = "msvc"))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

use cli::{Cli, Verb};
use failure::Failure;

fn main() -> ExitCode {
    // One provider for every user of TLS in the process; before anything can open a connection.
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        output::complain("a TLS provider was installed before ours");
        return ExitCode::FAILURE;
    }
    let cli = Cli::parse();
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            output::complain(&failure.to_string());
            ExitCode::from(failure.code())
        }
    }
}

fn run(cli: Cli) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::software(format!("the async runtime: {error}")))?;
    let outcome = runtime.block_on(async {
        match cli.verb {
            Verb::Serve(arguments) => command::serve::run(arguments).await,
            Verb::Demo(arguments) => demo::run(arguments).await,
            Verb::Config(arguments) => command::config::run(arguments).await,
            Verb::Sql(arguments) => command::sql::run(arguments).await,
            Verb::Top(arguments) => command::top::run(arguments).await,
            Verb::Report(arguments) => command::report::run(arguments).await,
            Verb::Webhook(arguments) => command::webhook::run(arguments).await,
            Verb::Replay(arguments) => command::replay::run(arguments).await,
            Verb::Rebuild(arguments) => command::rebuild::run(arguments).await,
            Verb::Tables(arguments) => command::tables::run(arguments).await,
            Verb::Retention(arguments) => command::retention::run(arguments).await,
            Verb::Import(arguments) => command::import::run(arguments).await,
            Verb::Token(arguments) => command::token::run(arguments),
            Verb::EraseSubject(arguments) => command::erase::run(arguments).await,
            Verb::Keys(arguments) => command::keys::run(arguments),
            Verb::Verify(arguments) => command::verify::run(arguments).await,
            Verb::Engine(arguments) => command::engine::run(arguments).await,
            Verb::Audit(arguments) => command::audit::run(arguments).await,
            Verb::Archive(arguments) => command::archive::run(arguments).await,
            Verb::Backup(arguments) => command::backup::run(arguments).await,
            Verb::Restore(arguments) => command::restore::run(arguments).await,
        }
    });
    // Blocking work that hangs on a dead peer must not keep the process.
    runtime.shutdown_timeout(std::time::Duration::from_secs(5));
    outcome
}
