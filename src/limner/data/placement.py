"""Files of split samples put into a folder for each split: `train_images`, `train_masks`, and so on.

Layer: data. What is to be done is written down first, beside the folders; whoever is interrupted does
the same again and it is completed. A file is at its old place or at its new one, never at none.
"""

from __future__ import annotations

import contextlib
import errno
import filecmp
import json
import shutil
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, TypeAlias

from limner.data.catalog import Catalog
from limner.errors import DataError, OutputError, shorten
from limner.files import atomic_path, output_error, write_bytes, write_text
from limner.images import parse_location, read_bytes

How: TypeAlias = Literal["move", "copy"]

JOURNAL = ".limner-split.json"
"""Beside the folders while files are on their way."""


@dataclass(frozen=True)
class Placement:
    """Where files go.

    Attributes:
        folder: Holds the folders of the splits.
        how: Move or copy.
        files: New place by location, without files that are there already.
        table: The samples as they are afterwards.
    """

    folder: Path
    how: How
    files: Mapping[str, Path]
    table: Path

    def check(self) -> None:
        """Refuse to replace a file.

        Raises:
            OutputError: One is in the way.
        """
        existing = [str(path) for path in self.files.values() if path.exists()]
        if existing:
            raise OutputError(
                f"new names in the folders of '{self.folder}'",
                f"{len(existing):,} files are already there",
                "Move them away, or choose another --into.",
                details=shorten(existing),
            )

    def begin(self) -> None:
        """Write down what is to be done.

        Raises:
            OutputError: The place cannot be written.
        """
        files = [[location, str(path)] for location, path in self.files.items()]
        notes = {"version": 1, "how": self.how, "table": str(self.table), "files": files}
        write_text(self.folder / JOURNAL, json.dumps(notes))

    def complete(self, progress: Callable[[int, int], None] | None = None) -> None:
        """Do what was written down, or what is left of it; empty folders that files left go too.

        Raises:
            OutputError: A file cannot be written or moved; doing it again goes on from there.
            DataError: A file is at neither place.
        """
        act = _move if self.how == "move" else _copy
        for done, (location, path) in enumerate(self.files.items(), start=1):
            try:
                act(location, path)
            except OSError as error:
                raise output_error(path, error) from error
            if progress is not None:
                progress(done, len(self.files))
        if self.how == "move":
            for left in {Path(location).parent for location in self.files}:
                with contextlib.suppress(OSError):  # not empty
                    left.rmdir()
        (self.folder / JOURNAL).unlink(missing_ok=True)


def plan_placement(catalog: Catalog, folder: Path, how: How, table: Path) -> tuple[Placement, Catalog]:
    """Where the files of split samples go, and the catalog as it is afterwards.

    Args:
        catalog: Samples with splits.
        folder: Where the folders of the splits are or shall be.
        how: Move or copy.
        table: Where the catalog is written.

    Raises:
        DataError: Files that cannot be moved one by one, or two of one name.
    """
    folder = folder.expanduser().absolute()
    files: dict[str, Path] = {}
    columns = []
    for kind, by_name in (("images", catalog.inputs), ("masks", catalog.targets)):
        placed = {}
        for name, column in by_name.items():
            suffix = kind if len(by_name) == 1 else name
            placed[name] = [
                _place(location, folder / f"{split}_{suffix}", files, how)
                for location, split in zip(column, catalog.splits, strict=True)
            ]
        columns.append(placed)
    twice = [str(path) for path, count in Counter(files.values()).items() if count > 1]
    if twice:
        raise DataError(
            "files of different names, as they come into one folder",
            f"{len(twice):,} names several times",
            "Rename them; or leave the files where they are: samples.csv is enough to train.",
            details=shorten(twice),
        )
    moved = {location: path for location, path in files.items() if path != Path(location)}
    return Placement(folder, how, moved, table.absolute()), replace(catalog, inputs=columns[0], targets=columns[1])


def unfinished(folder: Path) -> Placement | None:
    """What an interrupted run left to do in a folder; None where there was none.

    Raises:
        DataError: Its notes cannot be read.
    """
    folder = folder.expanduser().absolute()
    path = folder / JOURNAL
    if not path.exists():
        return None
    try:
        notes = json.loads(path.read_text(encoding="utf-8"))
        files = {location: Path(place) for location, place in notes["files"]}
        return Placement(folder, notes["how"], files, Path(notes["table"]))
    except (OSError, ValueError, KeyError, TypeError):
        raise DataError(
            "notes of an interrupted split",
            f"'{path}' is damaged",
            "Look where the files are, put them in order, and remove it.",
        ) from None


def refuse_unfinished(folder: Path) -> None:
    """Stop where an interrupted run left files in part at their old places and in part at their new ones.

    Raises:
        DataError: It did.
    """
    if (folder / JOURNAL).exists():
        raise DataError(
            f"the files of '{folder}' at rest",
            "an earlier `limner split` with --move or --copy was interrupted",
            "Give that command again to complete it.",
        )


def _place(location: str, folder: Path, files: dict[str, Path], how: How) -> str:
    if not location:
        return ""
    parsed = parse_location(location)
    whole = (parsed.page, parsed.key, parsed.row) == (None, None, None) and not parsed.path.endswith("/")
    outside = parsed.archive is not None or "://" in parsed.path
    if not whole or (outside and how == "move"):
        raise DataError(
            f"a file of its own for each picture and mask, to {how} it",
            f"'{location}'",
            "Unpack the archive, or leave the files where they are: samples.csv is enough to train.",
        )
    place = location if outside else str(Path(parsed.path).absolute())
    files[place] = folder / Path(parsed.path).name
    return str(files[place])


def _move(location: str, path: Path) -> None:
    source = Path(location)
    if not source.exists():
        if path.exists():
            return
        raise DataError(f"a file at '{source}' or '{path}'", "it is at neither", f"Put it back, or edit '{JOURNAL}'.")
    if path.exists():
        _drop_original(source, path)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        source.rename(path)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        # On another disk: the original goes when the copy is whole.
        with atomic_path(path) as temporary:
            shutil.copyfile(source, temporary)
        _drop_original(source, path)


def _drop_original(source: Path, path: Path) -> None:
    if not filecmp.cmp(source, path, shallow=False):
        raise OutputError(
            f"'{path}' holds what '{source}' does", "it holds something else", "Move one of them away, and go on."
        )
    source.unlink()


def _copy(location: str, path: Path) -> None:
    if not path.exists():
        write_bytes(path, read_bytes(location))
