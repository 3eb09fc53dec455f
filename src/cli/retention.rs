//! `ledgerline retention`.

use clap::{Args, Subcommand};
use ledgerline_schemas::Timestamp;

use super::{Local, Target};

/// How long rows of the tables are kept, and what is held.
#[derive(Debug, Args)]
pub(crate) struct Retention {
    #[command(subcommand)]
    pub(crate) verb: RetentionVerb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum RetentionVerb {
    /// What is kept of each table, what was dropped, and which holds are in force.
    Status {
        #[command(flatten)]
        target: Target,
    },
    /// Drop what policies no longer keep, with the server stopped. A server does it by itself.
    Run(RetentionRun),
    /// Place a legal hold: what it covers is not dropped.
    Hold(RetentionHold),
    /// Release a legal hold: the next run drops what it covered.
    Release(RetentionRelease),
}

#[derive(Debug, Args)]
pub(crate) struct RetentionRun {
    #[command(flatten)]
    pub(crate) local: Local,
    /// Count only; nothing is dropped.
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Debug, Args)]
pub(crate) struct RetentionHold {
    /// Its name.
    pub(crate) name: String,
    /// Why, 1 to 500 bytes.
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: String,
    /// An interaction, by id; may be repeated.
    #[arg(long, value_name = "ID")]
    pub(crate) interaction: Vec<String>,
    /// A queue, by name or id; may be repeated.
    #[arg(long, value_name = "QUEUE")]
    pub(crate) queue: Vec<String>,
    /// A user, by name or id; may be repeated.
    #[arg(long, value_name = "USER")]
    pub(crate) agent: Vec<String>,
    /// Rows that had not ended before this instant (RFC 3339).
    #[arg(long, value_name = "TIME", value_parser = instant)]
    pub(crate) from: Option<Timestamp>,
    /// Rows that began before this instant (RFC 3339).
    #[arg(long, value_name = "TIME", value_parser = instant)]
    pub(crate) to: Option<Timestamp>,
    /// Hold every row of every table; without it something has to be named.
    #[arg(long, conflicts_with_all = ["interaction", "queue", "agent", "from", "to"])]
    pub(crate) everything: bool,
    #[command(flatten)]
    pub(crate) target: Target,
}

#[derive(Debug, Args)]
pub(crate) struct RetentionRelease {
    /// Name of the hold.
    pub(crate) name: String,
    /// Why, for the history.
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: String,
    #[command(flatten)]
    pub(crate) target: Target,
}

fn instant(text: &str) -> Result<Timestamp, String> {
    Timestamp::parse(text)
        .map_err(|_| format!("{text:?} is no instant such as 2026-11-29T10:00:00Z"))
}
