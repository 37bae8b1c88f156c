//! Ops as Keras describes its layers: a class and a configuration, read and written. Files of networks hold them so:
//! Keras's own, and our checkpoints.
//!
//! A configuration that is read may have Keras's other keys; those that would change what the layer computes are refused
//! unless they say what our op does. What is written has just the keys that matter, which Keras reads again.

use super::Op;
use super::add::Add;
use super::average::Average;
use super::avg_pool2d::AvgPool2d;
use super::batch_norm::BatchNorm;
use super::concat::Concat;
use super::conv2d::Conv2d;
use super::crop2d::Crop2d;
use super::dense::Dense;
use super::depthwise_conv2d::DepthwiseConv2d;
use super::describe_keys::Keys;
use super::describe_norm::{self, group_norm, layer_norm};
use super::dropout::Dropout;
use super::flatten::Flatten;
use super::general_conv2d::GeneralConv2d;
use super::global_avg_pool::GlobalAvgPool;
use super::global_max_pool::GlobalMaxPool;
use super::leaky_relu::LeakyRelu;
use super::max_pool2d::MaxPool2d;
use super::maximum::Maximum;
use super::mul::Mul;
use super::normalization::Normalization;
use super::permute::Permute;
use super::relu::Relu;
use super::relu6::Relu6;
use super::rescaling::Rescaling;
use super::reshape::Reshape;
use super::sigmoid::Sigmoid;
use super::silu::Silu;
use super::softmax::Softmax;
use super::stochastic_depth::StochasticDepth;
use super::subtract::Subtract;
use super::tanh::Tanh;
use super::upsample2d::{Interpolation, Upsample2d};
use super::window::Padding;
use super::zero_pad2d::ZeroPad2d;
use serde_json::{Map, Value, json};
use std::any::Any;
use std::sync::Arc;

/// A layer's configuration by Keras's keys.
pub type Config = Map<String, Value>;

/// Reads a configuration; the error says which key is wrong.
type Read = fn(&Keys<'_>) -> Result<Arc<dyn Op>, String>;

/// The classes, and how the configuration of each becomes an op.
const CLASSES: &[(&str, Read)] = &[
    ("Activation", |k| activation(k.text("activation")?)),
    ("Add", |_| Ok(Arc::new(Add))),
    ("Average", |_| Ok(Arc::new(Average))),
    ("AveragePooling2D", avg_pool2d),
    ("BatchNormalization", batch_norm),
    ("Concatenate", |k| k.only("axis", &[json!(-1)]).map(|()| Arc::new(Concat) as _)),
    ("Conv2D", conv2d),
    ("Cropping2D", |k| k.sides("cropping").map(|[rows, columns]| Arc::new(Crop2d { rows, columns }) as _)),
    ("Dense", |k| Ok(Arc::new(Dense { bias: k.flag("use_bias", true)?, ..Dense::new(k.count("units")?) }))),
    ("DepthwiseConv2D", depthwise_conv2d),
    ("Dropout", dropout),
    ("Flatten", |k| k.channels_last().map(|()| Arc::new(Flatten) as _)),
    ("GlobalAveragePooling2D", |k| k.global().map(|()| Arc::new(GlobalAvgPool) as _)),
    ("GlobalMaxPooling2D", |k| k.global().map(|()| Arc::new(GlobalMaxPool) as _)),
    ("GroupNormalization", group_norm),
    ("LayerNormalization", layer_norm),
    ("LeakyReLU", |k| Ok(Arc::new(LeakyRelu { slope: k.either(&["negative_slope", "alpha"], 0.3)? }))),
    ("MaxPooling2D", max_pool2d),
    ("Maximum", |_| Ok(Arc::new(Maximum))),
    ("Multiply", |_| Ok(Arc::new(Mul))),
    ("Normalization", normalization),
    ("Permute", permute),
    ("ReLU", relu),
    ("Rescaling", rescaling),
    ("Reshape", |k| Ok(Arc::new(Reshape { target: k.sizes("target_shape")?.into() }))),
    ("Softmax", |k| k.only("axis", &[json!(-1)]).map(|()| Arc::new(Softmax) as _)),
    ("Subtract", |_| Ok(Arc::new(Subtract))),
    ("UpSampling2D", upsample2d),
    ("ZeroPadding2D", |k| k.sides("padding").map(|[rows, columns]| Arc::new(ZeroPad2d { rows, columns }) as _)),
];

/// Keras's classes of layers that are several ops here, or one op by another name.
pub const WRAPPERS: [&str; 2] = ["CustomScaleLayer", "SeparableConv2D"];

/// A class of Keras's that a layer of ours can have.
pub fn known_class(class: &str) -> Option<&'static str> {
    classes().chain(WRAPPERS).find(|known| *known == class)
}

/// The classes that [`build`] knows.
pub fn classes() -> impl Iterator<Item = &'static str> {
    CLASSES.iter().map(|(class, _)| *class)
}

/// The op of a class and its configuration.
///
/// # Errors
/// An unknown class; a setting that is missing, malformed or that our op cannot do.
pub fn build(class: &str, config: &Config) -> Result<Arc<dyn Op>, String> {
    read(class, &Keys::new(config))
}

/// [`build`] for a configuration that a person wrote: every key must be one that the class has.
///
/// # Errors
/// As [`build`]; a key that is not known, with the nearest that is.
pub fn build_strictly(class: &str, config: &Config) -> Result<Arc<dyn Op>, String> {
    let keys = Keys::new(config);
    let op = read(class, &keys)?;
    keys.all_asked().map(|()| op)
}

fn read(class: &str, keys: &Keys<'_>) -> Result<Arc<dyn Op>, String> {
    let Some((_, read)) = CLASSES.iter().find(|(known, _)| *known == class) else {
        let near = crate::error::nearest(class, classes()).map(|n| format!("; the nearest known one is {n}"));
        return Err(format!("the class {class} is not known here{}", near.unwrap_or_default()));
    };
    read(keys)
}

/// Makes an op that has no settings.
type Make = fn() -> Arc<dyn Op>;

/// The activations that have a name.
const ACTIVATIONS: &[(&str, Make)] = &[
    ("leaky_relu", || Arc::new(LeakyRelu { slope: 0.2 })),
    ("relu", || Arc::new(Relu)),
    ("relu6", || Arc::new(Relu6)),
    ("sigmoid", || Arc::new(Sigmoid)),
    ("silu", || Arc::new(Silu)),
    ("softmax", || Arc::new(Softmax)),
    ("swish", || Arc::new(Silu)),
    ("tanh", || Arc::new(Tanh)),
];

/// The names that [`activation`] knows.
pub fn activations() -> impl Iterator<Item = &'static str> {
    ACTIVATIONS.iter().map(|(name, _)| *name)
}

/// The op of an activation's name.
///
/// # Errors
/// A name that no op has.
pub fn activation(name: &str) -> Result<Arc<dyn Op>, String> {
    let found = ACTIVATIONS.iter().find(|(known, _)| *known == name);
    found.map(|(_, op)| op()).ok_or_else(|| {
        let near = crate::error::nearest(name, activations()).map(|near| format!("; did you mean `{near}`?"));
        format!("the activation `{name}` is not known here{}", near.unwrap_or_default())
    })
}

/// The configuration of an op, whose class is [`Op::keras_name`]; none for a loss.
pub fn config(op: &dyn Op) -> Option<Config> {
    let op: &dyn Any = op;
    let value = if let Some(op) = op.downcast_ref::<Conv2d>() {
        json!({"filters": op.filters, "kernel_size": op.kernel, "strides": op.stride,
               "padding": padding_name(op.padding), "use_bias": op.bias})
    } else if let Some(op) = op.downcast_ref::<GeneralConv2d>() {
        json!({"filters": op.filters, "kernel_size": op.kernel, "strides": op.stride, "dilation_rate": op.dilation,
               "groups": op.groups, "padding": padding_name(op.padding), "use_bias": op.bias})
    } else if let Some(op) = op.downcast_ref::<Dense>() {
        json!({"units": op.units, "use_bias": op.bias})
    } else if let Some(op) = op.downcast_ref::<BatchNorm>() {
        json!({"momentum": op.momentum, "epsilon": op.epsilon, "scale": op.scale})
    } else if let Some(op) = op.downcast_ref::<DepthwiseConv2d>() {
        let mut value = json!({"kernel_size": op.kernel, "strides": op.stride, "padding": padding_name(op.padding),
                               "depth_multiplier": op.multiplier, "use_bias": op.bias});
        if op.dilation != [1; 2] {
            value["dilation_rate"] = json!(op.dilation);
        }
        value
    } else if let Some(op) = op.downcast_ref::<AvgPool2d>() {
        json!({"pool_size": op.window, "strides": op.stride, "padding": padding_name(op.padding)})
    } else if let Some(op) = op.downcast_ref::<MaxPool2d>() {
        json!({"pool_size": op.window, "strides": op.stride, "padding": padding_name(op.padding)})
    } else if let Some(op) = op.downcast_ref::<Dropout>() {
        json!({"rate": op.rate})
    } else if let Some(op) = op.downcast_ref::<LeakyRelu>() {
        json!({"negative_slope": op.slope})
    } else if let Some(op) = op.downcast_ref::<StochasticDepth>() {
        json!({"rate": op.rate, "noise_shape": A_SAMPLE})
    } else if let Some(op) = op.downcast_ref::<Rescaling>() {
        json!({"scale": op.scale, "offset": op.offset})
    } else if let Some(op) = op.downcast_ref::<Reshape>() {
        json!({"target_shape": op.target.dims()})
    } else if let Some(op) = op.downcast_ref::<ZeroPad2d>() {
        json!({"padding": [op.rows, op.columns]})
    } else if let Some(op) = op.downcast_ref::<Crop2d>() {
        json!({"cropping": [op.rows, op.columns]})
    } else if let Some(op) = op.downcast_ref::<Permute>() {
        json!({"dims": op.axes.iter().map(|axis| axis + 1).collect::<Vec<_>>()})
    } else if let Some(op) = op.downcast_ref::<Upsample2d>() {
        let name = INTERPOLATIONS.iter().find(|(_, interpolation)| *interpolation == op.interpolation)?.0;
        json!({"size": op.factor, "interpolation": name})
    } else {
        describe_norm::config(op).or_else(|| plain_config(op))?
    };
    match value {
        Value::Object(map) => Some(map),
        _ => None,
    }
}

/// Keras's shape of a dropout's mask that drops whole samples.
const A_SAMPLE: [Option<u32>; 4] = [None, Some(1), Some(1), Some(1)];

/// The configuration of an op without settings.
fn plain_config(op: &dyn Any) -> Option<Value> {
    let activations = [(op.is::<Silu>(), "silu"), (op.is::<Sigmoid>(), "sigmoid"), (op.is::<Tanh>(), "tanh")];
    if let Some((_, name)) = activations.into_iter().find(|(is, _)| *is) {
        return Some(json!({"activation": name}));
    }
    if op.is::<Relu6>() {
        return Some(json!({"max_value": 6.0}));
    }
    let pooling = op.is::<GlobalAvgPool>() || op.is::<GlobalMaxPool>();
    let joining = op.is::<Add>() || op.is::<Mul>() || op.is::<Concat>() || op.is::<Average>();
    let joining = joining || op.is::<Maximum>() || op.is::<Subtract>();
    (pooling || joining || op.is::<Relu>() || op.is::<Softmax>() || op.is::<Flatten>() || op.is::<Normalization>())
        .then(|| json!({}))
}

fn padding_name(padding: Padding) -> &'static str {
    match padding {
        Padding::Same => "same",
        Padding::Valid => "valid",
    }
}

/// The op of a configuration with dilation or groups is another: its kernels do what those of most convolutions need not.
fn conv2d(k: &Keys<'_>) -> Result<Arc<dyn Op>, String> {
    k.channels_last()?;
    let (filters, kernel) = (k.count("filters")?, k.pair("kernel_size")?.ok_or("`kernel_size` is missing")?);
    let (stride, padding, bias) = (k.pair("strides")?.unwrap_or([1; 2]), k.padding()?, k.flag("use_bias", true)?);
    let dilation = k.pair("dilation_rate")?.unwrap_or([1; 2]);
    let groups = k.count_or("groups", 1)?;
    Ok(if dilation == [1; 2] && groups == 1 {
        Arc::new(Conv2d { filters, kernel, stride, padding, bias })
    } else {
        Arc::new(GeneralConv2d { filters, kernel, stride, dilation, groups, padding, bias })
    })
}

fn batch_norm(k: &Keys<'_>) -> Result<Arc<dyn Op>, String> {
    k.only("axis", &[json!(-1)])?;
    k.only("center", &[json!(true)])?;
    k.only("renorm", &[json!(false)])?;
    let (momentum, epsilon) = (k.number("momentum", 0.99)?, k.number("epsilon", 1e-3)?);
    Ok(Arc::new(BatchNorm { momentum, epsilon, scale: k.flag("scale", true)? }))
}

fn dropout(k: &Keys<'_>) -> Result<Arc<dyn Op>, String> {
    let rate = k.number("rate", f32::NAN)?;
    match k.get("noise_shape") {
        None => Ok(Arc::new(Dropout { rate })),
        Some(shape) if *shape == json!(A_SAMPLE) => Ok(Arc::new(StochasticDepth { rate })),
        Some(_) => Err(k.wrong("noise_shape", "none, or [null,1,1,1]")),
    }
}

fn avg_pool2d(k: &Keys<'_>) -> Result<Arc<dyn Op>, String> {
    let (window, stride, padding) = k.pooling()?;
    Ok(Arc::new(AvgPool2d { window, stride, padding }))
}

fn depthwise_conv2d(k: &Keys<'_>) -> Result<Arc<dyn Op>, String> {
    k.channels_last()?;
    // Keras 2 writes it; a depthwise convolution has as many groups as channels, whatever it says.
    k.only("groups", &[json!(1)])?;
    Ok(Arc::new(DepthwiseConv2d {
        kernel: k.pair("kernel_size")?.ok_or("`kernel_size` is missing")?,
        stride: k.pair("strides")?.unwrap_or([1; 2]),
        dilation: k.pair("dilation_rate")?.unwrap_or([1; 2]),
        padding: k.padding()?,
        multiplier: k.count_or("depth_multiplier", 1)?,
        bias: k.flag("use_bias", true)?,
    }))
}

fn normalization(k: &Keys<'_>) -> Result<Arc<dyn Op>, String> {
    k.only("axis", &[json!(-1)])?;
    k.only("invert", &[json!(false)])?;
    // Given there, they would be constants of the layer and in no file of weights.
    for key in ["mean", "variance"] {
        k.only(key, &[])?;
    }
    Ok(Arc::new(Normalization))
}

fn rescaling(k: &Keys<'_>) -> Result<Arc<dyn Op>, String> {
    let numbers = |key: &str, default: f32| match k.get(key).and_then(Value::as_array) {
        None => Ok(vec![k.number(key, default)?]),
        Some(list) => {
            let values: Option<Vec<f32>> = list.iter().map(|v| v.as_f64().map(|v| v as f32)).collect();
            values.filter(|v| !v.is_empty()).ok_or_else(|| k.wrong(key, "numbers"))
        }
    };
    Ok(Arc::new(Rescaling { scale: numbers("scale", f32::NAN)?, offset: numbers("offset", 0.0)? }))
}

/// Keras's names of what lies between pixels.
const INTERPOLATIONS: [(&str, Interpolation); 2] =
    [("nearest", Interpolation::Nearest), ("bilinear", Interpolation::Bilinear)];

fn upsample2d(k: &Keys<'_>) -> Result<Arc<dyn Op>, String> {
    k.channels_last()?;
    let name = if k.get("interpolation").is_some() { k.text("interpolation")? } else { "nearest" };
    let known = INTERPOLATIONS.iter().find(|(known, _)| *known == name);
    let (_, interpolation) = *known.ok_or_else(|| k.wrong("interpolation", "nearest or bilinear"))?;
    Ok(Arc::new(Upsample2d { factor: k.pair("size")?.unwrap_or([2; 2]), interpolation }))
}

/// Keras counts the axes of a sample from 1.
fn permute(k: &Keys<'_>) -> Result<Arc<dyn Op>, String> {
    let axes: Option<Vec<usize>> = k.sizes("dims")?.into_iter().map(|axis| axis.checked_sub(1)).collect();
    Ok(Arc::new(Permute { axes: axes.ok_or_else(|| k.wrong("dims", "axes counted from 1"))? }))
}

fn max_pool2d(k: &Keys<'_>) -> Result<Arc<dyn Op>, String> {
    let (window, stride, padding) = k.pooling()?;
    Ok(Arc::new(MaxPool2d { window, stride, padding }))
}

fn relu(k: &Keys<'_>) -> Result<Arc<dyn Op>, String> {
    k.only("threshold", &[json!(0), json!(0.0)])?;
    k.only("max_value", &[json!(6.0), json!(6)])?;
    match (k.number("negative_slope", 0.0)?, k.get("max_value")) {
        (0.0, None) => Ok(Arc::new(Relu)),
        (0.0, Some(_)) => Ok(Arc::new(Relu6)),
        (slope, None) => Ok(Arc::new(LeakyRelu { slope })),
        (_, Some(_)) => Err(k.wrong("negative_slope", "0 where there is a `max_value`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::{Subject, TABLE};

    /// Every layer of the op table is written and read back as itself: a checkpoint can hold it.
    #[test]
    fn every_op_survives_its_description() {
        for case in TABLE.iter().flat_map(|row| (row.cases)()) {
            let Subject::Op { op, .. } = &case.subject else { continue };
            let config = config(op.as_ref()).unwrap_or_else(|| panic!("{} has no description", case.name));
            let text = serde_json::to_string(&config).expect("JSON");
            let config: Config = serde_json::from_str(&text).expect("our own JSON");
            let read = build(op.keras_name(), &config).unwrap_or_else(|e| panic!("{}: {e}", case.name));
            assert_eq!(format!("{read:?}"), format!("{op:?}"), "{}", case.name);
        }
    }

    #[test]
    fn settings_that_compute_something_else_are_refused() {
        let refuse = |class: &str, config: Value, words: &[&str]| {
            let Value::Object(config) = config else { panic!("an object") };
            let text = build(class, &config).expect_err(class);
            assert!(words.iter().all(|w| text.contains(w)), "{text}");
        };
        refuse("Lambda", json!({}), &["class Lambda is not known"]);
        refuse("Conv2d", json!({}), &["nearest", "Conv2D"]);
        let conv = |key: &str, value: Value| {
            let mut config = json!({"filters": 3, "kernel_size": [3, 3]});
            config[key] = value;
            config
        };
        refuse("Conv2D", conv("dilation_rate", json!([2, 2, 2])), &["dilation_rate", "[2,2,2]"]);
        refuse("Conv2D", conv("groups", json!(-3)), &["groups", "-3"]);
        refuse("DepthwiseConv2D", json!({"kernel_size": 3, "groups": 2}), &["groups", "2"]);
        refuse("Conv2D", conv("data_format", json!("channels_first")), &["channels_first", "channels_last"]);
        refuse("Conv2D", conv("padding", json!("causal")), &["padding", "causal"]);
        refuse("Conv2D", conv("filters", json!(-3)), &["filters", "-3"]);
        refuse("Conv2D", conv("filters", json!(1e300)), &["filters"]);
        refuse("Conv2D", conv("kernel_size", json!([3, 3, 3])), &["kernel_size"]);
        refuse("Conv2D", json!({"filters": 3}), &["kernel_size", "missing"]);
        refuse("Dropout", json!({}), &["rate", "missing"]);
        refuse("Activation", json!({"activation": "gelu_of_mine"}), &["gelu_of_mine"]);
    }
}
