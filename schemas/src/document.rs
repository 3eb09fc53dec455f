//! A configuration document: free-form JSON kept in canonical text form.

use std::fmt;

use schemars::JsonSchema;
use serde::de::{Error as _, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

/// A JSON object. Canonical text: keys sorted by bytes, no white space.
///
/// In JSON it is the object itself; in MessagePack it is its canonical text, so that the stored bytes do
/// not depend on the order in which a client wrote its keys.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Document(String);

impl Document {
    /// The canonical document of a serializable value.
    ///
    /// # Errors
    /// If the value does not serialize to a JSON object.
    pub fn of<T: Serialize>(value: &T) -> Result<Self, serde_json::Error> {
        Self::from_value(&serde_json::to_value(value)?)
    }

    /// The canonical document of a JSON object.
    ///
    /// # Errors
    /// If the value is not an object.
    pub fn from_value(value: &Value) -> Result<Self, serde_json::Error> {
        if !value.is_object() {
            return Err(serde_json::Error::custom("a document is a JSON object"));
        }
        let mut text = String::new();
        write_canonical(value, &mut text);
        Ok(Self(text))
    }

    /// The canonical text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The JSON value.
    #[must_use]
    pub fn to_value(&self) -> Value {
        serde_json::from_str(&self.0).unwrap_or(Value::Null)
    }

    /// Reads the document as a typed entity.
    ///
    /// # Errors
    /// If the document does not fit the type; the message names the field.
    pub fn parse<T: serde::de::DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_str(&self.0)
    }
}

fn write_canonical(value: &Value, out: &mut String) {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_by(|left, right| left.0.as_bytes().cmp(right.0.as_bytes()));
            out.push('{');
            for (index, (key, item)) in entries.into_iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                out.push_str(&Value::String(key.clone()).to_string());
                out.push(':');
                write_canonical(item, out);
            }
            out.push('}');
        }
        Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write_canonical(item, out);
            }
            out.push(']');
        }
        scalar => out.push_str(&scalar.to_string()),
    }
}

impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for Document {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            self.to_value().serialize(serializer)
        } else {
            serializer.serialize_str(&self.0)
        }
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Document;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the text of a document")
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, inner: D) -> Result<Document, D::Error> {
        String::deserialize(inner).map(Document)
    }

    fn visit_str<E>(self, text: &str) -> Result<Document, E> {
        Ok(Document(text.to_owned()))
    }
}

impl<'de> Deserialize<'de> for Document {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            Self::from_value(&Value::deserialize(deserializer)?).map_err(D::Error::custom)
        } else {
            // Stored bytes are kept as they are: canonical when they were written.
            deserializer.deserialize_newtype_struct("Document", TextVisitor)
        }
    }
}

impl JsonSchema for Document {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Document".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "object"})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_order_does_not_matter() {
        let one: Value = serde_json::from_str(r#"{"b":1,"a":{"d":[1,2],"c":"x"}}"#).expect("json");
        let two: Value = serde_json::from_str(r#"{"a":{"c":"x","d":[1,2]},"b":1}"#).expect("json");
        assert_eq!(
            Document::from_value(&one).expect("object"),
            Document::from_value(&two).expect("object")
        );
        assert!(Document::from_value(&Value::Null).is_err());
    }
}
