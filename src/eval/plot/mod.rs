//! Pictures as hand-written SVG: plain text, no fonts to ship, readable on light and dark pages, and told apart without
//! seeing colours (Okabe and Ito's blue and vermilion, and a dash).

mod axis;
mod bars;
mod compare;
mod confusion;
mod curves;
mod pictures;
mod reliability;
mod search;
mod svg;
#[cfg(test)]
mod tests;

pub use bars::{Series, bars_svg};
pub use compare::compare_svg;
pub use confusion::confusion_svg;
pub use curves::curves_svg;
pub use pictures::{Picture, sheet_svg};
pub use reliability::reliability_svg;
pub use search::{Course, search_svg};
