//! Names of configuration entities, so that a history speaks of queues and agents, not of ids.

use std::collections::BTreeMap;
use std::fmt::Display;

use ledgerline_event_store::{Direction, EventReader, Filter, ReadError};
use ledgerline_schemas::{Actor, ActorType, Event, Position};

const PAGE: usize = 1_000;

/// The newest name of every entity, by id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names(BTreeMap<String, String>);

impl Names {
    /// Reads the names from the configuration events.
    ///
    /// # Errors
    /// [`ReadError`] if the log cannot be read.
    pub fn load(reader: &dyn EventReader) -> Result<Self, ReadError> {
        let filter = Filter { stream_prefixes: Vec::new(), type_prefixes: vec!["config.".into()] };
        let mut names = BTreeMap::new();
        let mut from = Position::START;
        loop {
            let page = reader.read_all(from, Direction::Forward, &filter, PAGE)?;
            let full = page.events.len() == PAGE;
            for event in &page.events {
                if let Ok(Event::Config(change)) = event.decode() {
                    let document = change.after.map(|document| document.to_value());
                    let name = document.as_ref().and_then(|it| it.get("name")?.as_str());
                    if let Some(name) = name {
                        names.insert(change.entity_id.to_string(), name.to_owned());
                    }
                }
            }
            from = page.scanned_to;
            if !full {
                return Ok(Self(names));
            }
        }
    }

    /// `Sales` for a known id, else the id itself.
    #[must_use]
    pub fn of(&self, id: impl Display) -> String {
        let id = id.to_string();
        self.0.get(&id).cloned().unwrap_or(id)
    }

    /// `agent Ana`, `the router`, `timer`.
    #[must_use]
    pub fn actor(&self, actor: &Actor) -> String {
        match (actor.kind, actor.id.as_str()) {
            (ActorType::Customer, _) => "the customer".to_owned(),
            (ActorType::Router, _) => "the router".to_owned(),
            (ActorType::Timer, _) => "a timer".to_owned(),
            (kind, "") => kind.name().to_owned(),
            (kind, id) => format!("{} {}", kind.name(), self.of(id)),
        }
    }
}
