"""Things of triangles, and what a camera sees of them.

Layer: examples, below the data sets. Lengths in metres; x forward, y left, z up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32, Int32

from limner.types import Size


@dataclass(frozen=True)
class Mesh:
    """Triangles of several things.

    Attributes:
        points: Corners.
        normals: Outward direction at each corner, of length 1.
        triangles: Numbers of the corners of each triangle.
        things: Which thing each triangle belongs to.
    """

    points: Float32[np.ndarray, "points 3"]
    normals: Float32[np.ndarray, "points 3"]
    triangles: Int32[np.ndarray, "triangles 3"]
    things: Int32[np.ndarray, " triangles"]


@dataclass(frozen=True)
class Camera:
    """A camera that looks at a point.

    Attributes:
        place: Where it stands.
        target: What lies in the middle of the picture.
        focal: Focal length in pixels.
        size: Height and width of the picture.
    """

    place: Float32[np.ndarray, " axes"]
    target: Float32[np.ndarray, " axes"]
    focal: float
    size: Size

    @property
    def axes(self) -> Float32[np.ndarray, "3 3"]:
        """Directions of the picture's right, down and depth, a row each."""
        ahead = (self.target - self.place) / np.linalg.norm(self.target - self.place)
        right = np.cross(ahead, [0, 0, 1])
        right /= np.linalg.norm(right)
        return np.stack([right, np.cross(ahead, right), ahead]).astype(np.float32)

    def rays(self) -> Float32[np.ndarray, "height width 3"]:
        """Direction in which each pixel looks, of length 1."""
        height, width = self.size
        down = (np.arange(height, dtype=np.float32) + 0.5 - height / 2) / self.focal
        right = (np.arange(width, dtype=np.float32) + 0.5 - width / 2) / self.focal
        axes = self.axes
        rays = right[None, :, None] * axes[0] + down[:, None, None] * axes[1] + axes[2]
        rays /= np.sqrt((rays * rays).sum(axis=2, keepdims=True))
        return np.asarray(rays, np.float32)


def join(meshes: Sequence[Mesh]) -> Mesh:
    """All triangles together."""
    offsets = np.cumsum([0, *(len(mesh.points) for mesh in meshes[:-1])])
    return Mesh(
        np.concatenate([mesh.points for mesh in meshes]),
        np.concatenate([mesh.normals for mesh in meshes]),
        np.concatenate([mesh.triangles + offset for mesh, offset in zip(meshes, offsets, strict=True)]).astype(
            np.int32
        ),
        np.concatenate([mesh.things for mesh in meshes]),
    )


def skin(rows: Float[np.ndarray, "rows columns 3"], thing: int) -> Mesh:
    """A surface through a net of points, each of which is joined to its neighbours.

    Normals come from the net and point away from its middle.
    """
    count, around = rows.shape[:2]
    along, across = np.gradient(rows, axis=0), np.gradient(rows, axis=1)
    normals = np.cross(along, across).reshape(-1, 3)
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-9)
    points = rows.reshape(-1, 3)
    inward = ((points - points.mean(axis=0)) * normals).sum(axis=1) < 0
    normals[inward] *= -1
    corner = (np.arange(count - 1)[:, None] * around + np.arange(around - 1)).reshape(-1, 1)
    steps = np.array([[0, 1, around + 1], [0, around + 1, around]])
    triangles = np.concatenate([corner + step for step in steps]).astype(np.int32)
    things = np.full(len(triangles), thing, np.int32)
    return Mesh(points.astype(np.float32), normals.astype(np.float32), triangles, things)


def look(mesh: Mesh, camera: Camera) -> Int32[np.ndarray, "height width"]:
    """Number of the nearest triangle in each pixel, -1 where there is none."""
    height, width = camera.size
    seen = (mesh.points - camera.place) @ camera.axes.T
    nearness = 1 / seen[:, 2]
    columns = camera.focal * seen[:, 0] * nearness + width / 2
    rows = camera.focal * seen[:, 1] * nearness + height / 2
    corners = np.stack([columns, rows, nearness], axis=1)[mesh.triangles]
    # Rows and columns whose middles may lie in the triangle; most small triangles have none.
    first = np.maximum(np.ceil(corners[..., :2].min(axis=1) - 0.5), 0).astype(int)
    last = np.minimum(np.floor(corners[..., :2].max(axis=1) - 0.5) + 1, [width, height]).astype(int)
    nearest = np.zeros(camera.size, np.float32)
    found = np.full(camera.size, -1, np.int32)
    for number in np.flatnonzero((first < last).all(axis=1)).tolist():
        (left, top), (right, bottom) = first[number].tolist(), last[number].tolist()
        window = slice(top, bottom), slice(left, right)
        _cover(corners[number].tolist(), (top, left), nearest[window], found[window], number)
    return found


def _cover(
    corners: list[list[float]],
    origin: tuple[int, int],
    nearest: np.ndarray,
    found: np.ndarray,
    number: int,
) -> None:
    """Enter one triangle where it is in front of what was entered before."""
    (x0, y0, n0), (x1, y1, n1), (x2, y2, n2) = corners
    area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
    if abs(area) < 1e-6:
        return
    x = np.arange(found.shape[1], dtype=np.float32)[None, :] + (origin[1] + 0.5)
    y = np.arange(found.shape[0], dtype=np.float32)[:, None] + (origin[0] + 0.5)
    second = ((x - x0) * (y2 - y0) - (x2 - x0) * (y - y0)) / area
    third = ((x1 - x0) * (y - y0) - (x - x0) * (y1 - y0)) / area
    # Nearness, unlike depth, is linear in the picture.
    near = n0 + second * (n1 - n0) + third * (n2 - n0)
    front = (second >= 0) & (third >= 0) & (second + third <= 1) & (near > nearest)
    nearest[front] = near[front]
    found[front] = number


def surface(
    mesh: Mesh, triangles: Int32[np.ndarray, " pixels"], camera: Camera, rays: Float32[np.ndarray, "pixels 3"]
) -> tuple[Float32[np.ndarray, "pixels 3"], Float32[np.ndarray, "pixels 3"]]:
    """Where pixels meet their triangles, and the smooth normal there, turned towards the camera."""
    corners = mesh.triangles[triangles]
    first, second, third = (mesh.points[corners[:, place]] for place in range(3))
    flat = np.cross(second - first, third - first)
    facing = np.einsum("pc,pc->p", flat, rays)
    reach = np.einsum("pc,pc->p", flat, first - camera.place) / np.where(np.abs(facing) < 1e-12, 1e-12, facing)
    points = camera.place + reach[:, None] * rays
    square = np.einsum("pc,pc->p", flat, flat)[:, None] + 1e-20
    shares = [
        np.einsum("pc,pc->p", np.cross(ahead - points, behind - points), flat)[:, None] / square
        for ahead, behind in ((second, third), (third, first), (first, second))
    ]
    normals = sum(share * mesh.normals[corners[:, place]] for place, share in enumerate(shares))
    normals = normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-9)
    away = np.einsum("pc,pc->p", normals, rays) > 0
    normals[away] *= -1
    return points.astype(np.float32), normals.astype(np.float32)
