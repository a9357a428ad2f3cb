"""Sizes, orientation, channels and bit depth: what is out of step is named."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image

from limner.images import write_image

Accepts = Callable[..., Any]
Refuses = Callable[..., Any]
INVERSE = {3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270}


def turned(picture: np.ndarray, orientation: int) -> tuple[Image.Image, Image.Exif]:
    """A picture as a camera held at an angle stores it."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    return Image.fromarray(picture).transpose(INVERSE[orientation]), exif


def evidence(checked: Any, kind: str) -> str:
    return " ".join(line for finding in checked.findings if finding.kind == kind for line in finding.evidence)


def test_a_mask_of_another_size(zoo: Any, refuses: Refuses) -> None:
    zoo.fill()
    zoo.save("masks/02.png", np.zeros((48, 60), np.uint8))
    checked = refuses("sizes-differ", says="masks/02.png' is 48×60")
    assert checked.samples == 7


def test_masks_at_half_the_scale(zoo: Any, refuses: Refuses) -> None:
    zoo.fill(lambda ids: ids[::2, ::2] * 255)
    refuses("sizes-differ", says="0.5 times as high and as wide as its image")


def test_a_turned_picture_with_an_unturned_mask_of_other_size(zoo: Any, refuses: Refuses) -> None:
    for name, picture, ids in zoo.draw():
        stored, exif = turned(picture, 6)
        zoo.save(f"images/{name}.png", stored, exif=exif)
        zoo.save(f"masks/{name}.png", Image.fromarray(ids * 255).transpose(INVERSE[6]))
    refuses("sizes-differ", says="the camera stored the image turned")


def test_pictures_upside_down_whose_masks_were_drawn_on_what_is_stored(zoo: Any, accepts: Accepts) -> None:
    for name, picture, ids in zoo.draw(12):
        stored, exif = turned(picture, 3)
        zoo.save(f"images/{name}.png", stored, exif=exif)
        zoo.save(f"masks/{name}.png", Image.fromarray(ids * 255).transpose(INVERSE[3]))
    checked = zoo.check()
    assert "exif-one-side" in {finding.kind for finding in checked.findings if finding.level == "doubt"}
    assert "drawn on the unturned images" in " ".join(finding.title for finding in checked.findings)


def test_turned_pictures_whose_masks_were_drawn_upright_are_fine(zoo: Any, accepts: Accepts) -> None:
    for name, picture, ids in zoo.draw(12):
        stored, exif = turned(picture, 8)
        zoo.save(f"images/{name}.png", stored, exif=exif)
        zoo.save(f"masks/{name}.png", ids * 255)
    assert "12 images carry an EXIF orientation" in evidence(accepts(), "exif-one-side")


@pytest.mark.parametrize("size", [(37, 53), (51, 33), (48, 48)])
def test_odd_sizes(zoo: Any, accepts: Accepts, size: tuple[int, int]) -> None:
    zoo.fill(size=size)
    accepts()


def test_sizes_that_vary(zoo: Any, accepts: Accepts) -> None:
    for number, (name, picture, ids) in enumerate(zoo.draw(size=(60, 60))):
        zoo.truth[name] = ids[: 60 - number]
        zoo.save(f"images/{name}.png", picture[: 60 - number])
        zoo.save(f"masks/{name}.png", ids[: 60 - number] * 255)
    assert "sizes" in {finding.kind for finding in accepts().findings}


def test_sixteen_bits_are_kept(zoo: Any, accepts: Accepts) -> None:
    for name, picture, ids in zoo.draw():
        write_image(zoo.root / f"images/{name}.png", picture[..., :1].astype(np.uint16) * 200 + 7)
        zoo.save(f"masks/{name}.png", ids * 255)
    accepts()


def test_twelve_bits_cut_to_the_highest_eight(zoo: Any, accepts: Accepts) -> None:
    zoo.fill(image=lambda picture: (picture[..., 0].astype(np.uint16) * 16 >> 8).astype(np.uint8))
    checked = accepts("few-grey-levels")
    assert "12 or 16 bits" in evidence(checked, "few-grey-levels")


def test_bit_depths_that_are_mixed(zoo: Any, refuses: Refuses) -> None:
    zoo.fill()
    write_image(zoo.root / "images/01.png", np.full((48, 64, 3), 300, np.uint16))
    refuses("bit-depths-differ", says="1 of uint16")


def test_numbers_of_channels_that_are_mixed(zoo: Any, refuses: Refuses) -> None:
    for name, picture, ids in zoo.draw():
        write_image(
            zoo.root / f"images/{name}.tif", picture if name != "02" else np.dstack([picture, picture[..., :2]])
        )
        zoo.save(f"masks/{name}.png", ids * 255)
    refuses("channels-differ", says="5 channels")


def test_opacity_of_pictures_is_left_out_with_a_note(zoo: Any, accepts: Accepts) -> None:
    zoo.fill(image=lambda picture: np.dstack([picture, np.full(picture.shape[:2], 255, np.uint8)]))
    assert any("opacity" in finding.title for finding in accepts().findings)


def test_a_channel_without_content_in_some_pictures(zoo: Any, accepts: Accepts) -> None:
    pictures = iter(range(100))

    def without_blue(picture: np.ndarray) -> np.ndarray:
        if next(pictures) % 3 == 0:
            picture[..., 2] = 0
        return picture

    zoo.fill(image=without_blue)
    checked = accepts("empty-channels")
    (finding,) = [finding for finding in checked.findings if finding.kind == "empty-channels"]
    assert finding.samples == ("00", "03", "06")


def test_grey_pictures_among_coloured_ones(zoo: Any, accepts: Accepts) -> None:
    zoo.fill()
    for name in ("01", "05"):
        picture = Image.open(zoo.root / f"images/{name}.png").convert("L")
        zoo.save(f"images/{name}.png", picture)
    checked = accepts()
    (finding,) = [finding for finding in checked.findings if finding.kind == "colour-and-grey"]
    assert finding.samples == ("01", "05")


def test_several_pages(zoo: Any, refuses: Refuses, accepts: Accepts) -> None:
    for name, picture, ids in zoo.draw():
        first = Image.fromarray(picture)
        zoo.save(f"images/{name}.tif", first, save_all=True, append_images=[first.rotate(90).resize(first.size)])
        mask = Image.fromarray(ids * 255)
        zoo.save(f"masks/{name}.tif", mask, save_all=True, append_images=[mask.rotate(90).resize(first.size)])
    refuses("unreadable-files", says="data.page=0")
    accepts(data__page=0)
