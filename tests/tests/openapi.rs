//! `docs/openapi.json` is what the HTTP doors are: every route of the sources is in it and nothing else, a serving
//! process knows each of its operations, and the document is whole in itself.

#![allow(clippy::expect_used, reason = "a test helper that cannot go on should fail the test")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use ledgerline_tests::Server;
use reqwest::{Client, Method};
use serde_json::Value;

/// Folders with the HTTP doors of a serving process.
const DOORS: [&str; 4] = ["src", "ingest/src", "realtime/src", "analyzer-api/src"];
/// Doors on ports of their own, for another copy of Ledgerline and not for clients.
const ELSEWHERE: [&str; 1] = ["src/standby/door.rs"];
const METHODS: [&str; 5] = ["get", "post", "put", "delete", "patch"];

type Operations = BTreeSet<(String, String)>;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ has a parent").to_path_buf()
}

fn document() -> Value {
    let text = fs::read_to_string(root().join("docs/openapi.json")).expect("docs/openapi.json");
    serde_json::from_str(&text).expect("docs/openapi.json is JSON")
}

fn operations(document: &Value) -> BTreeMap<(String, String), Value> {
    let mut found = BTreeMap::new();
    for (path, methods) in document["paths"].as_object().expect("paths") {
        for (method, operation) in methods.as_object().expect("methods") {
            found.insert((method.clone(), path.clone()), operation.clone());
        }
    }
    found
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<_> = fs::read_dir(folder).expect("a folder").flatten().collect();
    entries.sort_by_key(fs::DirEntry::path);
    for entry in entries {
        let path = entry.path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|it| it == "rs") {
            found.push(path);
        }
    }
}

/// The text up to the bracket that closes the one before it.
fn enclosed(text: &str) -> &str {
    let mut open = 1;
    for (at, c) in text.char_indices() {
        match c {
            '(' => open += 1,
            ')' => open -= 1,
            _ => {}
        }
        if open == 0 {
            return &text[..at];
        }
    }
    text
}

/// The routes of a source: `.route("/path", get(…).post(…))`.
fn routes(source: &str, of: &str, found: &mut Operations) {
    for way in [".nest(\"", ".nest_service(", ".route_service(", ".fallback("] {
        assert!(
            !source.contains(way),
            "{of}: {way}…) is a way to a route that this test does not read"
        );
    }
    for call in source.split(".route(").skip(1) {
        let call = enclosed(call).trim_start();
        let text = call.strip_prefix('"').unwrap_or_else(|| {
            panic!("{of}: a route whose path is no literal: {call}");
        });
        let (path, handlers) = text.split_once('"').expect("a string ends");
        let before = found.len();
        for method in METHODS {
            // `get(` at the beginning of the handlers, `.get(` behind them.
            let begins = handlers.trim_start_matches([',', ' ', '\n']);
            if begins.starts_with(&format!("{method}("))
                || handlers.contains(&format!(".{method}("))
            {
                found.insert((method.to_owned(), path.to_owned()));
            }
        }
        let known = METHODS.iter().any(|it| found.contains(&((*it).to_owned(), path.to_owned())));
        assert!(found.len() > before || known, "{of}: a route without a method: {call}");
    }
}

fn routes_of_the_sources() -> Operations {
    let mut found = Operations::new();
    for folder in DOORS {
        let mut files = Vec::new();
        sources(&root().join(folder), &mut files);
        for file in files {
            let name = file.strip_prefix(root()).expect("below the root").display().to_string();
            let text = fs::read_to_string(&file).expect("a source");
            if !ELSEWHERE.contains(&name.as_str()) && text.contains("axum") {
                routes(&text, &name, &mut found);
            }
        }
    }
    found
}

#[test]
fn every_route_is_in_the_document_and_nothing_else() {
    let documented: Operations = operations(&document()).into_keys().collect();
    let real = routes_of_the_sources();
    let missing: Vec<_> = real.difference(&documented).collect();
    let extra: Vec<_> = documented.difference(&real).collect();
    assert!(
        missing.is_empty() && extra.is_empty(),
        "missing in docs/openapi.json: {missing:?}; no route: {extra:?}"
    );
    assert!(real.len() > 40, "only {} routes were read from the sources", real.len());
}

#[test]
fn routes_are_read_from_sources() {
    let mut found = Operations::new();
    let source = "Router::new().route(\"/a\", get(x)).route(\n  \"/b/{id}\",\n  get(|| async { f() }).delete(y),\n)";
    routes(source, "here", &mut found);
    let expected = [("get", "/a"), ("get", "/b/{id}"), ("delete", "/b/{id}")];
    let expected = expected.map(|(method, path)| (method.to_owned(), path.to_owned()));
    assert_eq!(found, Operations::from(expected));
}

/// Every `$ref` of a document.
fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
    match value {
        Value::Object(entries) => {
            for (key, value) in entries {
                match (key.as_str(), value) {
                    ("$ref", Value::String(target)) => found.push(target),
                    _ => references(value, found),
                }
            }
        }
        Value::Array(values) => values.iter().for_each(|value| references(value, found)),
        _ => {}
    }
}

#[test]
fn the_document_is_whole() {
    let document = document();
    assert_eq!(document["openapi"], "3.1.0");
    assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
    let mut targets = Vec::new();
    references(&document, &mut targets);
    assert!(!targets.is_empty());
    for target in targets {
        let pointer = target.strip_prefix('#').expect("a reference into the document itself");
        assert!(document.pointer(pointer).is_some(), "{target} points at nothing");
    }
    let tags: Vec<&Value> =
        document["tags"].as_array().expect("tags").iter().map(|tag| &tag["name"]).collect();
    let mut ids = BTreeSet::new();
    for ((method, path), operation) in operations(&document) {
        let at = format!("{method} {path}");
        assert!(
            ids.insert(operation["operationId"].to_string()),
            "{at}: operationId is not its own"
        );
        assert!(tags.contains(&&operation["tags"][0]), "{at}: tag is not declared");
        let responses = operation["responses"].as_object().expect("responses");
        assert!(responses.keys().any(|status| status.starts_with(['1', '2'])), "{at}: no success");
        let in_path: BTreeSet<&str> =
            path.split('{').skip(1).filter_map(|it| it.split('}').next()).collect();
        let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
        let declared: BTreeSet<&str> = parameters
            .iter()
            .filter(|parameter| parameter["in"] == "path")
            .filter_map(|parameter| parameter["name"].as_str())
            .collect();
        assert_eq!(in_path, declared, "{at}: parameters of the path");
        let is_open = operation["security"].as_array().is_some_and(|ways| {
            ways.is_empty()
                || ways.iter().any(|way| way.as_object().is_some_and(|it| it.is_empty()))
        });
        assert_eq!(
            is_open,
            !responses.contains_key("401")
                || [
                    "get /v1/realtime",
                    "get /v1/realtime/graphql",
                    "get /v1/agents/notifications",
                    "post /v1/chats",
                    "get /v1/chats/{id}/socket"
                ]
                .contains(&at.as_str()),
            "{at}: 401 and security contradict each other"
        );
    }
}

#[tokio::test]
async fn a_serving_process_knows_every_operation_and_no_other() {
    let temporary = tempfile::tempdir().expect("folder");
    let server = Server::start(&temporary.path().join("data"), None);
    let client = Client::new();
    let served =
        client.get(format!("{}/openapi.json", server.url())).send().await.expect("answers");
    assert_eq!(served.status(), 200);
    assert_eq!(served.headers()["content-type"], "application/json");
    assert_eq!(served.json::<Value>().await.expect("json"), document());
    let operations = operations(&document());
    let needed = |operation: &Value| -> String {
        let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
        let needed = parameters.iter().filter(|it| it["in"] == "query" && it["required"] == true);
        needed.map(|it| format!("{}=1&", it["name"].as_str().expect("a name"))).collect()
    };
    let paths: BTreeSet<&String> = operations.keys().map(|(_, path)| path).collect();
    for path in paths {
        let address: String =
            path.split('/')
                .map(|part| {
                    if part.starts_with('{') {
                        "00000000-0000-0000-0000-000000000001"
                    } else {
                        part
                    }
                })
                .collect::<Vec<_>>()
                .join("/");
        for method in METHODS {
            let verb = Method::from_bytes(method.to_uppercase().as_bytes()).expect("method");
            let operation = operations.get(&(method.to_owned(), path.clone()));
            let query = operation.map(needed).unwrap_or_default();
            // Without a token: a door that wants one says so before it does anything.
            let answer = client
                .request(verb, format!("{}{address}?{query}", server.url()))
                .send()
                .await
                .expect("answers");
            let status = answer.status().as_u16();
            let at = format!("{method} {path}: {status}");
            match operation {
                None => assert_eq!(status, 405, "{at}: an operation that is not documented"),
                Some(operation) => {
                    assert!(status != 404 && status != 405, "{at}: documented and not there");
                    let wants_token = operation.get("security").is_none();
                    let expected = if wants_token { status == 401 } else { status < 500 };
                    assert!(expected, "{at}");
                }
            }
        }
    }
    assert_eq!(server.stop(), 0);
}
