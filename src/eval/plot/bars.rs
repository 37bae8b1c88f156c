//! Grouped bars: counts a class, a colour and a shade a split.

use super::axis::Axis;
use super::svg::{Anchor, Svg, shorten};

const HEIGHT: f64 = 260.0;
const LEFT: f64 = 72.0;
const TOP: f64 = 72.0;
/// Pixels of a bar; between groups one bar is free.
const BAR: f64 = 22.0;
/// How opaque the bars of each series are: told apart without colours.
const SHADES: [f64; 4] = [1.0, 0.6, 0.3, 0.15];

/// One bar a group.
#[derive(Debug, Clone)]
pub struct Series {
    /// For the legend.
    pub name: String,
    /// One value a group.
    pub values: Vec<f64>,
}

/// Bars of up to four series, side by side in each group.
pub fn bars_svg(title: &str, groups: &[String], series: &[Series]) -> String {
    let step = BAR * (series.len() as f64 + 1.0);
    let width = (step * groups.len() as f64).max(320.0);
    let mut svg = Svg::new(LEFT + width + 24.0, TOP + HEIGHT + 84.0, title);
    svg.text("strong", (LEFT, 28.0), 15.0, Anchor::Start, title);
    let values = series.iter().flat_map(|s| s.values.iter().copied()).chain([0.0]);
    let axis = Axis::over(values, 5.0).within(0.0, f64::MAX);
    let bottom = TOP + HEIGHT;
    for tick in axis.ticks() {
        let y = bottom - axis.share(tick) * HEIGHT;
        svg.line("grid", (LEFT, y), (LEFT + width, y));
        svg.text("soft", (LEFT - 8.0, y + 4.0), 12.0, Anchor::End, &axis.label(tick, 1.0));
    }
    for (s, (one, shade)) in series.iter().zip(SHADES).enumerate() {
        let x = LEFT + 110.0 * s as f64;
        svg.rect("cell", (x, 42.0), (12.0, 12.0), shade, "");
        svg.text("", (x + 18.0, 53.0), 12.0, Anchor::Start, &one.name);
        for (g, (group, value)) in groups.iter().zip(&one.values).enumerate() {
            let height = axis.share(*value).clamp(0.0, 1.0) * HEIGHT;
            let x = LEFT + step * g as f64 + BAR * (s as f64 + 0.5);
            svg.rect(
                "cell",
                (x + 1.0, bottom - height),
                (BAR - 2.0, height),
                shade,
                &format!("{group}, {}: {value}", one.name),
            );
        }
    }
    svg.line("axis", (LEFT, bottom), (LEFT + width, bottom));
    for (g, group) in groups.iter().enumerate() {
        let at = (LEFT + step * (g as f64 + 0.5), bottom + 18.0);
        svg.turned_text("", at, 12.0, Anchor::End, -30.0, &shorten(group, 14));
    }
    svg.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_for_each_value() {
        let groups = ["a<", "b", "c"].map(str::to_owned);
        let series = ["train", "test"].map(|name| Series { name: name.to_owned(), values: vec![5.0, 0.0, 12.0] });
        let svg = bars_svg("Counts", &groups, &series);
        assert_eq!(svg.matches("class=\"cell\"").count(), 2 * 3 + 2, "bars and the legend's");
        assert!(svg.contains("a&lt;, train: 5") && svg.contains(">15<") && !svg.contains("NaN"), "{svg}");
        assert!(bars_svg("Nothing", &[], &[]).ends_with("</svg>\n"));
    }
}
