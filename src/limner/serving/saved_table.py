"""The table of what was saved, where masks have several planes or a picture has several of them.

Layer: serving. Imports no web library. The form is that of the layout `converted`, which `limner train` reads.

    samples.csv                        a row for each sample: id, image, and a column target.NAME for each target; of
                                       several inputs a column input.NAME for each in place of image
    conversion.json                    tasks, classes and colours of the targets
    images/[INPUT/]NAME.png            the picture, or one for each input
    masks/[TARGET/][CLASS/]NAME.png    class ids; or 0 and 255 for each class of a multilabel target

What replaces a mask is written beside it as `NAME~2.png`, and so on: the name `~` is in no name that clients give.
"""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from limner.bundle import TargetSpec
from limner.data.annotations.names import CONVERSION, SAMPLES
from limner.data.layouts.converted import describe_saved
from limner.data.stored_masks import PLANES
from limner.errors import DataError
from limner.files import atomic_path
from limner.serving.naming import unlike
from limner.serving.refusals import Refusal, unprocessable

IMAGES, MASKS = "images", "masks"
IMAGE = "image"
"""What the input is called where there is one."""

_ID, _INPUT, _TARGET = "id", "input.", "target."
_AGAIN = "~"


@dataclass(frozen=True)
class Row:
    """One sample.

    Attributes:
        name: Its id.
        images: By input its picture, relative to the folder; of a single one under `IMAGE`.
        masks: By target its mask, likewise, or its planes, joined.
    """

    name: str
    images: dict[str, str]
    masks: dict[str, str]

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it; `from_dict` gives it back."""
        return asdict(self)

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Row:
        """Restore what `to_dict` gave."""
        return cls(**content)


def mask_targets(targets: Mapping[str, TargetSpec]) -> dict[str, TargetSpec]:
    """Those of a model's targets that have masks."""
    return {name: spec for name, spec in targets.items() if spec.task != "regression"}


def image_folders(inputs: Collection[str]) -> dict[str, str]:
    """Where the pictures of each input lie."""
    if list(inputs) == [IMAGE]:
        return {IMAGE: IMAGES}
    return {name: f"{IMAGES}/{place}" for name, place in zip(inputs, unlike(list(inputs), "input"), strict=True)}


def mask_folders(specs: Mapping[str, TargetSpec], inputs: Collection[str]) -> dict[str, list[str]] | None:
    """Where the masks of each target lie: a folder, or one for each class of a multilabel target.

    None where the model has one input and one mask of one class per pixel, which need no table.
    """
    alone = list(specs) == ["mask"]
    if alone and specs["mask"].task != "multilabel" and list(inputs) == [IMAGE]:
        return None
    found = {}
    for name, place in zip(specs, unlike(list(specs), "target"), strict=True):
        folder = MASKS if alone else f"{MASKS}/{place}"
        classes = unlike(list(specs[name].names), "class") if specs[name].task == "multilabel" else []
        found[name] = [f"{folder}/{one}" for one in classes] or [folder]
    return found


class SavedTable:
    """The files `samples.csv` and `conversion.json` of a folder.

    Args:
        folder: It.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def exists(self) -> bool:
        """Whether the folder has this form."""
        return (self._folder / CONVERSION).exists()

    def refuse_pairs(self) -> None:
        """Refuse masks that stand in no table.

        Raises:
            Refusal: The folder has one.
        """
        if self.exists():
            raise self._other("masks of one class per pixel, of one target")

    def begin(self, specs: Mapping[str, TargetSpec], inputs: Collection[str]) -> None:
        """See that the folder is of these targets and inputs; say so in it, if it is new.

        Raises:
            Refusal: It is of others.
        """
        content = describe_saved({name: (one.task, one.names, one.colors) for name, one in specs.items()})
        if not self.exists():
            _write(self._folder / CONVERSION, json.dumps(content, indent=2, ensure_ascii=False))
        elif _meaning(content) != _meaning(self._description()):
            raise self._other(_in_words(content))
        known = [name for column in self._read()[0] if (name := _input(column))]
        if known and set(known) != set(inputs):
            raise unprocessable(
                f"samples as the folder has them, of {', '.join(known)}", f"one of {', '.join(inputs)}",
                "Start the server with another folder for --save.",
            )  # fmt: skip

    def rows(self) -> list[Row]:
        """All samples, in the order in which they were first saved."""
        _, rows = self._read()
        return [Row(row[_ID], _pictures(row), _masks(row)) for row in rows]

    def put(self, row: Row) -> None:
        """Add a sample, or replace the one of that name; columns that others have added stay."""
        columns, rows = self._read()
        cells = {_ID: row.name} | {_column(name): file for name, file in row.images.items()}
        cells |= {f"{_TARGET}{name}": mask for name, mask in row.masks.items()}
        columns += [name for name in cells if name not in columns]
        if all(one[_ID] != row.name for one in rows):
            rows.append({_ID: row.name})
        for one in rows:
            if one[_ID] == row.name:
                one.update({name: "" for name in columns if name.startswith(_TARGET)} | cells)
        stream = io.StringIO()
        writer = csv.DictWriter(stream, columns, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        _write(self._folder / SAMPLES, stream.getvalue())

    def free_stem(self, name: str, folders: Sequence[str]) -> str:
        """A name for new files of a sample that no file in these folders has yet."""
        places = [self._folder / folder for folder in folders]
        taken = {path.stem.lower() for place in places if place.is_dir() for path in place.iterdir()}
        stem, number = name, 2
        while stem.lower() in taken:
            stem, number = f"{name}{_AGAIN}{number}", number + 1
        return stem

    def sweep(self) -> None:
        """Remove what has been replaced: files of samples that the table does not name any more.

        A training may still read them, so that this is done when the server starts.

        Raises:
            DataError: The folder has a table, but not one of this form.
        """
        if not self.exists():
            return
        self._description()
        _, rows = self._read()
        named = {file for row in rows for cell in row.values() for file in cell.split(PLANES)}
        names = {row[_ID] for row in rows}
        for path in self._files():
            if path.stem.partition(_AGAIN)[0] in names and path.relative_to(self._folder).as_posix() not in named:
                path.unlink()

    def _files(self) -> list[Path]:
        return [
            path
            for kind in (IMAGES, MASKS)
            for path in (self._folder / kind).rglob("*")
            if path.is_file() and not path.name.startswith(".")
        ]

    def _read(self) -> tuple[list[str], list[dict[str, str]]]:
        path = self._folder / SAMPLES
        if not path.exists():
            return [_ID], []
        try:
            with path.open(encoding="utf-8-sig", newline="") as file:
                reader = csv.DictReader(file, strict=True)
                rows = list(reader)
            columns = reader.fieldnames or ()
            if (
                _ID not in columns
                or not any(map(_input, columns))
                or any(None in row or None in row.values() for row in rows)
            ):
                raise ValueError("a row or column is incomplete")
        except (ValueError, csv.Error) as error:
            raise DataError(
                f"a table of samples with columns {_ID} and {IMAGE} in '{SAMPLES}'", str(error), "Restore the file."
            ) from None
        return list(reader.fieldnames or ()), rows

    def _description(self) -> dict[str, Any]:
        path = self._folder / CONVERSION
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            _meaning(content)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise DataError(
                f"masks that limner serve saved, as '{CONVERSION}' beside them says",
                f"{type(error).__name__}: {error}",
                "Start the server with another folder for --save, or restore the file.",
            ) from None
        return dict(content)

    def _other(self, asked: str) -> Refusal:
        return unprocessable(
            f"masks as the folder has them: {_in_words(self._description())}",
            asked,
            "Start the server with another folder for --save.",
        )


def _pictures(cells: Mapping[str, str]) -> dict[str, str]:
    """By input."""
    return {name: cell for column, cell in cells.items() if (name := _input(column))}


def _masks(cells: Mapping[str, str]) -> dict[str, str]:
    """By target, those that are there."""
    return {name.removeprefix(_TARGET): cell for name, cell in cells.items() if cell and name.startswith(_TARGET)}


def _input(column: str) -> str:
    """The input of a column; empty of another column."""
    return column if column == IMAGE else column.removeprefix(_INPUT) if column.startswith(_INPUT) else ""


def _column(name: str) -> str:
    return name if name == IMAGE else f"{_INPUT}{name}"


def _meaning(content: Mapping[str, Any]) -> dict[str, tuple[str, list[str]]]:
    """Task and classes by target."""
    return {name: (part["task"], [one["name"] for one in part["classes"]]) for name, part in content["targets"].items()}


def _in_words(content: Mapping[str, Any]) -> str:
    return "; ".join(f"{name} ({task}: {', '.join(names)})" for name, (task, names) in _meaning(content).items())


def _write(path: Path, text: str) -> None:
    """Write a text that outlives a loss of power, whole or not at all."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
