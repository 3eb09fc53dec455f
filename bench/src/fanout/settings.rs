//! What is measured.

use std::collections::BTreeMap;

use super::Failure;

/// The options.
pub const USAGE: &str = "options are --subscribers N, --hz N, --rate EVENTS_PER_SECOND, --seconds N, --slow N, \
                         --dataset queue_live|events, --naive true";

/// One measurement.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Connections that read, with one subscription each.
    pub subscribers: u32,
    /// Connections besides that read nothing once they are subscribed.
    pub slow: u32,
    /// Most deltas a second that each asks for.
    pub hz: f64,
    /// Events a second.
    pub rate: u64,
    /// How long, s.
    pub seconds: u64,
    /// `queue_live` (each its ten queues and six columns) or `events` (all of them).
    pub dataset: String,
    /// Every change as a message of its own to everybody it concerns, as a broadcast does.
    pub naive: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            subscribers: 10_000,
            slow: 0,
            hz: 1.0,
            rate: 500,
            seconds: 20,
            dataset: "queue_live".to_owned(),
            naive: false,
        }
    }
}

impl Settings {
    /// Reads options; what is not given stays as it is by default.
    ///
    /// # Errors
    /// Naming the option that is not one or has no such value.
    pub fn parse(arguments: impl Iterator<Item = String>) -> Result<Self, Failure> {
        let mut arguments = arguments;
        let mut given: BTreeMap<String, String> = BTreeMap::new();
        while let Some(name) = arguments.next() {
            let value = arguments.next().ok_or_else(|| format!("{name} has no value; {USAGE}"))?;
            given.insert(name, value);
        }
        let mut settings = Self::default();
        for (name, value) in given {
            let wrong = |error: &dyn std::fmt::Display| format!("{name} {value}: {error}; {USAGE}");
            match name.as_str() {
                "--subscribers" => settings.subscribers = value.parse().map_err(|it| wrong(&it))?,
                "--slow" => settings.slow = value.parse().map_err(|it| wrong(&it))?,
                "--hz" => settings.hz = value.parse().map_err(|it| wrong(&it))?,
                "--rate" => settings.rate = value.parse().map_err(|it| wrong(&it))?,
                "--seconds" => settings.seconds = value.parse().map_err(|it| wrong(&it))?,
                "--naive" => settings.naive = value.parse().map_err(|it| wrong(&it))?,
                "--dataset" if value == "queue_live" || value == "events" => {
                    settings.dataset.clone_from(&value);
                }
                _ => return Err(wrong(&"not an option").into()),
            }
        }
        if settings.rate == 0 || settings.seconds == 0 || settings.subscribers == 0 {
            return Err("--rate, --seconds and --subscribers are at least 1".into());
        }
        Ok(settings)
    }

    /// The same as options.
    #[must_use]
    pub fn arguments(&self) -> Vec<String> {
        [
            ("--subscribers", self.subscribers.to_string()),
            ("--slow", self.slow.to_string()),
            ("--hz", self.hz.to_string()),
            ("--rate", self.rate.to_string()),
            ("--seconds", self.seconds.to_string()),
            ("--dataset", self.dataset.clone()),
            ("--naive", self.naive.to_string()),
        ]
        .into_iter()
        .flat_map(|(name, value)| [name.to_owned(), value])
        .collect()
    }
}
