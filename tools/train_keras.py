#!/usr/bin/env python3
"""Trains a network in Keras on FER2013 by its report's recipe: Adam, no augmentation, x / 255.

    python tools/train_keras.py fer2013.csv.gz [--model fer7-cnn3-bn] [--batch 100] [--lr 0.001] [--epochs 30] [--seed 0] [--json OUT]

Usage Training, PublicTest and PrivateTest are training, validation and test. It prints a line an epoch, then the accuracy on test after
the last epoch and after that of the best validation accuracy. Needs Keras and any of its backends (KERAS_BACKEND, by default TensorFlow).
"""

import argparse
import gzip
import json
import os
import pathlib
import time

os.environ["FER_GPU_KERAS_FAST"] = "1"

import keras_networks as networks
from keras_common import keras, np


def load(path):
    """Images [n, 48, 48, 1] in 0 to 1 and labels of each Usage."""
    splits = {"Training": ([], []), "PublicTest": ([], []), "PrivateTest": ([], [])}
    opened = gzip.open(path, "rt") if path.suffix == ".gz" else path.open()
    with opened as lines:
        next(lines)
        for line in lines:
            label, pixels, usage = line.rstrip().split(",")
            images, labels = splits[usage]
            images.append(np.array(pixels.split(), np.uint8))
            labels.append(int(label))
    picture = lambda images: np.stack(images).reshape(-1, 48, 48, 1).astype(np.float32) / 255
    return [(picture(images), np.array(labels, np.int32)) for images, labels in splits.values()]


class Course(keras.callbacks.Callback):
    """Prints epochs, times them, and keeps the weights of the best."""

    def __init__(self):
        super().__init__()
        self.best, self.weights, self.seconds = 0.0, None, []

    def on_epoch_begin(self, epoch, logs=None):
        self.start = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        self.seconds.append(time.perf_counter() - self.start)
        figures = "  ".join(f"{name} {value:.4f}" for name, value in logs.items())
        print(f"epoch {epoch + 1}: {figures}  {self.seconds[-1]:.1f} s", flush=True)
        if logs["val_accuracy"] > self.best:
            self.best, self.weights = logs["val_accuracy"], self.model.get_weights()


def main():
    """Trains, scores, and writes what it printed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=pathlib.Path)
    parser.add_argument("--model", default="fer7-cnn3-bn")
    parser.add_argument("--batch", type=int, default=100)
    parser.add_argument("--lr", type=float, default=0.001)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=pathlib.Path)
    args = parser.parse_args()
    train, validation, test = load(args.data)
    keras.utils.set_random_seed(args.seed)
    body = next(row[0] for row in networks.NETWORKS if row[0].__name__.replace("_", "-") == args.model)
    model = networks.build(body, (48, 48, 1), 7, dropout=True)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(args.lr), loss, metrics=["accuracy"])
    course = Course()
    settings = {"batch_size": args.batch, "epochs": args.epochs, "validation_data": validation, "verbose": 0}
    history = model.fit(*train, callbacks=[course], **settings).history
    last = model.evaluate(*test, batch_size=args.batch, verbose=0)[1]
    model.set_weights(course.weights)
    best = model.evaluate(*test, batch_size=args.batch, verbose=0)[1]
    print(f"{args.model}, seed {args.seed}, Keras {keras.__version__} on {keras.backend.backend()}: test accuracy {last:.4f} after the last "
          f"epoch, {best:.4f} at the best validation accuracy of {course.best:.4f}; median epoch {np.median(course.seconds):.2f} s")
    if args.json:
        report = {"history": history, "seconds": course.seconds, "test_last": last, "test_best": best}
        args.json.write_text(json.dumps(report))


if __name__ == "__main__":
    main()
