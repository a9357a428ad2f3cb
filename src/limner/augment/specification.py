"""What may happen to a training sample, how strongly and how often.

Layer: augment, above `geometry` and `intensity`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from limner.augment.draws import Chances, Draw, draw_chances
from limner.augment.geometry import transform
from limner.augment.intensity import change_intensity
from limner.errors import ConfigError
from limner.types import Size

MAX_ELASTIC = 0.48
"""Largest elastic displacement, in control spacings, at which a cubic B-spline cannot fold over
itself (Choi & Lee, Injectivity conditions of 2D and 3D uniform cubic B-spline functions, 2000)."""

# Columns of the uniform numbers. Append only: another order would change every drawn batch.
_STRENGTHS = (
    "flip_h",
    "flip_v",
    "rotate90",
    "rotate",
    "scale",
    "shift_down",
    "shift_right",
    "brightness",
    "contrast",
    "gamma",
    "noise",
    "blur",
)
_CHANCES = ("rotate", "scale", "shift", "elastic", "brightness", "contrast", "gamma", "noise", "blur")


@dataclass(frozen=True)
class Augmentation:
    """Random changes to training samples; the defaults suit photographs and scans of any kind.

    A strength of 0 (or a scale of `(1, 1)`) switches a change off. Each `*_probability` is the share
    of samples that get the change; their strength is then uniform up to the largest (log-uniform
    for scale, contrast and gamma, so that doubling is as likely as halving).

    Args:
        flip_h: Mirror left and right, half of the samples.
        flip_v: Mirror top and bottom, half of the samples. For pictures without an up, such as
            microscopy and aerial views.
        rotate90: Quarter turns, all four alike; only half turns where pictures are not square. For
            pictures without an up.
        rotate: Largest rotation in degrees either way, 0–180.
        scale: Smallest and largest zoom, 0.1–10; above 1 things get larger.
        shift: Largest shift as a share of height and width, 0–1.
        elastic: Largest elastic displacement as a share of the shorter side, 0–0.48 / `elastic_grid`.
        elastic_grid: Cells of the elastic deformation along each side, 1–64; more are finer.
        brightness: Largest change of brightness, as a share of the full range, 0–1.
        contrast: Largest relative change of contrast c, 0–1: factors from 1 / (1 + c) to 1 + c.
        gamma: Largest relative change of gamma g, 0–1: exponents from 1 / (1 + g) to 1 + g.
        noise: Largest standard deviation of the noise, as a share of the full range, 0–1.
        blur: Largest standard deviation of the blur in pixels, 0–10.
        rotate_probability: Share of samples that are rotated, 0–1; likewise the others.

    Raises:
        ConfigError: A value is outside its range.

    Example:
        >>> draw = Augmentation(rotate=30.0).draw(seed=0, epoch=3, samples=np.array([17, 4]), size=(256, 256))
        >>> draw.angle.round(1).tolist()
        [8.5, 0.0]
    """

    flip_h: bool = True
    flip_v: bool = False
    rotate90: bool = False
    rotate: float = 15.0
    scale: tuple[float, float] = (0.8, 1.25)
    shift: float = 0.05
    elastic: float = 0.0
    elastic_grid: int = 6
    brightness: float = 0.1
    contrast: float = 0.2
    gamma: float = 0.2
    noise: float = 0.03
    blur: float = 1.0
    rotate_probability: float = 0.75
    scale_probability: float = 0.75
    shift_probability: float = 0.75
    elastic_probability: float = 0.3
    brightness_probability: float = 0.5
    contrast_probability: float = 0.5
    gamma_probability: float = 0.3
    noise_probability: float = 0.2
    blur_probability: float = 0.2

    def __post_init__(self) -> None:
        for name, (low, high) in _RANGES.items():
            _check_range(name, float(getattr(self, name)), low, high)
        for name in _CHANCES:
            _check_range(f"{name}_probability", float(getattr(self, f"{name}_probability")), 0.0, 1.0)
        _check_range("elastic", self.elastic, 0.0, MAX_ELASTIC / self.elastic_grid)
        _check_range("scale (smallest)", self.scale[0], 0.1, 10.0)
        _check_range("scale (largest)", self.scale[1], self.scale[0], 10.0)

    @classmethod
    def none(cls) -> Augmentation:
        """The augmentation that changes nothing."""
        return cls(
            flip_h=False,
            rotate=0.0,
            scale=(1.0, 1.0),
            shift=0.0,
            brightness=0.0,
            contrast=0.0,
            gamma=0.0,
            noise=0.0,
            blur=0.0,
        )

    def draw(self, seed: int, epoch: int, samples: Int[np.ndarray, " batch"], size: Size) -> Draw:
        """Draw what happens to each sample of a batch.

        A sample's numbers depend on `seed`, `epoch`, its own id and whether `size` is square, and on
        nothing else: not on the rest of the batch, its order, or the number of processes.

        Args:
            seed: Not negative.
            epoch: Not negative.
            samples: Ids, not negative; a sample that an epoch visits twice needs two ids for two draws.
            size: Height and width of the pictures that it will be applied to.
        """
        chances = draw_chances(seed, epoch, samples, len(_STRENGTHS) + len(_CHANCES), self.elastic_grid + 3)
        strength = dict(zip(_STRENGTHS, chances.uniform.T, strict=False))
        happens = {
            name: column < getattr(self, f"{name}_probability")
            for name, column in zip(_CHANCES, chances.uniform.T[len(_STRENGTHS) :], strict=True)
        }
        turns = (4 * strength["rotate90"]).astype(np.int64) if self.rotate90 else np.zeros(len(samples), dtype=np.int64)
        shift = self.shift * _signed(np.stack([strength["shift_down"], strength["shift_right"]], axis=1))
        return Draw(
            size=size,
            flip_h=self.flip_h & (strength["flip_h"] < 0.5),
            flip_v=self.flip_v & (strength["flip_v"] < 0.5),
            quarter_turns=turns if size[0] == size[1] else 2 * (turns // 2),
            angle=np.where(happens["rotate"], self.rotate * _signed(strength["rotate"]), 0.0),
            zoom=np.where(happens["scale"], _between(*self.scale, strength["scale"]), 1.0),
            shift=np.where(happens["shift"][:, None], shift, 0.0),
            displacement=np.where(happens["elastic"][:, None, None, None], self.elastic * chances.nodes, 0.0),
            **self._draw_intensity(strength, happens, chances),
        )

    def _draw_intensity(
        self, strength: dict[str, np.ndarray], happens: dict[str, np.ndarray], chances: Chances
    ) -> dict[str, np.ndarray]:
        contrast = _between(1 / (1 + self.contrast), 1 + self.contrast, strength["contrast"])
        gamma = _between(1 / (1 + self.gamma), 1 + self.gamma, strength["gamma"])
        return {
            "blur": np.where(happens["blur"], self.blur * strength["blur"], 0.0),
            "contrast": np.where(happens["contrast"], contrast, 1.0),
            "brightness": np.where(happens["brightness"], self.brightness * _signed(strength["brightness"]), 0.0),
            "gamma": np.where(happens["gamma"], gamma, 1.0),
            "noise": np.where(happens["noise"], self.noise * strength["noise"], 0.0),
            "noise_key": chances.keys,
        }

    def apply(
        self,
        images: Float[Tensor, "batch channels height width"],
        targets: dict[str, Tensor],
        draw: Draw,
    ) -> tuple[Float[Tensor, "batch channels height width"], dict[str, Shaped[Tensor, "batch *planes height width"]]]:
        """Change images and targets as drawn, on the device where they are.

        Images are sampled bilinearly, targets by the nearest pixel of the same grid, both reflected
        at the border, where numbers (floating-point targets) become NaN instead; samples that are only
        flipped or turned keep their exact values. Nothing is changed in place; where no sample needs a
        change, the very tensors come back. Memory formats are kept. One batch always gives the same bits
        on one device; with other samples beside it, or on another device, a sample's pixels are the same
        up to rounding.

        Args:
            images: In [0, 1], and they stay there.
            targets: By name, `batch height width` ids or `batch planes height width`, any dtype.
            draw: From `draw`, for as many samples of the same size.
        """
        if (len(draw), draw.size) != (images.shape[0], tuple(images.shape[-2:])):
            raise ValueError(f"a draw for {len(draw)} samples of {draw.size}, but images are {tuple(images.shape)}")
        images, targets = transform(images, targets, draw)
        return change_intensity(images, draw), targets


_RANGES: dict[str, tuple[float, float]] = {
    "rotate": (0.0, 180.0),
    "shift": (0.0, 1.0),
    "elastic_grid": (1.0, 64.0),
    "brightness": (0.0, 1.0),
    "contrast": (0.0, 1.0),
    "gamma": (0.0, 1.0),
    "noise": (0.0, 1.0),
    "blur": (0.0, 10.0),
}


def _check_range(name: str, value: float, low: float, high: float) -> None:
    if not (math.isfinite(value) and low <= value <= high):
        expected = f"augment.{name} from {low:g} to {high:.3g}"
        raise ConfigError(expected, f"{value:g}", "Choose a value in that range, or leave the setting out.")


def _signed(uniform: np.ndarray) -> np.ndarray:
    return 2 * uniform - 1


def _between(low: float, high: float, uniform: np.ndarray) -> np.ndarray:
    """Log-uniform from `low` to `high`."""
    return np.asarray(low * (high / low) ** uniform)
