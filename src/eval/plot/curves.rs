//! `curves.svg`: loss and accuracy by epoch, training against validation.

use super::axis::{Axis, calm, drawable};
use super::svg::{Anchor, Svg};
use crate::train::history::EpochRow;

pub(super) const WIDTH: f64 = 960.0;
pub(super) const HEIGHT: f64 = 400.0;
/// The plotting area of a panel.
const PANEL: (f64, f64) = (390.0, 268.0);
const TOP: f64 = 76.0;
/// Up to this many epochs, each is a dot on its line; more would hide the line.
const DOTS: usize = 12;
/// Up to this many epochs, each tells its value under the pointer.
const TIPS: usize = 300;
/// Dash of the training lines, so that they differ from validation without colour.
const DASH: &str = "7 5";

/// One quantity over the epochs.
pub(super) struct Panel<'a> {
    title: &'a str,
    left: f64,
    x: Axis,
    y: Axis,
    /// Factor and unit of what is printed.
    scale: f64,
    unit: &'a str,
    decimals: usize,
}

/// The training curves; `best` is the epoch to mark (that of the best checkpoint). Values that are not finite leave a
/// gap.
pub fn curves_svg(history: &[EpochRow], best: Option<usize>) -> String {
    let mut svg = Svg::new(WIDTH, HEIGHT, "Training curves: loss and accuracy by epoch");
    legend(&mut svg, best.is_some_and(|best| history.iter().any(|row| row.epoch == best)));
    let [loss, accuracy] = panels(history);
    loss.draw(&mut svg, history, best, |row| (row.loss, row.val_loss));
    accuracy.draw(&mut svg, history, best, rates);
    svg.finish()
}

/// What the second panel has of an epoch, on training and validation images: accuracy, or the concordance of values.
pub(super) fn rates(row: &EpochRow) -> (f64, f64) {
    row.val_ccc().map_or((row.accuracy, row.val_accuracy), |ccc| (f64::NAN, ccc))
}

/// The panels of loss and accuracy (or concordance, or both), with axes that hold what is finite of the rows, but for spikes of the
/// loss: these are drawn at the upper edge, with their value.
pub(super) fn panels(history: &[EpochRow]) -> [Panel<'static>; 2] {
    let x = Axis::whole(history.iter().map(|row| row.epoch as f64), 8.0);
    let losses = calm(history.iter().map(|row| row.loss)).chain(calm(history.iter().map(|row| row.val_loss)));
    let of_values = history.iter().any(|row| !row.outputs.is_empty());
    let of_classes = history.iter().any(|row| row.outputs.is_empty());
    let second = history.iter().map(rates).flat_map(|(a, b)| [a, b]);
    let lowest = if of_values { -1.0 } else { 0.0 };
    let loss = Panel {
        title: "Loss",
        left: 62.0,
        x: x.clone(),
        y: Axis::over(losses, 5.0).within(0.0, f64::MAX),
        scale: 1.0,
        unit: "",
        decimals: 4,
    };
    let accuracy = Panel {
        title: match (of_values, of_classes) {
            (true, true) => "Accuracy, concordance",
            (true, false) => "Concordance",
            _ => "Accuracy",
        },
        left: 540.0,
        x,
        y: Axis::over(second, 5.0).within(lowest, 1.0),
        scale: if of_values { 1.0 } else { 100.0 },
        unit: if of_values { "" } else { " %" },
        decimals: if of_values { 4 } else { 2 },
    };
    [loss, accuracy]
}

fn legend(svg: &mut Svg, marked: bool) {
    let (y, mut x) = (26.0, 62.0);
    for (class, dash, name) in [("train", DASH, "training"), ("val", "", "validation")] {
        svg.polyline(class, dash, &[(x, y - 4.0), (x + 30.0, y - 4.0)]);
        svg.text("", (x + 38.0, y), 13.0, Anchor::Start, name);
        x += 122.0;
    }
    if marked {
        svg.circle("ring", (x + 12.0, y - 4.0), 5.0, "");
        svg.text("", (x + 24.0, y), 13.0, Anchor::Start, "best epoch");
    }
}

impl Panel<'_> {
    fn draw(&self, svg: &mut Svg, history: &[EpochRow], best: Option<usize>, values: impl Fn(&EpochRow) -> (f64, f64)) {
        self.frame(svg);
        if history.is_empty() {
            let middle = (self.left + PANEL.0 / 2.0, TOP + PANEL.1 / 2.0);
            svg.text("soft", middle, 14.0, Anchor::Middle, "no epoch has ended yet");
        }
        let best = history.iter().find(|row| Some(row.epoch) == best);
        if let Some(row) = best {
            let x = self.x_of(row);
            svg.line("mark", (x, TOP), (x, TOP + PANEL.1));
        }
        let train: Vec<_> = history.iter().map(|row| (row, values(row).0)).collect();
        let validation: Vec<_> = history.iter().map(|row| (row, values(row).1)).collect();
        self.series(svg, ("train", DASH, "training"), &train);
        self.series(svg, ("val", "", "validation"), &validation);
        if let Some(row) = best {
            let (of_train, of_validation) = values(row);
            let value = if of_validation.is_nan() { of_train } else { of_validation };
            self.mark(svg, row, value);
        }
    }

    pub(super) fn frame(&self, svg: &mut Svg) {
        let (right, bottom) = (self.left + PANEL.0, TOP + PANEL.1);
        svg.text("strong", (self.left, TOP - 16.0), 15.0, Anchor::Start, self.title);
        for tick in self.y.ticks() {
            let y = self.y_of(tick);
            svg.line("grid", (self.left, y), (right, y));
            let label = format!("{}{}", self.y.label(tick, self.scale), self.unit);
            svg.text("soft", (self.left - 8.0, y + 4.0), 12.0, Anchor::End, &label);
        }
        svg.line("axis", (self.left, bottom), (right, bottom));
        for tick in self.x.ticks() {
            let x = self.left + self.x.share(tick) * PANEL.0;
            svg.line("axis", (x, bottom), (x, bottom + 4.0));
            svg.text("soft", (x, bottom + 19.0), 12.0, Anchor::Middle, &self.x.label(tick, 1.0));
        }
        svg.text("soft", (self.left + PANEL.0 / 2.0, bottom + 40.0), 12.0, Anchor::Middle, "epoch");
    }

    pub(super) fn series(&self, svg: &mut Svg, (class, dash, name): (&str, &str, &str), values: &[(&EpochRow, f64)]) {
        for piece in values.split(|(_, value)| !drawable(*value)) {
            let points: Vec<_> = piece.iter().map(|(row, value)| (self.x_of(row), self.y_of(*value))).collect();
            if points.len() > 1 {
                svg.polyline(class, dash, &points);
            }
            for ((row, value), point) in piece.iter().zip(&points) {
                let tip = format!("epoch {}: {name} {}", row.epoch, self.print(*value));
                if self.y.is_above(*value) {
                    svg.text("soft", (point.0 + 8.0, point.1 + 12.0), 11.0, Anchor::Start, &self.print(*value));
                }
                // A point without neighbours would be invisible as a line.
                if values.len() <= DOTS || points.len() == 1 {
                    svg.circle(&format!("dot {class}"), *point, 3.5, &tip);
                } else if values.len() <= TIPS {
                    svg.circle("dot far", *point, 6.0, &tip);
                }
            }
        }
    }

    /// The ring at the best epoch and its value above the panel, kept clear of the title and the right edge.
    fn mark(&self, svg: &mut Svg, row: &EpochRow, value: f64) {
        let x = self.x_of(row);
        let text = format!("epoch {}: {}", row.epoch, self.print(value));
        let half = text.len() as f64 * 3.4;
        // A text that is too long for both ends at the right edge. (`clamp` panics where its limits cross.)
        let middle = x.max(self.left + 92.0 + half).min(self.left + PANEL.0 - half);
        svg.text("", (middle, TOP - 16.0), 12.0, Anchor::Middle, &text);
        if drawable(value) {
            svg.circle("ring", (x, self.y_of(value)), 6.5, &text);
        }
    }

    fn print(&self, value: f64) -> String {
        if !value.is_finite() {
            return value.to_string();
        }
        // In full, 10^300 has 301 digits.
        if value.abs() >= 1e6 {
            return format!("{value:.2e}");
        }
        format!("{:.*}{}", self.decimals, value * self.scale, self.unit)
    }

    fn x_of(&self, row: &EpochRow) -> f64 {
        self.left + self.x.share(row.epoch as f64) * PANEL.0
    }

    fn y_of(&self, value: f64) -> f64 {
        TOP + (1.0 - self.y.share(value).clamp(0.0, 1.0)) * PANEL.1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::history::tests::row;

    #[test]
    fn any_history_gives_a_sound_picture() {
        let mut odd: Vec<_> = (1..=9).map(row).collect();
        odd[2].val_loss = f64::NAN;
        odd[4].loss = f64::INFINITY;
        odd[5].loss = -1e300;
        odd[6].val_accuracy = f64::NEG_INFINITY;
        let mut all_nan = vec![row(1), row(2)];
        for row in &mut all_nan {
            (row.loss, row.val_loss, row.accuracy, row.val_accuracy) = (f64::NAN, f64::NAN, f64::NAN, f64::NAN);
        }
        let mut far = vec![row(usize::MAX), row(0)];
        far[0].epoch = usize::MAX;
        far[1].epoch = usize::MAX;
        let long: Vec<_> = (1..=2000).map(row).collect();
        for history in [vec![], vec![row(1)], odd, all_nan, far, long] {
            for best in [None, Some(1), Some(5), Some(12345)] {
                let svg = curves_svg(&history, best);
                assert!(svg.starts_with("<svg") && svg.ends_with("</svg>\n"));
                let coordinates = svg.split(['"', ' ', ',']).filter(|t| t.parse::<f64>().is_ok());
                assert!(coordinates.clone().count() > 20);
                assert!(coordinates.into_iter().all(|t| t.parse::<f64>().is_ok_and(f64::is_finite)), "{svg}");
            }
        }
    }

    #[test]
    fn a_spike_is_drawn_at_the_edge_with_its_value() {
        let mut history: Vec<_> = (1..=7).map(row).collect();
        let before = curves_svg(&history, None);
        history[3].val_loss = 17.2963;
        let svg = curves_svg(&history, None);
        assert!(!before.contains(">17.2963<") && svg.contains(">17.2963<"), "{svg}");
        let labels = |svg: &str| svg.split("class=\"grid\"").count();
        assert_eq!(labels(&before), labels(&svg), "the axis stays");
    }

    #[test]
    fn gaps_split_the_line_and_the_best_is_marked() {
        let mut history: Vec<_> = (1..=7).map(row).collect();
        assert_eq!(curves_svg(&history, None).matches("<polyline").count(), 2 + 4);
        history[3].loss = f64::NAN;
        let svg = curves_svg(&history, Some(6));
        assert_eq!(svg.matches("<polyline").count(), 2 + 5);
        assert_eq!(svg.matches("class=\"ring\"").count(), 3);
    }
}
