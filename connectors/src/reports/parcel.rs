//! A report on its way: the file, and what its name can be made of.

use bytes::Bytes;
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use ledgerline_schemas::config::report_schedule::ReportFormat;
use ledgerline_schemas::id::ReportDeliveryId;
use ledgerline_schemas::{Position, Timestamp};
use sha2::{Digest as _, Sha256};

use super::due::utc;

/// Longest name of a file, bytes.
const NAME_BYTES_MAX: usize = 200;

/// A report as a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Artifact {
    /// The file.
    pub bytes: Bytes,
    /// Its media type.
    pub media_type: &'static str,
    /// Position it is true at.
    pub position: Position,
    /// Rows.
    pub rows: u64,
    /// The time it is of, the end not belonging to it.
    pub period: Option<(Timestamp, Timestamp)>,
}

impl Artifact {
    /// Hash of the file, lower-case hex.
    #[must_use]
    pub fn sha256(&self) -> String {
        use std::fmt::Write as _;
        Sha256::digest(&self.bytes).iter().fold(String::with_capacity(64), |mut text, byte| {
            // Writing to a string cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
    }
}

/// A report for one place.
#[derive(Clone, Debug)]
pub struct Parcel {
    /// The same for every attempt.
    pub delivery_id: ReportDeliveryId,
    /// Name of the schedule.
    pub schedule: String,
    /// Name of the report.
    pub report: String,
    /// When it was due.
    pub due_at: Timestamp,
    /// The schedule's zone.
    pub zone: Tz,
    /// Form of the file.
    pub format: ReportFormat,
    /// The file.
    pub artifact: Artifact,
    /// Now.
    pub now: Timestamp,
}

impl Parcel {
    fn local(&self, instant: Timestamp) -> DateTime<Tz> {
        utc(instant).unwrap_or(DateTime::<Utc>::UNIX_EPOCH).with_timezone(&self.zone)
    }

    /// What a placeholder stands for.
    fn value(&self, placeholder: &str) -> Option<String> {
        let due = self.local(self.due_at);
        let day = |instant: DateTime<Tz>| instant.format("%Y-%m-%d").to_string();
        Some(match placeholder {
            "schedule" => self.schedule.clone(),
            "report" => self.report.clone(),
            // With the offset: on the day clocks go back there are two half-hours of the same local time.
            "due" => due.format("%Y-%m-%dT%H%M%z").to_string(),
            "date" => day(due),
            "from" => day(self.artifact.period.map_or(due, |(from, _)| self.local(from))),
            // The last day that belongs to it.
            "to" => match self.artifact.period {
                Some((from, to)) if to > from => {
                    day(self.local(Timestamp::from_micros(to.micros() - 1)))
                }
                _ => day(due),
            },
            "position" => self.artifact.position.to_string(),
            "ext" => self.format.name().to_owned(),
            _ => return None,
        })
    }

    fn expand(&self, pattern: &str, change: impl Fn(String) -> String) -> String {
        let mut out = String::new();
        let mut rest = pattern;
        while let Some((before, after)) = rest.split_once('{') {
            out.push_str(before);
            let found = after.split_once('}');
            match found.and_then(|(name, rest)| Some((self.value(name)?, rest))) {
                Some((value, behind)) => {
                    out.push_str(&change(value));
                    rest = behind;
                }
                None => {
                    out.push('{');
                    rest = after;
                }
            }
        }
        out.push_str(rest);
        out
    }

    /// A line of text from a pattern.
    #[must_use]
    pub fn line(&self, pattern: &str) -> String {
        self.expand(pattern, |value| value.replace(char::is_control, " "))
    }

    /// A file's name from a pattern: names of schedule and report in lower case, with `-` for everything but letters,
    /// digits, `.`, `_` and `+`.
    ///
    /// # Errors
    /// When no name of a file comes out.
    pub fn file_name(&self, pattern: &str) -> Result<String, String> {
        let plain = |value: String| -> String {
            let value = value.chars().map(|c| match c {
                c if c.is_alphanumeric() || "._+-".contains(c) => c,
                _ => '-',
            });
            value.collect()
        };
        let lower = |value: String| match value == self.schedule || value == self.report {
            true => plain(value.to_lowercase()),
            false => plain(value),
        };
        let name = self.expand(pattern, lower);
        let is_odd = name.is_empty()
            || name.starts_with('.')
            || name.contains(['/', '\\'])
            || name.chars().any(char::is_control);
        if is_odd || name.len() > NAME_BYTES_MAX {
            return Err(format!("the pattern {pattern:?} gives no name of a file"));
        }
        Ok(name)
    }
}
