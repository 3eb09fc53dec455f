//! An entity's object read as its type and written back in full, so that what is stored says every default
//! and two ways to write the same thing compare equal.

use ledgerline_schemas::config::{
    AlertRule, AuxCode, EntityKind, EntryPoint, Flow, LegalHold, MultimediaProfile, Named, Queue,
    ReportSchedule, ResourceCollection, RetentionPolicy, Site, Skill, SkillProfile, Team, User,
    UserProfile, WebhookSubscription,
};
use ledgerline_schemas::document::Document;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::reference::FieldError;
use crate::http::body::field_of;

/// The stored form of an entity.
pub(super) fn normalized(
    kind: EntityKind,
    object: Map<String, Value>,
) -> Result<Document, FieldError> {
    let value = Value::Object(object);
    let full = match kind {
        EntityKind::Site => typed::<Site>(&value)?,
        EntityKind::Team => typed::<Team>(&value)?,
        EntityKind::User => typed::<User>(&value)?,
        EntityKind::Skill => typed::<Skill>(&value)?,
        EntityKind::SkillProfile => typed::<SkillProfile>(&value)?,
        EntityKind::Queue => typed::<Queue>(&value)?,
        EntityKind::EntryPoint => typed::<EntryPoint>(&value)?,
        EntityKind::MultimediaProfile => typed::<MultimediaProfile>(&value)?,
        EntityKind::AuxCode => typed::<AuxCode>(&value)?,
        EntityKind::Flow => typed::<Flow>(&value)?,
        EntityKind::UserProfile => typed::<UserProfile>(&value)?,
        EntityKind::ResourceCollection => typed::<ResourceCollection>(&value)?,
        EntityKind::RetentionPolicy => typed::<RetentionPolicy>(&value)?,
        EntityKind::LegalHold => typed::<LegalHold>(&value)?,
        EntityKind::ReportSchedule => typed::<ReportSchedule>(&value)?,
        EntityKind::AlertRule => typed::<AlertRule>(&value)?,
        EntityKind::WebhookSubscription => typed::<WebhookSubscription>(&value)?,
        // Kinds whose document is only stored today: everything but the name is free.
        _ => {
            read::<Named>(&value)?;
            value
        }
    };
    Document::from_value(&full).map_err(|error| FieldError::new("", error.to_string()))
}

fn read<T: DeserializeOwned>(value: &Value) -> Result<T, FieldError> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let path = error.path().to_string();
        let reason = error.into_inner().to_string();
        FieldError::new(field_of(&path, &reason), reason)
    })
}

fn typed<T: DeserializeOwned + Serialize>(value: &Value) -> Result<Value, FieldError> {
    let entity: T = read(value)?;
    let mut full =
        serde_json::to_value(entity).map_err(|error| FieldError::new("", error.to_string()))?;
    refuse_unknown("", value, &full)?;
    keep_nulls(value, &mut full);
    Ok(full)
}

/// Parts of entities that also occur in events tolerate keys they do not know; people's typing errors are
/// refused here nevertheless.
fn refuse_unknown(path: &str, written: &Value, full: &Value) -> Result<(), FieldError> {
    match (written, full) {
        (Value::Object(written), Value::Object(full)) => {
            for (key, value) in written {
                let at = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                match full.get(key) {
                    Some(full) => refuse_unknown(&at, value, full)?,
                    None if value.is_null() => {}
                    None => return Err(FieldError::new(at, format!("unknown field `{key}`"))),
                }
            }
            Ok(())
        }
        (Value::Array(written), Value::Array(full)) => {
            written.iter().zip(full).enumerate().try_for_each(|(index, (written, full))| {
                refuse_unknown(&format!("{path}[{index}]"), written, full)
            })
        }
        _ => Ok(()),
    }
}

/// An explicit null is not the default: `wrapup_ms = null` says that only the agent ends wrap-up.
fn keep_nulls(written: &Value, full: &mut Value) {
    if let (Value::Object(written), Value::Object(full)) = (written, full) {
        for (key, _) in written.iter().filter(|(_, value)| value.is_null()) {
            full.entry(key.clone()).or_insert(Value::Null);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn stored(kind: EntityKind, value: Value) -> Result<Value, FieldError> {
        let Value::Object(object) = value else { panic!("no object") };
        normalized(kind, object).map(|document| document.to_value())
    }

    #[test]
    fn defaults_are_written_out_and_nulls_are_kept() {
        let queue = |extra: Value| {
            let mut value = json!({"name": "Sales", "channel_type": "chat"});
            if let (Value::Object(value), Value::Object(extra)) = (&mut value, extra) {
                value.extend(extra);
            }
            stored(EntityKind::Queue, value).expect("stored")
        };
        assert_eq!(queue(json!({}))["wrapup_ms"], 30_000);
        assert_eq!(queue(json!({})), queue(json!({"wrapup_ms": 30_000, "active": true})));
        let null = queue(json!({"wrapup_ms": null}));
        assert_eq!(null.get("wrapup_ms"), Some(&Value::Null));
        let document = Document::from_value(&null).expect("document");
        assert_eq!(document.parse::<Queue>().expect("queue").wrapup_ms, None);
    }

    #[test]
    fn typing_errors_are_named_at_any_depth() {
        let skill = ledgerline_schemas::id::SkillId::from_u128(1);
        for (kind, value, field) in [
            (EntityKind::Site, json!({"name": "S", "timzone": "UTC"}), "timzone"),
            (EntityKind::Site, json!({}), "name"),
            (EntityKind::MultimediaProfile, json!({"name": "P", "voice": "one"}), "voice"),
            (
                EntityKind::SkillProfile,
                json!({"name": "P", "skills": [
                    {"skill_id": skill, "value": {"proficiency": 5}, "levle": 3}
                ]}),
                "skills[0].levle",
            ),
            (
                EntityKind::Flow,
                json!({"name": "F", "start": "a", "activities": {
                    "a": {"does": {"wait": {"duration_ms": 1}}, "nxt": {}}
                }}),
                "activities.a.nxt",
            ),
        ] {
            assert_eq!(stored(kind, value.clone()).expect_err("refused").field, field, "{value}");
        }
    }
}
