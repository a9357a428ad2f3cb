"""Words, sizes and shapes that every module shares.

Layer: just above `errors`. Imports no torch.

Legend used throughout:

    image    `height width channels`, uint8 / uint16 / float32
    mask     `height width` uint8 class ids (binary, multiclass) or
             `height width classes` uint8 planes of 0 / 1 (multilabel)
    batch    tensors are `batch channels height width`
    logits   before the activation; `probs` after it, in [0, 1]
    size     `(height, width)` in pixels
    colour   `(red, green, blue)`, 0–255

A *location* is a string that names one picture wherever it lies:

    /data/a.png                               a file
    zip://sub/a.png::/data/pictures.zip       a member of an archive, read without unpacking
    s3://bucket/a.png                         anything fsspec opens
    /data/stack.tif#page=3                    one page (from 0) of a multi-page file
    /data/brain.nii.gz#page=12@axial          one slice (from 0, the lowest) of a volume
    /data/masks.csv#row=a.jpg@1280x1918       one row of a table of run lengths, and the mask's size
    /data/masks/                              a trailing slash: every picture of a folder together
    /data/heart/a.png | /data/lv/a.png        binary masks that are the planes of one target
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeAlias

Size: TypeAlias = tuple[int, int]
"""`(height, width)` in pixels."""

Spacing: TypeAlias = tuple[float, float]
"""Size of a pixel, `(row, column)`: the distance from one row to the next, and from one column to the next."""

Color: TypeAlias = tuple[int, int, int]
"""`(red, green, blue)`, each 0–255."""

Progress: TypeAlias = Callable[[str, int, int], None]
"""Called with the stage's name, how many items are done, and how many there are."""

Task: TypeAlias = Literal["binary", "multiclass", "multilabel", "regression"]
"""How a target's numbers are meant.

binary: one class against background, one logit, sigmoid. multiclass: exactly one class per pixel,
softmax. multilabel: classes may overlap, a sigmoid each. regression: a number per pixel.
"""

Plane: TypeAlias = Literal["sagittal", "coronal", "axial"]
PLANES: tuple[Plane, ...] = ("sagittal", "coronal", "axial")
"""In which volumes are cut into slices: across the axis left–right, back–front, or feet–head."""

Split: TypeAlias = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = ("train", "val", "test")

Symmetry: TypeAlias = Literal["flip_h", "flip_v", "rotate90"]
SYMMETRIES: tuple[Symmetry, ...] = ("flip_h", "flip_v", "rotate90")
"""Changes under which pictures of a kind may look alike: left and right, top and bottom, quarter turns."""

Tta: TypeAlias = Literal["flips", "symmetries", "scales"]
"""Views of a picture that are asked about beside the plain one, see `limner.inference.views`."""

IGNORE = 255
"""Class id, inside Limner, of pixels that take no part in loss or metrics."""

MAX_CLASSES = 254
"""Class ids are uint8 and 255 is `IGNORE`."""


def no_progress(stage: str, done: int, total: int) -> None:
    """A `Progress` that tells nobody."""
