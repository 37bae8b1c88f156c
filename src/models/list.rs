//! The table of networks.

use super::bodies::{
    efficientnet, efficientnet_v2, inception_resnet_v2, inception_v3, mini_xception, resnet, resnet_v2, vgg,
};
use super::transfer::{means, r0_head, r3_maxima, r4_head};
use super::{DEFAULT, Model, Stack, scratch};
use crate::data::Preprocess::{self, Caffe, None as Pixels, Tf, VggFace};

/// A row: name, source, input, classes and how to build it; no pretrained weights are published for it.
const fn row(
    name: &'static str,
    about: &'static str,
    input: [usize; 3],
    classes: usize,
    build: fn(Stack, usize) -> Stack,
) -> Model {
    Model { name, about, input, classes, frozen: false, preprocess: Preprocess::Unit, build }
}

impl Model {
    /// On a body whose published weights take images made by `preprocess`.
    const fn on_body(self, preprocess: Preprocess) -> Self {
        Self { preprocess, ..self }
    }

    /// Its report begins with the body frozen.
    const fn frozen(self) -> Self {
        Self { frozen: true, ..self }
    }
}

const GREY48: [usize; 3] = [48, 48, 1];
const RGB48: [usize; 3] = [48, 48, 3];
const RGB224: [usize; 3] = [224, 224, 3];

/// Every network.
pub const MODELS: &[Model] = &[
    row("fer4-cnn3", "R0's first: three 2x2 convolutions", GREY48, 4, scratch::fer4_cnn3),
    row("fer4-cnn4-bn", "R0's second: four convolutions with batch norm", GREY48, 4, scratch::fer4_cnn4_bn),
    row("fer4-cnn5-bn", "R0's sixth: five convolutions, batch norm also in the head", GREY48, 4, scratch::fer4_cnn5_bn),
    row("fer4-vgg16", "R0's third: VGG16 frozen, three hidden layers", RGB48, 4, |net, classes| {
        r0_head(net.body(vgg::vgg16), classes)
    })
    .on_body(Caffe)
    .frozen(),
    row("fer4-resnet101", "R0's fourth: ResNet101 frozen, the same head", RGB48, 4, |net, classes| {
        r0_head(net.body(resnet::resnet101), classes)
    })
    .on_body(Caffe)
    .frozen(),
    row("fer7-cnn3-bn", "R1's, for FER2013: three 3x3 convolutions", GREY48, 7, scratch::fer7_cnn3_bn),
    row("fer7-cnn4-bn", "R3's: four 3x3 convolutions", GREY48, 7, scratch::fer7_cnn4_bn),
    row("fer7-resnet50", "R3's: ResNet50, all trained, and maxima", RGB48, 7, |net, classes| {
        r3_maxima(net.body(resnet::resnet50), classes)
    })
    .on_body(Caffe),
    row("fer7-efficientnetv2l", "R3's: EfficientNetV2-L frozen, and means", RGB224, 7, |net, classes| {
        means(net.body(efficientnet_v2::v2l), classes)
    })
    .on_body(Pixels)
    .frozen(),
    row("fer3-cnn6", "R4's first: three pairs of 3x3 convolutions", RGB48, 3, scratch::fer3_cnn6),
    row("fer3-cnn6-bn", "R4's second: the same with batch norm", RGB48, 3, scratch::fer3_cnn6_bn),
    row("fer3-cnn6-tuned", "R4's third: widths found by random search", RGB48, 3, scratch::fer3_cnn6_tuned),
    row("fer3-vgg16", "R4's: VGG16 frozen at first, two hidden layers", RGB48, 3, |net, classes| {
        r4_head(net.body(vgg::vgg16), classes)
    })
    .on_body(Caffe)
    .frozen(),
    row("fer3-vggface", "R4's: VGGFace frozen at first, the same head", RGB224, 3, |net, classes| {
        r4_head(net.body(vgg::vggface), classes)
    })
    .on_body(VggFace)
    .frozen(),
    row("fer3-resnet50", "R4's: ResNet50 frozen at first, the same head", RGB48, 3, |net, classes| {
        r4_head(net.body(resnet::resnet50), classes)
    })
    .on_body(Caffe)
    .frozen(),
    row("fer8-cnn5", "R2's: five convolutions at 224x224", RGB224, 8, scratch::fer8_cnn5),
    row("fer8-efficientnetb0", "R2's: EfficientNetB0 and means", RGB224, 8, |net, classes| {
        means(net.body(efficientnet::b0), classes)
    })
    .on_body(Pixels),
    row("fer8-efficientnetb3", "R2's: EfficientNetB3 and means", RGB224, 8, |net, classes| {
        means(net.body(efficientnet::b3), classes)
    })
    .on_body(Pixels),
    row("fer8-efficientnetb5", "R2's: EfficientNetB5 and means", RGB224, 8, |net, classes| {
        means(net.body(efficientnet::b5), classes)
    })
    .on_body(Pixels),
    row("fer8-efficientnetb7", "R2's: EfficientNetB7 and means", RGB224, 8, |net, classes| {
        means(net.body(efficientnet::b7), classes)
    })
    .on_body(Pixels),
    row("fer8-inceptionv3", "R2's: InceptionV3 and means", RGB224, 8, |net, classes| {
        means(net.body(inception_v3::inception_v3), classes)
    })
    .on_body(Tf),
    row("fer8-inceptionresnetv2", "R2's: Inception-ResNet-v2 and means", RGB224, 8, |net, classes| {
        means(net.body(inception_resnet_v2::inception_resnet_v2), classes)
    })
    .on_body(Tf),
    row("fer8-vgg16", "R2's: VGG16 and means", RGB224, 8, |net, classes| means(net.body(vgg::vgg16), classes))
        .on_body(Caffe),
    row("fer8-vgg19", "R2's: VGG19 and means", RGB224, 8, |net, classes| means(net.body(vgg::vgg19), classes))
        .on_body(Caffe),
    row("fer8-resnet50v2", "R2's: ResNet50V2 and means", RGB224, 8, |net, classes| {
        means(net.body(resnet_v2::resnet50_v2), classes)
    })
    .on_body(Tf),
    row("fer8-resnet101v2", "R2's: ResNet101V2 and means", RGB224, 8, |net, classes| {
        means(net.body(resnet_v2::resnet101_v2), classes)
    })
    .on_body(Tf),
    row("fer8-resnet152v2", "R2's: ResNet152V2 and means", RGB224, 8, |net, classes| {
        means(net.body(resnet_v2::resnet152_v2), classes)
    })
    .on_body(Tf),
    row("mini-xception", "Arriaga et al. 2017: four small residual modules", [64, 64, 1], 7, |net, classes| {
        net.layers(|net, x| mini_xception::mini_xception(net, x, classes))
    })
    .on_body(Tf),
    row(DEFAULT, "ours: small, for a first try", GREY48, 7, scratch::fer7_small),
];
