"""Golden cases of the layers that join tensors of one shape, and of those that move or repeat pixels."""

from keras_common import Case, keras


def joined(seed, layer, counts):
    """Tensors of several ranks; `counts` says how many inputs each case has."""
    rows = [("map", (2, 3, 4, 3), None), ("rows", (3, 7), None), ("ties", (4, 33), 1)]
    for number, (name, shape, quantize) in enumerate(rows):
        count = counts[number % len(counts)]
        case = Case(seed + 10 * number, f"{name}, {count} inputs")
        inputs = [case.input(f"x{i}", shape, 2.0, quantize=quantize) for i in range(count)]
        case.through(layer(), inputs)
        yield case


def average():
    """Average of two, three and five tensors."""
    yield from joined(17000, keras.layers.Average, (2, 3, 5))


def maximum():
    """Maximum of two, three and five tensors; of equal ones the first has the gradient."""
    yield from joined(17100, keras.layers.Maximum, (2, 3, 5))


def subtract():
    """Subtract."""
    yield from joined(17200, keras.layers.Subtract, (2,))


def crop2d():
    """Cropping2D."""
    rows = [((2, 6, 5, 3), [0, 1], [0, 1]), ((1, 5, 7, 5), [2, 1], [0, 3]), ((2, 3, 3, 1), [1, 1], [1, 1])]
    for number, (shape, rows_, columns) in enumerate(rows):
        case = Case(17300 + 10 * number, f"{rows_} and {columns}", rows=rows_, columns=columns)
        case.through(keras.layers.Cropping2D((tuple(rows_), tuple(columns))), case.input("x", shape))
        yield case


def upsample2d():
    """UpSampling2D, by repetition and bilinear."""
    rows = [((2, 3, 4, 3), (2, 2)), ((1, 4, 3, 5), (3, 1)), ((1, 1, 6, 1), (4, 3)), ((1, 3, 5, 2), (3, 5))]
    for kind, interpolation in enumerate(("nearest", "bilinear")):
        for number, (shape, factor) in enumerate(rows):
            config = {"factor": list(factor), "interpolation": interpolation}
            case = Case(17400 + 50 * kind + 10 * number, f"{interpolation} by {factor}", **config)
            case.through(keras.layers.UpSampling2D(factor, interpolation=interpolation), case.input("x", shape))
            yield case


def permute():
    """Permute."""
    rows = [((2, 5, 3), (2, 1)), ((2, 3, 4, 5), (2, 3, 1)), ((2, 3, 4, 5), (3, 1, 2)), ((2, 3, 4, 5), (3, 2, 1))]
    for number, (shape, dims) in enumerate(rows):
        case = Case(17500 + 10 * number, f"{dims}", dims=list(dims))
        case.through(keras.layers.Permute(dims), case.input("x", shape))
        yield case


OPS = [average, maximum, subtract, crop2d, upsample2d, permute]
