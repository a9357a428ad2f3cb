"""Volumes as stacks of slices: which way is up, and which slices lie on one another.

Layer: images. Geometry alone; `nifti` and `series` make volumes of files.

A volume's axes are turned to the patient's: the first runs from left to right, the second from back to front, the
third from feet to head (what NIfTI calls RAS). Slices are numbered along them and drawn as radiologists see them, and
as scanners store DICOM: in axial and coronal slices the patient's right is at the left, front or head is at the
top; in sagittal slices the head is at the top and the front at the left.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Shaped

from limner.types import PLANES, Plane, Size

_SAME = 0.1
_ALIKE = 0.05


@dataclass(frozen=True, eq=False)
class Volume:
    """The grid of a volume.

    Attributes:
        shape: Voxels from left to right, back to front, feet to head.
        affine: From these voxels' numbers to millimetres in the same directions.
    """

    shape: tuple[int, int, int]
    affine: Float64[np.ndarray, "rows=4 columns=4"]

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Millimetres from voxel to voxel along each axis."""
        left, back, down = np.sqrt((self.affine[:3, :3] ** 2).sum(axis=0)).tolist()
        return left, back, down

    def slices(self, plane: Plane) -> int:
        """How many slices there are in this plane."""
        return self.shape[PLANES.index(plane)]

    def size(self, plane: Plane) -> Size:
        """Height and width of each of them."""
        width, height = (self.shape[axis] for axis in range(3) if PLANES[axis] != plane)
        return height, width

    def steps(self, plane: Plane) -> tuple[float, float]:
        """Height and width of a slice's pixels, in millimetres."""
        width, height = (self.spacing[axis] for axis in range(3) if PLANES[axis] != plane)
        return height, width

    def lies_on(self, other: Volume) -> bool:
        """Whether both have the same voxels in the same places, up to a tenth of a voxel."""
        if self.shape != other.shape:
            return False
        corners = np.array(np.meshgrid(*[(0, length - 1) for length in self.shape], indexing="ij")).reshape(3, -1)
        apart = (self.affine - other.affine)[:3] @ np.vstack([corners, np.ones(corners.shape[1])])
        return bool(np.sqrt((apart**2).sum(axis=0)).max() <= _SAME * min(self.spacing))

    def describe(self) -> str:
        """Shape, spacing and place, in words."""
        shape = "×".join(str(length) for length in self.shape)
        spacing = " × ".join(f"{step:.4g}" for step in self.spacing)
        rows = "; ".join(" ".join(f"{number:.4g}" for number in row) for row in self.affine[:3].tolist())
        return f"{shape} voxels of {spacing} mm, affine [{rows}]"


def choose_plane(volumes: list[Volume]) -> tuple[Plane, str]:
    """The plane in which volumes were most likely drawn, and why.

    Slices lie across the axis along which voxels are longest; where voxels are cubes, across the axis with the
    fewest, else axial.
    """
    spacing = np.median([volume.spacing for volume in volumes], axis=0)
    counts = np.median([volume.shape for volume in volumes], axis=0)
    far = int(spacing.argmax())
    others = np.delete(spacing, far).max()
    if spacing[far] > (1 + _ALIKE) * others:
        return PLANES[far], f"slices lie {spacing[far]:.3g} mm apart, pixels {others:.3g} mm"
    few = int(counts.argmin())
    if (counts == counts[few]).sum() == 1:
        return PLANES[few], f"voxels are cubes, and {counts[few]:g} slices are the fewest"
    return "axial", "voxels are cubes, and no axis is shorter than the others"


def cut(voxels: Shaped[np.ndarray, "left back down"], page: int, plane: Plane) -> Shaped[np.ndarray, "height width"]:
    """One slice as it is drawn; a view."""
    flat = np.moveaxis(voxels, PLANES.index(plane), 0)[page]
    drawn: Shaped[np.ndarray, "height width"] = flat[::-1, ::-1].T
    return drawn
