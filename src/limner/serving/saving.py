"""Pictures and masks into a folder, in samples that are whole or absent.

Layer: serving. Imports no web library.

A sample is several files, which no file system can put in place at once. So it is written beside, in a folder of its
own; renaming that folder is the moment from which the sample counts as saved. Then its files are moved to their places;
if the process or the machine dies between, `Dataset` moves them when it is opened again. What was not renamed is thrown
away: its client was never told that it was saved.

There are two forms, told apart by what the model draws (see `saved_table`):

    images/NAME.png  masks/NAME.png       one mask of one class per pixel; a pair goes by its name
    samples.csv      conversion.json      planes of classes that overlap, several targets, or several inputs, in
                                          `masks/…/NAME.png` and `images/…/NAME.png`

In the second form `samples.csv` names the files of each sample. It is replaced at once when all of them are in their
places, and files that it names are never written to: so a reader, too, sees all planes of a sample or none, and all
old ones or all new ones.

Pictures are written anew from their pixels: of the bytes that a client sent, none reaches the disk.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from jaxtyping import Shaped, UInt8

from limner.bundle import TargetSpec
from limner.data.stored_masks import join_planes
from limner.errors import DataError
from limner.files import output_error
from limner.images import read_image, write_image, write_mask
from limner.serving.naming import safe_name
from limner.serving.refusals import Refusal, unprocessable
from limner.serving.saved_table import IMAGE, IMAGES, MASKS, Row, SavedTable, image_folders, mask_folders

_WORK = ".saving"
_NEW, _READY = "new-", "ready-"
_ROW = "row.json"


class Dataset:
    """A folder of pictures and masks, as `limner train` reads it; what an earlier process left behind is finished.

    Args:
        folder: It; made if it is not there.

    Raises:
        OutputError: It cannot be written to.
        DataError: It has a table of samples that cannot be read.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._table = SavedTable(folder)
        self._lock = threading.Lock()
        try:
            for name in (IMAGES, MASKS, _WORK):
                (folder / name).mkdir(parents=True, exist_ok=True)
            for left in sorted((folder / _WORK).iterdir()):
                if left.name.startswith(_READY):
                    self._place(left)
                else:
                    shutil.rmtree(left)
            self._table.sweep()
        except OSError as error:
            raise output_error(folder, error) from error

    def names(self) -> list[str]:
        """Of the samples, sorted."""
        if self._table.exists():
            return sorted(row.name for row in self._table.rows())
        masks = {path.stem for path in (self.folder / MASKS).iterdir() if not path.name.startswith(".")}
        images = {path.stem for path in (self.folder / IMAGES).iterdir() if not path.name.startswith(".")}
        return sorted(images & masks)

    def save(
        self,
        name: str,
        images: Mapping[str, Shaped[np.ndarray, "height width channels"]],
        target: str,
        mask: UInt8[np.ndarray, "height width *classes"],
        specs: Mapping[str, TargetSpec],
        *,
        replace: bool,
    ) -> str:
        """Save a picture with its mask; when this returns, it is on the disk.

        A mask of a further target is added to the same picture of the same name.

        Args:
            name: As the client calls it.
            images: By input, of uint8, uint16 or float32; a single one under `IMAGE`.
            target: Whose mask it is.
            mask: Class ids, or planes of 0 and 1 (multilabel).
            specs: All targets of the model that have masks.
            replace: Whether what is there under that name may be replaced.

        Returns:
            The name it got.

        Raises:
            Refusal: Nothing is left of the name, there is a sample of that name, or the folder has other masks.
            DataError: An id has no colour.
            OutputError: The disk is full, or may not be written to.
        """
        safe = safe_name(name)
        if not safe:
            raise unprocessable("a name with letters or digits", f"'{name[:100]}'", "Give one.")
        with self._lock:
            try:
                if mask_folders(specs, images) is None:
                    self._save_pair(safe, images[IMAGE], mask, specs[target], replace=replace)
                else:
                    safe = self._save_row(safe, images, target, mask, specs, replace=replace)
            except OSError as error:
                raise output_error(self.folder, error) from error
        return safe

    def _save_pair(
        self,
        name: str,
        image: Shaped[np.ndarray, "height width channels"],
        mask: UInt8[np.ndarray, "height width"],
        spec: TargetSpec,
        *,
        replace: bool,
    ) -> None:
        self._table.refuse_pairs()
        taken = any(
            path.stem.lower() == name.lower()  # as some systems do not tell cases apart
            for kind in (IMAGES, MASKS)
            for path in (self.folder / kind).iterdir()
        )
        if taken and not replace:
            raise _exists(name)
        with self._beside(name) as beside:
            write_image(beside / IMAGES / f"{name}{_suffix(image)}", image)
            write_mask(beside / MASKS / f"{name}.png", mask, spec.colors)

    def _save_row(
        self,
        name: str,
        images: Mapping[str, Shaped[np.ndarray, "height width channels"]],
        target: str,
        mask: UInt8[np.ndarray, "height width *classes"],
        specs: Mapping[str, TargetSpec],
        *,
        replace: bool,
    ) -> str:
        """Save into the form with a table; gives the name as it stands there, perhaps in other case."""
        if not self._table.exists() and self.names():
            raise unprocessable(
                "a folder for masks of several planes or targets", "one of masks without a table",
                "Start the server with another folder for --save.",
            )  # fmt: skip
        self._table.begin(specs, images)
        known = next((row for row in self._table.rows() if row.name.lower() == name.lower()), None)
        # What was saved of another picture under this name goes with it.
        kept = known if known is not None and self._holds(known, images) else None
        if known is not None and not replace and (kept is None or target in kept.masks):
            raise _exists(known.name)
        name = name if known is None else known.name
        folders = (mask_folders(specs, images) or {})[target]
        places = image_folders(images)
        stem = self._table.free_stem(name, folders if kept else [*places.values(), *folders])
        pictures = {part: f"{places[part]}/{stem}{_suffix(image)}" for part, image in images.items()}
        pictures = kept.images if kept else pictures
        files = [f"{folder}/{stem}.png" for folder in folders]
        row = Row(name, pictures, {**(kept.masks if kept else {}), target: join_planes(files)})
        with self._beside(name) as beside:
            for part, image in ({} if kept else images).items():
                write_image(beside / pictures[part], image)
            if specs[target].task == "multilabel":
                for index, file in enumerate(files):
                    write_image(beside / file, mask[..., index] * np.uint8(255))
            else:
                write_mask(beside / files[0], mask, specs[target].colors)
            (beside / _ROW).write_text(json.dumps(row.to_dict()), encoding="utf-8")
        return name

    def _holds(self, row: Row, images: Mapping[str, Shaped[np.ndarray, "height width channels"]]) -> bool:
        """Whether a sample of the folder has these pictures."""
        try:
            return row.images.keys() == images.keys() and all(
                np.array_equal(read_image(str(self.folder / row.images[part])), image) for part, image in images.items()
            )
        except DataError:
            return False

    @contextlib.contextmanager
    def _beside(self, name: str) -> Iterator[Path]:
        """A folder to write a sample's files to; when the block ends without error, they are saved and in place."""
        beside = Path(tempfile.mkdtemp(prefix=_NEW, dir=self.folder / _WORK))
        try:
            yield beside
            for path in [*beside.rglob("*"), beside]:
                _to_disk(path)
            ready = self.folder / _WORK / f"{_READY}{name}"
            beside.rename(ready)
        except BaseException:
            shutil.rmtree(beside, ignore_errors=True)
            raise
        _to_disk(self.folder / _WORK)
        self._place(ready)

    def _place(self, ready: Path) -> None:
        """Move a sample to its place; may be done again from any point."""
        row = ready / _ROW
        files = [path for path in sorted(ready.rglob("*")) if path.is_file() and path != row]
        folders = {self.folder / parent for path in files for parent in path.relative_to(ready).parents}
        for path in files:
            place = self.folder / path.relative_to(ready)
            place.parent.mkdir(parents=True, exist_ok=True)
            for old in [] if row.exists() else place.parent.glob("*"):
                if old.stem == path.stem and old.suffix != path.suffix:
                    old.unlink()
            path.replace(place)
        for folder in folders:
            _to_disk(folder)
        if row.exists():
            self._table.put(Row.from_dict(json.loads(row.read_text(encoding="utf-8"))))
            _to_disk(self.folder)
        shutil.rmtree(ready)


def _suffix(image: Shaped[np.ndarray, "height width channels"]) -> str:
    plain = image.dtype in (np.uint8, np.uint16) and image.shape[2] <= 4
    return ".png" if plain else ".tif"


def _exists(name: str) -> Refusal:
    return Refusal(
        409, "Exists", f"a new name, or replace=true to replace '{name}'", "a sample of that name",
        "Choose another name, or send replace=true.",
    )  # fmt: skip


def _to_disk(path: Path) -> None:
    """Wait until a file or folder would outlive a loss of power."""
    number = os.open(path, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):  # some file systems know no such thing for folders
            os.fsync(number)
    finally:
        os.close(number)
