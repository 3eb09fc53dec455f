//! The configuration file: entities by kind, references by name.

use std::collections::BTreeMap;

use ledgerline_schemas::config::EntityKind;
use serde_json::{Map, Value};

/// Entities to be put, as somebody wrote them: references may be names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfigFile {
    pub(super) entities: BTreeMap<EntityKind, Vec<Map<String, Value>>>,
}

/// The file as a whole cannot be read. Single entities that do not fit are reported by `apply`.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// Not TOML.
    #[error("the configuration is not TOML: {0}")]
    Toml(#[from] toml::de::Error),
    /// Not JSON.
    #[error("the configuration is not JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// The top level is no object.
    #[error("the configuration is no object of lists by kind")]
    NotAnObject,
    /// A key of the top level is no kind of entity.
    #[error("{0:?} is no kind of configuration entity")]
    UnknownKind(String),
    /// A kind does not hold a list of objects.
    #[error("{0} has to be a list of objects")]
    NotAList(&'static str),
}

impl ConfigFile {
    /// Reads TOML text: arrays of tables by kind (`[[queue]]`).
    ///
    /// # Errors
    /// [`FileError`].
    pub fn from_toml(text: &str) -> Result<Self, FileError> {
        Self::from_value(toml::from_str(text)?)
    }

    /// Reads JSON text: an object of lists by kind.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn from_json(text: &str) -> Result<Self, FileError> {
        Self::from_value(serde_json::from_str(text)?)
    }

    /// Reads a JSON value.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn from_value(value: Value) -> Result<Self, FileError> {
        let Value::Object(kinds) = value else { return Err(FileError::NotAnObject) };
        let mut entities = BTreeMap::new();
        for (key, list) in kinds {
            let kind = EntityKind::parse(&key).ok_or(FileError::UnknownKind(key))?;
            let objects = match list {
                Value::Array(items) => items
                    .into_iter()
                    .map(|item| match item {
                        Value::Object(object) => Some(object),
                        _ => None,
                    })
                    .collect::<Option<Vec<_>>>(),
                _ => None,
            };
            entities.insert(kind, objects.ok_or(FileError::NotAList(kind.name()))?);
        }
        Ok(Self { entities })
    }

    /// The kinds of its entities.
    pub fn kinds(&self) -> impl Iterator<Item = EntityKind> + '_ {
        self.entities.iter().filter(|(_, list)| !list.is_empty()).map(|(kind, _)| *kind)
    }

    /// A file with one entity.
    #[must_use]
    pub fn single(kind: EntityKind, object: Map<String, Value>) -> Self {
        Self { entities: BTreeMap::from([(kind, vec![object])]) }
    }

    /// Number of entities.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entities.values().map(Vec::len).sum()
    }

    /// Whether it has no entities.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn toml_and_json_read_alike() {
        let toml = ConfigFile::from_toml("[[site]]\nname = \"Berlin\"\n").expect("toml");
        let json = ConfigFile::from_json(r#"{"site":[{"name":"Berlin"}]}"#).expect("json");
        assert_eq!(toml, json);
        assert_eq!(toml.len(), 1);
    }

    #[test]
    fn what_is_no_configuration_is_named() {
        for (text, part) in [
            (r#"{"sites":[]}"#, "\"sites\""),
            (r#"{"site":{}}"#, "site has to be a list"),
            (r#"{"site":["Berlin"]}"#, "site has to be a list"),
            ("[]", "no object"),
            ("{", "not JSON"),
        ] {
            let error = ConfigFile::from_json(text).expect_err(text).to_string();
            assert!(error.contains(part), "{error}");
        }
    }
}
