"""The picture as it was given: what the model takes of it, and conversions where it takes nothing.

Layer: part of `evaluation`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Shaped

from limner.bundle import BundleMeta, InputSpec
from limner.errors import DataError
from limner.evaluation.explain.changes import FULL_SCALES, typed
from limner.images import to_channels
from limner.inference.inputs import make_input

_OPAQUE = 0.98


@dataclass(frozen=True, eq=False)
class Converted:
    """A picture brought to what the model takes.

    Attributes:
        pixels: At its own size, with the network's channels and numbers.
        words: What was done; empty where it is taken as it is.
    """

    pixels: Shaped[np.ndarray, "height width channels"]
    words: str = ""


def refusal(picture: np.ndarray | Mapping[str, np.ndarray], inputs: InputSpec, where: str) -> DataError | None:
    """Why the predictor would not take this picture; None where it does."""
    try:
        make_input(picture, inputs, where)
    except DataError as error:
        return error
    return None


def taken(picture: np.ndarray | Mapping[str, np.ndarray], inputs: InputSpec, where: str) -> Converted:
    """What the predictor takes of a picture that it does not refuse, at the picture's own size."""
    made = make_input(picture, inputs.model_copy(update={"fit": "native"}), where)
    return Converted(made.pixels)


def conversions(picture: Shaped[np.ndarray, "height width channels"], inputs: InputSpec) -> Iterator[Converted]:
    """Ways in which a refused picture could have been meant, each as the model takes pictures."""
    values, mended = _finite(picture)
    fitting, changed = _channels(values, inputs.channels)
    if fitting is None:
        return
    values = fitting
    before = [mended] * bool(mended) + [changed] * bool(changed)
    if np.dtype(picture.dtype).kind == np.dtype(inputs.dtype).kind == "f" or picture.dtype == inputs.dtype:
        yield Converted(typed(values, inputs), ", ".join(before))
        return
    most = float(values.max())
    whole = np.iinfo(inputs.dtype).max if inputs.dtype != "float32" else None
    wanted = [scale for scale in FULL_SCALES if whole is None or 1 < scale <= whole]
    tried: set[float] = set()
    for stored in [scale for scale in FULL_SCALES if most <= scale][:2] or [most]:
        for full in [*wanted, inputs.high]:
            factor = round(full / stored, 9)
            if factor not in tried and 0.05 <= most * factor / inputs.high <= 4:
                tried.add(factor)
                words = [*before, f"values 0 to {stored:g} as {inputs.dtype} from 0 to {full:g}"]
                yield Converted(typed(values.astype(np.float64) * factor, inputs), ", ".join(words))


def alpha(picture: Shaped[np.ndarray, "height width channels"], channels: int) -> float | None:
    """Share of the picture that is see-through although the model takes no opacity; None without opacity."""
    if (picture.shape[2], channels) not in ((2, 1), (4, 3), (4, 1), (2, 3)):
        return None
    opacity = picture[..., -1].astype(np.float32) / max(float(picture[..., -1].max()), 1e-9)
    return float((opacity < _OPAQUE).mean())


def on_ground(
    picture: Shaped[np.ndarray, "height width channels"], channels: int, *, white: bool
) -> Shaped[np.ndarray, "height width wanted"]:
    """A picture with opacity as it looks on white or black."""
    full = float(np.iinfo(picture.dtype).max) if picture.dtype.kind == "u" else 1.0
    opacity = picture[..., -1:].astype(np.float64) / full
    shown = picture[..., :-1] * opacity + (full if white else 0) * (1 - opacity)
    return to_channels(shown.astype(picture.dtype), channels)


def looks_like_a_mask(pixels: Shaped[np.ndarray, "height width channels"], meta: BundleMeta) -> list[float] | None:
    """The few values of a grey picture that holds nothing but values of masks; None of any other.

    Those are the stored values that the model's targets were trained with, class ids, and black and white.
    """
    values = set(np.unique(pixels).tolist())
    known = [{0, 1}, {0, 255}]
    for spec in meta.targets.values():
        stored = spec.label_map.get("values", [])
        known += [
            {int(one) for values_of_class in stored for one in values_of_class if isinstance(one, int)},
            set(range(len(spec.names))),
        ]
    grey = bool((pixels == pixels[..., :1]).all())
    return sorted(map(float, values)) if grey and len(values) > 1 and any(values <= those for those in known) else None


def _finite(picture: np.ndarray) -> tuple[np.ndarray, str]:
    if picture.dtype.kind != "f" or np.isfinite(picture).all():
        return picture, ""
    known = np.isfinite(picture)
    lowest = float(picture[known].min()) if known.any() else 0.0
    return np.where(known, picture, lowest), "NaN and infinite values replaced by the lowest"


def _channels(picture: np.ndarray, channels: int) -> tuple[np.ndarray | None, str]:
    try:
        return to_channels(picture, channels), ""
    except DataError:
        if channels == 1:
            return picture[..., :3].mean(axis=2, keepdims=True).astype(picture.dtype), "the mean of its channels"
        if picture.shape[2] > channels:
            return np.ascontiguousarray(picture[..., :channels]), f"its first {channels} channels"
        return None, ""
