"""The nine networks that the reports train from scratch, in plain Keras, and ten Adam steps of each.

`tools/keras_golden.py networks` writes the result to `tests/golden/networks.json`. Each network ends in a linear layer:
the softmax of the reports is part of the loss. Weights and batches come from `keras_common.fill`, so none are stored.

Every network takes its ten steps twice. The reports' run has Adam at 0.001 and a new batch each step; with batch norm
over eight pictures of noise it is chaotic, and float32 soon leaves float64. The calm run repeats the first batch at a
rate so low that float32 and float64 stay together, while the loss still falls far further than they differ.
"""

import sys

from keras_common import fill, keras, np, rounded, single, tf, use_dtype

layers = keras.layers

STEPS = 10
LEARNING_RATE = 0.001
CONSTANTS = {  # Adam's as users write them; those of layers as the nearest float32, so that float64 and float32 agree
    "adam_beta1": 0.9,
    "adam_beta2": 0.999,
    "adam_epsilon": 1e-7,
    "bn_momentum": single(0.99),
    "bn_epsilon": single(1e-3),
    "leaky_relu_slope": single(0.2),
}


def conv(filters, size, padding="valid", activation=None):
    """A square convolution with bias and stride 1."""
    return layers.Conv2D(filters, size, padding=padding, activation=activation)


def dense(units):
    """A hidden fully connected layer."""
    return layers.Dense(units, activation="relu")


def bn():
    """Batch normalisation with Keras's defaults: momentum 0.99, epsilon 0.001."""
    return layers.BatchNormalization(momentum=CONSTANTS["bn_momentum"], epsilon=CONSTANTS["bn_epsilon"])


def leaky():
    """The reports' LeakyReLU: slope 0.2."""
    return layers.LeakyReLU(negative_slope=CONSTANTS["leaky_relu_slope"])


def pool(window=2, stride=None):
    """Max pooling without padding; the stride is the window unless said."""
    return layers.MaxPooling2D(window, strides=stride)


def fer4_cnn3(drop):
    """R0, network 1."""
    body = []
    for filters in (64, 32, 32):
        body += [conv(filters, 2, "same", "relu"), pool(), drop(0.2)]
    return [*body, layers.Flatten(), dense(512), drop(0.2)]


def fer4_cnn4_bn(drop):
    """R0, network 2."""
    body = []
    for filters in (256, 128, 64, 32):
        body += [conv(filters, 2, "same", "relu"), bn(), leaky(), pool()]
    return [*body, layers.Flatten(), dense(512), dense(128)]


def fer4_cnn5_bn(drop):
    """R0, network 6."""
    body = []
    for filters in (64, 128, 512, 512, 128):
        body += [conv(filters, 2, "same", "relu"), bn(), leaky(), pool(), drop(0.2)]
    body.append(layers.Flatten())
    for units in (256, 512):
        body += [dense(units), bn(), leaky(), drop(0.2)]
    return body


def fer7_cnn3_bn(drop):
    """R1."""
    return [
        *(conv(32, 3, "valid", "relu"), bn(), pool(4, 2), drop(0.25)),
        *(conv(64, 3, "same", "relu"), bn()),
        *(conv(64, 3, "same", "relu"), bn(), pool(), drop(0.25)),
        *(layers.Flatten(), dense(128), bn(), drop(0.5)),
    ]


def fer7_cnn4_bn(drop):
    """R3."""
    body = []
    for filters in (32, 64, 128, 256):
        body += [conv(filters, 3, "valid", "relu"), bn(), pool(), drop(0.2)]
    return [*body, layers.Flatten(), dense(512), bn(), drop(0.2)]


def six_convolutions(drop, widths, norm, units):
    """R4: three blocks of two convolutions, with one activation a block, then two hidden layers."""
    body = []
    for filters in widths:
        body += [conv(filters, 3), conv(filters, 3), *([bn()] if norm else []), layers.ReLU(), pool()]
    return [*body, layers.GlobalAveragePooling2D(), dense(units[0]), drop(0.25), dense(units[1]), drop(0.1)]


def fer3_cnn6(drop):
    """R4, network 1."""
    return six_convolutions(drop, (64, 128, 256), False, (128, 32))


def fer3_cnn6_bn(drop):
    """R4, network 2."""
    return six_convolutions(drop, (64, 128, 256), True, (128, 32))


def fer3_cnn6_tuned(drop):
    """R4, network 3."""
    return six_convolutions(drop, (32, 256, 256), True, (256, 64))


def fer8_cnn5(drop):
    """R2, with widths of our own."""
    body = []
    for filters in (16, 32, 64, 128, 256):
        body += [conv(filters, 3, "same", "relu"), pool()]
    return [*body, layers.Flatten(), dense(128)]


NETWORKS = [  # body, input, classes, batch, parameters that train, parameters that do not, rate of the calm run
    (fer4_cnn3, (48, 48, 1), 4, 8, 605_060, 0, 1e-4),
    (fer4_cnn4_bn, (48, 48, 1), 4, 8, 388_644, 960, 3e-6),
    (fer4_cnn5_bn, (48, 48, 1), 4, 8, 1_778_116, 4_224, 1e-6),
    (fer7_cnn3_bn, (48, 48, 1), 7, 8, 1_048_583, 576, 1e-4),
    (fer7_cnn4_bn, (48, 48, 1), 7, 8, 524_999, 1_984, 1e-4),
    (fer3_cnn6, (48, 48, 3), 3, 8, 1_182_531, 0, 1e-4),
    (fer3_cnn6_bn, (48, 48, 3), 3, 8, 1_183_427, 896, 1e-5),
    (fer3_cnn6_tuned, (48, 48, 3), 3, 8, 1_937_891, 1_088, 1e-5),
    (fer8_cnn5, (224, 224, 3), 8, 2, 1_999_400, 0, 1e-4),
]


def build(body, shape, classes, dropout):
    """The network as a Keras model; without `dropout` every rate is zero."""
    drop = lambda rate: layers.Dropout(rate if dropout else 0.0)
    return keras.Sequential([keras.Input(shape), *body(drop), layers.Dense(classes)])


def parameters(variables):
    """How many numbers these variables hold."""
    return sum(int(np.prod(v.shape)) for v in variables)


def initial(position, variable):
    """The starting value of the variable at `position` of `model.weights`, as float32."""
    count, shape = int(np.prod(variable.shape)), tuple(variable.shape)
    kind = variable.path.rsplit("/", 1)[-1]
    if kind in ("gamma", "moving_variance"):
        return np.ones(shape, np.float32)
    if kind in ("beta", "moving_mean"):
        return np.zeros(shape, np.float32)
    scale = 0.05
    if kind == "kernel":  # Glorot uniform: the fans count the whole window
        fans = int(np.prod(shape[:-2])) * (shape[-2] + shape[-1])
        scale = np.sqrt(6.0 / fans)
    return (np.float32(scale) * fill(100 + position, count)).reshape(shape)


def batch(step, n, shape, classes, dtype):
    """Images in [0, 1) and labels of one step."""
    full = (n, *shape)
    x = np.float32(0.5) * fill(1000 + step, int(np.prod(full))) + np.float32(0.5)
    labels = np.array([(7 * j + 3 * step) % classes for j in range(n)], np.int32)
    return keras.ops.convert_to_tensor(x.reshape(full).astype(dtype)), keras.ops.convert_to_tensor(labels)


def train(model, batches, rate):
    """Adam on each batch: the losses before each update, the inference loss after, step 0's logits and gradients."""
    loss_of = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    betas = {"beta_1": CONSTANTS["adam_beta1"], "beta_2": CONSTANTS["adam_beta2"]}
    optimizer = keras.optimizers.Adam(rate, epsilon=CONSTANTS["adam_epsilon"], **betas)
    losses, first = [], None
    for x, labels in batches:
        with tf.GradientTape() as tape:
            logits = model(x, training=True)
            loss = loss_of(labels, logits)
        gradients = tape.gradient(loss, [v.value for v in model.trainable_variables])
        first = first or (logits, gradients)
        optimizer.apply(gradients, model.trainable_variables)
        losses.append(float(loss))
    x, labels = batches[0]
    return losses, float(loss_of(labels, model(x, training=False))), *first


def run(row, dtype, rate, repeat):
    """Build and train one network in `dtype`, on the first batch only if `repeat`: the model and what `train` gives."""
    body, shape, classes, n, trainable, fixed, _ = row
    use_dtype(dtype)
    model = build(body, shape, classes, dropout=True)
    counts = parameters(model.trainable_weights), parameters(model.non_trainable_weights)
    assert counts == (trainable, fixed), f"{body.__name__}: {counts} parameters, not {(trainable, fixed)}"
    use_dtype(dtype)
    model = build(body, shape, classes, dropout=False)
    model.set_weights([initial(p, w) for p, w in enumerate(model.weights)])
    batches = [batch(0 if repeat else s, n, shape, classes, dtype) for s in range(STEPS)]
    return model, *train(model, batches, rate)


def both(row, rate, repeat):
    """Train in both precisions: the golden fields, and the float64 model with its logits and gradients of step 0."""
    rate = single(rate)
    _, losses32, inference32, _, _ = run(row, "float32", rate, repeat)
    model, losses64, inference64, logits, gradients = run(row, "float64", rate, repeat)
    drift = [abs(a - b) / b for a, b in zip(losses32, losses64)]
    print(
        f"{row[0].__name__}, {'calm' if repeat else 'reports'}: loss {losses64[0]:.4f} to {losses64[-1]:.4f}; "
        f"f32 against f64 at each step {' '.join(f'{d:.0e}' for d in drift)}, "
        f"in inference {abs(inference32 - inference64) / inference64:.0e}",
        file=sys.stderr,
    )
    fields = {
        "learning_rate": rate,
        "losses_f32": [rounded(v) for v in losses32],
        "losses_f64": [rounded(v, 12) for v in losses64],
        "inference_loss_f32": rounded(inference32),
        "inference_loss_f64": rounded(inference64, 12),
    }
    return fields, model, logits, gradients


def golden(row):
    """The entry of one network in the golden file."""
    body, shape, classes, n, trainable, fixed, calm_rate = row
    fields, model, logits, gradients = both(row, LEARNING_RATE, repeat=False)
    calm, *_ = both(row, calm_rate, repeat=True)
    norms = [[v.path, rounded(np.linalg.norm(g))] for v, g in zip(model.trainable_variables, gradients)]
    return {
        "name": body.__name__.replace("_", "-"),
        "input": list(shape),
        "classes": classes,
        "batch": n,
        "total": trainable + fixed,
        "trainable": trainable,
        "non_trainable": fixed,
        "constants": CONSTANTS,
        "weights": [[w.path, list(w.shape)] for w in model.weights],
        **fields,
        "calm": calm,
        "grad_norms": norms,
        "logits_step0": [[rounded(v) for v in row] for row in logits.numpy()],
    }


def goldens():
    """The entries of all nine networks."""
    return [golden(row) for row in NETWORKS]
