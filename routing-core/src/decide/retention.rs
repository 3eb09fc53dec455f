//! Rules that retention policies and legal holds must keep; each refusal names the field.

use ledgerline_schemas::config::retention::{RETAINED_TABLES, never_dropped};
use ledgerline_schemas::config::{Entity, EntityKind, LegalHold, RetentionPolicy};
use ledgerline_schemas::id::EntityId;
use ledgerline_schemas::limits::PROFILE_LIST_MAX;

use super::config_check::invalid;
use crate::rejection::{Rejection, RejectionCode};
use crate::state::config::Config;

pub(super) fn check_policy(
    config: &Config,
    id: EntityId,
    policy: &RetentionPolicy,
) -> Result<(), Rejection> {
    let table = &policy.table;
    if !RETAINED_TABLES.contains(&table.as_str()) {
        let why = match never_dropped(table) {
            Some(why) => format!("rows of {table} are never dropped: {why}"),
            None => format!("there is no table {table:?}"),
        };
        let may = RETAINED_TABLES.join(", ");
        return Err(invalid(format!("table: {why}; a policy may be for {may}")));
    }
    let max = RetentionPolicy::DAYS_MAX;
    if !(1..=max).contains(&policy.keep_days) {
        return Err(invalid(format!("keep_days: is {}, must be 1 to {max}", policy.keep_days)));
    }
    if policy.past_days > max {
        return Err(invalid(format!("past_days: is {}, the limit is {max}", policy.past_days)));
    }
    for (other, record) in &config.entities {
        if *other == id || record.kind != EntityKind::RetentionPolicy {
            continue;
        }
        if let Ok(Entity::RetentionPolicy(it)) = Entity::parse(record.kind, &record.document)
            && it.table == *table
        {
            let message = format!("table: {table} has the retention policy {:?} already", it.name);
            return Err(Rejection::new(RejectionCode::Conflict, message));
        }
    }
    Ok(())
}

/// What a hold names has to be there when it is put: a name that was mistyped would hold nothing. It may go
/// later; its rows are held all the same.
pub(super) fn check_hold(config: &Config, hold: &LegalHold) -> Result<(), Rejection> {
    let max = LegalHold::REASON_BYTES_MAX;
    if hold.reason.trim().is_empty() || hold.reason.len() > max {
        return Err(invalid(format!("reason: must have 1 to {max} bytes")));
    }
    let lists = [
        ("interactions", hold.interactions.len()),
        ("queues", hold.queues.len()),
        ("agents", hold.agents.len()),
    ];
    if let Some((field, found)) = lists.into_iter().find(|(_, found)| *found > PROFILE_LIST_MAX) {
        return Err(invalid(format!("{field}: has {found}, the limit is {PROFILE_LIST_MAX}")));
    }
    let queues = hold.queues.iter().map(|id| ("queues", EntityKind::Queue, id.uuid()));
    let agents = hold.agents.iter().map(|id| ("agents", EntityKind::User, id.uuid()));
    // Somebody who was deleted can still be held: the hold that is in force says the same.
    for (field, kind, uuid) in queues.chain(agents) {
        let id = EntityId::new(uuid);
        let is_known = config.entities.get(&id).is_some_and(|record| record.kind == kind);
        let is_held = || {
            config.entities.values().any(|record| {
                matches!(
                    Entity::parse(record.kind, &record.document),
                    Ok(Entity::LegalHold(it)) if it.name == hold.name && names(&it, uuid)
                )
            })
        };
        if !is_known && !is_held() {
            return Err(invalid(format!("{field}: no {} has id {id}", kind.name())));
        }
    }
    if hold.from.zip(hold.to).is_some_and(|(from, to)| from >= to) {
        return Err(invalid("to: must be after from"));
    }
    Ok(())
}

fn names(hold: &LegalHold, uuid: uuid::Uuid) -> bool {
    hold.queues.iter().any(|id| id.uuid() == uuid) || hold.agents.iter().any(|id| id.uuid() == uuid)
}
