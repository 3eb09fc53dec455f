//! Structured logs. They hold ids, codes and counts, never numbers, names or texts of people.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Writes logs to the error output: text on a terminal, JSON when asked.
pub(crate) fn start(level: &str, json: bool) {
    let mut filter = EnvFilter::try_from_env("LEDGERLINE_LOG")
        .or_else(|_| EnvFilter::try_new(level))
        .unwrap_or_else(|_| EnvFilter::new("info"));
    // The SIP stack logs whole messages, numbers included; the query engine logs plans with literals.
    for directive in [
        ledgerline_ingest::voice::STACK_LOG_DIRECTIVE,
        "datafusion=off",
        "datafusion_optimizer=off",
        "sqlparser=off",
        "pgwire=warn",
    ] {
        if let Ok(directive) = directive.parse() {
            filter = filter.add_directive(directive);
        }
    }
    let registry = tracing_subscriber::registry().with(filter);
    let layer = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    let outcome = if json {
        registry.with(layer.json().flatten_event(true)).try_init()
    } else {
        registry.with(layer.compact()).try_init()
    };
    if let Err(error) = outcome {
        crate::output::complain(&format!("logs cannot be started: {error}"));
    }
}
