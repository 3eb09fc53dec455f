//! Queues, agents and idle codes that lines refer to, created when the first of them is appended.

use std::collections::BTreeSet;

use ledgerline_schemas::Position;
use ledgerline_schemas::config::{
    AuxCode, AuxCodeKind, BlendingMode, ChannelType, EntityKind, MultimediaProfile, Site, Team,
    TeamType, User,
};
use ledgerline_schemas::id::{MultimediaProfileId, SiteId, TeamId};

use super::mapping::QueueLogMapping;
use crate::import::configuration::Configuration;
use crate::import::entities::queue;
use crate::import::error::ImportError;
use crate::import::pipeline::Pipeline;
use crate::import::spec::QueueSpec;

/// An entity that the events of a line refer to.
#[derive(Clone, Debug)]
pub(super) enum Need {
    Queue(QueueSpec),
    /// Name of the user.
    Agent(String),
    /// Name of the idle code.
    Pause(String),
}

/// Entities that are there.
pub(super) struct Roster<'a> {
    pub(super) configuration: Configuration<'a>,
    pub(super) mapping: &'a QueueLogMapping,
    queues: BTreeSet<String>,
    agents: BTreeSet<String>,
    pauses: BTreeSet<String>,
    /// Position of the newest configuration event.
    pub(super) newest: Position,
}

impl<'a> Roster<'a> {
    pub(super) const fn new(
        configuration: Configuration<'a>,
        mapping: &'a QueueLogMapping,
        newest: Position,
    ) -> Self {
        Self {
            configuration,
            mapping,
            queues: BTreeSet::new(),
            agents: BTreeSet::new(),
            pauses: BTreeSet::new(),
            newest,
        }
    }

    /// Sees to it that an entity is there.
    pub(super) async fn provide(
        &mut self,
        need: &Need,
        pipeline: &mut Pipeline<'_>,
    ) -> Result<(), ImportError> {
        match need {
            Need::Queue(spec) if !self.queues.contains(spec.name()) => {
                let queue = queue(spec, ChannelType::Voice, &self.mapping.timezone)?;
                self.make(EntityKind::Queue, spec.name(), &queue, pipeline).await?;
                self.queues.insert(spec.name().to_owned());
            }
            Need::Agent(name) if !self.agents.contains(name) => {
                let team_id = self.team(pipeline).await?;
                let user = User {
                    name: name.clone(),
                    team_ids: vec![team_id],
                    multimedia_profile_id: None,
                    skill_profile_id: None,
                    default_dn: None,
                    user_profile_id: None,
                    active: true,
                };
                self.make(EntityKind::User, name, &user, pipeline).await?;
                self.agents.insert(name.clone());
            }
            Need::Pause(name) if !self.pauses.contains(name) => {
                let code = AuxCode {
                    name: name.clone(),
                    kind: AuxCodeKind::Idle,
                    is_default: false,
                    active: true,
                };
                self.make(EntityKind::AuxCode, name, &code, pipeline).await?;
                self.pauses.insert(name.clone());
            }
            _ => {}
        }
        Ok(())
    }

    /// The team of all agents: the queue log knows members of queues, and no teams.
    async fn team(&mut self, pipeline: &mut Pipeline<'_>) -> Result<TeamId, ImportError> {
        let (site, team) = (&self.mapping.agents.site, &self.mapping.agents.team);
        let org_id = self.configuration.org_id;
        let id = TeamId::new(EntityKind::Team.derive_id(org_id, team).uuid());
        if !self.agents.is_empty() {
            return Ok(id);
        }
        let document = Site { name: site.clone(), timezone: None, active: true };
        self.make(EntityKind::Site, site, &document, pipeline).await?;
        let profile = MultimediaProfile {
            name: team.clone(),
            voice: 1,
            chat: 0,
            email: 0,
            social: 0,
            work_item: 0,
            blending_mode: BlendingMode::default(),
        };
        self.make(EntityKind::MultimediaProfile, team, &profile, pipeline).await?;
        let profile_id = EntityKind::MultimediaProfile.derive_id(org_id, team);
        let document = Team {
            name: team.clone(),
            site_id: SiteId::new(EntityKind::Site.derive_id(org_id, site).uuid()),
            team_type: TeamType::Agent,
            multimedia_profile_id: Some(MultimediaProfileId::new(profile_id.uuid())),
            capacity_number: None,
            active: true,
        };
        self.make(EntityKind::Team, team, &document, pipeline).await?;
        Ok(id)
    }

    async fn make<T: serde::Serialize + serde::de::DeserializeOwned>(
        &mut self,
        kind: EntityKind,
        name: &str,
        document: &T,
        pipeline: &mut Pipeline<'_>,
    ) -> Result<(), ImportError> {
        let configuration = self.configuration;
        configuration.entity(kind, name, document, pipeline, &mut self.newest).await?;
        Ok(())
    }
}
