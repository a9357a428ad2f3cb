"""Masks of every encoding: the right mapping, or a refusal with the line to type."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image

Accepts = Callable[..., Any]
Refuses = Callable[..., Any]
COLORS = np.array([[0, 0, 0], [220, 20, 60], [0, 120, 200]], np.uint8)


def mapping(checked: Any) -> tuple[str, str, Any]:
    label_map = checked.label_maps["mask"]
    return label_map.task, label_map.encoding, label_map.values


def sureness(checked: Any) -> str:
    (finding,) = [finding for finding in checked.findings if finding.kind == "mask-values"]
    return finding.evidence[-1]


def palette(ids: np.ndarray, colors: np.ndarray = COLORS) -> Image.Image:
    picture = Image.fromarray(ids)
    picture.putpalette(colors.tobytes())
    return picture


def jpeg(ids: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(ids * 255).save(stream, "JPEG", quality=75)
    return stream.getvalue()


def smooth(ids: np.ndarray) -> np.ndarray:
    """Blurred edges that are still on the right side of the middle."""
    wide = np.pad(ids.astype(np.int32), 1, mode="edge") * 255
    blurred = (
        sum(
            wide[1 + down : wide.shape[0] - 1 + down, 1 + right : wide.shape[1] - 1 + right]
            for down, right in ((0, 0), (0, 0), (0, 0), (0, 0), (0, 0), (0, 0), (0, 1), (1, 0), (0, -1), (-1, 0))
        )
        // 10
    )
    return blurred.astype(np.uint8)


def one_hot(ids: np.ndarray) -> np.ndarray:
    return (ids[..., np.newaxis] == np.arange(3)).astype(np.float32)


NUMBERS = {
    "0 and 1": (lambda ids: ids, ((0,), (1,))),
    "0 and 255": (lambda ids: ids * 255, ((0,), (255,))),
    "1-bit": (lambda ids: Image.fromarray(ids * 255).convert("1"), ((0,), (1,))),
    "grey as RGB": (lambda ids: np.repeat(ids[..., np.newaxis] * 255, 3, axis=2), ((0,), (255,))),
    "16-bit, the highest value": (lambda ids: ids.astype(np.uint16) * 65535, ((0,), (65535,))),
    "0 and 7": (lambda ids: ids * 7, ((0,), (7,))),
}


@pytest.mark.parametrize("kind", NUMBERS)
def test_two_numbers(zoo: Any, accepts: Accepts, kind: str) -> None:
    mask, values = NUMBERS[kind]
    zoo.fill(mask)
    checked = accepts()
    assert mapping(checked) == ("binary", "values", values)
    assert sureness(checked) == (
        "sure: certain" if kind != "0 and 7" else "sure: likely; the line below fixes it for good"
    )


CLASSES = {
    "numbers": (lambda ids: ids, ((0,), (1,), (2,))),
    "numbers with gaps": (lambda ids: ids * 3, ((0,), (3,), (6,))),
    "16-bit numbers with gaps": (lambda ids: ids.astype(np.uint16) * 1000, ((0,), (1000,), (2000,))),
    "palette": (palette, ((0,), (1,), (2,))),
}


@pytest.mark.parametrize("kind", CLASSES)
def test_several_numbers(zoo: Any, accepts: Accepts, kind: str) -> None:
    mask, values = CLASSES[kind]
    zoo.fill(mask, classes=3)
    assert mapping(accepts()) == ("multiclass", "values", values)


def test_a_palette_keeps_its_colours_for_drawing(zoo: Any, accepts: Accepts) -> None:
    zoo.fill(palette, classes=3)
    assert accepts().label_maps["mask"].colors == tuple(map(tuple, COLORS.tolist()))


def test_palettes_that_give_one_number_several_colours_are_read_as_colours(zoo: Any, accepts: Accepts) -> None:
    orders = [np.array([0, 1, 2]), np.array([2, 0, 1])]
    for number, (name, picture, ids) in enumerate(zoo.draw(classes=3)):
        order = orders[number % 2]
        colors = np.zeros_like(COLORS)
        colors[order] = COLORS
        zoo.save(f"images/{name}.png", picture)
        zoo.save(f"masks/{name}.png", palette(order.astype(np.uint8)[ids], colors))
    zoo.truth.clear()
    checked = accepts()
    assert checked.label_maps["mask"].reading == "palette" or mapping(checked)[1] == "colors"
    assert set(mapping(checked)[2]) == {((0, 0, 0),), ((220, 20, 60),), ((0, 120, 200),)}


def test_colours(zoo: Any, accepts: Accepts) -> None:
    zoo.fill(lambda ids: COLORS[ids], classes=3)
    zoo.truth = {name: np.array([0, 2, 1], np.uint8)[ids] for name, ids in zoo.truth.items()}
    checked = accepts()
    assert mapping(checked) == ("multiclass", "colors", (((0, 0, 0),), ((0, 120, 200),), ((220, 20, 60),)))
    assert "likely" in sureness(checked)


@pytest.mark.parametrize(("mask", "suffix"), [(smooth, ".png"), (jpeg, ".jpg")], ids=["blurred edges", "JPEG"])
def test_two_levels_with_dirt_between_are_cut_in_the_middle(
    zoo: Any, accepts: Accepts, mask: Callable[[np.ndarray], Any], suffix: str
) -> None:
    zoo.fill(mask, mask_suffix=suffix)
    if suffix == ".jpg":
        zoo.truth.clear()  # JPEG itself moves a pixel of the edge here and there
    checked = accepts()
    assert mapping(checked)[1] == "threshold"
    assert checked.label_maps["mask"].values[1] == (128,)


def test_opacity_alone(zoo: Any, accepts: Accepts) -> None:
    zoo.fill(lambda ids: np.dstack([np.zeros((*ids.shape, 3), np.uint8), ids * 255]))
    checked = accepts()
    assert mapping(checked) == ("binary", "values", ((0,), (255,)))
    assert checked.label_maps["mask"].reading == "alpha"


@pytest.mark.parametrize("axis", [0, 2], ids=["planes first", "planes last"])
def test_one_hot_arrays(zoo: Any, accepts: Accepts, axis: int) -> None:
    zoo.fill(lambda ids: np.moveaxis(one_hot(ids), 2, axis), classes=3, mask_suffix=".npy")
    assert mapping(accepts())[:2] == ("multiclass", "planes")


def test_planes_that_overlap_are_classes_of_their_own(zoo: Any, accepts: Accepts) -> None:
    for name, picture, ids in zoo.draw(classes=3):
        zoo.save(f"images/{name}.png", picture)
        planes = np.stack([ids > 0, ids == 2], axis=2).astype(np.uint8)
        zoo.truth[name] = planes
        zoo.save(f"masks/{name}.npy", planes)
    assert mapping(accepts())[:2] == ("multilabel", "planes")


def test_floating_point_zeros_and_ones(zoo: Any, accepts: Accepts) -> None:
    zoo.fill(lambda ids: ids.astype(np.float64), mask_suffix=".npy")
    assert mapping(accepts()) == ("binary", "values", ((0,), (1,)))


@pytest.mark.parametrize("factor", [1, 255])
def test_floating_point_tiff(zoo: Any, accepts: Accepts, factor: int) -> None:
    zoo.fill(lambda ids: ids.astype(np.float32) * factor, mask_suffix=".tif")
    assert mapping(accepts()) == ("binary", "values", ((0,), (factor,)))


@pytest.mark.parametrize("channels", ["LA", "RGBA"])
def test_opaque_masks_with_an_opacity_channel(zoo: Any, accepts: Accepts, channels: str) -> None:
    zoo.fill(lambda ids: Image.fromarray(ids * 255).convert(channels))
    assert mapping(accepts()) == ("binary", "values", ((0,), (255,)))


def test_a_palette_of_greys_means_what_it_shows(zoo: Any, accepts: Accepts) -> None:
    zoo.fill(lambda ids: palette(1 - ids, np.array([[255] * 3, [0] * 3], np.uint8)))
    checked = accepts()
    assert mapping(checked) == ("binary", "values", ((0,), (255,)))
    assert "run against its numbers" in checked.label_maps["mask"].because
    assert "likely" in sureness(checked)


def test_64_bit_class_numbers(zoo: Any, accepts: Accepts) -> None:
    zoo.fill(lambda ids: ids.astype(np.int64), classes=3, mask_suffix=".npy")
    assert mapping(accepts()) == ("multiclass", "values", ((0,), (1,), (2,)))


def test_speckles_beside_the_ends_are_cut_in_the_middle(zoo: Any, accepts: Accepts) -> None:
    def speckled(ids: np.ndarray) -> np.ndarray:
        marked = ids * 255
        marked[(marked == 255) & (np.add.outer(np.arange(ids.shape[0]), np.arange(ids.shape[1]) * 2) % 5 == 0)] = 254
        marked[20:24, 30:34][ids[20:24, 30:34] == 1] = 255
        return marked

    zoo.fill(speckled)
    checked = accepts()
    assert mapping(checked)[1] == "threshold"
    assert checked.label_maps["mask"].values[1] == (128,)


def test_a_full_mask_among_others_is_told(zoo: Any) -> None:
    zoo.fill()
    zoo.save("masks/03.png", np.full_like(zoo.truth["03"], 255))
    (finding,) = [finding for finding in zoo.check().findings if finding.kind == "full-masks"]
    assert finding.samples == ("03",)


def test_masks_that_are_inverted_in_some_files(zoo: Any) -> None:
    odd = {"03", "08", "15"}
    for name, picture, ids in zoo.draw(20):
        zoo.save(f"images/{name}.png", picture)
        zoo.save(f"masks/{name}.png", (1 - ids if name in odd else ids) * 255)
    (finding,) = [finding for finding in zoo.check().findings if finding.kind == "inverted-masks"]
    assert finding.level == "doubt"
    assert set(finding.samples) == odd


def test_gif(zoo: Any, accepts: Accepts) -> None:
    zoo.fill(lambda ids: Image.fromarray(ids * 255), mask_suffix=".gif")
    assert mapping(accepts())[0] == "binary"


def test_255_beside_small_numbers_is_asked_about(zoo: Any, refuses: Refuses, accepts: Accepts) -> None:
    def rim(ids: np.ndarray) -> np.ndarray:
        marked = ids.copy()
        marked[:3] = 255
        return marked

    zoo.fill(rim, classes=3)
    refuses("mask-values", says="data.ignore_values=[255]")
    zoo.truth = {name: rim(ids) for name, ids in zoo.truth.items()}
    checked = accepts(data__ignore_values=[255])
    assert mapping(checked)[2] == ((0,), (1,), (2,))


def test_255_as_a_class_when_told_so(zoo: Any, accepts: Accepts) -> None:
    zoo.fill(lambda ids: np.array([0, 1, 255], np.uint8)[ids], classes=3)
    checked = accepts(data__values=[[0], [1], [255]])
    assert mapping(checked)[2] == ((0,), (1,), (255,))
    assert sureness(checked) == "sure: as told"


def test_negative_numbers_are_asked_about(zoo: Any, refuses: Refuses) -> None:
    zoo.fill(lambda ids: ids.astype(np.int32) - 1, classes=3, mask_suffix=".npy")
    refuses("mask-values", says="data.ignore_values=[-1]")


def numbered(ids: np.ndarray, start: int = 0, most: int = 20) -> np.ndarray:
    """Squares of one object each, k of them, k differing from mask to mask."""
    many = 3 + int(ids.sum()) % (most - 2)
    objects = np.zeros(ids.shape, np.uint16)
    for number in range(many):
        row, column = divmod(number, 6)
        objects[2 + row * 10 : 8 + row * 10, 2 + column * 10 : 8 + column * 10] = start + number + 1
    return objects


@pytest.mark.parametrize("most", [8, 20])
def test_numbered_objects_are_refused_with_the_line_that_merges_them(
    zoo: Any, refuses: Refuses, accepts: Accepts, most: int
) -> None:
    zoo.fill(lambda ids: numbered(ids, most=most), count=10)
    refuses("mask-values", says='data.values=[[0],["other"]]')
    zoo.truth = {name: (numbered(ids, most=most) > 0).astype(np.uint8) for name, ids in zoo.truth.items()}
    assert mapping(accepts(data__values=[[0], ["other"]]))[0] == "binary"


def test_objects_numbered_through_the_whole_data_set(zoo: Any, refuses: Refuses) -> None:
    start = iter(range(0, 10_000, 20))
    zoo.fill(lambda ids: numbered(ids, next(start)), count=10)
    refuses("mask-values", says='data.values=[[0],["other"]]')


def test_probabilities_are_no_masks(zoo: Any, refuses: Refuses) -> None:
    generator = np.random.default_rng(0)
    zoo.fill(lambda ids: generator.random(ids.shape, np.float32), mask_suffix=".npy")
    refuses("mask-values", says="probabilities")


def test_depth_is_no_mask(zoo: Any, refuses: Refuses) -> None:
    generator = np.random.default_rng(0)
    zoo.fill(lambda ids: generator.integers(0, 9000, ids.shape, np.uint16), size=(80, 100))
    refuses("mask-values", says="hold")


def test_photographs_in_the_folder_of_masks(zoo: Any, refuses: Refuses) -> None:
    for name, picture, _ in zoo.draw():
        zoo.save(f"images/{name}.png", picture)
        zoo.save(f"masks/{name}.png", picture)
    refuses("mask-values", says="photographs")


@pytest.mark.parametrize("value", [0, 255], ids=["empty", "full"])
def test_masks_of_one_value(zoo: Any, refuses: Refuses, value: int) -> None:
    zoo.fill(lambda ids: np.full_like(ids, value))
    refuses("mask-values", says="all are empty" if value == 0 else "all are foreground")


def test_a_stray_value_in_one_mask_is_named(zoo: Any, refuses: Refuses) -> None:
    zoo.fill()
    stray = zoo.truth["03"] * 255
    stray[5, 5] = 17
    zoo.save("masks/03.png", stray)
    refuses("mask-values", says="03.png", data__values=[[0], [255]])


def test_planes_of_differing_number(zoo: Any, refuses: Refuses) -> None:
    zoo.fill(lambda ids: one_hot(ids).repeat(2, axis=2), classes=3, mask_suffix=".npy")
    zoo.save("masks/02.npy", one_hot(zoo.truth["02"]).repeat(3, axis=2))
    refuses("mask-values", says="02.npy")
