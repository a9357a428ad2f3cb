"""Which files were written, at eight bytes a picture.

Layer: inference.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from pathlib import Path
from typing import overload

from limner.inference.doubtful import FOLDER
from limner.inference.outputs import Outputs, huge_outputs


class Written(Sequence[Path]):
    """Files of masks, in the order in which they were added: paths are made when they are asked for.

    Args:
        outputs: Knows the files of a result; None where none are written.
        names: Of the results of all pictures.
    """

    def __init__(self, outputs: Outputs | None, names: Sequence[str]) -> None:
        self._outputs = outputs
        self._names = names
        self._places = array("q")
        # Pictures that were read by window, whose masks have another form: there are few.
        self._huge: set[int] = set()
        self._each = len(outputs.masks("a")) if outputs is not None else 0

    def add(self, place: int, *, apart: bool, huge: bool = False) -> None:
        """Add the files of the picture at `place`, which may lie apart, or be those of one read by window."""
        if huge:
            self._huge.add(place)
        # The place, or for results that lie apart its complement.
        self._places.append(~place if apart else place)

    def __len__(self) -> int:
        return len(self._places) * self._each

    @overload
    def __getitem__(self, index: int) -> Path: ...
    @overload
    def __getitem__(self, index: slice) -> list[Path]: ...
    def __getitem__(self, index: int | slice) -> Path | list[Path]:
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(len(self)))]
        if self._outputs is None or not -len(self) <= index < len(self):
            raise IndexError(index)
        number, which = divmod(index % len(self), self._each)
        place = self._places[number]
        name = self._names[place] if place >= 0 else f"{FOLDER}/{self._names[~place]}"
        outputs = huge_outputs(self._outputs) if place in self._huge else self._outputs
        return outputs.masks(name)[which]
