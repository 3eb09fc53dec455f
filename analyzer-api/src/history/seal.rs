//! Personal data as it may be shown: that it is there, and under which key.

use serde_json::{Map, Value, json};

/// The value with every sealed part replaced by `{"sealed": key id}`.
pub(super) fn shown(value: Value) -> Value {
    match value {
        Value::Object(object) => match sealed_with(&object) {
            Some(key) => json!({ "sealed": key }),
            None => Value::Object(
                object.into_iter().map(|(name, value)| (name, shown(value))).collect(),
            ),
        },
        Value::Array(values) => Value::Array(values.into_iter().map(shown).collect()),
        other => other,
    }
}

pub(super) fn sealed_with(object: &Map<String, Value>) -> Option<Value> {
    let sealed = ["scheme", "nonce", "ciphertext"].iter().all(|part| object.contains_key(*part));
    object.get("key_id").filter(|_| sealed).cloned()
}
