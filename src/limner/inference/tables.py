"""Tables of all pictures: what each keeps of a picture, and how they are written in the end.

Layer: inference. Values only; the tables are in modules of their own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TextIO, overload, runtime_checkable

import numpy as np
from jaxtyping import Int64

from limner.files import atomic_path
from limner.inference.journal import Journal
from limner.inference.prediction import Prediction
from limner.types import Spacing

if TYPE_CHECKING:
    from limner.inference.doubtful import Doubt


@dataclass(frozen=True, eq=False)
class Done:
    """A predicted picture.

    Attributes:
        picture: Its name.
        prediction: What the model says.
        doubt: How sure it is; None if that was not asked.
        spacing: Size of its pixels in mm; None where it is not known.
    """

    picture: str
    prediction: Prediction
    doubt: Doubt | None = None
    spacing: Spacing | None = None


class Records(Sequence[Any]):
    """What the journal keeps for one table of all pictures, read when it is asked for."""

    def __init__(self, journal: Journal, key: str) -> None:
        self._journal = journal
        self._key = key
        self._places: Int64[np.ndarray, " pictures"] = np.fromiter(journal.places(), np.int64)

    def __len__(self) -> int:
        return len(self._places)

    @overload
    def __getitem__(self, index: int) -> Any: ...
    @overload
    def __getitem__(self, index: slice) -> list[Any]: ...
    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(len(self)))]
        return self._journal[int(self._places[index])][self._key]


@runtime_checkable
class Table(Protocol):
    """One table."""

    @property
    def key(self) -> str:
        """Where its part of a journal's line stands."""

    @property
    def path(self) -> Path:
        """The file."""

    def record(self, done: Done) -> Any:
        """What to keep of a picture, as JSON has it."""

    def write(self, records: Records) -> None:
        """Write the table, whole or not at all."""


@contextmanager
def open_table(path: Path) -> Iterator[TextIO]:
    """A text file that appears when everything is in it; names of pictures in it need not be UTF-8.

    Raises:
        OutputError: It cannot be written.
    """
    with (
        atomic_path(path) as temporary,
        temporary.open("w", encoding="utf-8", errors="surrogateescape", newline="") as stream,
    ):
        yield stream
