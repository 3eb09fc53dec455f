//! Configuration as routing sees it: documents, and the typed entities read from them.

use std::collections::{BTreeMap, BTreeSet};

use ledgerline_schemas::Position;
use ledgerline_schemas::config::{
    AuxCode, AuxCodeKind, Entity, EntityKind, EntryPoint, Flow, Granted, MultimediaProfile, Named,
    Queue, Site, Skill, SkillProfile, Team, User,
};
use ledgerline_schemas::document::Document;
use ledgerline_schemas::id::{
    AuxCodeId, EntityId, EntryPointId, FlowId, MultimediaProfileId, QueueId, SiteId, SkillId,
    SkillProfileId, TeamId, UserId,
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// One stored entity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntityRecord {
    /// Its kind.
    pub kind: EntityKind,
    /// Its version, from 1.
    pub version: u32,
    /// Its document.
    pub document: Document,
    /// Position of its newest change; [`Position::START`] until the log has confirmed it.
    pub position: Position,
}

/// A version of a flow that is current or still has runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlowVersion {
    /// The document; parsed forms are rebuilt from it.
    pub document: Document,
    /// Runs on it.
    pub runs: u32,
}

/// The configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// Every entity (canonical; all else is derived from it).
    pub(crate) entities: BTreeMap<EntityId, EntityRecord>,
    /// Flow versions in use (canonical).
    pub(crate) flow_versions: BTreeMap<(FlowId, u32), FlowVersion>,

    pub(crate) names: BTreeMap<(EntityKind, String), EntityId>,
    pub(crate) sites: BTreeMap<SiteId, Site>,
    pub(crate) teams: BTreeMap<TeamId, Team>,
    pub(crate) users: BTreeMap<UserId, User>,
    pub(crate) skills: BTreeMap<SkillId, Skill>,
    pub(crate) skill_profiles: BTreeMap<SkillProfileId, SkillProfile>,
    pub(crate) profiles: BTreeMap<MultimediaProfileId, MultimediaProfile>,
    pub(crate) aux_codes: BTreeMap<AuxCodeId, AuxCode>,
    pub(crate) queues: BTreeMap<QueueId, Queue>,
    pub(crate) entry_points: BTreeMap<EntryPointId, EntryPoint>,
    pub(crate) flows: BTreeMap<(FlowId, u32), Flow>,
    /// Entry points by number.
    pub(crate) numbers: BTreeMap<String, EntryPointId>,
    /// Queues a team serves, with the first group that names it.
    pub(crate) team_queues: BTreeMap<TeamId, BTreeMap<QueueId, u32>>,
}

impl Config {
    /// The stored entity of this id.
    #[must_use]
    pub fn entity(&self, id: EntityId) -> Option<&EntityRecord> {
        self.entities.get(&id)
    }

    /// Every stored entity, by id.
    pub fn entities(&self) -> impl Iterator<Item = (EntityId, &EntityRecord)> {
        self.entities.iter().map(|(id, record)| (*id, record))
    }

    /// The entity of this kind and name.
    #[must_use]
    pub fn named(&self, kind: EntityKind, name: &str) -> Option<EntityId> {
        self.names.get(&(kind, name.to_owned())).copied()
    }

    /// A queue.
    #[must_use]
    pub fn queue(&self, id: QueueId) -> Option<&Queue> {
        self.queues.get(&id)
    }

    /// A team.
    #[must_use]
    pub fn team(&self, id: TeamId) -> Option<&Team> {
        self.teams.get(&id)
    }

    /// A user.
    #[must_use]
    pub fn user(&self, id: UserId) -> Option<&User> {
        self.users.get(&id)
    }

    /// An idle or wrap-up code.
    #[must_use]
    pub fn aux_code(&self, id: AuxCodeId) -> Option<&AuxCode> {
        self.aux_codes.get(&id)
    }

    /// The active code taken when none is named: the first default of its kind by id.
    #[must_use]
    pub fn default_aux_code(&self, kind: AuxCodeKind) -> Option<AuxCodeId> {
        self.aux_codes
            .iter()
            .find(|(_, code)| code.kind == kind && code.is_default && code.active)
            .map(|(id, _)| *id)
    }

    /// The entry point of a number, if it is switched on.
    #[must_use]
    pub fn entry_point_of(&self, number: &str) -> Option<(EntryPointId, &EntryPoint)> {
        let id = self.numbers.get(number)?;
        self.entry_points.get(id).filter(|entry| entry.active).map(|entry| (*id, entry))
    }

    /// The newest version of a flow.
    #[must_use]
    pub fn flow_version(&self, id: FlowId) -> Option<u32> {
        self.entities.get(&EntityId::new(id.uuid())).map(|record| record.version)
    }

    /// A version of a flow that is current or still runs.
    #[must_use]
    pub fn flow(&self, id: FlowId, version: u32) -> Option<&Flow> {
        self.flows.get(&(id, version))
    }

    /// Stores a document and everything derived from it. A document that does not parse (written by a
    /// newer program) is kept and routes nothing.
    pub(crate) fn put(
        &mut self,
        id: EntityId,
        kind: EntityKind,
        version: u32,
        document: Document,
        position: Position,
    ) {
        self.forget(id);
        if kind == EntityKind::Flow {
            let flow = FlowVersion { document: document.clone(), runs: 0 };
            self.flow_versions.insert((FlowId::new(id.uuid()), version), flow);
        }
        self.entities
            .insert(id, EntityRecord { kind, version, document: document.clone(), position });
        self.derive(id, kind, version, &document);
    }

    /// Removes an entity; flow versions with runs stay.
    pub(crate) fn remove(&mut self, id: EntityId) {
        self.forget(id);
        self.entities.remove(&id);
    }

    fn derive(&mut self, id: EntityId, kind: EntityKind, version: u32, document: &Document) {
        let uuid = id.uuid();
        let Ok(entity) = Entity::parse(kind, document) else {
            // It keeps its name, so that a document that does fit can take its place.
            if let Ok(named) = document.parse::<Named>() {
                self.names.insert((kind, named.name), id);
            }
            return;
        };
        self.names.insert((kind, entity.name()), id);
        match entity {
            Entity::Site(it) => drop(self.sites.insert(SiteId::new(uuid), it)),
            Entity::Team(it) => drop(self.teams.insert(TeamId::new(uuid), it)),
            Entity::User(it) => drop(self.users.insert(UserId::new(uuid), it)),
            Entity::Skill(it) => drop(self.skills.insert(SkillId::new(uuid), it)),
            Entity::SkillProfile(it) => {
                drop(self.skill_profiles.insert(SkillProfileId::new(uuid), it));
            }
            Entity::MultimediaProfile(it) => {
                drop(self.profiles.insert(MultimediaProfileId::new(uuid), it));
            }
            Entity::AuxCode(it) => drop(self.aux_codes.insert(AuxCodeId::new(uuid), it)),
            Entity::Queue(it) => {
                let queue_id = QueueId::new(uuid);
                for (group, teams) in (0_u32..).zip(&it.call_distribution_groups) {
                    for team in &teams.team_ids {
                        let queues = self.team_queues.entry(*team).or_default();
                        queues.entry(queue_id).or_insert(group);
                    }
                }
                self.queues.insert(queue_id, it);
            }
            Entity::EntryPoint(it) => {
                let entry_point_id = EntryPointId::new(uuid);
                for number in &it.numbers {
                    self.numbers.insert(number.clone(), entry_point_id);
                }
                self.entry_points.insert(entry_point_id, it);
            }
            Entity::Flow(it) => drop(self.flows.insert((FlowId::new(uuid), version), it)),
            Entity::UserProfile(_)
            | Entity::ResourceCollection(_)
            | Entity::RetentionPolicy(_)
            | Entity::LegalHold(_)
            | Entity::ReportSchedule(_)
            | Entity::AlertRule(_)
            | Entity::WebhookSubscription(_)
            | Entity::Other(..) => {}
        }
    }

    /// Takes back everything derived from an entity's current document.
    fn forget(&mut self, id: EntityId) {
        let Some(record) = self.entities.get(&id) else { return };
        let (kind, version, uuid) = (record.kind, record.version, id.uuid());
        if let Ok(named) = record.document.parse::<Named>() {
            self.names.remove(&(kind, named.name));
        }
        match kind {
            EntityKind::Site => drop(self.sites.remove(&SiteId::new(uuid))),
            EntityKind::Team => drop(self.teams.remove(&TeamId::new(uuid))),
            EntityKind::User => drop(self.users.remove(&UserId::new(uuid))),
            EntityKind::Skill => drop(self.skills.remove(&SkillId::new(uuid))),
            EntityKind::SkillProfile => {
                drop(self.skill_profiles.remove(&SkillProfileId::new(uuid)));
            }
            EntityKind::MultimediaProfile => {
                drop(self.profiles.remove(&MultimediaProfileId::new(uuid)));
            }
            EntityKind::AuxCode => drop(self.aux_codes.remove(&AuxCodeId::new(uuid))),
            EntityKind::Queue => {
                let queue_id = QueueId::new(uuid);
                self.queues.remove(&queue_id);
                self.team_queues.retain(|_, queues| {
                    queues.remove(&queue_id);
                    !queues.is_empty()
                });
            }
            EntityKind::EntryPoint => {
                let entry_point_id = EntryPointId::new(uuid);
                self.entry_points.remove(&entry_point_id);
                self.numbers.retain(|_, entry| *entry != entry_point_id);
            }
            EntityKind::Flow => {
                let key = (FlowId::new(uuid), version);
                if self.flow_versions.get(&key).is_none_or(|it| it.runs == 0) {
                    self.flow_versions.remove(&key);
                    self.flows.remove(&key);
                }
            }
            _ => {}
        }
    }

    /// A run began on a flow version.
    pub(crate) fn run_started(&mut self, id: FlowId, version: u32) {
        if let Some(flow) = self.flow_versions.get_mut(&(id, version)) {
            flow.runs = flow.runs.saturating_add(1);
        }
    }

    /// A run on a flow version is over; a version that is neither current nor run is dropped.
    pub(crate) fn run_ended(&mut self, id: FlowId, version: u32) {
        let current = self.flow_version(id) == Some(version);
        let key = (id, version);
        let Some(flow) = self.flow_versions.get_mut(&key) else { return };
        flow.runs = flow.runs.saturating_sub(1);
        if flow.runs == 0 && !current {
            self.flow_versions.remove(&key);
            self.flows.remove(&key);
        }
    }

    /// The configuration rebuilt from its canonical part.
    pub(crate) fn rebuild(
        entities: BTreeMap<EntityId, EntityRecord>,
        flow_versions: BTreeMap<(FlowId, u32), FlowVersion>,
    ) -> Self {
        let mut config = Self::default();
        for (id, record) in &entities {
            config.derive(*id, record.kind, record.version, &record.document);
        }
        for ((id, version), flow) in &flow_versions {
            if let Ok(parsed) = flow.document.parse::<Flow>() {
                config.flows.insert((*id, *version), parsed);
            }
        }
        config.entities = entities;
        config.flow_versions = flow_versions;
        config
    }

    /// Teams of the groups `0..=group` of a queue, each with its first group.
    pub(crate) fn searched_teams(&self, queue_id: QueueId, group: u32) -> BTreeMap<TeamId, u32> {
        let mut teams = BTreeMap::new();
        if let Some(queue) = self.queues.get(&queue_id) {
            for (index, it) in (0..=group).zip(&queue.call_distribution_groups) {
                for team in &it.team_ids {
                    teams.entry(*team).or_insert(index);
                }
            }
        }
        teams
    }

    /// Ids of every entity that a document refers to, with kind and field.
    pub(crate) fn references(entity: &Entity) -> Vec<(&'static str, EntityKind, EntityId)> {
        let mut found = Vec::new();
        match entity {
            Entity::Team(it) => {
                found.push(("site_id", EntityKind::Site, it.site_id.uuid()));
                if let Some(id) = it.multimedia_profile_id {
                    found.push(("multimedia_profile_id", EntityKind::MultimediaProfile, id.uuid()));
                }
            }
            Entity::User(it) => {
                for id in &it.team_ids {
                    found.push(("team_ids", EntityKind::Team, id.uuid()));
                }
                if let Some(id) = it.multimedia_profile_id {
                    found.push(("multimedia_profile_id", EntityKind::MultimediaProfile, id.uuid()));
                }
                if let Some(id) = it.skill_profile_id {
                    found.push(("skill_profile_id", EntityKind::SkillProfile, id.uuid()));
                }
                if let Some(id) = it.user_profile_id {
                    found.push(("user_profile_id", EntityKind::UserProfile, id.uuid()));
                }
            }
            Entity::UserProfile(it) => {
                places(&it.sites, &it.teams, &it.queues, &it.entry_points, &mut found);
                for id in &it.resource_collections {
                    let kind = EntityKind::ResourceCollection;
                    found.push(("resource_collections", kind, id.uuid()));
                }
            }
            Entity::ResourceCollection(it) => {
                places(&it.sites, &it.teams, &it.queues, &it.entry_points, &mut found);
            }
            Entity::ReportSchedule(it) => {
                if let Some(id) = it.as_user_id {
                    found.push(("as_user_id", EntityKind::User, id.uuid()));
                }
            }
            Entity::AlertRule(it) => {
                let mut all = |field, kind, ids: &mut dyn Iterator<Item = Uuid>| {
                    found.extend(ids.map(|id| (field, kind, id)));
                };
                all("queue_ids", EntityKind::Queue, &mut it.queue_ids.iter().map(|id| id.uuid()));
                all("team_ids", EntityKind::Team, &mut it.team_ids.iter().map(|id| id.uuid()));
                all("site_ids", EntityKind::Site, &mut it.site_ids.iter().map(|id| id.uuid()));
                let entry_points = &mut it.entry_point_ids.iter().map(|id| id.uuid());
                all("entry_point_ids", EntityKind::EntryPoint, entry_points);
            }
            Entity::SkillProfile(it) => {
                for skill in &it.skills {
                    found.push(("skills", EntityKind::Skill, skill.skill_id.uuid()));
                }
            }
            Entity::Queue(it) => {
                let teams = it.call_distribution_groups.iter().flat_map(|group| &group.team_ids);
                for id in teams.collect::<BTreeSet<_>>() {
                    found.push(("call_distribution_groups", EntityKind::Team, id.uuid()));
                }
                if let Some(id) = it.overflow_queue_id {
                    found.push(("overflow_queue_id", EntityKind::Queue, id.uuid()));
                }
            }
            Entity::EntryPoint(it) => found.push(("flow_id", EntityKind::Flow, it.flow_id.uuid())),
            Entity::Flow(it) => {
                use ledgerline_schemas::config::ActivityKind;
                for activity in it.activities.values() {
                    if let ActivityKind::QueueContact { queue_id } = &activity.does {
                        found.push(("activities", EntityKind::Queue, queue_id.uuid()));
                    }
                }
            }
            _ => {}
        }
        found.into_iter().map(|(field, kind, uuid)| (field, kind, EntityId::new(uuid))).collect()
    }
}

/// The places that a profile or a collection lists.
fn places(
    sites: &Granted<SiteId>,
    teams: &Granted<TeamId>,
    queues: &Granted<QueueId>,
    entry_points: &Granted<EntryPointId>,
    found: &mut Vec<(&'static str, EntityKind, Uuid)>,
) {
    found.extend(sites.listed().map(|id| ("sites", EntityKind::Site, id.uuid())));
    found.extend(teams.listed().map(|id| ("teams", EntityKind::Team, id.uuid())));
    found.extend(queues.listed().map(|id| ("queues", EntityKind::Queue, id.uuid())));
    let ids = entry_points.listed();
    found.extend(ids.map(|id| ("entry_points", EntityKind::EntryPoint, id.uuid())));
}
