"""Golden cases of softmax inside a network, and of the normalizations within a sample."""

from keras_common import Case, keras


def softmax():
    """Softmax over the last axis."""
    rows = [  # name, x, scale, shift
        ("rows", (3, 7), 3.0, 0.0),
        ("one class", (2, 1), 3.0, 0.0),
        ("map", (2, 3, 4, 5), 3.0, 0.0),
        ("sequence", (2, 5, 12), 3.0, 0.0),
        ("100 classes", (2, 100), 3.0, 0.0),
        ("wide logits", (4, 7), 100.0, 0.0),
        ("far from zero", (4, 8), 3.0, -1000.0),
    ]
    for number, (name, shape, scale, shift) in enumerate(rows):
        case = Case(19000 + 10 * number, name)
        case.through(keras.layers.Softmax(), case.input("x", shape, scale, shift))
        yield case


def normalized(case, layer, shape, scale, shift, parameters):
    """The case of a normalization whose gamma and beta have the shape `parameters`, where it has them."""
    x = case.input("x", shape, scale, shift)
    names = ["gamma"] * layer.scale + ["beta"] * layer.center
    weights = [case.input(name, parameters, *((0.5, 1.0) if name == "gamma" else ())) for name in names]
    gradients = case.through(layer, x, weights)
    case.output(**{f"d{name}": gradient for name, gradient in zip(names, gradients)})
    return case


def layer_norm():
    """LayerNormalization over the last axis, or the last two or three."""
    rows = [  # name, x, axes, epsilon, center, scale, scale of x, shift of x
        ("rows", (3, 7), 1, 1e-3, True, True, 1.0, 0.0),
        ("map", (2, 3, 4, 5), 1, 1e-3, True, True, 1.0, 0.0),
        ("sequence", (2, 5, 12), 1, 1e-5, True, True, 2.0, 0.5),
        ("one channel", (2, 3, 3, 1), 1, 1e-3, True, True, 1.0, 0.0),
        ("image", (2, 3, 4, 5), 3, 1e-3, True, True, 1.0, 0.0),
        ("lines", (2, 3, 4, 5), 2, 1e-3, True, True, 1.0, 0.0),
        ("no scale", (2, 3, 4, 5), 1, 1e-3, True, False, 1.0, 0.0),
        ("no center", (3, 8), 1, 1e-3, False, True, 1.0, 0.0),
        ("neither", (2, 3, 3, 4), 3, 1e-3, False, False, 1.0, 0.0),
        ("mean 100, deviation 0.1", (2, 3, 4, 5), 1, 1e-3, True, True, 0.1732, 100.0),
        ("constant rows", (3, 5), 1, 1e-3, True, True, 0.0, 2.0),
    ]
    for number, (name, shape, axes, epsilon, center, scale, factor, shift) in enumerate(rows):
        case = Case(19200 + 10 * number, name, axes=axes, epsilon=epsilon, center=center, scale=scale)
        axis = -1 if axes == 1 else list(range(-axes, 0))
        layer = keras.layers.LayerNormalization(axis=axis, epsilon=epsilon, center=center, scale=scale)
        yield normalized(case, layer, shape, factor, shift, shape[-axes:])


def group_norm():
    """GroupNormalization over groups of the last axis."""
    rows = [  # name, x, groups, epsilon, center, scale, scale of x, shift of x
        ("map", (2, 3, 4, 6), 3, 1e-3, True, True, 1.0, 0.0),
        ("fours", (2, 3, 4, 8), 2, 1e-5, True, True, 2.0, 0.5),
        ("instances", (2, 3, 4, 5), -1, 1e-3, True, True, 1.0, 0.0),
        ("one group", (2, 3, 4, 5), 1, 1e-3, True, True, 1.0, 0.0),
        ("rows", (3, 8), 2, 1e-3, True, True, 1.0, 0.0),
        ("sequence", (2, 5, 6), 2, 1e-3, True, True, 1.0, 0.0),
        ("no scale", (2, 3, 4, 6), 2, 1e-3, True, False, 1.0, 0.0),
        ("no center", (2, 3, 4, 6), 6, 1e-3, False, True, 1.0, 0.0),
        ("neither", (2, 3, 4, 6), 3, 1e-3, False, False, 1.0, 0.0),
        ("mean 100, deviation 0.1", (2, 5, 4, 6), 3, 1e-3, True, True, 0.1732, 100.0),
    ]
    for number, (name, shape, groups, epsilon, center, scale, factor, shift) in enumerate(rows):
        case = Case(19400 + 10 * number, name, groups=groups, epsilon=epsilon, center=center, scale=scale)
        layer = keras.layers.GroupNormalization(groups, epsilon=epsilon, center=center, scale=scale)
        yield normalized(case, layer, shape, factor, shift, shape[-1:])


OPS = [softmax, layer_norm, group_norm]
