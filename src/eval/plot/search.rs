//! `search.svg`: the trials of a search, by number and by epochs.

use super::axis::{Axis, drawable};
use super::svg::{Anchor, Svg};

const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 400.0;
/// The plotting area of a panel.
const PANEL: (f64, f64) = (390.0, 268.0);
const TOP: f64 = 76.0;
/// Left sides of the two panels.
const LEFT: [f64; 2] = [62.0, 540.0];

/// A trial: its figure at each number of epochs at which it was looked at.
#[derive(Clone, Debug, PartialEq)]
pub struct Course {
    /// Its number.
    pub trial: usize,
    /// Epochs and figure, in order.
    pub points: Vec<(f64, f64)>,
    /// Whether it is the best of all.
    pub best: bool,
}

/// The figures of trials, by their numbers and by their epochs; `without` have none, `figure` says what it is. What is not finite is
/// left out.
pub fn search_svg(courses: &[Course], without: usize, figure: &str) -> String {
    let mut svg = Svg::new(WIDTH, HEIGHT, &format!("Search: {figure} of each trial"));
    let values = courses.iter().flat_map(|c| &c.points).map(|(_, value)| *value);
    let rate = values.clone().all(|v| (0.0..=1.0).contains(&v));
    let y = Axis::over(values, 5.0);
    let y = if rate { y.within(0.0, 1.0) } else { y };
    let numbers = Axis::whole(courses.iter().map(|c| c.trial as f64), 8.0);
    let epochs = Axis::whole(courses.iter().flat_map(|c| &c.points).map(|(epochs, _)| *epochs), 8.0);
    let caption = match without {
        0 => format!("{} trials", courses.len()),
        n => format!("{} trials; {n} without a figure (cannot be built, or diverged)", courses.len()),
    };
    svg.text("", (LEFT[0], 26.0), 13.0, Anchor::Start, &caption);
    frame(&mut svg, LEFT[0], (&numbers, &y), (&format!("Best {figure}"), "trial"));
    frame(&mut svg, LEFT[1], (&epochs, &y), ("As it was trained", "epochs"));
    let place =
        |left: f64, x: &Axis, at: (f64, f64)| (left + x.share(at.0) * PANEL.0, TOP + (1.0 - y.share(at.1)) * PANEL.1);
    // The best is drawn last, over the others.
    for course in courses.iter().filter(|c| !c.best).chain(courses.iter().filter(|c| c.best)) {
        let class = if course.best { "val" } else { "train" };
        let points: Vec<_> = course.points.iter().filter(|(_, value)| drawable(*value)).copied().collect();
        let Some(last) = points.last() else { continue };
        let tip = format!("trial {}: {:.4} after {} epochs", course.trial, last.1, last.0);
        let line: Vec<_> = points.iter().map(|at| place(LEFT[1], &epochs, *at)).collect();
        if line.len() > 1 {
            svg.polyline(class, "", &line);
        }
        let dots = line.iter().copied().chain([place(LEFT[0], &numbers, (course.trial as f64, last.1))]);
        for dot in dots.collect::<Vec<_>>() {
            svg.circle(&format!("dot {class}"), dot, 3.5, &tip);
            if course.best {
                svg.circle("ring", dot, 6.5, &tip);
            }
        }
    }
    svg.finish()
}

fn frame(svg: &mut Svg, left: f64, (x, y): (&Axis, &Axis), (title, below): (&str, &str)) {
    let (right, bottom) = (left + PANEL.0, TOP + PANEL.1);
    svg.text("strong", (left, TOP - 16.0), 15.0, Anchor::Start, title);
    for tick in y.ticks() {
        let at = TOP + (1.0 - y.share(tick)) * PANEL.1;
        svg.line("grid", (left, at), (right, at));
        svg.text("soft", (left - 8.0, at + 4.0), 12.0, Anchor::End, &y.label(tick, 1.0));
    }
    svg.line("axis", (left, bottom), (right, bottom));
    for tick in x.ticks() {
        let at = left + x.share(tick) * PANEL.0;
        svg.line("axis", (at, bottom), (at, bottom + 4.0));
        svg.text("soft", (at, bottom + 19.0), 12.0, Anchor::Middle, &x.label(tick, 1.0));
    }
    svg.text("soft", (left + PANEL.0 / 2.0, bottom + 40.0), 12.0, Anchor::Middle, below);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_search_gives_a_sound_picture() {
        let course = |trial, points: &[(f64, f64)], best| Course { trial, points: points.to_vec(), best };
        let some = [
            course(1, &[(1.0, 0.3), (3.0, 0.5)], false),
            course(2, &[(1.0, 0.2)], false),
            course(5, &[(1.0, 0.4), (3.0, 0.6), (9.0, 0.7)], true),
        ];
        let odd = [course(1, &[(1.0, f64::NAN), (2.0, 1e300)], true), course(2, &[], false)];
        for (courses, without, dots) in [(&some[..], 2, 3 + 2 + 4), (&some[..1], 0, 3), (&odd, 0, 0), (&[], 3, 0)] {
            let svg = search_svg(courses, without, "validation accuracy");
            assert!(svg.starts_with("<svg") && svg.ends_with("</svg>\n"));
            assert!(!svg.contains("NaN") && !svg.contains("inf"));
            assert_eq!(svg.matches("class=\"dot ").count(), dots);
            assert_eq!(svg.contains("without a figure"), without > 0);
        }
        assert_eq!(search_svg(&some, 0, "x").matches("class=\"ring\"").count(), 4);
        assert_eq!(search_svg(&some, 0, "x").matches("<polyline").count(), 2);
    }
}
