//! Plots as SVG text, to stand in a page that needs no network.

use plotters::coord::ranged1d::{Ranged, ValueFormatter};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::table::time;

const SIZE: (u32, u32) = (860, 300);

/// Colours that are told apart by those who see few of them too (Okabe and Ito).
const COLOURS: [RGBColor; 8] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(80, 80, 80),
    RGBColor(160, 140, 0),
];

const GRID: RGBColor = RGBColor(228, 228, 228);
const TEXT: RGBColor = RGBColor(70, 70, 70);

/// A line of a plot.
pub struct Series {
    /// What it is called.
    pub name: String,
    /// Its points, from left to right.
    pub points: Vec<(f64, f64)>,
}

/// What the upright axis tells.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Upright {
    /// Microseconds, each step ten times the last.
    Time,
    /// Bytes.
    Bytes,
    /// Any number.
    Number,
}

/// What the level axis tells.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Seconds of the run.
    Seconds,
    /// Shares of requests, each nine as wide as the last: -log10 of what is left.
    Nines,
}

/// A plot cannot be drawn.
#[derive(Debug, thiserror::Error)]
#[error("a plot cannot be drawn: {0}")]
pub struct NotDrawn(String);

/// Draws lines. Nothing when they have no points.
pub fn plot(series: &[Series], level: Level, upright: Upright) -> Result<Option<String>, NotDrawn> {
    let points = || series.iter().flat_map(|it| it.points.iter().copied());
    if points().next().is_none() {
        return Ok(None);
    }
    let place = |x: f64| match level {
        Level::Seconds => x,
        Level::Nines => -(1.0 - x).log10(),
    };
    let most = |of: fn((f64, f64)) -> f64| points().map(of).fold(f64::MIN, f64::max);
    let least = |of: fn((f64, f64)) -> f64| points().map(of).fold(f64::MAX, f64::min);
    let (left, right) = (place(least(|it| it.0)), place(most(|it| it.0)));
    let right = if right > left { right } else { left + 1.0 };
    let top = most(|it| it.1).max(1.0);
    let mut svg = String::new();
    let drawn = {
        let area = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        match upright {
            Upright::Time => {
                let bottom = least(|it| if it.1 > 0.0 { it.1 } else { f64::MAX });
                let bottom = 10_f64.powf(bottom.min(top).log10().floor());
                let top = 10_f64.powf(top.log10().ceil()).max(bottom * 10.0);
                let axis = (bottom..top).log_scale();
                lines(&area, series, (left..right, axis), place, level, &|it| {
                    time(*it)
                })
            }
            Upright::Bytes => lines(
                &area,
                series,
                (left..right, 0.0..top * 1.1),
                place,
                level,
                &|it| size(*it),
            ),
            Upright::Number => lines(
                &area,
                series,
                (left..right, 0.0..top * 1.1),
                place,
                level,
                &|it| number(*it),
            ),
        }
    };
    drawn.map_err(NotDrawn)?;
    Ok(Some(svg))
}

/// Bytes as axes mark them: in powers of ten, so that marks are round.
fn size(bytes: f64) -> String {
    match bytes {
        0.0 => "0".to_owned(),
        it if it >= 1e9 => format!("{} GB", number(it / 1e9)),
        it if it >= 1e6 => format!("{} MB", number(it / 1e6)),
        it => format!("{} kB", number(it / 1e3)),
    }
}

fn number(value: f64) -> String {
    match value {
        it if it >= 10.0 || it == 0.0 => format!("{it:.0}"),
        it => format!("{it:.2}"),
    }
}

fn share(place: f64) -> String {
    let nines = place.round();
    if (place - nines).abs() > 0.01 {
        return String::new();
    }
    match nines as usize {
        0 => "0".to_owned(),
        1 => "90 %".to_owned(),
        2 => "99 %".to_owned(),
        more => format!("99.{} %", "9".repeat(more - 2)),
    }
}

type Area<'s> = DrawingArea<SVGBackend<'s>, plotters::coord::Shift>;

fn lines<Y>(
    area: &Area<'_>,
    series: &[Series],
    (across, up): (std::ops::Range<f64>, Y),
    place: impl Fn(f64) -> f64,
    level: Level,
    said: &dyn Fn(&f64) -> String,
) -> Result<(), String>
where
    Y: plotters::coord::ranged1d::AsRangedCoord<Value = f64>,
    Y::CoordDescType: Ranged<ValueType = f64> + ValueFormatter<f64>,
{
    let failed = |error: &dyn std::fmt::Display| error.to_string();
    let nines = across.end;
    let mut chart = ChartBuilder::on(area)
        .margin(8)
        .x_label_area_size(26)
        .y_label_area_size(70)
        .build_cartesian_2d(across, up)
        .map_err(|error| failed(&error))?;
    let label = ("sans-serif", 12).into_font().color(&TEXT);
    let across_said = |x: &f64| match level {
        Level::Seconds => format!("{x:.0} s"),
        Level::Nines => share(*x),
    };
    let marks = match level {
        Level::Seconds => 10,
        Level::Nines => nines.ceil() as usize + 1,
    };
    chart
        .configure_mesh()
        .x_labels(marks)
        .y_labels(6)
        .light_line_style(TRANSPARENT)
        .bold_line_style(GRID)
        .axis_style(GRID)
        .x_label_style(label.clone().pos(Pos::new(HPos::Center, VPos::Top)))
        .y_label_style(label)
        .x_label_formatter(&across_said)
        .y_label_formatter(said)
        .draw()
        .map_err(|error| failed(&error))?;
    for (number, one) in series.iter().enumerate() {
        let colour = COLOURS[number % COLOURS.len()];
        let width = width(number);
        let points = one.points.iter().map(|(x, y)| (place(*x), *y));
        chart
            .draw_series(LineSeries::new(points, colour.stroke_width(width)))
            .map_err(|error| failed(&error))?;
    }
    area.present().map_err(|error| failed(&error))
}

/// How wide a line is: those beyond the colours there are are thinner.
pub fn width(number: usize) -> u32 {
    if number < COLOURS.len() { 2 } else { 1 }
}

/// The colour of a line as a page writes it.
pub fn colour(number: usize) -> String {
    let RGBColor(red, green, blue) = COLOURS[number % COLOURS.len()];
    format!("#{red:02x}{green:02x}{blue:02x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(points: &[(f64, f64)]) -> [Series; 1] {
        [Series {
            name: "x".to_owned(),
            points: points.to_vec(),
        }]
    }

    #[test]
    fn every_kind_of_plot_is_drawn_also_of_one_point() {
        for points in [&[(0.0, 0.0)][..], &[(0.0, 10.0), (0.9, 2e6)]] {
            for level in [Level::Seconds, Level::Nines] {
                for upright in [Upright::Time, Upright::Bytes, Upright::Number] {
                    let svg = plot(&series(points), level, upright).unwrap().unwrap();
                    assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"));
                    assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
                }
            }
        }
        assert!(
            plot(&series(&[]), Level::Seconds, Upright::Time)
                .unwrap()
                .is_none()
        );
    }

    #[test]
    fn nines_are_written_as_shares() {
        let said: Vec<String> = (0..5).map(|it| share(f64::from(it))).collect();
        assert_eq!(said, ["0", "90 %", "99 %", "99.9 %", "99.99 %"]);
        assert_eq!(share(1.5), "");
    }
}
