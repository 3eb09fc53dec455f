//! What is drawn: categories and a series of values for each line or bar.

use std::collections::BTreeMap;

use chrono::DateTime;
use ledgerline_schemas::config::report::{PlotKind, ReportPlot, Unit};

use crate::report::compile::Role;
use crate::report::error::ReportError;
use crate::report::run::about;
use crate::report::sheet::{Cell, Sheet};

/// Most lines or bars of a category: beyond, colours cannot be told apart.
const SERIES_MAX: usize = 12;
/// Most categories that are not intervals.
const CATEGORIES_MAX: usize = 60;

/// A line, or the bars of one colour.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// Its name.
    pub name: String,
    /// A value for each category; `None` where there is none.
    pub values: Vec<Option<f64>>,
}

/// A drawing.
#[derive(Clone, Debug, PartialEq)]
pub struct Plot {
    /// Above it.
    pub title: String,
    /// Below the title.
    pub subtitle: String,
    /// Its form.
    pub kind: PlotKind,
    /// Along the horizontal axis.
    pub categories: Vec<String>,
    /// Lines or bars.
    pub series: Vec<Series>,
    /// What the values are.
    pub unit: Unit,
}

impl Plot {
    /// The drawing of a sheet: as its definition says, or of the first measures of one unit.
    ///
    /// # Errors
    /// [`ReportError::Output`] when the sheet has no rows, no measures, or too many series.
    pub fn of(sheet: &Sheet) -> Result<Self, ReportError> {
        let nothing = |why: &str| ReportError::Output(format!("there is nothing to draw: {why}"));
        if sheet.rows() == 0 {
            return Err(nothing("the report has no rows"));
        }
        let interval = sheet.columns.iter().position(|it| it.role == Role::Interval);
        let chosen = match &sheet.definition.plot {
            Some(plot) => plot.clone(),
            None => automatic(sheet, interval.is_some())
                .ok_or_else(|| nothing("the report has no measures"))?,
        };
        let index = |name: &str| sheet.columns.iter().position(|it| it.name == name);
        let measures: Vec<usize> = chosen.measures.iter().filter_map(|name| index(name)).collect();
        let unit = measures.first().and_then(|first| match sheet.columns.get(*first)?.role {
            Role::Measure(unit) => Some(unit),
            _ => None,
        });
        let unit = unit.ok_or_else(|| nothing("the report has no measures"))?;
        let by = chosen.series.as_deref().and_then(index);
        let category = Category::of(sheet, interval, by)?;
        let series = match by {
            Some(by) => split(sheet, &category, by, measures.first().copied().unwrap_or(0))?,
            None => measures
                .iter()
                .map(|at| one(sheet, &category, *at))
                .collect::<Result<Vec<_>, _>>()?,
        };
        if series.len() > SERIES_MAX {
            let many = series.len();
            return Err(ReportError::Output(format!(
                "there are {many} lines to draw, {SERIES_MAX} can be told apart; narrow the report with where"
            )));
        }
        let mut plot = Self {
            title: sheet.definition.name.clone(),
            subtitle: subtitle(sheet),
            kind: chosen.kind,
            categories: category.names,
            series,
            unit,
        };
        if interval.is_none() {
            plot.cut();
        }
        Ok(plot)
    }

    /// The categories with the greatest first values, where there are too many of them.
    fn cut(&mut self) {
        if self.categories.len() <= CATEGORIES_MAX {
            return;
        }
        let size = |at: usize| {
            self.series.iter().filter_map(|it| it.values.get(at).copied().flatten()).sum::<f64>()
        };
        let mut order: Vec<usize> = (0..self.categories.len()).collect();
        order.sort_by(|left, right| size(*right).total_cmp(&size(*left)));
        order.truncate(CATEGORIES_MAX);
        let all = self.categories.len();
        self.subtitle = format!("{}; {CATEGORIES_MAX} greatest of {all}", self.subtitle);
        self.categories = order.iter().filter_map(|at| self.categories.get(*at).cloned()).collect();
        for series in &mut self.series {
            series.values =
                order.iter().map(|at| series.values.get(*at).copied().flatten()).collect();
        }
    }
}

fn subtitle(sheet: &Sheet) -> String {
    let said = about(sheet);
    let get = |name: &str| said.iter().find(|it| it.0 == name).map(|it| it.1.clone());
    match (get("From"), get("To"), get("Time zone")) {
        (Some(from), Some(to), Some(zone)) => format!("{from} to {to}, {zone}"),
        _ => format!("at position {}", sheet.position),
    }
}

/// Lines over time, bars otherwise; the first measure and those of its unit.
fn automatic(sheet: &Sheet, over_time: bool) -> Option<ReportPlot> {
    let measures: Vec<(&str, Unit)> = sheet
        .columns
        .iter()
        .filter_map(|column| match column.role {
            Role::Measure(unit) => Some((column.name.as_str(), unit)),
            _ => None,
        })
        .collect();
    let (first, unit) = *measures.first()?;
    let segment = sheet.definition.segments.first();
    let series = segment.filter(|_| over_time).map(|it| it.shown().to_owned());
    let same = measures.iter().filter(|it| it.1 == unit).map(|it| it.0.to_owned());
    let measures = if series.is_some() { vec![first.to_owned()] } else { same.take(6).collect() };
    let kind = if over_time { PlotKind::Line } else { PlotKind::Bar };
    Some(ReportPlot { kind, measures, series })
}

/// Which category each row belongs to.
struct Category {
    names: Vec<String>,
    of_row: Vec<usize>,
}

impl Category {
    fn of(sheet: &Sheet, interval: Option<usize>, by: Option<usize>) -> Result<Self, ReportError> {
        // Intervals that look alike on the clock (an hour that is there twice) are different instants: the
        // column before the local one.
        let keys = match interval {
            Some(local) => vec![local.saturating_sub(1)],
            None => {
                let segments = sheet.columns.iter().enumerate();
                let segments =
                    segments.filter(|(at, it)| it.role == Role::Segment && Some(*at) != by);
                segments.map(|(at, _)| at).collect()
            }
        };
        let mut parts = vec![Vec::new(); sheet.rows()];
        for key in &keys {
            for (part, cell) in parts.iter_mut().zip(sheet.column(*key)?) {
                part.push(shown(&cell));
            }
        }
        let labels = match interval {
            Some(local) => sheet.column(local)?.iter().map(shown).collect(),
            None => parts.iter().map(|part| part.join(", ")).collect::<Vec<_>>(),
        };
        let mut known = BTreeMap::new();
        let (mut names, mut of_row) = (Vec::new(), Vec::new());
        for (part, label) in parts.into_iter().zip(labels) {
            let next = names.len();
            let at = *known.entry(part).or_insert(next);
            if at == next {
                names.push(label);
            }
            of_row.push(at);
        }
        Ok(Self { names, of_row })
    }
}

fn one(sheet: &Sheet, category: &Category, at: usize) -> Result<Series, ReportError> {
    let mut values = vec![None; category.names.len()];
    for (cell, row) in sheet.column(at)?.iter().zip(&category.of_row) {
        add(&mut values, *row, cell);
    }
    let name = sheet.columns.get(at).map(|column| column.name.clone()).unwrap_or_default();
    Ok(Series { name, values })
}

fn split(
    sheet: &Sheet,
    category: &Category,
    by: usize,
    measure: usize,
) -> Result<Vec<Series>, ReportError> {
    let mut all: BTreeMap<String, Vec<Option<f64>>> = BTreeMap::new();
    let rows = sheet.column(by)?.into_iter().zip(sheet.column(measure)?).zip(&category.of_row);
    for ((name, cell), row) in rows {
        let values = all.entry(shown(&name)).or_insert_with(|| vec![None; category.names.len()]);
        add(values, *row, &cell);
    }
    Ok(all.into_iter().map(|(name, values)| Series { name, values }).collect())
}

/// Rows that fall into one category (a report may have more segments than are drawn) add up.
fn add(values: &mut [Option<f64>], at: usize, cell: &Cell) {
    if let (Cell::Number(number), Some(value)) = (cell, values.get_mut(at)) {
        *value = Some(value.unwrap_or(0.0) + number);
    }
}

fn shown(cell: &Cell) -> String {
    match cell {
        Cell::Empty => "–".to_owned(),
        Cell::Number(number) => number.to_string(),
        Cell::Time(micros) => DateTime::from_timestamp_micros(*micros)
            .map_or_else(String::new, |it| it.format("%Y-%m-%d %H:%M").to_string()),
        Cell::Text(text) => text.clone(),
    }
}
