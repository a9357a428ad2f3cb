"""What the readers of all formats give: shapes in pixels, picture by picture.

Layer: data; imports nothing of `data`. Values only.

Points are `(x, y)` in pixels. The corner of the picture is `(0, 0)` and the centre of its first pixel
`(0.5, 0.5)`, as all programs here have it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from jaxtyping import Float64, Int64

from limner.types import Color, Size

Ring: TypeAlias = Float64[np.ndarray, "_ 2"]
"""A closed outline; the last point is joined to the first."""


@dataclass(frozen=True)
class Rings:
    """Outlines that are filled together: one within another is a hole.

    Attributes:
        rings: Outlines, each of at least three points.
    """

    rings: tuple[Ring, ...]


@dataclass(frozen=True)
class Runs:
    """A mask as run lengths of pixels by turns off and on.

    Attributes:
        lengths: Of the runs, which add up to the pixels of the mask.
        size: Of the mask.
        corner: Row and column of the picture where the mask's first pixel lies.
        downwards: Runs count down the columns, not along the rows.
    """

    lengths: Int64[np.ndarray, " runs"]
    size: Size
    corner: tuple[int, int] = (0, 0)
    downwards: bool = False


@dataclass(frozen=True)
class Shape:
    """One thing that somebody marked.

    Attributes:
        label: Name of its class; empty where it has none.
        parts: What it covers, all together; empty where it covers nothing.
        where: What to call it in messages, such as `annotation 17`.
        order: Where the format says which shape lies above which: higher is above.
        doubt: Kind of doubt (see `doubts`) that the reader has; where there are no parts, the reason.
        group: Shapes of one class and one group are one object; empty where it is one by itself.
    """

    label: str
    parts: tuple[Rings | Runs, ...]
    where: str
    order: int | None = None
    doubt: str = ""
    group: str = ""


@dataclass(frozen=True)
class Annotated:
    """The annotation of one picture.

    Attributes:
        picture: Name of the picture as the annotation has it, `/` between folders.
        shapes: In the order of the file.
        size: Size of the picture as the annotation says; None where it does not.
        split: `train`, `val`, `test`, or empty.
        by_stem: The name stands for a picture of any suffix.
        stem: Another name, without suffix, by which the picture may be found if there is none of the first.
        embedded: The annotation holds the picture itself.
    """

    picture: str
    shapes: tuple[Shape, ...]
    size: Size | None = None
    split: str = ""
    by_stem: bool = False
    stem: str = ""
    embedded: bool = False


@dataclass(frozen=True)
class Declared:
    """A class as a file declares it.

    Attributes:
        name: Its name.
        color: Its colour, if the file says one.
    """

    name: str
    color: Color | None = None


@dataclass(frozen=True)
class Reading:
    """What one file of annotations says.

    Attributes:
        pictures: In its order.
        declared: Classes, in its order; empty where the format only names them shape by shape.
        colors: Colours of classes that are named shape by shape.
        lost: Kind of doubt and where, of entries that belong to no picture.
    """

    pictures: tuple[Annotated, ...]
    declared: tuple[Declared, ...] = ()
    colors: tuple[Declared, ...] = ()
    lost: tuple[tuple[str, str], ...] = ()
