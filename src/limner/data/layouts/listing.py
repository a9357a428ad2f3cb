"""What lies at a place: its pictures, and what to say when they make no sense.

Layer: data.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

from limner.data.layouts.folders import Folder, common_depth, read_folder
from limner.errors import DataError, shorten
from limner.images import IMAGE_SUFFIXES, Source, is_dicom, suffix_of

# ISIC hands out one such picture per photograph; they are neither images nor masks.
_SUPERPIXELS = re.compile(r"_superpixels\.\w+$", re.IGNORECASE)
_TABLES = frozenset({".csv", ".tsv"})
_SHOWN = 12
_ARRANGEMENTS = (
    "folders 'images' and 'masks', or names such as 1.png and 1_mask.png, or a CSV with columns image and mask"
)


@dataclass(frozen=True)
class Listing:
    """The files of a place, sorted out by what they are.

    Attributes:
        source: The place.
        pictures: Names of the files that Limner reads, in natural order.
        tables: Names of CSV files.
        others: Number of other files by suffix.
        superpixels: Number of superpixel pictures, which are left out.
        archives: Names of the zip files, which count among the others.
    """

    source: Source
    pictures: list[str]
    tables: list[str]
    others: Counter[str]
    superpixels: int = 0
    archives: tuple[str, ...] = ()

    @classmethod
    def open(cls, place: str | Path) -> Listing:
        """List a folder, zip or URL.

        Raises:
            DataError: It is missing or holds no file.
        """
        source = Source.open(place)
        pictures: list[str] = []
        tables: list[str] = []
        others: Counter[str] = Counter()
        superpixels = 0
        archives: list[str] = []
        for name in source.files():
            suffix = suffix_of(name)
            if _SUPERPIXELS.search(name):
                superpixels += 1
            elif suffix in IMAGE_SUFFIXES or is_dicom(source.location(name)):
                pictures.append(name)
            else:
                others[suffix or "no suffix"] += 1
                if suffix in _TABLES:
                    tables.append(name)
                elif suffix == ".zip":
                    archives.append(name)
        if not (pictures or others or superpixels):
            raise DataError(f"pictures in '{place}'", "it is empty", "Check the path, or copy the pictures there.")
        return cls(source, pictures, tables, others, superpixels, tuple(archives))

    @cached_property
    def folders(self) -> dict[str, Folder]:
        """What the path of each folder that holds pictures says."""
        paths = {folder_of(name) for name in self.pictures}
        return {path: read_folder(path, skip=self.depth) for path in paths}

    @cached_property
    def depth(self) -> int:
        """How many folders lie one in another before the pictures part."""
        return common_depth({folder_of(name) for name in self.pictures})

    def notes(self) -> list[str]:
        """What was left unread, in words."""
        notes = []
        if self.superpixels:
            notes.append(f"Superpixel pictures, which were left out: {self.superpixels:,}.")
        if self.others:
            kinds = ", ".join(f"{count:,} {suffix}" for suffix, count in sorted(self.others.items()))
            notes.append(f"Files that are no pictures were left unread: {kinds}.")
        return notes

    def describe(self) -> list[str]:
        """A line for each folder and what it holds, the fullest first."""
        counts = Counter(folder_of(name) for name in self.pictures)
        lines = [
            f"{path + '/' if path else 'top level'}: {count:,} pictures"
            for path, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        ]
        lines += [f"{count:,} {suffix} files" for suffix, count in sorted(self.others.items())]
        return shorten(lines, _SHOWN)

    def nothing_fits(self, expected: str = "") -> DataError:
        """The error for pictures that make up no layout."""
        place = self.source.place
        if not self.pictures:
            suffixes = " ".join(sorted(IMAGE_SUFFIXES))
            return DataError(
                f"pictures in '{place}'",
                "none of its files is one",
                f"Limner reads {suffixes}; convert other formats first.",
                details=self.describe(),
            )
        images, masks = self._guess()
        name_them = "Name the folders" if self.source.kind == "folder" else "Unpack it and name the folders"
        return DataError(
            expected or _ARRANGEMENTS,
            f"{len(self.pictures):,} pictures in '{place}' that are arranged otherwise",
            f"{name_them}: --images '{images}' --masks '{masks}'. Or write a CSV and give that.",
            details=self.describe(),
        )

    def _guess(self) -> tuple[str, str]:
        """The two fullest folders, as the likeliest to be meant."""
        counts = Counter(folder_of(name) for name in self.pictures)
        paths = [path for path, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:2]]
        masks = [path for path in paths if self.folders[path].role == "mask"]
        ordered = [path for path in paths if path not in masks] + masks
        ordered += ["IMAGES", "MASKS"][len(ordered) :]
        place = self.source.place if self.source.kind == "folder" else ""
        image, mask = (str(PurePosixPath(place, path)) for path in ordered)
        return image, mask


def folder_of(name: str) -> str:
    """The folder of a relative name, `""` for the top."""
    return name.rpartition("/")[0]
