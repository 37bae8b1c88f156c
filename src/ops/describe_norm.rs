//! Configurations of the normalizations within a sample, read and written: see [`super::describe`].

use super::Op;
use super::describe_keys::Keys;
use super::group_norm::GroupNorm;
use super::layer_norm::LayerNorm;
use serde_json::{Value, json};
use std::any::Any;
use std::sync::Arc;

pub(super) fn layer_norm(k: &Keys<'_>) -> Result<Arc<dyn Op>, String> {
    k.only("rms_scaling", &[json!(false)])?;
    let axes = last_axes(k)?;
    let (epsilon, center, scale) = (k.number("epsilon", 1e-3)?, k.flag("center", true)?, k.flag("scale", true)?);
    Ok(Arc::new(LayerNorm { axes, epsilon, center, scale }))
}

/// How many axes an `axis` names, which must be the last ones: `-1`, `[-2, -1]`. `[1, 2, 3]` are those of an image.
fn last_axes(k: &Keys<'_>) -> Result<usize, String> {
    let Some(axis) = k.get("axis") else { return Ok(1) };
    let listed = axis.as_array().map_or(std::slice::from_ref(axis), Vec::as_slice);
    let mut axes: Vec<i64> = listed.iter().filter_map(Value::as_i64).collect();
    axes.sort_unstable();
    let last = (1..=listed.len() as i64).rev().map(|axis| -axis);
    if !axes.is_empty() && (last.eq(axes.iter().copied()) || axes == [1, 2, 3]) {
        return Ok(listed.len());
    }
    Err(k.wrong("axis", "the last axes, all that are supported: -1, [-2, -1] or [-3, -2, -1]"))
}

pub(super) fn group_norm(k: &Keys<'_>) -> Result<Arc<dyn Op>, String> {
    k.only("axis", &[json!(-1)])?;
    let groups = match k.get("groups") {
        None => GroupNorm::default().groups,
        Some(groups) if groups.as_i64() == Some(-1) => None,
        Some(_) => Some(
            k.count("groups")
                .ok()
                .filter(|groups| *groups > 0)
                .ok_or_else(|| k.wrong("groups", "a number of groups, or -1 for one of each channel"))?,
        ),
    };
    let (epsilon, center, scale) = (k.number("epsilon", 1e-3)?, k.flag("center", true)?, k.flag("scale", true)?);
    Ok(Arc::new(GroupNorm { groups, epsilon, center, scale }))
}

/// The configuration of either; none for other ops.
pub(super) fn config(op: &dyn Any) -> Option<Value> {
    if let Some(op) = op.downcast_ref::<LayerNorm>() {
        let axis = if op.axes == 1 { json!(-1) } else { (1..=op.axes as i64).rev().map(|axis| -axis).collect() };
        return Some(json!({"axis": axis, "epsilon": op.epsilon, "center": op.center, "scale": op.scale}));
    }
    let op = op.downcast_ref::<GroupNorm>()?;
    let groups = op.groups.map_or(json!(-1), |groups| json!(groups));
    Some(json!({"groups": groups, "epsilon": op.epsilon, "center": op.center, "scale": op.scale}))
}

#[cfg(test)]
mod tests {
    use super::super::describe::{Config, build};
    use super::*;

    fn read(class: &str, config: Value) -> Result<String, String> {
        let config: Config = config.as_object().cloned().expect("an object");
        build(class, &config).map(|op| format!("{op:?}"))
    }

    #[test]
    fn axes_are_the_last_ones() {
        for (axis, axes) in [
            (json!(null), 1),
            (json!(-1), 1),
            (json!([-1]), 1),
            (json!([-1, -2]), 2),
            (json!([-3, -2, -1]), 3),
            (json!([1, 2, 3]), 3),
        ] {
            let found = read("LayerNormalization", json!({"axis": axis})).expect("the last ones");
            assert_eq!(found, format!("{:?}", LayerNorm { axes, ..LayerNorm::default() }), "{axis}");
        }
        for axis in [json!(1), json!(-2), json!([-3, -1]), json!([1, 2]), json!([]), json!("last"), json!([-1, "a"])] {
            let text = read("LayerNormalization", json!({"axis": axis})).expect_err("not the last ones");
            assert!(text.contains("`axis`") && text.contains("[-2, -1]"), "{text}");
        }
        let text = read("LayerNormalization", json!({"rms_scaling": true})).expect_err("another formula");
        assert!(text.contains("`rms_scaling` is true"), "{text}");
    }

    #[test]
    fn groups_are_a_number_or_one_of_each_channel() {
        for (groups, ours) in [(json!(null), Some(32)), (json!(4), Some(4)), (json!(-1), None)] {
            let found = read("GroupNormalization", json!({"groups": groups})).expect("groups");
            assert_eq!(found, format!("{:?}", GroupNorm { groups: ours, ..GroupNorm::default() }));
        }
        for (key, value) in [("groups", json!(0)), ("groups", json!(-2)), ("groups", json!(1.5)), ("axis", json!(1))] {
            let text = read("GroupNormalization", json!({key: value})).expect_err("no groups");
            assert!(text.contains(key), "{text}");
        }
    }
}
