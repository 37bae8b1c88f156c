//! The cases of the op.

use super::super::{Case, Input, Tolerance};
use super::GeneralConv2d;
use super::phases::rounding;
use crate::ops::window::Padding::{Same, Valid};

/// A case of one input.
pub(crate) fn case(what: &str, shape: [usize; 4], op: GeneralConv2d) -> Case {
    let channels = (shape[3] / op.groups).max(op.filters / op.groups);
    let terms = (op.kernel[0] * op.kernel[1] * channels).max(shape[0] * shape[1] * shape[2]);
    let rounding = rounding(&op, &shape.into());
    Case::new(what, op, vec![Input::new(shape, 1)], Tolerance::sum(rounding * terms))
}

/// Channels and filters of a group: 1, 3, 5, 7 and round ones, in all ways to take them (by four or not, read and written, and one of each);
/// odd and non-square maps; both paddings; unequal rates; rates of the map's size and larger; windows that none of a line's pixels meets;
/// strides; over 65,535 output pixels in a weight gradient; networks' own shapes.
pub(crate) fn cases() -> Vec<Case> {
    let dilated = GeneralConv2d::dilated;
    let grouped = GeneralConv2d::grouped;
    vec![
        case("3x3_same_rate2_4to8", [2, 9, 7, 4], dilated(8, 3, 2, Same)),
        case("3x3_valid_rate2_3to5", [2, 9, 7, 3], dilated(5, 3, 2, Valid)),
        case("3x3_same_rate3_1to12", [2, 10, 9, 1], dilated(12, 3, 3, Same)),
        case("3x3_same_rate3_8to1", [1, 7, 11, 8], dilated(1, 3, 3, Same)),
        case("2x2_same_rate2_even", [3, 6, 5, 4], dilated(4, 2, 2, Same)),
        case(
            "3x2_valid_rate1x3",
            [2, 6, 9, 5],
            GeneralConv2d { kernel: [3, 2], dilation: [1, 3], ..dilated(7, 3, 1, Valid) },
        ),
        case("1x6_same_rate2", [1, 4, 13, 3], GeneralConv2d { kernel: [1, 6], ..dilated(2, 1, 2, Same) }),
        case("rate_of_the_map", [2, 5, 6, 4], dilated(4, 3, 6, Same)),
        case("rate_over_the_map", [2, 3, 4, 2], dilated(3, 3, 40, Same)),
        case("rate_over_the_map_2x2", [1, 3, 2, 4], dilated(4, 2, 5, Same)),
        case("1x1_rate3", [2, 3, 5, 4], dilated(3, 1, 3, Valid)),
        case("one_output_pixel", [2, 7, 9, 3], GeneralConv2d { dilation: [3, 4], ..dilated(4, 3, 1, Valid) }),
        case("one_pixel", [1, 1, 1, 1], dilated(1, 3, 2, Same)),
        case("no_bias_rate2", [2, 6, 6, 4], GeneralConv2d { bias: false, ..dilated(20, 3, 2, Same) }),
        case("groups2_4to8_each", [2, 6, 7, 8], grouped(16, 3, 2, Same)),
        case("groups3_5to7_each", [2, 5, 6, 15], grouped(21, 3, 3, Same)),
        case("groups2_3to4_each", [1, 6, 5, 6], grouped(8, 3, 2, Valid)),
        case("groups3_4to1_each", [2, 5, 5, 12], grouped(3, 3, 3, Same)),
        case("groups5_1to4_each", [2, 4, 6, 5], grouped(20, 2, 5, Same)),
        case("groups_of_channels_c8", [2, 6, 5, 8], grouped(8, 3, 8, Same)),
        case("groups_of_channels_c7", [2, 6, 5, 7], grouped(7, 3, 7, Same)),
        case("groups_of_channels_x3", [1, 5, 6, 4], grouped(12, 3, 4, Same)),
        case("groups4_stride2_even", [2, 8, 10, 16], GeneralConv2d { stride: [2, 2], ..grouped(16, 3, 4, Same) }),
        case("groups2_stride2_odd", [2, 9, 7, 6], GeneralConv2d { stride: [2, 2], ..grouped(4, 3, 2, Same) }),
        case("groups2_stride3x1_valid", [1, 11, 6, 4], GeneralConv2d { stride: [3, 1], ..grouped(6, 2, 2, Valid) }),
        case("groups4_c4_stride2", [2, 7, 8, 4], GeneralConv2d { stride: [2, 2], ..grouped(4, 3, 4, Same) }),
        case("groups4_1x1_no_bias", [2, 3, 5, 16], GeneralConv2d { bias: false, ..grouped(8, 1, 4, Valid) }),
        case("groups2_window_over_map", [2, 2, 3, 4], grouped(4, 5, 2, Same)),
        case("groups2_rate2", [2, 8, 7, 8], GeneralConv2d { groups: 2, ..dilated(8, 3, 2, Same) }),
        case("groups3_rate3x2", [1, 9, 8, 9], GeneralConv2d { groups: 3, dilation: [3, 2], ..dilated(6, 3, 1, Valid) }),
        case("over_65535_pixels", [3, 150, 150, 1], dilated(2, 3, 2, Same)),
        case("fer7_conv3_rate2", [32, 22, 22, 64], dilated(64, 3, 2, Same)).benched(),
        case("resnext_groups32", [16, 28, 28, 256], grouped(256, 3, 32, Same)).benched(),
        case("aspp_rate6", [8, 14, 14, 256], dilated(256, 3, 6, Same)).benched(),
    ]
}
