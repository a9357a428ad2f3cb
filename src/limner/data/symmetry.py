"""Whether pictures can be told from their mirror images: do they have an up, and a left?

Layer: data. Imports no torch. From many pictures a rule is learned by which a picture differs from its mirror image,
and tried on pictures it was not learned from. It looks at where, on a grid of 4×4, a picture is bright, coloured,
detailed and of each class. Where pictures have no up it is right for half of them.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64, Int64, Shaped, UInt8

from limner.images import natural_key
from limner.types import Symmetry

FEWEST = 20
"""Pictures, or groups of them, without which nothing is said."""

_GRID = 4
_SIDE = 128  # pixels of the longer side that are looked at
_ABOUT_THE_PICTURE = 4  # planes: brightness, colour, detail across, detail down
_FOLDS = 4
_RIDGE = 1.0  # of features whose mean square is 1
_SAME_ORDER = 0.95
_OVERLAP = 0.5
_ALIKE_AREA = 2.0
_ALIKE_BRIGHTNESS = 0.5
_MOST_CLASSES = 30


@dataclass(frozen=True)
class Layout:
    """Where things are in a picture.

    Attributes:
        cells: Means over the cells of a grid: of brightness and colour, less their mean and in their deviations, of
            detail across and down, relative to both, and for each class the share of it in each cell. 0 where there
            is none.
        areas: Share of the picture that is of each class, 0 to 1.
        brightness: Of each class, less the picture's mean and in its deviations; 0 where it is not there.
    """

    cells: Float32[np.ndarray, "planes 4 4"]
    areas: Float64[np.ndarray, " classes"]
    brightness: Float64[np.ndarray, " classes"]


def lay_out(
    image: Shaped[np.ndarray, "height width channels"], ids: UInt8[np.ndarray, "height width *planes"], classes: int
) -> Layout:
    """Look where things are.

    Args:
        image: The picture.
        ids: Class ids of its mask, or a plane for each class.
        classes: Classes of the mask, without the background.
    """
    middle = _middle(image.shape[0], image.shape[1])
    small = image[middle].astype(np.float32)
    grey = _standard(small.mean(axis=2))
    colour = _standard(small[..., 0] - small[..., 2]) if small.shape[2] in (3, 4) else np.zeros_like(grey)
    across, down = (_cells(np.abs(np.diff(grey, axis=axis))) for axis in (1, 0))
    detail = float(across.mean() + down.mean()) / 2 or 1.0
    seen = ids[middle]
    inside = [seen[..., place] == 1 if seen.ndim == 3 else seen == place + 1 for place in range(classes)]
    shares = [_cells(plane.astype(np.float32)) for plane in inside]
    cells = [_cells(grey), _cells(colour), across / detail, down / detail]
    return Layout(
        np.stack(cells + [share / (float(share.sum()) or 1.0) for share in shares]).astype(np.float32),
        np.array([plane.mean() for plane in inside], np.float64),
        np.array([grey[plane].mean() if plane.any() else 0.0 for plane in inside], np.float64),
    )


def units_of(ids: Sequence[str], groups: Sequence[str]) -> Int64[np.ndarray, " pictures"]:
    """Number of the group that each picture is in, or of itself where it is alone, in the order of their names.

    Args:
        ids: Of the pictures.
        groups: Patient, slide or video of each; empty where it is alone.
    """
    keys = [natural_key(group or name) for name, group in zip(ids, groups, strict=True)]
    ranks = {key: rank for rank, key in enumerate(sorted(set(keys)))}
    return np.array([ranks[key] for key in keys], np.int64)


def told_apart(layouts: Sequence[Layout], units: Int64[np.ndarray, " pictures"]) -> dict[Symmetry, float]:
    """By change, the share of pictures that are told from themselves changed; about 0.5 where none can be.

    The rule for a picture is learned from those whose names are not near, so that neighbours in a series do not tell.

    Args:
        layouts: Of the pictures.
        units: As `units_of` gives them; each counts once.

    Returns:
        Nothing where there are fewer than `FEWEST` units.
    """
    if np.unique(units).size < FEWEST:
        return {}
    cells = np.stack([layout.cells for layout in layouts])
    return {name: _told((cells - change(cells)).reshape(len(cells), -1), units) for name, change in _CHANGES.items()}


def mirrored_classes(layouts: Sequence[Layout], units: Int64[np.ndarray, " pictures"]) -> list[tuple[int, int]]:
    """Pairs of classes of which one looks like the mirror image of the other, left and right: such as two lungs.

    One lies left of the other in nearly all pictures that hold both, where the other's mirror image would lie, and they
    are about as large and as bright. In a mirrored picture one would be taken for the other.

    Args:
        layouts: Of the pictures.
        units: As `units_of` gives them.

    Returns:
        Places among the classes of the layouts; none where there are more than 30 classes.
    """
    areas = np.stack([layout.areas for layout in layouts])
    brightness = np.stack([layout.brightness for layout in layouts])
    places = np.stack([layout.cells for layout in layouts])[:, _ABOUT_THE_PICTURE:]
    columns = places.sum(axis=2) @ np.arange(_GRID)

    def alike(one: int, other: int) -> bool:
        both = (areas[:, one] > 0) & (areas[:, other] > 0)
        if np.unique(units[both]).size < FEWEST:
            return False
        left = float((columns[both, one] < columns[both, other]).mean())
        first, second = places[both, one].mean(axis=0), places[both, other].mean(axis=0)
        mirrored, plain = (float(np.minimum(plane, second).sum()) for plane in (first[:, ::-1], first))
        ratio = float(np.median(areas[both, one] / areas[both, other]))
        apart = abs(float(np.median(brightness[both, one] - brightness[both, other])))
        return (
            max(left, 1 - left) >= _SAME_ORDER
            and mirrored > max(_OVERLAP, plain)
            and 1 / _ALIKE_AREA <= ratio <= _ALIKE_AREA
            and apart <= _ALIKE_BRIGHTNESS
        )

    classes = range(areas.shape[1] if areas.shape[1] <= _MOST_CLASSES else 0)
    return [pair for pair in itertools.combinations(classes, 2) if alike(*pair)]


def _turned(cells: Float32[np.ndarray, "pictures planes 4 4"]) -> Float32[np.ndarray, "pictures planes 4 4"]:
    """A quarter turn, by which what went across goes down."""
    turned = np.rot90(cells, axes=(2, 3))
    return turned[:, [0, 1, 3, 2, *range(_ABOUT_THE_PICTURE, cells.shape[1])]]


_CHANGES: dict[Symmetry, Callable[[np.ndarray], np.ndarray]] = {
    "flip_h": lambda cells: cells[..., ::-1],
    "flip_v": lambda cells: cells[..., ::-1, :],
    "rotate90": _turned,
}


def _told(differences: Float32[np.ndarray, "pictures features"], units: Int64[np.ndarray, " pictures"]) -> float:
    """Share of units told from what they are changed to, by a linear rule learned from the others.

    A picture differs from the changed one by its features, the changed one from it by their opposite: a rule is a
    direction along which differences are positive. That of ridge regression of all differences to 1 is taken.
    """
    folds = units * _FOLDS // (units.max() + 1)
    right = np.empty(len(units))
    for fold in range(_FOLDS):
        learned, tried = differences[folds != fold].astype(np.float64), differences[folds == fold]
        square = np.square(learned).mean(axis=0)
        scale = np.where(square < 1e-12, np.inf, np.sqrt(square))
        features = learned / scale
        # As there may be more features than pictures, by the products of pictures.
        products = features @ features.T + _RIDGE * len(features) * np.eye(len(features))
        answers = tried / scale @ (features.T @ np.linalg.solve(products, np.ones(len(features))))
        right[folds == fold] = (1 + np.sign(np.where(np.abs(answers) < 1e-9, 0.0, answers))) / 2
    return float(np.mean(np.bincount(units, right) / np.bincount(units)))


def _standard(plane: Float32[np.ndarray, "height width"]) -> Float32[np.ndarray, "height width"]:
    standard: np.ndarray = (plane - plane.mean()) / (float(plane.std()) or 1.0)
    return standard


def _middle(height: int, width: int) -> tuple[slice, slice]:
    """Every so many-th pixel, so that at most `_SIDE` are left, with as much before the first as after the last."""
    step = -(-max(height, width) // _SIDE)
    rows, columns = (slice((length - 1) % step // 2, None, step) for length in (height, width))
    return rows, columns


def _cells(plane: Float32[np.ndarray, "height width"]) -> Float32[np.ndarray, "4 4"]:
    """Means over a grid of 4×4, pixels on a line between cells divided: the cells of a mirror image are mirrored."""
    down, across = (_weights(length) for length in plane.shape)
    means: np.ndarray = down @ plane @ across.T
    return means


def _weights(length: int) -> Float32[np.ndarray, "4 length"]:
    """By cell the share that every pixel has of it."""
    begins, ends = (np.arange(_GRID)[:, None] + side for side in (0, 1))
    size = _GRID / max(length, 1)  # of a pixel, in cells
    pixels = np.arange(length) * size
    overlap = np.minimum(ends, pixels + size) - np.maximum(begins, pixels)
    weights: np.ndarray = overlap.clip(min=0).astype(np.float32)
    return weights
