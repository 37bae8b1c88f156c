//! `confusion.svg` and `confusion_normalised.svg`: the confusion matrix as a heat map. Colour is the share of the true class, so rare classes are seen
//! too.

use super::svg::{Anchor, Svg, shorten};
use crate::eval::metrics::Evaluation;
use crate::eval::report::Cells;

/// Longest class name that is printed whole.
const NAME: usize = 18;
/// Pixels per character of a name, at 13 pixels.
const CHARACTER: f64 = 7.2;
/// Above this share of the fill, white is the readable ink; between the two, near-black (white again on dark pages).
const DARK: f64 = 0.68;
const MIDDLE: f64 = 0.25;

struct Layout {
    classes: usize,
    cell: f64,
    left: f64,
    top: f64,
    /// Column names are turned when they do not fit over their column.
    turned: bool,
    font: f64,
}

/// The heat map: rows are true classes, columns predicted ones; a cell holds its count over its share of the row, or only the
/// share.
pub fn confusion_svg(evaluation: &Evaluation, cells: Cells) -> String {
    let names: Vec<String> = evaluation.classes.iter().map(|name| shorten(name, NAME)).collect();
    let layout = Layout::new(&names);
    let side = layout.side();
    let (width, height) = (layout.left + side + 92.0, layout.top + side + 36.0);
    let mut svg = Svg::new(width, height, "Confusion matrix: true classes by row, predicted classes by column");
    let middle = (layout.left + side / 2.0, layout.top + side / 2.0);
    svg.text("strong", (middle.0, 30.0), 14.0, Anchor::Middle, "predicted");
    svg.turned_text("strong", (28.0, middle.1), 14.0, Anchor::Middle, -90.0, "true");
    layout.names(&mut svg, &names);
    for truth in 0..layout.classes {
        for predicted in 0..layout.classes {
            layout.cell(&mut svg, evaluation, cells, (truth, predicted));
        }
    }
    svg.rect("frame", (layout.left, layout.top), (side, side), 0.0, "");
    scale(&mut svg, (layout.left + side + 22.0, layout.top), side);
    let caption = format!("{} images, {:.2} % correct", evaluation.n, evaluation.accuracy * 100.0);
    svg.text("soft", (middle.0, layout.top + side + 24.0), 12.0, Anchor::Middle, &caption);
    svg.finish()
}

impl Layout {
    fn new(names: &[String]) -> Self {
        let classes = names.len();
        let cell = (620.0 / classes as f64).clamp(14.0, 76.0);
        let font = (cell * 0.62).clamp(7.0, 13.0);
        let longest = names.iter().map(|name| name.chars().count()).max().unwrap_or_default() as f64;
        let length = longest * CHARACTER * font / 13.0;
        let turned = length > cell - 8.0;
        let top = if turned { 52.0 + length * 0.71 + 8.0 } else { 66.0 };
        Self { classes, cell, left: 48.0 + length + 10.0, top, turned, font }
    }

    fn side(&self) -> f64 {
        self.cell * self.classes as f64
    }

    fn names(&self, svg: &mut Svg, names: &[String]) {
        for (i, name) in names.iter().enumerate() {
            let along = (i as f64 + 0.5) * self.cell;
            svg.text("", (self.left - 8.0, self.top + along + self.font * 0.35), self.font, Anchor::End, name);
            let x = self.left + along;
            if self.turned {
                svg.turned_text("", (x + 2.0, self.top - 8.0), self.font, Anchor::Start, -45.0, name);
            } else {
                svg.text("", (x, self.top - 10.0), self.font, Anchor::Middle, name);
            }
        }
    }

    fn cell(&self, svg: &mut Svg, evaluation: &Evaluation, cells: Cells, (truth, predicted): (usize, usize)) {
        let (count, support) = (evaluation.confusion.get(truth, predicted), evaluation.confusion.support(truth));
        let share = evaluation.confusion.share(truth, predicted);
        let (x, y) = (self.left + predicted as f64 * self.cell, self.top + truth as f64 * self.cell);
        let classes = &evaluation.classes;
        let tip = format!("{} predicted as {}: {count} of {support}", classes[truth], classes[predicted]);
        // One pixel of the page between cells is the grid.
        svg.rect("cell", (x + 0.5, y + 0.5), (self.cell - 1.0, self.cell - 1.0), share, &tip);
        if self.cell < 24.0 {
            return;
        }
        let ink = match share {
            s if s > DARK => "on",
            s if s > MIDDLE => "deep",
            _ => "",
        };
        let class = format!("{ink}{}", if truth == predicted { " hit" } else { "" });
        let (middle, size) = (x + self.cell / 2.0, (self.cell * 0.22).clamp(9.0, 15.0));
        let text = match cells {
            Cells::Counts => count.to_string(),
            Cells::Shares if support == 0 => "\u{2013}".to_owned(),
            Cells::Shares => format!("{share:.2}"),
        };
        if self.cell < 46.0 || cells == Cells::Shares {
            svg.text(class.trim(), (middle, y + self.cell / 2.0 + size * 0.35), size, Anchor::Middle, &text);
            return;
        }
        svg.text(class.trim(), (middle, y + self.cell * 0.47), size, Anchor::Middle, &text);
        let percent = if support == 0 { "\u{2013}".to_owned() } else { format!("{:.1} %", share * 100.0) };
        svg.text(ink, (middle, y + self.cell * 0.72), size * 0.76, Anchor::Middle, &percent);
    }
}

/// The colours' meaning, 100 % at the top.
fn scale(svg: &mut Svg, (x, y): (f64, f64), height: f64) {
    svg.fading_bar((x, y), (12.0, height));
    svg.rect("frame", (x, y), (12.0, height), 0.0, "");
    for percent in [0, 50, 100] {
        let at = y + height * (1.0 - f64::from(percent) / 100.0);
        svg.text("soft", (x + 18.0, at + 4.0), 11.0, Anchor::Start, &format!("{percent} %"));
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::eval::metrics::tests::{names, sample};

    #[test]
    fn names_are_escaped_and_shortened() {
        let classes = names(&["<b>&\"'\u{1}", "a name that is much too long to print"]);
        let e = Evaluation::new(&classes, &[0, 1], &[0.9, 0.1, 0.2, 0.8], None).unwrap();
        let svg = confusion_svg(&e, Cells::Counts);
        assert!(svg.contains("&lt;b&gt;&amp;&quot;&#39;\u{fffd}") && !svg.contains("<b>"));
        assert!(svg.contains("a name that is mu\u{2026}") && svg.contains("too long to print predicted as"));
    }

    #[test]
    fn shares_stand_alone() {
        let svg = confusion_svg(&sample(), Cells::Shares);
        // 16 of 27 sad images are right.
        assert!(svg.contains(">0.59<") && !svg.contains(">16<") && svg.contains(">\u{2013}<"), "{svg}");
    }

    #[test]
    fn every_size_draws_all_cells() {
        assert!(
            confusion_svg(&sample(), Cells::Counts).contains(">\u{2013}<"),
            "a class without samples has no percentage"
        );
        for n in [1usize, 2, 7, 14, 60] {
            let classes: Vec<_> = (0..n).map(|i| format!("class {i}")).collect();
            let probabilities: Vec<f32> = (0..n * n).map(|i| if i % (n + 1) == 0 { 1.0 } else { 0.0 }).collect();
            let labels: Vec<u32> = (0..n as u32).collect();
            let e = Evaluation::new(&classes, &labels, &probabilities, None).unwrap();
            for cells in [Cells::Counts, Cells::Shares] {
                let svg = confusion_svg(&e, cells);
                assert_eq!(svg.matches("class=\"cell\"").count(), n * n);
                assert!(!svg.contains("NaN"));
            }
        }
    }
}
