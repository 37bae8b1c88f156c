//! `reliability.svg`: accuracy by confidence. Bars on the diagonal are a calibrated network; bars below it one that is too sure.

use super::svg::{Anchor, Svg};
use crate::eval::metrics::Calibration;

const SIDE: f64 = 360.0;
const LEFT: f64 = 64.0;
const TOP: f64 = 64.0;
/// Height of the strip that shows how many samples a bin has.
const STRIP: f64 = 60.0;

/// The reliability diagram: a bar a bin of confidence, as high as the share that is right, a dot at the mean confidence, and below
/// the share of the samples in the bin.
pub fn reliability_svg(calibration: &Calibration) -> String {
    let bottom = TOP + SIDE;
    let mut svg = Svg::new(
        LEFT + SIDE + 30.0,
        bottom + STRIP + 84.0,
        "Reliability diagram: share classified rightly by confidence",
    );
    svg.text("strong", (LEFT, 28.0), 15.0, Anchor::Start, "Reliability");
    let error = format!("expected calibration error {:.4}", calibration.ece);
    svg.text("", (LEFT, 48.0), 12.0, Anchor::Start, &error);
    for tenth in (0..=10).step_by(2) {
        let share = f64::from(tenth) / 10.0;
        let (x, y) = (LEFT + share * SIDE, bottom - share * SIDE);
        svg.line("grid", (LEFT, y), (LEFT + SIDE, y));
        svg.text("soft", (LEFT - 8.0, y + 4.0), 12.0, Anchor::End, &format!("{share:.1}"));
        svg.text("soft", (x, bottom + STRIP + 30.0), 12.0, Anchor::Middle, &format!("{share:.1}"));
    }
    let samples: u64 = calibration.bins.iter().map(|bin| bin.n).sum();
    let most = calibration.bins.iter().map(|bin| bin.n).max().unwrap_or_default().max(1) as f64;
    for bin in calibration.bins.iter().filter(|bin| bin.n > 0) {
        let (x, width) = (LEFT + bin.low * SIDE, (bin.high - bin.low) * SIDE);
        let tip = format!(
            "confidence {:.2} to {:.2}: {} of {samples} images, mean confidence {:.4}, {:.4} right",
            bin.low, bin.high, bin.n, bin.confidence, bin.accuracy
        );
        let height = bin.accuracy * SIDE;
        svg.rect("cell", (x + 0.5, bottom - height), (width - 1.0, height), 0.75, &tip);
        let height = bin.n as f64 / most * (STRIP - 14.0);
        svg.rect("cell", (x + 0.5, bottom + STRIP + 10.0 - height), (width - 1.0, height), 0.35, &tip);
        svg.circle("dot val", (LEFT + bin.confidence * SIDE, bottom - bin.confidence * SIDE), 3.5, &tip);
    }
    svg.line("mark", (LEFT, bottom), (LEFT + SIDE, TOP));
    svg.line("axis", (LEFT, bottom), (LEFT + SIDE, bottom));
    svg.line("axis", (LEFT, bottom + STRIP + 10.0), (LEFT + SIDE, bottom + STRIP + 10.0));
    let middle = LEFT + SIDE / 2.0;
    svg.text(
        "soft",
        (middle, bottom + STRIP + 56.0),
        12.0,
        Anchor::Middle,
        "confidence; below the bars: how many images",
    );
    svg.turned_text("soft", (22.0, TOP + SIDE / 2.0), 12.0, Anchor::Middle, -90.0, "share classified rightly");
    svg.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::metrics::tests::sample;

    #[test]
    fn a_bar_and_a_dot_for_each_bin_with_samples() {
        let calibration = sample().calibration;
        let filled = calibration.bins.iter().filter(|b| b.n > 0).count();
        assert!(filled > 1 && filled < calibration.bins.len());
        let svg = reliability_svg(&calibration);
        assert_eq!(svg.matches("class=\"cell\"").count(), 2 * filled);
        assert_eq!(svg.matches("class=\"dot val\"").count(), filled);
        assert!(svg.contains("error 0.1512") && !svg.contains("NaN"));
    }
}
