//! Rules that a configuration document must keep; each refusal names the field.

use ledgerline_schemas::config::{
    AgentSkill, Entity, EntryPoint, Granted, MultimediaProfile, Queue, ResourceCollection,
    RoutingType, Skill, SkillProfile, SkillType, SkillValue, Team, TeamType, UserProfile,
};
use ledgerline_schemas::id::{EntityId, EntryPointId, QueueId};
use ledgerline_schemas::limits::{GROUPS_MAX, NAME_CHARS_MAX, PROFILE_LIST_MAX, REQUIREMENTS_MAX};

use super::alert_check;
use super::retention;
use super::schedule_check;
use super::webhook_check;
use crate::flow::validate;
use crate::rejection::{Rejection, RejectionCode};
use crate::state::config::Config;

/// Most slots of a channel that is not voice.
const DIGITAL_SLOTS_MAX: u8 = 5;

pub(super) fn invalid(message: impl Into<String>) -> Rejection {
    Rejection::new(RejectionCode::Invalid, message)
}

pub(super) fn check(config: &Config, id: EntityId, entity: &Entity) -> Result<(), Rejection> {
    check_name(&entity.name())?;
    for (field, kind, target) in Config::references(entity) {
        if config.entities.get(&target).is_none_or(|record| record.kind != kind) {
            return Err(invalid(format!("{field}: no {} has id {target}", kind.name())));
        }
    }
    match entity {
        Entity::Team(it) => check_team(it),
        Entity::Skill(it) => check_skill(it),
        Entity::SkillProfile(it) => check_skill_profile(config, it),
        Entity::MultimediaProfile(it) => check_profile(it),
        Entity::Queue(it) => check_queue(config, QueueId::new(id.uuid()), it),
        Entity::EntryPoint(it) => check_entry_point(config, EntryPointId::new(id.uuid()), it),
        Entity::Flow(it) => validate::check(it),
        Entity::UserProfile(it) => check_user_profile(it),
        Entity::ResourceCollection(it) => check_collection(it),
        Entity::RetentionPolicy(it) => retention::check_policy(config, id, it),
        Entity::LegalHold(it) => retention::check_hold(config, it),
        Entity::ReportSchedule(it) => schedule_check::check(it),
        Entity::AlertRule(it) => alert_check::check(it),
        Entity::WebhookSubscription(it) => webhook_check::check(it),
        _ => Ok(()),
    }
}

fn check_name(name: &str) -> Result<(), Rejection> {
    let length = name.chars().count();
    if name.trim().is_empty() {
        return Err(invalid("name: must not be empty"));
    }
    if length > NAME_CHARS_MAX {
        let message = format!("name: has {length} characters, the limit is {NAME_CHARS_MAX}");
        return Err(invalid(message));
    }
    Ok(())
}

fn check_team(team: &Team) -> Result<(), Rejection> {
    if team.team_type == TeamType::Capacity {
        return Err(invalid("team_type: capacity teams are not routed to yet"));
    }
    Ok(())
}

fn check_skill(skill: &Skill) -> Result<(), Rejection> {
    if (skill.skill_type == SkillType::Enum) == skill.enum_values.is_empty() {
        return Err(invalid("enum_values: needed for an enum skill and only for one"));
    }
    Ok(())
}

fn check_skill_profile(config: &Config, profile: &SkillProfile) -> Result<(), Rejection> {
    if profile.skills.len() > REQUIREMENTS_MAX {
        let found = profile.skills.len();
        return Err(invalid(format!("skills: has {found}, the limit is {REQUIREMENTS_MAX}")));
    }
    for AgentSkill { skill_id, value } in &profile.skills {
        let Some(skill) = config.skills.get(skill_id) else { continue };
        let fits = match (skill.skill_type, value) {
            (SkillType::Proficiency, SkillValue::Proficiency(level)) => *level <= 10,
            (SkillType::Boolean, SkillValue::Boolean(_))
            | (SkillType::Text, SkillValue::Text(_)) => true,
            (SkillType::Enum, SkillValue::Text(text)) => skill.enum_values.contains(text),
            _ => false,
        };
        if !fits {
            return Err(invalid(format!("skills: value does not fit skill {:?}", skill.name)));
        }
    }
    Ok(())
}

fn check_profile(profile: &MultimediaProfile) -> Result<(), Rejection> {
    if profile.voice > 1 {
        return Err(invalid(format!("voice: is {}, the limit is 1", profile.voice)));
    }
    let digital = [
        ("chat", profile.chat),
        ("email", profile.email),
        ("social", profile.social),
        ("work_item", profile.work_item),
    ];
    match digital.into_iter().find(|(_, slots)| *slots > DIGITAL_SLOTS_MAX) {
        Some((field, slots)) => {
            Err(invalid(format!("{field}: is {slots}, the limit is {DIGITAL_SLOTS_MAX}")))
        }
        None => Ok(()),
    }
}

fn check_queue(config: &Config, id: QueueId, queue: &Queue) -> Result<(), Rejection> {
    if queue.routing_type != RoutingType::LongestAvailableAgent {
        return Err(invalid("routing_type: only longest_available_agent is routed yet"));
    }
    let groups = &queue.call_distribution_groups;
    if groups.len() > GROUPS_MAX {
        let found = groups.len();
        let message = format!("call_distribution_groups: has {found}, the limit is {GROUPS_MAX}");
        return Err(invalid(message));
    }
    if let Some(before) = config.queue(id)
        && before.channel_type != queue.channel_type
    {
        return Err(invalid("channel_type: cannot change after creation"));
    }
    if queue.ring_timeout_ms == 0 {
        return Err(invalid("ring_timeout_ms: must be at least 1"));
    }
    if queue.max_time_in_queue_ms == Some(0) {
        // Two queues that overflow into each other at once would never come to rest.
        return Err(invalid("max_time_in_queue_ms: must be at least 1"));
    }
    for credit in &queue.wait_credits {
        if !(1..=10).contains(&credit.priority) {
            let priority = credit.priority;
            return Err(invalid(format!("wait_credits: priority is {priority}, must be 1 to 10")));
        }
    }
    if let Some(overflow) = queue.overflow_queue_id {
        if overflow == id {
            return Err(invalid("overflow_queue_id: is the queue itself"));
        }
        if config.queue(overflow).is_some_and(|it| it.channel_type != queue.channel_type) {
            return Err(invalid("overflow_queue_id: that queue has another channel_type"));
        }
    }
    Ok(())
}

fn check_entry_point(
    config: &Config,
    id: EntryPointId,
    entry: &EntryPoint,
) -> Result<(), Rejection> {
    if let Some(before) = config.entry_points.get(&id)
        && before.channel_type != entry.channel_type
    {
        return Err(invalid("channel_type: cannot change after creation"));
    }
    for (index, number) in entry.numbers.iter().enumerate() {
        if number.trim().is_empty() {
            return Err(invalid("numbers: must not be empty text"));
        }
        if entry.numbers.iter().skip(index + 1).any(|other| other == number) {
            return Err(invalid(format!("numbers: {number:?} is there twice")));
        }
        if let Some(other) = config.numbers.get(number).filter(|other| **other != id) {
            let name = config.entry_points.get(other).map_or("", |entry| entry.name.as_str());
            return Err(invalid(format!("numbers: {number:?} leads to entry point {name:?}")));
        }
    }
    Ok(())
}

fn check_user_profile(profile: &UserProfile) -> Result<(), Rejection> {
    check_listed("sites", &profile.sites)?;
    check_listed("teams", &profile.teams)?;
    check_listed("queues", &profile.queues)?;
    check_listed("entry_points", &profile.entry_points)?;
    check_length("resource_collections", profile.resource_collections.len())?;
    check_length("masked_columns", profile.masked_columns.len())?;
    // Which columns there are is not known here: a mask of one that is not there hides everything.
    for mask in &profile.masked_columns {
        let mut parts = mask.split('.');
        let is_name = |part: &str| {
            part.starts_with(|c: char| c.is_ascii_lowercase())
                && part.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        };
        if !parts.by_ref().take(2).all(is_name) || parts.next().is_some() {
            return Err(invalid(format!(
                "masked_columns: {mask:?} is neither column nor table.column"
            )));
        }
    }
    Ok(())
}

fn check_collection(collection: &ResourceCollection) -> Result<(), Rejection> {
    check_listed("sites", &collection.sites)?;
    check_listed("teams", &collection.teams)?;
    check_listed("queues", &collection.queues)?;
    check_listed("entry_points", &collection.entry_points)
}

fn check_listed<T: Ord + Copy>(field: &str, granted: &Granted<T>) -> Result<(), Rejection> {
    check_length(field, granted.listed().count())
}

fn check_length(field: &str, found: usize) -> Result<(), Rejection> {
    if found > PROFILE_LIST_MAX {
        return Err(invalid(format!("{field}: has {found}, the limit is {PROFILE_LIST_MAX}")));
    }
    Ok(())
}
