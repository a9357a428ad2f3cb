"""Every change tried on a picture, and what it does.

Layer: part of `evaluation`.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Shaped

from limner.bundle import InputSpec
from limner.evaluation.explain.changes import turns, value_changes
from limner.evaluation.explain.findings import Kind, Sight, Trial
from limner.evaluation.explain.looking import Truth, Viewer, how_strange, summarise
from limner.evaluation.explain.rungs import OTHER_SIZE, is_noisy
from limner.images import resize_image, resize_mask
from limner.inference.views import View
from limner.types import Size

_ZOOMS = (1 / 4, 1 / 3, 1 / 2, 2.0, 3.0, 4.0)
_LARGEST = 1024
"""Of a picture that is predicted at its own size, the middle of so many pixels a side is tried."""
_LEAST_SIDE = 16


@dataclass(frozen=True, eq=False)
class Scene:
    """A picture to try changes on.

    Attributes:
        original: With the network's channels and numbers, at its own size.
        pixels: The same at the network's scale.
        truth: True masks at the network's scale, by target.
        before: How the model sees it as given.
        whole: How strange the whole picture is, and why.
        times_training: By how much its sides are longer than those of the training pictures; NaN unknown.
    """

    original: np.ndarray
    pixels: np.ndarray
    truth: Truth
    before: Sight
    whole: tuple[float, str]
    times_training: float = math.nan


def make_scene(
    viewer: Viewer, original: np.ndarray, pixels: np.ndarray, truth: Truth, times_training: float = math.nan
) -> Scene:
    """A picture ready for trials; the middle of a very large one.

    Args:
        viewer: Of the model.
        original: With the network's channels and numbers, at its own size.
        pixels: At the network's scale.
        truth: True masks at the original size.
        times_training: By how much its sides are longer than those of the training pictures; NaN unknown.
    """
    whole = how_strange(pixels, viewer.model.familiarity)
    if viewer.model.meta.inputs.fit == "native":
        window = _middle(pixels.shape[:2])
        original = pixels = np.ascontiguousarray(pixels[window])
        truth = {name: mask[window] for name, mask in truth.items()}
    size = (pixels.shape[0], pixels.shape[1])
    truth = {name: resize_mask(mask, size) for name, mask in truth.items()}
    return Scene(original, pixels, truth, viewer.see(pixels, viewer.predict(pixels), truth), whole, times_training)


def try_values(viewer: Viewer, scene: Scene, kinds: Collection[Kind]) -> Iterator[Trial]:
    """Changes of the numbers that undo faults of these kinds."""
    inputs = viewer.model.meta.inputs
    noisy = is_noisy(scene.original, inputs)
    for change in value_changes(scene.pixels, inputs):
        if change.kind not in kinds:
            continue
        # Small objects are fine detail, too, and smoothed away.
        if change.kind == "noisy" and not noisy:
            continue
        changed = np.ascontiguousarray(change.apply(scene.pixels))
        after = viewer.see(changed, viewer.predict(changed), scene.truth)
        yield Trial(change.kind, change.words, scene.before, after, change.exact)


def try_turns(viewer: Viewer, scene: Scene, kinds: Collection[Kind]) -> Iterator[Trial]:
    """The picture turned as the network has not learned it."""
    for change in turns(viewer.model.meta.symmetries) if "turned" in kinds else ():
        changed = np.ascontiguousarray(change.apply(scene.pixels))
        truth = {name: _turned(change.view, mask) for name, mask in scene.truth.items()}
        after = viewer.see(changed, viewer.predict(changed), truth)
        yield Trial(change.kind, f"the picture {change.words}", scene.before, after, change.exact)


def try_sizes(viewer: Viewer, scene: Scene, kinds: Collection[Kind]) -> Iterator[Trial]:
    """Objects shown smaller and larger."""
    noisy = is_noisy(scene.original, viewer.model.meta.inputs)
    for zoom in _ZOOMS if "size" in kinds else ():
        # Shown smaller, noise is smoothed away: that says nothing about sizes.
        if noisy and zoom < 1:
            continue
        found = _zoomed(viewer, scene, zoom)
        if found is not None:
            words = f"objects {zoom:g} times as large" if zoom > 1 else f"objects {1 / zoom:g} times smaller"
            yield Trial("size", words, scene.before, found, exact=_fits(scene, zoom, viewer.model.meta.inputs))


def _fits(scene: Scene, zoom: float, inputs: InputSpec) -> bool:
    """Whether sizes of files speak for this zoom: a much larger picture, resized, shows much smaller objects."""
    times = scene.times_training
    return inputs.fit == "resize" and (times >= OTHER_SIZE if zoom > 1 else times <= 1 / OTHER_SIZE)


def _zoomed(viewer: Viewer, scene: Scene, zoom: float) -> Sight | None:
    """How the model sees the picture with its objects so many times as large; None where that cannot be shown."""
    inputs = viewer.model.meta.inputs
    height, width = scene.original.shape[:2]
    if inputs.fit == "native" or inputs.size is None:
        size = (round(height * zoom), round(width * zoom))
        if min(size) < _LEAST_SIDE or max(size) > 2 * _LARGEST:
            return None
        shown = resize_image(scene.original, size)
        return viewer.see(shown, viewer.predict(shown), _resized(scene.truth, size))
    if zoom < 1:
        return _reduced(viewer, scene, zoom, inputs.size)
    if min(height, width) < zoom * _LEAST_SIDE:
        return None
    return _in_parts(viewer, scene, round(zoom), inputs.size)


def _reduced(viewer: Viewer, scene: Scene, zoom: float, size: Size) -> Sight:
    """The picture smaller, continued by mirroring to the size that the network takes."""
    small_size = (max(1, round(size[0] * zoom)), max(1, round(size[1] * zoom)))
    small = resize_image(scene.pixels, small_size)
    top, left = (size[0] - small_size[0]) // 2, (size[1] - small_size[1]) // 2
    bottom, right = size[0] - small_size[0] - top, size[1] - small_size[1] - left
    shown = np.pad(small, ((top, bottom), (left, right), (0, 0)), mode="symmetric")
    window = (slice(top, top + small_size[0]), slice(left, left + small_size[1]))
    answer = viewer.predict(shown)
    masks = {name: mask[window] for name, mask in answer.masks.items()}
    probs = {name: np.ascontiguousarray(planes[:, *window]) for name, planes in answer.probs.items()}
    return viewer.see(shown, viewer.answer(masks, probs), _resized(scene.truth, small_size))


def _in_parts(viewer: Viewer, scene: Scene, parts: int, size: Size) -> Sight:
    """Parts of the picture, each as large as the network takes pictures; the mean over them."""
    rows, columns = (np.array_split(np.arange(length), parts) for length in scene.original.shape[:2])
    fine_truth = {
        name: resize_mask(mask, (scene.original.shape[0], scene.original.shape[1]))
        for name, mask in scene.truth.items()
    }
    tiles, truths = [], []
    for row in rows:
        for column in columns:
            window = (slice(row[0], row[-1] + 1), slice(column[0], column[-1] + 1))
            tiles.append(resize_image(np.ascontiguousarray(scene.original[window]), size))
            truths.append({name: resize_mask(mask[window], size) for name, mask in fine_truth.items()})
    answers = [viewer.predict(tile) for tile in tiles]
    # Put one below the other they are one answer about one picture.
    masks = {name: np.concatenate([one.masks[name] for one in answers]) for name in answers[0].masks}
    probs = {name: np.concatenate([one.probs[name] for one in answers], axis=1) for name in answers[0].probs}
    truth = {name: np.concatenate([one[name] for one in truths]) for name in scene.truth}
    ratios = sorted(how_strange(tile, viewer.model.familiarity) for tile in tiles)
    return summarise(viewer.answer(masks, probs), viewer.model.meta, *ratios[len(ratios) // 2], truth)


def _turned(view: View, mask: Shaped[np.ndarray, "height width *planes"]) -> Shaped[np.ndarray, "_ _ *planes"]:
    return view.show(mask) if mask.ndim == 3 else view.show(mask[..., None])[..., 0]


def _resized(truth: Truth, size: Size) -> Truth:
    return {name: resize_mask(mask, size) for name, mask in truth.items()}


def _middle(size: Size) -> tuple[slice, slice]:
    """The middle of a picture, at most `_LARGEST` pixels a side."""
    starts = [max(0, (length - _LARGEST) // 2) for length in size]
    return slice(starts[0], starts[0] + _LARGEST), slice(starts[1], starts[1] + _LARGEST)
