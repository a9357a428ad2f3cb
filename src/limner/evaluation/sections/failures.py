"""The section on where the model fails: groups of images that score worse, and images missed or made up.

Layer: part of `evaluation`. Nothing is compared here; the comparisons are those of `summary.json`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from limner.evaluation import wording
from limner.evaluation.records import ComparedRecord, FailuresRecord
from limner.evaluation.run_folder import RunFolder
from limner.evaluation.sections.scores import averaged_classes

_MOST_IMAGES = 60
_MOST_OF_A_PICTURE = 0.3  # above it "small" would be the wrong word
_CASES = {"missed": "missed altogether", "false_alarm": "predicted without being there"}


@dataclass(frozen=True)
class Line:
    """One comparison in words."""

    what: str
    images: str
    mean: str
    rest: str
    difference: str
    stands_out: bool


@dataclass(frozen=True)
class Listed:
    """Images with the same kind of failure: what it is, the first of them, and how many there are more."""

    what: str
    ids: tuple[str, ...]
    more: int


@dataclass(frozen=True)
class Failures:
    """Everything the report says of failures.

    Attributes:
        measure: What images are compared by.
        verdict: The answer in sentences.
        found: The parts that stand out, the worst first.
        compared: All parts.
        note: How it was done; empty where nothing was compared.
    """

    measure: str
    verdict: tuple[str, ...]
    found: tuple[Line, ...]
    compared: tuple[Line, ...]
    note: str


def failures(folder: RunFolder) -> Failures | None:
    """What was found; None for an evaluation that did not look."""
    record = folder.summary.failures if folder.summary else None
    if record is None:
        return None
    compared = tuple(_line(entry) for entry in record.compared)
    return Failures(
        measure=record.measure,
        verdict=_verdict(record),
        found=tuple(line for line in compared if line.stands_out),
        compared=compared,
        note=_note(record) if compared else "",
    )


def listed_images(folder: RunFolder) -> list[Listed]:
    """Images in which a class was missed altogether, or predicted without being there."""
    counted = {
        (name, entry.name)
        for name, target in (folder.summary.targets if folder.summary else {}).items()
        for entry in averaged_classes(target)
    }
    several = len({name for name, _ in counted}) > 1
    found: dict[tuple[str, str, str], list[str]] = {}
    for row in folder.rows:
        if row.case in _CASES and (row.target, row.class_name) in counted:
            found.setdefault((row.target, row.class_name, row.case), []).append(row.id)
    return [
        Listed(
            f"{target + ', ' if several else ''}{name}: {_CASES[case]} in {wording.plural(len(ids), 'image')}",
            tuple(ids[:_MOST_IMAGES]),
            max(0, len(ids) - _MOST_IMAGES),
        )
        for (target, name, case), ids in sorted(found.items(), key=lambda item: -len(item[1]))
    ]


def _verdict(record: FailuresRecord) -> tuple[str, ...]:
    found = [entry for entry in record.compared if entry.stands_out]
    if not record.compared:
        needed = f"a comparison needs at least {record.fewest} {record.over} on either side"
        return (f"Too few images ({record.n_images:,}) to tell: {needed}.",)
    if not found:
        return (f"No group of images stands out, of {len(record.compared)} that were compared with the others.",)
    return tuple(f"{_sentence(entry, record.measure)}." for entry in found)


def _sentence(entry: ComparedRecord, measure: str) -> str:
    line = _line(entry)
    images = wording.plural(entry.n_images, "image")
    return f"{line.what}: {images}, {measure} {line.mean}, elsewhere {line.rest}, difference {line.difference}"


def _line(entry: ComparedRecord) -> Line:
    interval = "" if entry.low is None or entry.high is None else f" ({_signed(entry.low)} to {_signed(entry.high)})"
    return Line(
        what=describe(entry),
        images=wording.count(entry.n_images),
        mean=wording.score(entry.mean),
        rest=wording.score(entry.rest),
        difference=_signed(entry.difference) + interval,
        stands_out=entry.stands_out,
    )


def describe(entry: ComparedRecord) -> str:
    """The images of one side of a comparison in words.

    Example:
        >>> small = {"property": "area", "part": "low", "limit": 0.0131}
        >>> describe(ComparedRecord(**small, n_images=14, mean=0.61, rest=0.89, difference=-0.28))
        'Small objects, at most 1.3 % of the picture'
    """
    low = entry.part == "low"
    side = "at most" if low else "above"
    limit = 0.0 if entry.limit is None else entry.limit
    number = wording.number(limit)
    match entry.property:
        case "area" if limit > _MOST_OF_A_PICTURE:
            return f"Pictures of which objects cover {side} {wording.share(limit)}"
        case "area":
            return f"{'Small' if low else 'Large'} objects, {side} {wording.share(limit)} of the picture"
        case "objects":
            return f"{'Few' if low else 'Many'} objects, {side} {number}"
        case "brightness":
            return f"{'Dark' if low else 'Bright'} pictures, {side} {number} in the mean"
        case "contrast":
            return f"Pictures of {'low' if low else 'high'} contrast, {side} {number}"
        case "sharpness":
            return f"{'Soft' if low else 'Sharp'} pictures, sharpness {side} {number}"
        case "pixels":
            return f"{'Small' if low else 'Large'} pictures, {side} {limit / 1e6:.3g} megapixels"
        case "border":
            return f"Pictures whose objects {'touch' if entry.part == 'yes' else 'keep off'} the border"
        case "group":
            return f"Group {entry.group}"
        case name:
            return f"{wording.words(name)}: {entry.part}"


def _note(record: FailuresRecord) -> str:
    names = list(dict.fromkeys(_NAMES.get(entry.property, entry.property) for entry in record.compared))
    return (
        f"Compared: {_and(names)}; of numbers, the lowest and the highest third of the images with all others. "
        f"In brackets: intervals over {record.over}, each at {record.each_level * 100:.4g} %, so that all "
        f"{len(record.compared)} together hold with {record.level * 100:g} % ({record.correction}). A group stands out "
        f"where it is worse by {record.least:g} or more and its interval leaves out 0. Groups overlap, and the "
        "reason may be another that goes with it. The numbers of every image: evaluation/properties.csv."
    )


_NAMES = {
    "area": "area of the objects",
    "objects": "number of objects",
    "border": "whether an object touches the border",
    "pixels": "size of the picture",
    "group": "group",
}


def _and(words: Sequence[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _signed(value: float) -> str:
    """A difference with its sign.

    Example:
        >>> _signed(-0.284), _signed(0.1), _signed(-0.0001)
        ('−0.284', '+0.100', '0.000')
    """
    text = wording.score(abs(value))
    return text if text == "0.000" else f"{'−' if value < 0 else '+'}{text}"
