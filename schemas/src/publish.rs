//! The published form of the vocabulary: JSON Schema and AsyncAPI documents.
//!
//! The documents are generated from the Rust types and checked in under `schemas/json/`; a test fails
//! when they drift. `cargo xtask schemas` writes them anew.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use crate::command::{Command, Commanded};
use crate::config::{
    AlertRule, AuxCode, EntryPoint, Flow, LegalHold, MultimediaProfile, Queue, ResourceCollection,
    RetentionPolicy, Site, Skill, SkillProfile, Team, User, UserProfile, WebhookSubscription,
};
use crate::envelope::{Actor, Position, StreamId, Version};
use crate::event::json_schemas;
use crate::id::{CommandId, CorrelationId, EventId, OrgId, SubjectId};
use crate::time::Timestamp;

const DRAFT: &str = "https://json-schema.org/draft/2020-12/schema";

fn generator() -> SchemaGenerator {
    SchemaSettings::draft2020_12().into_generator()
}

fn definitions(generator: &mut SchemaGenerator) -> Value {
    Value::Object(generator.take_definitions(true).into_iter().collect())
}

fn pretty(value: &Value) -> String {
    let mut text = serde_json::to_string_pretty(value).unwrap_or_default();
    text.push('\n');
    text
}

/// One JSON Schema whose `oneOf` lists every event as it appears at the doors.
fn events() -> Value {
    let mut generator = generator();
    let envelope = envelope_properties(&mut generator);
    let alternatives: Vec<Value> = json_schemas(&mut generator)
        .into_iter()
        .map(|(name, payload)| {
            json!({
                "title": name,
                "properties": {"type": {"const": name}, "data": payload},
                "required": ["type", "data"],
            })
        })
        .collect();
    json!({
        "$schema": DRAFT,
        "title": "Ledgerline events, version 1",
        "type": "object",
        "properties": envelope,
        "required": [
            "specversion", "id", "type", "source", "time", "org_id", "stream", "version", "position",
            "recorded_at", "command_id", "correlation_id", "actor", "config_position"
        ],
        "oneOf": alternatives,
        "$defs": definitions(&mut generator),
    })
}

fn envelope_properties(generator: &mut SchemaGenerator) -> Value {
    let mut properties = Map::new();
    let mut put = |name: &str, schema: Value| {
        properties.insert(name.to_owned(), schema);
    };
    put("specversion", json!({"const": "1.0"}));
    put("type", json!({"type": "string"}));
    put("source", json!({"type": "string", "format": "uri-reference"}));
    put("subject", json!({"type": "string"}));
    put("datacontenttype", json!({"const": "application/json"}));
    put("traceparent", json!({"type": ["string", "null"]}));
    put("data", json!({"type": "object"}));
    let typed = [
        ("id", generator.subschema_for::<EventId>()),
        ("time", generator.subschema_for::<Timestamp>()),
        ("org_id", generator.subschema_for::<OrgId>()),
        ("stream", generator.subschema_for::<StreamId>()),
        ("version", generator.subschema_for::<Version>()),
        ("position", generator.subschema_for::<Position>()),
        ("recorded_at", generator.subschema_for::<Timestamp>()),
        ("command_id", generator.subschema_for::<CommandId>()),
        ("correlation_id", generator.subschema_for::<CorrelationId>()),
        ("causation_id", generator.subschema_for::<Option<EventId>>()),
        ("actor", generator.subschema_for::<Actor>()),
        ("config_position", generator.subschema_for::<Position>()),
        ("data_subject_id", generator.subschema_for::<Option<SubjectId>>()),
    ];
    for (name, schema) in typed {
        put(name, schema.into());
    }
    Value::Object(properties)
}

fn one<T: JsonSchema>(title: &str) -> Value {
    let mut generator = generator();
    let root = generator.subschema_for::<T>();
    json!({
        "$schema": DRAFT, "title": title, "allOf": [root], "$defs": definitions(&mut generator),
    })
}

fn config() -> Value {
    let mut generator = generator();
    let kinds: Vec<(&str, Schema)> = vec![
        ("site", generator.subschema_for::<Site>()),
        ("team", generator.subschema_for::<Team>()),
        ("user", generator.subschema_for::<User>()),
        ("skill", generator.subschema_for::<Skill>()),
        ("skill_profile", generator.subschema_for::<SkillProfile>()),
        ("queue", generator.subschema_for::<Queue>()),
        ("entry_point", generator.subschema_for::<EntryPoint>()),
        ("multimedia_profile", generator.subschema_for::<MultimediaProfile>()),
        ("aux_code", generator.subschema_for::<AuxCode>()),
        ("flow", generator.subschema_for::<Flow>()),
        ("user_profile", generator.subschema_for::<UserProfile>()),
        ("resource_collection", generator.subschema_for::<ResourceCollection>()),
        ("retention_policy", generator.subschema_for::<RetentionPolicy>()),
        ("alert_rule", generator.subschema_for::<AlertRule>()),
        ("legal_hold", generator.subschema_for::<LegalHold>()),
        ("webhook_subscription", generator.subschema_for::<WebhookSubscription>()),
    ];
    let kinds: Map<String, Value> =
        kinds.into_iter().map(|(kind, schema)| (kind.to_owned(), schema.into())).collect();
    json!({
        "$schema": DRAFT,
        "title": "Ledgerline configuration documents by kind, version 1",
        "properties": kinds,
        "$defs": definitions(&mut generator),
    })
}

/// AsyncAPI 3.0: the organization's log as one channel that applications receive.
fn asyncapi() -> Value {
    let mut generator = generator();
    let mut messages = Map::new();
    let mut refs = Map::new();
    let mut operation = Vec::new();
    for (name, payload) in json_schemas(&mut generator) {
        messages.insert(
            name.to_owned(),
            json!({
                "name": name,
                "contentType": "application/cloudevents+json",
                "payload": {
                    "type": "object",
                    "properties": {"type": {"const": name}, "data": payload},
                },
            }),
        );
        refs.insert(name.to_owned(), json!({"$ref": format!("#/components/messages/{name}")}));
        operation.push(json!({"$ref": format!("#/channels/organization/messages/{name}")}));
    }
    let schemas = definitions(&mut generator);
    let document = json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "Ledgerline events",
            "version": "1.0.0",
            "license": {"name": "Apache-2.0"},
            "description": "Every action on every interaction, in log order.",
        },
        "channels": {
            "organization": {
                "address": "orgs/{org_id}/events",
                "parameters": {"org_id": {"description": "the organization"}},
                "messages": refs,
            }
        },
        "operations": {
            "receive": {
                "action": "send",
                "channel": {"$ref": "#/channels/organization"},
                "messages": operation,
            }
        },
        "components": {"messages": messages, "schemas": schemas},
    });
    relocate(document)
}

/// AsyncAPI keeps shared schemas under `components/schemas`.
fn relocate(value: Value) -> Value {
    match value {
        Value::Object(map) => Value::Object(
            map.into_iter()
                .map(|(key, item)| match (key.as_str(), item) {
                    ("$ref", Value::String(target)) => {
                        (key, Value::String(target.replace("#/$defs/", "#/components/schemas/")))
                    }
                    (_, item) => (key, relocate(item)),
                })
                .collect(),
        ),
        Value::Array(items) => Value::Array(items.into_iter().map(relocate).collect()),
        scalar => scalar,
    }
}

/// Every published document: file name under `schemas/json/` and text.
#[must_use]
pub fn documents() -> Vec<(&'static str, String)> {
    vec![
        ("events.schema.json", pretty(&events())),
        ("command.schema.json", pretty(&one::<Command>("Ledgerline commands, version 1"))),
        ("commanded.schema.json", pretty(&one::<Commanded>("A command with its envelope"))),
        ("config.schema.json", pretty(&config())),
        ("asyncapi.json", pretty(&asyncapi())),
    ]
}
