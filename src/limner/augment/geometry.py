"""Flips, turns and warps: all geometry of a sample in one resampling, the same for image and targets.

Layer: augment, below `specification`.

A warped pixel at offset u from the centre shows what lay at

    M (u + d(u) − t)        M = flips · quarter turns⁻¹ · rotation⁻¹ / zoom,  t = shift

with d the elastic displacement, a uniform cubic B-spline over a coarse grid of control points
(Rueckert et al., Nonrigid registration using free-form deformations, 1999). Pixel centres lie at
half-integers (`align_corners=False`), so that the border reflects about the outer edge.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Float, Float32, Int, Shaped
from torch import Tensor
from torch.nn import functional

from limner.augment.draws import Draw
from limner.types import Size


def transform(
    images: Float[Tensor, "batch channels height width"], targets: dict[str, Tensor], draw: Draw
) -> tuple[Float[Tensor, "batch channels height width"], dict[str, Shaped[Tensor, "batch *planes height width"]]]:
    """Move the samples that the draw moves; the very tensors come back where it moves none."""
    turns = _exact_turns(draw)
    warped = np.flatnonzero(draw.warped)
    if not turns and not warped.size:
        return images, targets
    moved = images.clone()
    moved_targets = {name: target.clone() for name, target in targets.items()}
    for (flip_h, flip_v, quarters), rows in turns.items():
        index = _index(rows, images.device)
        for before, after in [(images, moved), *((targets[name], moved_targets[name]) for name in targets)]:
            after[index] = turn(before[index], flip_h, flip_v, quarters)
    if warped.size:
        index = _index(warped, images.device)
        grid = sampling_grid(draw, warped, images.device)
        moved[index] = sample(images[index], grid, "bilinear")
        for name, target in targets.items():
            moved_targets[name][index] = sample_target(target[index], grid)
    return moved, moved_targets


def turn(
    batch: Shaped[Tensor, "batch *planes height width"], flip_h: bool, flip_v: bool, quarters: int
) -> Shaped[Tensor, "batch *planes height_ width_"]:
    """Flip, then turn counter-clockwise by quarters, without touching a value."""
    flipped = [dim for dim, flip in ((-1, flip_h), (-2, flip_v)) if flip]
    return torch.rot90(batch.flip(flipped) if flipped else batch, quarters, (-2, -1))


def sample(
    batch: Shaped[Tensor, "batch *planes height width"], grid: Float32[Tensor, "batch height width 2"], mode: str
) -> Shaped[Tensor, "batch *planes height width"]:
    """Values of `batch` at the places of `grid`, reflected at the border, in the dtype of `batch`."""
    planes = batch if batch.ndim == 4 else batch.unsqueeze(1)
    sampled = functional.grid_sample(
        planes.to(torch.float32), grid, mode=mode, padding_mode="reflection", align_corners=False
    )
    return sampled.to(batch.dtype).reshape(batch.shape)


def sample_target(
    batch: Shaped[Tensor, "batch *planes height width"], grid: Float32[Tensor, "batch height width 2"]
) -> Shaped[Tensor, "batch *planes height width"]:
    """Nearest values of a target at the places of `grid`.

    Ids are reflected at the border like their image. Numbers are not: what would be measured outside
    of a picture is unknown, and NaN.
    """
    sampled = sample(batch, grid, "nearest")
    if not batch.is_floating_point():
        return sampled
    outside = (grid.abs() > 1).any(dim=-1)
    return sampled.masked_fill(outside if batch.ndim == 3 else outside[:, None], torch.nan)


def sampling_grid(
    draw: Draw, rows: Int[np.ndarray, " rows"], device: torch.device
) -> Float32[Tensor, "rows height width 2"]:
    """Where each pixel of the drawn samples `rows` comes from, as `grid_sample` wants it: x and y in [-1, 1]."""
    height, width = draw.size
    down = torch.arange(height, device=device, dtype=torch.float32).sub_((height - 1) / 2).reshape(1, height, 1)
    right = torch.arange(width, device=device, dtype=torch.float32).sub_((width - 1) / 2).reshape(1, 1, width)
    if draw.bent[rows].any():
        bend = displacements(draw.displacement[rows], draw.size, device)
        down, right = down + bend[:, 0], right + bend[:, 1]
    matrix = inverse_matrices(draw, rows)
    offset = matrix @ (draw.shift[rows] * draw.size)[:, :, None]
    terms = np.concatenate([matrix, -offset], axis=2) * (2 / np.array(draw.size))[:, None]
    table = torch.from_numpy(terms.astype(np.float32)).to(device)[..., None, None]
    # Plain products and sums, never a matrix product: autocast and TF32 would round the coordinates.
    y, x = (table[:, axis, 0] * down + table[:, axis, 1] * right + table[:, axis, 2] for axis in (0, 1))
    return torch.stack([x, y], dim=-1)


def inverse_matrices(draw: Draw, rows: Int[np.ndarray, " rows"]) -> Float[np.ndarray, "rows 2 2"]:
    """The matrices M of the module's formula, acting on (down, right)."""
    radians = np.deg2rad(draw.angle[rows] + 90 * draw.quarter_turns[rows])
    cos, sin = np.cos(radians) / draw.zoom[rows], np.sin(radians) / draw.zoom[rows]
    back = np.stack([np.stack([cos, sin], axis=1), np.stack([-sin, cos], axis=1)], axis=1)
    flips = np.where(np.stack([draw.flip_v[rows], draw.flip_h[rows]], axis=1), -1.0, 1.0)
    return np.asarray(flips[:, :, None] * back)


def displacements(
    nodes: Float[np.ndarray, "rows 2 points points"], size: Size, device: torch.device
) -> Float32[Tensor, "rows 2 height width"]:
    """Smooth displacement in pixels, down and right, from control points in shares of the shorter side."""
    points = nodes.shape[-1]
    along_height, along_width = (torch.from_numpy(spline_weights(length, points)).to(device) for length in size)
    control = torch.from_numpy((nodes * min(size)).astype(np.float32)).to(device)
    with torch.autocast(device.type, enabled=False):
        return torch.einsum("hp,rdpq,wq->rdhw", along_height, control, along_width)


@lru_cache(maxsize=32)
def spline_weights(length: int, points: int) -> Float32[np.ndarray, "length points"]:
    """Weights of each control point at each pixel for a uniform cubic B-spline; rows sum to 1."""
    cells = points - 3
    place = (np.arange(length) + 0.5) * cells / length
    cell = np.minimum(place.astype(np.int64), cells - 1)
    t = place - cell
    basis = np.stack([(1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3], axis=1) / 6
    weights = np.zeros((length, points), dtype=np.float32)
    np.put_along_axis(weights, cell[:, None] + np.arange(4), basis.astype(np.float32), axis=1)
    return weights


def _exact_turns(draw: Draw) -> dict[tuple[bool, bool, int], Int[np.ndarray, " rows"]]:
    """Rows that are flipped or turned but not warped, by what happens to them."""
    kinds = zip(draw.flip_h.tolist(), draw.flip_v.tolist(), draw.quarter_turns.tolist(), strict=True)
    rows: dict[tuple[bool, bool, int], list[int]] = {}
    for row, (kind, warped) in enumerate(zip(kinds, draw.warped.tolist(), strict=True)):
        if any(kind) and not warped:
            rows.setdefault(kind, []).append(row)
    return {kind: np.array(members) for kind, members in rows.items()}


def _index(rows: Int[np.ndarray, " rows"], device: torch.device) -> Tensor:
    return torch.from_numpy(rows).to(device)
