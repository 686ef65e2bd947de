//! Lines in an SVG file, readable on a light page and on a dark one: no background, and colours
//! between the two.

use std::path::Path;

use plotters::coord::Shift;
use plotters::coord::ranged1d::{AsRangedCoord, Ranged, ValueFormatter};
use plotters::prelude::*;

use super::Error;
use super::table::short;

/// Of one panel.
const SIZE: (u32, u32) = (440, 300);
const GREY: RGBColor = RGBColor(125, 133, 144);
/// Of what is marked along the axis: unlike the grid and the lines.
const MARK: RGBColor = RGBColor(207, 34, 46);
const COLOURS: [RGBColor; 3] = [
    RGBColor(47, 129, 247),
    RGBColor(219, 109, 40),
    RGBColor(63, 150, 80),
];

/// One line.
pub(crate) struct Line {
    pub(crate) name: String,
    pub(crate) points: Vec<(f64, f64)>,
}

/// Lines with a scale in common.
pub(crate) struct Panel {
    pub(crate) title: String,
    pub(crate) lines: Vec<Line>,
}

/// Draws two panels a row, along logarithmic axes.
pub(crate) fn draw(panels: &[Panel], path: &Path) -> Result<(), Error> {
    let rows = panels.len().div_ceil(2);
    let size = (SIZE.0 * 2, SIZE.1 * u32::try_from(rows.max(1))?);
    let root = SVGBackend::new(path, size).into_drawing_area();
    for (panel, area) in panels.iter().zip(root.split_evenly((rows, 2))) {
        let all = || panel.lines.iter().flat_map(|line| &line.points);
        let low = all().map(|point| point.0).fold(f64::INFINITY, f64::min);
        let high = all().map(|point| point.0).fold(1.0, f64::max);
        let along = (low * 0.8..high * 1.25).log_scale();
        fill(&area, panel, along, Some(3), &[])?;
    }
    root.present()?;
    Ok(())
}

/// Draws panels below each other, over minutes, with a mark at each of these.
pub(crate) fn draw_over_time(panels: &[Panel], marks: &[f64], path: &Path) -> Result<(), Error> {
    let size = (SIZE.0 * 2, SIZE.1 * u32::try_from(panels.len().max(1))?);
    let root = SVGBackend::new(path, size).into_drawing_area();
    for (panel, area) in panels.iter().zip(root.split_evenly((panels.len(), 1))) {
        let all = panel.lines.iter().flat_map(|line| &line.points);
        let high = all.map(|point| point.0).fold(1.0, f64::max);
        fill(&area, panel, 0.0..high, None, marks)?;
    }
    root.present()?;
    Ok(())
}

/// Draws one panel, with dots of this size, if any.
fn fill<X>(
    area: &DrawingArea<SVGBackend<'_>, Shift>,
    panel: &Panel,
    along: X,
    dots: Option<u32>,
    marks: &[f64],
) -> Result<(), Error>
where
    X: AsRangedCoord<Value = f64>,
    X::CoordDescType: Ranged<ValueType = f64> + ValueFormatter<f64>,
{
    let all = panel.lines.iter().flat_map(|line| &line.points);
    let top = all.map(|point| point.1).fold(0.0, f64::max) * 1.5;
    let text = ("sans-serif", 13).into_font().color(&GREY);
    let title = ("sans-serif", 15).into_font().color(&GREY);
    let mut chart = ChartBuilder::on(area)
        .margin(10)
        .margin_right(24)
        .caption(&panel.title, title)
        .x_label_area_size(26)
        .y_label_area_size(62)
        .build_cartesian_2d(along, 0.0..top)?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(GREY.mix(0.25))
        .axis_style(GREY)
        .label_style(text.clone())
        .x_labels(6)
        .y_labels(6)
        .x_label_formatter(&|value| match value.round() {
            whole if whole < 100.0 => format!("{whole:.0}"),
            whole => short(whole),
        })
        .y_label_formatter(&|value| short(*value))
        .draw()?;
    for mark in marks {
        let upwards = [(*mark, 0.0), (*mark, top)];
        chart.draw_series(LineSeries::new(upwards, MARK.mix(0.6)))?;
    }
    for (line, colour) in panel.lines.iter().zip(COLOURS) {
        let points = line.points.clone();
        let series = LineSeries::new(points, colour.stroke_width(2));
        chart
            .draw_series(series.point_size(dots.unwrap_or(0)))?
            .label(&line.name)
            .legend(move |(x, y)| Rectangle::new([(x, y - 2), (x + 14, y + 2)], colour.filled()));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .label_font(text)
        .border_style(TRANSPARENT)
        .draw()?;
    Ok(())
}
