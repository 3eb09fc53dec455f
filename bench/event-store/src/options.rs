//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::stores::Kind;

/// Durable appends, replays, subscriptions and restarts of Ledgerline's log beside other stores.
#[derive(Debug, Parser)]
#[command(version, about)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) verb: Option<Verb>,
    #[command(flatten)]
    pub(crate) options: Options,
}

/// What a child of the run does. Not for people.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// One measurement.
    #[command(hide = true)]
    Measure {
        /// The task as JSON.
        task: String,
    },
    /// Keeps a processor awake until its input ends.
    #[command(hide = true)]
    Spin,
    /// Fills a log and appends until it is killed.
    #[command(hide = true)]
    FillAndHold {
        /// The log.
        directory: PathBuf,
        /// Events before it says so.
        events: u64,
    },
    /// Serves a log over the KurrentDB protocol.
    #[command(hide = true)]
    ServeKurrent {
        /// The log.
        directory: PathBuf,
        /// `127.0.0.1:PORT`.
        address: String,
    },
}

/// How to run.
#[derive(Args, Clone, Debug)]
pub(crate) struct Options {
    /// A directory on the disk to be measured; a folder is made in it and removed afterwards
    #[arg(long, default_value_os_t = std::env::temp_dir())]
    pub(crate) directory: PathBuf,
    /// Measured seconds of each row
    #[arg(long, default_value_t = 1.5)]
    pub(crate) seconds: f64,
    /// Rounds of the headline rows; the stores take turns in each
    #[arg(long, default_value_t = 3)]
    pub(crate) rounds: u32,
    /// The whole matrix: every combination of writers, batch, payload and streams, in all rounds (hours)
    #[arg(long)]
    pub(crate) full: bool,
    /// Restart with 100 million events, too (about 25 GB of disk, some minutes)
    #[arg(long)]
    pub(crate) huge: bool,
    /// Only these stores
    #[arg(long, value_delimiter = ',')]
    pub(crate) stores: Vec<Kind>,
    /// Only these parts: appends, subscriptions, replay, restart
    #[arg(long, value_delimiter = ',')]
    pub(crate) parts: Vec<Part>,
    /// Minutes after which no further row begins; what was left out is said. None with --full or --huge
    #[arg(long, default_value_t = 11.0)]
    pub(crate) minutes: f64,
    /// A folder with the programs `umadb` and `nats-server`, looked at before the search path
    #[arg(long)]
    pub(crate) peers: Option<PathBuf>,
    /// A folder where the data of the run (JSON) and the report (Markdown) are kept; by default it is only
    /// printed
    #[arg(long)]
    pub(crate) results: Option<PathBuf>,
}

/// A part of the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub(crate) enum Part {
    /// Durable appends.
    Appends,
    /// From an append to a subscriber.
    Subscriptions,
    /// Reading everything back.
    Replay,
    /// Opening after a kill.
    Restart,
}

impl Options {
    /// Whether a part is wanted.
    pub(crate) fn wants(&self, part: Part) -> bool {
        self.parts.is_empty() || self.parts.contains(&part)
    }

    /// Whether a store is wanted.
    pub(crate) fn wants_store(&self, kind: Kind) -> bool {
        self.stores.is_empty() || self.stores.contains(&kind)
    }
}
