"""Which files were written, at eight bytes a picture.

Layer: inference.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from pathlib import Path
from typing import overload

from limner.inference.destinations import Destinations, result_place
from limner.inference.outputs import huge_outputs


class Written(Sequence[Path | str]):
    """Files of masks, as paths or URLs, in the order in which they were added: they are made when they are asked for.

    Args:
        to: Knows the files of a result, and where they belong.
        names: Of the results of all pictures.
    """

    def __init__(self, to: Destinations, names: Sequence[str]) -> None:
        self._to = to
        self._names = names
        self._places = array("q")
        # Pictures that were read by window, whose masks have another form: there are few.
        self._huge: set[int] = set()
        self._each = len(to.outputs.masks("a")) if to.outputs is not None else 0

    def add(self, place: int, *, apart: bool, huge: bool = False) -> None:
        """Add the files of the picture at `place`, which may lie apart, or be those of one read by window."""
        if huge:
            self._huge.add(place)
        # The place, or for results that lie apart its complement.
        self._places.append(~place if apart else place)

    def sort(self) -> None:
        """Bring them into the order of the pictures."""
        self._places = array("q", sorted(self._places, key=lambda place: place if place >= 0 else ~place))

    def __len__(self) -> int:
        return len(self._places) * self._each

    @overload
    def __getitem__(self, index: int) -> Path | str: ...
    @overload
    def __getitem__(self, index: slice) -> list[Path | str]: ...
    def __getitem__(self, index: int | slice) -> Path | str | list[Path | str]:
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(len(self)))]
        outputs = self._to.outputs
        if outputs is None or not -len(self) <= index < len(self):
            raise IndexError(index)
        number, which = divmod(index % len(self), self._each)
        place = self._places[number]
        name = result_place(self._names[place if place >= 0 else ~place], apart=place < 0)
        outputs = huge_outputs(outputs) if place in self._huge else outputs
        return self._to.belongs(outputs.masks(name)[which])
