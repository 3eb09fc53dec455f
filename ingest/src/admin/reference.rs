//! References from one entity to another: by id, or by name where people write.
//!
//! `site = "Berlin"` stands for `site_id = "<uuid>"`; a field ending in `_id` takes a name as well.

use std::collections::{BTreeMap, BTreeSet};

use ledgerline_schemas::config::EntityKind;
use ledgerline_schemas::id::EntityId;
use serde_json::{Map, Value, json};

/// A value that does not fit, with the path of its field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FieldError {
    pub(super) field: String,
    pub(super) reason: String,
}

impl FieldError {
    pub(super) fn new(field: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { field: field.into(), reason: reason.into() }
    }
}

type Object = Map<String, Value>;

/// Entities that a reference may lead to: those that exist and those of the file.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    names: BTreeMap<(EntityKind, String), EntityId>,
    ids: BTreeSet<(EntityKind, EntityId)>,
}

impl Known {
    pub(super) fn add(&mut self, kind: EntityKind, name: &str, id: EntityId) {
        self.names.insert((kind, name.to_owned()), id);
        self.ids.insert((kind, id));
    }

    /// Takes back an entity that could not be made.
    pub(super) fn remove(&mut self, kind: EntityKind, id: EntityId) {
        self.names.retain(|(other, _), known| *other != kind || *known != id);
        self.ids.remove(&(kind, id));
    }

    pub(super) fn by_name(&self, kind: EntityKind, name: &str) -> Option<EntityId> {
        self.names.get(&(kind, name.to_owned())).copied()
    }

    fn find(&self, kind: EntityKind, text: &str) -> Option<EntityId> {
        let by_id = text.parse().ok().filter(|id| self.ids.contains(&(kind, *id)));
        by_id.or_else(|| self.by_name(kind, text))
    }

    fn resolve(&self, kind: EntityKind, field: &str, value: &mut Value) -> Result<(), FieldError> {
        match value {
            Value::Null => Ok(()),
            Value::String(text) => match self.find(kind, text) {
                Some(id) => {
                    *value = json!(id);
                    Ok(())
                }
                None => {
                    let reason = format!("no {} {text:?} exists", kind.name());
                    Err(FieldError::new(field, reason))
                }
            },
            _ => Err(FieldError::new(field, format!("has to name one {}", kind.name()))),
        }
    }

    fn resolve_all(
        &self,
        kind: EntityKind,
        field: &str,
        value: &mut Value,
    ) -> Result<(), FieldError> {
        let Value::Array(items) = value else {
            return Err(FieldError::new(field, format!("has to be a list of {}s", kind.name())));
        };
        for (index, item) in items.iter_mut().enumerate() {
            self.resolve(kind, &format!("{field}[{index}]"), item)?;
        }
        Ok(())
    }
}

/// Moves `object[alias]` to `object[key]`; the name somebody wrote, for messages.
fn canonical(object: &mut Object, alias: &str, key: &str) -> Result<String, FieldError> {
    match object.remove(alias) {
        Some(_) if object.contains_key(key) => {
            Err(FieldError::new(alias, format!("is given as well as {key}")))
        }
        Some(value) => {
            object.insert(key.to_owned(), value);
            Ok(alias.to_owned())
        }
        None => Ok(key.to_owned()),
    }
}

fn one(
    known: &Known,
    object: &mut Object,
    path: &str,
    alias: &str,
    target: EntityKind,
) -> Result<(), FieldError> {
    let key = format!("{alias}_id");
    let written = canonical(object, alias, &key).map_err(|error| within(path, error))?;
    match object.get_mut(&key) {
        Some(value) => known.resolve(target, &format!("{path}{written}"), value),
        None => Ok(()),
    }
}

fn many(known: &Known, object: &mut Object, path: &str) -> Result<(), FieldError> {
    list(known, object, path, ("teams", "team_ids"), EntityKind::Team)
}

fn list(
    known: &Known,
    object: &mut Object,
    path: &str,
    (alias, key): (&str, &str),
    target: EntityKind,
) -> Result<(), FieldError> {
    let written = canonical(object, alias, key).map_err(|error| within(path, error))?;
    match object.get_mut(key) {
        Some(value) => known.resolve_all(target, &format!("{path}{written}"), value),
        None => Ok(()),
    }
}

fn within(path: &str, error: FieldError) -> FieldError {
    FieldError { field: format!("{path}{}", error.field), reason: error.reason }
}

/// Turns the references of an entity into ids.
pub(super) fn resolve(
    known: &Known,
    kind: EntityKind,
    object: &mut Object,
) -> Result<(), FieldError> {
    match kind {
        EntityKind::Team => {
            one(known, object, "", "site", EntityKind::Site)?;
            one(known, object, "", "multimedia_profile", EntityKind::MultimediaProfile)
        }
        EntityKind::User => {
            many(known, object, "")?;
            one(known, object, "", "multimedia_profile", EntityKind::MultimediaProfile)?;
            one(known, object, "", "skill_profile", EntityKind::SkillProfile)?;
            one(known, object, "", "user_profile", EntityKind::UserProfile)
        }
        EntityKind::UserProfile => {
            places(known, object)?;
            granted(known, object, "resource_collections", EntityKind::ResourceCollection)
        }
        EntityKind::ResourceCollection => places(known, object),
        EntityKind::LegalHold => {
            granted(known, object, "queues", EntityKind::Queue)?;
            granted(known, object, "agents", EntityKind::User)
        }
        EntityKind::SkillProfile => each(object, "skills", |path, skill| {
            one(known, skill, path, "skill", EntityKind::Skill)
        }),
        EntityKind::Queue => {
            groups(object)?;
            each(object, "call_distribution_groups", |path, group| many(known, group, path))?;
            one(known, object, "", "overflow_queue", EntityKind::Queue)
        }
        EntityKind::EntryPoint => one(known, object, "", "flow", EntityKind::Flow),
        EntityKind::Flow => flow(known, object),
        EntityKind::AlertRule => {
            many(known, object, "")?;
            list(known, object, "", ("queues", "queue_ids"), EntityKind::Queue)?;
            list(known, object, "", ("sites", "site_ids"), EntityKind::Site)?;
            let entry_points = ("entry_points", "entry_point_ids");
            list(known, object, "", entry_points, EntityKind::EntryPoint)
        }
        EntityKind::ReportSchedule => one(known, object, "", "as_user", EntityKind::User),
        _ => Ok(()),
    }
}

/// The places that a profile or a collection grants.
fn places(known: &Known, object: &mut Object) -> Result<(), FieldError> {
    granted(known, object, "sites", EntityKind::Site)?;
    granted(known, object, "teams", EntityKind::Team)?;
    granted(known, object, "queues", EntityKind::Queue)?;
    granted(known, object, "entry_points", EntityKind::EntryPoint)
}

/// `"all"` is no name; a list is one of names or ids.
fn granted(
    known: &Known,
    object: &mut Object,
    field: &str,
    kind: EntityKind,
) -> Result<(), FieldError> {
    match object.get_mut(field) {
        // Any other text is refused when the entity is read as its type.
        None | Some(Value::String(_)) => Ok(()),
        Some(value) => known.resolve_all(kind, field, value),
    }
}

/// `teams = [["A"], ["B", "C"]]` is short for groups in that order; `["A", "B"]` for one group. Without a
/// wait, a further group joins at once.
fn groups(object: &mut Object) -> Result<(), FieldError> {
    const KEY: &str = "call_distribution_groups";
    let Some(teams) = object.remove("teams") else { return Ok(()) };
    if object.contains_key(KEY) {
        return Err(FieldError::new("teams", format!("is given as well as {KEY}")));
    }
    let Value::Array(items) = teams else {
        return Err(FieldError::new("teams", "has to be a list of teams or of groups of teams"));
    };
    let groups = if items.iter().any(Value::is_array) {
        items.into_iter().map(|group| json!({"teams": group})).collect()
    } else {
        vec![json!({"teams": items})]
    };
    object.insert(KEY.to_owned(), Value::Array(groups));
    Ok(())
}

fn each(
    object: &mut Object,
    key: &str,
    mut work: impl FnMut(&str, &mut Object) -> Result<(), FieldError>,
) -> Result<(), FieldError> {
    // What is no list of objects is refused when the entity is read as its type.
    let Some(Value::Array(items)) = object.get_mut(key) else { return Ok(()) };
    for (index, item) in items.iter_mut().enumerate() {
        if let Value::Object(item) = item {
            work(&format!("{key}[{index}]."), item)?;
        }
    }
    Ok(())
}

fn flow(known: &Known, object: &mut Object) -> Result<(), FieldError> {
    let Some(Value::Object(activities)) = object.get_mut("activities") else { return Ok(()) };
    for (id, activity) in activities {
        let queue_contact = activity.get_mut("does").and_then(|does| does.get_mut("queue_contact"));
        if let Some(Value::Object(queue_contact)) = queue_contact {
            let path = format!("activities.{id}.does.queue_contact.");
            one(known, queue_contact, &path, "queue", EntityKind::Queue)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SITE: EntityId = EntityId::from_u128(1);
    const RED: EntityId = EntityId::from_u128(2);
    const BLUE: EntityId = EntityId::from_u128(3);

    fn known() -> Known {
        let mut known = Known::default();
        known.add(EntityKind::Site, "Berlin", SITE);
        known.add(EntityKind::Team, "Red", RED);
        known.add(EntityKind::Team, "Blue", BLUE);
        known
    }

    fn resolved(kind: EntityKind, value: Value) -> Result<Value, FieldError> {
        let Value::Object(mut object) = value else { panic!("no object") };
        resolve(&known(), kind, &mut object).map(|()| Value::Object(object))
    }

    #[test]
    fn names_and_ids_are_the_same_reference() {
        let expected = json!({"name": "T", "site_id": SITE});
        for value in [
            json!({"name": "T", "site": "Berlin"}),
            json!({"name": "T", "site_id": "Berlin"}),
            json!({"name": "T", "site_id": SITE}),
            json!({"name": "T", "site": SITE}),
        ] {
            assert_eq!(resolved(EntityKind::Team, value).expect("resolved"), expected);
        }
    }

    #[test]
    fn a_profile_grants_by_name_or_everything() {
        let value = json!({"name": "P", "sites": ["Berlin"], "teams": "all", "queues": []});
        let expected = json!({"name": "P", "sites": [SITE], "teams": "all", "queues": []});
        assert_eq!(resolved(EntityKind::UserProfile, value).expect("resolved"), expected);
    }

    #[test]
    fn an_alert_rule_names_its_places() {
        let value = json!({"name": "R", "teams": ["Red", BLUE], "sites": ["Berlin"]});
        let expected = json!({"name": "R", "team_ids": [RED, BLUE], "site_ids": [SITE]});
        assert_eq!(resolved(EntityKind::AlertRule, value).expect("resolved"), expected);
    }

    #[test]
    fn teams_of_a_queue_are_groups() {
        let groups = |teams: Value| {
            resolved(EntityKind::Queue, json!({"teams": teams})).expect("resolved")
                ["call_distribution_groups"]
                .clone()
        };
        assert_eq!(groups(json!(["Red", "Blue"])), json!([{"team_ids": [RED, BLUE]}]));
        assert_eq!(
            groups(json!([["Red"], ["Blue"]])),
            json!([{"team_ids": [RED]}, {"team_ids": [BLUE]}])
        );
    }

    #[test]
    fn a_reference_to_nothing_names_its_field_as_written() {
        for (kind, value, field) in [
            (EntityKind::Team, json!({"site": "Paris"}), "site"),
            (EntityKind::Team, json!({"site": "Berlin", "site_id": SITE}), "site"),
            (EntityKind::User, json!({"teams": ["Red", "Green"]}), "teams[1]"),
            (EntityKind::User, json!({"teams": "Red"}), "teams"),
            (
                EntityKind::Queue,
                json!({"call_distribution_groups": [{"teams": ["Green"]}]}),
                "call_distribution_groups[0].teams[0]",
            ),
            (
                EntityKind::Flow,
                json!({"activities": {"q": {"does": {"queue_contact": {"queue": "Sales"}}}}}),
                "activities.q.does.queue_contact.queue",
            ),
            (EntityKind::UserProfile, json!({"sites": ["Berlin"], "teams": ["Green"]}), "teams[0]"),
            (EntityKind::AlertRule, json!({"queues": ["Sales"]}), "queues[0]"),
            // A site's id is no team.
            (EntityKind::User, json!({"team_ids": [SITE]}), "team_ids[0]"),
        ] {
            assert_eq!(resolved(kind, value.clone()).expect_err("refused").field, field, "{value}");
        }
    }
}
