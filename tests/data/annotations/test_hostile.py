"""Files changed at random end in an error of ours, or in masks, and in nothing else."""

from __future__ import annotations

import copy
import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from limner.data.annotations.convert import Wishes, convert_annotations
from limner.errors import LimnerError
from limner.types import no_progress

ODD: list[Any] = [
    None, True, -1, 0, 10**30, 1e308, -0.5, "", "../../etc/passwd", "a\0b", "x" * 300, [], {}, [[]], [1, 2], [None],
    {"a": 1}, "a.png", "\ud800",
]  # fmt: skip


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Paths to all values within a document; of long lists, to the first few."""
    found = [path] if path else []
    if isinstance(value, dict):
        for key in value:
            found += places(value[key], (*path, key))
    elif isinstance(value, list):
        for number in range(min(len(value), 6)):
            found += places(value[number], (*path, number))
    return found


def changed(document: Any, path: tuple[Any, ...], value: Any, *, remove: bool) -> Any:
    document = copy.deepcopy(document)
    holder = document
    for step in path[:-1]:
        holder = holder[step]
    if remove:
        del holder[path[-1]]
    else:
        holder[path[-1]] = value
    return document


def survives(desk: Any, file: str, content: bytes) -> None:
    """Converting gives masks or an error of ours, and nothing outside."""
    with tempfile.TemporaryDirectory() as name:
        root = Path(name) / "desk"
        shutil.copytree(desk.root, root)
        (root / file).write_bytes(content)
        for overlap in ("smaller", "multilabel"):
            out = Path(name) / "out"
            try:
                result = convert_annotations(
                    root, out, wishes=Wishes(overlap=overlap, instances=True), progress=no_progress
                )
            except LimnerError:
                assert not out.exists()
            else:
                assert result.pictures == len(list(out.glob("instances/**/*.png")))
                shutil.rmtree(out)
        assert sorted(path.name for path in Path(name).iterdir()) == ["desk"]


@pytest.mark.parametrize("kind", ["coco", "labelme", "labelstudio", "geojson"])
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_json_with_other_values(desk, kind, data):
    document = desk.scene(kind)
    for _ in range(data.draw(st.integers(1, 2))):
        path = data.draw(st.sampled_from(places(document) or [()]))
        if not path:
            break
        document = changed(document, path, data.draw(st.sampled_from(ODD)), remove=data.draw(st.booleans()))
    name = {"coco": "c.json", "labelme": "a.json", "labelstudio": "l.json", "geojson": "a.geojson"}[kind]
    survives(desk, name, json.dumps(document).encode())


@pytest.mark.parametrize("kind", ["cvat", "imagej", "labelme"])
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_bytes_that_were_changed(desk, kind, data):
    file = desk.write_scene(kind)
    content = bytearray(file.read_bytes())
    file.unlink()
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(content) - 1))
        content[place : place + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=4))
    survives(desk, file.name, bytes(content))


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_an_outline_of_imagej_whose_bytes_were_changed(desk, data):
    import io
    import zipfile

    with zipfile.ZipFile(io.BytesIO(desk.scene("imagej"))) as archive:
        outlines = [archive.read(name) for name in archive.namelist()]
    content = bytearray(data.draw(st.sampled_from(outlines)))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(4, len(content) - 1))] = data.draw(st.integers(0, 255))
    survives(desk, "a.roi", bytes(content[: data.draw(st.integers(0, len(content)))]))
