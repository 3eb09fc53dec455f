//! Schedules of reports: which report, of what time, when, in which form, to where.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::yes;
use crate::id::UserId;

/// Names of periods that depend on the day or hour at which a report is due.
pub const PERIODS: [&str; 9] = [
    "today",
    "yesterday",
    "this-week",
    "last-week",
    "this-month",
    "last-month",
    "last-7-days",
    "last-30-days",
    "last-hour",
];

/// What may stand in braces in the pattern of a file's name.
pub const NAME_PLACEHOLDERS: [&str; 8] =
    ["schedule", "report", "due", "date", "from", "to", "position", "ext"];

/// A report that runs by itself and is delivered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReportSchedule {
    /// Name, unique among schedules.
    pub name: String,
    /// What it is for.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Name of the report, saved or stock.
    pub report: String,
    /// One of [`PERIODS`], as of the time at which the run was due; needed by reports of a time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub period: Option<String>,
    /// IANA zone whose clocks the period and the due times follow.
    #[serde(default = "utc")]
    pub timezone: String,
    /// When it is due.
    pub when: ScheduleWhen,
    /// Form of the file.
    #[serde(default)]
    pub format: ReportFormat,
    /// Where the file goes: at least one place.
    pub deliver: Vec<DeliveryTarget>,
    /// The user whose profile limits what the report shows; the whole organization without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub as_user_id: Option<UserId>,
    /// What becomes of runs that were due while nothing ran.
    #[serde(default)]
    pub missed: MissedRuns,
    /// Switched on.
    #[serde(default = "yes")]
    pub active: bool,
}

fn utc() -> String {
    "UTC".to_owned()
}

/// When a report is due.
///
/// Local times are those of the schedule's zone. One that the clocks skip is due at the first instant after it; of one
/// that comes twice the first counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum ScheduleWhen {
    /// Every so many minutes, 5 to 1,440, counted from 1970-01-01T00:00Z.
    EveryMinutes(u32),
    /// Every hour that passes.
    Hourly {
        /// Minute of the hour on the clocks of the zone, 0 to 59.
        #[serde(default)]
        minute: u32,
    },
    /// Every day.
    Daily {
        /// Local time, `HH:MM`.
        at: String,
    },
    /// On days of the week.
    Weekly {
        /// Which.
        on: Vec<Weekday>,
        /// Local time, `HH:MM`.
        at: String,
    },
    /// Every month.
    Monthly {
        /// Day of the month, 1 to 31; the last one of a month that is shorter.
        day: u32,
        /// Local time, `HH:MM`.
        at: String,
    },
}

/// A day of the week.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the days are what they are called")]
pub enum Weekday {
    Monday,
    Tuesday,
    Wednesday,
    Thursday,
    Friday,
    Saturday,
    Sunday,
}

/// Form of a delivered report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReportFormat {
    /// Comma-separated values.
    Csv,
    /// A spreadsheet.
    #[default]
    Xlsx,
    /// Parquet.
    Parquet,
    /// A drawing as pixels.
    Png,
    /// A drawing as lines and text.
    Svg,
    /// JSON with the totals.
    Json,
}

impl ReportFormat {
    /// The name; also the end of a file's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Xlsx => "xlsx",
            Self::Parquet => "parquet",
            Self::Png => "png",
            Self::Svg => "svg",
            Self::Json => "json",
        }
    }
}

/// A place that reports are delivered to. Secrets and people's addresses are not here: the server's settings hold them
/// under the names that are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum DeliveryTarget {
    /// A file in the folder that the settings allow.
    File {
        /// Folder inside it, parts separated by `/`; the folder itself without.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        folder: String,
        /// Pattern of the name, with [`NAME_PLACEHOLDERS`] in braces.
        #[serde(default = "file_name")]
        name: String,
    },
    /// An HTTP request with the file as its body, signed as Standard Webhooks say.
    Webhook {
        /// Where to; no secret belongs into it.
        url: String,
        /// Name of the secret in the settings.
        secret: String,
    },
    /// A mail with the file attached.
    Mail {
        /// Names of recipients in the settings; addresses are refused.
        to: Vec<String>,
        /// Subject, with [`NAME_PLACEHOLDERS`] in braces.
        #[serde(default = "subject")]
        subject: String,
    },
}

fn file_name() -> String {
    "{schedule}-{due}.{ext}".to_owned()
}

fn subject() -> String {
    "{report}, {date}".to_owned()
}

/// What becomes of runs that were due while nothing ran.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MissedRuns {
    /// The newest is made up for.
    #[default]
    Newest,
    /// All are, oldest first.
    All,
}
