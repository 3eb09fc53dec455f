//! Mappings: how the rows of a file become events.

use chrono_tz::Tz;

use super::clock::{Clock, Format};
use super::spec::{QueueSpec, Spec};
use ledgerline_schemas::limits::NAME_CHARS_MAX;

/// A mapping was refused. The message names the key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MappingError {
    /// There is no built-in mapping of this name.
    #[error("there is no built-in mapping {name:?}; there are: {known}")]
    Unknown {
        /// The name asked for.
        name: String,
        /// The names there are.
        known: String,
    },
    /// The text is not TOML, lacks a key, or has one that the mapping language does not know.
    #[error("the mapping is not valid: {reason}")]
    Toml {
        /// Where and why.
        reason: String,
    },
    /// A key has a value that does not make sense.
    #[error("{key} in the mapping is not valid: {reason}")]
    Key {
        /// Path of the key, such as `time.format`.
        key: String,
        /// What is wrong.
        reason: String,
    },
}

impl MappingError {
    pub(super) fn key(key: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Key { key: key.into(), reason: reason.into() }
    }
}

const BUILT_IN: &[(&str, &str)] =
    &[("anonymous-bank", include_str!("mappings/anonymous-bank.toml"))];

const MAPPING_NAME_BYTES_MAX: usize = 40;

/// How the rows of a file become events; written in TOML (see `docs/importing.md`).
#[derive(Clone, Debug)]
pub struct Mapping {
    pub(super) spec: Spec,
    pub(super) clock: Clock,
    pub(super) delimiter: u8,
    pub(super) quote: Option<u8>,
}

impl Mapping {
    /// The built-in mapping of this name.
    ///
    /// # Errors
    /// [`MappingError::Unknown`] if there is none.
    pub fn named(name: &str) -> Result<Self, MappingError> {
        let Some((_, text)) = BUILT_IN.iter().find(|(known, _)| *known == name) else {
            let known: Vec<&str> = Self::built_in().collect();
            return Err(MappingError::Unknown { name: name.to_owned(), known: known.join(", ") });
        };
        Self::from_toml(text)
    }

    /// Names of the built-in mappings.
    pub fn built_in() -> impl Iterator<Item = &'static str> {
        BUILT_IN.iter().map(|(name, _)| *name)
    }

    /// Reads a mapping.
    ///
    /// # Errors
    /// [`MappingError`], naming the key.
    pub fn from_toml(text: &str) -> Result<Self, MappingError> {
        let spec: Spec = toml::from_str(text)
            .map_err(|error| MappingError::Toml { reason: error.to_string() })?;
        check_mapping_name(&spec.name)?;
        check_keys(&spec)?;
        check_times(&spec)?;
        check_values(&spec)?;
        let zone: Tz = spec.timezone.parse().map_err(|_| {
            MappingError::key("timezone", format!("{:?} is no IANA time zone", spec.timezone))
        })?;
        let format = Format::parse(&spec.time.format)
            .map_err(|reason| MappingError::key("time.format", reason))?;
        let date = match &spec.time.date_format {
            Some(date) => Some(
                Format::parse(date)
                    .map_err(|reason| MappingError::key("time.date_format", reason))?,
            ),
            None => None,
        };
        let delimiter = one_byte("file.delimiter", &spec.file.delimiter)?;
        let quote = match &spec.file.quote {
            Some(quote) => Some(one_byte("file.quote", quote)?),
            None => None,
        };
        if quote == Some(delimiter) {
            return Err(MappingError::key("file.quote", "it is the delimiter"));
        }
        let clock = Clock { zone, format, date, absent: spec.time.absent.clone() };
        Ok(Self { spec, clock, delimiter, quote })
    }

    /// The mapping's name: part of every id that an import derives.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.spec.name
    }

    pub(super) fn queue(&self, value: &str) -> Option<&QueueSpec> {
        self.spec.queue.iter().find(|queue| queue.value == value)
    }
}

fn one_byte(key: &str, text: &str) -> Result<u8, MappingError> {
    match text.as_bytes() {
        [byte] if byte.is_ascii() && !matches!(byte, b'\r' | b'\n') => Ok(*byte),
        _ => Err(MappingError::key(key, "it is not one ASCII character")),
    }
}

/// Whether a mapping may have this name.
pub(super) fn check_mapping_name(name: &str) -> Result<(), MappingError> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if name.is_empty() || name.len() > MAPPING_NAME_BYTES_MAX || !name.bytes().all(plain) {
        return Err(MappingError::key("name", "it is not 1 to 40 characters of a-z 0-9 -"));
    }
    Ok(())
}

fn check_keys(spec: &Spec) -> Result<(), MappingError> {
    if spec.file.key.is_empty() {
        return Err(MappingError::key(
            "file.key",
            "it names no column; it must name those that make a row unique",
        ));
    }
    if !spec.file.header && spec.file.columns.is_empty() {
        return Err(MappingError::key(
            "file.columns",
            "it must list the columns, because file.header is false",
        ));
    }
    if spec.file.header && !spec.file.columns.is_empty() {
        return Err(MappingError::key("file.columns", "the header already names the columns"));
    }
    let missing = |stage: &super::spec::StageSpec| stage.duration.is_none() && stage.end.is_none();
    if missing(&spec.wait) {
        return Err(MappingError::key("wait.duration", "neither it nor wait.end is given"));
    }
    if spec.wait.duration.is_none() && spec.wait.start.is_none() {
        return Err(MappingError::key("wait.start", "neither it nor wait.duration is given"));
    }
    if missing(&spec.service) {
        return Err(MappingError::key("service.duration", "neither it nor service.end is given"));
    }
    if spec.flow.is_none() && spec.wait.start.is_none() {
        return Err(MappingError::key(
            "wait.start",
            "without [flow] it is when the interaction began, and it is not given",
        ));
    }
    if let Some(flow) = &spec.flow {
        for (key, name) in [("flow.name", &flow.name), ("flow.entry_point", &flow.entry_point)] {
            entity_name(key, name)?;
        }
    }
    Ok(())
}

fn check_times(spec: &Spec) -> Result<(), MappingError> {
    match (&spec.time.date_column, &spec.time.date_format) {
        (Some(_), None) => Err(MappingError::key(
            "time.date_format",
            "it is missing, but time.date_column is given",
        )),
        (None, Some(_)) => Err(MappingError::key(
            "time.date_column",
            "it is missing, but time.date_format is given",
        )),
        _ => Ok(()),
    }
}

fn check_values(spec: &Spec) -> Result<(), MappingError> {
    let outcomes = [
        ("outcome.answered", &spec.outcome.answered),
        ("outcome.hung_up", &spec.outcome.hung_up),
        ("outcome.skipped", &spec.outcome.skipped),
    ];
    for (index, (key, values)) in outcomes.iter().enumerate() {
        for value in *values {
            if outcomes.iter().skip(index + 1).any(|(_, others)| others.contains(value)) {
                return Err(MappingError::key(*key, format!("{value:?} is listed twice")));
            }
        }
    }
    if let Some(priority) = &spec.priority {
        for value in priority.values.values().chain([&priority.default]) {
            priority_range("priority.values", *value)?;
        }
    }
    if let Some(agent) = &spec.agent {
        entity_name("agent.unnamed_code", &agent.unnamed_code)?;
    }
    check_queues(&spec.queue)
}

/// Whether `[[queue]]` can be read.
pub(super) fn check_queues(queues: &[QueueSpec]) -> Result<(), MappingError> {
    for (index, queue) in queues.iter().enumerate() {
        entity_name("queue.name", queue.name())?;
        if queues.iter().skip(index + 1).any(|other| other.value == queue.value) {
            return Err(MappingError::key(
                "queue.value",
                format!("{:?} is listed twice", queue.value),
            ));
        }
        for credit in &queue.wait_credits {
            priority_range("queue.wait_credits", credit.priority)?;
        }
    }
    Ok(())
}

fn priority_range(key: &str, priority: u8) -> Result<(), MappingError> {
    if (1..=10).contains(&priority) {
        return Ok(());
    }
    Err(MappingError::key(key, format!("{priority} is not 1 (highest) to 10 (default)")))
}

pub(super) fn entity_name(key: &str, name: &str) -> Result<(), MappingError> {
    if name.trim().is_empty() || name.chars().count() > NAME_CHARS_MAX {
        return Err(MappingError::key(key, format!("it is not 1 to {NAME_CHARS_MAX} characters")));
    }
    Ok(())
}
