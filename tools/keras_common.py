"""What the golden scripts share: a quiet, repeatable Keras on the CPU, the formula of all inputs and weights, and a case."""

import os

REPEATABLE = os.environ.get("FER_GPU_KERAS_FAST") != "1"
"""TensorFlow on one CPU thread with plain kernels, for the same digits everywhere; timings want all of the machine instead, and
take any of Keras's backends."""
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
if REPEATABLE:
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    os.environ["TF_ENABLE_ONEDNN_OPTS"] = "0"

import keras
import numpy as np
from formula import fill

tf = None
if REPEATABLE:
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)

DIGITS = 9
"""Significant digits of a stored value: enough to tell every float32 from its neighbours."""


def single(value):
    """`value` rounded to float32: for constants that Keras or TensorFlow narrow even in a float64 run."""
    return float(np.float32(value))


def rounded(value, digits=DIGITS):
    """`value` with that many significant digits."""
    return float(f"{float(value):.{digits}g}")


def use_dtype(dtype):
    """Start a fresh Keras session in which everything defaults to `dtype`."""
    keras.utils.clear_session()
    keras.config.set_floatx(dtype)
    keras.config.set_dtype_policy(dtype)


def rebuild(spec):
    """The float32 tensor that an input's spec describes: shift + scale*fill, each operation rounded to float32."""
    values = fill(spec["seed"], int(np.prod(spec["shape"])))
    values = np.float32(spec["shift"]) + np.float32(spec["scale"]) * values
    if "quantize" in spec:
        q = np.float32(spec["quantize"])
        values = np.floor(values * q) / q
    return values.reshape(spec["shape"])


class Case:
    """One case of a golden file: named inputs by formula, named outputs by Keras."""

    def __init__(self, seed, name, **config):
        """`seed` is the stream of the case's first input; the following inputs take the following streams."""
        self.seed, self.name, self.config = seed, name, config
        self.inputs, self.outputs = {}, {}

    def input(self, name, shape, scale=1.0, shift=0.0, quantize=None):
        """Declare an input and return it as a float64 tensor of float32 values."""
        spec = {"shape": list(shape), "seed": self.seed, "scale": scale, "shift": shift}
        if quantize is not None:
            spec["quantize"] = quantize
        self.seed += 1
        self.inputs[name] = spec
        return tf.constant(rebuild(spec).astype(np.float64))

    def output(self, **tensors):
        """Store results, rounded to nine significant digits."""
        for name, tensor in tensors.items():
            array = np.asarray(keras.ops.convert_to_numpy(tensor), dtype=np.float64)
            assert np.isfinite(array).all(), f"{self.name}: {name} is not finite"
            self.outputs[name] = {"shape": list(array.shape), "values": [rounded(v) for v in array.ravel()]}

    def through(self, layer, x, weights=(), training=None):
        """Run `layer` on x with these weights, pull a random cotangent back; returns its parameters' gradients.

        For a layer that joins several tensors x is their list, and its gradients are dx0, dx1 ...
        """
        joined = x if isinstance(x, list) else [x]
        layer.build([tuple(v.shape) for v in x] if isinstance(x, list) else x.shape)
        layer.set_weights([w.numpy() for w in weights])
        variables = [v.value for v in layer.trainable_variables]
        with tf.GradientTape() as tape:
            tape.watch(joined)
            y = layer(x) if training is None else layer(x, training=training)
        dy = self.input("dy", y.shape)
        gradients = tape.gradient(y, [*joined, *variables], output_gradients=dy)
        names = [f"dx{i}" for i in range(len(joined))] if isinstance(x, list) else ["dx"]
        self.output(y=y, **dict(zip(names, gradients)))
        return gradients[len(joined):]

    def document(self):
        """The case as it is written."""
        return {"name": self.name, "config": self.config, "inputs": self.inputs, "outputs": self.outputs}
