//! The networks, by name. One file a family; a new one is a function and a row in [`MODELS`].

mod bodies;
pub mod file;
mod list;
mod scratch;
mod stack;
mod summary;
mod transfer;
mod variables;
mod variant;

pub use list::MODELS;
pub use stack::Stack;
pub use summary::Summary;
pub use variables::Variables;
pub use variant::Variant;

use crate::data::Preprocess;
use crate::error::{Error, Result};
use crate::graph::{Description, Freeze, Graph};
use std::path::Path;

/// A network that can be built by name.
#[derive(Clone, Copy, Debug)]
pub struct Model {
    /// `fer<classes>-<body>`.
    pub name: &'static str,
    /// Where it comes from, in a line.
    pub about: &'static str,
    /// Height, width and channels of its input in the report.
    pub input: [usize; 3],
    /// Classes of the report; the data's count is used where it differs.
    pub classes: usize,
    /// Whether its report begins with the body frozen.
    pub frozen: bool,
    /// How the images of its body's published weights are made (`preprocess_input` of the body's module in keras.applications).
    pub preprocess: Preprocess,
    build: fn(Stack, usize) -> Stack,
}

/// The network of plain `fer-gpu train`.
pub const DEFAULT: &str = "fer7-small";

impl Model {
    /// Builds the report's network for `classes` classes.
    ///
    /// # Errors
    /// No class at all.
    pub fn graph(&self, classes: usize) -> Result<Graph> {
        self.variant(classes, &Variant::default())
    }

    /// Builds the network for `classes` classes, other than in the report where `variant` says so.
    ///
    /// # Errors
    /// No class at all; an input that is too small for the network; layers to freeze that it does not have.
    pub fn variant(&self, classes: usize, variant: &Variant) -> Result<Graph> {
        if classes == 0 {
            return Err(Error::usage(format!("{} needs at least one class", self.name), ""));
        }
        let mut graph = (self.build)(Stack::new(self.name, self.input_of(variant)), classes).finish()?;
        let own = if self.frozen { Freeze::Body } else { Freeze::Nothing };
        graph.freeze(variant.freeze.as_ref().unwrap_or(&own))?;
        Ok(graph)
    }

    /// How images are made where nothing says it: for weights without such a word, those of keras.applications, as these were
    /// trained; from scratch pixels / 255, as in the reports, or pixels for a body that begins with the division itself.
    pub fn preprocessing(&self, weights: bool) -> Preprocess {
        match self.preprocess {
            Preprocess::None => Preprocess::None,
            of_body if weights => of_body,
            _ => Preprocess::Unit,
        }
    }

    /// Height, width and channels of a variant's input.
    pub fn input_of(&self, variant: &Variant) -> [usize; 3] {
        let [height, width, channels] = self.input;
        let [height, width] = variant.size.unwrap_or([height, width]);
        [height, width, channels]
    }
}

/// The network of a name.
///
/// # Errors
/// An unknown name, with the nearest known one.
pub fn find(name: &str) -> Result<&'static Model> {
    MODELS.iter().find(|m| m.name == name).ok_or_else(|| {
        let near: Vec<String> = similar(name).iter().map(|near| format!("`{near}`")).collect();
        let hint = match &near[..] {
            [] => String::new(),
            [one] => format!("did you mean {one}? "),
            [first @ .., last] => format!("did you mean {} or {last}? ", first.join(", ")),
        };
        Error::usage(format!("unknown model `{name}`"), format!("{hint}`fer-gpu models` lists them; {OTHERS}"))
    })
}

const OTHERS: &str = "FILE.toml or FILE.json describes another, and --weights FILE brings the network that is in it";
/// Names that are suggested at once.
const SUGGESTED: usize = 4;

/// The names that are most like one that is not known: people ask for a body (`vgg16`), not for the report that it is from.
fn similar(name: &str) -> Vec<&'static str> {
    let plain = |text: &str| text.to_lowercase().replace(['-', '_', ' '], "");
    let wanted = plain(name);
    let score = |model: &Model| {
        let body = model.name.split_once('-').map_or(model.name, |(_, body)| body);
        let like = |known: &str| strsim::jaro_winkler(&wanted, &plain(known));
        if wanted.len() > 2 && plain(model.name).contains(&wanted) { 1.0 } else { like(model.name).max(like(body)) }
    };
    let scores: Vec<(f64, &'static str)> = MODELS.iter().map(|model| (score(model), model.name)).collect();
    let best = scores.iter().map(|(score, _)| *score).fold(0.7, f64::max);
    let best = scores.into_iter().filter(|(score, _)| *score >= best);
    best.map(|(_, name)| name).take(SUGGESTED).collect()
}

/// The network that `model` names, one of [`MODELS`] or a TOML file's, for `classes` classes or as many as it has of its own.
///
/// # Errors
/// An unknown name, or what is wrong in the file; as [`Model::variant`].
pub fn graph(model: &str, classes: Option<usize>, variant: &Variant) -> Result<Graph> {
    if !file::is_file(model) {
        let model = find(model)?;
        return model.variant(classes.unwrap_or(model.classes), variant);
    }
    let mut graph = file::graph(Path::new(model), variant.size, &Variables::new())?;
    if let Some(classes) = classes {
        graph = Description::of(&graph)?.with_classes(classes)?.graph(&graph.name)?;
    }
    variant.freeze.as_ref().map_or(Ok(()), |freeze| graph.freeze(freeze))?;
    Ok(graph)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Total, trained and fixed parameters: checked in Keras 3.15 by building each network (NETWORKS in tools/keras_networks.py).
    #[test]
    fn parameter_counts_are_keras() {
        let counts = [
            ("fer4-cnn3", 605_060, 605_060),
            ("fer4-cnn4-bn", 389_604, 388_644),
            ("fer4-cnn5-bn", 1_782_340, 1_778_116),
            ("fer7-cnn3-bn", 1_049_159, 1_048_583),
            ("fer7-cnn4-bn", 526_983, 524_999),
            ("fer3-cnn6", 1_182_531, 1_182_531),
            ("fer3-cnn6-bn", 1_184_323, 1_183_427),
            ("fer3-cnn6-tuned", 1_938_979, 1_937_891),
            ("fer8-cnn5", 1_999_400, 1_999_400),
            ("fer4-vgg16", 14_887_684, 172_868),
            ("fer4-resnet101", 44_797_252, 2_138_948),
            ("fer7-resnet50", 23_602_055, 23_548_935),
            ("fer7-efficientnetv2l", 117_755_815, 8_967),
            // The body and its means have 14,714,688 (ResNet50: 23,587,712), frozen at first.
            ("fer3-vgg16", 14_714_688 + 69_891, 69_891),
            ("fer3-vggface", 14_714_688 + 69_891, 69_891),
            ("fer3-resnet50", 23_587_712 + 266_499, 266_499),
            ("fer8-efficientnetb0", 4_059_819, 4_017_796),
            ("fer8-efficientnetb3", 10_795_831, 10_708_528),
            ("fer8-efficientnetb5", 28_529_919, 28_357_176),
            ("fer8-efficientnetb7", 64_118_175, 63_807_448),
            ("fer8-inceptionv3", 21_819_176, 21_784_744),
            ("fer8-inceptionresnetv2", 54_349_032, 54_288_488),
            ("fer8-vgg16", 14_718_792, 14_718_792),
            ("fer8-vgg19", 20_028_488, 20_028_488),
            ("fer8-resnet50v2", 23_581_192, 23_535_752),
            ("fer8-resnet101v2", 42_642_952, 42_545_288),
            ("fer8-resnet152v2", 58_348_040, 58_204_296),
            ("mini-xception", 58_423, 56_951),
        ];
        assert_eq!(counts.len() + 1, MODELS.len(), "all but our own");
        for (name, total, trainable) in counts {
            let model = find(name).expect("listed");
            let summary = Summary::new(&model.graph(model.classes).expect("builds"));
            assert_eq!(
                (summary.total, summary.trainable, summary.non_trainable),
                (total, trainable, total - trainable),
                "{name}"
            );
        }
    }

    /// `preprocess_input` of vgg16, vgg19 and resnet50 is caffe's, of inception_v3, inception_resnet_v2 and resnet_v2 tf's; those of
    /// the EfficientNets do nothing, because the bodies begin with a Rescaling. Mini-XCEPTION's authors map pixels to -1 to 1.
    #[test]
    fn images_are_made_as_the_weights_or_the_report_want_them() {
        use Preprocess::{Caffe, None, Tf, Unit, VggFace};
        for (name, pretrained, scratch) in [
            ("fer4-vgg16", Caffe, Unit),
            ("fer8-vgg19", Caffe, Unit),
            ("fer3-vggface", VggFace, Unit),
            ("fer4-resnet101", Caffe, Unit),
            ("fer3-resnet50", Caffe, Unit),
            ("fer8-resnet152v2", Tf, Unit),
            ("fer8-inceptionv3", Tf, Unit),
            ("fer8-inceptionresnetv2", Tf, Unit),
            ("fer8-efficientnetb7", None, None),
            ("fer7-efficientnetv2l", None, None),
            ("mini-xception", Tf, Unit),
            ("fer7-cnn3-bn", Unit, Unit),
        ] {
            let model = find(name).expect("listed");
            assert_eq!((model.preprocessing(true), model.preprocessing(false)), (pretrained, scratch), "{name}");
        }
        for model in MODELS {
            let graph = model.graph(model.classes).expect("builds");
            let own = graph.nodes.first().is_some_and(|n| n.op.name() == "rescaling");
            assert_eq!(model.preprocess == None, own, "{}: who divides", model.name);
            model.preprocess.check(model.input[2]).expect("its channels");
        }
    }

    #[test]
    fn mistyped_names_get_the_nearest() {
        let error = find("fer7-cnn3bn").expect_err("mistyped").to_string();
        assert!(error.contains("did you mean `fer7-cnn3-bn`?"), "{error}");
        for (name, near) in [
            ("vgg16", "`fer4-vgg16`, `fer3-vgg16` or `fer8-vgg16`?"),
            ("VGG-19", "did you mean `fer8-vgg19`?"),
            ("vgg8", "`fer8-vgg16`"),
            ("efficientnet_b0", "did you mean `fer8-efficientnetb0`?"),
            ("ResNet50V2", "did you mean `fer8-resnet50v2`?"),
            ("xception", "did you mean `mini-xception`?"),
        ] {
            let error = find(name).expect_err("no such name").to_string();
            assert!(error.contains(near) && error.contains("`fer-gpu models` lists them"), "{name}: {error}");
        }
        assert!(!find("zzz").expect_err("nothing like it").to_string().contains("did you mean"));
    }
}
