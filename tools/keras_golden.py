"""Write the golden files of `tests/golden`: what Keras computes, for the CPU reference to be compared with.

Usage, from the root of the repository, with the pinned versions of `tools/requirements.txt`:

    python tools/keras_golden.py [--out tests/golden] [OP ...]

Without an OP all files are written. Inputs are not stored: both languages rebuild them from `keras_common.fill`. Every
op runs in float64 on inputs rounded to float32, on one thread of the CPU, so that the same versions give the same file.
`tests/golden/README.md` describes the format and what the files say about Keras.
"""

import argparse
import json
import sys
from pathlib import Path

import keras_adam
import keras_augment
import keras_convolutions
import keras_elementwise
import keras_merge
import keras_networks
import keras_norm
import keras_sgd
from keras_common import Case, keras, np, tf, use_dtype


def dense():
    """Dense: y = x w + b."""
    rows = [("one", 1, 1, 1, True), ("odd", 3, 7, 5, True), ("wide", 2, 33, 64, True), ("tall", 17, 20, 7, True)]
    rows += [("no bias", 4, 9, 3, False)]
    for number, (name, n, inputs, units, bias) in enumerate(rows):
        case = Case(2000 + 10 * number, name, units=units, bias=bias)
        x = case.input("x", (n, inputs))
        weights = [case.input("w", (inputs, units), 0.5)]
        if bias:
            weights.append(case.input("b", (units,), 0.5))
        grads = case.through(keras.layers.Dense(units, use_bias=bias), x, weights)
        case.output(**dict(zip(("dw", "db"), grads)))
        yield case


def batch_norm():
    """BatchNormalization over the last axis, with the running statistics after one call."""
    rows = [  # name, x, training, scale of x, shift of x, momentum, epsilon
        ("map", (2, 4, 5, 3), True, 1.0, 0.0, 0.99, 1e-3),
        ("map, one channel", (3, 3, 3, 1), True, 2.0, 0.5, 0.99, 1e-3),
        ("map, 32 channels", (2, 3, 3, 32), True, 1.0, 0.0, 0.99, 1e-3),
        ("map, inference", (2, 4, 5, 3), False, 1.0, 0.0, 0.99, 1e-3),
        ("rows", (8, 5), True, 1.0, 0.0, 0.99, 1e-3),
        ("rows, inference", (8, 5), False, 1.0, 0.0, 0.99, 1e-3),
        ("two rows", (2, 3), True, 1.0, 0.0, 0.9, 1e-5),
        ("one row", (1, 3), True, 1.0, 0.0, 0.99, 1e-3),
        ("constant channels", (4, 5), True, 0.0, 2.0, 0.99, 1e-3),
        ("mean 100, deviation 0.1", (4, 5, 5, 3), True, 0.1732, 100.0, 0.99, 1e-3),
        ("2048 rows", (2, 32, 32, 3), True, 1.0, 0.25, 0.9, 1e-3),
    ]
    for number, (name, shape, training, scale, shift, momentum, epsilon) in enumerate(rows):
        case = Case(3000 + 10 * number, name, momentum=momentum, epsilon=epsilon, training=training)
        x = case.input("x", shape, scale, shift)
        channels = (shape[-1],)
        weights = [case.input("gamma", channels, 0.5, 1.0), case.input("beta", channels)]
        weights += [case.input("moving_mean", channels), case.input("moving_variance", channels, 0.5, 1.0)]
        layer = keras.layers.BatchNormalization(momentum=momentum, epsilon=epsilon)
        dgamma, dbeta = case.through(layer, x, weights, training)
        case.output(dgamma=dgamma, dbeta=dbeta, new_mean=layer.moving_mean, new_variance=layer.moving_variance)
        yield case


def relu():
    """ReLU, with exact zeros among the inputs to show which slope zero has."""
    yield from pointwise(4000, lambda: keras.layers.ReLU())


def leaky_relu():
    """LeakyReLU with Keras's default slope, the networks' 0.2 and zero; TensorFlow keeps the slope as a float32."""
    for number, slope in enumerate(map(single, (0.3, 0.2, 0.0))):
        layer = lambda: keras.layers.LeakyReLU(negative_slope=slope)
        yield from pointwise(5000 + 100 * number, layer, slope=slope)


def pointwise(seed, layer, **config):
    """The cases of an activation: a map, rows, and inputs of which about a quarter are exactly zero."""
    rows = [("map", (2, 5, 4, 3), None), ("rows", (3, 7), None), ("exact zeros", (2, 33), 2)]
    for number, (name, shape, quantize) in enumerate(rows):
        suffix = f", slope {config['slope']:.2g}" if config else ""
        case = Case(seed + 10 * number, name + suffix, **config)
        case.through(layer(), case.input("x", shape, quantize=quantize))
        yield case


def max_pool2d():
    """MaxPooling2D: windows above and below the stride, padding of negative inputs, ties."""
    rows = [  # name, x, window, stride, padding, scale, shift, quantize
        ("2x2", (2, 6, 6, 3), 2, 2, "valid", 1.0, 0.0, None),
        ("2x2, odd map", (1, 5, 7, 5), 2, 2, "valid", 1.0, 0.0, None),
        ("2x2 same, odd map", (1, 5, 7, 3), 2, 2, "same", 1.0, 0.0, None),
        ("4x4 stride 2", (1, 11, 10, 3), 4, 2, "valid", 1.0, 0.0, None),
        ("3x3 stride 2 valid", (2, 7, 8, 1), 3, 2, "valid", 1.0, 0.0, None),
        ("3x3 stride 2 same, even map", (1, 8, 8, 3), 3, 2, "same", 1.0, 0.0, None),
        ("3x3 stride 2 same, odd map", (1, 7, 9, 3), 3, 2, "same", 1.0, 0.0, None),
        ("3x3 stride 1 same", (2, 5, 6, 3), 3, 1, "same", 1.0, 0.0, None),
        ("3x2 stride 2x1 same, unequal axes", (1, 7, 6, 3), (3, 2), (2, 1), "same", 1.0, 0.0, None),
        ("1x1 stride 2, window below the stride", (1, 6, 5, 3), 1, 2, "valid", 1.0, 0.0, None),
        ("all negative, 3x3 stride 2 same", (1, 8, 7, 3), 3, 2, "same", 1.0, -3.0, None),
        ("window above the map, same", (1, 2, 3, 3), 5, 1, "same", 1.0, -3.0, None),
        ("ties, 2x2", (1, 8, 8, 3), 2, 2, "valid", 1.0, 0.0, 2),
        ("ties, 3x3 stride 1 same", (1, 6, 7, 3), 3, 1, "same", 1.0, 0.0, 1),
        ("ties, 4x4 stride 2", (1, 10, 9, 3), 4, 2, "valid", 1.0, -3.0, 2),
        ("all equal, 3x3 stride 2 same", (1, 7, 8, 1), 3, 2, "same", 0.0, 0.0, None),
    ]
    for number, (name, shape, window, stride, padding, scale, shift, quantize) in enumerate(rows):
        window = window if isinstance(window, tuple) else (window, window)
        stride = stride if isinstance(stride, tuple) else (stride, stride)
        case = Case(6000 + 10 * number, name, window=list(window), stride=list(stride), padding=padding)
        x = case.input("x", shape, scale, shift, quantize)
        case.through(keras.layers.MaxPooling2D(window, strides=stride, padding=padding), x)
        yield case


def avg_pool2d():
    """AveragePooling2D: padding does not count in the mean."""
    rows = [  # name, x, window, stride, padding
        ("2x2", (2, 6, 6, 3), (2, 2), (2, 2), "valid"),
        ("2x2, odd map", (1, 5, 7, 5), (2, 2), (2, 2), "valid"),
        ("2x2 same, odd map", (1, 5, 7, 4), (2, 2), (2, 2), "same"),
        ("3x3 stride 2 same, even map", (1, 8, 8, 3), (3, 3), (2, 2), "same"),
        ("3x3 stride 1 same", (2, 5, 6, 1), (3, 3), (1, 1), "same"),
        ("3x2 stride 2x1 same, unequal axes", (1, 7, 6, 3), (3, 2), (2, 1), "same"),
        ("1x1 stride 2, window below the stride", (1, 6, 5, 7), (1, 1), (2, 2), "valid"),
        ("window above the map, same", (1, 2, 3, 3), (5, 5), (1, 1), "same"),
    ]
    for number, (name, shape, window, stride, padding) in enumerate(rows):
        case = Case(11000 + 10 * number, name, window=list(window), stride=list(stride), padding=padding)
        x = case.input("x", shape)
        case.through(keras.layers.AveragePooling2D(window, strides=stride, padding=padding), x)
        yield case


def global_max_pool():
    """GlobalMaxPooling2D: [n, h, w, c] to [n, c]; ties share the gradient."""
    rows = [((2, 3, 3, 32), 1.0, 0.0, None), ((3, 5, 4, 7), 1.0, -3.0, None), ((1, 1, 1, 5), 1.0, 0.0, None)]
    rows += [((2, 9, 7, 1), 1.0, 0.0, 2), ((2, 4, 5, 3), 1.0, 0.0, 1), ((1, 3, 4, 4), 0.0, 0.0, None)]
    for number, (shape, scale, shift, quantize) in enumerate(rows):
        ties = ", all equal" if scale == 0.0 else ", ties" if quantize else ""
        case = Case(12000 + 10 * number, "x".join(map(str, shape)) + ties)
        case.through(keras.layers.GlobalMaxPooling2D(), case.input("x", shape, scale, shift, quantize))
        yield case


def zero_pad2d():
    """ZeroPadding2D: rows are (top, bottom), columns are (left, right)."""
    rows = [((2, 3, 4, 3), (1, 1), (1, 1)), ((1, 4, 3, 4), (0, 1), (0, 1)), ((1, 2, 3, 5), (3, 0), (1, 4))]
    for number, (shape, lines, columns) in enumerate(rows):
        case = Case(13000 + 10 * number, "x".join(map(str, shape)), rows=list(lines), columns=list(columns))
        case.through(keras.layers.ZeroPadding2D((lines, columns)), case.input("x", shape))
        yield case


def concat():
    """Concatenate on the last axis."""
    yield from joins(14000, keras.layers.Concatenate, [
        ((2, 3, 4, 3), (2, 3, 4, 5)),
        ((1, 3, 2, 4), (1, 3, 2, 8), (1, 3, 2, 1)),
        ((3, 4), (3, 7)),
    ])


def add():
    """Add, of two and three tensors."""
    yield from joins(15000, keras.layers.Add, [[(2, 3, 4, 3)] * 2, [(3, 5)] * 3])


def mul():
    """Multiply: equal shapes, and an image with a factor a channel of either rank, on either side."""
    yield from joins(16000, keras.layers.Multiply, [
        [(2, 3, 4, 3)] * 2,
        ((2, 3, 4, 8), (2, 1, 1, 8)),
        ((2, 1, 1, 5), (2, 4, 3, 5)),
        ((3, 2, 5, 7), (3, 7)),
        ((3, 4), (3, 2, 5, 4)),
    ])


def joins(seed, layer, rows):
    """The cases of a layer without settings that joins the tensors of each row."""
    for number, shapes in enumerate(rows):
        case = Case(seed + 10 * number, " and ".join("x".join(map(str, shape)) for shape in shapes))
        case.through(layer(), [case.input(f"x{i}", shape) for i, shape in enumerate(shapes)])
        yield case


def global_avg_pool():
    """GlobalAveragePooling2D: [n, h, w, c] to [n, c]."""
    for number, shape in enumerate([(2, 3, 3, 32), (3, 5, 4, 7), (1, 1, 1, 5), (2, 9, 7, 1)]):
        case = Case(7000 + 10 * number, "x".join(map(str, shape)))
        case.through(keras.layers.GlobalAveragePooling2D(), case.input("x", shape))
        yield case


def softmax_cross_entropy():
    """The mean cross-entropy from logits, its gradient, and the two metrics of an epoch."""
    rows = [("one row", 1, 3, 3.0, 0.0), ("4 classes", 8, 4, 3.0, 0.0), ("7 classes", 5, 7, 3.0, 0.0)]
    rows += [("wide logits", 8, 7, 50.0, 0.0), ("far from zero", 6, 8, 3.0, 1000.0), ("33 rows", 33, 8, 3.0, -2.0)]
    for number, (name, n, classes, scale, shift) in enumerate(rows):
        labels = [(7 * j + 3 * number) % classes for j in range(n)]
        case = Case(8000 + 10 * number, name, classes=classes, labels=labels)
        logits = case.input("logits", (n, classes), scale, shift)
        onehot = tf.one_hot(labels, classes, dtype=tf.float64)
        with tf.GradientTape() as tape:
            tape.watch(logits)
            loss = keras.losses.CategoricalCrossentropy(from_logits=True)(onehot, logits)
        probs = keras.ops.softmax(logits)
        mse, accuracy = keras.metrics.MeanSquaredError(), keras.metrics.CategoricalAccuracy()
        mse.update_state(onehot, probs)
        accuracy.update_state(onehot, probs)
        case.output(loss=loss, dlogits=tape.gradient(loss, logits), probs=probs, mse=mse.result())
        case.output(correct=round(float(accuracy.result()) * n))
        yield case


OPS = [dense, batch_norm, relu, leaky_relu, max_pool2d, avg_pool2d, global_max_pool, zero_pad2d]
OPS += [concat, add, mul, global_avg_pool, softmax_cross_entropy]
OPS += keras_convolutions.OPS + keras_adam.OPS + keras_sgd.OPS + keras_elementwise.OPS + keras_merge.OPS + keras_norm.OPS
OPS += keras_augment.OPS


def dump(value, depth=4, indent=0):
    """JSON with the outer `depth` levels spread over lines and everything below on one: a tensor a line."""
    if depth == 0 or not value or not isinstance(value, (dict, list)):
        return json.dumps(value, separators=(",", ":"))
    pad = "\n" + " " * (indent + 1)
    inner = lambda v: dump(v, depth - 1, indent + 1)
    if isinstance(value, dict):
        body = ("," + pad).join(f"{json.dumps(k)}: {inner(v)}" for k, v in value.items())
        return "{" + pad + body + "\n" + " " * indent + "}"
    if not isinstance(value[0], (dict, list)):
        return json.dumps(value, separators=(",", ":"))
    return "[" + pad + ("," + pad).join(map(inner, value)) + "\n" + " " * indent + "]"


def write(folder, name, key, items):
    """Write one golden file, with its recipe and versions."""
    versions = {"keras": keras.__version__, "tensorflow": tf.__version__, "numpy": np.__version__}
    document = {"op": name, "recipe": f"python tools/keras_golden.py {name}", "versions": versions, key: items}
    path = folder / f"{name}.json"
    path.write_text(dump(document) + "\n", encoding="utf-8")
    print(f"{path}: {len(items)} {key}, {path.stat().st_size} bytes", file=sys.stderr)


def main():
    """Parse the command line and write the files asked for."""
    names = [op.__name__ for op in OPS] + ["networks"]
    parser = argparse.ArgumentParser(description="Write golden files with Keras.")
    parser.add_argument("--out", type=Path, default=Path("tests/golden"), help="folder (default: %(default)s)")
    parser.add_argument("ops", nargs="*", metavar="OP", help=f"one of: {', '.join(names)} (default: all)")
    args = parser.parse_args()
    if unknown := [op for op in args.ops if op not in names]:
        parser.error(f"unknown op {unknown[0]!r}; expected one of: {', '.join(names)}")
    args.out.mkdir(parents=True, exist_ok=True)
    for op in OPS:
        if not args.ops or op.__name__ in args.ops:
            use_dtype("float64")
            write(args.out, op.__name__, "cases", [case.document() for case in op()])
    if not args.ops or "networks" in args.ops:
        write(args.out, "networks", "networks", keras_networks.goldens())


if __name__ == "__main__":
    main()
