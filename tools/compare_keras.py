#!/usr/bin/env python3
"""Training steps of one network in Keras and in fer-gpu, in turns, and their ratio.

    python tools/compare_keras.py [NETWORK [BATCH [ROUNDS]]]      (fer7-cnn3-bn 100 3)

Needs tools/requirements.txt and a built `cargo build --release`. Both train on the same kind of random batch, dropout on;
a round is 10 steps of each after a warm-up, and a step's time is the median. The ratio is fer-gpu over Keras, round by round. Keras runs on
TensorFlow unless KERAS_BACKEND says jax or torch, on what device that takes by itself.
"""

import json
import os
import pathlib
import subprocess
import sys
import time

os.environ["FER_GPU_KERAS_FAST"] = "1"

import keras_networks as networks
from keras_common import keras, np

PROGRAM = pathlib.Path(__file__).parent.parent / "target" / "release" / "fer-gpu"
STEPS = 10


def keras_step(name, n):
    """A function that trains one Keras step, warmed up."""
    row = next((r for r in networks.NETWORKS if r[0].__name__.replace("_", "-") == name), None)
    if row is None:
        sys.exit(f"unknown network {name}")
    body, shape, classes = row[:3]
    model = networks.build(body, shape, classes, dropout=True)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.001), loss, metrics=["accuracy"])
    x, labels = networks.batch(0, n, shape, classes, "float32")
    step = lambda: model.train_on_batch(x, labels)
    for _ in range(3):
        step()
    return step


def milliseconds(step):
    """The median time of a step."""
    times = []
    for _ in range(STEPS):
        start = time.perf_counter()
        step()
        times.append((time.perf_counter() - start) * 1e3)
    return float(np.median(times))


def fer_gpu(name, n):
    """fer-gpu's median time of a step, and its adapter."""
    command = [PROGRAM, "bench", "--model", name, "--batch", str(n), "--steps", str(STEPS), "--json"]
    report = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return report["ms_per_step"]["median"], report["adapter"]


def main():
    """Runs the rounds and prints a line for each."""
    name = sys.argv[1] if len(sys.argv) > 1 else "fer7-cnn3-bn"
    n = int(sys.argv[2]) if len(sys.argv) > 2 else 100
    rounds = int(sys.argv[3]) if len(sys.argv) > 3 else 3
    step = keras_step(name, n)
    ratios = []
    for i in range(rounds):
        ours, adapter = fer_gpu(name, n)
        theirs = milliseconds(step)
        ratios.append(ours / theirs)
        print(f"round {i + 1}: fer-gpu {ours:.1f} ms, Keras {theirs:.1f} ms, ratio {ratios[-1]:.2f}", flush=True)
    print(f"{name}, batch {n}: median ratio {np.median(ratios):.2f} on {adapter}")


if __name__ == "__main__":
    main()
