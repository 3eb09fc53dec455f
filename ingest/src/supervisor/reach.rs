//! How far a supervisor reaches: the places that its user profiles grant.
//!
//! What is out of reach is answered like what does not exist: neither its state nor its name is told.

use ledgerline_access::Action;
use ledgerline_schemas::config::{EntityKind, Granted, ResourceCollection, UserProfile};
use ledgerline_schemas::id::{EntityId, EntryPointId, QueueId, SiteId, TeamId, UserId};

use crate::http::Caller;
use crate::http::port::{EntityKey, InteractionView};
use crate::http::problem::Problem;
use crate::http::profiles::profiles;

/// The places a supervisor may act on.
#[derive(Clone, Debug)]
pub struct Reach {
    /// Absent: no profile narrows the roles.
    limits: Option<Places>,
}

#[derive(Clone, Debug)]
struct Places {
    sites: Granted<SiteId>,
    teams: Granted<TeamId>,
    queues: Granted<QueueId>,
    entry_points: Granted<EntryPointId>,
}

impl Reach {
    /// The reach of a caller who may supervise.
    ///
    /// # Errors
    /// 403 when no role of the caller may supervise, or a profile is gone or switched off.
    pub async fn of(caller: &Caller) -> Result<Self, Problem> {
        caller.require(Action::AgentSupervise)?;
        let mut limits = None;
        for profile in profiles(caller).await? {
            let places = Places::of(caller, profile).await?;
            limits = Some(match limits {
                Some(other) => places.and(&other),
                None => places,
            });
        }
        Ok(Self { limits })
    }

    /// Whether a queue is granted.
    #[must_use]
    pub fn queue(&self, id: QueueId) -> bool {
        self.limits.as_ref().is_none_or(|places| places.queues.includes(id))
    }

    /// Whether the agents of a team are granted; a team counts only if its site is granted.
    #[must_use]
    pub fn staff(&self, team_id: TeamId, site_id: SiteId) -> bool {
        self.limits
            .as_ref()
            .is_none_or(|places| places.teams.includes(team_id) && places.sites.includes(site_id))
    }

    /// Whether all agents there are or will be are granted.
    #[must_use]
    pub fn everybody(&self) -> bool {
        self.limits.as_ref().is_none_or(|it| it.teams.is_all() && it.sites.is_all())
    }

    /// Whether an interaction is granted: the queue it is in and whoever has it; before its first queue, where it
    /// came in.
    #[must_use]
    pub fn interaction(&self, view: &InteractionView) -> bool {
        let Some(places) = &self.limits else { return true };
        match &view.stay {
            Some(stay) => {
                self.queue(stay.queue_id)
                    && stay.staff.is_none_or(|it| self.staff(it.team_id, it.site_id))
            }
            None => view.entry_point_id.is_some_and(|id| places.entry_points.includes(id)),
        }
    }
}

impl Places {
    async fn of(caller: &Caller, profile: UserProfile) -> Result<Self, Problem> {
        if !profile.active {
            let name = &profile.name;
            return Err(Problem::forbidden(format!("the user profile {name:?} is switched off")));
        }
        let mut places = Self {
            sites: profile.sites,
            teams: profile.teams,
            queues: profile.queues,
            entry_points: profile.entry_points,
        };
        for id in profile.resource_collections {
            let key = EntityKey::Id(EntityId::new(id.uuid()));
            let kind = EntityKind::ResourceCollection;
            let view = caller.organization.engine.entity(kind, key).await?;
            // One that is gone or switched off grants nothing.
            let more = view.and_then(|view| view.document.parse::<ResourceCollection>().ok());
            if let Some(more) = more.filter(|more| more.active) {
                places.sites = places.sites.or(&more.sites);
                places.teams = places.teams.or(&more.teams);
                places.queues = places.queues.or(&more.queues);
                places.entry_points = places.entry_points.or(&more.entry_points);
            }
        }
        Ok(places)
    }

    fn and(self, other: &Self) -> Self {
        Self {
            sites: self.sites.and(&other.sites),
            teams: self.teams.and(&other.teams),
            queues: self.queues.and(&other.queues),
            entry_points: self.entry_points.and(&other.entry_points),
        }
    }
}

/// Refuses to steer an agent who is not logged in to a team that the caller's profiles grant. Agents steer
/// themselves.
///
/// # Errors
/// 404, the same whether the agent is out of reach or not there; 403 as for [`Reach::of`].
pub async fn steer(caller: &Caller, agent_id: UserId) -> Result<(), Problem> {
    if caller.principal.user_id == Some(agent_id) && caller.may(Action::DesktopOperate) {
        return Ok(());
    }
    let reach = Reach::of(caller).await?;
    if reach.limits.is_none() {
        return Ok(());
    }
    let agent = caller.organization.engine.agent(agent_id).await?;
    if agent.is_some_and(|agent| reach.staff(agent.team_id, agent.site_id)) {
        return Ok(());
    }
    Err(Problem::not_found("agent_id: this agent is not logged in").field("agentId"))
}
