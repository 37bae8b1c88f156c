#!/usr/bin/env python3
"""A training step's time on GPUs that nobody has measured it on: an estimate from a profile's FLOPs and bytes.

    fer-gpu bench --model fer7-cnn3-bn --batch 100 --steps 1 --profile-json profile.json
    python tools/roofline.py profile.json

Each dispatch takes as long as its arithmetic or its memory traffic, whichever is longer, and a launch. The shares of the peaks are
not these kernels' own: 4 x 4 outputs an invocation, in WGSL, have been reported between 8 % (M1 Max) and 35 % (M1) of the f32 peak,
13 % on an Arc B580; element-wise kernels reach 70 % of the bandwidth and more.
"""

import json
import pathlib
import sys

GPUS = {  # f32 TFLOP/s and GB/s, by their makers
    "GeForce RTX 3060": (12.7, 360),
    "Radeon RX 6800 XT": (20.7, 512),
    "Apple M1": (2.6, 68),
}
SLOW, FAST = 0.08, 0.35  # of the arithmetic peak
MEMORY = 0.7  # of the bandwidth
LAUNCH = 5e-6  # seconds


def step(dispatches, tflops, gbytes, share):
    """Seconds of a step whose arithmetic reaches `share` of the peak."""
    arithmetic, memory = tflops * 1e12 * share, gbytes * 1e9 * MEMORY
    return sum(max(d["flops"] / arithmetic, d["bytes"] / memory) + LAUNCH for d in dispatches)


def main():
    """Print a table."""
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    profile = json.loads(pathlib.Path(sys.argv[1]).read_text())
    dispatches, batch = profile["dispatches"], profile["batch"]
    flops, moved = (sum(d[key] for d in dispatches) / 1e9 for key in ("flops", "bytes"))
    print(f"{profile['network']}, batch {batch}: {flops:.2f} GFLOP, {moved:.2f} GB, {len(dispatches)} dispatches a step")
    print("| GPU | estimated step | images/s |\n|---|---|---|")
    for name, (tflops, gbytes) in GPUS.items():
        best, worst = (step(dispatches, tflops, gbytes, share) for share in (FAST, SLOW))
        print(f"| {name} | {best * 1e3:.1f} to {worst * 1e3:.1f} ms | {batch / worst:,.0f} to {batch / best:,.0f} |")


if __name__ == "__main__":
    main()
