#!/usr/bin/env python3
"""Winograd's matrices and what they round: prints A, B and G of shaders/common/winograd.wgsl, made from their points in fractions, and the
errors in f32 of a convolution and of its weight gradient, over 64 channels, as root mean squares relative to the result's.

    python tools/winograd.py        # needs numpy
"""

from fractions import Fraction
from math import gcd, lcm

import numpy as np

HALF = Fraction(1, 2)
# (outputs of a tile's side, window): the points at which polynomials are multiplied; infinity comes last.
POINTS = {
    (6, 3): [0, 1, -1, 2, -2, HALF, -HALF],
    (4, 3): [0, 1, -1, HALF, -2],
    (4, 2): [0, 1, -HALF, -2],
}


def multiplied(a, b):
    c = [Fraction(0)] * (len(a) + len(b) - 1)
    for i, x in enumerate(a):
        for j, y in enumerate(b):
            c[i + j] += x * y
    return c


def matrices(side, window, points):
    """A [points, side], B [points, points], G [points, window], rows at points: Y = A^T [(G g G^T) * (B d B^T)] A (Toom and Cook)."""
    points = [Fraction(p) for p in points]
    rows = {"A": side, "G": window}
    a, g = ([[p**j for j in range(n)] for p in points] + [[Fraction(int(j == n - 1)) for j in range(n)]] for n in rows.values())
    b = []
    for i, p in enumerate(points):
        row, slope = [Fraction(1)], Fraction(1)
        for j, q in enumerate(points):
            if j != i:
                row, slope = multiplied(row, [-q, Fraction(1)]), slope * (p - q)
        b.append(row + [Fraction(0)])
        g[i] = [x / slope for x in g[i]]
    row = [Fraction(1)]
    for q in points:
        row = multiplied(row, [-q, Fraction(1)])
    b.append(row)
    for i, row in enumerate(b):
        denominator = lcm(*(x.denominator for x in row))
        scale = Fraction(denominator, gcd(*(int(x * denominator) for x in row)))
        b[i], g[i] = [x * scale for x in row], [x / scale for x in g[i]]
    return a, b, g


def errors(side, window, points, channels=64, tiles=200):
    """Relative root mean square errors: forward and weight gradient, each of the algorithm and of the sums as they are defined."""
    f32 = np.float32
    a, b, g = (np.array([[float(x) for x in row] for row in m], dtype=f32) for m in matrices(side, window, points))
    random = np.random.default_rng(0)
    n = side + window - 1
    x = np.maximum(random.standard_normal((tiles, channels, n, n)), 0).astype(f32)
    w = random.uniform(-1, 1, (channels, window, window)).astype(f32)
    dy = random.standard_normal((tiles, side, side)).astype(f32)

    def both(m, v):
        v = np.einsum("ij,...jk->...ik", m, v, dtype=f32)
        return np.einsum("ij,...kj->...ki", m, v, dtype=f32)

    def summed(terms):
        total = np.zeros_like(terms[0])
        for term in terms:
            total = total + term
        return total

    taps = [(i, j) for i in range(window) for j in range(window)]
    under = {t: x[:, :, t[0] : t[0] + side, t[1] : t[1] + side] for t in taps}
    v = both(b, x)
    z = both(a, dy)
    y = both(a.T, summed([v[:, c] * both(g, w[c]) for c in range(channels)]))
    dw = both(g.T, summed([v[t] * z[t] for t in range(tiles)]))

    direct_y = summed([under[i, j][:, c] * w[c, i, j] for c in range(channels) for i, j in taps])
    pixels = [(t, i, j) for t in range(tiles) for i in range(side) for j in range(side)]
    direct_dw = np.stack([summed([under[tap][t, :, i, j] * dy[t, i, j] for t, i, j in pixels]) for tap in taps], 1)
    true_y = sum(np.einsum("tchw,c->thw", under[i, j].astype(float), w[:, i, j].astype(float)) for i, j in taps)
    true_dw = np.stack([np.einsum("tchw,thw->c", under[tap].astype(float), dy.astype(float)) for tap in taps], 1)

    def error(got, true):
        return float(np.sqrt(((got.reshape(true.shape) - true) ** 2).mean() / (true**2).mean()))

    return error(y, true_y), error(direct_y, true_y), error(dw, true_dw), error(direct_dw, true_dw)


def main():
    for (side, window), points in POINTS.items():
        for name, matrix in zip("abg", matrices(side, window, points)):
            print(f"F({side}x{side}, {window}x{window}) {name} = [{', '.join('[' + ', '.join(map(str, row)) + ']' for row in matrix)}]")
    print("\n| | forward | direct | weight gradient | direct |\n|---|---|---|---|---|")
    for (side, window), points in POINTS.items():
        print(f"| F({side}x{side}, {window}x{window}) | " + " | ".join(f"{e:.1e}" for e in errors(side, window, points)) + " |")


if __name__ == "__main__":
    main()
