"""A zoo of data sets as users have them: each drawn by a few lines, each with the verdict it must get."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from limner.data.labels import LabelMap, read_target
from limner.errors import DataError
from limner.types import no_progress
from limner.workflow.check import Checked, check, check_prepared
from limner.workflow.settings import prepare_data, read_settings

SIZE = (48, 64)


class Zoo:
    """Draws pictures with masks into a folder, and asks for the verdict on it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.truth: dict[str, np.ndarray] = {}

    def draw(
        self, count: int = 8, *, size: tuple[int, int] = SIZE, classes: int = 2, seed: int = 0, objects: int = 1
    ) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
        """Name, picture `height width 3`, and ids 0 … classes - 1 of bright ellipses on a textured ground."""
        generator = np.random.default_rng(seed)
        rows, columns = np.mgrid[: size[0], : size[1]]
        for number in range(count):
            ids = np.zeros(size, np.uint8)
            for turn in range(objects * (classes - 1)):
                radius = generator.uniform(0.12, 0.22, 2) * size
                centre = generator.uniform(0.25, 0.75, 2) * size
                inside = ((rows - centre[0]) / radius[0]) ** 2 + ((columns - centre[1]) / radius[1]) ** 2 < 1
                ids[inside] = 1 + turn % (classes - 1)
            waves = 12 * np.sin(rows / generator.uniform(3, 9)) + 12 * np.cos(columns / generator.uniform(3, 9))
            ground = generator.uniform(40, 80, 3) + waves[..., np.newaxis] + generator.normal(0, 4, (*size, 3))
            tone = ids[..., np.newaxis] * generator.uniform(90, 130, 3) / (classes - 1)
            name = f"{number:02}"
            self.truth[name] = ids
            yield name, (ground + tone).clip(0, 255).astype(np.uint8), ids

    def fill(
        self,
        mask: Callable[[np.ndarray], Any] = lambda ids: ids * 255,
        image: Callable[[np.ndarray], Any] = lambda image: image,
        *,
        mask_suffix: str = ".png",
        image_suffix: str = ".png",
        **drawing: Any,
    ) -> None:
        """Write drawn samples into `images/` and `masks/`, changed by `image` and `mask`."""
        for name, picture, ids in self.draw(**drawing):
            self.save(f"images/{name}{image_suffix}", image(picture))
            self.save(f"masks/{name}{mask_suffix}", mask(ids))

    def save(self, name: str, content: Any, **options: Any) -> Path:
        """Write an array by the ending of the name, a Pillow picture, or bytes."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, bytes):
            path.write_bytes(content)
        elif isinstance(content, Image.Image):
            content.save(path, **options)
        elif path.suffix == ".npy":
            np.save(path, content)
        else:
            Image.fromarray(content).save(path, **options)
        return path

    def check(self, place: Path | str | None = None, **settings: Any) -> Checked:
        """The verdict; settings with `__` for the dot."""
        return check(place or self.root, settings=_named(settings))

    def prepared(self, place: Path | str | None = None, **settings: Any) -> dict[str, LabelMap]:
        """What a training would make of it: its label maps, or the error it stops with."""
        chosen = read_settings(None, [], _named(settings), data=place or self.root)
        data = prepare_data(chosen, no_progress)
        check_prepared(chosen, data, no_progress)
        for name, location in zip(data.catalog.ids, data.catalog.targets["mask"], strict=True):
            if name in self.truth:
                found = read_target(location, data.label_maps["mask"])
                assert np.array_equal(found, self.truth[name]), f"{name} would be trained wrongly"
        return data.label_maps


def _named(settings: dict[str, Any]) -> dict[str, Any]:
    return {"data.cache": False} | {name.replace("__", "."): value for name, value in settings.items()}


@pytest.fixture
def zoo(tmp_path: Path) -> Zoo:
    """An empty enclosure."""
    root = tmp_path / "zoo"
    root.mkdir()
    return Zoo(root)


@pytest.fixture
def accepts(zoo: Zoo) -> Callable[..., Checked]:
    """Asserts that a data set can be trained on, rightly, with these doubts and no others."""

    def run(*doubts: str, place: Path | str | None = None, **settings: Any) -> Checked:
        checked = zoo.check(place, **settings)
        found = [(finding.level, finding.kind) for finding in checked.findings if finding.level != "note"]
        assert found == [("doubt", kind) for kind in doubts], checked.findings
        assert checked.outcome == ("doubts" if doubts else "clean")
        assert zoo.prepared(place, **settings) == checked.label_maps
        return checked

    return run


@pytest.fixture
def refuses(zoo: Zoo) -> Callable[..., Checked]:
    """Asserts that a data set is stopped for these reasons and no others, by the check and by a training."""

    def run(*stops: str, says: str, place: Path | str | None = None, **settings: Any) -> Checked:
        checked = zoo.check(place, **settings)
        found = [finding.kind for finding in checked.findings if finding.level == "stop"]
        assert found == list(stops), checked.findings
        assert checked.outcome == "cannot train"
        texts = [
            " ".join([finding.title, *finding.evidence, *finding.samples, finding.remedy])
            for finding in checked.findings
            if finding.level == "stop"
        ]
        assert any(says in text for text in texts), texts
        with pytest.raises(DataError):
            zoo.prepared(place, **settings)
        return checked

    return run
