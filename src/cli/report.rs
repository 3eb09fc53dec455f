//! `ledgerline report`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::Target;

/// Reports of the configuration and those that come with the product.
#[derive(Debug, Args)]
pub(crate) struct Report {
    #[command(subcommand)]
    pub(crate) verb: ReportVerb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ReportVerb {
    /// What reports there are.
    List {
        #[command(flatten)]
        target: Target,
    },
    /// The definition of one, as JSON: change it, give it a name of its own, and apply or run it.
    Show {
        /// Name; upper and lower case alike, `-` for spaces.
        name: String,
        #[command(flatten)]
        target: Target,
    },
    /// Run one.
    Run(ReportRun),
    /// What is due when, and what became of it.
    Schedules {
        #[command(flatten)]
        target: Target,
    },
    /// Run a schedule now, out of turn, and deliver it.
    Deliver {
        /// Name or id of the report_schedule.
        schedule: String,
        #[command(flatten)]
        target: Target,
    },
}

#[derive(Debug, Args)]
pub(crate) struct ReportRun {
    /// Name; upper and lower case alike, `-` for spaces.
    pub(crate) name: Option<String>,
    #[command(flatten)]
    pub(crate) target: Target,
    /// A definition of one's own instead of a name.
    #[arg(long, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// Begin: a day, a local time, or RFC 3339.
    #[arg(long, requires = "to", value_name = "TIME")]
    pub(crate) from: Option<String>,
    /// End, which does not belong to it.
    #[arg(long, requires = "from", value_name = "TIME")]
    pub(crate) to: Option<String>,
    /// today, yesterday, this-week, last-week, this-month, last-month, last-7-days, last-30-days or last-hour.
    #[arg(long, conflicts_with_all = ["from", "to"], value_name = "NAME")]
    pub(crate) period: Option<String>,
    /// Whose clocks days and intervals follow (IANA name).
    #[arg(long, default_value = "UTC", value_name = "ZONE")]
    pub(crate) timezone: String,
    /// The tables as they were: a position of the log, or an instant.
    #[arg(long, value_name = "POSITION|INSTANT")]
    pub(crate) as_of: Option<String>,
    /// table, csv, json, ndjson, arrow, parquet, xlsx, svg or png.
    #[arg(long, default_value = "table")]
    pub(crate) format: String,
    /// Where the file goes; `-` is the standard output. Without it a table is printed, and anything else gets a name
    /// of the report's.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}
