"""Scans: volumes that do not lie on one another, slices out of order, groups that must hold."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from limner.data.labels import read_target
from limner.errors import MissingExtra
from limner.images import medical
from limner.types import no_progress
from limner.workflow.settings import prepare_data, read_settings

Verdict = Callable[..., Any]


def volumes(zoo: Any, count: int = 5, slices: int = 4) -> list[tuple[str, np.ndarray, np.ndarray]]:
    """Name, voxels `slices height width`, and ids."""
    drawn = list(zoo.draw(count * slices))
    zoo.truth.clear()
    found = []
    for number in range(count):
        part = drawn[slices * number : slices * (number + 1)]
        voxels = np.stack([picture[..., 0].astype(np.int16) * 4 - 100 for _, picture, _ in part])
        ids = np.stack([ids for *_, ids in part])
        zoo.truth |= {f"p{number}_s{page:03}": plane for page, plane in enumerate(ids)}
        found.append((f"p{number}", voxels, ids))
    return found


def test_volumes(zoo: Any, scans: Any, accepts: Verdict) -> None:
    for name, voxels, ids in volumes(zoo):
        scans.nifti(zoo.root / "images" / f"{name}.nii.gz", voxels)
        scans.nifti(zoo.root / "masks" / f"{name}.nii.gz", ids)
    accepts()


def test_the_mask_is_stored_in_another_order_of_axes(zoo: Any, scans: Any, accepts: Verdict) -> None:
    turned = scans.affine @ np.array([[0, -1, 0, 63], [0, 0, -1, 47], [1, 0, 0, 0], [0, 0, 0, 1.0]])
    for name, voxels, ids in volumes(zoo):
        scans.nifti(zoo.root / "images" / f"{name}.nii.gz", voxels)
        # `slices columns rows`, both reversed: the affine says so.
        scans.nifti(zoo.root / "masks" / f"{name}.nii.gz", ids.transpose(0, 2, 1)[:, ::-1, ::-1], turned)
    accepts()


def test_slices_are_named_out_of_order(zoo: Any, scans: Any, accepts: Verdict) -> None:
    for name, voxels, ids in volumes(zoo):
        scans.series(zoo.root / "images" / name, voxels, ["IM3", "IM0", "IM2", "IM1"], PatientID=name)
        scans.nifti(zoo.root / "masks" / f"{name}.nii.gz", ids)
    accepts()


def test_a_mask_of_another_affine(zoo: Any, scans: Any, refuses: Verdict) -> None:
    for name, voxels, ids in volumes(zoo):
        scans.nifti(zoo.root / "images" / f"{name}.nii.gz", voxels)
        scans.nifti(zoo.root / "masks" / f"{name}.nii.gz", ids.T, np.eye(4) if name == "p3" else scans.affine)
    refuses("no-samples", says="the affine differs")


def test_a_mask_of_another_shape(zoo: Any, scans: Any, refuses: Verdict) -> None:
    for name, voxels, ids in volumes(zoo):
        scans.nifti(zoo.root / "images" / f"{name}.nii.gz", voxels)
        scans.nifti(zoo.root / "masks" / f"{name}.nii.gz", ids[:3] if name == "p3" else ids)
    refuses("no-samples", says="64×48×3 voxels")


def test_a_mask_that_is_mirrored_against_its_series(zoo: Any, scans: Any, refuses: Verdict) -> None:
    for name, voxels, ids in volumes(zoo):
        scans.series(zoo.root / "images" / name, voxels[:, :, ::-1], ImageOrientationPatient=[-1, 0, 0, 0, 1, 0])
        scans.nifti(zoo.root / "masks" / f"{name}.nii.gz", ids)
    refuses("no-samples", says="turned or mirrored")


def test_a_damaged_volume(zoo: Any, scans: Any, refuses: Verdict) -> None:
    for name, voxels, ids in volumes(zoo):
        path = scans.nifti(zoo.root / "images" / f"{name}.nii", voxels)
        scans.nifti(zoo.root / "masks" / f"{name}.nii.gz", ids)
    with open(path, "r+b") as file:  # noqa: PTH123
        file.truncate(5000)
    checked = zoo.check()
    assert checked.outcome == "cannot train"
    assert "p4.nii" in str(checked.findings)


def test_no_split_parts_a_volume_whatever_the_groups(zoo: Any, scans: Any) -> None:
    for name, voxels, ids in volumes(zoo, slices=3):
        scans.nifti(zoo.root / "images" / f"{name}.nii.gz", voxels)
        scans.nifti(zoo.root / "masks" / f"{name}.nii.gz", ids)
    chosen = read_settings(None, [], {"data.cache": False, "data.group": "(s[0-9]+)$"}, data=zoo.root)
    with pytest.raises(Exception, match="group"):  # every slice number is in every volume: nothing can be parted
        prepare_data(chosen, no_progress)
    catalog = prepare_data(read_settings(None, [], {"data.cache": False}, data=zoo.root), no_progress).catalog
    splits = {(volume, split) for volume, split in zip(catalog.facts["volume"], catalog.splits, strict=True)}
    assert len(splits) == 5


def test_a_window(zoo: Any, scans: Any) -> None:
    for name, voxels, ids in volumes(zoo):
        scans.nifti(zoo.root / "images" / f"{name}.nii.gz", voxels)
        scans.nifti(zoo.root / "masks" / f"{name}.nii.gz", ids)
    chosen = read_settings(None, [], {"data.cache": False, "data.window": [40, 400]}, data=zoo.root)
    data = prepare_data(chosen, no_progress)
    assert (data.fingerprint.low, data.fingerprint.high) == (-160, 240)
    assert 0 <= data.fingerprint.mean[0] <= 1
    assert read_target(data.catalog.targets["mask"][0], data.label_maps["mask"]).any()


def test_a_missing_package(zoo: Any, scans: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, voxels, ids in volumes(zoo):
        scans.nifti(zoo.root / "images" / f"{name}.nii.gz", voxels)
        scans.nifti(zoo.root / "masks" / f"{name}.nii.gz", ids)
    monkeypatch.setitem(sys.modules, "nibabel", None)
    medical._imported.cache_clear()
    try:
        with pytest.raises(MissingExtra, match=r"limner\[medical\]"):
            zoo.check()
    finally:
        medical._imported.cache_clear()
