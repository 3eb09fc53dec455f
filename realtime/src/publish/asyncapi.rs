//! The AsyncAPI 3.0 document: channels, frames both ways, datasets.

use ledgerline_projections::{ColumnDef, ColumnType, TableDef};
use serde_json::{Map, Value as Json, json};

use super::{Frames, client_frames, datasets, server_frames};
use crate::events;

/// What a stream of server-sent events can hold; requests and their answers are in the URL and the HTTP status.
const NOT_IN_SSE: [&str; 3] = ["ready", "unsubscribed", "pong"];

pub(super) fn document() -> String {
    let (server, client) = (server_frames(), client_frames());
    let mut schemas = Map::new();
    schemas.extend(server.shared.clone());
    schemas.extend(client.shared.clone());
    schemas.extend(datasets().map(|table| (table.name.to_owned(), row(table))));
    let names = datasets().map(|table| table.name).chain([events::DATASET]);
    let names: Vec<&str> = names.collect();
    schemas.insert(
        "Dataset".to_owned(),
        json!({"type": "string", "enum": names, "description": "What can be subscribed to, as far as the token's roles and user profile allow it."}),
    );
    let mut messages = Map::new();
    for (name, schema) in server.frames.iter().chain(&client.frames) {
        messages.insert(name.clone(), message(name, schema));
    }
    let sse = |name: &&String| !NOT_IN_SSE.contains(&name.as_str());
    let all: Vec<&String> = messages.keys().collect();
    let streamed: Vec<&String> = kinds(&server).into_iter().filter(sse).collect();
    let document = json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "Ledgerline real time",
            "version": "1.0.0",
            "license": {"name": "Apache-2.0"},
            "description": "Live tables and the event stream, pushed. A subscriber gets a snapshot at one position and then changes; every frame says which positions it covers. Snapshot plus deltas up to P is the answer SQL gives at P.",
        },
        "defaultContentType": "application/json",
        "servers": {
            "websocket": {"host": "127.0.0.1:8080", "protocol": "ws", "security": security()},
            "http": {"host": "127.0.0.1:8080", "protocol": "http", "security": security()},
        },
        "channels": {
            "realtime": {
                "address": "/v1/realtime",
                "title": "WebSocket",
                "description": "Several subscriptions a connection. Frames are JSON text, but rows that were asked for as Arrow. The token comes in the Authorization header, in the query, or in the first frame within 10 s.",
                "servers": [{"$ref": "#/servers/websocket"}],
                "messages": refs(&all),
                "bindings": {"ws": {"method": "GET", "query": access_token(), "bindingVersion": "0.1.0"}},
            },
            "server_sent": {
                "address": "/v1/realtime/sse",
                "title": "Server-sent events",
                "description": "One subscription a request. The event's name is the frame's type, its data the frame, its id the resume token: a reader that comes back with Last-Event-ID goes on from there. After a resync the fresh snapshot follows in the same stream.",
                "servers": [{"$ref": "#/servers/http"}],
                "messages": refs(&streamed),
            },
        },
        "operations": {
            "receive_requests": {
                "action": "receive",
                "channel": {"$ref": "#/channels/realtime"},
                "messages": of("realtime", &kinds(&client)),
            },
            "send_frames": {
                "action": "send",
                "channel": {"$ref": "#/channels/realtime"},
                "messages": of("realtime", &kinds(&server)),
            },
            "stream_frames": {
                "action": "send",
                "channel": {"$ref": "#/channels/server_sent"},
                "messages": of("server_sent", &streamed),
                "bindings": {"http": {"method": "GET", "query": query(&client), "bindingVersion": "0.3.0"}},
            },
        },
        "components": {
            "messages": messages,
            "schemas": schemas,
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
                "access_token": {"type": "httpApiKey", "in": "query", "name": "access_token", "description": "For clients that can set no header; it ends up in access logs of proxies."},
            },
        },
    });
    let mut text = serde_json::to_string_pretty(&relocate(document)).unwrap_or_default();
    text.push('\n');
    text
}

fn kinds(frames: &Frames) -> Vec<&String> {
    frames.frames.iter().map(|(name, _)| name).collect()
}

fn security() -> Json {
    json!([
        {"$ref": "#/components/securitySchemes/bearer"},
        {"$ref": "#/components/securitySchemes/access_token"},
    ])
}

fn refs(names: &[&String]) -> Json {
    let one = |name: &&String| {
        ((*name).clone(), json!({"$ref": format!("#/components/messages/{name}")}))
    };
    Json::Object(names.iter().map(one).collect())
}

fn of(channel: &str, names: &[&String]) -> Json {
    let one = |name: &&String| json!({"$ref": format!("#/channels/{channel}/messages/{name}")});
    Json::Array(names.iter().map(one).collect())
}

fn message(name: &str, schema: &Map<String, Json>) -> Json {
    let mut payload = schema.clone();
    let rows: Vec<Json> = datasets()
        .map(|table| json!({"$ref": format!("#/components/schemas/{}", table.name)}))
        .collect();
    if let Some(Json::Object(properties)) = payload.get_mut("properties") {
        for (property, of) in properties.iter_mut() {
            let items = match (name, property.as_str()) {
                ("rows", "rows") | ("delta", "upserts" | "deletes") => json!({"anyOf": rows}),
                ("events", "events") => json!({"$ref": "../schemas/json/events.schema.json"}),
                ("subscribe" | "snapshot_begin", "dataset") => {
                    *of = json!({"$ref": "#/components/schemas/Dataset"});
                    continue;
                }
                _ => continue,
            };
            if let Json::Object(of) = of {
                of.insert("items".to_owned(), items);
            }
        }
    }
    let summary = payload.remove("description").unwrap_or_default();
    json!({"name": name, "summary": summary, "contentType": "application/json", "payload": payload})
}

fn access_token() -> Json {
    json!({"type": "object", "properties": {"access_token": {"type": "string"}}})
}

/// A subscription in a URL: the fields of `subscribe` that it has.
fn query(client: &Frames) -> Json {
    let frames = &client.frames;
    let fields = frames.iter().find(|(name, _)| name == "subscribe").map(|(_, schema)| schema);
    let fields = fields.and_then(|schema| schema.get("properties")).and_then(Json::as_object);
    let mut query = fields.cloned().unwrap_or_default();
    for elsewhere in ["type", "id", "resume", "format"] {
        query.remove(elsewhere);
    }
    query.insert("dataset".to_owned(), json!({"$ref": "#/components/schemas/Dataset"}));
    let as_text = json!({"type": "string", "description": "Which rows, or which events, as JSON."});
    query.insert("filter".to_owned(), as_text);
    let listed = json!({"type": "string", "description": "Which columns, with commas between."});
    query.insert("columns".to_owned(), listed);
    query.insert("access_token".to_owned(), json!({"type": "string"}));
    json!({"type": "object", "properties": query, "required": ["dataset"]})
}

/// A row: whole unless columns are chosen; of a deleted row, the key.
fn row(table: &TableDef) -> Json {
    let columns = table.columns.iter().map(|column| (column.name.to_owned(), type_of(column)));
    json!({
        "type": "object",
        "title": table.name,
        "description": table.doc,
        "properties": columns.collect::<Map<_, _>>(),
        "required": table.key,
        "additionalProperties": false,
        "x-key": table.key,
    })
}

fn type_of(column: &ColumnDef) -> Json {
    let (name, format) = match column.column_type {
        ColumnType::Text => ("string", None),
        ColumnType::Int => ("integer", Some("int64")),
        ColumnType::Bool => ("boolean", None),
        ColumnType::Time => ("string", Some("date-time")),
        ColumnType::Json => return json!({"description": column.doc}),
    };
    let mut schema = json!({"type": name, "description": column.doc});
    if column.nullable {
        schema["type"] = json!([name, "null"]);
    }
    if let Some(format) = format {
        schema["format"] = json!(format);
    }
    schema
}

/// AsyncAPI keeps shared schemas under `components/schemas`.
fn relocate(value: Json) -> Json {
    match value {
        Json::Object(map) => {
            let map = map.into_iter().map(|(key, item)| match (key.as_str(), item) {
                ("$ref", Json::String(target)) => {
                    (key, Json::String(target.replace("#/$defs/", "#/components/schemas/")))
                }
                (_, item) => (key, relocate(item)),
            });
            Json::Object(map.collect())
        }
        Json::Array(items) => Json::Array(items.into_iter().map(relocate).collect()),
        scalar => scalar,
    }
}
