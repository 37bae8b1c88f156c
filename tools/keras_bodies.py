"""The layers of every pretrained body and of mini-XCEPTION as Keras builds them: `tests/golden/bodies.json`.

    python tools/keras_bodies.py

For each network of `fer-gpu models` that has a body, `layers` holds a line "name class parameters" for every layer of the
body in the order of `model.layers`, the input left out, and `shapes` the layers' output shapes at three sizes of the
input: the smallest, an odd one and the usual one. "7x7x512*3" are three layers of that shape.

EfficientNets B0 to B7 are built as with the published weights, which adds a second Rescaling; the weights themselves are
not read.
"""

import itertools
import json
import pathlib

from keras_common import keras

layers, applications = keras.layers, keras.applications

FILE = pathlib.Path(__file__).parent.parent / "tests" / "golden" / "bodies.json"


def vggface(input_shape):
    """VGG16 with the layer names of the VGGFace weights."""
    x = image = keras.Input(input_shape)
    for block, (filters, count) in enumerate(zip((64, 128, 256, 512, 512), (2, 2, 3, 3, 3)), 1):
        for i in range(1, count + 1):
            conv = layers.Conv2D(filters, 3, padding="same", activation="relu", name=f"conv{block}_{i}")
            x = conv(x)
        x = layers.MaxPooling2D(2, name=f"pool{block}")(x)
    return keras.Model(image, x)


def mini_xception(input_shape):
    """Arriaga et al. 2017 for seven classes, but for the softmax, which is part of our loss."""

    def norm(x):
        return layers.BatchNormalization()(x)

    x = image = keras.Input(input_shape)
    for _ in range(2):
        x = layers.Activation("relu")(norm(layers.Conv2D(8, 3, use_bias=False)(x)))
    for filters in (16, 32, 64, 128):
        shortcut = norm(layers.Conv2D(filters, 1, strides=2, padding="same", use_bias=False)(x))
        x = norm(layers.SeparableConv2D(filters, 3, padding="same", use_bias=False)(x))
        x = layers.Activation("relu")(x)
        x = norm(layers.SeparableConv2D(filters, 3, padding="same", use_bias=False)(x))
        x = layers.MaxPooling2D(3, strides=2, padding="same")(x)
        x = layers.Add()([x, shortcut])
    x = layers.Conv2D(7, 3, padding="same")(x)
    return keras.Model(image, layers.GlobalAveragePooling2D()(x))


def body(name, weights=None):
    """The function of keras.applications that builds the body `name`."""
    make = getattr(applications, name)
    return lambda shape: make(include_top=False, weights=weights, input_shape=shape)


NETWORKS = {  # ours: its body, channels of the input, sizes of the input
    "fer7-resnet50": (body("ResNet50"), 3, (32, 99, 224)),
    "fer4-resnet101": (body("ResNet101"), 3, (32, 99, 224)),
    "fer7-efficientnetv2l": (body("EfficientNetV2L"), 3, (32, 99, 224)),
    "fer3-vggface": (vggface, 3, (32, 99, 224)),
    "fer8-efficientnetb0": (body("EfficientNetB0", "imagenet"), 3, (32, 99, 224)),
    "fer8-efficientnetb3": (body("EfficientNetB3", "imagenet"), 3, (32, 99, 224)),
    "fer8-efficientnetb5": (body("EfficientNetB5", "imagenet"), 3, (32, 99, 224)),
    "fer8-efficientnetb7": (body("EfficientNetB7", "imagenet"), 3, (32, 99, 224)),
    "fer8-inceptionv3": (body("InceptionV3"), 3, (75, 99, 224)),
    "fer8-inceptionresnetv2": (body("InceptionResNetV2"), 3, (75, 99, 224)),
    "fer8-vgg16": (body("VGG16"), 3, (32, 99, 224)),
    "fer8-vgg19": (body("VGG19"), 3, (32, 99, 224)),
    "fer8-resnet50v2": (body("ResNet50V2"), 3, (32, 99, 224)),
    "fer8-resnet101v2": (body("ResNet101V2"), 3, (32, 99, 224)),
    "fer8-resnet152v2": (body("ResNet152V2"), 3, (32, 99, 224)),
    "mini-xception": (mini_xception, 1, (5, 48, 64)),
}


def without_weights():
    """Let `weights="imagenet"` change what is built, and fetch nothing."""
    from keras.src.models import Functional
    from keras.src.utils import file_utils

    file_utils.get_file = lambda *args, **kwargs: None
    Functional.load_weights = lambda *args, **kwargs: None


def described(build, channels, sizes):
    """A body's layers, and their shapes at each size."""
    lines, shapes = None, {}
    for size in sizes:
        keras.utils.clear_session()
        model = build((size, size, channels))
        found = [layer for layer in model.layers if not isinstance(layer, layers.InputLayer)]
        here = [f"{layer.name} {type(layer).__name__} {layer.count_params()}" for layer in found]
        assert lines in (None, here), "the layers depend on the size"
        lines = here
        each = ["x".join(map(str, layer.output.shape[1:])) for layer in found]
        runs = [(shape, len(list(group))) for shape, group in itertools.groupby(each)]
        shapes[str(size)] = " ".join(shape if count == 1 else f"{shape}*{count}" for shape, count in runs)
    return {"layers": lines, "shapes": shapes}


def main():
    """Write the file."""
    without_weights()
    networks = {}
    for name, (build, channels, sizes) in NETWORKS.items():
        networks[name] = described(build, channels, sizes)
        print(name, len(networks[name]["layers"]), flush=True)
    golden = {"recipe": "tools/keras_bodies.py", "keras": keras.__version__, "networks": networks}
    FILE.write_text(json.dumps(golden, indent=1) + "\n")


if __name__ == "__main__":
    main()
