//! The few SVG elements that the plots need, with escaped text and numbers that are always finite.

use std::fmt::{Arguments, Write};

/// Colours by role, for light pages and, where the viewer knows the reader's preference, for dark ones.
const STYLE: &str = "\
text{font-family:system-ui,-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif;fill:#3d4450}
.page{fill:#ffffff}.strong{fill:#14181f;font-weight:600}.soft{fill:#646b78}
.grid{stroke:#e6e8ec}.axis{stroke:#9aa1ad}.mark{stroke:#646b78;stroke-dasharray:2 3}
.train{stroke:#0072b2;fill:none}.val{stroke:#d55e00;fill:none}
.dot.train{fill:#0072b2;stroke:#ffffff}.dot.val{fill:#d55e00;stroke:#ffffff}.ring{fill:none;stroke:#14181f}
.dot.far{fill:transparent;stroke:none}
.run0{stroke:#0072b2;fill:none}.dot.run0{fill:#0072b2}.run1{stroke:#d55e00;fill:none}.dot.run1{fill:#d55e00}.run2{stroke:#009e73;fill:none}.dot.run2{fill:#009e73}.run3{stroke:#cc79a7;fill:none}.dot.run3{fill:#cc79a7}.run4{stroke:#b8860b;fill:none}.dot.run4{fill:#b8860b}.run5{stroke:#56b4e9;fill:none}.dot.run5{fill:#56b4e9}.run6{stroke:#000000;fill:none}.dot.run6{fill:#000000}
.cell{fill:#08519c}.stop{stop-color:#08519c}.frame{fill:none;stroke:#9aa1ad}
.on{fill:#ffffff}.deep{fill:#14181f}.hit{font-weight:600}
@media (prefers-color-scheme:dark){
text{fill:#c6cad2}
.page{fill:#15181d}.strong{fill:#f3f4f6}.soft{fill:#9aa1ad}
.grid{stroke:#2a2f38}.axis{stroke:#646b78}.mark{stroke:#9aa1ad}
.train{stroke:#56b4e9}.val{stroke:#f28a3c}
.dot.train{fill:#56b4e9;stroke:#15181d}.dot.val{fill:#f28a3c;stroke:#15181d}.ring{stroke:#f3f4f6}
.run0{stroke:#56b4e9}.dot.run0{fill:#56b4e9}.run1{stroke:#f28a3c}.dot.run1{fill:#f28a3c}.run2{stroke:#2bc79a}.dot.run2{fill:#2bc79a}.run3{stroke:#e29cc4}.dot.run3{fill:#e29cc4}.run4{stroke:#e6b422}.dot.run4{fill:#e6b422}.run5{stroke:#9fd3f5}.dot.run5{fill:#9fd3f5}.run6{stroke:#f3f4f6}.dot.run6{fill:#f3f4f6}
.cell{fill:#2a78d6}.stop{stop-color:#2a78d6}.frame{stroke:#646b78}.on,.deep{fill:#ffffff}}
";

/// The farthest that anything is drawn, in pixels.
const LIMIT: f64 = 1e6;

/// Where a text's point lies in it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// An SVG document in the making. Coordinates are pixels from the top left.
pub(super) struct Svg(String);

impl Svg {
    /// Opens a document with a background, so that it is readable on any page. `label` is read by screen readers.
    pub(super) fn new(width: f64, height: f64, label: &str) -> Self {
        let mut svg = Self(String::new());
        let (w, h, label) = (num(width), num(height), escape(label));
        svg.push(format_args!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {w} {h}\" width=\"{w}\" height=\"{h}\" \
             role=\"img\" aria-label=\"{label}\">\n<title>{label}</title>\n<style>\n{STYLE}</style>\n\
             <rect class=\"page\" width=\"{w}\" height=\"{h}\" rx=\"8\"/>\n"
        ));
        svg
    }

    /// Closes the document.
    pub(super) fn finish(mut self) -> String {
        self.0.push_str("</svg>\n");
        self.0
    }

    /// Text of a size in pixels, on its base line.
    pub(super) fn text(&mut self, class: &str, at: (f64, f64), size: f64, anchor: Anchor, text: &str) {
        self.turned_text(class, at, size, anchor, 0.0, text);
    }

    /// Text turned about its point, in degrees clockwise.
    pub(super) fn turned_text(
        &mut self,
        class: &str,
        (x, y): (f64, f64),
        size: f64,
        anchor: Anchor,
        degrees: f64,
        text: &str,
    ) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let (x, y, size, text) = (num(x), num(y), num(size), escape(text));
        let turn =
            if degrees == 0.0 { String::new() } else { format!(" transform=\"rotate({} {x} {y})\"", num(degrees)) };
        self.push(format_args!(
            "<text class=\"{class}\" x=\"{x}\" y=\"{y}\" font-size=\"{size}\" \
             text-anchor=\"{anchor}\"{turn}>{text}</text>\n"
        ));
    }

    pub(super) fn line(&mut self, class: &str, (x1, y1): (f64, f64), (x2, y2): (f64, f64)) {
        let [x1, y1, x2, y2] = [x1, y1, x2, y2].map(num);
        self.push(format_args!("<line class=\"{class}\" x1=\"{x1}\" y1=\"{y1}\" x2=\"{x2}\" y2=\"{y2}\"/>\n"));
    }

    /// A rectangle; `opacity` is of its fill, `tip` is shown under the pointer (may be empty).
    pub(super) fn rect(&mut self, class: &str, (x, y): (f64, f64), (w, h): (f64, f64), opacity: f64, tip: &str) {
        let [x, y, w, h, opacity] = [x, y, w, h, opacity].map(num);
        self.push(format_args!(
            "<rect class=\"{class}\" x=\"{x}\" y=\"{y}\" width=\"{w}\" height=\"{h}\" \
             fill-opacity=\"{opacity}\">{}</rect>\n",
            tip_element(tip)
        ));
    }

    pub(super) fn circle(&mut self, class: &str, (x, y): (f64, f64), radius: f64, tip: &str) {
        let [x, y, r] = [x, y, radius].map(num);
        let tip = tip_element(tip);
        self.push(format_args!(
            "<circle class=\"{class}\" cx=\"{x}\" cy=\"{y}\" r=\"{r}\" stroke-width=\"1.5\">{tip}</circle>\n"
        ));
    }

    /// A line through points; `dash` in SVG's notation (may be empty).
    pub(super) fn polyline(&mut self, class: &str, dash: &str, points: &[(f64, f64)]) {
        let dash = if dash.is_empty() { String::new() } else { format!(" stroke-dasharray=\"{dash}\"") };
        let points = points.iter().map(|&(x, y)| format!("{},{}", num(x), num(y))).collect::<Vec<_>>().join(" ");
        self.push(format_args!(
            "<polyline class=\"{class}\" stroke-width=\"2\" stroke-linejoin=\"round\" stroke-linecap=\"round\"{dash} \
             points=\"{points}\"/>\n"
        ));
    }

    /// An image; `data` is a data URI, `tip` is shown under the pointer. Pixels stay square when it is enlarged.
    pub(super) fn image(&mut self, (x, y): (f64, f64), (w, h): (f64, f64), data: &str, tip: &str) {
        let [x, y, w, h] = [x, y, w, h].map(num);
        let (data, tip) = (escape(data), tip_element(tip));
        self.push(format_args!(
            "<image x=\"{x}\" y=\"{y}\" width=\"{w}\" height=\"{h}\" style=\"image-rendering:pixelated\" \
             href=\"{data}\">{tip}</image>\n"
        ));
    }

    /// A bar in the colour of the cells, opaque at the top and clear at the bottom. One a document.
    pub(super) fn fading_bar(&mut self, (x, y): (f64, f64), (w, h): (f64, f64)) {
        let [x, y, w, h] = [x, y, w, h].map(num);
        self.push(format_args!(
            "<linearGradient id=\"fade\" x2=\"0\" y2=\"1\"><stop class=\"stop\"/>\
             <stop class=\"stop\" offset=\"1\" stop-opacity=\"0\"/></linearGradient>\n\
             <rect x=\"{x}\" y=\"{y}\" width=\"{w}\" height=\"{h}\" fill=\"url(#fade)\"/>\n"
        ));
    }

    fn push(&mut self, part: Arguments<'_>) {
        self.0.write_fmt(part).expect("writing to a String cannot fail");
    }
}

fn tip_element(tip: &str) -> String {
    if tip.is_empty() { String::new() } else { format!("<title>{}</title>", escape(tip)) }
}

/// Two decimals are finer than a screen; a number that is not finite, or of hundreds of digits, would spoil the whole document.
fn num(value: f64) -> String {
    let text = format!("{:.2}", if value.is_finite() { value.clamp(-LIMIT, LIMIT) } else { 0.0 });
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Text as XML content or attribute. Characters that XML 1.0 forbids become U+FFFD.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            '\t' | '\n' | '\r' => escaped.push(' '),
            '\u{0}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}

/// At most `limit` characters, the last one an ellipsis when something was cut.
pub(super) fn shorten(text: &str, limit: usize) -> String {
    if text.chars().count() <= limit {
        return text.to_owned();
    }
    text.chars().take(limit.saturating_sub(1)).chain(['\u{2026}']).collect()
}
