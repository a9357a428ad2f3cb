"""What a check found: one thing worth saying, how sure it is, and what to do.

Layer: data. Imports no torch.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from limner.errors import DataError, shorten

Level: TypeAlias = Literal["stop", "doubt", "note"]
"""`stop`: cannot train. `doubt`: look at it before trusting a training. `note`: good to know."""

LEVELS: tuple[Level, ...] = ("stop", "doubt", "note")


@dataclass(frozen=True)
class Example:
    """Pictures that show a finding, drawn side by side.

    Attributes:
        caption: What is to be seen.
        images: Locations of pictures.
        masks: Location of the mask to outline on each picture, `""` for none; empty for none at all.
        target: Whose label map reads the masks; the first target unless set.
    """

    caption: str
    images: tuple[str, ...]
    masks: tuple[str, ...] = ()
    target: str = ""


@dataclass(frozen=True)
class Finding:
    """One thing that a check found.

    Attributes:
        kind: Stable id, such as `near-duplicates`.
        level: How grave it is.
        title: What was found, in one sentence.
        evidence: The numbers that make one sure, a line each.
        samples: Ids of samples, or names of files, that are concerned; worst first.
        remedy: What to do about it, with the line to type where there is one; empty where nothing needs doing.
        pictures: What to look at.
    """

    kind: str
    level: Level
    title: str
    evidence: tuple[str, ...] = ()
    samples: tuple[str, ...] = ()
    remedy: str = ""
    pictures: tuple[Example, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The finding as JSON holds it, without its pictures."""
        return {
            "kind": self.kind,
            "level": self.level,
            "title": self.title,
            "evidence": list(self.evidence),
            "samples": list(self.samples),
            "remedy": self.remedy,
        }


def worst_first(findings: Iterable[Finding]) -> list[Finding]:
    """Stops, then doubts, then notes; within a level in the order given."""
    return sorted(findings, key=lambda finding: LEVELS.index(finding.level))


def from_error(
    kind: str,
    error: DataError,
    *,
    level: Level = "stop",
    evidence: Sequence[str] = (),
    samples: Sequence[str] = (),
    pictures: Sequence[Example] = (),
) -> Finding:
    """An error that training would raise, as a finding.

    Args:
        kind: Id of the finding.
        error: What was raised.
        level: How grave it is.
        evidence: What is known beyond the error.
        samples: Samples concerned.
        pictures: What to look at.
    """
    found = error.found[:1].upper() + error.found[1:]
    return Finding(
        kind=kind,
        level=level,
        title=f"{found} – expected: {error.expected}.",
        evidence=(*error.details, *evidence),
        samples=tuple(samples),
        remedy=error.remedy,
        pictures=tuple(pictures),
    )


def to_error(finding: Finding) -> DataError:
    """A finding that stops, as the error that training raises."""
    return DataError("data that can be trained on", finding.title, finding.remedy, details=shorten(finding.evidence))
