"""Golden cases of the smooth activations, of the layers of a network's stem, and of the loss of regression."""

from keras_common import Case, keras, np, single, tf


def activation(seed, layer):
    """The cases of a smooth activation: maps, rows, inputs near 0, and inputs at which it has long saturated."""
    rows = [("map", (2, 5, 4, 3), 1.0, 0.0), ("rows", (3, 7), 8.0, 0.0), ("one channel", (3, 4, 5, 1), 4.0, 1.0)]
    rows += [("near zero", (2, 33), 1e-3, 0.0), ("far from zero", (5, 7), 1e3, 0.0)]
    for number, (name, shape, scale, shift) in enumerate(rows):
        case = Case(seed + 10 * number, name)
        case.through(layer(), case.input("x", shape, single(scale), shift))
        yield case


def silu():
    """Activation("silu"), which "swish" is another name of."""
    yield from activation(10000, lambda: keras.layers.Activation("silu"))


def sigmoid():
    """Activation("sigmoid")."""
    yield from activation(11000, lambda: keras.layers.Activation("sigmoid"))


def tanh():
    """Activation("tanh")."""
    yield from activation(12000, lambda: keras.layers.Activation("tanh"))


def relu6():
    """ReLU(max_value=6), with inputs at exactly 0 and 6 to show which slopes the corners have."""
    layer = lambda: keras.layers.ReLU(max_value=6)
    yield from activation(13000, layer)
    case = Case(13100, "corners")
    case.through(layer(), case.input("x", (4, 33), 8.0, quantize=1))
    yield case


def rescaling():
    """Rescaling by one value for all channels and by one a channel, as EfficientNet's stem has it."""
    rows = [  # name, x, scale, offset, scale of x, shift of x
        ("bytes", (2, 3, 5, 1), [1 / 255], [0.0], 127.5, 127.5),
        ("to -1 and 1", (2, 3, 5, 3), [1 / 127.5], [-1.0], 127.5, 127.5),
        ("deviations of ImageNet", (2, 4, 3, 3), [s**-0.5 for s in (0.229, 0.224, 0.225)], [0.0], 2.0, 0.0),
        ("both a channel", (3, 5), [1.0, -2.0, 0.5, 3.0, 0.25], [0.1, 0.2, -0.3, 0.0, 1.0], 1.0, 0.0),
    ]
    for number, (name, shape, scale, offset, width, shift) in enumerate(rows):
        scale, offset = list(map(single, scale)), list(map(single, offset))
        case = Case(14000 + 10 * number, name, scale=scale, offset=offset)
        layer = keras.layers.Rescaling(np.float64(scale), np.float64(offset))
        case.through(layer, case.input("x", shape, width, shift))
        yield case


def normalization():
    """Normalization over the last axis with loaded statistics; a variance of 0 shows the floor of the deviation."""
    rows = [("map", (2, 4, 5, 3), 0.5), ("one channel", (3, 3, 2, 1), 0.5), ("rows", (4, 5), 0.5)]
    rows += [("odd map", (2, 3, 1, 7), 0.5), ("no variance", (2, 3), 0.0)]
    for number, (name, shape, width) in enumerate(rows):
        case = Case(15000 + 10 * number, name)
        x, channels = case.input("x", shape), (shape[-1],)
        mean, variance = case.input("mean", channels), case.input("variance", channels, width, 2 * width)
        layer = keras.layers.Normalization(axis=-1, mean=mean.numpy(), variance=variance.numpy())
        case.through(layer, x)
        yield case


def mean_squared_error():
    """MeanSquaredError over [n, k]: the batch's mean, and its gradient."""
    rows = [("one number", 1, 1, 1.0), ("valence and arousal", 8, 2, 1.0), ("33 rows of 7", 33, 7, 2.0)]
    rows += [("far", 5, 3, 1e3)]
    for number, (name, n, k, scale) in enumerate(rows):
        case = Case(16000 + 10 * number, name)
        predictions, targets = case.input("predictions", (n, k), scale), case.input("targets", (n, k))
        with tf.GradientTape() as tape:
            tape.watch(predictions)
            loss = keras.losses.MeanSquaredError()(targets, predictions)
        case.output(loss=loss, dpredictions=tape.gradient(loss, predictions))
        yield case


OPS = [silu, sigmoid, tanh, relu6, rescaling, normalization, mean_squared_error]
