"""What the golden scripts share: a quiet, repeatable Keras on the CPU, and the formula of all inputs and weights."""

import os

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
REPEATABLE = os.environ.get("FER_GPU_KERAS_FAST") != "1"
"""One thread and plain kernels, for the same digits everywhere; timings want all of the machine instead."""
if REPEATABLE:
    os.environ["TF_ENABLE_ONEDNN_OPTS"] = "0"

import keras
import numpy as np
import tensorflow as tf

if REPEATABLE:
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)

DIGITS = 9
"""Significant digits of a stored value: enough to tell every float32 from its neighbours."""


def fill(seed, count):
    """The first `count` numbers of stream `seed`: float32 in [-1, 1), by wrapping u32 arithmetic, exact everywhere."""
    with np.errstate(over="ignore"):
        h = np.arange(count, dtype=np.uint32) * np.uint32(0x9E3779B1)
        h += np.uint32((seed * 0x85EBCA77) & 0xFFFFFFFF)
        h ^= h >> np.uint32(15)
        h *= np.uint32(0x2C1B3C6D)
        h ^= h >> np.uint32(12)
        h *= np.uint32(0x297A2D39)
        h ^= h >> np.uint32(15)
    return (h >> np.uint32(8)).astype(np.float32) / np.float32(2**23) - np.float32(1)


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
