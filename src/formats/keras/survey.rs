//! Everything in a model that cannot be read, found before any of it is built: one message names all of it.

use super::activation::Activation;
use super::model::{Item, MAX_DEPTH, Model, foreign};
use super::operation;
use super::{EXPECTED, Unreadable};
use crate::ops::describe::{self, Config};
use crate::ops::describe_separable::separable;
use serde_json::{Value as Json, json};

/// Layers that give their input unchanged but in training: random augmentation, noise, and penalties on activations.
const PASSIVE: &[&str] = &[
    "ActivityRegularization",
    "AlphaDropout",
    "AugMix",
    "CutMix",
    "GaussianDropout",
    "GaussianNoise",
    "Identity",
    "MixUp",
    "RandAugment",
    "RandomBrightness",
    "RandomColorDegeneration",
    "RandomColorJitter",
    "RandomContrast",
    "RandomElasticTransform",
    "RandomErasing",
    "RandomFlip",
    "RandomGaussianBlur",
    "RandomGrayscale",
    "RandomHeight",
    "RandomHue",
    "RandomInvert",
    "RandomPerspective",
    "RandomPosterization",
    "RandomRotation",
    "RandomSaturation",
    "RandomSharpness",
    "RandomShear",
    "RandomTranslation",
    "RandomWidth",
    "RandomZoom",
    "Solarization",
    "SpatialDropout1D",
    "SpatialDropout2D",
    "SpatialDropout3D",
];
/// Layers listed in one message.
const LISTED: usize = 30;

/// A class without the name of the module that older versions of Keras kept the layer in.
pub(super) fn is_passive(class: &str) -> bool {
    PASSIVE.contains(&class)
}

/// Refuses a model with layers that cannot be read, and names each.
pub(super) fn check(model: &Model<'_>) -> Result<(), Unreadable> {
    let mut found = Vec::new();
    look(model, &mut found, 0)?;
    if found.is_empty() {
        return Ok(());
    }
    let (count, rest) = (found.len(), found.len().saturating_sub(LISTED));
    let mut what = if count > 1 { format!("{count} layers cannot be read: ") } else { String::new() };
    found.truncate(LISTED);
    what += &found.join("; ");
    if rest > 0 {
        what += &format!("; and {rest} more");
    }
    let classes = describe::classes().chain(describe::WRAPPERS).filter(|class| *class != "Activation");
    let expected = format!(
        "{EXPECTED}, of the layers {}, with the activations {}",
        classes.collect::<Vec<_>>().join(", "),
        describe::activations().chain(["linear"]).collect::<Vec<_>>().join(", ")
    );
    Err(Unreadable { what, expected })
}

fn look(model: &Model<'_>, found: &mut Vec<String>, depth: usize) -> Result<(), String> {
    if depth >= MAX_DEPTH {
        return Err(format!("it has models inside models, more than {MAX_DEPTH} deep"));
    }
    for item in &model.layers {
        let problem = match foreign(item.json) {
            Some(whose) => Some(format!("a class of its author's own ({whose}), whatever Keras has under this name")),
            None if item.is_model() => {
                look(&Model::of(item.json)?, found, depth + 1)?;
                None
            }
            None => problem(item).err(),
        };
        if let Some(problem) = problem {
            found.push(format!("layer `{}` ({}): {problem}", item.name, item.class));
        }
    }
    Ok(())
}

/// What is wrong with a layer, as far as its class and settings tell.
fn problem(item: &Item<'_>) -> Result<(), String> {
    if let Some(name) = operation::name(item) {
        return operation::unknown(name).map_or(Ok(()), Err);
    }
    if item.class == "InputLayer" || is_passive(item.class) {
        return Ok(());
    }
    let mut config = item.config.as_object().cloned().unwrap_or_default();
    let activation = config.remove("activation").map_or(Ok(Activation::Linear), |a| Activation::of(&a))?;
    if let Activation::Op { class, config } = activation {
        describe::build(&class, &config)?;
    }
    unsettled(&mut config);
    match item.class {
        "Activation" | "CustomScaleLayer" => Ok(()),
        "SeparableConv2D" => separable(&config, false).map(|_| ()),
        class => describe::build(class, &config).map(|_| ()),
    }
}

/// A configuration with what only the shapes of the inputs decide made acceptable: reading the model decides it.
fn unsettled(config: &mut Config) {
    config.remove("keepdims");
    if config.contains_key("axis") {
        config.insert("axis".into(), json!(-1));
    }
    if let Some(Json::Array(target)) = config.get_mut("target_shape") {
        target.iter_mut().filter(|size| size.as_i64() == Some(-1)).for_each(|size| *size = json!(1));
    }
}
