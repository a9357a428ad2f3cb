from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from limner.images import read_jpeg_storage, write_image


@pytest.fixture
def save(tmp_path):
    def write(mode="RGB", **options):
        path = tmp_path / "a.jpg"
        Image.new(mode, (20, 12)).save(path, "JPEG", **options)
        return str(path)

    return write


def test_steps_are_those_of_the_standard_at_quality_50(save):
    steps = read_jpeg_storage(save(quality=50)).steps
    # ITU-T T.81, tables K.1 and K.2.
    assert steps[0, 0].tolist() == [16, 11, 10, 16, 24, 40, 51, 61]
    assert steps[0, :, 0].tolist() == [16, 12, 14, 14, 18, 24, 49, 72]
    assert steps[1, 0].tolist() == steps[2, 0].tolist() == [17, 18, 24, 47, 99, 99, 99, 99]


@pytest.mark.parametrize(
    ("subsampling", "halves"), [("4:4:4", (False, False)), ("4:2:2", (False, True)), ("4:2:0", (True, True))]
)
def test_how_fine_colour_is_stored(save, subsampling, halves):
    assert read_jpeg_storage(save(subsampling=subsampling)).halves == halves


def test_a_grey_file_has_exact_colour(save):
    storage = read_jpeg_storage(save("L", quality=50))
    assert storage.steps[0, 0, 0] == 16
    assert (storage.steps[1:] == 1).all()


def test_other_files_are_not_guessed_at(save, tmp_path):
    turned = Image.Exif()
    turned[0x0112] = 6
    assert read_jpeg_storage(save(exif=turned)) is None
    assert read_jpeg_storage(save("CMYK")) is None
    assert read_jpeg_storage(save(keep_rgb=True)) is None
    write_image(tmp_path / "a.png", np.zeros((4, 5, 3), np.uint8))
    assert read_jpeg_storage(str(tmp_path / "a.png")) is None
