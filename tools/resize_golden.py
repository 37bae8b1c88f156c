"""Write `tests/golden/resize.json`: images of random pixels as PIL, OpenCV and TensorFlow resize them, and make them grey.

Usage, from the root of the repository, with tensorflow-cpu, Pillow and opencv-python-headless installed:

    python tools/resize_golden.py [FILE]

The pixels are not stored: `pixels` makes them, as `src/data/resize/tests.rs` does. Results are base64: bytes of PIL and OpenCV, little
endian float32 of TensorFlow.
"""

import base64
import json
import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["CUDA_VISIBLE_DEVICES"] = "-1"

import cv2
import numpy as np
import PIL
import tensorflow as tf
from PIL import Image

SIZES = [  # height and width before and after: smaller, larger, both; whole factors; one side as it is; a single pixel
    ((13, 17), (7, 5)),
    ((5, 7), (8, 11)),
    ((24, 32), (6, 8)),
    ((12, 18), (6, 9)),
    ((9, 10), (9, 4)),
    ((6, 11), (3, 11)),
    ((40, 3), (4, 9)),
    ((1, 1), (3, 2)),
    ((211, 307), (9, 7)),
    ((48, 48), (6, 5)),
    ((30, 20), (5, 14)),
]
COLOURED = [0, 1, 2, 7, 8, 10]


def pixels(height, width, channels):
    """Bytes by a hash of their position."""
    x = np.arange(height * width * channels, dtype=np.uint64) * 2654435761 + 97 * height + width
    x &= 0xFFFFFFFF
    x ^= x >> 15
    x = (x * 2246822519) & 0xFFFFFFFF
    x ^= x >> 13
    return (x >> 24).astype(np.uint8).reshape(height, width, channels)


def pil(name):
    """`PIL.Image.resize`."""
    filter = Image.Resampling[name.upper()]

    def run(image, height, width):
        squeezed = image[:, :, 0] if image.shape[2] == 1 else image
        return np.asarray(Image.fromarray(squeezed).resize((width, height), filter))

    return run


def opencv(flag):
    """`cv2.resize`."""
    return lambda image, height, width: cv2.resize(image, (width, height), interpolation=flag)


def tensorflow(method, antialias=False):
    """`tf.image.resize` of bytes."""
    return lambda image, height, width: tf.image.resize(image, (height, width), method=method, antialias=antialias).numpy()


FILTERS = {
    **{f"pil-{name}": pil(name) for name in ("nearest", "box", "bilinear", "hamming", "bicubic", "lanczos")},
    "cv2-nearest": opencv(cv2.INTER_NEAREST),
    "cv2-linear": opencv(cv2.INTER_LINEAR),
    "cv2-area": opencv(cv2.INTER_AREA),
    "cv2-cubic": opencv(cv2.INTER_CUBIC),
    "tf-nearest": tensorflow("nearest"),
    "tf-bilinear": tensorflow("bilinear"),
    "tf-bilinear-antialias": tensorflow("bilinear", antialias=True),
    "tf-area": tensorflow("area"),
}


def text(array):
    """Base64 of the numbers, row by row."""
    array = np.ascontiguousarray(array)
    return base64.b64encode(array.astype("<f4").tobytes() if array.dtype != np.uint8 else array.tobytes()).decode()


def cases():
    """One entry for each filter, size and number of channels."""
    for number, ((h, w), (height, width)) in enumerate(SIZES):
        for channels in (1, 3) if number in COLOURED else (1,):
            image = pixels(h, w, channels)
            for name, run in FILTERS.items():
                result = run(image, height, width)
                floats = name.startswith("tf-")
                assert result.size == height * width * channels
                values = text(result.astype(np.float32) if floats else result)
                yield {"filter": name, "from": [h, w, channels], "to": [height, width], "values": values}


def grey():
    """A random image as PIL and OpenCV make it grey."""
    image = pixels(20, 30, 3)
    of_pil, of_cv2 = np.asarray(Image.fromarray(image).convert("L")), cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    return {"from": [20, 30, 3], "pil": text(of_pil), "cv2": text(of_cv2)}


def main():
    """Write the file."""
    path = Path(sys.argv[1] if len(sys.argv) > 1 else "tests/golden/resize.json")
    versions = {"Pillow": PIL.__version__, "opencv": cv2.__version__, "tensorflow": tf.__version__}
    head = json.dumps({"recipe": "python tools/resize_golden.py", "versions": versions, "grey": grey()})
    lines = ",\n  ".join(json.dumps(case, separators=(",", ":")) for case in cases())
    path.write_text(f'{head[:-1]},\n "cases": [\n  {lines}\n ]}}\n', encoding="utf-8")
    print(f"{path}: {path.stat().st_size} bytes", file=sys.stderr)


if __name__ == "__main__":
    main()
