"""Check that the ONNX files that `fer-gpu export` writes predict in onnxruntime and in tract what fer-gpu predicts.

    python tools/check_onnx.py [--all] [PROGRAM]

Needs numpy, pillow, onnxruntime and tract (tools/requirements_onnx.txt), and `cargo build --release`. The networks are the small
models of `tests/golden/keras`, which have every layer that Keras's files may have, and some of `fer-gpu models`, or with `--all`
all that have a file in `tests/golden/transfer`: that file says with which weights and statistics a network's scores are of an
ordinary size. Images are noise.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnxruntime
import tract
from formula import fill
from PIL import Image

ALL = "--all" in sys.argv
PROGRAM = next((a for a in sys.argv[1:] if not a.startswith("--")), "target/release/fer-gpu")
GOLDEN = Path("tests/golden")
IMPORTED = {
    "small_sequential.keras": "caffe",
    "small_sequential.h5": "torch",
    "small_functional.keras": "none",
    "nest.h5": "tf",
    "nest.keras": "unit",
    "../keras_import/joins.keras": "none",
    "dilated.keras": "torch",
    "grouped.keras": "torch",
    "../keras_import/attention.keras": "none",
    "../keras_import/norms.keras": "none",
}
"""Small models of Keras's, and how the pixels of their images are made."""
NETWORKS = ["fer7-cnn4-bn", "mini-xception", "fer8-efficientnetb0", "fer8-inceptionv3", "fer8-resnet50v2"]
"""Batch norm; separable convolutions; gates and sigmoids; pools and joins; residuals."""
IMAGES = 2
FULL, HALF = 1e-4, 2e-2
"""Largest differences of a probability: of f32, and of f16 from f32."""
DEEP = {"fer8-efficientnetb7": 1e-1}
"""Networks whose eight hundred layers enlarge what f16 rounds of weights by formula: both runtimes differ from f32 by the same."""


def fer(*args):
    """Run the program; its standard output."""
    done = subprocess.run([PROGRAM, *map(str, args)], capture_output=True, text=True)
    assert done.returncode == 0, f"{args}: {done.stderr}"
    return done.stdout


def our_name(variable):
    """Our name of a variable of Keras's."""
    layer, name = variable.rsplit("/", 1)
    return f"{layer}/{ {'depthwise_kernel': 'kernel', 'pointwise_kernel': 'conv2d/kernel'}.get(name, name) }"


def tensors_of(golden):
    """The starting values of a golden file, by our names."""
    for p, (name, shape, shift, scale, *_) in enumerate(golden["variables"]):
        values = np.float32(shift) + np.float32(scale) * fill(100 + p, int(np.prod(shape)))
        yield our_name(name), values.reshape(shape)
        if name == "normalization/mean":
            # The golden file leaves it out: nothing reads it.
            yield "normalization/count", np.zeros((), np.float32)


def checkpoint(path, name, task):
    """A network of `fer-gpu models` with a golden file's values, as a checkpoint of fer-gpu (safetensors)."""
    golden = json.loads((GOLDEN / f"transfer/{name}.json").read_text())
    model = next(m for m in json.loads(fer("models", "--json")) if m["name"] == name)
    meta = {
        "model": name,
        "task": task,
        "classes": [f"class {i}" for i in range(golden["classes"])],
        "input": [golden["side"], golden["side"], model["input"][2]],
        # The golden values are for images on [0, 1), or on [0, 255) where the network begins with a rescaling.
        "preprocessing": "unit" if golden["image"][0] == 0.5 else "none",
    }
    header, end, data = {"__metadata__": {"format": "fer-gpu/1", "meta": json.dumps(meta)}}, 0, []
    for tensor, values in tensors_of(golden):
        header[tensor] = {"dtype": "F32", "shape": values.shape, "data_offsets": [end, end + values.nbytes]}
        end += values.nbytes
        data.append(values.tobytes())
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + b"".join(data))
    return meta["input"]


def images(folder, shape):
    """Images of noise as files, and their pixels."""
    files = []
    pixels = np.floor(128 * (fill(3, IMAGES * int(np.prod(shape))) + 1)).reshape(IMAGES, *shape)
    for i, image in enumerate(pixels.astype(np.uint8)):
        files.append(folder / f"{i}.png")
        Image.fromarray(image.squeeze()).save(files[-1])
    return files, pixels.astype(np.float32)


def predicted(network, files):
    """What fer-gpu predicts, `[n, classes]`."""
    rows = json.loads(fer("predict", network, *files, "--face", "none", "--json"))
    return np.array([list(row.get("probabilities", row.get("values")).values()) for row in rows])


def in_onnxruntime(path, pixels):
    """The whole batch, and the first image alone."""
    session = onnxruntime.InferenceSession(str(path))
    first = session.run(None, {"pixels": pixels[:1]})[0]
    batch = session.run(None, {"pixels": pixels})[0]
    assert np.abs(first - batch[:1]).max() < 1e-5, f"{path}: a batch of one"
    return batch


def in_tract(path, pixels):
    """The whole batch."""
    model = tract.onnx().load(path)
    model.set_input_fact(0, ",".join(map(str, pixels.shape)) + ",f32")
    return model.into_model().into_runnable().run([pixels])[0].to_numpy()


def check(what, network, shape, folder):
    """Both runtimes on both exports; the largest difference of f32 and of f16."""
    files, pixels = images(folder, shape)
    wanted = predicted(network, files)
    # Where all classes are as probable as each other, a small difference would say nothing.
    assert wanted.std() > 0.01, f"{what}: {wanted}"
    worst = []
    for flags, tolerance in [((), FULL), (("--half",), DEEP.get(what, HALF))]:
        onnx = folder / "exported.onnx"
        fer("export", network, "--format", "onnx", "--out", onnx, *flags)
        apart = {run.__name__: np.abs(run(onnx, pixels) - wanted).max() for run in (in_onnxruntime, in_tract)}
        text = ", ".join(f"{name.replace('_', ' ')} {v:.1e}" for name, v in apart.items())
        print(f"{what + ' ' + ' '.join(flags):42} off by at most: {text}", flush=True)
        assert max(apart.values()) <= tolerance, f"{what}: more than {tolerance}"
        worst.append(max(apart.values()))
    return worst


def main():
    """Every case; the last line is the largest difference."""
    networks = sorted(path.stem for path in (GOLDEN / "transfer").glob("*.json")) if ALL else NETWORKS
    cases = [(file, lambda path, file=file: imported(path, file)) for file in IMPORTED]
    cases += [(name, lambda path, name=name: checkpoint(path, name, "classes")) for name in networks]
    cases.append(("fer4-cnn3 of values", lambda path: checkpoint(path, "fer4-cnn3", "values")))
    worst = []
    for what, make in cases:
        with tempfile.TemporaryDirectory() as folder:
            network = Path(folder) / "network.safetensors"
            worst.append(check(what, network, make(network), Path(folder)))
    full, half = np.max(worst, axis=0)
    print(f"{len(cases)} networks in onnxruntime {onnxruntime.__version__} and tract {tract.version()}: ", end="")
    print(f"probabilities off by at most {full:.1e}, in half precision {half:.1e}")


def imported(path, file):
    """A model of Keras's as a checkpoint."""
    fer("import", GOLDEN / "keras" / file, "--task", "classes", "--preprocess", IMPORTED[file], "--out", path)
    meta = json.loads(json.loads(header_of(path))["__metadata__"]["meta"])
    return meta["input"]


def header_of(path):
    """The JSON at the start of a safetensors file."""
    data = path.read_bytes()
    return data[8 : 8 + int.from_bytes(data[:8], "little")]


if __name__ == "__main__":
    main()
