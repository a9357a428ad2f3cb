import re

import numpy as np
import pytest

from limner.bundle import InputSpec
from limner.inference.familiarity import Familiarity, feature_names, features, learn

COLOR = InputSpec(channels=3, dtype="uint8", low=0.0, high=255.0, mean=[0.5] * 3, std=[0.2] * 3, fit="native")
GREY = InputSpec(channels=1, dtype="uint16", low=100.0, high=4000.0, mean=[0.5], std=[0.2], fit="native")


def cells(count: int, seed: int, size: tuple[int, int] = (80, 100)) -> list[np.ndarray]:
    """Pink pictures with dark round spots."""
    random = np.random.default_rng(seed)
    rows, columns = np.indices(size)
    pictures = []
    for _ in range(count):
        picture = np.ones((*size, 3)) * random.normal((220, 170, 200), 6)
        for _ in range(random.integers(5, 12)):
            row, column, radius = random.uniform((0, 0, 5), (*size, 10))
            picture[(rows - row) ** 2 + (columns - column) ** 2 < radius**2] = random.normal((110, 60, 120), 6)
        pictures.append(np.clip(picture + random.normal(0, 4, picture.shape), 0, 255).astype(np.uint8))
    return pictures


@pytest.fixture(scope="module")
def familiar():
    known, others = (np.array([features(picture, COLOR) for picture in cells(n, n)]) for n in (30, 10))
    return Familiarity.of(learn(known, [""] * 30, others), COLOR)


def test_pictures_of_the_kind_raise_no_alarm(familiar) -> None:
    found = [familiar.strangeness(picture) for picture in cells(40, 1)]
    assert sum(one.alarming for one in found) <= 2


@pytest.mark.parametrize(
    ("change", "because"),
    [
        (lambda picture: 255 - picture, "channel"),
        (lambda picture: picture[..., [1, 0, 2]], "channel"),
        (lambda picture: (picture * 0.4).astype(np.uint8), "(brightness|lightest|darkest|contrast)"),
        (lambda picture: np.random.default_rng(0).integers(0, 256, picture.shape).astype(np.uint8), "detail"),
        (lambda picture: np.full_like(picture, 128), "(detail|channel)"),
    ],
    ids=["inverted", "channels exchanged", "dark", "noise", "blank"],
)
def test_pictures_of_another_kind_raise_one_and_say_why(familiar, change, because: str) -> None:
    for picture in cells(5, 2):
        found = familiar.strangeness(change(picture))
        assert found.alarming
        assert re.search(because, found.because)


def test_every_number_has_a_name() -> None:
    random = np.random.default_rng(0)
    for inputs in (COLOR, GREY):
        for size in ((1, 1), (1, 50), (300, 7)):
            pixels = random.integers(100, 255, (*size, inputs.channels)).astype(inputs.dtype)
            found = features(pixels, inputs)
            assert np.isfinite(found).all()
            assert len(found) == len(feature_names(inputs.channels))
            assert len(set(feature_names(inputs.channels))) == len(found)


def test_the_range_of_values_is_that_of_the_training_pictures() -> None:
    pixels = np.full((8, 8, 1), 2050, np.uint16)
    assert features(pixels, GREY)[0] == pytest.approx(0.5)


def test_slices_of_one_patient_do_not_vouch_for_one_another() -> None:
    random = np.random.default_rng(0)
    patients = np.repeat(random.normal(0.5, 0.1, (6, 20)), 5, axis=0) + random.normal(0, 1e-4, (30, 20))
    nothing = np.empty((0, 20))
    together = learn(patients, [""] * 30, nothing)
    apart = learn(patients, [str(number // 5) for number in range(30)], nothing)
    assert together is not None
    assert apart is not None
    assert apart.limit > 5 * together.limit


def test_one_picture_is_no_set() -> None:
    assert learn(np.ones((1, 4)), [""], np.empty((0, 4))) is None
    assert learn(np.empty((0, 4)), [], np.empty((0, 4))) is None
