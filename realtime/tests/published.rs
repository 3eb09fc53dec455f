//! The generated documents are those that are checked in, and say what the code says.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop where it is")]

use std::path::Path;

use ledgerline_realtime::publish::documents;
use ledgerline_realtime::request::{Format, Request, Subscribe};
use ledgerline_schemas::Position;
use proptest::prelude::*;
use serde_json::{Value as Json, json};

#[test]
fn published_documents_are_current() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for (name, text) in documents() {
        let stored = std::fs::read_to_string(root.join(name)).unwrap_or_default();
        assert!(stored == text, "{name} drifted: run `cargo xtask schemas`");
    }
}

#[test]
fn every_reference_of_the_document_leads_somewhere() {
    let (_, text) =
        documents().into_iter().find(|(name, _)| name.ends_with("asyncapi.json")).unwrap();
    let document: Json = serde_json::from_str(&text).unwrap();
    let mut seen = 0;
    let mut open = vec![&document];
    while let Some(value) = open.pop() {
        match value {
            Json::Object(map) => {
                if let Some(target) = map.get("$ref").and_then(Json::as_str) {
                    seen += 1;
                    match target.strip_prefix('#') {
                        Some(pointer) => {
                            assert!(document.pointer(pointer).is_some(), "{target} leads nowhere");
                        }
                        None => {
                            let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(target);
                            assert!(file.is_file(), "{target} is no file");
                        }
                    }
                }
                open.extend(map.values());
            }
            Json::Array(items) => open.extend(items),
            _ => {}
        }
    }
    assert!(seen > 50, "only {seen} references");
}

fn text() -> impl Strategy<Value = String> {
    "[a-z\"é]{1,8}"
}

fn request() -> impl Strategy<Value = Request> {
    let subscribe = (
        (text(), text()),
        prop_oneof![Just(Json::Null), text().prop_map(|it| json!({"queue_name": it}))],
        prop::option::of(prop::collection::vec(text(), 0..3)),
        (
            prop::option::of((1_u32..400).prop_map(|eighths| f64::from(eighths) / 8.0)),
            prop::option::of(prop_oneof![Just(Format::Json), Just(Format::Arrow)]),
        ),
        prop::option::of(text()),
        prop::option::of(any::<u64>().prop_map(Position)),
    );
    prop_oneof![
        text().prop_map(|token| Request::Auth { token }),
        (text(), any::<u64>())
            .prop_map(|(id, position)| Request::Ack { id, position: Position(position) }),
        text().prop_map(|id| Request::Unsubscribe { id }),
        Just(Request::Ping),
        subscribe.prop_map(|((id, dataset), filter, columns, (max_hz, format), resume, after)| {
            Request::Subscribe(Subscribe {
                id,
                dataset,
                filter,
                columns,
                max_hz,
                format,
                resume,
                after,
            })
        }),
    ]
}

proptest! {
    /// The schema is that of what is written; this says it is also what is read.
    #[test]
    fn what_clients_write_is_read(request in request()) {
        let text = serde_json::to_string(&request).unwrap();
        prop_assert_eq!(Request::parse(&text).unwrap(), request);
    }
}
