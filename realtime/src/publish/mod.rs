//! The published form of the protocol: an AsyncAPI document and the types of the clients.
//!
//! All of it is generated from the frames ([`crate::frame`], [`crate::request`]), the live tables and the events, and
//! checked in; a test fails when it drifts. `cargo xtask schemas` writes it anew.

mod asyncapi;
mod rust;
mod typescript;

use ledgerline_projections::{TableDef, tables};
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value as Json};

use crate::frame::ServerFrame;
use crate::request::Request;

/// Every generated document: path from the root of the workspace, and text.
#[must_use]
pub fn documents() -> Vec<(&'static str, String)> {
    vec![
        ("realtime/asyncapi.json", asyncapi::document()),
        ("realtime/src/client/rows.rs", rust::rows()),
        ("clients/typescript/src/protocol.ts", typescript::protocol()),
        ("clients/typescript/src/events.ts", typescript::events()),
        ("realtime/subscriptions.graphql", crate::graphql::sdl()),
    ]
}

/// The live tables, which are the datasets beside `events`.
fn datasets() -> impl Iterator<Item = &'static TableDef> {
    tables::ALL.iter().filter(|table| table.live)
}

/// Schemas of frames.
struct Frames {
    /// One schema a frame, by its `type`.
    frames: Vec<(String, Map<String, Json>)>,
    /// What they refer to.
    shared: Map<String, Json>,
}

/// What the server sends.
fn server_frames() -> Frames {
    frames::<ServerFrame>()
}

/// What clients send.
fn client_frames() -> Frames {
    frames::<Request>()
}

fn frames<T: JsonSchema>() -> Frames {
    let mut generator = SchemaSettings::draft2020_12().into_generator();
    let root = generator.root_schema_for::<T>().to_value();
    let list = |value: Option<&Json>| value.and_then(Json::as_array).cloned().unwrap_or_default();
    let mut shared = root.get("$defs").and_then(Json::as_object).cloned().unwrap_or_default();
    let mut found = Vec::new();
    let mut inlined = Vec::new();
    for variant in list(root.get("oneOf")) {
        let Json::Object(mut variant) = variant else { continue };
        // A frame whose fields are a type of their own: they are put beside its `type`.
        if let Some(Json::String(target)) = variant.remove("$ref") {
            let name = target.rsplit('/').next().unwrap_or_default().to_owned();
            if let Some(Json::Object(fields)) = shared.get(&name) {
                merge(&mut variant, fields);
            }
            inlined.push(name);
        }
        let kind = variant.get("properties").and_then(|it| it.pointer("/type/const"));
        let kind = kind.and_then(Json::as_str).unwrap_or_default().to_owned();
        found.push((kind, variant));
    }
    for name in inlined {
        shared.remove(&name);
    }
    Frames { frames: found, shared }
}

fn merge(variant: &mut Map<String, Json>, fields: &Map<String, Json>) {
    if let (Some(Json::Object(into)), Some(Json::Object(more))) =
        (variant.get_mut("properties"), fields.get("properties"))
    {
        into.extend(more.clone());
    }
    if let (Some(Json::Array(into)), Some(Json::Array(more))) =
        (variant.get_mut("required"), fields.get("required"))
    {
        into.extend(more.clone());
    }
}

/// `queue_live` as `QueueLive`.
pub(crate) fn pascal(name: &str) -> String {
    let words = name.split(['_', '.', '-']);
    let capital = |word: &str| {
        let mut letters = word.chars();
        letters.next().map(|first| first.to_ascii_uppercase().to_string() + letters.as_str())
    };
    words.filter_map(capital).collect()
}
