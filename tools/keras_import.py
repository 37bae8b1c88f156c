"""Write what people save with Keras beside plain classifiers, and what it predicts, for `import` to be compared with.

Usage, from the root of the repository, with the pinned versions of `tools/requirements.txt`:

    python tools/keras_import.py [--out tests/golden/keras_import]

Other ends than a softmax, layers that only training has, arithmetic between layers, an input of any size; weights alone of a
model whose automatic names are not in the order of its layers; layers that join maps, softmaxes inside a network, normalizations within a sample; and zips as TensorFlow 2.12 and 2.13 lay them out. Inputs are
`127.5 * fill + 127.5` of stream 7, `expected.json` holds Keras's outputs.
"""

import argparse
import io
import json
import re
import shutil
import zipfile
from pathlib import Path

import h5py
from keras.src.legacy.saving.legacy_h5_format import save_weights_to_hdf5_group
from keras_common import fill, keras, np, rounded
from keras_models import randomize

L = keras.layers
IMAGES = 3
SIDE = 8


def small(name, end):
    """A network of one convolution that ends in `end`."""
    layers = [keras.Input((SIDE, SIDE, 1)), L.Rescaling(1 / 255), L.Conv2D(3, 3, activation="relu"), *end]
    return keras.Sequential(layers, name=name)


def no_dense():
    """One sigmoid that no dense layer gives."""
    return small("no_dense", [L.Conv2D(1, 1), L.GlobalAveragePooling2D(), L.Activation("sigmoid")])


def training_layers():
    """Images of any size, arithmetic between layers, layers that only training has, calls by keyword."""
    image = keras.Input((None, None, 3))
    augment = keras.Sequential([L.RandomFlip("horizontal"), L.RandomRotation(0.1), L.RandomContrast(0.1)], name="augment")
    x = augment(image)
    x = x / 127.5 - 1
    x = x * np.array([1.0, 0.5, -0.25], "float32")
    x = L.Conv2D(4, 3, padding="same", activation="relu")(x)
    x = L.SpatialDropout2D(0.3)(x)
    y = L.Conv2D(4, 3, padding="same")(inputs=x)
    y = L.GaussianNoise(0.5)(y)
    x = 2 - (x + y)
    x = L.GlobalAveragePooling2D(keepdims=True)(x)
    x = L.ActivityRegularization(0.1)(x)
    x = L.Conv2D(5, 1, activation="tanh")(x)
    return keras.Model(image, L.Dense(4, activation="sigmoid")(L.Flatten()(x)), name="training_layers")


def swapped():
    """Python builds the outer layer first, so the first convolution is called `conv2d_1`."""
    keras.utils.clear_session()
    image = keras.Input((SIDE, SIDE, 3))
    x = L.Conv2D(3, 3, padding="same")(L.Conv2D(3, 3, padding="same", activation="tanh")(image))
    x = L.Dense(3, activation="softmax")(L.GlobalAveragePooling2D()(x))
    return keras.Model(image, x, name="swapped")


def models_inside():
    """Models inside a model, one of them without a weight."""
    augment = keras.Sequential([keras.Input((SIDE, SIDE, 1)), L.RandomFlip("horizontal")])
    body = [keras.Input((SIDE, SIDE, 1)), L.Conv2D(2, 3), L.Conv2D(2, 3), L.Conv2D(2, 3, activation="tanh")]
    layers = [keras.Input((SIDE, SIDE, 1)), augment, keras.Sequential(body), L.Conv2D(2, 1), L.Flatten()]
    return keras.Sequential([*layers, L.Dense(4), L.Dense(3, activation="softmax")], name="models_inside")


def joins():
    """Layers that join, crop, enlarge and permute maps."""
    image = keras.Input((SIDE, SIDE, 3))
    x = L.Rescaling(1 / 255)(image)
    a, b = (L.Conv2D(4, 3, padding="same", activation="tanh")(x) for _ in range(2))
    x = L.Average()([a, b, L.Maximum()([a, b])])
    x = L.Subtract()([x, L.Permute((2, 1, 3))(b)])
    small = L.MaxPooling2D()(L.Cropping2D(((1, 1), (2, 0)))(x))
    wide = L.UpSampling2D((2, 2), interpolation="bilinear")(small)
    x = L.Concatenate()([wide, L.UpSampling2D(2)(small)])
    return keras.Model(image, L.Dense(3, activation="softmax")(L.Flatten()(L.Conv2D(2, 3)(x))), name="joins")


def attention():
    """Softmaxes inside a network: as a layer, as an activation, and as a layer's activation."""
    image = keras.Input((SIDE, SIDE, 3))
    x = L.Conv2D(6, 3, padding="same", activation="tanh")(L.Rescaling(1 / 255)(image))
    channels = L.Dense(6, activation="softmax")(L.GlobalAveragePooling2D()(x))
    x = L.Multiply()([x, L.Reshape((1, 1, 6))(channels)])
    x = L.Multiply()([x, L.Conv2D(6, 1, activation="softmax")(x)])
    pixels = L.Softmax(axis=2)(L.Permute((2, 1))(L.Reshape((SIDE * SIDE, 6))(x)))
    x = L.Multiply()([L.Flatten()(pixels), L.Activation("softmax")(L.Flatten()(x))])
    x = L.LayerNormalization()(L.Rescaling(30000.0)(x))
    return keras.Model(image, L.Dense(3, activation="softmax")(x), name="attention")


def norms():
    """Normalizations within a sample: layers, images, groups, instances, and vectors."""
    image = keras.Input((SIDE, SIDE, 3))
    x = L.LayerNormalization(axis=[1, 2, 3])(image)
    x = L.Conv2D(6, 3, padding="same", activation="relu")(x)
    x = L.GroupNormalization(3)(x)
    x = L.Conv2D(8, 3, strides=2, use_bias=False)(x)
    x = L.GroupNormalization(groups=-1, epsilon=1e-5, center=False)(x)
    y = L.LayerNormalization(epsilon=1e-6)(L.Activation("tanh")(x))
    x = L.LayerNormalization(axis=[2, 3], scale=False)(L.Add()([x, y]))
    x = L.LayerNormalization(axis=-1)(L.Reshape((9, 8))(x))
    x = L.GroupNormalization(4, axis=2)(x)
    x = L.LayerNormalization()(L.Dense(12, activation="relu")(L.Flatten()(x)))
    x = L.GroupNormalization(3, scale=False)(x)
    return keras.Model(image, L.Dense(3, activation="softmax")(x), name="norms")


def snake_case(name):
    """Keras's `to_snake_case`."""
    name = re.sub(r"\W+", "", name)
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()


def save_old(group, model, inner, separator):
    """What TensorFlow 2.12's `saving_lib._save_state` does: it walks a dictionary that has a layer with weights twice, and counts
    a layer that it has seen before as another."""
    entries = []
    for layer in model.layers:
        entries += [layer] * (2 if layer.weights else 1)
    used, seen = {}, set()
    for layer in entries:
        name = snake_case(type(layer).__name__)
        used[name] = used.get(name, -1) + 1
        if used[name]:
            name = f"{name}_{used[name]}"
        if id(layer) in seen:
            continue
        seen.add(id(layer))
        path = f"{inner}{separator}{name}" if inner else name
        if hasattr(layer, "layers"):
            save_old(group, layer, f"{path}{separator}_layer_checkpoint_dependencies", separator)
        elif layer.weights:
            for i, value in enumerate(layer.get_weights()):
                group.create_dataset(f"{path}/vars/{i}", data=value)


def save_as_tensorflow(model, path, separator):
    """A `.keras` file as TensorFlow 2.12 and 2.13 lay it out."""
    weights = io.BytesIO()
    with h5py.File(weights, "w") as file:
        save_old(file, model, "_layer_checkpoint_dependencies", separator)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("metadata.json", json.dumps({"keras_version": "2.13.1"}))
        archive.writestr("config.json", model.to_json())
        archive.writestr("model.weights.h5", weights.getvalue())


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("tests/golden/keras_import"))
    out = parser.parse_args().out
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    pool = L.GlobalAveragePooling2D
    models = [
        (small("one_sigmoid", [pool(), L.Dense(1, activation="sigmoid")]), ["one_sigmoid.h5"]),
        (no_dense(), ["no_dense.keras"]),
        (small("tanh", [pool(), L.Dense(2, activation="tanh")]), ["tanh.keras"]),
        (small("linear", [pool(), L.Dense(2)]), ["linear.h5"]),
        (training_layers(), ["training_layers.keras"]),
        (swapped(), ["swapped.weights.h5", "swapped_legacy.h5", "swapped.json"]),
        (models_inside(), ["tf213.keras", "tf212_windows.keras"]),
        (joins(), ["joins.keras"]),
        (attention(), ["attention.keras"]),
        (norms(), ["norms.keras", "norms.h5"]),
    ]
    expected = {}
    for seed, (model, files) in enumerate(models):
        randomize(model, 100 + seed)
        for file in files:
            if file == "swapped_legacy.h5":
                with h5py.File(out / file, "w") as h5:
                    save_weights_to_hdf5_group(h5, model)
            elif file.endswith(".weights.h5"):
                model.save_weights(out / file)
            elif file.endswith(".json"):
                (out / file).write_text(model.to_json())
            elif file.startswith("tf2"):
                save_as_tensorflow(model, out / file, "\\" if "windows" in file else "/")
            else:
                model.save(out / file)
        shape = (IMAGES, SIDE, SIDE, model.input_shape[-1])
        x = 127.5 * fill(7, int(np.prod(shape))) + 127.5
        if model.name in ("swapped", "models_inside"):
            x = x / 255
        y = model.predict(x.reshape(shape).astype(np.float32), verbose=0).astype(np.float64)
        expected[model.name] = {"files": files, "outputs": [[rounded(v) for v in row] for row in y]}
    (out / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")


if __name__ == "__main__":
    main()
