//! What a line stands for: the events, the entities they refer to, and what is odd.

mod agent;
mod call;
mod ending;
mod unfinished;

pub(super) use unfinished::end;

use std::collections::BTreeMap;

use ledgerline_event_store::crypt::CryptError;
use ledgerline_schemas::config::EntityKind;
use ledgerline_schemas::event::Event;
use ledgerline_schemas::event::interaction::{AttributeChange, InteractionAttributesSet};
use ledgerline_schemas::id::{
    CorrelationId, InteractionId, MultimediaProfileId, OrgId, QueueId, SiteId, SubjectId, TeamId,
    UserId,
};
use ledgerline_schemas::{StreamId, Timestamp};

use super::line::{Line, LineError, short};
use super::mapping::{AgentNames, QueueLogMapping};
use super::note::Note;
use super::quirk::QueueLogQuirk;
use super::roster::Need;
use super::state::{Call, QUIRKS_ATTRIBUTE, State};
use super::verb::Verb;
use crate::import::codes::Coder;
use crate::import::error::ImportError;
use crate::import::ids::{Ids, LineIds};

/// One event to be appended.
#[derive(Debug)]
pub(super) struct Fact {
    pub(super) time: Timestamp,
    pub(super) stream: StreamId,
    pub(super) correlation_id: CorrelationId,
    pub(super) subject_id: Option<SubjectId>,
    pub(super) event: Event,
}

impl Fact {
    /// An event of an interaction.
    pub(super) fn of(id: InteractionId, time: Timestamp, event: impl Into<Event>) -> Self {
        Self {
            time,
            stream: StreamId::interaction(id),
            correlation_id: CorrelationId::new(id.uuid()),
            subject_id: None,
            event: event.into(),
        }
    }
}

/// What a line stands for.
#[derive(Debug, Default)]
pub(super) struct Decision {
    pub(super) facts: Vec<Fact>,
    pub(super) needs: Vec<Need>,
    pub(super) quirks: Vec<QueueLogQuirk>,
    /// Calls in a queue or connected when Asterisk started anew.
    pub(super) open_at_restart: u64,
}

impl Decision {
    /// Whether there is more than a note.
    pub(super) fn is_mapped(&self) -> bool {
        self.facts.iter().any(|fact| !matches!(fact.event, Event::ExternalEvent(_)))
    }

    /// Whether an interaction begins.
    pub(super) fn begins(&self) -> bool {
        self.facts.iter().any(|fact| matches!(fact.event, Event::InteractionCreated(_)))
    }
}

/// A refused line goes on to the next; a failed key ring stops the import.
#[derive(Debug)]
pub(super) enum Stop {
    Line(LineError),
    Import(ImportError),
}

impl From<LineError> for Stop {
    fn from(error: LineError) -> Self {
        Self::Line(error)
    }
}

impl From<CryptError> for Stop {
    fn from(error: CryptError) -> Self {
        Self::Import(error.into())
    }
}

/// What lines are read with.
pub(super) struct Decider<'a> {
    pub(super) mapping: &'a QueueLogMapping,
    pub(super) coder: Coder<'a>,
    pub(super) ids: Ids,
    pub(super) state: &'a State,
}

impl Decider<'_> {
    /// Reads a line against the state.
    pub(super) fn decide(&self, line: &Line, ids: LineIds) -> Result<Decision, Stop> {
        let Some((event, verb)) = Verb::parse(line.event()) else {
            if !self.mapping.is_information(line.event()) {
                return Err(LineError::Event.into());
            }
            let mut making =
                Making { with: self, line, event: "", ids, decision: Decision::default() };
            making.note(Note { event: line.event().to_owned(), ..Note::default() });
            return Ok(making.decision);
        };
        let mut making = Making { with: self, line, event, ids, decision: Decision::default() };
        match verb {
            Verb::Did => making.did()?,
            Verb::Enter => making.entered()?,
            Verb::Connect => making.connected()?,
            Verb::Complete(side) => making.completed(side)?,
            Verb::Abandon => making.abandoned()?,
            Verb::Exit(reason, wait) => making.exited(reason, wait)?,
            Verb::RingNoAnswer | Verb::RingCanceled | Verb::SysCompat | Verb::AgentDump => {
                making.offer_in_vain(verb)?;
            }
            Verb::BlindTransfer | Verb::AttendedTransfer => making.transferred(verb)?,
            Verb::AddMember
            | Verb::RemoveMember
            | Verb::Pause
            | Verb::Unpause
            | Verb::PauseAll
            | Verb::UnpauseAll
            | Verb::Login
            | Verb::Logoff => making.of_agent(verb)?,
            Verb::OfMember => making.of_member()?,
            Verb::Restart => making.restarted(),
            Verb::Plain => making.note(Note { event: event.to_owned(), ..Note::default() }),
        }
        if line.names_channel() {
            making.odd(QueueLogQuirk::ChannelForAgent);
        }
        Ok(making.decision)
    }

    fn org_id(&self) -> OrgId {
        self.coder.org_id
    }

    fn team_id(&self) -> TeamId {
        let id = EntityKind::Team.derive_id(self.org_id(), &self.mapping.agents.team);
        TeamId::new(id.uuid())
    }

    fn site_id(&self) -> SiteId {
        let id = EntityKind::Site.derive_id(self.org_id(), &self.mapping.agents.site);
        SiteId::new(id.uuid())
    }

    fn profile_id(&self) -> MultimediaProfileId {
        let name = &self.mapping.agents.team;
        let id = EntityKind::MultimediaProfile.derive_id(self.org_id(), name);
        MultimediaProfileId::new(id.uuid())
    }
}

/// A decision in the making.
struct Making<'m> {
    with: &'m Decider<'m>,
    line: &'m Line,
    /// Name of the event, for messages.
    event: &'static str,
    ids: LineIds,
    decision: Decision,
}

impl Making<'_> {
    fn odd(&mut self, quirk: QueueLogQuirk) {
        if !self.decision.quirks.contains(&quirk) {
            self.decision.quirks.push(quirk);
        }
    }

    /// Adds an event of an interaction.
    fn tell(&mut self, id: InteractionId, time: Timestamp, event: impl Into<Event>) {
        self.decision.facts.push(Fact::of(id, time, event));
    }

    /// Adds an event of an agent.
    fn tell_agent(&mut self, id: UserId, time: Timestamp, event: impl Into<Event>) {
        self.decision.facts.push(Fact {
            time,
            stream: StreamId::agent(id),
            correlation_id: CorrelationId::new(id.uuid()),
            subject_id: None,
            event: event.into(),
        });
    }

    /// Keeps the line as information.
    fn note(&mut self, note: Note) {
        self.decision.facts.push(Fact {
            time: self.line.time,
            stream: StreamId::external(self.with.mapping.name()),
            correlation_id: CorrelationId::new(self.ids.command().uuid()),
            subject_id: None,
            event: note.event(),
        });
    }

    /// Lets the interaction say what was chosen for it.
    fn note_quirks(&mut self, id: InteractionId, call: Option<&Call>) {
        let old = call.and_then(|call| call.noted.clone());
        let mut names: Vec<&str> = old.iter().flat_map(|names| names.split(',')).collect();
        let known = names.len();
        for quirk in self.decision.quirks.iter().filter(|quirk| quirk.is_noted()) {
            if !names.contains(&quirk.name()) {
                names.push(quirk.name());
            }
        }
        if names.len() == known {
            return;
        }
        let change = AttributeChange { old: old.clone(), new: Some(names.join(",")) };
        let set = InteractionAttributesSet {
            interaction_id: id,
            changes: BTreeMap::from([(QUIRKS_ATTRIBUTE.to_owned(), change)]),
            sensitive: BTreeMap::new(),
        };
        self.tell(id, self.line.time, set);
        // Before what happened, but after the interaction began.
        let created = |fact: &Fact| matches!(fact.event, Event::InteractionCreated(_));
        let at = self.decision.facts.iter().position(created).map_or(0, |index| index + 1);
        if let Some(fact) = self.decision.facts.pop() {
            self.decision.facts.insert(at, fact);
        }
    }

    /// The queue the line names.
    fn queue(&mut self) -> Result<QueueId, LineError> {
        let event = self.event;
        let value = self.line.queue(event)?;
        let spec = self.with.mapping.queue(value).ok_or(LineError::UnknownQueue { event })?;
        let id = EntityKind::Queue.derive_id(self.with.org_id(), spec.name());
        self.decision.needs.push(Need::Queue(spec));
        Ok(QueueId::new(id.uuid()))
    }

    /// The agent the line names.
    fn agent(&mut self) -> Result<UserId, Stop> {
        let value = self.line.agent(self.event)?;
        let mapping = self.with.mapping;
        let name = match (mapping.agent(value), mapping.agents.names) {
            (Some(name), _) => name.to_owned(),
            (None, AgentNames::Recorded) => short(self.event, "agent", value)?.to_owned(),
            (None, AgentNames::Coded) => self.with.coder.agent(value)?,
        };
        Ok(self.user(name))
    }

    /// The agent the line names, or the one who stands for those that are not named.
    fn agent_or_unnamed(&mut self) -> Result<UserId, Stop> {
        match self.agent() {
            Err(Stop::Line(LineError::Missing { .. })) => {
                self.odd(QueueLogQuirk::AnsweredByUnnamed);
                Ok(self.user(self.with.mapping.agents.unnamed_code.clone()))
            }
            other => other,
        }
    }

    fn user(&mut self, name: String) -> UserId {
        let id = EntityKind::User.derive_id(self.with.org_id(), &name);
        self.decision.needs.push(Need::Agent(name));
        UserId::new(id.uuid())
    }

    /// A figure in ms, as recorded.
    fn figure(
        &mut self,
        field: &'static str,
        index: usize,
        unit_ms: u64,
    ) -> Result<Option<u64>, LineError> {
        let event = self.event;
        let Some(number) = self.line.number(event, field, index)? else { return Ok(None) };
        let Ok(number) = u64::try_from(number) else {
            self.odd(QueueLogQuirk::NegativeFigure);
            return Ok(Some(0));
        };
        number.checked_mul(unit_ms).map(Some).ok_or(LineError::Number { event, field })
    }

    /// A figure in ms, or else the time since `since`.
    fn figure_or_clock(
        &mut self,
        field: &'static str,
        index: impl Into<Option<usize>>,
        since: Timestamp,
        quirk: QueueLogQuirk,
    ) -> Result<u64, LineError> {
        if let Some(index) = index.into()
            && let Some(ms) = self.figure(field, index, 1_000)?
        {
            return Ok(ms);
        }
        self.odd(quirk);
        Ok(self.line.time.ms_since(since))
    }
}
