//! The user profiles a caller stands under, read from the configuration as it is now.

use ledgerline_schemas::config::{EntityKind, User, UserProfile};
use ledgerline_schemas::id::EntityId;
use serde::de::DeserializeOwned;

use crate::http::Caller;
use crate::http::port::EntityKey;
use crate::http::problem::Problem;

/// The user's own profile and the one that came with the token; without either the roles alone decide. Both have to
/// grant what is asked.
///
/// # Errors
/// 403 when the user is switched off, or user or profile is gone: without what rights rest on there are none.
pub async fn profiles(caller: &Caller) -> Result<Vec<UserProfile>, Problem> {
    let mut ids = Vec::new();
    if let Some(user_id) = caller.principal.user_id {
        let user: User = found(caller, EntityKind::User, EntityId::new(user_id.uuid())).await?;
        if !user.active {
            return Err(Problem::forbidden("the token's user is switched off"));
        }
        ids.extend(user.user_profile_id);
    }
    ids.extend(caller.principal.user_profile_id);
    let mut profiles = Vec::new();
    for id in ids {
        profiles.push(found(caller, EntityKind::UserProfile, EntityId::new(id.uuid())).await?);
    }
    Ok(profiles)
}

async fn found<T: DeserializeOwned>(
    caller: &Caller,
    kind: EntityKind,
    id: EntityId,
) -> Result<T, Problem> {
    let view = caller.organization.engine.entity(kind, EntityKey::Id(id)).await?;
    view.and_then(|view| view.document.parse().ok())
        .ok_or_else(|| Problem::forbidden(format!("the token's {} is gone", kind.name())))
}
