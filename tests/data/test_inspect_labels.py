"""The zoo of mask encodings: what is certain is decided, what is doubtful is asked."""

import io

import numpy as np
import pytest
from PIL import Image

from limner.data.inspect_labels import inspect_masks
from limner.data.values import tabulate
from limner.errors import ConfigError, DataError
from limner.images import StoredMask

ROWS, COLUMNS = np.mgrid[:96, :96]
DISC = (ROWS - 50) ** 2 + (COLUMNS - 50) ** 2 < 30**2
IDS = np.where(DISC, 1, 0).astype(np.uint8)
IDS[:20, :20] = 2


def inspect(*arrays, palettes=(), **options):
    palettes = palettes or [None] * len(arrays)
    stored = [StoredMask(array, palette) for array, palette in zip(arrays, palettes, strict=True)]
    tables = [tabulate(mask, f"{number}.png") for number, mask in enumerate(stored)]
    label_map = inspect_masks(tables, **options)
    ids = [label_map.encode(mask, f"{number}.png") for number, mask in enumerate(stored)]
    for seen, one in zip(tables, ids, strict=True):
        if label_map.task != "multilabel":
            expected = np.bincount(one.ravel(), minlength=256)[: label_map.num_classes]
            assert label_map.count(seen).tolist() == expected.tolist()
    return label_map, ids


def as_jpeg(array, quality=75):
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, "JPEG", quality=quality)
    return np.array(Image.open(buffer))


@pytest.mark.parametrize(
    "array",
    [
        DISC,
        DISC.astype(np.uint8),
        DISC.astype(np.uint8) * 255,
        DISC.astype(np.uint16) * 700,
        DISC.astype(np.float32),
        DISC.astype(np.int32) * 3 + 1,
        np.repeat(DISC[..., np.newaxis], 3, axis=2).astype(np.uint8) * 255,
    ],
    ids=["bool", "0 1", "0 255", "16 bits", "float", "1 4", "grey as RGB"],
)
def test_two_values_are_background_and_foreground(array):
    label_map, (ids,) = inspect(array)
    assert (label_map.task, label_map.names) == ("binary", ("background", "foreground"))
    assert (ids == DISC).all()


@pytest.mark.parametrize("quality", [50, 75, 90, 95])
def test_jpeg_noise_is_cut_at_the_middle(quality):
    label_map, (ids,) = inspect(as_jpeg(DISC.astype(np.uint8) * 255, quality))
    assert (label_map.encoding, label_map.values) == ("threshold", ((0,), (128,)))
    assert "noise" in label_map.because
    assert (ids != DISC).mean() < 0.002


def test_smooth_edges_are_cut_at_the_middle():
    rows, columns = np.mgrid[:400, :400]
    fine = (rows - 200) ** 2 + (columns - 200) ** 2 < 150**2
    smooth = np.array(Image.fromarray(fine).convert("L").resize((300, 300), Image.Resampling.BILINEAR))
    label_map, (ids,) = inspect(smooth)
    assert label_map.encoding == "threshold"
    assert abs(ids.mean() - fine.mean()) < 0.001


def test_three_levels_in_jpeg_are_asked_about():
    with pytest.raises(DataError, match="JPEG") as caught:
        inspect(as_jpeg(np.kron(IDS, np.ones((3, 3), np.uint8)) * 127))
    assert 'data.values=[["0-' in caught.value.remedy


def test_a_thin_class_between_two_levels_is_asked_about():
    thin = DISC.astype(np.uint8) * 255
    thin[30, :40] = 128
    with pytest.raises(DataError, match="thin classes or blurred edges"):
        inspect(thin)


def test_three_levels_of_solid_regions_are_three_classes():
    label_map, (ids,) = inspect(IDS * 100)
    assert label_map.names == ("background", "class 100", "class 200")
    assert "0→0, 100→1, 200→2" in label_map.because
    assert (ids == IDS).all()


def test_evidence_is_put_into_words():
    array = np.zeros((10, 10), np.uint8)
    array[0, :3] = 1
    array[9, :5] = 2
    label_map, _ = inspect(array, np.zeros((10, 10), np.uint8))
    assert label_map.because == "2 masks hold 0 (96.0 %), 1 (1.5 %), 2 (2.5 %): 3 classes by number"


def test_ids_without_a_zero_say_which_is_background():
    label_map, _ = inspect(IDS + 1)
    assert "1, the lowest, takes the place of the background" in label_map.because


def test_255_beside_small_ids_is_asked_about_and_both_answers_work():
    array = np.where(IDS == 2, 255, IDS).astype(np.uint8)
    array[:5, 60:] = 2
    with pytest.raises(DataError) as caught:
        inspect(array)
    assert "data.ignore_values=[255]" in caught.value.remedy
    assert "data.values=[[0],[1],[2],[255]]" in caught.value.remedy
    label_map, (ids,) = inspect(array, ignore_values=[255])
    assert (label_map.num_classes, label_map.ignore) == (3, (255,))
    assert (ids[array == 255] == 255).all()
    label_map, (ids,) = inspect(array, values=[[0], [1], [2], [255]])
    assert (label_map.num_classes, ids.max()) == (4, 3)


def test_negative_numbers_are_asked_about():
    with pytest.raises(DataError, match=r"data\.ignore_values=\[-1\]"):
        inspect(IDS.astype(np.int32) - 1)


@pytest.mark.parametrize("array", [np.zeros((8, 8), np.uint8), np.full((8, 8, 3), 255, np.uint8)])
def test_masks_of_one_value_are_refused(array):
    with pytest.raises(DataError, match=r"all are (empty|foreground)"):
        inspect(array, array)


def test_photographs_as_masks_are_refused():
    photo = np.random.default_rng(0).integers(0, 256, (96, 96, 3)).astype(np.uint8)
    with pytest.raises(DataError, match="more than 4,096"):
        inspect(photo)
    with pytest.raises(DataError, match="at most 254 classes"):
        inspect(photo[..., 0])


def test_numbered_objects_are_asked_about_and_can_be_merged():
    first = np.kron(np.arange(16), np.ones((6, 24), np.uint16))[:, :96].astype(np.uint16)
    first = np.repeat(np.arange(16, dtype=np.uint16), 6)[:, np.newaxis].repeat(20, axis=1)
    second = np.where(first > 13, 0, first)
    with pytest.raises(DataError, match="which objects rather than classes do"):
        inspect(first, second)
    label_map, (ids, _) = inspect(first, second, values=[[0], ["other"]])
    assert label_map.task == "binary"
    assert (ids == (first > 0)).all()


def test_colours_are_classes_black_first():
    colors = np.array([[0, 0, 0], [255, 0, 0], [0, 0, 255]], np.uint8)
    label_map, (ids,) = inspect(colors[IDS])
    assert label_map.colors == ((0, 0, 0), (0, 0, 255), (255, 0, 0))
    assert label_map.task == "multiclass"
    assert (ids == np.array([0, 2, 1])[IDS]).all()


def test_without_black_the_most_frequent_colour_is_background():
    colors = np.array([[9, 9, 200], [255, 0, 0]], np.uint8)
    label_map, (ids,) = inspect(colors[IDS % 2])
    assert label_map.names == ("background", "foreground")
    assert label_map.colors[0] == (9, 9, 200)
    assert (ids == IDS % 2).all()


def test_colours_in_jpeg_are_asked_about():
    colors = np.array([[0, 0, 0], [255, 0, 0], [0, 0, 255]], np.uint8)
    with pytest.raises(DataError, match=r"PNG without smoothing|at most 254"):
        inspect(as_jpeg(colors[IDS]))


def test_a_palette_gives_the_colours():
    palette = np.array([[0, 0, 0], [128, 0, 0], [0, 128, 0]], np.uint8)
    label_map, (ids,) = inspect(IDS, palettes=[palette])
    assert label_map.colors == ((0, 0, 0), (128, 0, 0), (0, 128, 0))
    assert (ids == IDS).all()


def test_palettes_that_disagree_are_read_as_colours():
    black_first, white_first = np.array([[0] * 3, [255] * 3], np.uint8), np.array([[255] * 3, [0] * 3], np.uint8)
    label_map, (first, second) = inspect(
        DISC.astype(np.uint8), (~DISC).astype(np.uint8), palettes=[black_first, white_first]
    )
    assert label_map.task == "binary"
    assert (first == DISC).all()
    assert (second == DISC).all()


def test_coloured_palettes_that_disagree_are_read_as_colours():
    first = np.array([[0, 0, 0], [128, 0, 0], [0, 128, 0]], np.uint8)
    label_map, (one, two) = inspect(IDS, np.array([0, 2, 1], np.uint8)[IDS], palettes=[first, first[[0, 2, 1]]])
    assert label_map.encoding == "colors"
    assert (one == two).all()


def test_opacity_alone_is_the_mask():
    array = np.full((96, 96, 4), 30, np.uint8)
    array[..., 3] = DISC * 255
    label_map, (ids,) = inspect(array)
    assert (label_map.task, label_map.reading) == ("binary", "alpha")
    assert (ids == DISC).all()


def test_coloured_regions_on_a_transparent_ground():
    colors = np.array([[5, 5, 5, 0], [255, 0, 0, 255], [0, 0, 255, 255]], np.uint8)
    label_map, (ids,) = inspect(colors[IDS])
    assert label_map.task == "multiclass"
    assert (ids == np.array([0, 2, 1])[IDS]).all()


def test_constant_opacity_does_not_matter():
    array = np.dstack([np.repeat(DISC[..., np.newaxis] * np.uint8(255), 3, axis=2), np.full((96, 96), 255, np.uint8)])
    label_map, (ids,) = inspect(array)
    assert label_map.task == "binary"
    assert (ids == DISC).all()


def test_one_hot_planes_are_classes():
    label_map, (ids,) = inspect(np.eye(3, dtype=np.uint8)[IDS])
    assert (label_map.task, label_map.encoding) == ("multiclass", "planes")
    assert (ids == IDS).all()


def test_overlapping_planes_are_multilabel():
    planes = np.stack([DISC, COLUMNS > 40], axis=2)
    label_map, (ids,) = inspect(planes)
    assert (label_map.task, label_map.names) == ("multilabel", ("class 1", "class 2"))
    assert (ids == planes).all()
    tables = [tabulate(StoredMask(planes), "a")]
    assert label_map.count(tables[0]).tolist() == planes.sum(axis=(0, 1)).tolist()


def test_grey_files_may_stand_among_grey_rgb_files():
    rgb = np.repeat(DISC[..., np.newaxis], 3, axis=2).astype(np.uint8) * 255
    label_map, (first, second) = inspect(DISC.astype(np.uint8) * 255, rgb)
    assert label_map.task == "binary"
    assert (first == second).all()


def test_names_are_taken_and_counted():
    label_map, _ = inspect(IDS, class_names=["ground", "disc", "corner"])
    assert label_map.names == ("ground", "disc", "corner")
    with pytest.raises(ConfigError, match="3 names"):
        inspect(IDS, class_names=["ground", "disc"])


def test_values_fixed_by_the_user_win():
    label_map, (ids,) = inspect(IDS, values=[[0, 2], [1]])
    assert label_map.task == "binary"
    assert (ids == (IDS == 1)).all()
    label_map, (ids,) = inspect(as_jpeg(IDS * 127), values=[["0-63"], ["64-190"], ["191-255"]])
    assert (ids != IDS).mean() < 0.03


def test_values_fixed_by_the_user_must_cover_all():
    with pytest.raises(DataError, match=r"2 in 400 pixel\(s\), first in '0\.png'"):
        inspect(IDS, values=[[0], [1]])


def test_colours_fixed_by_the_user_fit_grey_masks_too():
    label_map, (ids,) = inspect(DISC.astype(np.uint8) * 255, values=[["#ffffff"], ["#000000"]])
    assert label_map.colors == ((255, 255, 255), (0, 0, 0))
    assert (ids == ~DISC).all()


def test_no_mask_at_all_is_an_error():
    with pytest.raises(DataError, match="at least one mask"):
        inspect_masks([])
