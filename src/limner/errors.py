"""The error tree.

Layer: bottom; imports nothing of Limner.

    LimnerError
    ├── DataError      pairing, mask values, sizes, unreadable files
    ├── ConfigError    unknown keys, impossible values
    ├── BundleError    a model file that is foreign, newer or damaged
    ├── OutputError    a place that cannot be written: full disk, no permission, already there
    ├── ResourceError  too little memory for what was asked, or a process of several that is gone
    ├── TrainingError  a training that learns nothing: NaN or infinity, a collapse
    └── MissingExtra   an optional dependency that is not installed

Catch `LimnerError` to catch every user-facing failure; anything else that escapes is a bug.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence


class LimnerError(Exception):
    """A failure the user can act on.

    Args:
        expected: What should have been the case, as a clause without a full stop.
        found: What was the case instead, and in which file.
        remedy: What to do about it, as a full sentence or several.
        details: Lines to list under the message, such as file names. Shown in full by `str`; pass
            them already shortened with `shorten` where there may be thousands.

    Example:
        >>> print(DataError("a mask has the size of its image (512×500)", "'a_mask.png' is 512×512", "Resize it."))
        Expected: a mask has the size of its image (512×500)
        Found:    'a_mask.png' is 512×512
        To do:    Resize it.
    """

    def __init__(self, expected: str, found: str, remedy: str, *, details: Sequence[str] = ()) -> None:
        self.expected = expected
        self.found = found
        self.remedy = remedy
        self.details = tuple(details)
        super().__init__(expected, found, remedy)

    def __str__(self) -> str:
        lines = [f"Expected: {self.expected}", f"Found:    {self.found}"]
        lines += [f"          - {line}" for line in self.details]
        lines.append(f"To do:    {self.remedy}")
        return "\n".join(lines)

    def __reduce__(self) -> tuple[object, ...]:
        # Exceptions are pickled by calling the class with `args`; `details` is keyword-only.
        return (_rebuild, (type(self), self.expected, self.found, self.remedy, self.details))


def _rebuild(kind: type[LimnerError], expected: str, found: str, remedy: str, details: tuple[str, ...]) -> LimnerError:
    return kind(expected, found, remedy, details=details)


class DataError(LimnerError):
    """Pictures, masks or their pairing are not as they must be."""


class ConfigError(LimnerError):
    """A setting is unknown, of the wrong type, or impossible."""


class BundleError(LimnerError):
    """A model file is foreign, damaged, or written by a newer Limner."""


class OutputError(LimnerError):
    """A result cannot be written where it was asked for."""


class ResourceError(LimnerError):
    """The machine has too little memory for what was asked, or a process that trains with others has lost one."""


class TrainingError(LimnerError):
    """A training went wrong: its numbers are no longer finite, or it predicts one class alone."""


class MissingExtra(LimnerError):  # noqa: N818 - named for what is missing, as in the documentation
    """An optional dependency is not installed; the remedy is the exact `pip install` line."""


def shorten(lines: Sequence[str], most: int = 10) -> list[str]:
    """The first `most` lines, and a last one that counts the rest.

    Example:
        >>> shorten(["a", "b", "c"], most=2)
        ['a', 'b', '… and 1 more']
    """
    if len(lines) <= most:
        return list(lines)
    return [*lines[:most], f"… and {len(lines) - most:,} more"]


def first_line(error: BaseException) -> str:
    r"""The first line of what the error of another program says; its type where it says nothing.

    Example:
        >>> first_line(ValueError("no such node\n  in line 3")), first_line(MemoryError())
        ('no such node', 'MemoryError')
    """
    return str(error).strip().partition("\n")[0].strip() or type(error).__name__


def install_line(extra: str) -> str:
    """The remedy where packages of an extra are missing.

    Example:
        >>> install_line("scale")
        "Type pip install 'limner[scale]', or in a clone of the repository pip install '.[scale]'."
    """
    return f"Type pip install 'limner[{extra}]', or in a clone of the repository pip install '.[{extra}]'."


def did_you_mean(name: str, choices: Iterable[str], *, cutoff: float = 0.6) -> str:
    """The beginning of a remedy that names the nearest choice; empty where none is near.

    Args:
        name: What was given.
        choices: What there is.
        cutoff: Likeness, 0–1, below which a choice is not near.

    Example:
        >>> did_you_mean("focall", ["focal", "dice"])
        "Did you mean 'focal'? "
    """
    near = difflib.get_close_matches(name, list(choices), n=1, cutoff=cutoff)
    return f"Did you mean '{near[0]}'? " if near else ""
