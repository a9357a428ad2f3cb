"""How well pictures foretell masks: a small linear model from cells of pictures to cells of masks.

Layer: data. The model is not meant to segment anything. It answers whether the masks that go with the
pictures have more to do with them than other masks would; what is common to all samples, such as an
object in the middle, is taken out first, so that it cannot answer for the single ones.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.ndimage
from jaxtyping import Bool, Float32, Shaped

from limner.data.check.features import GRID, Features, MaskFeatures

_RIDGE = 1e-2
_TINY = 1e-6


@dataclass(frozen=True)
class Association:
    """The linear model of one set of pairs.

    Attributes:
        weights: From maps of pictures to maps of masks.
        strength: Share of the masks' variance that pictures foretell, summed over the maps of masks.
        mean_picture: Mean map over the samples.
        mean_mask: Mean map over the samples.
    """

    weights: Float32[np.ndarray, "maps planes"]
    strength: float
    mean_picture: Float32[np.ndarray, "maps cells"]
    mean_mask: Float32[np.ndarray, "planes cells"]

    def foretold(self, pictures: Float32[np.ndarray, "samples maps cells"]) -> Float32[np.ndarray, "samples numbers"]:
        """What the model expects of the masks, as vectors of length 1."""
        guess = np.einsum("nmc,mp->npc", pictures - self.mean_picture, self.weights, optimize=True)
        return _units(guess)

    def actual(self, masks: Float32[np.ndarray, "samples planes cells"]) -> Float32[np.ndarray, "samples numbers"]:
        """The masks, in what they differ from their mean, as vectors of length 1."""
        return _units((masks - self.mean_mask) / _spread(masks - self.mean_mask))


def telling(features: Features, target: str) -> Bool[np.ndarray, " samples"]:
    """Which samples can be judged: a picture that is not blank, and a mask that is not one class throughout."""
    mask = features.masks[target]
    outlined = mask.maps[:, 0].any(axis=(1, 2))
    return np.asarray(mask.known & outlined & ~features.blank)


def picture_maps(features: Features) -> Float32[np.ndarray, "samples 10 cells"]:
    """Brightness, brightness against the surroundings near and far, texture, edges and colours of each cell."""
    grey, edges = features.grey.astype(np.float32), features.edges.astype(np.float32)
    near, far = grey - _blurred(grey, 2.0), grey - _blurred(grey, 4.0)
    colours = features.colour.astype(np.float32).repeat(2, axis=-1).repeat(2, axis=-2)
    level = _standard(grey)
    maps = [
        level,
        near,
        far,
        np.abs(far),
        edges,
        edges - _blurred(edges, 3.0),
        _blurred(edges, 1.5),
        level**2,
        colours[:, 0],
        colours[:, 1],
    ]
    return np.stack([_standard(values) for values in maps], axis=1).reshape(len(grey), len(maps), -1)


def mask_maps(mask: MaskFeatures) -> Float32[np.ndarray, "samples planes cells"]:
    """Outlines and mixtures of classes of each cell, without their mean over the picture."""
    maps = mask.maps.astype(np.float32)
    centred = maps - maps.mean(axis=(2, 3), keepdims=True)
    return np.asarray(centred.reshape(*maps.shape[:2], GRID * GRID))


def associate(
    pictures: Float32[np.ndarray, "samples maps cells"], masks: Float32[np.ndarray, "samples planes cells"]
) -> Association:
    """Fit the model to pairs, by least squares."""
    mean_picture, mean_mask = pictures.mean(axis=0), masks.mean(axis=0)
    pictures, masks = pictures - mean_picture, masks - mean_mask
    together = _together(pictures)
    cross = np.einsum("nmc,npc->mp", pictures, masks / _spread(masks), optimize=True) / pictures[:, 0].size
    weights = np.linalg.solve(together, cross).astype(np.float32)
    return Association(weights, float((cross * weights).sum()), mean_picture, mean_mask)


class Pairings:
    """The strength of any pairing of the same pictures and masks, at little cost each.

    Args:
        pictures: Maps of the pictures.
        masks: Maps of the masks; the n-th was given with the n-th picture.
    """

    def __init__(
        self,
        pictures: Float32[np.ndarray, "samples maps cells"],
        masks: Float32[np.ndarray, "samples planes cells"],
    ) -> None:
        pictures, masks = pictures - pictures.mean(axis=0), masks - masks.mean(axis=0)
        self._solver = np.linalg.inv(_together(pictures))
        cells = pictures.shape[2]
        self._cross = np.einsum("imc,jpc->ijmp", pictures, masks / _spread(masks), optimize=True) / cells

    def strength(self, partners: Shaped[np.ndarray, " samples"]) -> float:
        """Strength when the n-th picture has the mask that was given with picture `partners[n]`."""
        cross = self._cross[np.arange(len(partners)), partners].mean(axis=0)
        return float(np.einsum("mp,mk,kp->", cross, self._solver, cross))


def _together(pictures: Float32[np.ndarray, "samples maps cells"]) -> np.ndarray:
    products = np.einsum("nmc,nkc->mk", pictures, pictures, optimize=True) / pictures[:, 0].size
    return np.asarray(products + _RIDGE * np.eye(pictures.shape[1], dtype=np.float32))


def _spread(masks: Float32[np.ndarray, "samples planes cells"]) -> Float32[np.ndarray, "planes 1"]:
    """Standard deviation of each map of the masks, which is 0 for a map that is not used."""
    return np.asarray(np.sqrt((masks**2).mean(axis=(0, 2)))[:, np.newaxis] + _TINY)


def _units(vectors: Float32[np.ndarray, "samples planes cells"]) -> Float32[np.ndarray, "samples numbers"]:
    flat = vectors.reshape(len(vectors), -1)
    return np.asarray(flat / (np.linalg.norm(flat, axis=1, keepdims=True) + _TINY))


def _standard(maps: Float32[np.ndarray, "samples side side"]) -> Float32[np.ndarray, "samples side side"]:
    centred = maps - maps.mean(axis=(1, 2), keepdims=True)
    return np.asarray(centred / (centred.std(axis=(1, 2), keepdims=True) + _TINY))


def _blurred(maps: Float32[np.ndarray, "samples side side"], sigma: float) -> Float32[np.ndarray, "samples side side"]:
    return np.asarray(scipy.ndimage.gaussian_filter(maps, (0, sigma, sigma), mode="nearest"))
