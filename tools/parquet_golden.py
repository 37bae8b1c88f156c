"""Writes tests/golden/parquet with Hugging Face's datasets: small images in row groups of four.

pip install datasets==5.2.0 pyarrow==26.0.1 pillow==13.0.0; then: python tools/parquet_golden.py [OUT]
"""
import io
import sys
from pathlib import Path

import pyarrow
import pyarrow.parquet
from datasets import ClassLabel, Dataset, Features, Image
from PIL import Image as Pillow

OUT = Path(sys.argv[1] if len(sys.argv) > 1 else "tests/golden/parquet")
NAMES = ["happy", "sad", "neutral"]


def png(seed):
    """A grey image of 6 x 5 (width, height), pixel (x, y) being 37 seed + 11 y + 5 x, modulo 256."""
    image = Pillow.new("L", (6, 5))
    image.putdata([(37 * seed + 11 * y + 5 * x) % 256 for y in range(5) for x in range(6)])
    packed = io.BytesIO()
    image.save(packed, "PNG")
    return {"bytes": packed.getvalue(), "path": f"{seed:05}.png"}


def write(path, seeds, label):
    features = Features({"image": Image(), "label": ClassLabel(names=NAMES)})
    rows = {"image": [png(seed) for seed in seeds], "label": [label(seed) for seed in seeds]}
    path.parent.mkdir(parents=True, exist_ok=True)
    Dataset.from_dict(rows, features=features).to_parquet(path, batch_size=4)


write(OUT / "data" / "train-00000-of-00002.parquet", range(7), lambda seed: seed % 3)
write(OUT / "data" / "train-00001-of-00002.parquet", range(7, 12), lambda seed: seed % 3)
write(OUT / "data" / "validation-00000-of-00001.parquet", range(20, 23), lambda seed: seed % 3)
# A split whose labels are kept back.
write(OUT / "data" / "test-00000-of-00001.parquet", range(30, 32), lambda seed: -1)

# Without datasets: names as labels, images as a plain column, required, packed by gzip.
schema = pyarrow.schema([pyarrow.field("image", pyarrow.binary(), False), pyarrow.field("label", pyarrow.string(), False)])
table = pyarrow.table(
    {"image": [png(seed)["bytes"] for seed in range(6)], "label": [NAMES[seed % 2] for seed in range(6)]}, schema=schema
)
pyarrow.parquet.write_table(table, OUT / "plain.parquet", compression="gzip")
# Packed by zstd, which the reader does not unpack.
pyarrow.parquet.write_table(table, OUT / "zstd.parquet", compression="zstd")
