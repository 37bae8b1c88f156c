"""Every network of `fer-gpu models` but our own small one, in Keras: one training batch, two Adam steps, inference.

    python tools/keras_transfer.py [NETWORK ...]

Writes `tests/golden/transfer/NETWORK.json`; the README beside that folder says what is in it. Bodies are those of
`keras_bodies.py`, networks without one those of `keras_networks.py`. Everything is trained, nothing is dropped, and images are as small as leaves eight numbers or more
behind each mean of a body's batch norm. Weights, statistics and images come from `keras_common.fill`.

The starting statistics are scaled to what each batch norm meets in the training batch: otherwise a deep network's
activations vanish or explode in inference mode. In the deepest (`IN_INFERENCE`) they explode even so, because what each batch norm leaves
uneven adds up over a hundred layers; there they are scaled to what it meets in inference mode, one after the other.
"""

import gc
import json
import sys
import time

import keras_networks
from keras_bodies import FILE, NETWORKS, without_weights
from keras_common import fill, keras, np, rounded, single, tf, use_dtype
from keras_networks import CONSTANTS

layers = keras.layers

FOLDER = FILE.parent / "transfer"
LEARNING_RATE = single(1e-5)
SAMPLES = 8
UNIT, BYTES = (0.5, 0.5), (127.5, 127.5)
"""Images on [0, 1), and on [0, 255) for bodies that begin with a Rescaling: shift and scale."""


BRANCH_ENDS = ("_3_conv", "_3_bn", "project_bn")
"""The last layers with weights of the residual branches of the ResNets and the EfficientNets."""

IN_INFERENCE = ("fer7-efficientnetv2l", "fer8-efficientnetb5", "fer8-efficientnetb7")
"""Networks whose statistics are those of inference mode."""


def means(x, classes):
    """A channel's mean: R2's head, and R3's on EfficientNetV2-L."""
    return layers.Dense(classes)(layers.GlobalAveragePooling2D()(x))


def maxima(x, classes):
    """A channel's maximum: R3's head on ResNet50."""
    return layers.Dense(classes)(layers.GlobalMaxPooling2D()(x))


def r0_head(x, classes):
    """Three hidden layers, of which the last is normalized."""
    x = layers.Flatten()(x)
    for units in (256, 128, 64):
        x = layers.Dense(units, activation="relu")(x)
    x = layers.BatchNormalization(momentum=CONSTANTS["bn_momentum"], epsilon=CONSTANTS["bn_epsilon"])(x)
    x = layers.LeakyReLU(negative_slope=CONSTANTS["leaky_relu_slope"])(x)
    return layers.Dense(classes)(x)


def r4_head(x, classes):
    """Two hidden layers on a channel's mean."""
    x = layers.GlobalAveragePooling2D()(x)
    for units in (128, 32):
        x = layers.Dense(units, activation="relu")(x)
    return layers.Dense(classes)(x)


def scores(x, _classes):
    """No head: mini-XCEPTION's last feature maps are the classes' scores already."""
    return x


SCRATCH = {body.__name__.replace("_", "-"): (body, shape[2], classes) for body, shape, classes, *_ in keras_networks.NETWORKS}
"""Networks without a pretrained body: what builds them, channels of the input, classes."""

TABLE = {  # ours: whose body, head, side of the image, samples, classes, values of the image
    # More samples where a batch norm follows a dense layer: it sends two to 1 and -1, whatever they were.
    **{name: (name, None, 48, 2, classes, UNIT) for name, (_, _, classes) in SCRATCH.items()},
    **{name: (name, None, 48, 4, SCRATCH[name][2], UNIT) for name in ("fer4-cnn5-bn", "fer7-cnn3-bn", "fer7-cnn4-bn")},
    "fer8-cnn5": ("fer8-cnn5", None, 64, 2, 8, UNIT),
    "fer4-vgg16": ("fer8-vgg16", r0_head, 32, 4, 4, UNIT),
    "fer4-resnet101": ("fer4-resnet101", r0_head, 64, 4, 4, UNIT),
    "fer7-resnet50": ("fer7-resnet50", maxima, 64, 2, 7, UNIT),
    "fer7-efficientnetv2l": ("fer7-efficientnetv2l", means, 64, 2, 7, BYTES),
    "fer3-vgg16": ("fer8-vgg16", r4_head, 32, 2, 3, UNIT),
    "fer3-vggface": ("fer3-vggface", r4_head, 32, 2, 3, UNIT),
    "fer3-resnet50": ("fer7-resnet50", r4_head, 64, 2, 3, UNIT),
    "fer8-efficientnetb0": ("fer8-efficientnetb0", means, 64, 2, 8, BYTES),
    "fer8-efficientnetb3": ("fer8-efficientnetb3", means, 64, 2, 8, BYTES),
    "fer8-efficientnetb5": ("fer8-efficientnetb5", means, 64, 2, 8, BYTES),
    "fer8-efficientnetb7": ("fer8-efficientnetb7", means, 64, 2, 8, BYTES),
    "fer8-inceptionv3": ("fer8-inceptionv3", means, 107, 2, 8, UNIT),
    "fer8-inceptionresnetv2": ("fer8-inceptionresnetv2", means, 107, 2, 8, UNIT),
    "fer8-vgg16": ("fer8-vgg16", means, 32, 2, 8, UNIT),
    "fer8-vgg19": ("fer8-vgg19", means, 32, 2, 8, UNIT),
    "fer8-resnet50v2": ("fer8-resnet50v2", means, 64, 2, 8, UNIT),
    "fer8-resnet101v2": ("fer8-resnet101v2", means, 64, 2, 8, UNIT),
    "fer8-resnet152v2": ("fer8-resnet152v2", means, 64, 2, 8, UNIT),
    "mini-xception": ("mini-xception", scores, 48, 2, 7, UNIT),
}


def build(name, dtype):
    """The network, no rate of a dropout above zero."""
    body, head, side, _, classes, _ = TABLE[name]
    use_dtype(dtype)
    if name in SCRATCH:
        make, channels, _ = SCRATCH[name]
        return keras_networks.build(make, (side, side, channels), classes, dropout=False)
    make, channels, _ = NETWORKS[body]
    model = make((side, side, channels))
    for layer in model.layers:
        if isinstance(layer, layers.Dropout):
            layer.rate = 0.0
    return keras.Model(model.input, head(model.output, classes))


def named(model):
    """Layer and variable of everything that a weight file holds, in its order, but for Normalization's count."""
    found = [(layer, v) for layer in model.layers for v in layer.weights]
    return [(layer, v) for layer, v in found if v.name != "count"]


def spread(layer, variable):
    """Shift and scale of a variable's starting values. Residual branches end small, which keeps rounding errors small.

    The Inceptions (batch norm without gamma) have up to forty layers in a row without a residual: each ReLU behind a batch norm
    enlarges rounding errors, less so where most of its inputs are above zero, so their betas are around 1.
    """
    shape = tuple(variable.shape)
    branch = 0.2 if layer.name.endswith(BRANCH_ENDS) else 1.0
    if "kernel" in variable.name:
        depthwise = isinstance(layer, layers.DepthwiseConv2D) or variable.name == "depthwise_kernel"
        fan_in = int(np.prod(shape[:2] if depthwise else shape[:-1]))
        return 0.0, single(branch * np.sqrt((3.0 if isinstance(layer, layers.Dense) else 6.0) / fan_in))
    if isinstance(layer, layers.Normalization):
        return {"mean": (0.45, single(0.05)), "variance": (0.0625, single(0.02))}[variable.name]
    near_one, near_zero = (1.0, single(0.1)), (0.0, single(0.1))
    if variable.name == "beta" and not layer.scale:
        return 1.0, single(0.1)
    gamma = (single(branch), single(0.1 * branch))
    return {"gamma": gamma, "moving_variance": near_one, "bias": (0.0, single(0.05))}.get(variable.name, near_zero)


def start(model, spreads):
    """Sets every variable to shift + scale*fill, each operation rounded to float32; returns the values."""
    values = []
    for p, ((layer, variable), (shift, scale)) in enumerate(zip(named(model), spreads, strict=True)):
        shape = tuple(variable.shape)
        filled = fill(100 + p, int(np.prod(shape)))
        filled *= np.float32(scale)
        filled += np.float32(shift)
        variable.assign(filled.reshape(shape))
        values.append(filled)
        if isinstance(layer, layers.Normalization):
            layer.finalize_state()
    return values


def batch(name, dtype):
    """Images and labels."""
    body, _, side, n, classes, (shift, scale) = TABLE[name]
    channels = SCRATCH[name][1] if name in SCRATCH else NETWORKS[body][1]
    shape = (n, side, side, channels)
    x = np.float32(scale) * fill(1000, int(np.prod(shape))) + np.float32(shift)
    labels = np.array([7 * j % classes for j in range(n)], np.int32)
    return tf.constant(x.reshape(shape).astype(dtype)), tf.constant(labels)


def in_training(model, x, before):
    """The mean of the squares that each batch norm meets in training mode, by the path of its moving variance."""
    model(x, training=True)
    sizes = {}
    for p, (layer, variable) in enumerate(named(model)):
        if variable.name == "moving_variance":
            mean, variance = [
                (np.asarray(v) - layer.momentum * b) / (1 - layer.momentum)
                for v, b in ((layer.moving_mean, before[p - 1]), (variable, before[p]))
            ]
            sizes[variable.path] = np.mean(mean**2 + variance)
    return sizes


def statistics(size):
    """Shift and scale of a mean and of a variance where the mean of the squares is about `size`."""
    size = max(rounded(size, 2), 1e-6)
    return (0.0, single(0.1 * np.sqrt(size))), (single(size), single(0.1 * size))


def in_inference(model, x):
    """The same in inference mode, where each batch norm before has the statistics that it is to have."""
    sizes = {}
    place = {variable.path: p for p, (_, variable) in enumerate(named(model))}

    def scaled(layer, call):
        def run(inputs, *args, **kwargs):
            size = sizes[layer.moving_variance.path] = np.mean(np.square(inputs))
            for variable, (shift, scale) in zip((layer.moving_mean, layer.moving_variance), statistics(size)):
                variable.assign(shift + scale * fill(100 + place[variable.path], variable.shape[0]))
            return call(inputs, *args, **kwargs)

        return run

    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.call = scaled(layer, layer.call)
    model(x, training=False)
    return sizes


def calibrated(name):
    """Shift and scale of each variable: a batch norm's statistics as far from 0 as its input in the training batch."""
    model = build(name, "float32")
    each = [spread(*pair) for pair in named(model)]
    before = start(model, each)
    x = batch(name, "float32")[0]
    sizes = in_inference(model, x) if name in IN_INFERENCE else in_training(model, x, before)
    for p, (_, variable) in enumerate(named(model)):
        if variable.name == "moving_variance":
            each[p - 1], each[p] = statistics(sizes[variable.path])
    return each


def places(count):
    """Which elements of a flat tensor of that many are stored."""
    if count <= SAMPLES:
        return list(range(count))
    return [(k * 0x9E3779B1 + 0x85EBCA77) % 2**32 % count for k in range(SAMPLES)]


def flat(tensor):
    """A variable or tensor as one float64 vector."""
    return np.asarray(keras.ops.convert_to_numpy(tensor), np.float64).ravel()


def run(name, dtype, spreads):
    """Inference, two Adam steps on the same batch, inference: what the golden holds, in full precision."""
    model = build(name, dtype)
    values = start(model, spreads)
    x, labels = batch(name, dtype)
    loss_of = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    optimizer = keras.optimizers.Adam(LEARNING_RATE, beta_1=single(0.9), beta_2=single(0.999), epsilon=single(1e-7))

    def inference():
        logits = model(x, training=False)
        return {"loss": float(loss_of(labels, logits)), "logits": logits.numpy()}

    out = {"inference": inference(), "train": [], "gradients": {}}
    for step in range(2):
        with tf.GradientTape() as tape:
            logits = model(x, training=True)
            loss = loss_of(labels, logits)
        gradients = tape.gradient(loss, [v.value for v in model.trainable_variables])
        if step == 0:
            out["gradients"] = {v.path: flat(g) for v, g in zip(model.trainable_variables, gradients)}
        optimizer.apply(gradients, model.trainable_variables)
        out["train"].append(float(loss))
        del tape, gradients
    out["after"] = inference()
    out["variables"] = []
    for (layer, v), before in zip(named(model), values, strict=True):
        at = places(before.size)
        moved = flat(v)[at] - before[at]
        gradient = out["gradients"].pop(v.path, None)
        out["variables"].append((f"{layer.name}/{v.name}", list(v.shape), gradient, moved / LEARNING_RATE))
    assert not out["gradients"], f"{name}: {list(out['gradients'])} belong to no layer"
    return out


def losses_of(one):
    """The four losses of a run."""
    return [one["inference"]["loss"], *one["train"], one["after"]["loss"]]


def drift(single_run, double_run):
    """How far Keras's own float32 is from its float64: losses, logits, gradients (of those that rounding does not make)."""
    passes = [[r["inference"], r["after"]] for r in (single_run, double_run)]
    apart = lambda a, b: float(np.linalg.norm(a - b) / np.linalg.norm(b))
    gradients = [
        (apart(a[2], b[2]), b[0])
        for a, b in zip(single_run["variables"], double_run["variables"], strict=True)
        if b[2] is not None and np.linalg.norm(b[2]) > 1e-11
    ]
    worst, where = max(gradients)
    steps = " ".join(f"{v:.4f}" for v in losses_of(double_run))
    print(f"losses {steps}; gradient of {where} {worst:.1e}", file=sys.stderr)
    return {
        "losses": rounded(max(abs(a - b) / b for a, b in zip(losses_of(single_run), losses_of(double_run))), 2),
        "logits": rounded(max(apart(a["logits"], b["logits"]) for a, b in zip(*passes)), 2),
        "gradients": rounded(worst, 2),
    }


def stored(one_pass):
    """Loss and logits as they are written."""
    return {"loss": rounded(one_pass["loss"]), "logits": [rounded(v) for v in one_pass["logits"].ravel()]}


def variable(entry, shift, scale):
    """A variable's line: name, shape, shift, scale; its gradient's norm and entries over their quadratic mean; its moves."""
    name, shape, gradient, moved = entry
    line = [name, shape, rounded(shift), rounded(scale)]
    if gradient is not None:
        norm = np.linalg.norm(gradient)
        mean = max(norm, 1e-30) / np.sqrt(gradient.size)
        line += [rounded(norm, 7), [rounded(g / mean, 6) for g in gradient[places(gradient.size)]]]
    else:
        line += [None, []]
    return [*line, [rounded(m, 6) for m in moved]]


def write(name):
    """One network's file."""
    begin = time.time()
    _, _, side, n, classes, image = TABLE[name]
    spreads = calibrated(name)
    runs = [run(name, dtype, spreads) for dtype in ("float32", "float64")]
    differences, double = drift(*runs), runs[1]
    golden = {
        "recipe": "tools/keras_transfer.py",
        "versions": {"keras": keras.__version__, "tensorflow": tf.__version__},
        "name": name,
        "side": side,
        "batch": n,
        "classes": classes,
        "image": image,
        "learning_rate": LEARNING_RATE,
        "inference": stored(double["inference"]),
        "train": [rounded(t) for t in double["train"]],
        "after": stored(double["after"]),
        "float32": differences,
    }
    lines = [json.dumps(variable(e, *s), separators=(",", ":")) for e, s in zip(double["variables"], spreads)]
    head = json.dumps(golden, indent=1).removesuffix("\n}")
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / f"{name}.json").write_text(head + ',\n "variables": [\n' + ",\n".join(lines) + "\n ]\n}\n")
    print(f"{name}: {len(lines)} variables, {differences}, {time.time() - begin:.0f} s", file=sys.stderr, flush=True)
    del runs, double
    gc.collect()


def main():
    """Write the files of the networks named, or of all."""
    without_weights()
    for name in sys.argv[1:] or TABLE:
        write(name)


if __name__ == "__main__":
    main()
