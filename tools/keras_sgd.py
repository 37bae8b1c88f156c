"""SGD in Keras: ten steps of single tensors. `tools/keras_golden.py sgd` writes the results."""

from keras_common import Case, keras, single

STEPS = 10


def sgd():
    """Ten steps of SGD: the parameter, and with a momentum its velocity, after each."""
    rows = [  # name, count, scale of each second gradient, lr, momentum, nesterov, what else the optimizer is told
        ("plain", 40, 1.0, 0.01, 0.0, False, {}),
        ("momentum", 40, 1.0, 0.01, 0.9, False, {}),
        ("nesterov", 33, 1.0, 0.01, 0.9, True, {}),
        ("nesterov without a momentum", 7, 1.0, 0.05, 0.0, True, {}),
        ("gradients of two sizes", 17, 100.0, 0.003, 0.5, True, {}),
        ("weight decay", 21, 0.1, 0.1, 0.8, False, {"weight_decay": 0.3}),
        ("plain with weight decay", 9, 0.1, 0.1, 0.0, False, {"weight_decay": 0.3}),
        ("clipped by the norm of all", 37, 3.0, 0.02, 0.9, False, {"global_clipnorm": 0.5}),
        ("clipped by value", 19, 3.0, 0.02, 0.9, True, {"clipvalue": 0.25}),
    ]
    for number, (name, count, scale, lr, momentum, nesterov, more) in enumerate(rows):
        lr, momentum = single(lr), single(momentum)  # Keras on TensorFlow takes both from float32
        case = Case(9700 + 20 * number, name, lr=lr, momentum=momentum, nesterov=nesterov, **more)
        p = keras.Variable(case.input("p", (count,)), dtype="float64")
        gradients = [case.input(f"g{k}", (count,), 1.0 if k % 2 else scale) for k in range(1, STEPS + 1)]
        optimizer = keras.optimizers.SGD(lr, momentum=momentum, nesterov=nesterov, **more)
        for k, gradient in enumerate(gradients, 1):
            optimizer.apply([gradient], [p])
            case.output(**{f"p{k}": p})
            if momentum:
                case.output(**{f"momentum{k}": optimizer.momentums[0]})
        yield case


OPS = [sgd]
