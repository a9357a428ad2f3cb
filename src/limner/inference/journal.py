"""What is known of each finished picture, on the disk: so that a call can go on where it stopped.

Layer: inference.

A text file with a line of JSON for each picture, added once all its files are there. The first line says with what
they were made. Tables of all pictures are written from it at the end, so that the memory does not grow with the
number of pictures, and tables of a call that went on are those of one that never stopped. It stays where it is: a
later call knows from it what there is.
"""

from __future__ import annotations

import contextlib
import json
import os
from array import array
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from limner.errors import OutputError
from limner.files import output_error

Record: TypeAlias = dict[str, Any]
"""One line."""

_FORMAT = "limner predictions 1"
_NAME = "name"
_UNKNOWN = -1
_BLOCK = 1 << 16


class Journal:
    """Lines by the place of their picture. Make one with `Journal.open`, and close it.

    Several processes may add to one file: each line is written at once, at the end.
    """

    def __init__(self, path: Path, descriptor: int, names: Sequence[str]) -> None:
        self._path = path
        self._descriptor = descriptor
        self._names = names
        # A number per picture, whatever its line holds.
        self._offsets = array("q", [_UNKNOWN]) * len(names)

    @classmethod
    @contextlib.contextmanager
    def open(
        cls, path: Path, names: Sequence[str], made: Mapping[str, Any], *, resume: bool, others: Sequence[Path] = ()
    ) -> Iterator[Journal]:
        """Begin a journal, or go on with the one that is there.

        Args:
            path: The file.
            names: Of the results of all pictures, in order.
            made: What they are made with, as JSON has it.
            resume: Whether to go on, see `is_there`; else it begins anew.
            others: Further ones to go on with, whose lines are taken over.

        Raises:
            OutputError: The file cannot be written, or its results or those of others were made with something else.
        """
        for other in others:
            with other.open("rb") as stream:
                _check(other, _parsed(stream.readline()), made)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if not resume:
                path.unlink(missing_ok=True)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
        except OSError as error:
            raise output_error(path, error) from error
        try:
            journal = cls(path, descriptor, names)
            if os.fstat(descriptor).st_size:
                journal._read(made)
            else:
                journal._write({"format": _FORMAT, "made": dict(made)})
            for other in others:
                journal._take_over(other)
            yield journal
        finally:
            os.close(descriptor)

    def add(self, place: int, record: Record) -> None:
        """Add the line of the picture at `place`, whose files are all there.

        Raises:
            OutputError: The disk is full.
        """
        self._offsets[place] = self._write({_NAME: self._names[place], **record})

    def has(self, place: int) -> bool:
        """Whether the picture at `place` has a line."""
        return self._offsets[place] != _UNKNOWN

    def __getitem__(self, place: int) -> Record:
        """The line of the picture at `place`, which has one."""
        line = b""
        while not line.endswith(b"\n"):
            line += os.pread(self._descriptor, _BLOCK, self._offsets[place] + len(line))
            line = line[: line.find(b"\n") + 1] or line
        record: Record = json.loads(line)
        return record

    def forget(self, place: int) -> None:
        """Take the line of the picture at `place` for none: its files are not there any more."""
        self._offsets[place] = _UNKNOWN

    def places(self) -> Iterator[int]:
        """Places of the pictures that have a line, in order."""
        return (place for place in range(len(self._names)) if self.has(place))

    def _write(self, record: Record) -> int:
        """Write a line; gives where it begins."""
        line = json.dumps(record).encode() + b"\n"
        try:
            written = os.write(self._descriptor, line)
            end = os.lseek(self._descriptor, 0, os.SEEK_CUR)
            if written < len(line):
                # The rest, so that the reason is told; a reader passes over the broken line.
                os.write(self._descriptor, line[written:])
                raise OutputError(
                    f"room on the disk for '{self._path}'", "a line was cut", "Free some space, then add --resume."
                )
        except OSError as error:
            raise output_error(self._path, error) from error
        return end - len(line)

    def _take_over(self, other: Path) -> None:
        """Add the lines of another journal that this one has not."""
        places = self._places()
        with other.open("rb") as stream:
            for line in stream:
                record = _parsed(line) or {}
                place = places.get(record.pop(_NAME, None))
                if place is not None and not self.has(place):
                    self.add(place, record)

    def _places(self) -> dict[str, int]:
        return {name: place for place, name in enumerate(self._names)}

    def _read(self, made: Mapping[str, Any]) -> None:
        places = self._places()
        size = os.fstat(self._descriptor).st_size
        with os.fdopen(os.dup(self._descriptor), "rb") as stream:
            stream.seek(0)
            offset, line = 0, b""
            for number, line in enumerate(stream):
                record = _parsed(line)
                if number == 0:
                    _check(self._path, record, made)
                elif record is not None and record.get(_NAME) in places:
                    self._offsets[places[record[_NAME]]] = offset
                offset += len(line)
        if size and not line.endswith(b"\n"):
            # Cut by a kill; the next line must not be taken for its end.
            self._write_break()

    def _write_break(self) -> None:
        try:
            os.write(self._descriptor, b"\n")
        except OSError as error:
            raise output_error(self._path, error) from error


def is_there(path: Path) -> bool:
    """Whether there is a journal to go on with: a file with a first line that was not cut."""
    try:
        with path.open("rb") as stream:
            return b"\n" in stream.read(_BLOCK)
    except OSError:
        return False


def _parsed(line: bytes) -> Record | None:
    """A line; None where it is cut."""
    try:
        record = json.loads(line)
    except ValueError:
        return None
    return record if isinstance(record, dict) and line.endswith(b"\n") else None


def _check(path: Path, head: Record | None, made: Mapping[str, Any]) -> None:
    """Refuse a journal that is none, or of results that were made with something else."""
    if head is None or head.get("format") != _FORMAT or not isinstance(head.get("made"), dict):
        raise OutputError(
            f"a record of finished pictures in '{path}'",
            "something else, or one of another version",
            "Predict into another folder, or leave --resume out and add --overwrite.",
        )
    # Through JSON, as the other has come.
    now = json.loads(json.dumps(dict(made)))
    before = head["made"]
    changed = [name for name in now if name in before and before[name] != now[name]]
    if changed:
        raise OutputError(
            f"the same call as the one that wrote to '{path.parent}'",
            "another " + ", ".join(f"{name} ({before.get(name)}, now {now.get(name)})" for name in changed),
            "Repeat the first call with --resume added, or predict into another folder.",
        )
