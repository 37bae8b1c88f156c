"""Learning rates of Keras's schedules: tests/golden/schedules.json.

    python tools/keras_schedules.py        (keras 3.15.1, tensorflow 2.21)
"""

import json
import pathlib

from keras.optimizers import schedules as keras

STEPS = [0, 1, 3, 9, 10, 11, 20, 37, 50, 75, 99, 100, 101, 250]
LR = 0.01

COURSES = [
    ({"kind": "cosine", "decay-steps": 100}, keras.CosineDecay(LR, 100)),
    ({"kind": "cosine", "decay-steps": 60, "alpha": 0.1}, keras.CosineDecay(LR, 60, alpha=0.1)),
    (
        {"kind": "cosine", "decay-steps": 50, "warmup-steps": 10},
        keras.CosineDecay(0.0, 50, warmup_target=LR, warmup_steps=10),
    ),
    (
        {"kind": "cosine", "decay-steps": 80, "warmup-steps": 20, "warmup-from": 0.001, "alpha": 0.05},
        keras.CosineDecay(0.001, 80, alpha=0.05, warmup_target=LR, warmup_steps=20),
    ),
    (
        {"kind": "exponential", "decay-steps": 10, "decay-rate": 0.9},
        keras.ExponentialDecay(LR, decay_steps=10, decay_rate=0.9),
    ),
    (
        {"kind": "exponential", "decay-steps": 20, "decay-rate": 0.5, "staircase": True},
        keras.ExponentialDecay(LR, decay_steps=20, decay_rate=0.5, staircase=True),
    ),
    (
        {"kind": "step", "boundaries": [10, 50], "values": [LR, 0.004, 0.0005]},
        keras.PiecewiseConstantDecay([10, 50], [LR, 0.004, 0.0005]),
    ),
]


def main():
    rows = [
        {"schedule": settings, "lr": LR, "rates": [[step, float(f"{float(schedule(step)):.9g}")] for step in STEPS]}
        for settings, schedule in COURSES
    ]
    path = pathlib.Path(__file__).parent.parent / "tests/golden/schedules.json"
    path.write_text("[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]\n")


if __name__ == "__main__":
    main()
