//! `SeparableConv2D` as the two ops that it is: a window within each channel, then 1 x 1 over all of them.

use super::describe::{Config, build, build_strictly};
use serde_json::json;

/// Class and configuration of a `SeparableConv2D`'s parts, in order. `strictly`: as [`build_strictly`] reads what a person wrote.
///
/// # Errors
/// A setting that is missing, malformed or not supported; strictly, also one that the class does not have.
pub fn separable(config: &Config, strictly: bool) -> Result<[(&'static str, Config); 2], String> {
    let mut depthwise = config.clone();
    // The layer's one bias is added last.
    let of_pointwise = ["filters", "use_bias"].map(|key| (key, depthwise.remove(key)));
    depthwise.insert("use_bias".into(), false.into());
    let given = of_pointwise.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?)));
    let pointwise: Config = given.chain([("kernel_size".to_owned(), json!([1, 1]))]).collect();
    let parts = [("DepthwiseConv2D", depthwise), ("Conv2D", pointwise)];
    for (class, config) in &parts {
        if strictly { build_strictly(class, config) } else { build(class, config) }?;
    }
    Ok(parts)
}
