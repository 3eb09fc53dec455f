//! Settings of an import of queue logs: which names become what. Everything has a default.

use std::collections::BTreeMap;

use chrono_tz::Tz;
use serde::Deserialize;

use crate::import::mapping::{MappingError, check_mapping_name, check_queues, entity_name};
use crate::import::spec::{QueueSpec, UnknownQueue};

/// How the names in a queue log are read; written in TOML (see `docs/importing.md`).
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QueueLogMapping {
    #[serde(default = "default_name")]
    name: String,
    #[serde(default = "utc")]
    pub(super) timezone: String,
    #[serde(default)]
    pub(super) agents: AgentsSpec,
    #[serde(default)]
    agent: Vec<AgentSpec>,
    #[serde(default)]
    pub(super) callers: CallersSpec,
    #[serde(default)]
    pub(super) pauses: PausesSpec,
    #[serde(default)]
    pause: Vec<PauseSpec>,
    #[serde(default)]
    pub(super) queues: QueuesSpec,
    #[serde(default)]
    queue: Vec<QueueSpec>,
    #[serde(default)]
    events: EventsSpec,
}

fn default_name() -> String {
    "asterisk-queue-log".to_owned()
}

fn utc() -> String {
    "UTC".to_owned()
}

fn asterisk() -> String {
    "Asterisk".to_owned()
}

fn unnamed() -> String {
    "unnamed".to_owned()
}

/// `[agents]`: what agents are called and where they work.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct AgentsSpec {
    pub(super) names: AgentNames,
    pub(super) unnamed_code: String,
    pub(super) site: String,
    pub(super) team: String,
}

impl Default for AgentsSpec {
    fn default() -> Self {
        Self {
            names: AgentNames::default(),
            unnamed_code: unnamed(),
            site: asterisk(),
            team: asterisk(),
        }
    }
}

/// What becomes of the name of an agent that no `[[agent]]` lists.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum AgentNames {
    /// A code.
    #[default]
    Coded,
    /// It stays.
    Recorded,
}

/// One `[[agent]]`: names in the log that are one agent.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct AgentSpec {
    values: Vec<String>,
    name: String,
}

/// `[callers]`: what becomes of callers' numbers.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct CallersSpec {
    pub(super) number: CallerNumber,
    unidentified: Vec<String>,
}

impl Default for CallersSpec {
    fn default() -> Self {
        let nobody = ["anonymous", "private", "restricted", "unavailable", "unknown", "<unknown>"];
        Self { number: CallerNumber::default(), unidentified: nobody.map(str::to_owned).to_vec() }
    }
}

/// How a caller's number is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum CallerNumber {
    /// Sealed with the key of the person.
    #[default]
    Sealed,
    /// As a code that says who is the same.
    Coded,
    /// Not at all.
    Ignored,
}

/// `[pauses]`.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct PausesSpec {
    pub(super) unknown: UnknownPause,
}

/// What happens to a pause whose reason no `[[pause]]` lists.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum UnknownPause {
    /// An idle code is made, named by the reason.
    #[default]
    Create,
    /// It has no idle code.
    Uncoded,
}

/// One `[[pause]]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PauseSpec {
    value: String,
    name: String,
}

/// `[queues]`.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct QueuesSpec {
    pub(super) unknown: UnknownQueue,
}

impl Default for QueuesSpec {
    fn default() -> Self {
        Self { unknown: UnknownQueue::Create }
    }
}

/// `[events]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct EventsSpec {
    information: Vec<String>,
}

impl Default for QueueLogMapping {
    /// Agents are coded, callers sealed, queues and idle codes named as in the log.
    fn default() -> Self {
        Self {
            name: default_name(),
            timezone: utc(),
            agents: AgentsSpec::default(),
            agent: Vec::new(),
            callers: CallersSpec::default(),
            pauses: PausesSpec::default(),
            pause: Vec::new(),
            queues: QueuesSpec::default(),
            queue: Vec::new(),
            events: EventsSpec::default(),
        }
    }
}

impl QueueLogMapping {
    /// Reads a mapping.
    ///
    /// # Errors
    /// [`MappingError`], naming the key.
    pub fn from_toml(text: &str) -> Result<Self, MappingError> {
        let mapping: Self = toml::from_str(text)
            .map_err(|error| MappingError::Toml { reason: error.to_string() })?;
        check_mapping_name(&mapping.name)?;
        if mapping.timezone.parse::<Tz>().is_err() {
            let reason = format!("{:?} is no IANA time zone", mapping.timezone);
            return Err(MappingError::key("timezone", reason));
        }
        entity_name("agents.site", &mapping.agents.site)?;
        entity_name("agents.team", &mapping.agents.team)?;
        entity_name("agents.unnamed_code", &mapping.agents.unnamed_code)?;
        let mut listed: BTreeMap<&str, &str> = BTreeMap::new();
        for agent in &mapping.agent {
            entity_name("agent.name", &agent.name)?;
            for value in &agent.values {
                once("agent.values", listed.insert(value, &agent.name).is_none(), value)?;
            }
        }
        let mut listed: BTreeMap<&str, &str> = BTreeMap::new();
        for pause in &mapping.pause {
            entity_name("pause.name", &pause.name)?;
            once("pause.value", listed.insert(&pause.value, &pause.name).is_none(), &pause.value)?;
        }
        check_queues(&mapping.queue)?;
        for name in &mapping.events.information {
            entity_name("events.information", name)?;
        }
        Ok(mapping)
    }

    /// The mapping's name: part of every id that an import derives.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The queue of a name in the log; `None` if the mapping wants such queues rejected.
    pub(super) fn queue(&self, value: &str) -> Option<QueueSpec> {
        let listed = self.queue.iter().find(|queue| queue.value == value).cloned();
        let created = || QueueSpec::unlisted(value);
        listed.or_else(|| (self.queues.unknown == UnknownQueue::Create).then(created))
    }

    /// The name that `[[agent]]` gives.
    pub(super) fn agent(&self, value: &str) -> Option<&str> {
        let listed = self.agent.iter().find(|agent| agent.values.iter().any(|it| it == value));
        listed.map(|agent| agent.name.as_str())
    }

    /// The name of the idle code for the reason of a pause.
    pub(super) fn pause<'t>(&'t self, reason: &'t str) -> Option<&'t str> {
        if reason.is_empty() {
            return None;
        }
        let listed = self.pause.iter().find(|pause| pause.value == reason);
        let created = (self.pauses.unknown == UnknownPause::Create).then_some(reason);
        listed.map(|pause| pause.name.as_str()).or(created)
    }

    /// Whether a caller's number stands for a person.
    pub(super) fn identifies(&self, number: &str) -> bool {
        let nobody = |it: &String| it.eq_ignore_ascii_case(number);
        !number.is_empty() && number != "NONE" && !self.callers.unidentified.iter().any(nobody)
    }

    /// Whether lines with this event are kept as information.
    pub(super) fn is_information(&self, event: &str) -> bool {
        self.events.information.iter().any(|it| it == event)
    }
}

fn once(key: &str, is_first: bool, value: &str) -> Result<(), MappingError> {
    if is_first {
        return Ok(());
    }
    Err(MappingError::key(key, format!("{value:?} is listed twice")))
}
