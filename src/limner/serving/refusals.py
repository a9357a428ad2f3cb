"""What an answer says when there is none: in the form of Limner's errors, and with nothing of the machine in it.

Layer: serving. Imports no web library.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from limner.errors import BundleError, LimnerError, MissingExtra, OutputError, ResourceError

# Folders before a file's name: what is left says enough, and nothing of this machine.
_FOLDERS = re.compile(r"(?<![\w.])~?/(?:[^\s/:'\"]+/)+")

RETRY_AFTER = 1
"""Seconds after which a client that was told to come again should."""


@dataclass(eq=False)
class Refusal(Exception):  # noqa: N818 - a refusal is an answer, not an error of the program
    """A request that is not done.

    Attributes:
        status: Of HTTP.
        kind: What of Limner's errors it is, or what of HTTP's.
        expected: See `LimnerError`.
        found: Likewise.
        remedy: Likewise.
        headers: Of the answer.
    """

    status: int
    kind: str
    expected: str
    found: str
    remedy: str
    headers: dict[str, str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """The answer."""
        return {"error": {"kind": self.kind, "expected": self.expected, "found": self.found, "remedy": self.remedy}}


def busy(found: str) -> Refusal:
    """There is no room now."""
    return Refusal(
        503,
        "Busy",
        "room for another request",
        found,
        f"Send it again in {RETRY_AFTER} second or later.",
        {"Retry-After": str(RETRY_AFTER)},
    )


def too_large(expected: str, found: str, remedy: str) -> Refusal:
    """The request is beyond a limit."""
    return Refusal(413, "TooLarge", expected, found, remedy)


def unknown(what: str, name: str, known: list[str]) -> Refusal:
    """Something is named that is not there."""
    return Refusal(404, "NotFound", what, f"'{name[:100]}'", f"Name one of: {', '.join(known)}.")


def unprocessable(expected: str, found: str, remedy: str) -> Refusal:
    """An argument is not one of those there are."""
    return Refusal(422, "ConfigError", expected, found, remedy)


def refusal_of(error: LimnerError) -> Refusal:
    """What a client is told of an error of Limner.

    Errors about the client's picture are told in full. Errors about this machine (its disk, its models, its memory)
    name its files, so that a client is told the kind alone.
    """
    kind = type(error).__name__
    if isinstance(error, ResourceError):
        return Refusal(
            413, kind, "enough memory for the picture", "too little", "Send a smaller picture, or parts of it."
        )
    if isinstance(error, OutputError):
        return Refusal(
            507, kind, "room and permission to save", "the server could not write", "Tell who runs the server."
        )
    if isinstance(error, BundleError):
        return Refusal(500, kind, "a sound model", "the server could not load it", "Tell who runs the server.")
    if isinstance(error, MissingExtra):
        return Refusal(
            415, kind, "a format that this server reads", error.expected, "Send the picture as PNG, JPEG or TIFF."
        )
    return Refusal(400, kind, error.expected, error.found, error.remedy)


def without_folders(text: str, *places: str) -> str:
    """A text in which folders of this machine are cut from the names of files.

    Args:
        text: It.
        places: Folders that may stand in it, with whatever letters; those without spaces are found without.

    Example:
        >>> without_folders("'/data/new pictures/a.png' is damaged, see /var/log/limner.txt", "/data/new pictures")
        "'…/a.png' is damaged, see …/limner.txt"
    """
    for place in sorted(filter(None, places), key=len, reverse=True):
        text = text.replace(place, "…")
    return _FOLDERS.sub("…/", text)
