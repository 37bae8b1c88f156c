"""The formula of all inputs and weights of the golden files; `tests/golden/README.md` has it in words."""

import numpy as np


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
