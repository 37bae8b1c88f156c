"""Goldens of convolutions, which `tools/keras_golden.py` writes."""

from keras_common import Case, keras


def conv2d():
    """Conv2D: the paddings (same puts the smaller half first), strides and channel counts that the networks meet."""
    rows = [  # name, x, filters, kernel, stride, padding, bias
        ("2x2 same, even map", (2, 6, 6, 1), 4, (2, 2), (1, 1), "same", True),
        ("2x2 same, odd map", (1, 5, 7, 3), 4, (2, 2), (1, 1), "same", True),
        ("3x3 valid", (2, 6, 6, 3), 7, (3, 3), (1, 1), "valid", True),
        ("3x3 same", (3, 5, 6, 1), 4, (3, 3), (1, 1), "same", True),
        ("3x3 same, one filter", (2, 5, 5, 5), 1, (3, 3), (1, 1), "same", True),
        ("3x3 same, many filters", (1, 4, 4, 7), 64, (3, 3), (1, 1), "same", True),
        ("1x1", (2, 4, 3, 5), 33, (1, 1), (1, 1), "valid", True),
        ("1x1 stride 2, no bias", (2, 5, 6, 7), 7, (1, 1), (2, 2), "valid", False),
        ("5x5 same", (1, 7, 6, 3), 4, (5, 5), (1, 1), "same", True),
        ("7x7 stride 2 same, even map", (1, 12, 12, 3), 4, (7, 7), (2, 2), "same", True),
        ("7x7 stride 2 same, odd map", (1, 11, 13, 3), 4, (7, 7), (2, 2), "same", False),
        ("1x7 same", (1, 5, 9, 3), 4, (1, 7), (1, 1), "same", False),
        ("7x1 same", (1, 9, 5, 3), 4, (7, 1), (1, 1), "same", False),
        ("3x3 stride 2 valid", (2, 9, 8, 3), 4, (3, 3), (2, 2), "valid", True),
        ("3x3 stride 2 same, even map", (2, 8, 8, 3), 4, (3, 3), (2, 2), "same", True),
        ("3x3 stride 2 same, odd map", (1, 7, 9, 3), 4, (3, 3), (2, 2), "same", True),
        ("3x3 stride 3 same", (2, 10, 8, 1), 7, (3, 3), (3, 3), "same", True),
        ("2x2 stride 3 valid, window below the stride", (1, 9, 10, 3), 4, (2, 2), (3, 3), "valid", True),
        ("3x2 stride 2x1 same, unequal axes", (2, 7, 6, 3), 4, (3, 2), (2, 1), "same", True),
        ("5x5 same, window above the map", (2, 2, 3, 3), 4, (5, 5), (1, 1), "same", True),
    ]
    for number, (name, shape, filters, kernel, stride, padding, bias) in enumerate(rows):
        config = {"filters": filters, "kernel": list(kernel), "stride": list(stride), "padding": padding, "bias": bias}
        case = Case(1000 + 10 * number, name, **config)
        x = case.input("x", shape)
        weights = [case.input("w", (*kernel, shape[-1], filters), 0.5)]
        if bias:
            weights.append(case.input("b", (filters,), 0.5))
        layer = keras.layers.Conv2D(filters, kernel, strides=stride, padding=padding, use_bias=bias)
        grads = case.through(layer, x, weights)
        case.output(**dict(zip(("dw", "db"), grads)))
        yield case


def depthwise_conv2d():
    """DepthwiseConv2D: paddings, strides and depth multipliers (TensorFlow wants one stride for both axes)."""
    rows = [  # name, x, kernel, stride, padding, multiplier, bias
        ("3x3 same", (2, 5, 6, 8), (3, 3), 1, "same", 1, True),
        ("3x3 valid, one channel", (2, 6, 7, 1), (3, 3), 1, "valid", 1, True),
        ("3x3 same, multiplier 2", (1, 6, 5, 3), (3, 3), 1, "same", 2, True),
        ("3x3 same, multiplier 4, no bias", (1, 4, 5, 4), (3, 3), 1, "same", 4, False),
        ("3x3 stride 2 same, even map", (2, 8, 8, 5), (3, 3), 2, "same", 1, True),
        ("3x3 stride 2 same, odd map, multiplier 3", (1, 7, 9, 3), (3, 3), 2, "same", 3, True),
        ("3x3 stride 2 valid", (2, 9, 8, 7), (3, 3), 2, "valid", 1, True),
        ("5x5 stride 2 same, no bias", (1, 9, 10, 4), (5, 5), 2, "same", 1, False),
        ("1x7 same", (1, 5, 9, 3), (1, 7), 1, "same", 1, False),
        ("2x1 stride 3 valid, window below the stride", (1, 9, 10, 4), (2, 1), 3, "valid", 1, True),
        ("5x5 same, window above the map", (2, 2, 3, 3), (5, 5), 1, "same", 1, True),
    ]
    rows = [(*row, 1) for row in rows]
    rows += [  # and dilation
        ("3x3 same, rate 2", (2, 7, 6, 4), (3, 3), 1, "same", 1, True, 2),
        ("3x3 valid, rate 2x3, multiplier 2", (2, 7, 8, 3), (3, 3), 1, "valid", 2, True, (2, 3)),
        ("2x3 same, rate 3x2, no bias", (1, 5, 7, 5), (2, 3), 1, "same", 1, False, (3, 2)),
        ("3x3 same, rate above the map", (2, 3, 4, 3), (3, 3), 1, "same", 1, True, 5),
    ]
    for number, (name, shape, kernel, stride, padding, multiplier, bias, rate) in enumerate(rows):
        config = {"kernel": list(kernel), "stride": [stride] * 2, "padding": padding}
        if rate != 1:
            config["dilation"] = list(rate) if isinstance(rate, tuple) else [rate] * 2
        case = Case(10000 + 10 * number, name, **config, multiplier=multiplier, bias=bias)
        x = case.input("x", shape)
        weights = [case.input("w", (*kernel, shape[-1], multiplier), 0.5)]
        if bias:
            weights.append(case.input("b", (shape[-1] * multiplier,), 0.5))
        options = {"strides": stride, "padding": padding, "depth_multiplier": multiplier, "use_bias": bias}
        options["dilation_rate"] = rate
        grads = case.through(keras.layers.DepthwiseConv2D(kernel, **options), x, weights)
        case.output(**dict(zip(("dw", "db"), grads)))
        yield case


def general_conv2d():
    """Conv2D with a dilation rate or groups."""
    rows = [  # name, x, filters, kernel, stride, rate, groups, padding, bias
        ("3x3 same, rate 2", (2, 7, 6, 3), 4, (3, 3), (1, 1), (2, 2), 1, "same", True),
        ("3x3 valid, rate 2, no bias", (2, 7, 8, 4), 8, (3, 3), (1, 1), (2, 2), 1, "valid", False),
        ("2x2 same, rate 3, smaller half first", (1, 6, 5, 3), 5, (2, 2), (1, 1), (3, 3), 1, "same", True),
        ("3x2 valid, rate 1x3, unequal axes", (2, 6, 9, 5), 7, (3, 2), (1, 1), (1, 3), 1, "valid", True),
        ("1x1 rate 2", (1, 3, 4, 3), 4, (1, 1), (1, 1), (2, 2), 1, "same", True),
        ("3x3 same, rate of the map", (1, 5, 6, 4), 4, (3, 3), (1, 1), (5, 6), 1, "same", True),
        ("3x3 same, rate above the map", (2, 3, 4, 3), 4, (3, 3), (1, 1), (7, 9), 1, "same", True),
        ("3x3 valid, one output", (2, 7, 9, 3), 4, (3, 3), (1, 1), (3, 4), 1, "valid", True),
        ("groups 2, 3x3 same", (2, 5, 6, 8), 8, (3, 3), (1, 1), (1, 1), 2, "same", True),
        ("groups 3, 3x3 stride 2 same, even map", (2, 6, 8, 6), 9, (3, 3), (2, 2), (1, 1), 3, "same", True),
        ("groups 3, 3x3 stride 2 same, odd map", (1, 7, 5, 6), 3, (3, 3), (2, 2), (1, 1), 3, "same", False),
        ("groups of channels", (2, 5, 4, 4), 4, (3, 3), (1, 1), (1, 1), 4, "same", True),
        ("groups of channels, 3 filters each", (1, 5, 6, 3), 9, (2, 3), (1, 1), (1, 1), 3, "valid", True),
        ("groups 2, 3x3 same, rate 2", (2, 6, 7, 4), 6, (3, 3), (1, 1), (2, 2), 2, "same", True),
    ]
    for number, (name, shape, filters, kernel, stride, rate, groups, padding, bias) in enumerate(rows):
        config = {"filters": filters, "kernel": list(kernel), "stride": list(stride), "padding": padding, "bias": bias}
        case = Case(20000 + 10 * number, name, **config, dilation=list(rate), groups=groups)
        x = case.input("x", shape)
        weights = [case.input("w", (*kernel, shape[-1] // groups, filters), 0.5)]
        if bias:
            weights.append(case.input("b", (filters,), 0.5))
        options = {"strides": stride, "dilation_rate": rate, "groups": groups, "padding": padding, "use_bias": bias}
        layer = keras.layers.Conv2D(filters, kernel, **options)
        grads = case.through(layer, x, weights)
        case.output(**dict(zip(("dw", "db"), grads)))
        yield case


OPS = [conv2d, depthwise_conv2d, general_conv2d]
