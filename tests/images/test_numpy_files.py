from __future__ import annotations

import io
import pickle
from typing import Any

import numpy as np
import pytest

from limner.errors import DataError
from limner.images import read_image, read_info, read_mask


def npy_bytes(array: np.ndarray, **options: Any) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array, **options)
    return stream.getvalue()


def npz_bytes(**arrays: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.savez_compressed(stream, **arrays)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("shape", "size", "channels"),
    [
        ((5, 7), (5, 7), 1),
        ((5, 7, 3), (5, 7), 3),
        ((3, 5, 7), (5, 7), 3),
        ((1, 5, 7), (5, 7), 1),
        ((5, 7, 1), (5, 7), 1),
    ],
)
def test_shapes(save, rng, shape, size, channels):
    array = rng.random(shape).astype(np.float32)
    location = save("a.npy", npy_bytes(array))

    image = read_image(location)
    mask = read_mask(location).array

    assert image.shape == (*size, channels)
    assert mask.shape == (size if channels == 1 else (*size, channels))
    expected = np.moveaxis(array, 0, -1) if shape in ((3, 5, 7), (1, 5, 7)) else array
    np.testing.assert_array_equal(image, expected.reshape(image.shape))
    info = read_info(location)
    assert (info.size, info.channels, info.dtype) == (size, channels, "float32")


@pytest.mark.parametrize("shape", [(5,), (2, 3, 5, 7), (0, 4), ()])
def test_other_shapes_are_refused(save, shape):
    location = save("a.npy", npy_bytes(np.zeros(shape, np.uint8)))

    with pytest.raises(DataError, match=r"a\.npy' has shape"):
        read_image(location)


@pytest.mark.parametrize(
    ("stored", "image", "mask"),
    [
        ("bool", "uint8", "bool"),
        ("uint8", "uint8", "uint8"),
        ("uint16", "uint16", "uint16"),
        (">u2", "uint16", "uint16"),
        ("int8", "float32", "int32"),
        (">i4", "float32", "int32"),
        ("uint32", "float32", "int32"),
        ("int64", "float32", "int32"),
        ("float16", "float32", "float32"),
        (">f8", "float32", "float32"),
    ],
)
def test_types(save, stored, image, mask):
    array = np.array([[0, 1], [1, 0]]).astype(stored)
    location = save("a.npy", npy_bytes(array))

    assert read_image(location).dtype == np.dtype(image)
    assert read_image(location).dtype.isnative
    assert read_mask(location).array.dtype == np.dtype(mask)
    np.testing.assert_array_equal(read_mask(location).array, array)


def test_class_ids_beyond_int32_are_refused(save):
    location = save("a.npy", npy_bytes(np.array([[0, 2**31]])))

    with pytest.raises(DataError, match="values from 0 to 2,147,483,648"):
        read_mask(location)


def test_floats_beyond_float32_become_infinite_without_warning(save):
    assert np.isinf(read_image(save("a.npy", npy_bytes(np.array([[1e300]]))))).all()


@pytest.mark.parametrize("dtype", ["complex64", "U3", [("x", "f4")]])
def test_arrays_that_are_no_numbers_are_refused(save, dtype):
    location = save("a.npy", npy_bytes(np.zeros((2, 2), dtype)))

    for read in (read_info, read_image, read_mask):
        with pytest.raises(DataError, match=r"a\.npy"):
            read(location)


def test_pickled_objects_are_never_loaded(save):
    class Bomb:
        def __reduce__(self):
            return (pytest.fail, ("a pickle was loaded",))

    stream = io.BytesIO()
    header = {"descr": "|O", "fortran_order": False, "shape": (2, 2)}
    np.lib.format.write_array_header_1_0(stream, header)
    stream.write(pickle.dumps(Bomb()))
    location = save("a.npy", stream.getvalue())

    with pytest.raises(DataError, match="values of type object"):
        read_mask(location)


def test_fortran_order(save, rng):
    array = np.asfortranarray(rng.random((5, 7)).astype(np.float32))

    image = read_image(save("a.npy", npy_bytes(array)))

    np.testing.assert_array_equal(image[..., 0], array)
    assert image.flags.c_contiguous


def test_single_array_of_an_npz_needs_no_name(save):
    location = save("a.npz", npz_bytes(mask=np.eye(4, dtype=np.uint8)))

    assert read_info(location).size == (4, 4)
    np.testing.assert_array_equal(read_mask(location).array, np.eye(4))


def test_several_arrays_of_an_npz_ask_for_a_name(save):
    location = save("a.npz", npz_bytes(left=np.zeros((2, 3), np.uint8), right=np.ones((2, 3), np.uint8)))

    with pytest.raises(DataError, match=r"2 arrays: 'left', 'right'[\s\S]*#key=NAME"):
        read_mask(location)
    assert read_mask(f"{location}#key=right").array.all()
    with pytest.raises(DataError, match="an array 'middle' in the file"):
        read_info(f"{location}#key=middle")
