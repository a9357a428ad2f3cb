"""Pictures and masks into a folder, in pairs that are whole or absent.

Layer: serving. Imports no web library.

A pair is two files, which no file system can put in place at once. So it is written beside, in a folder of its own;
renaming that folder is the moment from which the pair counts as saved. Then its files are moved to their places; if
the process or the machine dies between, `Dataset` moves them when it is opened again. What was not renamed is thrown
away: its client was never told that it was saved.

Pictures are written anew from their pixels: of the bytes that a client sent, none reaches the disk.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Shaped, UInt8

from limner.files import output_error
from limner.images import write_image, write_mask
from limner.serving.naming import safe_name
from limner.serving.refusals import Refusal, unprocessable
from limner.types import Color

IMAGES, MASKS = "images", "masks"
_WORK = ".saving"
_NEW, _READY = "new-", "ready-"


class Dataset:
    """A folder of pictures and masks, as `limner train` reads it; what an earlier process left behind is finished.

    Args:
        folder: It; made if it is not there.

    Raises:
        OutputError: It cannot be written to.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = threading.Lock()
        try:
            for name in (IMAGES, MASKS, _WORK):
                (folder / name).mkdir(parents=True, exist_ok=True)
            for left in sorted((folder / _WORK).iterdir()):
                if left.name.startswith(_READY):
                    self._place(left)
                else:
                    shutil.rmtree(left)
        except OSError as error:
            raise output_error(folder, error) from error

    def names(self) -> list[str]:
        """Of the pairs, sorted."""
        masks = {path.stem for path in (self.folder / MASKS).iterdir() if not path.name.startswith(".")}
        images = {path.stem for path in (self.folder / IMAGES).iterdir() if not path.name.startswith(".")}
        return sorted(images & masks)

    def save(
        self,
        name: str,
        image: Shaped[np.ndarray, "height width channels"],
        mask: UInt8[np.ndarray, "height width"],
        colors: Sequence[Color],
        *,
        replace: bool,
    ) -> str:
        """Save a pair; when this returns, it is on the disk.

        Args:
            name: As the client calls it.
            image: Of uint8, uint16 or float32.
            mask: Class ids.
            colors: Of each class id.
            replace: Whether a pair of that name may be replaced.

        Returns:
            The name it got.

        Raises:
            Refusal: Nothing is left of the name, or there is a pair of that name.
            DataError: An id has no colour.
            OutputError: The disk is full, or may not be written to.
        """
        safe = safe_name(name)
        if not safe:
            raise unprocessable("a name with letters or digits", f"'{name[:100]}'", "Give one.")
        plain = image.dtype in (np.uint8, np.uint16) and image.shape[2] <= 4
        with self._lock:
            if not replace and self._files(safe):
                raise Refusal(
                    409, "Exists", f"a new name, or replace=true to replace '{safe}'", "a pair of that name",
                    "Choose another name, or send replace=true.",
                )  # fmt: skip
            try:
                beside = Path(tempfile.mkdtemp(prefix=_NEW, dir=self.folder / _WORK))
                try:
                    write_image(beside / IMAGES / f"{safe}{'.png' if plain else '.tif'}", image)
                    write_mask(beside / MASKS / f"{safe}.png", mask, colors)
                    for path in [*beside.rglob("*"), beside]:
                        _to_disk(path)
                    ready = self.folder / _WORK / f"{_READY}{safe}"
                    beside.rename(ready)
                except BaseException:
                    shutil.rmtree(beside, ignore_errors=True)
                    raise
                _to_disk(self.folder / _WORK)
                self._place(ready)
            except OSError as error:
                raise output_error(self.folder, error) from error
        return safe

    def _files(self, name: str) -> list[Path]:
        """Files of that name, in whatever case, as some systems do not tell cases apart."""
        return [
            path
            for kind in (IMAGES, MASKS)
            for path in (self.folder / kind).iterdir()
            if path.stem.lower() == name.lower()
        ]

    def _place(self, ready: Path) -> None:
        """Move a pair to its place; may be done again from any point."""
        for kind in (MASKS, IMAGES):
            for path in sorted((ready / kind).iterdir()) if (ready / kind).is_dir() else []:
                for old in (self.folder / kind).glob("*"):
                    if old.stem == path.stem and old.suffix != path.suffix:
                        old.unlink()
                path.replace(self.folder / kind / path.name)
            _to_disk(self.folder / kind)
        shutil.rmtree(ready)


def _to_disk(path: Path) -> None:
    """Wait until a file or folder would outlive a loss of power."""
    number = os.open(path, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):  # some file systems know no such thing for folders
            os.fsync(number)
    finally:
        os.close(number)
