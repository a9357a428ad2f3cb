"""Whether a picture is like those a network was trained on.

Layer: inference. Pure NumPy on the pictures alone: what the network makes of them is not asked, since it answers
surely about pictures of any kind.

A picture becomes a few plain numbers (`features`): brightness, contrast, colour, sharpness, layout. Its distance is
that to the nearest training picture; the limit is what pictures of the same kind, which were set aside, hardly exceed.
So a training set of several kinds of pictures needs no model of its kinds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from jaxtyping import Bool, Float32, Float64, Shaped

from limner.bundle import FamiliarSpec, InputSpec
from limner.images import resize_image

MOST_PICTURES = 256
"""Training pictures that a bundle remembers; each takes some hundred bytes."""

_SIDE = 128
_MOST_CHANNELS = 4
# One in twenty pictures of any set is odd; the limit is drawn beyond these, since of few pictures the farthest is not
# yet far.
_QUANTILE, _MARGIN = 0.95, 1.25
# Of the differences' mean: higher than 2, so that one large difference is not lost among many small ones.
_POWER = 4
_LEAST_STEEPNESS = 2e-3
# Differences of this share of the range are none.
_LEAST_SCALE = 0.02


@dataclass(frozen=True)
class Strangeness:
    """How far a picture is from the training pictures.

    Attributes:
        ratio: Its distance by the limit; above 1 it is unlike them.
        because: In what it differs most, in words.
    """

    ratio: float
    because: str

    @property
    def alarming(self) -> bool:
        """Whether it is unlike all training pictures."""
        return self.ratio > 1


def features(pixels: Shaped[np.ndarray, "height width channels"], inputs: InputSpec) -> Float64[np.ndarray, " numbers"]:
    """Numbers that describe a picture, one for each of `feature_names`.

    Args:
        pixels: As the network takes them.
        inputs: Says their range.
    """
    # Made small before its numbers become larger ones: a scan may have a thousand million pixels.
    picture = _reduced(pixels[..., :_MOST_CHANNELS]).astype(np.float32)
    picture = np.clip((picture - inputs.low) / (inputs.high - inputs.low), 0, 1)
    flat = picture.reshape(-1, picture.shape[2])
    low, high = np.percentile(flat, (5, 95), axis=0)
    numbers = [*flat.mean(axis=0), *flat.std(axis=0), *low, *high]
    pairs = combinations(range(flat.shape[1]), 2)
    numbers += [float((flat[:, one] - flat[:, other]).std()) for one, other in pairs]
    grey = picture.mean(axis=2)
    fine, coarse = (_steepness(part) for part in (grey, _reduced(grey[..., None], 4)[..., 0]))
    numbers += [fine, coarse, fine - coarse]
    rows, columns = (np.array_split(np.arange(length), min(3, length)) for length in grey.shape)
    thirds = np.array([[grey[np.ix_(row, column)].mean() for column in columns] for row in rows])
    around = (thirds.sum() - thirds[len(thirds) // 2, thirds.shape[1] // 2]) / max(thirds.size - 1, 1)
    numbers += [
        thirds[len(thirds) // 2, thirds.shape[1] // 2] - around,
        thirds[0].mean() - thirds[-1].mean(),
        thirds[:, 0].mean() - thirds[:, -1].mean(),
    ]
    return np.asarray(numbers, np.float64)


def feature_names(channels: int) -> list[str]:
    """What the numbers of `features` are, in words."""
    channels = min(channels, _MOST_CHANNELS)
    of = [""] if channels == 1 else [f" of channel {number}" for number in range(1, channels + 1)]
    names = [f"{what}{which}" for what in ("brightness", "contrast", "darkest part", "lightest part") for which in of]
    names += [f"colour: channel {a + 1} against {b + 1}" for a, b in combinations(range(channels), 2)]
    return [
        *names,
        "fine detail",
        "coarse detail",
        "fine against coarse detail",
        "middle against surroundings",
        "top against bottom",
        "left against right",
    ]


def learn(
    known: Float64[np.ndarray, "pictures numbers"],
    groups: Sequence[str],
    held_out: Float64[np.ndarray, "others numbers"],
) -> FamiliarSpec | None:
    """What a bundle remembers of its training pictures.

    Args:
        known: Features of training pictures.
        groups: Their groups, or empty names; pictures of one group do not vouch for one another.
        held_out: Features of pictures of the same kind that were not trained on, such as validation samples.

    Returns:
        It; None of fewer than two pictures that can be compared.
    """
    if not len(known):
        return None
    low, high = np.percentile(known, (10, 90), axis=0)
    scale = np.maximum((high - low) / 2.56, _LEAST_SCALE)
    own = np.array([group or f"\0{number}" for number, group in enumerate(groups)])
    among = _distances(known, known, scale, own[:, None] != own[None, :])
    beyond = _distances(held_out, known, scale)
    found = np.concatenate([among, beyond])
    found = found[np.isfinite(found)]
    if len(found) < 2:
        return None
    limit = max(float(np.quantile(part, _QUANTILE)) for part in (among[np.isfinite(among)], beyond) if len(part))
    return FamiliarSpec(
        features=np.round(known, 4).tolist(), scale=np.round(scale, 5).tolist(), limit=round(limit * _MARGIN + 1e-3, 4)
    )


@dataclass(frozen=True, eq=False)
class Familiarity:
    """The training pictures of a network, to be compared with any number of others.

    Attributes:
        inputs: How the network takes pictures.
        known: Features of training pictures.
        scale: By which differences are divided.
        limit: Distance above which a picture is unlike them.
    """

    inputs: InputSpec
    known: Float64[np.ndarray, "pictures numbers"]
    scale: Float64[np.ndarray, " numbers"]
    limit: float

    @classmethod
    def of(cls, familiar: FamiliarSpec, inputs: InputSpec) -> Familiarity:
        """Those that a bundle remembers."""
        return cls(inputs, np.array(familiar.features), np.array(familiar.scale), familiar.limit)

    def strangeness(self, pixels: Shaped[np.ndarray, "height width channels"]) -> Strangeness:
        """How far a picture is from the training pictures, and in what it differs most from all of them."""
        found = features(pixels, self.inputs)
        known = self.known
        distance = float(_distances(found[None], known, self.scale)[0])
        nearest = known[int(np.abs((known - found) / self.scale).max(axis=1).argmin())]
        worst = int((np.abs(found - nearest) / self.scale).argmax())
        name = feature_names(pixels.shape[2])[worst]
        if known[:, worst].min() <= found[worst] <= known[:, worst].max():
            because = f"{name}: unusual for a picture like this"
        else:
            side = "higher" if found[worst] > known[:, worst].max() else "lower"
            because = f"{name}: {side} than in any training picture"
        return Strangeness(distance / self.limit, because)


def _distances(
    these: Float64[np.ndarray, "these numbers"],
    known: Float64[np.ndarray, "known numbers"],
    scale: Float64[np.ndarray, " numbers"],
    allowed: Bool[np.ndarray, "these known"] | None = None,
) -> Float64[np.ndarray, " these"]:
    """Difference to the nearest known picture; infinite where none is allowed."""
    found = (np.abs((these[:, None] - known[None]) / scale) ** _POWER).mean(axis=2) ** (1 / _POWER)
    return np.asarray((found if allowed is None else np.where(allowed, found, np.inf)).min(axis=1))


def _reduced(
    picture: Shaped[np.ndarray, "height width channels"], factor: int = 1
) -> Shaped[np.ndarray, "_ _ channels"]:
    height, width = picture.shape[:2]
    scale = min(1.0, _SIDE / max(height, width)) / factor
    return resize_image(picture, (max(1, round(height * scale)), max(1, round(width * scale))))


def _steepness(grey: Float32[np.ndarray, "height width"]) -> float:
    """Logarithm of the mean change from a pixel to its neighbours."""
    changes = np.concatenate([np.abs(np.diff(grey, axis=axis)).ravel() for axis in (0, 1)])
    return float(np.log(_LEAST_STEEPNESS + (changes.mean() if changes.size else 0.0)))
