"""What is to be predicted: single pictures, or samples of several pictures put together by name.

Layer: inference.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from limner.bundle import InputSpec
from limner.data.layouts import find_inputs
from limner.data.pairing import Pairing, match_pairs
from limner.errors import DataError, shorten
from limner.inference.inputs import check_parts
from limner.inference.sources import FoundPictures, Picture, find_pictures, result_names

Places = str | Path | Sequence[str | Path] | Mapping[str, str | Path]
"""Where pictures lie: one place or several; by input where the network has several."""


@dataclass(frozen=True, slots=True)
class Task:
    """One sample to predict.

    Attributes:
        picture: The picture, of several inputs the last; it gives the sample its name in messages.
        result: Name of its results.
        parts: Location of each input by name, where there are several.
    """

    picture: Picture
    result: str
    parts: Mapping[str, str] = field(default_factory=dict)

    @property
    def given(self) -> str | Mapping[str, str]:
        """What `Predictor.make_input` takes."""
        return self.parts or self.picture.location

    @property
    def sources(self) -> list[Picture]:
        """Every file that is read."""
        return [Picture(location, self.picture.name) for location in self.parts.values()] or [self.picture]


@dataclass(frozen=True)
class FoundTasks:
    """Samples to predict, and names of files that are no pictures."""

    tasks: list[Task]
    others: list[str]


def find_tasks(places: Places, inputs: InputSpec, *, leave_out: str | Path | None) -> FoundTasks:
    """Find what to predict.

    For a network of several inputs, either a place by the name of each input, or one data set, which is
    read as for training. Files of different inputs belong together by name, as pictures and masks do; a
    single file goes with all.

    Args:
        places: Where to look.
        inputs: What the network takes.
        leave_out: Folder or URL of the results, whose files are not pictures to predict; None without one.

    Raises:
        DataError: No pictures, places that do not fit the network, or files that do not pair.
    """
    if isinstance(places, Mapping):
        check_parts(places, inputs)
        found = {part: find_pictures([places[part]], leave_out=leave_out, plane=inputs.plane) for part in inputs.parts}
        return _by_name(found)
    if isinstance(places, str | Path):
        places = [places]
    if not inputs.parts:
        pictures = find_pictures(places, leave_out=leave_out, plane=inputs.plane)
        return FoundTasks(list(map(Task, pictures.pictures, result_names(pictures.pictures))), pictures.others)
    if len(places) != 1 or not _is_data_set(places[0]):
        check_parts(None, inputs)
    return _of_data_set(places[0], inputs)


def _is_data_set(place: str | Path) -> bool:
    path = Path(place)
    return path.is_dir() or path.suffix.lower() in (".csv", ".tsv", ".zip")


def _of_data_set(place: str | Path, inputs: InputSpec) -> FoundTasks:
    try:
        catalog = find_inputs(place, inputs.plane or "auto")
    except DataError:
        if not Path(place).is_dir():
            raise
        catalog = None
    if catalog is None or set(catalog.inputs) != set(inputs.parts):
        wanted = list(inputs.parts)
        found = "one kind of picture" if catalog is None else f"the inputs {', '.join(catalog.inputs)}"
        raise DataError(
            f"a data set with the inputs {', '.join(wanted)}, laid out as for training",
            f"{found} in '{place}'",
            f"Type {' '.join(f'--input {part}=PLACE' for part in wanted)}, or give a CSV with columns "
            f"{', '.join(f'input.{part}' for part in wanted)}.",
        )
    tasks = []
    for index, name in enumerate(catalog.ids):
        parts = {part: catalog.inputs[part][index] for part in inputs.parts}
        tasks.append(Task(Picture(list(parts.values())[-1], name), name, parts))
    return FoundTasks(tasks, [])


def _by_name(found: Mapping[str, FoundPictures]) -> FoundTasks:
    counts = {part: len(pictures.pictures) for part, pictures in found.items()}
    # The last of those with most files: masks are drawn over the last input.
    lead = max(reversed(counts), key=lambda part: counts[part])
    leading = found[lead].pictures
    columns = {
        part: [pictures.pictures[0]] * len(leading)
        if len(pictures.pictures) == 1
        else _partners(lead, leading, part, pictures.pictures)
        for part, pictures in found.items()
    }
    tasks = []
    for index, (picture, result) in enumerate(zip(leading, result_names(leading), strict=True)):
        tasks.append(Task(picture, result, {part: column[index].location for part, column in columns.items()}))
    return FoundTasks(tasks, [name for pictures in found.values() for name in pictures.others])


def _partners(lead: str, leading: Sequence[Picture], part: str, others: Sequence[Picture]) -> list[Picture]:
    """The file of another input that goes with each leading one."""
    if lead == part:
        return list(leading)
    pairing = match_pairs([picture.name for picture in leading], [picture.name for picture in others])
    if not pairing.complete:
        raise _unpaired(pairing, lead, part)
    by_name = {picture.name: picture for picture in others}
    partner = dict(pairing.pairs)
    return [by_name[partner[picture.name]] for picture in leading]


def _unpaired(pairing: Pairing, lead: str, part: str) -> DataError:
    lines = [f"{lead} without a {part}: {name}" for name in pairing.unmatched_images]
    lines += [f"{part} without a {lead}: {name}" for name in pairing.unmatched_masks]
    lines += [f"{name} with several: {', '.join(shorten(several, 4))}" for name, several in pairing.ambiguous]
    return DataError(
        f"one {part} for every {lead}, by name, or a single one for all",
        f"{len(pairing.pairs):,} pairs, and {len(lines):,} files without a partner",
        f"Correct the names, or write a CSV with columns input.{lead} and input.{part} and predict that.",
        details=shorten(lines),
    )
