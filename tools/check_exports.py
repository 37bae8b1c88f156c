"""Check that the .h5 files that `fer-gpu export` writes predict in Keras what fer-gpu predicts, and its safetensors the same.

Usage, from the root of the repository, after `cargo build --release`:

    python tools/check_exports.py [PROGRAM]

Needs keras (tools/requirements.txt). The networks are the small models of `tests/golden/keras`, which have every kind of layer;
images are noise. ONNX is `check_onnx.py`'s.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from keras_common import fill, keras, np
from PIL import Image

PROGRAM = sys.argv[1] if len(sys.argv) > 1 else "target/release/fer-gpu"
GOLDEN = Path("tests/golden/keras")
CASES = [
    ("small_sequential.keras", "caffe"),
    ("small_sequential.h5", "torch"),
    ("small_functional.keras", "none"),
    ("nest.h5", "tf"),
    ("nest.keras", "unit"),
    ("dilated.keras", "torch"),
    ("grouped.keras", "unit"),
    ("../keras_import/joins.keras", "none"),
    ("../keras_import/attention.keras", "none"),
    ("../keras_import/norms.keras", "none"),
]


def fer(*args):
    """Run the program; its standard output."""
    done = subprocess.run([PROGRAM, *map(str, args)], capture_output=True, text=True)
    assert done.returncode == 0, f"{args}: {done.stderr}"
    return done.stdout


def preprocessed(pixels, name):
    """What the network takes, by Keras's own function."""
    if name in ("unit", "none"):
        return pixels / 255 if name == "unit" else pixels
    return keras.applications.imagenet_utils.preprocess_input(pixels.copy(), data_format="channels_last", mode=name)


def check(what, found, wanted, tolerance):
    """Compare probabilities."""
    worst = np.abs(np.asarray(found) - wanted).max()
    print(f"{what:60} off by {worst:.1e}")
    assert worst <= tolerance, f"{what}: {found} instead of {wanted}"


def main():
    for file, preprocess in CASES:
        with tempfile.TemporaryDirectory() as folder:
            folder = Path(folder)
            network = folder / "network.safetensors"
            fer("import", GOLDEN / file, "--task", "classes", "--preprocess", preprocess, "--out", network)
            model = keras.models.load_model(GOLDEN / file, compile=False)
            shape = model.input_shape[1:]
            pixels = np.floor(128 * (fill(3, int(np.prod(shape))) + 1)).reshape(shape)
            Image.fromarray(pixels.astype(np.uint8).squeeze()).save(folder / "image.png")
            predict = lambda path: list(
                json.loads(fer("predict", path, folder / "image.png", "--json", "--device", "cpu"))[0]["probabilities"].values()
            )
            wanted = np.array(predict(network))
            batch = pixels[None].astype(np.float32)
            scores = model.predict(preprocessed(batch, preprocess), verbose=0)[0]
            if file.startswith("nest"):
                scores = np.exp(scores) / np.exp(scores).sum()
            check(f"{file} {preprocess}: Keras's own prediction", scores, wanted, 1e-5)
            for half, tolerance in [((), 1e-5), (("--half",), 5e-3)]:
                fer("export", network, "--format", "safetensors", "--out", folder / "e.safetensors", *half)
                check(f"{file} {preprocess}: safetensors {' '.join(half)}", predict(folder / "e.safetensors"), wanted, tolerance)
            fer("export", network, "--format", "keras-h5", "--out", folder / "m.h5")
            again = keras.models.load_model(folder / "m.h5", compile=False)
            found = again.predict(preprocessed(batch, preprocess), verbose=0)[0]
            check(f"{file} {preprocess}: keras-h5 in Keras", found, wanted, 1e-5)
            fer("import", folder / "m.h5", "--preprocess", preprocess, "--out", folder / "r.safetensors")
            check(f"{file} {preprocess}: keras-h5 imported again", predict(folder / "r.safetensors"), wanted, 1e-6)


if __name__ == "__main__":
    main()
