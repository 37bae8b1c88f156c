//! Where a network differs from its report's: the size of its input, and what is frozen.

use crate::error::{Error, Result};
use crate::graph::Freeze;

/// Where a network differs from its report's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Variant {
    /// Height and width of the input.
    pub size: Option<[usize; 2]>,
    /// Which layers are frozen.
    pub freeze: Option<Freeze>,
}

impl Variant {
    /// The largest height or width: far over any photograph of a face, and far under what overflows.
    pub const MAX_SIDE: usize = 8192;

    /// From what a user writes: `75` or `96x128` (height first); `none`, `body`, a number of layers or a layer's name; the
    /// number of the body's last layers that are trained.
    ///
    /// # Errors
    /// A size that is none; both ways of freezing at once.
    pub fn parse(size: Option<&str>, freeze: Option<&str>, unfreeze_last: Option<usize>) -> Result<Self> {
        let freeze = match (freeze, unfreeze_last) {
            (Some(_), Some(_)) => {
                return Err(Error::setting("", "freeze", "and unfreeze-last at once", "give one of the two"));
            }
            (Some(text), None) => Some(text.parse()?),
            (None, last) => last.map(Freeze::BodyBut),
        };
        Ok(Self { size: size.map(parse_size).transpose()?, freeze })
    }
}

fn parse_size(text: &str) -> Result<[usize; 2]> {
    let (height, width) = text.split_once('x').unwrap_or((text, text));
    let side = |text: &str| text.parse().ok().filter(|side| (1..=Variant::MAX_SIDE).contains(side));
    side(height).zip(side(width)).map(|(h, w)| [h, w]).ok_or_else(|| {
        let hint = format!("a side such as 75, or height and width such as 96x128, from 1 to {}", Variant::MAX_SIDE);
        Error::setting("", "size", text, hint)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_users_write() {
        let parse = |size, freeze, last| Variant::parse(size, freeze, last).expect("valid");
        assert_eq!(parse(None, None, None), Variant::default());
        assert_eq!(parse(Some("75"), None, None).size, Some([75, 75]));
        assert_eq!(parse(Some("96x128"), None, None).size, Some([96, 128]));
        for (text, freeze) in [
            ("none", Freeze::Nothing),
            ("body", Freeze::Body),
            ("12", Freeze::First(12)),
            ("block5_conv1", Freeze::Through("block5_conv1".into())),
        ] {
            assert_eq!(parse(None, Some(text), None).freeze, Some(freeze));
        }
        assert_eq!(parse(None, None, Some(20)).freeze, Some(Freeze::BodyBut(20)));
        for size in ["", "0", "-3", "x", "3x", "48x48x3", "99999999999999999999", "9000"] {
            let error = Variant::parse(Some(size), None, None).expect_err(size).to_string();
            assert!(error.contains("--size") && error.contains("96x128"), "{error}");
        }
        assert!(Variant::parse(None, Some("body"), Some(3)).is_err());
        assert!(Variant::parse(None, Some(""), None).is_err());
    }
}
