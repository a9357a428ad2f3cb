"""ImageJ: its kinds of outlines, groups, names, and slices."""

from __future__ import annotations

import numpy as np
import pytest
from roifile import ROI_OPTIONS, ROI_TYPE, ImagejRoi

from limner.errors import DataError
from limner.images import read_mask

SQUARE = np.array([[4, 4], [14, 4], [14, 14], [4, 14]], np.float32)


def polygon(kind=ROI_TYPE.POLYGON, **more):
    roi = ImagejRoi.frompoints(SQUARE)
    roi.roitype, roi.options, roi.subpixel_coordinates = kind, ROI_OPTIONS(0), None
    for name, value in more.items():
        setattr(roi, name, value)
    return roi


@pytest.mark.parametrize("kind", [ROI_TYPE.POLYGON, ROI_TYPE.FREEHAND, ROI_TYPE.TRACED])
def test_whole_coordinates_are_corners_of_pixels(desk, kind):
    desk.write(polygon(kind).tobytes(), "a.roi")
    mask = read_mask(str(desk.convert().folder / "masks/a.png")).array
    assert mask.sum() == 100
    assert mask[4:14, 4:14].all()


def test_an_oval_fills_its_rectangle(desk):
    desk.write(ImagejRoi(roitype=ROI_TYPE.OVAL, left=10, top=5, right=40, bottom=25).tobytes(), "a.roi")
    mask = read_mask(str(desk.convert().folder / "masks/a.png")).array
    rows, columns = np.mgrid[:40, :60] + 0.5
    assert np.array_equal(mask == 1, ((columns - 25) / 15) ** 2 + ((rows - 15) / 10) ** 2 < 1)


def test_groups_are_classes_before_names(desk):
    desk.write(polygon(group=3, name="left").tobytes(), "a.roi")
    assert desk.convert().classes[0].name == "group 3"


@pytest.mark.parametrize(("name", "label"), [("nucleus-12", "nucleus"), ("0012-0034", "object"), ("cell", "cell")])
def test_names_without_their_number_are_classes(desk, name, label):
    desk.write(polygon(name=name).tobytes(), "a.roi")
    assert desk.convert().classes[0].name == label


@pytest.mark.parametrize("name", ["a.zip", "RoiSet_a.zip", "a-RoiSet.zip", "a_rois.zip"])
def test_sets_are_named_as_people_name_them(desk, name):
    desk.write_scene("imagej", name=name)
    assert desk.convert(overlap="later").pictures == 1


def test_lines_are_left_out(desk):
    desk.write(polygon(ROI_TYPE.FREELINE).tobytes(), "a.roi")
    with pytest.raises(DataError, match="at least one shape") as error:
        desk.convert()
    assert "unclosed" in error.value.details[0]


def test_outlines_on_slices_of_a_stack_are_refused(desk):
    desk.write(polygon(position=3).tobytes(), "a.roi")
    with pytest.raises(DataError, match="slice 3"):
        desk.convert()
