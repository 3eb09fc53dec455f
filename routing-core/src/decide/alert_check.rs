//! The form of an alert rule: a live table, columns that it has, bounds that make sense.

use ledgerline_schemas::config::AlertRule;
use ledgerline_schemas::config::alert_rule::{AlertDataset, AlertFigure, AlertRatio, DATASETS};

use super::config_check::invalid;
use crate::rejection::Rejection;

/// Columns of one side of a ratio.
const RATIO_COLUMNS_MAX: usize = 10;
/// Greatest factor of a ratio.
const TIMES_MAX: u32 = 1_000_000;
/// Longest time that a figure may have to be out of bounds, ms: a day.
const FOR_MS_MAX: u64 = 24 * 3_600_000;
/// Longest message, characters.
const MESSAGE_CHARS_MAX: usize = 500;
/// Places of one kind that a rule names.
const PLACES_MAX: usize = 1_000;

pub(super) fn check(rule: &AlertRule) -> Result<(), Rejection> {
    let Some(dataset) = DATASETS.iter().find(|it| it.name == rule.dataset) else {
        let names: Vec<&str> = DATASETS.iter().map(|it| it.name).collect();
        let known = names.join(", ");
        return Err(invalid(format!("dataset: {:?} is not one of {known}", rule.dataset)));
    };
    check_figure(dataset, rule)?;
    check_bounds(rule)?;
    for (field, column, named) in [
        ("queue_ids", "queue_id", rule.queue_ids.len()),
        ("team_ids", "team_id", rule.team_ids.len()),
        ("site_ids", "site_id", rule.site_ids.len()),
        ("entry_point_ids", "entry_point_id", rule.entry_point_ids.len()),
    ] {
        if named > 0 && !dataset.places.contains(&column) {
            return Err(invalid(format!("{field}: the rows of {} have no {column}", dataset.name)));
        }
        if named > PLACES_MAX {
            return Err(invalid(format!("{field}: has {named}, the limit is {PLACES_MAX}")));
        }
    }
    for state in &rule.states {
        if !dataset.states.contains(&state.as_str()) {
            let known = one_of(dataset, dataset.states, "no states");
            return Err(invalid(format!("states: {state:?}: {known}")));
        }
    }
    let length = rule.message.chars().count();
    if length > MESSAGE_CHARS_MAX {
        let message = format!("message: has {length} characters, the limit is {MESSAGE_CHARS_MAX}");
        return Err(invalid(message));
    }
    Ok(())
}

fn check_figure(dataset: &AlertDataset, rule: &AlertRule) -> Result<(), Rejection> {
    match &rule.figure {
        AlertFigure::Column(column) => check_column("figure.column", dataset, column),
        AlertFigure::Age(column) => {
            if !dataset.times.contains(&column.as_str()) {
                let known = one_of(dataset, dataset.times, "no instants");
                return Err(invalid(format!("figure.age: {column:?}: {known}")));
            }
            if !rule.comparison.is_upward() {
                // It would be out of bounds right after the begin of everything.
                return Err(invalid("comparison: an age is compared by above or at_least"));
            }
            if rule.threshold < 0 || rule.clears_at() < 0 {
                return Err(invalid("threshold: an age is never less than 0"));
            }
            Ok(())
        }
        AlertFigure::Ratio(ratio) => check_ratio(dataset, ratio),
    }
}

fn check_ratio(dataset: &AlertDataset, ratio: &AlertRatio) -> Result<(), Rejection> {
    for (field, columns) in [("figure.ratio.of", &ratio.of), ("figure.ratio.per", &ratio.per)] {
        if columns.is_empty() || columns.len() > RATIO_COLUMNS_MAX {
            let found = columns.len();
            return Err(invalid(format!("{field}: has {found}, must be 1 to {RATIO_COLUMNS_MAX}")));
        }
        for column in columns {
            check_column(field, dataset, column)?;
        }
    }
    if ratio.times == 0 || ratio.times > TIMES_MAX {
        let found = ratio.times;
        return Err(invalid(format!("figure.ratio.times: is {found}, must be 1 to {TIMES_MAX}")));
    }
    if ratio.per_min == 0 {
        return Err(invalid("figure.ratio.per_min: must be at least 1"));
    }
    Ok(())
}

fn check_column(field: &str, dataset: &AlertDataset, column: &str) -> Result<(), Rejection> {
    if dataset.numbers.contains(&column) {
        return Ok(());
    }
    let known = one_of(dataset, dataset.numbers, "no numbers");
    Err(invalid(format!("{field}: {column:?}: {known}")))
}

fn one_of(dataset: &AlertDataset, columns: &[&str], none: &str) -> String {
    let columns = if columns.is_empty() { none.to_owned() } else { columns.join(", ") };
    format!("{} has {columns}", dataset.name)
}

fn check_bounds(rule: &AlertRule) -> Result<(), Rejection> {
    let (threshold, clears_at) = (rule.threshold, rule.clears_at());
    let is_safe =
        if rule.comparison.is_upward() { clears_at <= threshold } else { clears_at >= threshold };
    if !is_safe {
        let than = if rule.comparison.is_upward() { "greater" } else { "less" };
        return Err(invalid(format!(
            "clear_threshold: is {clears_at}, must not be {than} than threshold, {threshold}"
        )));
    }
    if rule.for_ms > FOR_MS_MAX {
        return Err(invalid(format!("for_ms: is {}, the limit is {FOR_MS_MAX}", rule.for_ms)));
    }
    Ok(())
}
