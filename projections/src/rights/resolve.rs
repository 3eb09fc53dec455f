//! From a principal and the configuration to its rights.

use std::collections::BTreeSet;

use ledgerline_access::Principal;
use ledgerline_schemas::config::{
    EntityKind, Granted, Module, ResourceCollection, Team, User, UserProfile,
};
use ledgerline_schemas::id::{EntryPointId, QueueId, SiteId, TeamId, UserProfileId};

use super::limited::{Ids, Limited, Masks};
use super::{Directory, NothingGranted, Rights};
use crate::tables;

/// What one profile grants with its collections.
struct Grants {
    modules: Granted<Module>,
    sites: Granted<SiteId>,
    teams: Granted<TeamId>,
    queues: Granted<QueueId>,
    entry_points: Granted<EntryPointId>,
    masks: Masks,
}

pub(super) fn rights(
    principal: &Principal,
    directory: &Directory,
) -> Result<Rights, NothingGranted> {
    let mut profiles = Vec::new();
    if let Some(user_id) = principal.user_id {
        let user = directory.get::<User>(EntityKind::User, user_id.uuid());
        let Some(Ok(user)) = user else {
            return Err(NothingGranted(format!("user {user_id} is gone or switched off")));
        };
        profiles.extend(user.user_profile_id);
    }
    profiles.extend(principal.user_profile_id);
    let mut granted: Option<Grants> = None;
    for id in profiles {
        let one = grants(id, directory)?;
        granted = Some(match granted {
            Some(other) => other.and(one),
            None => one,
        });
    }
    Ok(match granted {
        Some(granted) => Rights::Limited(granted.limited(directory).into()),
        None => Rights::Whole,
    })
}

fn grants(id: UserProfileId, directory: &Directory) -> Result<Grants, NothingGranted> {
    let profile = match directory.get::<UserProfile>(EntityKind::UserProfile, id.uuid()) {
        None => return Err(NothingGranted(format!("profile {id} is gone or switched off"))),
        Some(Err(error)) => return Err(NothingGranted(format!("profile {id}: {error}"))),
        Some(Ok(profile)) => profile,
    };
    let mut grants = Grants {
        modules: profile.modules,
        sites: profile.sites,
        teams: profile.teams,
        queues: profile.queues,
        entry_points: profile.entry_points,
        masks: masks(&profile.name, &profile.masked_columns)?,
    };
    for id in profile.resource_collections {
        let kind = EntityKind::ResourceCollection;
        // One that is gone or switched off grants nothing.
        let Some(Ok(more)) = directory.get::<ResourceCollection>(kind, id.uuid()) else { continue };
        grants.sites = grants.sites.or(&more.sites);
        grants.teams = grants.teams.or(&more.teams);
        grants.queues = grants.queues.or(&more.queues);
        grants.entry_points = grants.entry_points.or(&more.entry_points);
    }
    Ok(grants)
}

/// The columns that the names stand for. One that stands for none would leave in clear what somebody meant to
/// mask, so it hides everything until it is put right.
fn masks(profile: &str, names: &BTreeSet<String>) -> Result<Masks, NothingGranted> {
    let mut masks = Masks::new();
    for name in names {
        let (table, column) = match name.split_once('.') {
            Some((table, column)) => (Some(table), column),
            None => (None, name.as_str()),
        };
        let before = masks.len();
        for def in tables::ALL.iter().filter(|def| table.is_none_or(|table| table == def.name)) {
            masks.extend(def.column(column).map(|at| (def.name, at)));
        }
        // The same column may have been named in another way before.
        let known = masks.len() > before
            || tables::ALL.iter().any(|def| {
                table.is_none_or(|table| table == def.name) && def.column(column).is_some()
            });
        if !known {
            let reason = format!("masked_columns of {profile:?}: no column {name:?} exists");
            return Err(NothingGranted(reason));
        }
    }
    Ok(masks)
}

impl Grants {
    fn and(self, other: Self) -> Self {
        Self {
            modules: self.modules.and(&other.modules),
            sites: self.sites.and(&other.sites),
            teams: self.teams.and(&other.teams),
            queues: self.queues.and(&other.queues),
            entry_points: self.entry_points.and(&other.entry_points),
            masks: self.masks.into_iter().chain(other.masks).collect(),
        }
    }

    fn limited(self, directory: &Directory) -> Limited {
        let of_sites = match &self.sites {
            Granted::All => Ids::All,
            Granted::Only(sites) => Ids::only(
                directory
                    .all::<Team>(EntityKind::Team)
                    .filter(|(_, team)| sites.contains(&team.site_id))
                    .map(|(id, _)| id),
            ),
        };
        Limited {
            modules: self.modules,
            sites: ids(&self.sites, SiteId::uuid),
            teams: ids(&self.teams, TeamId::uuid),
            teams_of_sites: of_sites,
            queues: ids(&self.queues, QueueId::uuid),
            entry_points: ids(&self.entry_points, EntryPointId::uuid),
            masks: self.masks,
        }
    }
}

fn ids<T: Ord + Copy>(granted: &Granted<T>, uuid: fn(T) -> uuid::Uuid) -> Ids {
    match granted {
        Granted::All => Ids::All,
        Granted::Only(these) => Ids::only(these.iter().map(|id| uuid(*id))),
    }
}
