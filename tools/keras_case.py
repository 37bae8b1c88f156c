"""One case of a golden file."""

from keras_common import fill, keras, np, rounded, tf


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
        """Run `layer` on x with these weights, pull a random cotangent back; returns its parameters' gradients."""
        layer.build(x.shape)
        layer.set_weights([w.numpy() for w in weights])
        variables = [v.value for v in layer.trainable_variables]
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x) if training is None else layer(x, training=training)
        dy = self.input("dy", y.shape)
        dx, *rest = tape.gradient(y, [x, *variables], output_gradients=dy)
        self.output(y=y, dx=dx)
        return rest

    def document(self):
        """The case as it is written."""
        return {"name": self.name, "config": self.config, "inputs": self.inputs, "outputs": self.outputs}
