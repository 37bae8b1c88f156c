"""Write small models in every format of Keras's, and what they predict, for the reader of such files to be compared with.

Usage, from the root of the repository, with the pinned versions of `tools/requirements.txt`:

    python tools/keras_models.py [--out tests/golden/keras]

Weights come from a seed, inputs are `0.5 * fill + 0.5` of stream 7. `expected.json` holds the probabilities of each
model. `hostile_*.h5` are made to harm: a tensor that claims 200 GB, links out of the file, groups inside themselves.
"""

import argparse
import json
import shutil
from pathlib import Path

import h5py
from keras.src.legacy.saving.legacy_h5_format import save_weights_to_hdf5_group
from keras_common import fill, keras, np, rounded

L = keras.layers
IMAGES = 3


def randomize(model, seed):
    """Weights of a plausible size, none of them at its start: statistics, biases and gammas too."""
    random = np.random.default_rng(seed)
    for weight in model.weights:
        if weight.dtype != "float32":
            continue
        values = random.normal(0, 0.3, weight.shape)
        if weight.name in ("gamma", "moving_variance", "variance"):
            values = 0.5 + np.abs(values)
        weight.assign(values.astype(np.float32))
    return model


def sequential():
    """Activations in layers and as layers, every padding, no bias."""
    return keras.Sequential(
        [
            keras.Input((12, 11, 3)),
            L.Conv2D(5, 3, padding="same", activation="relu"),
            L.BatchNormalization(momentum=0.9, epsilon=1e-4),
            L.MaxPooling2D((2, 3), strides=2, padding="same"),
            L.Conv2D(7, (2, 3), strides=2, use_bias=False, name="second"),
            L.LeakyReLU(negative_slope=0.2),
            L.Dropout(0.3),
            L.Flatten(),
            L.Dense(6, activation=keras.layers.LeakyReLU(0.1)),
            L.BatchNormalization(),
            L.Dense(4, activation="softmax"),
        ],
        name="small_sequential",
    )


def functional():
    """Branches, gates and pooling, as the pretrained bodies have them."""
    image = keras.Input((13, 10, 3), name="image")
    x = L.Rescaling(1 / 127.5, offset=-1)(image)
    x = L.Normalization(axis=-1)(x)
    x = L.ZeroPadding2D(((1, 0), (2, 1)))(x)
    x = L.Conv2D(6, 3, use_bias=False)(x)
    x = L.BatchNormalization(scale=False)(x)
    x = L.Activation("silu")(x)
    y = L.DepthwiseConv2D(3, padding="same", depth_multiplier=2, activation="relu6")(x)
    gate = L.GlobalAveragePooling2D()(y)
    gate = L.Reshape((1, 1, -1))(gate)
    gate = L.Conv2D(3, 1, activation="swish")(gate)
    gate = L.Conv2D(12, 1, activation="sigmoid")(gate)
    y = L.Multiply()([y, gate])
    y = L.SeparableConv2D(6, (3, 2), strides=1, padding="same", activation="tanh")(y)
    y = L.Dropout(0.2, noise_shape=(None, 1, 1, 1))(y)
    x = L.Add()([x, y])
    x = L.Concatenate()([L.AveragePooling2D(2, padding="same")(x), L.MaxPooling2D(2, padding="same")(x)])
    x = L.ReLU(max_value=6.0)(x)
    x = L.GlobalMaxPooling2D()(x)
    scores = L.Dense(3)(x)
    return keras.Model(image, L.Softmax()(scores), name="small_functional")


def nested():
    """Models inside models, with layers of the same name, and an end without a softmax."""
    inner = keras.Input((6, 6, 4))
    x = L.Conv2D(4, 1, name="conv")(inner)
    x = L.BatchNormalization(name="norm")(x)
    block = keras.Model(inner, L.Add()([inner, x]), name="block")
    body = keras.Sequential([keras.Input((8, 8, 1)), L.Conv2D(4, 3, name="conv"), block], name="body")
    return keras.Sequential([keras.Input((8, 8, 1)), body, L.Flatten(), L.Dense(5, name="scores")], name="nest")


def dilated():
    """Dilation in every layer that has it, one rate larger than the map."""
    return keras.Sequential(
        [
            keras.Input((14, 13, 3)),
            L.Conv2D(8, 3, padding="same", dilation_rate=2, activation="relu"),
            L.Conv2D(6, (3, 2), dilation_rate=(1, 3), use_bias=False),
            L.BatchNormalization(),
            L.DepthwiseConv2D(3, padding="same", dilation_rate=3, depth_multiplier=2, activation="tanh"),
            L.SeparableConv2D(7, 3, padding="same", dilation_rate=(2, 4), activation="relu"),
            L.MaxPooling2D(2),
            L.Conv2D(5, 3, padding="same", dilation_rate=8, activation="leaky_relu"),
            L.Flatten(),
            L.Dense(4, activation="softmax"),
        ],
        name="dilated",
    )


def grouped():
    """Groups with strides, as many as channels, and with dilation, in a residual block as ResNeXt has it."""
    image = keras.Input((12, 9, 3), name="image")
    x = L.Conv2D(9, 3, strides=2, groups=3, padding="same", activation="relu")(image)
    y = L.Conv2D(12, 1, activation="relu")(x)
    y = L.Conv2D(12, 3, groups=3, padding="same", use_bias=False)(y)
    y = L.BatchNormalization()(y)
    y = L.ReLU()(y)
    y = L.Conv2D(9, 1)(y)
    x = L.Add()([x, y])
    x = L.Conv2D(18, 3, groups=9, padding="same", activation="silu")(x)
    x = L.Conv2D(6, 2, groups=2, dilation_rate=2, activation="relu")(x)
    return keras.Model(image, L.Dense(3, activation="softmax")(L.Flatten()(x)), name="grouped")


def hostile(out):
    """Files that are legal HDF5 and must not be believed."""
    plain = dict(layer_names=np.array([b"d"]), weight_names=np.array([b"w"]))

    def start(name):
        file = h5py.File(out / f"hostile_{name}.h5", "w")
        file.attrs["layer_names"] = plain["layer_names"]
        if name != "loop":
            file.create_group("d").attrs["weight_names"] = plain["weight_names"]
        return file

    with start("bomb") as f:
        f["d"].create_dataset("w", shape=(50_000_000_000,), dtype="f4")
    with start("chunked_bomb") as f:
        f["d"].create_dataset("w", shape=(50_000, 1_000_000), chunks=(1000, 1000), dtype="f4")
    with start("external_link") as f:
        f["d"]["w"] = h5py.ExternalLink("small_sequential.h5", "/model_weights/dense/small_sequential/dense/bias")
    with start("external_data") as f:
        f["d"].create_dataset("w", shape=(4,), dtype="f4", external=[("/etc/hostname", 0, 16)])
    with start("soft_loop") as f:
        f["d"]["w"] = h5py.SoftLink("/d/w")
    with h5py.File(out / "hostile_loop.h5", "w") as f:
        layers = f.create_group("layers")
        layers["again"] = f["/"]


MODELS = [(sequential(), 1), (functional(), 255), (nested(), 1), (dilated(), 1), (grouped(), 1)]
"""Each with the scale of its images."""


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("tests/golden/keras"))
    out = parser.parse_args().out
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    expected = {}
    for seed, (model, scale) in enumerate(MODELS):
        randomize(model, seed)
        for ending in ("h5", "keras"):
            model.save(out / f"{model.name}.{ending}")
        model.save_weights(out / f"{model.name}.weights.h5")
        if seed == 0:
            # As keras.applications has its files: legacy, weights alone.
            with h5py.File(out / "legacy_weights.h5", "w") as f:
                save_weights_to_hdf5_group(f, model)
        # Read again: Normalization only takes its statistics when it is loaded.
        model = keras.models.load_model(out / f"{model.name}.keras")
        shape = (IMAGES, *model.input_shape[1:])
        x = 0.5 * fill(7, int(np.prod(shape))) + 0.5
        y = model.predict(scale * x.reshape(shape).astype(np.float32), verbose=0).astype(np.float64)
        if model.name == "nest":
            y = np.exp(y) / np.exp(y).sum(axis=1, keepdims=True)
        expected[model.name] = {"scale": scale, "probabilities": [[rounded(v) for v in row] for row in y]}
    (out / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")
    hostile(out)


if __name__ == "__main__":
    main()
