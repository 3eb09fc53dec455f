//! The reports that come with the product.

use std::sync::LazyLock;

use ledgerline_schemas::config::report::ReportDefinition;

/// The documents, as they are: what `ledgerline report show` prints can be changed and saved as a report of one's own.
static DOCUMENTS: &str = include_str!("stock/reports.json");

/// All stock reports, in the order in which they are listed.
#[must_use]
pub fn all() -> &'static [ReportDefinition] {
    // A test parses them: an empty list never ships.
    static ALL: LazyLock<Vec<ReportDefinition>> =
        LazyLock::new(|| serde_json::from_str(DOCUMENTS).unwrap_or_default());
    &ALL
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::report::check;
    use crate::report::metrics::Metrics;

    #[test]
    fn every_stock_report_is_a_definition() {
        let parsed: Vec<ReportDefinition> = serde_json::from_str(DOCUMENTS).unwrap();
        assert_eq!(parsed.len(), all().len());
        assert!(all().len() >= 25, "{}", all().len());
        let names: BTreeSet<&str> = all().iter().map(|it| it.name.as_str()).collect();
        assert_eq!(names.len(), all().len());
        for report in all() {
            check::definition(report, &Metrics::of_the_product())
                .unwrap_or_else(|error| panic!("{}: {error}", report.name));
            assert!(!report.description.is_empty(), "{}", report.name);
        }
    }
}
