//! Which tables a planned statement reads, for the record of accesses.

use std::collections::{BTreeMap, BTreeSet};

use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::DataFusionError;
use datafusion::logical_expr::LogicalPlan;

use ledgerline_projections::tables;

use crate::past;

/// The tables of the organization that are read: those under views, in subqueries, and as they were. Catalogs are not
/// among them. `past` says what the names in the schema of the past stand for.
pub(crate) fn read(
    plan: &LogicalPlan,
    past: &BTreeMap<String, &'static str>,
) -> Result<Vec<String>, DataFusionError> {
    let mut found = BTreeSet::new();
    plan.apply_with_subqueries(|node| {
        if let LogicalPlan::TableScan(scan) = node {
            let name = scan.table_name.table();
            match scan.table_name.schema() {
                // Functions in the place of tables are scanned too.
                None | Some("public") => {
                    if tables::ALL.iter().any(|table| table.name == name) {
                        found.insert(name.to_owned());
                    }
                }
                Some(past::SCHEMA) => {
                    found.extend(past.get(name).map(|table| (*table).to_owned()));
                }
                Some(_) => {}
            }
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(found.into_iter().collect())
}
