"""Writes tests/golden/images with Pillow: a drawn gradient in every format that is read, and beside each file its pixels as Pillow reads them.

Usage, from the root of the repository: python tools/image_golden.py [OUT]

`NAME.EXT` is the file, `NAME.EXT.png` what `Image.open(..).convert("L" or "RGB")` makes of it (16-bit grey: the high byte, for
Pillow's own conversion clips).
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image

OUT = Path(sys.argv[1] if len(sys.argv) > 1 else "tests/golden/images")
HEIGHT, WIDTH = 37, 43


def drawn(channels):
    """A smooth gradient with a checkerboard, so that chroma subsampling changes little."""
    y, x, c = np.mgrid[:HEIGHT, :WIDTH, :channels]
    value = 40 + 3 * x + 2 * y * (1 + c) % 150 + 20 * ((x // 8 + y // 8) % 2) - 10 * c
    return Image.fromarray(np.clip(value, 0, 255).astype(np.uint8).squeeze())


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    grey, colour = drawn(1), drawn(3)
    palette = colour.quantize(16)
    deep = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257)
    jpegs = {"base": {}, "progressive": {"progressive": True}, "restart": {"restart_marker_blocks": 2},
             "progressive_restart": {"progressive": True, "restart_marker_blocks": 2}, "full": {"subsampling": 0}}
    files = {}
    for name, options in jpegs.items():
        files[f"grey_{name}.jpg"] = (grey, options | {"quality": 85})
        files[f"colour_{name}.jpg"] = (colour, options | {"quality": 85})
    files |= {
        "cmyk.jpg": (colour.convert("CMYK"), {"quality": 90}),
        "grey.tif": (grey, {}),
        "grey_lzw.tif": (grey, {"compression": "tiff_lzw"}),
        "grey_packbits.tif": (grey, {"compression": "packbits"}),
        "deflate.tif": (colour, {"compression": "tiff_adobe_deflate"}),
        "deep.tif": (deep, {}),
        "palette.tif": (palette, {}),
        "bilevel.tif": (grey.convert("1"), {}),
        "deep.png": (deep, {}),
        "palette.png": (palette, {}),
        "interlaced.gif": (palette, {"interlace": True}),
        "frames.gif": (palette, {"save_all": True, "append_images": [palette.transpose(Image.Transpose.ROTATE_180)]}),
        "lossy.webp": (colour, {"quality": 90}),
        "lossless.webp": (colour, {"lossless": True}),
        "grey.bmp": (grey, {}),
        "colour.bmp": (colour, {}),
        "grey.pgm": (grey, {}),
        "colour.ppm": (colour, {}),
    }
    for name, (image, options) in files.items():
        image.save(OUT / name, **options)
        with Image.open(OUT / name) as read:
            if read.mode.startswith("I"):
                pixels = Image.fromarray((np.asarray(read) >> 8).astype(np.uint8))
            else:
                pixels = read.convert("L" if read.mode in ("L", "1") else "RGB")
            pixels.save(OUT / f"{name}.png", optimize=True)
        for at in range(2, 100, 3):
            refuses_cut(OUT / name, at)


def refuses_cut(path, percent):
    """Prints where Pillow reads a file that was cut."""
    bytes_, cut = path.read_bytes(), OUT / "cut"
    cut.write_bytes(bytes_[: len(bytes_) * percent // 100])
    try:
        with Image.open(cut) as image:
            image.load()
        print(f"Pillow reads {path.name} cut at {percent} %")
    except (OSError, SyntaxError, ValueError):
        pass
    cut.unlink()


main()
