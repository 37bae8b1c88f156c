//! Heads on pretrained bodies. Each ends with class scores; softmax is in the loss.

use super::Stack;
use super::scratch::SLOPE;

/// R0's: three hidden layers, of which the last is normalized. The report does not give the dropout's rate; it is that of its
/// other networks.
pub(super) fn r0_head(body: Stack, classes: usize) -> Stack {
    body.flatten()
        .dense(256)
        .relu()
        .dense(128)
        .relu()
        .dropout(0.2)
        .dense(64)
        .relu()
        .batch_norm()
        .leaky_relu(SLOPE)
        .dense(classes)
}

/// R2's, and R3's on EfficientNetV2-L: a channel's mean.
pub(super) fn means(body: Stack, classes: usize) -> Stack {
    body.global_avg_pool().dense(classes)
}

/// R3's on ResNet50: a channel's maximum. The dropout's rate is that of the report's other network.
pub(super) fn r3_maxima(body: Stack, classes: usize) -> Stack {
    body.global_max_pool().dropout(0.2).dense(classes)
}

/// R4's: two hidden layers, the dropout as in its first networks.
pub(super) fn r4_head(body: Stack, classes: usize) -> Stack {
    body.global_avg_pool().dense(128).relu().dropout(0.25).dense(32).relu().dropout(0.1).dense(classes)
}
