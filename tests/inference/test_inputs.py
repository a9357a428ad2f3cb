import numpy as np
import pytest
import torch

from limner.errors import DataError
from limner.inference.inputs import make_input, stack_padded
from limner.inference.numbers import to_images


def test_grey_becomes_colour_and_alpha_is_dropped(make_meta) -> None:
    spec = make_meta().inputs
    grey = np.arange(6, dtype=np.uint8).reshape(2, 3)
    found = make_input(grey, spec, "a.png")
    assert found.picture.shape == (2, 3, 1)
    np.testing.assert_array_equal(found.pixels, np.stack([grey] * 3, axis=-1))
    with_alpha = np.dstack([grey, grey + 1, grey + 2, grey + 3])
    np.testing.assert_array_equal(make_input(with_alpha, spec, "a.png").pixels, with_alpha[..., :3])


def test_colour_becomes_grey_only_when_nothing_is_lost(make_meta) -> None:
    spec = make_meta(channels=1).inputs
    grey = np.arange(6, dtype=np.uint8).reshape(2, 3, 1)
    np.testing.assert_array_equal(make_input(np.repeat(grey, 3, axis=2), spec, "a.png").pixels, grey)
    with pytest.raises(DataError, match=r"'scan\.png' has 3 channels"):
        make_input(np.dstack([grey, grey, grey + 1]), spec, "scan.png")


@pytest.mark.parametrize(
    ("dtype", "picture", "message"),
    [
        (
            "uint8",
            np.array([[7, 4095]], np.uint16),
            r"(?s)'x\.tif' holds uint8 .*uint16 values from 7 to 4095.*Convert",
        ),
        ("uint8", np.array([[0.0, 0.5]], np.float32), "float32 values from 0 to 0.5"),
        ("uint16", np.array([[1, 255]], np.uint8), "uint8 values from 1 to 255"),
        ("float32", np.array([[1, 255]], np.uint8), "uint8 values from 1 to 255"),
        ("uint8", np.array([[True, False]]), "bool values"),
    ],
)
def test_other_kinds_of_numbers_are_refused_with_their_range(make_meta, dtype, picture, message) -> None:
    with pytest.raises(DataError, match=message):
        make_input(picture, make_meta(dtype=dtype).inputs, "x.tif")


def test_floats_of_another_width_are_the_same_numbers(make_meta) -> None:
    spec = make_meta(dtype="float32", channels=1, low=0.0, high=1.0).inputs
    assert make_input(np.full((2, 2), 0.25, np.float64), spec, "a").pixels.dtype == np.float32


def test_missing_numbers_are_refused(make_meta) -> None:
    picture = np.array([[1.0, np.nan, np.inf]], np.float32)
    with pytest.raises(DataError, match="2 values are NaN or infinite"):
        make_input(picture, make_meta(dtype="float32").inputs, "a.npy")


@pytest.mark.parametrize("shape", [(4,), (2, 3, 4, 5), (0, 3, 3)])
def test_shapes_that_are_no_picture_are_refused(make_meta, shape) -> None:
    with pytest.raises(DataError, match="an array of shape"):
        make_input(np.zeros(shape, np.uint8), make_meta().inputs, "a")


def test_resize_goes_to_the_working_size_and_native_stays(make_meta) -> None:
    picture = np.zeros((30, 50, 3), np.uint8)
    assert make_input(picture, make_meta(fit="resize", size=(16, 20)).inputs, "a").pixels.shape == (16, 20, 3)
    assert make_input(picture, make_meta(size=(16, 20)).inputs, "a").pixels.shape == (30, 50, 3)


def test_padding_mirrors_as_often_as_needed() -> None:
    padded = stack_padded([np.array([[[1], [2]]], np.uint8)], (2, 7))
    np.testing.assert_array_equal(padded[0, ..., 0], [[1, 2, 2, 1, 1, 2, 2]] * 2)
    assert stack_padded([np.full((1, 1, 3), 9, np.uint8)] * 2, (4, 4)).tolist() == np.full((2, 4, 4, 3), 9).tolist()


def test_numbers_by_hand(make_meta) -> None:
    spec = make_meta(channels=2, mean=[0.5, 0.0], std=[0.25, 0.5]).inputs
    pixels = np.array([[[[0, 255], [255, 51]]]], np.uint8)
    images = to_images(pixels, spec, torch.device("cpu"))
    assert images.shape == (1, 2, 1, 2)
    torch.testing.assert_close(images[0, :, 0], torch.tensor([[-2.0, 2.0], [2.0, 0.4]]))


def test_the_given_picture_is_not_changed(make_meta) -> None:
    picture = np.full((1, 2, 2, 3), 7, np.float32)
    to_images(picture, make_meta(dtype="float32").inputs, torch.device("cpu"))
    assert (picture == 7).all()


def test_sixteen_bits_keep_their_values_and_are_cut_to_the_training_range(make_meta) -> None:
    spec = make_meta(channels=1, dtype="uint16", low=1000.0, high=41000.0, mean=[0.0], std=[1.0]).inputs
    pixels = np.array([0, 1000, 1001, 40999, 41000, 65535], np.uint16).reshape(1, 1, 6, 1)
    images = to_images(pixels, spec, torch.device("cpu"))
    torch.testing.assert_close(images.flatten(), torch.tensor([0, 0, 1 / 40000, 39999 / 40000, 1, 1]))
