//! Quirks that show only when rows are seen beside each other.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use ledgerline_schemas::Timestamp;

use super::quirk::{Quirk, QuirkCounts};
use super::row::Row;

/// The clocks of a source count whole seconds: an overlap of one second is none.
const OVERLAP_TOLERANCE_MS: u64 = 1_000;

/// Rows in the order of the file that begin before their predecessor.
pub(super) fn not_in_time_order(rows: &[Row], counts: &mut QuirkCounts) {
    let backwards = rows
        .iter()
        .zip(rows.iter().skip(1))
        .filter(|(before, after)| after.began < before.began)
        .count();
    counts.add(Quirk::NotInTimeOrder, backwards as u64);
}

/// Days between the first and the last that no row falls on.
pub(super) fn days_without_rows(rows: &[Row], counts: &mut QuirkCounts) {
    let days: BTreeSet<NaiveDate> = rows.iter().map(|row| row.day).collect();
    if let (Some(first), Some(last)) = (days.first(), days.last()) {
        let span = (*last - *first).num_days().unsigned_abs() + 1;
        counts.add(Quirk::DayWithoutRows, span.saturating_sub(days.len() as u64));
    }
}

/// Conversations that begin more than a second before their predecessor at the same agent ends; seen day
/// by day, as the source is.
pub(super) fn overlapping_services(rows: &[Row], counts: &mut QuirkCounts) {
    let mut of_agent: BTreeMap<(NaiveDate, &str), Vec<(Timestamp, Timestamp)>> = BTreeMap::new();
    for row in rows {
        if let Some(service) = row.stay.as_ref().and_then(|stay| stay.service.as_ref()) {
            let times = of_agent.entry((row.day, service.agent.as_str())).or_default();
            times.push((service.began, service.ended));
        }
    }
    let mut overlaps = 0;
    for times in of_agent.values_mut() {
        times.sort_unstable();
        overlaps += times
            .iter()
            .zip(times.iter().skip(1))
            .filter(|((_, ended), (began, _))| *began < ended.minus_ms(OVERLAP_TOLERANCE_MS))
            .count();
    }
    counts.add(Quirk::OverlappingServices, overlaps as u64);
}
