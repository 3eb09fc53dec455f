//! The entities that rights follow from, as they are now.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, AsArray};
use arrow::record_batch::RecordBatch;
use ledgerline_schemas::config::EntityKind;
use ledgerline_schemas::id::EntityId;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::change::RowChange;
use crate::snapshot::Snapshot;
use crate::table::{Row, TableDef, Value};
use crate::tables::{ConfigEntity, TableRow as _};

/// The kinds that count.
pub(super) const KINDS: [EntityKind; 4] =
    [EntityKind::User, EntityKind::UserProfile, EntityKind::ResourceCollection, EntityKind::Team];

/// Users, user profiles, resource collections and teams of an organization: what is switched on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Directory {
    active: BTreeMap<(EntityKind, EntityId), Arc<str>>,
}

impl Directory {
    /// Of a snapshot. The rows of `config_entity` never become final, so all of them are in memory; an
    /// organization without that table has nothing in it.
    #[must_use]
    pub fn of(snapshot: &Snapshot) -> Self {
        let mut directory = Self::default();
        let Some(table) = snapshot.tables.get(ConfigEntity::DEF.name) else { return directory };
        for batch in table.hot.iter() {
            directory.take(batch);
        }
        directory
    }

    fn take(&mut self, batch: &RecordBatch) -> Option<()> {
        let text = |name: &str| batch.column_by_name(name)?.as_string_opt::<i32>();
        let flag = |name: &str| batch.column_by_name(name)?.as_boolean_opt();
        let (kinds, ids, documents) = (text("kind")?, text("entity_id")?, text("document")?);
        let (active, deleted) = (flag("is_active")?, flag("is_deleted")?);
        for at in 0..batch.num_rows() {
            if active.value(at) && !deleted.value(at) && documents.is_valid(at) {
                self.put(kinds.value(at), ids.value(at), Some(documents.value(at).into()));
            }
        }
        Some(())
    }

    fn put(&mut self, kind: &str, id: &str, document: Option<Arc<str>>) -> bool {
        let kind = KINDS.into_iter().find(|known| known.name() == kind);
        let Some(key) = kind.zip(id.parse().ok()) else { return false };
        match document {
            Some(document) => {
                self.active.insert(key, Arc::clone(&document)).as_ref() != Some(&document)
            }
            None => self.active.remove(&key).is_some(),
        }
    }

    /// Takes in a change of a row; true when something that rights follow from is another now.
    pub fn note(&mut self, change: &RowChange) -> bool {
        if change.table.name != ConfigEntity::DEF.name {
            return false;
        }
        match change.after.as_ref().or(change.before.as_ref()) {
            Some(row) => self.note_row(change.table, row, change.after.is_some()),
            None => false,
        }
    }

    fn note_row(&mut self, table: &TableDef, row: &Row, is_there: bool) -> bool {
        let value = |name: &str| table.column(name).and_then(|at| row.get(at));
        let text = |name: &str| match value(name) {
            Some(Value::Text(text)) => Some(Arc::clone(text)),
            _ => None,
        };
        let is = |name: &str| matches!(value(name), Some(Value::Bool(true)));
        let Some((kind, id)) = text("kind").zip(text("entity_id")) else { return false };
        let is_there = is_there && is("is_active") && !is("is_deleted");
        self.put(&kind, &id, text("document").filter(|_| is_there))
    }

    /// A document that is switched on; an error when it does not fit its type.
    pub(super) fn get<T: DeserializeOwned>(
        &self,
        kind: EntityKind,
        id: Uuid,
    ) -> Option<Result<T, serde_json::Error>> {
        self.active.get(&(kind, EntityId::new(id))).map(|text| serde_json::from_str(text))
    }

    /// All of a kind that fit their type.
    pub(super) fn all<T: DeserializeOwned>(
        &self,
        kind: EntityKind,
    ) -> impl Iterator<Item = (Uuid, T)> + '_ {
        let of_kind = self.active.iter().filter(move |((it, _), _)| *it == kind);
        of_kind.filter_map(|((_, id), text)| Some((id.uuid(), serde_json::from_str(text).ok()?)))
    }
}
