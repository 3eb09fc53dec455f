//! `pg_catalog`: tables that describe ours in the form PostgreSQL clients read.
//!
//! Clients ask these tables with ordinary SQL; no query text is recognized anywhere. What depends on our
//! tables is made here from their definitions; what PostgreSQL ships unchanged (types, operators,
//! built-in functions) comes from `datafusion-pg-catalog`'s exports.

pub(crate) mod catalogs;
mod format;
pub(crate) mod functions;
pub(crate) mod intervals;
pub(crate) mod keys;
pub(crate) mod listings;
pub(crate) mod model;
pub(crate) mod oids;
pub(crate) mod rows;
pub(crate) mod statics;
pub(crate) mod tables;
pub(crate) mod values;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::catalog::{SchemaProvider, TableProvider};
use datafusion::common::DFSchema;
use datafusion::datasource::{MemTable, ViewTable};
use datafusion::error::Result;
use datafusion::logical_expr::{EmptyRelation, LogicalPlan};

/// The schema `pg_catalog` of one session. Its tables are made when they are asked for.
pub(crate) struct PgCatalog {
    statics: Arc<statics::StaticCatalog>,
    model: Arc<model::Model>,
}

impl PgCatalog {
    pub(crate) const fn new(
        statics: Arc<statics::StaticCatalog>,
        model: Arc<model::Model>,
    ) -> Self {
        Self { statics, model }
    }

    /// Ids of the tables.
    pub(crate) fn ids(&self) -> BTreeMap<String, i64> {
        catalogs::all(&self.statics).map(|(oid, name)| (name, oid)).collect()
    }

    /// The tables that have no rows in any session.
    pub(crate) fn empty(&self) -> BTreeSet<String> {
        let none = |name: &&String| {
            let table = self.statics.table(name);
            !tables::NAMES.contains(&name.as_str())
                && table.is_some_and(|(_, rows)| rows.iter().all(|batch| batch.num_rows() == 0))
        };
        self.statics.names().filter(none).cloned().collect()
    }
}

impl fmt::Debug for PgCatalog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PgCatalog")
    }
}

#[async_trait]
impl SchemaProvider for PgCatalog {
    fn table_names(&self) -> Vec<String> {
        let own = tables::NAMES.iter().map(|name| (*name).to_owned());
        let fixed = self.statics.names().filter(|name| !tables::NAMES.contains(&name.as_str()));
        own.chain(fixed.cloned()).collect()
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        let batches = match tables::build(name, &self.model, &self.statics)? {
            Some(batches) => Some(batches),
            None => self.statics.table(name),
        };
        let Some((schema, batches)) = batches else { return Ok(None) };
        if batches.iter().all(|batch| batch.num_rows() == 0) {
            // Known to be empty, it drops out of the plan, with all that depends on its rows.
            let empty = EmptyRelation {
                produce_one_row: false,
                schema: Arc::new(DFSchema::try_from(schema)?),
            };
            let view = ViewTable::new(LogicalPlan::EmptyRelation(empty), None);
            return Ok(Some(Arc::new(view)));
        }
        Ok(Some(Arc::new(MemTable::try_new(schema, vec![batches])?)))
    }

    fn table_exist(&self, name: &str) -> bool {
        tables::NAMES.contains(&name) || self.statics.table(name).is_some()
    }
}
