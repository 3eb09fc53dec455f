//! Draws a plot on any surface.

use ledgerline_schemas::config::report::{PlotKind, Unit};
use plotters::chart::{ChartBuilder, ChartContext, SeriesLabelPosition};
use plotters::coord::Shift;
use plotters::coord::cartesian::Cartesian2d;
use plotters::coord::types::RangedCoordf64;
use plotters::drawing::DrawingArea;
use plotters::element::{Circle, Rectangle};
use plotters::prelude::DrawingBackend;
use plotters::series::LineSeries;
use plotters::style::{BLACK, Color, RGBColor, ShapeStyle, TextStyle, WHITE};

use super::data::{Plot, Series};
use crate::report::error::ReportError;

/// Colours that people with colour blindness tell apart too (Okabe and Ito, 2008), and darker ones of them.
const COLOURS: [RGBColor; 12] = [
    RGBColor(0, 114, 178),
    RGBColor(230, 159, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(86, 180, 233),
    RGBColor(213, 94, 0),
    RGBColor(240, 228, 66),
    RGBColor(120, 120, 120),
    RGBColor(0, 70, 110),
    RGBColor(140, 95, 0),
    RGBColor(0, 95, 70),
    RGBColor(125, 70, 100),
];
/// Share of a category's width that its bars take.
const BARS: f64 = 0.8;
/// Labels that have room below the axis.
const LABELS: usize = 12;

type Chart<'a, DB> = ChartContext<'a, DB, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

fn failed<E: std::error::Error>(error: E) -> ReportError {
    ReportError::Output(format!("the report could not be drawn: {error}"))
}

fn colour(index: usize) -> RGBColor {
    COLOURS.get(index % COLOURS.len()).copied().unwrap_or(BLUE)
}

const BLUE: RGBColor = RGBColor(0, 114, 178);

/// Draws it.
pub(super) fn draw<DB: DrawingBackend>(
    area: &DrawingArea<DB, Shift>,
    plot: &Plot,
) -> Result<(), ReportError> {
    area.fill(&WHITE).map_err(failed)?;
    let title = TextStyle::from(("sans-serif", 26)).color(&BLACK);
    let grey = BLACK.mix(0.6);
    let small = TextStyle::from(("sans-serif", 15)).color(&grey);
    area.draw_text(&plot.title, &title, (24, 14)).map_err(failed)?;
    area.draw_text(&plot.subtitle, &small, (24, 46)).map_err(failed)?;
    let count = plot.categories.len().max(1);
    let (low, high) = bounds(plot);
    let (_, body) = area.split_vertically(72);
    let mut chart = ChartBuilder::on(&body)
        .margin(20)
        .x_label_area_size(60)
        .y_label_area_size(80)
        .build_cartesian_2d(0.0..count as f64, low..high)
        .map_err(failed)?;
    let label = |x: &f64| {
        let at = x.floor();
        let name = plot.categories.get(at.max(0.0) as usize).filter(|_| at >= 0.0);
        name.map(|name| cut(name)).unwrap_or_default()
    };
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(BLACK.mix(0.05))
        .bold_line_style(BLACK.mix(0.15))
        .x_labels(count.min(LABELS))
        .x_label_formatter(&label)
        .y_label_formatter(&|y| value(*y, plot.unit))
        .label_style(("sans-serif", 15))
        .draw()
        .map_err(failed)?;
    for (index, series) in plot.series.iter().enumerate() {
        match plot.kind {
            PlotKind::Line => line(&mut chart, series, colour(index))?,
            PlotKind::Bar => {
                let width = BARS / plot.series.len() as f64;
                let from = (1.0 - BARS) / 2.0 + width * index as f64;
                bars(&mut chart, series, colour(index), (from, width), None)?;
            }
            PlotKind::Stacked => {
                let below = plot.series.get(..index).unwrap_or_default();
                bars(&mut chart, series, colour(index), ((1.0 - BARS) / 2.0, BARS), Some(below))?;
            }
        }
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperRight)
        .background_style(WHITE.mix(0.85))
        .border_style(BLACK.mix(0.2))
        .label_font(("sans-serif", 15))
        .draw()
        .map_err(failed)?;
    area.present().map_err(failed)
}

fn line<DB: DrawingBackend>(
    chart: &mut Chart<'_, DB>,
    series: &Series,
    colour: RGBColor,
) -> Result<(), ReportError> {
    let style = ShapeStyle::from(colour).stroke_width(2);
    // A line ends where there is no value: nothing is drawn over what is not known.
    let mut labelled = false;
    let points: Vec<Option<(f64, f64)>> = (0..)
        .zip(&series.values)
        .map(|(at, value)| value.map(|value| (f64::from(at) + 0.5, value)))
        .collect();
    for run in points.split(Option::is_none).filter(|run| !run.is_empty()) {
        let run: Vec<(f64, f64)> = run.iter().flatten().copied().collect();
        if let [only] = run.as_slice() {
            let dot = Circle::new(*only, 3, ShapeStyle::from(colour).filled());
            chart.plotting_area().draw(&dot).map_err(failed)?;
        }
        let drawn = chart.draw_series(LineSeries::new(run, style)).map_err(failed)?;
        if !labelled {
            labelled = true;
            drawn.label(&series.name).legend(move |(x, y)| {
                Rectangle::new([(x, y - 5), (x + 12, y + 5)], colour.filled())
            });
        }
    }
    Ok(())
}

/// Bars of a series: from where in the category, and how wide; on top of others when there are any.
fn bars<DB: DrawingBackend>(
    chart: &mut Chart<'_, DB>,
    series: &Series,
    colour: RGBColor,
    (from, width): (f64, f64),
    below: Option<&[Series]>,
) -> Result<(), ReportError> {
    let bottom = |at: usize| {
        let values = below.unwrap_or_default().iter();
        values.filter_map(|it| it.values.get(at).copied().flatten()).sum::<f64>()
    };
    let rectangles: Vec<_> = series
        .values
        .iter()
        .enumerate()
        .filter_map(|(at, value)| {
            let (left, bottom) = (at as f64 + from, bottom(at));
            let corners = [(left, bottom), (left + width, bottom + (*value)?)];
            Some(Rectangle::new(corners, colour.filled()))
        })
        .collect();
    chart
        .draw_series(rectangles)
        .map_err(failed)?
        .label(&series.name)
        .legend(move |(x, y)| Rectangle::new([(x, y - 5), (x + 12, y + 5)], colour.filled()));
    Ok(())
}

/// The range of the vertical axis: always with zero in it, and some air above.
fn bounds(plot: &Plot) -> (f64, f64) {
    let stacked = plot.kind == PlotKind::Stacked;
    let (mut low, mut high) = (0.0_f64, 0.0_f64);
    for at in 0..plot.categories.len() {
        let values = plot.series.iter().filter_map(|it| it.values.get(at).copied().flatten());
        if stacked {
            high = high.max(values.sum());
        } else {
            for value in values {
                low = low.min(value);
                high = high.max(value);
            }
        }
    }
    if high <= low { (low, low + 1.0) } else { (low * 1.05, high * 1.08) }
}

fn cut(name: &str) -> String {
    const MOST: usize = 18;
    if name.chars().count() <= MOST {
        return name.to_owned();
    }
    let begin: String = name.chars().take(MOST - 1).collect();
    format!("{begin}…")
}

/// A value on the axis.
fn value(value: f64, unit: Unit) -> String {
    match unit {
        Unit::Ms => {
            let seconds = (value / 1_000.0).round().max(0.0) as u64;
            match (seconds / 3_600, seconds / 60 % 60, seconds % 60) {
                (0, minutes, seconds) => format!("{minutes}:{seconds:02}"),
                (hours, minutes, seconds) => format!("{hours}:{minutes:02}:{seconds:02}"),
            }
        }
        Unit::Percent => format!("{value:.0} %"),
        Unit::Count if value.fract() == 0.0 => format!("{value:.0}"),
        _ => format!("{value:.1}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_by_their_unit() {
        for (number, unit, expected) in [
            (61_000.0, Unit::Ms, "1:01"),
            (3_661_000.0, Unit::Ms, "1:01:01"),
            (80.4, Unit::Percent, "80 %"),
            (12.0, Unit::Count, "12"),
            (1.25, Unit::Number, "1.2"),
        ] {
            assert_eq!(value(number, unit), expected);
        }
        assert_eq!(cut("a very long name of a queue"), "a very long name …");
    }
}
