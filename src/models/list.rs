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
    row("fer4-cnn3", "student report 0, network 1: three 2x2 convolutions", GREY48, 4, scratch::fer4_cnn3),
    row(
        "fer4-cnn4-bn",
        "student report 0, network 2: four convolutions with batch norm",
        GREY48,
        4,
        scratch::fer4_cnn4_bn,
    ),
    row(
        "fer4-cnn5-bn",
        "student report 0, network 6: five convolutions, batch norm also in the head",
        GREY48,
        4,
        scratch::fer4_cnn5_bn,
    ),
    row("fer4-vgg16", "student report 0, network 3: VGG16 frozen, three hidden layers", RGB48, 4, |net, classes| {
        r0_head(net.body(vgg::vgg16), classes)
    })
    .on_body(Caffe)
    .frozen(),
    row("fer4-resnet101", "student report 0, network 4: ResNet101 frozen, the same head", RGB48, 4, |net, classes| {
        r0_head(net.body(resnet::resnet101), classes)
    })
    .on_body(Caffe)
    .frozen(),
    row("fer7-cnn3-bn", "student report 1, for FER2013: three 3x3 convolutions", GREY48, 7, scratch::fer7_cnn3_bn),
    row("fer7-cnn4-bn", "student report 3: four 3x3 convolutions", GREY48, 7, scratch::fer7_cnn4_bn),
    row("fer7-resnet50", "student report 3: ResNet50, all trained, and maxima", RGB48, 7, |net, classes| {
        r3_maxima(net.body(resnet::resnet50), classes)
    })
    .on_body(Caffe),
    row("fer7-efficientnetv2l", "student report 3: EfficientNetV2-L frozen, and means", RGB224, 7, |net, classes| {
        means(net.body(efficientnet_v2::v2l), classes)
    })
    .on_body(Pixels)
    .frozen(),
    row("fer3-cnn6", "student report 4, network 1: three pairs of 3x3 convolutions", RGB48, 3, scratch::fer3_cnn6),
    row("fer3-cnn6-bn", "student report 4, network 2: the same with batch norm", RGB48, 3, scratch::fer3_cnn6_bn),
    row(
        "fer3-cnn6-tuned",
        "student report 4, network 3: widths found by random search",
        RGB48,
        3,
        scratch::fer3_cnn6_tuned,
    ),
    row("fer3-vgg16", "student report 4: VGG16 frozen at first, two hidden layers", RGB48, 3, |net, classes| {
        r4_head(net.body(vgg::vgg16), classes)
    })
    .on_body(Caffe)
    .frozen(),
    row("fer3-vggface", "student report 4: VGGFace frozen at first, the same head", RGB224, 3, |net, classes| {
        r4_head(net.body(vgg::vggface), classes)
    })
    .on_body(VggFace)
    .frozen(),
    row("fer3-resnet50", "student report 4: ResNet50 frozen at first, the same head", RGB48, 3, |net, classes| {
        r4_head(net.body(resnet::resnet50), classes)
    })
    .on_body(Caffe)
    .frozen(),
    row("fer8-cnn5", "student report 2: five convolutions at 224x224", RGB224, 8, scratch::fer8_cnn5),
    row("fer8-efficientnetb0", "student report 2: EfficientNetB0 and means", RGB224, 8, |net, classes| {
        means(net.body(efficientnet::b0), classes)
    })
    .on_body(Pixels),
    row("fer8-efficientnetb3", "student report 2: EfficientNetB3 and means", RGB224, 8, |net, classes| {
        means(net.body(efficientnet::b3), classes)
    })
    .on_body(Pixels),
    row("fer8-efficientnetb5", "student report 2: EfficientNetB5 and means", RGB224, 8, |net, classes| {
        means(net.body(efficientnet::b5), classes)
    })
    .on_body(Pixels),
    row("fer8-efficientnetb7", "student report 2: EfficientNetB7 and means", RGB224, 8, |net, classes| {
        means(net.body(efficientnet::b7), classes)
    })
    .on_body(Pixels),
    row("fer8-inceptionv3", "student report 2: InceptionV3 and means", RGB224, 8, |net, classes| {
        means(net.body(inception_v3::inception_v3), classes)
    })
    .on_body(Tf),
    row("fer8-inceptionresnetv2", "student report 2: Inception-ResNet-v2 and means", RGB224, 8, |net, classes| {
        means(net.body(inception_resnet_v2::inception_resnet_v2), classes)
    })
    .on_body(Tf),
    row("fer8-vgg16", "student report 2: VGG16 and means", RGB224, 8, |net, classes| {
        means(net.body(vgg::vgg16), classes)
    })
    .on_body(Caffe),
    row("fer8-vgg19", "student report 2: VGG19 and means", RGB224, 8, |net, classes| {
        means(net.body(vgg::vgg19), classes)
    })
    .on_body(Caffe),
    row("fer8-resnet50v2", "student report 2: ResNet50V2 and means", RGB224, 8, |net, classes| {
        means(net.body(resnet_v2::resnet50_v2), classes)
    })
    .on_body(Tf),
    row("fer8-resnet101v2", "student report 2: ResNet101V2 and means", RGB224, 8, |net, classes| {
        means(net.body(resnet_v2::resnet101_v2), classes)
    })
    .on_body(Tf),
    row("fer8-resnet152v2", "student report 2: ResNet152V2 and means", RGB224, 8, |net, classes| {
        means(net.body(resnet_v2::resnet152_v2), classes)
    })
    .on_body(Tf),
    row("mini-xception", "Arriaga et al. 2017: four small residual modules", [64, 64, 1], 7, |net, classes| {
        net.layers(|net, x| mini_xception::mini_xception(net, x, classes))
    })
    .on_body(Tf),
    row(DEFAULT, "our own: small, for a first try", GREY48, 7, scratch::fer7_small),
];
