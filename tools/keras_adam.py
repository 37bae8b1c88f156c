"""Adam in Keras: three steps of single tensors, and twenty updates of small networks of relus.

`tools/keras_golden.py adam` and `adam_networks` write the results. All numbers are those that users write: of the betas, Keras
takes `1 - beta` in float64, and their powers from float32.
"""

import sys

from keras_common import Case, keras, np, single, tf


def adam():
    """Three steps of Adam: the parameter and its two moments after each."""
    rows = [  # name, count, scales of the three gradients, lr, beta1, beta2, epsilon, what else the optimizer is told
        ("defaults", 40, (1.0, 1.0, 1.0), 0.001, 0.9, 0.999, 1e-7, {}),
        ("a tiny gradient first", 40, (1e-6, 1.0, 1e-6), 0.001, 0.9, 0.999, 1e-7, {}),
        ("gradients near epsilon", 33, (1e-6, 1e-7, 1e-8), 0.003, 0.9, 0.999, 1e-7, {}),
        ("zero gradients", 7, (0.0, 0.0, 0.0), 0.001, 0.9, 0.999, 1e-7, {}),
        ("other betas", 17, (1.0, 0.01, 100.0), 0.01, 0.8, 0.99, 1e-3, {}),
        ("weight decay", 21, (1.0, 0.1, 1.0), 0.01, 0.9, 0.999, 1e-7, {"weight_decay": 0.3}),
        ("clipped by the norm of all", 37, (1.0, 0.01, 3.0), 0.01, 0.9, 0.999, 1e-7, {"global_clipnorm": 0.5}),
        ("clipped by value", 19, (1.0, 0.01, 3.0), 0.01, 0.9, 0.999, 1e-7, {"clipvalue": 0.25}),
        ("decay and clipping", 11, (5.0, 2.0, 0.1), 0.01, 0.9, 0.999, 1e-7, {"weight_decay": 0.5, "global_clipnorm": 1.0}),
    ]
    for number, (name, count, scales, lr, beta1, beta2, epsilon, more) in enumerate(rows):
        case = Case(9000 + 10 * number, name, lr=lr, beta1=beta1, beta2=beta2, epsilon=epsilon, **more)
        p = keras.Variable(case.input("p", (count,)), dtype="float64")
        gradients = [case.input(f"g{k}", (count,), scale) for k, scale in enumerate(scales, 1)]
        optimizer = keras.optimizers.Adam(lr, beta_1=beta1, beta_2=beta2, epsilon=epsilon, **more)
        for k, gradient in enumerate(gradients, 1):
            optimizer.apply([gradient], [p])
            m, v = optimizer._momentums[0], optimizer._velocities[0]
            case.output(**{f"p{k}": p, f"m{k}": m, f"v{k}": v})
        yield case


UPDATES = 20
BATCH = 6
CLASSES = 3


def trained(case_inputs, images, optimizer):
    """The parameters of the small network after `UPDATES` updates, each on a batch of its own."""
    layers = keras.layers
    model = keras.Sequential([
        keras.Input((8, 8, 1)),
        layers.Conv2D(4, 3, padding="same", activation="relu"),
        layers.MaxPooling2D(),
        layers.Flatten(),
        layers.Dense(12, activation="relu"),
        layers.Dense(CLASSES),
    ])
    model.set_weights([w.numpy() for w in case_inputs])
    loss_of = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    for step in range(UPDATES):
        labels = tf.constant([(7 * j + 3 * step) % CLASSES for j in range(BATCH)])
        with tf.GradientTape() as tape:
            loss = loss_of(labels, model(images[step], training=True))
        optimizer.apply(tape.gradient(loss, [v.value for v in model.trainable_variables]), model.trainable_variables)
    return [w.numpy() for w in model.weights]


def adam_networks():
    """Twenty updates of a network of relus and max pooling: kinks amplify what is wrong in the size of a step."""
    shapes = [(3, 3, 1, 4), (4,), (64, 12), (12,), (12, CLASSES), (CLASSES,)]
    rows = [  # name, learning rate, what else the optimizer is told
        ("Adam", 0.03, {}),
        ("AdamW, clipped", 0.03, {"weight_decay": 0.1, "global_clipnorm": 0.7}),
    ]
    for number, (name, lr, more) in enumerate(rows):
        case = Case(9500 + 50 * number, name, lr=lr, beta1=0.9, beta2=0.999, epsilon=1e-7, **more)
        start = [case.input(f"w{k}", shape, 0.3) for k, shape in enumerate(shapes)]
        images = [case.input(f"x{step}", (BATCH, 8, 8, 1), 0.5, 0.5) for step in range(UPDATES)]
        ours = trained(start, images, keras.optimizers.Adam(lr, **more))
        narrow = keras.optimizers.Adam(lr, beta_1=single(0.9), beta_2=single(0.999), **more)
        worst = max(np.abs(a - b).max() for a, b in zip(ours, trained(start, images, narrow)))
        print(f"{name}: with the betas of float32, parameters differ by up to {worst:.1e}", file=sys.stderr)
        case.output(**{f"w{k}": w for k, w in enumerate(ours)})
        yield case


OPS = [adam, adam_networks]
