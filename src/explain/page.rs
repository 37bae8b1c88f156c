//! One page an image: everything is inside the file, so that it opens anywhere and loads nothing.

use super::png;
use crate::data::{Head, Task};
use crate::error::Result;
use base64::{Engine, prelude::BASE64_STANDARD as STANDARD};
use image::RgbImage;

/// Some pictures under one title.
pub struct Panel {
    /// `Grad-CAM`.
    pub title: String,
    /// How to read it, in a sentence.
    pub note: String,
    /// In their order.
    pub pictures: Vec<RgbImage>,
}

/// What is known of one image.
pub struct Page {
    /// The image's file, and where in it a face is.
    pub file: String,
    /// The network's name and where it came from.
    pub network: String,
    /// What the network predicts.
    pub task: Task,
    /// Whether the classes' probabilities are independent and do not sum to 1.
    pub independent: bool,
    /// The explained class, or output.
    pub class: String,
    /// Each class and its probability, or each output and its value.
    pub outputs: Vec<(String, f32)>,
    /// The maps.
    pub panels: Vec<Panel>,
}

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;max-width:70em;margin:2em auto;padding:0 1em;color:#222;background:#fff}\
img{max-width:100%;image-rendering:pixelated;margin:0 .5em .5em 0;border:1px solid #ddd}table{border-collapse:collapse}\
td{padding:.1em .8em .1em 0}.bar{background:#4477aa;height:.8em;display:inline-block}.chosen{font-weight:bold}\
section{margin-top:1.5em}h1{font-size:1.4em;overflow-wrap:anywhere}h2{font-size:1.1em;margin-bottom:.2em}p{margin:.2em 0 .6em}";

impl Page {
    /// The page as HTML, without scripts, links or anything from elsewhere.
    ///
    /// # Errors
    /// A picture that PNG cannot hold.
    pub fn html(&self) -> Result<String> {
        let (file, network, class) = (escaped(&self.file), escaped(&self.network), escaped(&self.class));
        let score = if self.task == Task::Values { "value" } else { "score" };
        let mut html = format!(
            "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{class}: {file}</title>\n\
             <style>{STYLE}</style></head><body>\n<h1>{file}</h1>\n\
             <p>What the {score} of <b>{class}</b> depends on in {network}. A map shows what the network reacts to; it says \
             nothing about what a person feels.</p>\n"
        );
        if self.independent {
            html += &format!("<p>Note: {}.</p>\n", escaped(Head::INDEPENDENT));
        }
        html += "<table>\n";
        for (name, said) in &self.outputs {
            let chosen = if *name == self.class { " class=\"chosen\"" } else { "" };
            // Values have no scale of their own.
            let bar = match self.task {
                Task::Values => String::new(),
                Task::Classes => {
                    let width = said.clamp(0.0, 1.0) * 20.0;
                    format!("<td><span class=\"bar\" style=\"width:{width:.1}em\"></span></td>")
                }
            };
            html += &format!("<tr{chosen}><td>{}</td><td>{said:.4}</td>{bar}</tr>\n", escaped(name));
        }
        html += "</table>\n";
        for panel in &self.panels {
            html += &format!("<section><h2>{}</h2>\n<p>{}</p>\n", escaped(&panel.title), escaped(&panel.note));
            for picture in &panel.pictures {
                let data = STANDARD.encode(png(picture)?);
                html += &format!("<img alt=\"{}\" src=\"data:image/png;base64,{data}\">\n", escaped(&panel.title));
            }
            html += "</section>\n";
        }
        Ok(html + "</body></html>\n")
    }
}

/// Text that HTML does not take for its own.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use image::Rgb;

    #[test]
    fn a_page_is_whole_and_asks_for_nothing() {
        let picture = RgbImage::from_pixel(3, 2, Rgb([1, 200, 3]));
        let page = Page {
            file: "<script>alert(1)</script>&.png".into(),
            network: "fer7-small".into(),
            task: Task::Classes,
            independent: false,
            class: "happy".into(),
            outputs: vec![("happy".into(), 0.75), ("sad".into(), 0.25)],
            panels: vec![Panel {
                title: "Saliency".into(),
                note: "a \"note\"".into(),
                pictures: vec![picture.clone()],
            }],
        };
        let html = page.html().unwrap();
        assert!(!html.contains("independent"));
        let sigmoids = Page { independent: true, ..page };
        assert!(sigmoids.html().unwrap().contains("are independent (a sigmoid each) and do not sum to 1"));
        let values = Page { task: Task::Values, independent: false, ..sigmoids }.html().unwrap();
        assert!(
            html.contains("class=\"bar\"") && !values.contains("class=\"bar\"") && values.contains("What the value of")
        );
        for absent in ["<script", "http:", "https:", "<link", "url("] {
            assert!(!html.contains(absent), "{absent} in {html}");
        }
        for there in ["&lt;script&gt;", "0.7500", "Saliency", "a &quot;note&quot;"] {
            assert!(html.contains(there), "{there} not in {html}");
        }
        let (_, data) = html.split_once("base64,").unwrap();
        let bytes = STANDARD.decode(data.split('"').next().unwrap()).unwrap();
        assert_eq!(image::load_from_memory(&bytes).unwrap().to_rgb8(), picture);
    }
}
