"""Golden cases of augmentation: what ImageDataGenerator does to an image with given numbers, and RandomContrast."""

from keras.src.legacy.preprocessing import image as legacy

from keras_common import Case, keras, np, single, tf

NUMBERS = ("theta", "tx", "ty", "shear", "zx", "zy")


def augment():
    """apply_affine_transform (order 1) with flips, on square images: of others Keras takes the wrong centre. Then contrast."""
    rows = [  # name, shape, theta, tx, ty, shear, zx, zy, flip, fill_mode, cval
        ("rotation", (1, 9, 9, 1), 25, 0, 0, 0, 1, 1, False, "nearest", 0),
        ("shift, far", (1, 7, 7, 1), 0, 11.3, -9.6, 0, 1, 1, False, "reflect", 0),
        ("shift, wrapped", (1, 7, 7, 1), 0, -11.3, 9.6, 0, 1, 1, False, "wrap", 0),
        ("shear and zoom", (1, 8, 8, 3), 0, 0, 0, 20, 0.7, 1.3, False, "constant", 99),
        ("flip", (1, 6, 6, 3), 0, 0, 0, 0, 1, 1, True, "nearest", 0),
        ("all, constant", (1, 9, 9, 3), -33, 1.7, -2.2, 12, 1.2, 0.8, True, "constant", 51),
        ("all, nearest", (1, 8, 8, 1), -33, 1.7, -2.2, 12, 1.2, 0.8, True, "nearest", 0),
        ("all, reflect", (1, 9, 9, 1), 40, 3.7, 2.2, -25, 1.4, 1.3, False, "reflect", 0),
        ("all, wrap", (1, 9, 9, 1), 40, 3.7, 2.2, -25, 1.4, 1.3, False, "wrap", 0),
    ]
    for number, (name, shape, *numbers, flip, fill, cval) in enumerate(rows):
        given = dict(zip(NUMBERS, map(float, numbers)))
        case = Case(19000 + 10 * number, name, **given, flip=flip, fill_mode=fill, cval=float(cval))
        x = case.input("x", shape, 127.5, 127.5).numpy()[0]
        axes = {"row_axis": 0, "col_axis": 1, "channel_axis": 2}
        y = legacy.apply_affine_transform(x, **given, **axes, fill_mode=fill, cval=cval, order=1)
        case.output(y=np.expand_dims(legacy.flip_axis(y, 1) if flip else y, 0))
        yield case
    for number, factor in enumerate((0.4, 1.8)):
        case = Case(19500 + 10 * number, f"contrast {factor}", contrast=single(factor))
        x = case.input("x", (1, 6, 7, 3), 127.5, 127.5)
        layer = keras.layers.RandomContrast(0.5, value_range=(0, 255))
        case.output(y=layer.transform_images(x, {"contrast_factor": tf.constant(single(factor), tf.float64)}))
        yield case


OPS = [augment]
